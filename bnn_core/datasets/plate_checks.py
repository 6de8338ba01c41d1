"""Contradictions in a table of plates, row by row: probable typing mistakes, swaps, wrong joins."""

import re
from collections.abc import Sequence

import pandas as pd

from bnn_core.tables.aliases import plain_name
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import name_key

#: Contradictions of one kind that are listed; the others are counted.
MOST_SENTENCES = 20


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
