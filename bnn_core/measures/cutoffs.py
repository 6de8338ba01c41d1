"""'I need 95 % right': the smallest cut-off with that accuracy, by risk control on all images.

Many cut-offs are tried, so the accuracy at the chosen one looks better than it is. Learn-then-Test
(Angelopoulos et al. 2021) controls this. Every cut-off has a p-value against "the accuracy is at
most the target", and the cut-offs are tested in a fixed order, from strict to loose (Wiens 2003,
fallback procedure). The chance that the chosen cut-off falls short on new data is then at most
`ALPHA`, and no image has to be set aside.

The p-value is exact (binomial) for independent images. For groups, such as compounds, it is the
larger of two. One is the tail of the interval over whole groups (`intervals.share_p_value`), which is
an approximation. The other is target ** G with the effective number G of groups: the chance that none
of G compounds is of a kind that is always wrong though such compounds are as common as 1 - target.
Few compounds cannot show a high accuracy, even if all their images are right.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc, betaincinv

from bnn_core.base.wording import count as count_of
from bnn_core.base.wording import percent
from bnn_core.measures.evaluation import Selective, checked, ratio
from bnn_core.measures.intervals import (
    Interval,
    group_codes,
    group_counts,
    share_interval,
    share_intervals,
    share_p_value,
)

#: Largest chance that the accuracy at the chosen cut-off is below the target.
ALPHA = 0.05
#: The tests start where this share of the images is kept; each start has its part of ALPHA.
ALPHA_STARTS = {0.1: ALPHA / 2, 0.3: ALPHA / 2}
#: Cut-offs that are tested.
STEPS = 100


@dataclass(frozen=True)
class HalfCheck:
    """The same choice on one half of the images, checked on the other half.

    cutoff: None if no cut-off passes on the first half. images, groups, kept, right: counts of the
    second half. accuracy: of its kept images, None if nothing is kept.
    """

    cutoff: float | None
    images: int
    groups: int | None
    kept: int
    right: int
    accuracy: Interval | None


@dataclass(frozen=True)
class NeededCutoff:
    """The answer for all images.

    cutoff: None if no cut-off has the target accuracy; `reason` then says why. images, groups:
    counts; groups is None for independent images. kept, right: images at the cut-off.
    """

    target: float
    cutoff: float | None
    images: int
    groups: int | None
    kept: int
    right: int
    check: HalfCheck
    reason: str | None

    @property
    def coverage(self) -> float:
        """Share of the images kept, in [0, 1]."""
        return self.kept / max(self.images, 1)


def guarantee(target: str, level: str, grouped: bool) -> str:
    """What a needed cut-off promises, in words. target: as shown, "95 %"; grouped: units are compounds."""
    new = "compounds" if grouped else f"{level}s"
    return (
        f"Guarantee: with {percent(1 - ALPHA)} confidence, at least {target} of the kept {level}s of "
        f"new {new} are right. It assumes that the new {new} are like these: of the same kinds and "
        "imaged in the same way."
    )


def needed_cutoff(
    score: np.ndarray,
    correct: np.ndarray,
    target: float,
    groups: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> NeededCutoff:
    """The smallest cut-off t at which images with score >= t are right at least `target` often.

    score, correct: (N,); a higher score is surer. target: accuracy in (0, 1]. groups: (N,) groups
    of images that are not independent (compounds), or None. strata: (N,) classes, spread evenly
    over the halves of the check if there are no groups. allowed: (V,) ascending cut-offs to choose
    from, such as those of a slider, or None for any score.

    With probability 1 - ALPHA the accuracy at the cut-off is at least the target for new images,
    or for new groups, drawn like these. Raises ValueError for a target outside (0, 1].
    """
    score, correct = checked(score, correct)
    if not 0 < target <= 1:
        raise ValueError(f"target accuracy {target} is not in (0, 1]")
    groups = None if groups is None else group_codes(groups)[0]
    cutoff = _chosen(score, correct, target, groups, allowed)
    kept = np.zeros(len(score), bool) if cutoff is None else score >= cutoff
    first = split_halves(len(score), groups, strata, seed)
    return NeededCutoff(
        target,
        cutoff,
        len(score),
        _count(groups),
        int(kept.sum()),
        int((kept & correct).sum()),
        _checked_on_halves(score, correct, target, groups, allowed, first),
        _reason(score, correct, target, groups) if cutoff is None else None,
    )


def split_halves(
    n: int, groups: np.ndarray | None = None, strata: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """(n,) bool, True for the first half.

    Whole groups, paired by size so that the halves are of similar size. Without groups, a random
    half of every stratum.
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
    """One of every two neighbours in `order`, at random; an odd one at the end with chance 1/2."""
    chosen = np.zeros(len(order), dtype=bool)
    coins = rng.integers(0, 2, size=(len(order) + 1) // 2)
    positions = 2 * np.arange(len(coins)) + coins
    chosen[order[positions[positions < len(order)]]] = True
    return chosen


def _chosen(
    score: np.ndarray,
    correct: np.ndarray,
    target: float,
    groups: np.ndarray | None,
    allowed: np.ndarray | None,
) -> float | None:
    """The loosest cut-off that the fallback procedure accepts, None if it accepts none."""
    thresholds = _thresholds(score, target, allowed)
    p_values = _p_values(score, correct, target, groups, thresholds)
    kept = len(score) - np.searchsorted(np.sort(score), thresholds)
    shares = kept / max(len(score), 1)
    budget, accepted = 0.0, None
    pending = dict(ALPHA_STARTS)
    for threshold, p, share in zip(thresholds, p_values, shares, strict=True):
        for start in [start for start in pending if share >= start]:
            budget += pending.pop(start)
        if p <= budget:
            accepted = float(threshold)
        else:
            budget = 0.0
    return accepted


def _thresholds(score: np.ndarray, target: float, allowed: np.ndarray | None) -> np.ndarray:
    """Cut-offs from strict to loose, at numbers of kept images that grow geometrically.

    The first keeps a tenth of the images, but enough for about three times the images that could
    pass if all were right, up to half of all. Only the scores and the target decide.
    """
    n = len(score)
    if not n:
        return np.empty(0)
    fewest = np.log(ALPHA) / np.log(target) if target < 1 else np.inf
    first = max(min(ALPHA_STARTS) * n, min(3 * fewest, n / 2), min(fewest, n), 1)
    kept = np.unique(np.geomspace(first, n, STEPS).round().astype(np.intp))
    thresholds = np.unique(np.sort(score)[::-1][kept - 1])
    if allowed is not None:
        allowed = np.asarray(allowed, np.float64)
        above = np.searchsorted(allowed, thresholds)
        thresholds = np.unique(allowed[above[above < len(allowed)]])
    return thresholds[::-1]


def _p_values(
    score: np.ndarray,
    correct: np.ndarray,
    target: float,
    groups: np.ndarray | None,
    thresholds: np.ndarray,
) -> np.ndarray:
    """p-value of each descending threshold against an accuracy of at most the target."""
    if groups is None:
        at = Selective(score, correct).at(thresholds)
        return bdtrc(at.right - 1, at.kept, target)
    kept, right, _ = group_counts(score, correct, thresholds[::-1], groups)
    p_values = np.maximum(share_p_value(right, kept, target), target ** _effective_groups(kept))
    return p_values[::-1]


def _effective_groups(kept: np.ndarray) -> np.ndarray:
    """(T,) (sum n)^2 / sum n^2 of the kept images per group (G, T): equal groups count fully."""
    return ratio(kept.sum(axis=0) ** 2, (kept**2).sum(axis=0))


def _checked_on_halves(
    score: np.ndarray,
    correct: np.ndarray,
    target: float,
    groups: np.ndarray | None,
    allowed: np.ndarray | None,
    first: np.ndarray,
) -> HalfCheck:
    parts = [
        (score[half], correct[half], None if groups is None else groups[half])
        for half in (first, ~first)
    ]
    cutoff = _chosen(parts[0][0], parts[0][1], target, parts[0][2], allowed)
    score, correct, groups = parts[1]
    kept = np.zeros(len(score), bool) if cutoff is None else score >= cutoff
    return HalfCheck(
        cutoff,
        len(score),
        _count(groups),
        int(kept.sum()),
        int((kept & correct).sum()),
        share_interval(correct, kept, groups) if kept.any() else None,
    )


def _count(groups: np.ndarray | None) -> int | None:
    return None if groups is None else group_codes(groups)[1]


def _reason(
    score: np.ndarray, correct: np.ndarray, target: float, groups: np.ndarray | None
) -> str:
    """Why no cut-off passes: the best lower bound, or that there are too few groups or images."""
    count = len(score) if groups is None else _count(groups)
    first = max(ALPHA_STARTS.values())  # the largest p-value of a first acceptance
    if target == 1 or target**count > first:
        unit = "image" if groups is None else "compound"
        most = f"{100 * first ** (1 / count):.0f} %" if count else "nothing"
        return f"{count_of(count, unit)} can show at most {most}, even if all images are right"
    thresholds = _thresholds(score, target, None)
    if groups is None:
        at = Selective(score, correct).at(thresholds)
        bounds = np.nan_to_num(betaincinv(at.right, at.kept - at.right + 1, first))
    else:
        kept, right, _ = group_counts(score, correct, thresholds[::-1], groups)
        bounds = share_intervals(right, kept, level=1 - 2 * first)[0]
        bounds = np.minimum(bounds, first ** (1 / _effective_groups(kept)))
    best = float(np.max(bounds))
    if best >= target:
        return "the evidence of a single cut-off is enough, the tests of all cut-offs are not"
    return f"the best lower bound of any cut-off is {percent(best, 1)}"
