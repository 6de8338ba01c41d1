"""'I need 95 % right': the smallest cut-off that earns it, found on one half, told of the other.

A cut-off chosen and judged on the same images looks better than it is. So images are split in
halves, by whole groups (compounds) where there are groups; the cut-off comes from the one half and
the figures shown are those of the other.
"""

from dataclasses import dataclass

import numpy as np

from bnn_core.measures.evaluation import Selective, checked, ratio
from bnn_core.measures.intervals import (
    REPEATS,
    Interval,
    group_codes,
    group_counts,
    group_draws,
    share_interval,
    wilson_lower,
)

#: With fewer groups above a cut-off, resampling them says nothing. Counted as (sum n)^2 / sum n^2
#: of the images kept per group, so that one large group with four single images is not five.
MIN_GROUPS = 5


@dataclass(frozen=True)
class Half:
    """One half of the images, at the chosen cut-off (kept = right = 0 when there is none)."""

    images: int
    groups: int | None
    kept: int
    right: int


@dataclass(frozen=True)
class NeededCutoff:
    """The answer. `cutoff` is None when no cut-off earns the target; `reason` then says why.

    lower_bound: one-sided lower 95 % bound of the accuracy at the cut-off on the first half.
    accuracy: on the second half, with its two-sided 95 % interval; None when nothing is kept there.
    """

    target: float
    cutoff: float | None
    lower_bound: float | None
    estimated: Half
    reported: Half
    accuracy: Interval | None
    reason: str | None

    @property
    def coverage(self) -> float:
        """Share of the second half kept, in [0, 1]."""
        return self.reported.kept / max(self.reported.images, 1)


def needed_cutoff(
    score: np.ndarray,
    correct: np.ndarray,
    target: float,
    groups: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    repeats: int = REPEATS,
) -> NeededCutoff:
    """The smallest cut-off t such that images with score >= t are right at least `target` often.

    score, correct: (N,); higher scores are surer. target: accuracy in (0, 1]. groups: (N,) what is
    not independent (compounds), split and resampled whole. strata: (N,) classes, spread evenly over
    the halves where there are no groups.

    "Right at least so often" means that the lower one-sided bound of the accuracy meets the target:
    without groups Wilson's; with groups the smaller of Wilson's and a bootstrap over groups (which
    alone would call three right images of one compound certain), and at least MIN_GROUPS groups.
    The bound holds for one cut-off; that many are tried makes it somewhat optimistic, which is why
    the second half is the figure to believe.
    Every score of the first half is tried, at most 1,000 (200 with many groups), evenly by rank.
    """
    score, correct = checked(score, correct)
    if not 0 < target <= 1:
        raise ValueError(f"a target accuracy in (0, 1] expected, not {target}")
    first = split_halves(len(score), groups, strata, seed)
    groups = None if groups is None else np.asarray(groups, dtype=object)
    one = score[first], correct[first], None if groups is None else groups[first]
    two = score[~first], correct[~first], None if groups is None else groups[~first]
    thresholds = _candidates(one[0], 200 if groups is not None and _count(one[2]) > 1000 else 1000)
    bounds = _lower_bounds(*one, thresholds, level, repeats, seed)
    meets = np.flatnonzero(bounds >= target)
    if not len(meets):
        best = np.nanmax(bounds) if len(bounds) and not np.isnan(bounds).all() else None
        return NeededCutoff(
            target, None, None, _half(*one, None), _half(*two, None), None, _reason(best, one[2])
        )
    cutoff = float(thresholds[meets[0]])
    return NeededCutoff(
        target,
        cutoff,
        float(bounds[meets[0]]),
        _half(*one, cutoff),
        _half(*two, cutoff),
        _accuracy(*two, cutoff, level, repeats, seed),
        None,
    )


def split_halves(
    n: int, groups: np.ndarray | None = None, strata: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """(n,) bool, True for the first half.

    Whole groups, paired by size so that the halves are alike in size; without groups a random half
    of every stratum.
    """
    rng = np.random.default_rng(seed)
    if groups is not None:
        codes, count = group_codes(groups)
        sizes = np.bincount(codes, minlength=count)
        units = np.lexsort((rng.permutation(count), -sizes))
        return _one_of_each_pair(units, rng)[codes]
    codes = np.zeros(n, np.intp) if strata is None else group_codes(strata)[0]
    return _one_of_each_pair(np.lexsort((rng.permutation(n), codes)), rng)


def _one_of_each_pair(order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of every two neighbours in `order`, one is drawn; an odd one out is drawn by a coin."""
    chosen = np.zeros(len(order), dtype=bool)
    coins = rng.integers(0, 2, size=(len(order) + 1) // 2)
    places = 2 * np.arange(len(coins)) + coins
    chosen[order[places[places < len(order)]]] = True
    return chosen


def _candidates(score: np.ndarray, most: int) -> np.ndarray:
    values = np.unique(score)
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).round().astype(np.intp)]


def _lower_bounds(
    score: np.ndarray,
    correct: np.ndarray,
    groups: np.ndarray | None,
    thresholds: np.ndarray,
    level: float,
    repeats: int,
    seed: int,
) -> np.ndarray:
    at = Selective(score, correct).at(thresholds)
    bounds = wilson_lower(at.right, at.kept, level)
    if groups is None or not len(score):
        return bounds
    kept, right, sizes = group_counts(score, correct, thresholds, groups)
    weights = group_draws(len(sizes), repeats, seed)
    # A repeat that keeps nothing speaks against the cut-off: it counts as accuracy 0.
    drawn = np.nan_to_num(ratio(weights @ right, weights @ kept), nan=0.0)
    bounds = np.minimum(bounds, np.quantile(drawn, 1 - level, axis=0))
    effective = ratio(kept.sum(axis=0) ** 2, (kept**2).sum(axis=0))
    return np.where(effective >= MIN_GROUPS, bounds, np.nan)


def _accuracy(
    score: np.ndarray,
    correct: np.ndarray,
    groups: np.ndarray | None,
    cutoff: float,
    level: float,
    repeats: int,
    seed: int,
) -> Interval | None:
    kept = score >= cutoff
    if not kept.any():
        return None
    return share_interval(correct, kept, groups, repeats=repeats, level=level, seed=seed)


def _half(
    score: np.ndarray, correct: np.ndarray, groups: np.ndarray | None, cutoff: float | None
) -> Half:
    kept = score >= cutoff if cutoff is not None else np.zeros(len(score), dtype=bool)
    return Half(len(score), _count(groups), int(kept.sum()), int((kept & correct).sum()))


def _count(groups: np.ndarray | None) -> int | None:
    return None if groups is None else group_codes(groups)[1]


def _reason(best: float | None, groups: np.ndarray | None) -> str:
    if best is None:
        few = "" if groups is None else f" of at least {MIN_GROUPS} groups"
        return f"too few images{few} to say"
    return f"the best lower bound of any cut-off is {100 * best:.1f} %"
