"""Class probabilities whose columns do not begin with a usual word: found by names and by sums."""

import itertools
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.tables.reading import looks_numeric
from bnn_core.tables.values import name_key

#: Rows that are looked at; all are checked when the probabilities are read.
_ROWS = 1000
#: Sums of rounded probabilities are this near to 1, per class.
_PER_CLASS = 0.005


#: What columns of predictions begin with and no class does.
_PREDICTED_HEAD = re.compile(r"(?:pred|predicted|prediction|output|model|net|est)_", re.I)
_PREDICTED_TAIL = re.compile(
    r"_(?:pred|predicted|prediction|prob|proba|probability|p|score|softmax)$", re.I
)


class Supposed(NamedTuple):
    """Columns, what they call their classes, and a sentence on how they were found."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    note: str


def named_within(
    table: pd.DataFrame, candidates: Sequence[str], known: Collection[str]
) -> Supposed | None:
    """Columns that hold the names of known classes between the same signs: "x_prob", "RF (x)".

    Only whole words count, and only sets of at least two classes whose rows sum to 1.
    """
    spelt = {name_key(name): name for name in known if name_key(name)}
    sets: dict[tuple[str, str], dict[str, str]] = {}
    for column in candidates:
        if not looks_numeric(table[column]):
            continue
        key = name_key(column)
        for name in sorted(spelt, key=len, reverse=True):
            match = re.fullmatch(rf"(.*?)(?<![^\W_])({re.escape(name)})(?![^\W_])(.*)", key)
            if match and match[1] + match[3]:
                sets.setdefault((match[1], match[3]), {}).setdefault(name, column)
                break
    fits = [
        column_of
        for column_of in sets.values()
        if len(column_of) > 1 and sums_to_one(table, list(column_of.values()))
    ]
    if len(fits) != 1:
        return None
    names = tuple(spelt[name] for name in fits[0])
    columns = tuple(fits[0].values())
    return Supposed(columns, names, f"'{columns[0]}' ... contain the names of the classes.")


def numbered(table: pd.DataFrame, candidates: Sequence[str]) -> Supposed | None:
    """Columns called 0, 1, 2 ... (or from 1), as pandas names those of an array."""
    numbers = [c for c in candidates if str(c).isdecimal()]
    for first in (0, 1):
        columns = [str(k) for k in range(first, first + len(numbers))]
        complete = len(columns) > 1 and sorted(numbers) == sorted(columns)
        if (
            complete
            and all(looks_numeric(table[c]) for c in columns)
            and sums_to_one(table, columns)
        ):
            return Supposed(tuple(columns), tuple(columns), "")
    return None


def summing_to_one(table: pd.DataFrame, candidates: Sequence[str]) -> Supposed | None:
    """The only neighbouring columns of numbers from 0 to 1 that sum to 1 in every row."""
    runs: list[list[str]] = [[]]
    inside = set(candidates)
    for column in table.columns:
        is_name = re.search(r"[^\W\d]", str(column)) or str(column).isdecimal()
        if (
            column in inside
            and is_name
            and looks_numeric(table[column])
            and _is_share(table[column])
        ):
            runs[-1].append(column)
        elif runs[-1]:
            runs.append([])
    fits = [run for run in runs if len(run) > 1 and sums_to_one(table, run)]
    if not fits:  # marks of the true class beside them
        runs = [[c for c in run if not _is_mark(table[c])] for run in runs]
        fits = [run for run in runs if len(run) > 1 and sums_to_one(table, run)]
    if len(fits) != 1:
        return None
    (columns,) = fits
    numbers = [re.fullmatch(r"column (\d+)", c) for c in columns]
    names = _places(columns) or _without_shared(columns)
    if all(numbers):  # a file without a header
        names = [str(k) for k in range(len(columns))]
    return Supposed(
        tuple(columns),
        tuple(names),
        f"'{columns[0]}' ... '{columns[-1]}' are read as the probabilities of the classes, "
        "because they sum to 1 in every row.",
    )


def _places(columns: Sequence[str]) -> list[str]:
    """The numbers of columns that only count: "scores_1", "scores_2"; none for other names."""
    ends = [re.fullmatch(r"(.*\D)(\d+)", column) for column in columns]
    heads, places = {end and end[1] for end in ends}, [end[2] if end else "" for end in ends]
    counted = [[str(first + k) for k in range(len(columns))] for first in (0, 1)]
    return places if len(heads) == 1 and places in counted else []


def _without_shared(columns: Sequence[str]) -> list[str]:
    """The names without the words that all begin or end with: "Forest (x)" and "Forest (y)"."""
    start = re.match(r"(?:.*[^\w+-])?", _shared_start(columns))[0]
    start = start or (re.match(_PREDICTED_HEAD, _shared_start(columns)) or [""])[0]
    rest = [c[len(start) :] for c in columns]
    end = _shared_start([c[::-1] for c in rest])[::-1]
    tail = re.search(_PREDICTED_TAIL, end)
    end = tail[0] if tail else re.search(r"(?:[^\w+-].*)?$", end)[0]
    names = [c[: len(c) - len(end)] if end else c for c in rest]
    return names if all(names) and len(set(names)) == len(names) else list(columns)


def _shared_start(texts: Sequence[str]) -> str:
    shared = itertools.takewhile(lambda signs: len(set(signs)) == 1, zip(*texts, strict=False))
    return "".join(signs[0] for signs in shared)


def _numbers(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    rows = table[list(columns)].iloc[:_ROWS]
    return rows.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)


def _is_share(values: pd.Series) -> bool:
    numbers = pd.to_numeric(values.iloc[:_ROWS], errors="coerce").dropna()
    return bool(len(numbers) and ((numbers >= 0) & (numbers <= 1)).all())


def _is_mark(values: pd.Series) -> bool:
    return bool(pd.to_numeric(values.iloc[:_ROWS], errors="coerce").isin((0, 1)).all())


def sums_to_one(table: pd.DataFrame, columns: Sequence[str]) -> bool:
    """Whether columns of numbers sum to 1 in nearly every row, and are not all 0 and 1."""
    values = _numbers(table, columns)
    filled = values[~np.isnan(values).any(axis=1)]
    if not len(filled) or (filled < 0).any():
        return False
    near = np.abs(filled.sum(axis=1) - 1) <= max(0.01, _PER_CLASS * len(columns))
    # Whole numbers that sum to 1 are marks of a class, no probabilities.
    return bool(near.mean() > 0.95 and not np.isin(filled, (0, 1)).all())
