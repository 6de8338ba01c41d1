"""Plates as maps: places of wells, one row per well, effects of rows, columns and the edge."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.scores import DEFAULT_SCORE, UNLIKENESS
from bnn_core.base.wording import be, count, listed
from bnn_core.measures.intervals import Interval, mean_difference, mean_interval
from bnn_core.measures.levels import aggregate, original_images, scored_rows
from bnn_core.tables.values import reading_order
from bnn_core.tables.wells import well_name, well_position


class Ring(NamedTuple):
    """What counts as edge: `edge` (W,) bool per well.

    outermost: False where no well lies on the plate's own edge, so that the outermost wells in use
    stand for it.
    """

    edge: np.ndarray
    outermost: bool


def plate_names(table: pd.DataFrame) -> pd.Series:
    """A name per row that no two plates share: "P1", or "week 2 / P1" where batches reuse names."""
    plate = table["plate"].astype("object")
    if "batch" not in table:
        return plate
    pairs = table[["plate", "batch"]].drop_duplicates().dropna()
    batches = pairs["plate"].value_counts()
    shared = table["plate"].isin(batches.index[batches > 1]) & table["batch"].notna()
    if not shared.any():
        return plate
    return plate.where(~shared, table["batch"].astype(str) + " / " + plate.astype(str))


def well_table(
    table: pd.DataFrame, classes: Sequence[str], source: str | None = None
) -> pd.DataFrame:
    """One row per well, sorted by plate (P2 before P10) and position: the means of its fields.

    table: images joined with a summary. source: name of an added set, None: the study's own
    images. Rows without plate or without a readable well are left out (compare `unplaced`).
    Returns plate (`plate_names`), well, row, column (from 1), n_images, label (missing for none or
    several), labels (how many), compound, concentration, role (None where the fields differ),
    predicted and p_<class> from the mean softmax, signed_confidence (the mean over fields), agreement
    (share of the scored fields predicted as their label, nan without one), correct (the well's
    prediction against its label; NA without), and the means of every quality_*, of unlikeness and distance,
    where there is one.
    """
    table, position = _placed(table, source)
    keys = ["plate", "well"]
    # Without labels a well stays one well, whatever its fields are labelled.
    units = aggregate(table.assign(label=None), "well", classes)
    columns = [
        c
        for c in ("plate", "well", "n_images", "compound", "concentration", "role", "predicted")
        if c in units
    ]
    wells = units[[*columns, *(f"p_{name}" for name in classes)]].copy()
    wells.insert(2, "row", wells["well"].map(lambda w: position[w][0]).astype(int))
    wells.insert(3, "column", wells["well"].map(lambda w: position[w][1]).astype(int))
    scored = scored_rows(table)
    right = table["correct"].fillna(False).to_numpy(dtype=bool)
    measured = table[keys].assign(
        **{DEFAULT_SCORE: table[DEFAULT_SCORE]},
        agreement=np.where(scored, right.astype(float), np.nan),
        **{c: table[c] for c in (*quality_measures(table), UNLIKENESS, "distance") if c in table},
    )
    means = measured.groupby(keys, observed=True).mean()
    labels = table.groupby(keys, observed=True)["label"].agg(["nunique", "first"])
    labels["label"] = labels["first"].where(labels["nunique"] == 1).astype("str")
    wells = wells.join(means, on=keys).join(
        labels[["label", "nunique"]].rename(columns={"nunique": "labels"}), on=keys
    )
    correct = pd.array(wells["predicted"].astype(object) == wells["label"], dtype="boolean")
    correct[(wells["label"].isna() | wells["agreement"].isna()).to_numpy()] = pd.NA
    turn = {name: i for i, name in enumerate(sorted(wells["plate"].unique(), key=reading_order))}
    order = np.lexsort((wells["column"], wells["row"], wells["plate"].map(turn)))
    return wells.assign(correct=correct).iloc[order].reset_index(drop=True)


def rows_of_wells(
    table: pd.DataFrame, wells: pd.DataFrame, source: str | None = None
) -> np.ndarray:
    """Index values of the images of these wells (plate and well, as `well_table` names them)."""
    placed, _ = _placed(table, source)
    keys = ["plate", "well"]
    on_map = pd.MultiIndex.from_frame(placed[keys]).isin(pd.MultiIndex.from_frame(wells[keys]))
    return placed.index.to_numpy()[on_map]


def unplaced(table: pd.DataFrame, source: str | None = None) -> pd.DataFrame:
    """The rows that no map can show: without plate, or with a well that is no well's name."""
    return table[~_has_position(table, source)]


def odd_wells(images: pd.DataFrame) -> list[str]:
    """A sentence on wells that no plate has, such as Z99; none where there are none."""
    wells = images["well"] if "well" in images else pd.Series(dtype=str)
    names = [name for name in map(str, wells.dropna().unique()) if well_position(name) is None]
    if not names:
        return []
    n = int(wells.astype(str).isin(names).sum())
    return [
        f"{count(n, 'image')} {be(n)} in wells that do not exist on a plate ({listed(names)}, column "
        "well), so no plate map shows them; write wells as B02 (A01 to AF48), or give a column row and "
        "a column column in place of the wells"
    ]


