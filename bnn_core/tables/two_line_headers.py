"""Headers in two lines, as pandas writes MultiIndex columns and people merge cells in Excel."""

import re
from collections import Counter
from collections.abc import Sequence

from bnn_core.tables.aliases import CLASS_PROBABILITY

_NUMBER = re.compile(r"\s*[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?\s*", re.I)
#: So many lines of a file tell whether the second is part of the header.
LOOKED_AT = 6


def two_line_header(lines: Sequence[Sequence[str]]) -> tuple[list[str], int] | None:
    """The names of the columns and how many lines they take; None where the first line has them all.

    lines: the first `LOOKED_AT` lines of cells, of one length. A second line of names has no number,
    names columns that the first line leaves empty or names alike, and numbers stand below it, in at
    least two columns. Of "proba" above "x" the name is proba_x, of "meta" above "label" it is
    "label". pandas adds a third line, of the name of the index alone.
    """
    if len(lines) < 3:
        return None
    upper, lower = ([cell.strip() for cell in line] for line in lines[:2])
    count = Counter(upper)
    numbers = [any(_NUMBER.fullmatch(line[j]) for line in lines[2:]) for j in range(len(upper))]
    below = [j for j, name in enumerate(lower) if name and numbers[j]]
    unnamed = any(not upper[j] or count[upper[j]] > 1 for j in below)
    if len(below) < 2 or not unnamed or any(map(_NUMBER.fullmatch, lower)):
        return None
    names, left = [], ""
    for j, name in enumerate(lower):
        left = upper[j] or left  # of a merged head only the first cell is filled
        names.append(_joined(left if name and numbers[j] else upper[j], name, lower.count(name)))
    third = [cell.strip() for cell in lines[2]]
    index_only = bool(third[0]) and not any(third[1:])
    if index_only:
        names[0] = third[0]
    return names, 2 + index_only


def _joined(upper: str, lower: str, times: int) -> str:
    """The name of a column in two lines; times: how often its lower name occurs."""
    if lower and upper and (times > 1 or CLASS_PROBABILITY.fullmatch(upper)):
        return f"{upper}_{lower}"
    return lower or upper
