"""The classes that an image may well be of: sets that contain the label with a chosen chance.

Conformal prediction on the mean softmax: a class is in an image's set if its softmax is at least a
limit, which held-out images of that class set, so the promise holds for each class by itself
(Mondrian; Vovk et al. 2005; Sadinle et al. 2019). The held-out predictions of the folds calibrate it.

Images of one compound are alike, so what counts is a new compound: every compound has the same
weight, and one more, about which nothing is known, is counted as outside (Lee, Barber & Willett 2023,
"Distribution-free inference with hierarchical data"). An image is never judged by its own compound.
A class of few compounds cannot show the chance; all such classes share one limit, and the promise
is one about their mean. The predicted class is always in the set.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.measures.intervals import group_codes
from bnn_core.measures.judged_units import independent_groups
from bnn_core.measures.levels import known_images

#: The chance of a set to contain the label, until another is chosen.
LEVEL = 0.9
LEVELS = (0.8, 0.9, 0.95)
#: Shares of an unknown compound that may count as outside, see `_of_groups`.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class PredictionSets:
    """member: (N, C) bool, the classes of each image's set. by_class: (C,) bool, the classes that
    had enough compounds (or images) of their own. enough: False where all classes together had too
    few, so that every set holds every class. level: the chance to contain the label. unusual: (N,)
    bool, the images where no class reaches its limit, so that the set is the predicted class."""

    member: np.ndarray
    by_class: np.ndarray
    enough: bool
    level: float
    unusual: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """(N,) number of classes in each set, 1 and more."""
        return self.member.sum(axis=1)

    def holds(self, label: np.ndarray) -> np.ndarray:
        """(N,) bool: whether the class with number `label` (N,), -1 for none, is in the set."""
        rows = np.arange(len(label))
        return np.where(label >= 0, self.member[rows, label], False)


def prediction_sets(
    p: np.ndarray,
    label: np.ndarray,
    groups: np.ndarray | None = None,
    level: float = LEVEL,
) -> PredictionSets:
    """Sets of all images.

    p: (N, C) mean softmax. label: (N,) class number of the images that calibrate, each predicted by
    a network that was not trained on it (nor on its compound); -1 for all others. groups: (N,)
    compounds, missing for unknown; None where images are independent. level: in (0, 1).
    Raises ValueError for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"chance {level} is not in (0, 1)")
    p = np.asarray(p, dtype=np.float64)
    n, classes = p.shape
    if groups is None:
        codes = np.arange(n)
    else:
        codes, _ = group_codes(groups)
    fewest = fewest_groups(level)
    used = label >= 0
    count = np.array([_how_many(codes[label == k]) for k in range(classes)])
    by_class = count > fewest
    # One limit for all classes that have too few compounds of their own.
    shared = used & ~by_class[label]
    if _how_many(codes[shared]) <= fewest:
        shared = used
    enough = _how_many(codes[shared]) > fewest
    member = np.zeros((n, classes), dtype=bool)
    for k in range(classes):
        rows = np.flatnonzero(label == k if by_class[k] else shared)
        member[:, k] = p[:, k] >= _limits(p[rows, label[rows]], codes[rows], codes, level)
    unusual = ~member.any(axis=1) & enough
    member[np.arange(n), p.argmax(axis=1)] = True
    member |= not enough
    return PredictionSets(member, by_class, bool(enough), level, unusual)


