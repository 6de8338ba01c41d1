"""Contradictions in a table of plates, row by row: probable typing mistakes, swaps, wrong joins."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bnn_core.tables.aliases import plain_name
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import name_key

#: Contradictions of one kind that are listed; the others are counted.
MOST_SENTENCES = 20
#: Share of compounds with several labels up to which these are mistakes.
_FEW_COMPOUNDS = 0.2


def alike_names(names: Sequence[str], kind: str) -> list[str]:
    """Names that differ only in capitals, spaces or punctuation: typing mistakes?"""
    spellings: dict[tuple[str, str], list[str]] = {}
    for name in names:  # a plus or minus at an end is part of a name: GON+, -1
        signs = "".join(re.findall(r"^[+-]|[+-]+$", name_key(name)))
        spellings.setdefault((plain_name(name), signs), []).append(name)
    return [
        f"{' and '.join(map(repr, sorted(alike)))} are different {kind}: use one spelling in the "
        "table if they are the same"
        for alike in spellings.values()
        if len(alike) > 1
    ]


def contradictions(table: pd.DataFrame) -> list[str]:
    """Compounds with two labels, wells with two compounds or concentrations, each with its rows.

    table: the rows of a plate table, index = row numbers.
    """
    problems = []
    labelled = table[table["role"] == "scored"]
    if "compound" in table and not labelled["label"].equals(labelled["compound"]):
        problems += _several(labelled, labelled["compound"], "label", "compound '{}'")
    if "well" in table:
        wells = well_groups(table).dropna()
        for column in ("compound", "concentration"):
            if column in table:
                problems += _several(table.loc[wells.index], wells, column, "well {}")
    return problems


def imported_contradictions(images: pd.DataFrame) -> list[str]:
    """`contradictions` of imported images: labels may there be of cells, so compounds with two of them
    are listed only where few have several. Looks at numbers first, for millions of rows."""
    doubtful = np.zeros(len(images), bool)
    scored = (images["role"] == "scored").to_numpy()
    if {"compound", "label"} <= set(images):
        compounds, labels = (pd.factorize(images[c])[0] for c in ("compound", "label"))
        several = _keys_of_several(compounds, np.where(scored, labels, -1))
        if several.mean() <= _FEW_COMPOUNDS:
            doubtful |= scored & several[compounds]
    if {"well", "compound"} <= set(images):
        wells = pd.factorize(images["well"])[0]
        if "plate" in images:
            plates = pd.factorize(images["plate"])[0]
            wells = np.where((plates < 0) | (wells < 0), -1, plates * (wells.max() + 1) + wells)
        several = _keys_of_several(wells, pd.factorize(images["compound"])[0])
        doubtful |= several[wells] & (wells >= 0)
    return contradictions(images[doubtful].astype(object)) if doubtful.any() else []


def _keys_of_several(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Of each key, a number from 0, whether its rows hold several values; -1 is none of either."""
    known = (keys >= 0) & (values >= 0)
    several = np.zeros(max(keys.max(initial=-1) + 1, 1), bool)
    if known.any():
        width = values.max() + 1
        pairs = np.unique(keys[known] * width + values[known])
        counts = np.bincount(pairs // width, minlength=len(several))
        several = counts > 1
    return several


def repeated_fields(table: pd.DataFrame) -> list[str]:
    """A sentence on rows of the same plate, well and site: planes in depth, points in time. Where no
    plate is named and wells are left out together, `plate_roles` says so."""
    if not {"well", "site"} <= set(table) or not {"plate", "compound"} & set(table):
        return []
    fields = well_groups(table) + "/" + table["site"].astype(object)
    double = fields.duplicated(keep=False) & fields.notna()
    if not double.any():
        return []
    first = fields[double].iloc[0]
    return [
        f"{rows_text(table.index[double])}: several images of one field (the first is {first}), each "
        "counted as an image: project planes in depth and choose one point in time first, or name the "
        "column of plates with --map plate=COLUMN"
    ]


def well_groups(table: pd.DataFrame) -> pd.Series:
    """plate/well of each row, the well alone where no plate is known; None without a well."""
    wells = table["well"].astype(object)
    if "plate" not in table:
        return wells
    return wells.where(table["plate"].isna(), table["plate"] + "/" + table["well"])


def _several(rows: pd.DataFrame, keys: pd.Series, column: str, name: str) -> list[str]:
    """A sentence for each key whose rows hold several values of `column`."""
    pairs = pd.DataFrame({"key": keys, "value": rows[column]}).dropna()
    several = pairs.groupby("key")["value"].nunique()
    keys_of = list(several.index[several > 1])
    sentences = []
    for key in keys_of[:MOST_SENTENCES]:
        mine = pairs[pairs["key"] == key]["value"]
        values = ", ".join(
            f"'{_text(value)}' on {rows_text(part.index)}" for value, part in mine.groupby(mine)
        )
        sentences.append(f"{name.format(key)} has {several[key]} {column}s: {values}")
    if len(keys_of) > MOST_SENTENCES:
        sentences.append(
            f"{len(keys_of) - MOST_SENTENCES:,} more such as {name.format(keys_of[MOST_SENTENCES])} have "
            f"several {column}s"
        )
    return sentences


def _text(value: object) -> str:
    return f"{value:g} µM" if isinstance(value, float) else str(value)
