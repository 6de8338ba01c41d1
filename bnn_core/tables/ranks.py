"""Tables of the k best classes of each image: a column per rank, which is no column per class."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.tables.aliases import plain_name
from bnn_core.tables.reading import to_numbers
from bnn_core.tables.values import as_text

#: prob_1 or top1_prob; index_1, top1 or top1_label.
_SCORES = "prob(?:abilit(?:y|ies)|s)?|scores?|p|confidences?|conf|softmax|values?"
_CLASSES = (
    "index|indices|idx|class_?ids?|label_?(?:ids?|names?)|labels?|class_?(?:names?|index)|class(?:es)?"
    "|pred(?:icted|iction)?s?|category|names?"
)
_SCORE = re.compile(rf"(?:top_?\d*_?)?(?:{_SCORES})_?(\d+)|top_?(\d+)_(?:{_SCORES})")
_CLASS = re.compile(rf"(?:top_?\d*_?)?(?:{_CLASSES})_?(\d+)|top_?(\d+)(?:_(?:{_CLASSES}))?")
#: So many rows sorted by chance are out of the question with three classes or more.
_SORTED_ROWS = 10


class RankedValues(NamedTuple):
    """Values (N, C) by class; columns: of the ranks, as many as there are classes."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray


def ranked_values(table: pd.DataFrame, candidates: Sequence[str]) -> RankedValues | None:
    """Probabilities by class from pairs of columns prob_0, index_0, prob_1, index_1 ...

    None where the table has no such pairs. Raises InputError where there are fewer ranks than
    classes: what the others have is not known.
    """
    scores, classes = _by_rank(candidates, _SCORE), _by_rank(table.columns, _CLASS)
    ranks = sorted(set(scores) & set(classes))
    if len(ranks) < 2 or set(scores) - set(classes):
        return None
    named = pd.DataFrame({r: as_text(table[classes[r]]) for r in ranks})
    names = sorted(
        pd.unique(named.to_numpy(dtype=object).ravel()[named.notna().to_numpy().ravel()])
    )
    if len(names) > len(ranks) or named.isna().to_numpy().any():
        raise InputError(
            f"'{scores[ranks[0]]}', '{classes[ranks[0]]}' ... are the {len(ranks)} best of "
            f"{len(names)} classes: the probabilities of all classes are needed, such as with "
            f"top-k set to {len(names)}"
        )
    if any(len(set(row)) < len(ranks) for row in named.to_numpy(dtype=object)):
        return None
    order = sorted(names, key=lambda n: (0, int(n), n) if n.isdecimal() else (1, 0, n))
    columns = [scores[r] for r in ranks]
    numbers = to_numbers(table, columns, "")  # type: ignore[arg-type]
    values = np.empty_like(numbers)
    position = {name: k for k, name in enumerate(order)}
    for j, rank in enumerate(ranks):
        values[np.arange(len(table)), named[rank].map(position).to_numpy(int)] = numbers[:, j]
    return RankedValues(tuple(columns), tuple(order), values)


def demand_unsorted(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse numbered columns that fall from left to right in every row: ranks, no classes."""
    if len(columns) < 3 or len(table) < _SORTED_ROWS:
        return
    values = table[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if (np.diff(values, axis=1) <= 0).all() and (np.diff(values, axis=1) < 0).any():
        raise InputError(
            f"'{columns[0]}' ... '{columns[-1]}' decrease from left to right in every row, so "
            "they seem to be ranks, not classes; give one column per class"
        )


def _by_rank(columns: Sequence[str], pattern: re.Pattern) -> dict[int, str]:
    matches = {c: pattern.fullmatch(plain_name(c)) for c in columns}
    return {int(match[1] or match[2]): c for c, match in matches.items() if match}