def quality_measures(table: pd.DataFrame) -> list[str]:
    """The columns of image quality that hold something (robust z among them)."""
    return [c for c in table if c.startswith("quality_") and table[c].notna().any()]


def edge_ring(
    wells: pd.DataFrame, plate_size: tuple[int, int], in_use: Iterable[object] | None = None
) -> Ring:
    """Which wells are on the edge: the plate's outermost rows and columns, else those in use.

    wells: row and column of each; in_use: names of all wells of the study, so that the edge does
    not move when `wells` are only some of them. By default `wells` are all.
    """
    row, column = wells["row"].to_numpy(), wells["column"].to_numpy()
    used = (
        np.stack([row, column])
        if in_use is None
        else np.array(
            [position for name in in_use if (position := well_position(name)) is not None]
        )
        .reshape(-1, 2)
        .T
    )
    if not used.size:
        return Ring(np.zeros(len(wells), dtype=bool), True)
    first, last = used.min(axis=1), used.max(axis=1)
    outermost = bool((first == 1).any() or (last == plate_size).any())
    if outermost:
        first, last = np.ones(2), np.array(plate_size)
    return Ring(
        (row == first[0]) | (row == last[0]) | (column == first[1]) | (column == last[1]), outermost
    )


def edge_effect(values: np.ndarray, edge: np.ndarray) -> Interval | None:
    """Mean of edge wells minus mean of the other wells, with Welch's 95 % interval.

    values: (W,) per well, nan is left out. edge: (W,) bool. None if either side has fewer than two
    wells.
    """
    values, edge = np.asarray(values, np.float64), np.asarray(edge, bool)
    known = ~np.isnan(values)
    outer, inner = values[known & edge], values[known & ~edge]
    return mean_difference(outer, inner) if min(len(outer), len(inner)) > 1 else None


def position_is_treatment(wells: pd.DataFrame, edge: np.ndarray) -> bool:
    """Whether no treatment is both on the edge and inside: treatments then explain any effect.

    wells: with compound, and concentration where known; edge: (W,) bool. False without compounds.
    """
    if "compound" not in wells or wells["compound"].isna().all():
        return False
    known = wells["compound"].notna().to_numpy()
    names = [name for name in ("compound", "concentration") if name in wells]
    keys = [wells.loc[known, name].reset_index(drop=True) for name in names]
    # Untreated wells have no concentration and are a treatment too.
    both = pd.Series(edge[known]).groupby(keys, dropna=False).nunique()
    return len(both) > 1 and bool((both == 1).all())


def line_effects(wells: pd.DataFrame, values: np.ndarray, along: str) -> pd.DataFrame:
    """Mean of the wells of each row or column (`along`): line, n, mean, low, high.

    Intervals are Student's t over wells, nan for fewer than three wells. Wells without a value are
    left out.
    """
    known = ~np.isnan(values)
    lines = []
    for line, part in pd.Series(values[known]).groupby(wells[along].to_numpy()[known]):
        mean = mean_interval(part.to_numpy())
        low, high = (mean.low, mean.high) if len(part) > 2 else (np.nan, np.nan)
        lines.append(
            {"line": int(line), "n": len(part), "mean": mean.value, "low": low, "high": high}
        )
    return pd.DataFrame(lines, columns=["line", "n", "mean", "low", "high"])


def within_plates(wells: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """(W,) values less their plate's mean: differences, below 0 too; plates no longer differ."""
    series = pd.Series(np.asarray(values, np.float64))
    plate = wells["plate"].reset_index(drop=True)
    return (series - series.groupby(plate).transform("mean")).to_numpy()


def images_of(table: pd.DataFrame, source: str | None) -> np.ndarray:
    """(N,) bool: the images of an added set, or of the study itself (None)."""
    return original_images(table) if source is None else (table["source"] == source).to_numpy()


def _placed(
    table: pd.DataFrame, source: str | None
) -> tuple[pd.DataFrame, dict[str, tuple[int, int]]]:
    """The images of a set with a plate position, plates by `plate_names`, wells by one spelling;
    and the positions."""
    known = table[_has_position(table, source)]
    names = {name: well_position(name) for name in known["well"].unique()}
    spelled = {name: well_name(*p) for name, p in names.items() if p is not None}
    known = known.assign(plate=plate_names(known), well=known["well"].map(spelled).astype(object))
    return known, {spelled[name]: p for name, p in names.items() if p is not None}


def _has_position(table: pd.DataFrame, source: str | None) -> np.ndarray:
    """(N,) bool: the images of a set on a plate, in a well that can be read."""
    readable = [name for name in table["well"].dropna().unique() if well_position(name) is not None]
    placed = table["plate"].notna() & table["well"].isin(readable)
    return images_of(table, source) & placed.to_numpy(dtype=bool)
