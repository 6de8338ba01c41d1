"""Bringing metadata to a table of images: plate maps, lists of compounds, labels by image."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING, be, count, have
from bnn_core.tables.matching import positions
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import name_key, none_where

#: Columns that two tables may be joined on, the most precise first.
JOINS = (
    ("image_id",),
    ("path",),
    ("plate", "well", "site"),
    ("plate", "well"),
    ("layout", "well"),
    ("well",),
    ("compound", "concentration"),
    ("compound",),
    ("plate",),
)
#: Columns that have one value in a well.
_OF_WELLS = ("compound", "concentration")
#: Contradictions that are listed one by one; the others are counted.
MOST_KEYS_LISTED = 50


def join_metadata(
    table: pd.DataFrame,
    metadata: pd.DataFrame,
    path: Path,
    table_path: Path,
    on: Collection[str] = (),
) -> tuple[pd.DataFrame, list[str]]:
    """The table with the columns of `metadata` that it lacks, and notes.

    Both have canonical columns (`bnn_core.tables.columns`); the paths name them in messages. on:
    what to join on; by default the most precise columns that both have and that match. A column is
    brought where it has one value per key for at least one key; where a key has several values the
    cell stays empty. Rows without a partner stay, with empty cells. Columns that both have are
    compared: empty cells are filled, contradictions are listed well by well (or row by row) and the
    table's value stays.

    Raises InputError where the tables share no column, no row has a partner, or nothing is new.
    """
    keys, wanted, known, partners, how = _partners(table, metadata, path, table_path, tuple(on))
    name = " and ".join(keys)
    brought: dict[str, pd.Series] = {}
    emptied: dict[str, np.ndarray] = {}
    agree: list[str] = []
    notes: list[str] = []
    for column in metadata.columns:
        if column in known:
            continue
        values, several = _one_value(metadata[column], partners, table.index)
        if column in table:
            if column not in ("image_id", "path", "site", "fold", "role"):
                more = _contradictions(table, column, values, path)
                notes += more
                if not more and (table[column].notna() & values.notna()).any():
                    agree.append(column)
                table = table.assign(**{column: table[column].where(table[column].notna(), values)})
        elif values.notna().any():
            brought[column] = (
                values.astype(np.float64)
                if column == "concentration"
                else none_where(values, values.isna())
            )
            if several.any():
                emptied[column] = several
    if agree and not brought and not notes:
        notes.append(f"{', '.join(agree)} agree with {path.name}, which adds nothing.")
    if not brought and not notes:
        raise InputError(
            f"{path} adds nothing: no other column with a known name (compound, concentration, moa, "
            f"label, ...) has one value per {name}; name one with --map, such as compound=COLUMN"
        )
    compared = f", compared by {how}" if how else ""
    if brought:
        notes.insert(0, f"{', '.join(brought)} joined from {path.name} on {name}{compared}.")
    notes += _lost_rows(table, wanted, partners, path, name)
    notes += _several_values(wanted, metadata, partners, emptied, path)
    return pd.concat([table, pd.DataFrame(brought, index=table.index)], axis=1), notes


def _partners(
    table: pd.DataFrame, metadata: pd.DataFrame, path: Path, table_path: Path, on: tuple[str, ...]
) -> tuple[tuple[str, ...], pd.DataFrame, pd.DataFrame, list[np.ndarray], str]:
    """What the tables are joined on, those columns of both, and the partners of each row."""
    tries = [(on, on)] if on else [(join, join) for join in JOINS]
    if not on:  # one table may call the image by its file, the other by an id
        tries[2:2] = [(("image_id",), ("path",)), (("path",), ("image_id",))]
    possible = [
        (ours, theirs)
        for ours, theirs in tries
        if set(ours) <= set(table)
        and set(theirs) <= set(metadata)
        and table[list(ours)].notna().all(axis=1).any()
        and metadata[list(theirs)].notna().all(axis=1).any()
        and not (ours == ("well",) and _several_plates(metadata))
    ]
    if not possible:
        raise InputError(
            f"{path} and {table_path} have no column in common to join on "
            f"({', '.join(on) or 'image, plate and well, or compound'}); the first has "
            f"{', '.join(metadata)}, the second {', '.join(table)}; name columns with --map"
        )
    for ours, theirs in possible:
        wanted = table[list(ours)]
        known = metadata[list(theirs)].set_axis(list(ours), axis=1)
        partners, how = positions(wanted, known)
        if any(map(len, partners)):
            return ours, wanted, metadata[list(theirs)], partners, how
    ours, theirs = possible[0]
    here, there = (
        ", ".join(str(v) for v in frame[list(c)].dropna().iloc[0])
        for frame, c in ((table, ours), (metadata, theirs))
    )
    raise InputError(
        f"{path} has no row for any row of {table_path} by {' and '.join(ours)}: '{here}' here, "
        f"'{there}' there; correct the names, or give other columns to join on with --map"
    )


def _several_plates(metadata: pd.DataFrame) -> bool:
    """Whether wells alone do not tell: the metadata name plates, and several."""
    return "plate" in metadata and metadata["plate"].nunique() > 1


def _one_value(
    values: pd.Series, partners: list[np.ndarray], index: pd.Index
) -> tuple[pd.Series, np.ndarray]:
    """The value of each row's partners where they have one, and which rows have several."""
    cells = values.to_numpy(dtype=object)
    known = values.notna().to_numpy()
    out = np.full(len(partners), None, dtype=object)
    several = np.zeros(len(partners), bool)
    values_of: dict[int, set] = {}
    for i, rows in enumerate(partners):  # rows of one key share one array
        distinct = values_of.get(id(rows))
        if distinct is None:
            distinct = values_of[id(rows)] = set(cells[rows[known[rows]]])
        if len(distinct) == 1:
            (out[i],) = distinct
        several[i] = len(distinct) > 1
    return pd.Series(out, index=index, dtype=object), several