def table_sets(table: pd.DataFrame, classes: Sequence[str], level: float = LEVEL) -> PredictionSets:
    """Sets of all rows of a table (`Study.table`): its scored images calibrate, with whole
    compounds; see `prediction_sets`."""
    label = pd.Index(classes).get_indexer(table["label"].where(known_images(table)))
    p = table[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    return prediction_sets(p, label, independent_groups(table), level)


def in_words(sets: PredictionSets, classes: Sequence[str], rows: np.ndarray) -> list[str | None]:
    """The classes of some rows' sets, with " | " between them; None where there are no sets."""
    if not sets.enough:
        return [None] * len(rows)
    return [" | ".join(np.compress(member, classes)) for member in sets.member[rows]]


def fewest_groups(level: float) -> int:
    """The least number of other compounds (or images) that can show a chance: 9 for 90 %."""
    return int(np.ceil(level / (1 - level) - 1e-9))


def _how_many(codes: np.ndarray) -> int:
    """How many different codes (N,), whole numbers from 0, there are."""
    return int(np.count_nonzero(np.bincount(codes)))


def _limits(p: np.ndarray, groups: np.ndarray, of: np.ndarray, level: float) -> np.ndarray:
    """(N,) softmax that a class needs in the set of images with groups `of` (N,).

    p, groups: (K,) softmax of the true class of the images that calibrate. An image's own group does
    not count. -inf where the other groups are too few.
    """
    counts = np.bincount(groups)
    names = np.flatnonzero(counts)
    sizes, codes = counts[names], (np.cumsum(counts > 0) - 1)[groups]
    if len(names) == len(groups):
        limits, of_all = _of_single_images(p[np.argsort(codes)], level)
    else:
        limits, of_all = _of_groups(p, codes, sizes, level)
    at = np.searchsorted(names, of)
    known = names[np.minimum(at, len(names) - 1)] == of if len(names) else np.zeros(len(of), bool)
    return np.where(known, np.append(limits, of_all)[np.where(known, at, -1)], of_all)


def _of_single_images(p: np.ndarray, level: float) -> tuple[np.ndarray, float]:
    """Limits without each of K images, in their order by group, and with all."""
    ascending = np.append(-np.inf, np.sort(p))
    with_all = ascending[_outside(len(p), level)]
    below = _outside(len(p) - 1, level)
    # Without an image at or below the limit the next higher one takes its place.
    without = ascending[below]
    after = ascending[min(below + 1, len(p))]
    return np.where((p <= without) & (below > 0), after, without), float(with_all)


def _outside(count: int, level: float) -> int:
    """The rank of the limit: so many of `count` images are at or below it, 0 for -inf."""
    return max(int(np.floor((1 - level) * (count + 1) + 1e-9)), 0)


def _of_groups(
    p: np.ndarray, codes: np.ndarray, sizes: np.ndarray, level: float
) -> tuple[np.ndarray, float]:
    """Limits without each of G groups, and with all; every group weighs 1.

    How much of the one unknown group counts as outside, its share, lies between 0 (images of a
    group differ as much as any) and 1 (they are all the same): the least of SHARES with which the
    groups left out one by one are in as often as they should be.
    """
    n, total = len(p), len(sizes)
    order = np.argsort(p)
    ascending, of_sorted = p[order], codes[order]
    # Weight strictly below each value, and the first place with that value.
    below = np.append(0, np.cumsum(1 / sizes[of_sorted]))[:-1]
    ties = np.append(False, ascending[1:] == ascending[:-1])
    first = np.maximum.accumulate(np.where(ties, 0, np.arange(n)))
    below = below[first]
    if total < 2**15:
        of_sorted = of_sorted.astype(np.int16)  # numpy sorts these in linear time
    by_group = np.argsort(of_sorted, kind="stable")
    # Places of each group's values, group by group, so that one search counts in all groups.
    places, every = of_sorted[by_group].astype(np.int64) * (n + 1) + by_group, np.arange(total)
    starts = np.cumsum(sizes) - sizes

    def own_below(at: np.ndarray) -> np.ndarray:
        """(G,) number of each group's images below the values at these places (G,)."""
        return np.searchsorted(places, every * (n + 1) + first[at]) - starts

    def last(allowed: float, without: Callable[[np.ndarray], np.ndarray], count: int) -> np.ndarray:
        """(count,) places of the largest values below which at most `allowed` weight lies."""
        low, high = np.zeros(count, np.intp), np.full(count, n)
        while (open_ := high - low > 1).any():
            middle = (low + high) // 2
            inside = below[middle] - without(middle) <= allowed + 1e-9
            low = np.where(open_ & inside, middle, low)
            high = np.where(open_ & ~inside, middle, high)
        return low

    for share in SHARES:
        allowed = (1 - level) * (total - 1 + share) - share
        limits, inside = np.full(total, -np.inf), np.ones(total)
        if allowed >= -1e-9:
            at = last(allowed, lambda at: own_below(at) / sizes, total)
            limits, inside = ascending[at], (sizes - own_below(at)) / sizes
        if np.mean(inside) >= level:
            break
    allowed = (1 - level) * (total + share) - share
    of_all = ascending[last(allowed, np.zeros_like, 1)[0]] if allowed >= -1e-9 else -np.inf
    return limits, float(of_all)
