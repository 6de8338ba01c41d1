"""Which columns of a table are measured features: numbers that are neither metadata nor constant."""

import re
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count, did_you_mean, listed, percent
from bnn_core.tables.aliases import plain_name
from bnn_core.tables.reading import looks_numeric

#: Columns with more missing cells than this share of the rows are left out.
MOST_MISSING = 0.2
#: Columns that are looked at together.
_COLUMNS_AT_A_TIME = 64
#: How the names of CellProfiler's bookkeeping and of metadata begin, in lower case.
NOT_FEATURES = (
    "metadata",
    "image_metadata",
    "filename",
    "pathname",
    "url",
    "imagenumber",
    "objectnumber",
    "tablenumber",
    "executiontime",
    "group_index",
    "group_number",
)
#: Names of row numbers, as `plain_name` gives them.
_COUNTERS = re.compile(r"(unnamed_?\d+|row_names|row|row_number|index|number|.*_index_level_\d+_*)")


class ChosenColumns(NamedTuple):
    """values: (N, F) float32, nan where missing. names: (F,). note: one sentence on the choice."""

    values: np.ndarray
    names: tuple[str, ...]
    note: str


def feature_candidates(table: pd.DataFrame, metadata: Collection[str]) -> list[str]:
    """Columns that hold numbers and are not metadata by their names, in the table's order."""
    return [
        c
        for c in table.columns
        if c not in metadata
        and not c.lower().startswith(NOT_FEATURES)
        and not _COUNTERS.fullmatch(plain_name(c).strip("_"))
        and looks_numeric(table[c])
    ]


def matching_columns(table: pd.DataFrame, patterns: Sequence[str]) -> list[str]:
    """Columns with a name like one of the patterns (`Cells_*`; in any case), in the table's order.

    Raises InputError for a pattern that fits no column, and for columns that hold no numbers.
    """
    names = [str(c) for c in table.columns]
    chosen: set[str] = set()
    for pattern in patterns:
        fits = [c for c in names if fnmatchcase(c.lower(), pattern.lower())]
        if not fits:
            raise InputError(
                f"--features {pattern}: no column has such a name{did_you_mean(pattern, names)}; "
                f"there are {listed(names, 8)}"
            )
        chosen |= set(fits)
    texts = [c for c in names if c in chosen and not looks_numeric(table[c])]
    if texts:
        raise InputError(f"--features: column '{texts[0]}' holds no numbers")
    return [c for c in names if c in chosen]


def usable_columns(
    values: np.ndarray, names: Sequence[str], rows: pd.DataFrame, path: Path
) -> ChosenColumns:
    """Leave out columns that are constant, have too many gaps, or only number the labels or groups.

    values: (N, F) float32, infinite ones are made nan in place. rows: label and group of the rows.
    Raises InputError where fewer than two columns are left.
    """
    keep = np.ones(len(names), dtype=bool)
    reasons: dict[str, list[str]] = {"constant": [], "missing": [], "numbers": []}
    codes = [pd.factorize(rows[c])[0] for c in ("label", "group")]
    gaps = np.zeros(len(values), dtype=bool)
    for j, (name, x) in enumerate(zip(names, _columns(values), strict=True)):
        missing = np.isnan(x)
        known = x[~missing]
        reason = None
        if len(known) < (1 - MOST_MISSING) * len(x):
            reason = "missing"
        elif known.min() == known.max():
            reason = "constant"
        elif _numbers(x, codes[0], whole=False) or _numbers(x, codes[1], whole=True):
            reason = "numbers"
        if reason:
            keep[j] = False
            reasons[reason].append(name)
        else:
            gaps |= missing
    chosen = tuple(name for name, kept in zip(names, keep, strict=True) if kept)
    note = _note(chosen, reasons, int(gaps.sum()))
    if len(chosen) < 2:
        raise InputError(f"{path}: {note}; at least 2 features are needed")
    return ChosenColumns(values if keep.all() else values[:, keep], chosen, note)


def _columns(values: np.ndarray) -> Iterator[np.ndarray]:
    """Each column, infinite values made nan in place too; some at a time, for rows lie together."""
    for first in range(0, values.shape[1], _COLUMNS_AT_A_TIME):
        part = values[:, first : first + _COLUMNS_AT_A_TIME]
        part[~np.isfinite(part)] = np.nan
        yield from np.ascontiguousarray(part.T)


def _numbers(x: np.ndarray, codes: np.ndarray, *, whole: bool) -> bool:
    """Whether each name behind `codes` (-1: none) has one number of its own.

    Fractions count unless `whole`, and where names have two rows on average: a measured value of one
    row differs from all others anyway.
    """
    known = (codes >= 0) & ~np.isnan(x)
    if not known.any():
        return False
    x, codes = x[known], codes[known]
    value_of = np.full(codes.max() + 1, np.nan, x.dtype)
    value_of[codes] = x
    if (x != value_of[codes]).any():
        return False
    numbers = value_of[~np.isnan(value_of)]
    if len(numbers) < 2 or len(np.unique(numbers)) < len(numbers):
        return False
    fractions = (numbers != np.rint(numbers)).any()
    return not (fractions and (whole or len(x) < 2 * len(numbers)))


def _note(chosen: Sequence[str], reasons: dict[str, list[str]], gaps: int) -> str:
    text = count(len(chosen), "feature")
    if len(chosen) > 1:
        text += f" ({chosen[0]} … {chosen[-1]})"
    words = {
        "constant": "constant",
        "missing": f"with more than {percent(MOST_MISSING)} of the rows missing",
        "numbers": "that only number the labels or groups",
    }
    left_out = [
        f"{len(names):,} {words[key]} ({listed(names)})" for key, names in reasons.items() if names
    ]
    if left_out:
        text += "; left out: " + ", ".join(left_out)
    if gaps:
        text += (
            f"; {count(gaps, 'row')} with missing values, which the median of the training rows "
            "replaces"
        )
    return text