def _several_values(
    wanted: pd.DataFrame,
    metadata: pd.DataFrame,
    partners: list[np.ndarray],
    emptied: dict[str, np.ndarray],
    path: Path,
) -> list[str]:
    """What is said of columns that have several values for one key: listed where that contradicts
    itself (two labels of a compound, two compounds of a well), else counted."""
    notes: list[str] = []
    counted: dict[int, list[str]] = {}
    name = " and ".join(wanted)
    for column, several in emptied.items():
        n = int(several.sum())
        if column not in ("label", "moa") and not (column in _OF_WELLS and "well" in wanted):
            counted.setdefault(n, []).append(column)
            continue
        held: dict[str, str] = {}
        for i in np.flatnonzero(several):
            key = "/".join(map(str, wanted.iloc[i]))
            if key not in held:
                cells = metadata[column].iloc[partners[i]].dropna()
                values = [f"'{v}' on {rows_text(rows.index)}" for v, rows in cells.groupby(cells)]
                held[key] = f"{key} has {', '.join(values)}"
        more = len(held) - MOST_KEYS_LISTED
        notes.append(
            f"{WARNING}{path.name} contradicts itself on the {column} of one {name}: "
            f"{'; '.join([*held.values()][:MOST_KEYS_LISTED])}{f'; and {more:,} more' * (more > 0)}; "
            f"it is empty on {count(n, 'row')}"
        )
    return notes + [
        f"Empty on {count(n, 'row')}: {', '.join(columns)}; {path.name} has several values for one "
        f"{name}."
        for n, columns in sorted(counted.items())
    ]


def _contradictions(table: pd.DataFrame, column: str, values: pd.Series, path: Path) -> list[str]:
    """A warning on wells (else rows) where a column says another thing than the metadata."""
    mine = table[column]
    both = mine.notna() & values.notna()
    if column == "concentration":
        differs = both & ~np.isclose(
            mine.astype(float), values.astype(float).fillna(np.nan), rtol=1e-6, atol=0
        )
    else:
        differs = both & (mine.map(name_key, "ignore") != values.map(name_key, "ignore"))
    if not differs.any():
        return []
    if "well" in table and table["well"].notna().any():
        plates = table["plate"] + "/" if "plate" in table else pd.Series("", index=table.index)
        units, noun = (plates.fillna("") + table["well"]).where(table["well"].notna()), "well"
    else:
        units, noun = pd.Series([f"row {row}" for row in table.index], index=table.index), "row"
    pairs = pd.DataFrame({"unit": units, "mine": mine, "theirs": values})[differs].drop_duplicates()
    shown = [
        f"{pair.unit} '{pair.mine}' here, '{pair.theirs}' there"
        for pair in pairs.iloc[:MOST_KEYS_LISTED].itertuples()
    ]
    n, more = int(units[differs].nunique()), len(pairs) - len(shown)
    return [
        f"{WARNING}{column} contradicts {path.name} in {n:,} of "
        f"{count(units[both].nunique(), noun)} "
        f"that both have: {'; '.join(shown)}{f'; and {more:,} more' if more else ''}"
    ]


def _lost_rows(
    table: pd.DataFrame,
    wanted: pd.DataFrame,
    partners: list[np.ndarray],
    path: Path,
    name: str,
) -> list[str]:
    """How many rows have no partner; a warning where they are more than half."""
    lost = np.array([len(p) == 0 for p in partners])
    if not lost.any():
        return []
    n = int(lost.sum())
    first = ", ".join("empty" if pd.isna(v) else str(v) for v in wanted[lost].iloc[0])
    return [
        f"{WARNING if 2 * n > len(table) else ''}{count(n, 'row')} of {len(table):,} "
        f"{have(n)} no partner in {path.name} by {name} ({rows_text(table.index[lost])}, the first "
        f"is '{first}') and {be(n)} without its columns there."
    ]
