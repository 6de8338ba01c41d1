"""95 % intervals of shares, means and differences, for single images and for groups of images.

Images of one compound share a fold, a batch and a label, so they are not independent. If groups are
given, whole groups are the units:

- A share gets the interval of a Beta(k + 1/2, n - k + 1/2) distribution (Jeffreys) with the
  effective number of images n = share (1 - share) / variance and k = share * n, as in Korn &
  Graubard (1998), and a quantile of Student's t. The variance comes from the spread between groups
  (ratio estimator). Few groups with errors measure it badly, so it is moderated as in Smyth (2004):
  the measured value counts like half the number of mixed groups, the value of an intraclass
  correlation of `USUAL_RHO` like one group.
- A mean or a paired difference gets Student's t with G - 1 degrees of freedom and the standard
  error from the sums of G groups.

tests/benchmarks/interval_coverage.py chose the constants and measures how often the intervals hold the
truth, against ten other forms.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray
from scipy.special import betainc, betaincinv, ndtr, ndtri, stdtr, stdtrit

from bnn_core.measures.evaluation import Kept, Selective, ratio

#: Intraclass correlation of images of a group as long as the groups do not measure it.
USUAL_RHO = 0.25
#: Degrees of freedom that this usual value adds.
USUAL_FREEDOM = 4
#: Below this many groups the interval of a share is marked `few`; below ENOUGH groups too if it is more
#: than TOO_WIDE times as wide as it would be if the measured spread between groups were the true one.
FEWEST, ENOUGH, TOO_WIDE = 10, 50, 1.3
TOO_FEW = "too few compounds"


class Interval(NamedTuple):
    """A figure with its interval.

    few: there are too few groups, or too few with errors, to measure how much groups differ. The
    interval still holds the truth about 95 times in 100, but it is wide.
    """

    value: float
    low: float
    high: float
    few: bool = False

    @property
    def text(self) -> str:
        """The interval of a share in percent, with a note if there are too few groups."""
        few = f" {TOO_FEW}" if self.few else ""
        return f"[{100 * self.low:.1f}, {100 * self.high:.1f}]{few}"


def wilson(
    right: np.ndarray | int, n: np.ndarray | float, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided Wilson (1927) score interval of a proportion right/n; nan if n is 0."""
    n = np.asarray(n, np.float64)
    z = ndtri((1 + level) / 2)
    p = ratio(np.asarray(right, np.float64), n)
    safe = np.where(n > 0, n, np.nan)
    middle = (p + z**2 / (2 * safe)) / (1 + z**2 / safe)
    half = z * np.sqrt(p * (1 - p) / safe + z**2 / (4 * safe**2)) / (1 + z**2 / safe)
    # If none or all are right, the bound is exactly 0 or 1; rounding would miss it slightly.
    return np.where(p == 0, 0.0, middle - half), np.where(p == 1, 1.0, middle + half)


def share_interval(
    right: np.ndarray,
    counted: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    level: float = 0.95,
) -> Interval:
    """Interval of the share right/counted of (N,) bools; nan if none is counted.

    groups: (N,) group of each image, or None for independent images (then Wilson's interval).
    """
    counted = np.asarray(counted, bool)
    right = np.asarray(right, bool) & counted
    total = int(counted.sum())
    value = float(right.sum() / total) if total else np.nan
    if groups is None:
        low, high = wilson(right.sum(), total, level)
        return Interval(value, float(low), float(high))
    codes, count = group_codes(groups)
    sums = [np.bincount(codes[rows], minlength=count)[:, None] for rows in (right, counted)]
    low, high, few = share_intervals(*sums, level=level)
    return Interval(value, float(low[0]), float(high[0]), bool(few[0]))


def share_intervals(
    right: np.ndarray, n: np.ndarray, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(low, high, few), each (T,), of T shares of the same G groups; nan if nothing is counted.

    right, n: (G, T) right and counted images of each group. few: see `Interval`.
    """
    right, n = np.asarray(right, np.float64), np.asarray(n, np.float64)
    measured = _measured_variance(right, n)
    low, high = _ends(*_jeffreys(right, n, measured), level)
    least, most = _ends(*_beta(right, n, np.nan_to_num(measured)), np.inf, level)
    groups = (n > 0).sum(axis=0)
    with np.errstate(invalid="ignore"):  # nan where nothing is counted
        wide = high - low > TOO_WIDE * (most - least)
    return low, high, ((groups < FEWEST) | (wide & (groups < ENOUGH))) & (groups > 0)


def share_p_value(right: np.ndarray, n: np.ndarray, target: float) -> np.ndarray:
    """(T,) one-sided p-value of each share against "at most `target`"; 1 if nothing is counted.

    right, n: (G, T). The lower end of `share_intervals` at level 1 - 2 p is the target.
    """
    right, n = np.asarray(right, np.float64), np.asarray(n, np.float64)
    k, rest, freedom = _jeffreys(right, n, _measured_variance(right, n))
    p = stdtr(freedom, ndtri(betainc(k, rest, target)))
    return np.where(np.isnan(k), 1.0, p)


def mean_interval(
    values: np.ndarray, groups: np.ndarray | None = None, *, level: float = 0.95
) -> Interval:
    """Mean of values (N,) with a Student's t interval; nan ends for fewer than two groups.

    groups: (N,) group of each value, or None for independent values. The degrees of freedom are the
    number of groups less one.
    """
    values = np.asarray(values, np.float64)
    codes, count = (np.arange(len(values)), len(values)) if groups is None else group_codes(groups)
    if not count:
        return Interval(np.nan, np.nan, np.nan, True)
    mean = values.mean()
    deviations = np.bincount(codes, values - mean, count)
    error = np.sqrt(_squared_error(deviations[:, None], np.array([len(values)]), np.array([count])))
    half = float(stdtrit(max(count - 1, 1), (1 + level) / 2) * error[0])
    return Interval(float(mean), float(mean) - half, float(mean) + half, count < 2)


def paired_difference(
    a: np.ndarray, b: np.ndarray, groups: np.ndarray | None = None, *, level: float = 0.95
) -> Interval:
    """`mean_interval` of a - b on the same images (accuracies, losses ...)."""
    return mean_interval(np.asarray(a, np.float64) - np.asarray(b, np.float64), groups, level=level)


def mean_difference(a: np.ndarray, b: np.ndarray, *, level: float = 0.95) -> Interval:
    """Mean of a minus mean of b, two independent samples of at least two values: Welch's t."""
    parts = [np.asarray(values, np.float64) for values in (a, b)]
    errors = np.array([part.var(ddof=1) / len(part) for part in parts])
    difference = float(parts[0].mean() - parts[1].mean())
    if not errors.sum():
        return Interval(difference, difference, difference)
    freedom = errors.sum() ** 2 / sum(
        e**2 / (len(part) - 1) for e, part in zip(errors, parts, strict=True)
    )
    half = float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(errors.sum()))
    return Interval(difference, difference - half, difference + half)


class Bands(NamedTuple):
    """Accuracy and coverage at each threshold with intervals, arrays (T,); few: see `Interval`."""

    at: Kept
    accuracy_low: np.ndarray
    accuracy_high: np.ndarray
    accuracy_few: np.ndarray
    coverage_low: np.ndarray
    coverage_high: np.ndarray
    coverage_few: np.ndarray


def selective_bands(
    score: np.ndarray,
    correct: np.ndarray,
    thresholds: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    level: float = 0.95,
) -> Bands:
    """Pointwise intervals of accuracy and coverage at ascending thresholds, for the curves."""
    thresholds = np.asarray(thresholds, np.float64)
    if groups is None:
        at = Selective(score, correct).at(thresholds)
        enough = np.zeros(len(thresholds), bool)
        return Bands(
            at,
            *wilson(at.right, at.kept, level),
            enough,
            *wilson(at.kept, np.full(len(thresholds), at.total), level),
            enough,
        )
    kept, right, sizes = group_counts(score, correct, thresholds, groups)
    at = Kept(kept.sum(axis=0).astype(int), right.sum(axis=0).astype(int), len(score))
    everything = np.broadcast_to(sizes[:, None], kept.shape)
    return Bands(
        at,
        *share_intervals(right, kept, level=level),
        *share_intervals(kept, everything, level=level),
    )


def group_codes(groups: np.ndarray) -> tuple[np.ndarray, int]:
    """(N,) number of each row's group, 0..G-1, and G. Raises ValueError if a group is missing."""
    if _are_numbers(groups) and (used := np.bincount(groups) > 0).all():
        return groups, len(used)  # as this function returns them
    if not isinstance(groups, ExtensionArray) and np.asarray(groups).dtype.kind not in "iu":
        groups = np.asarray(groups, dtype=object)
    codes, values = pd.factorize(groups)
    if (codes < 0).any():
        raise ValueError(f"{(codes < 0).sum():,} of {len(codes):,} rows have no group")
    # Numbered by name, so that a seed draws the same groups whatever the order of the rows.
    rank = np.empty(len(values), np.intp)
    names = np.asarray(values)
    names = names if names.dtype.kind in "iu" else names.astype(str)
    rank[np.argsort(names, kind="stable")] = np.arange(len(values))
    return rank[codes], len(values)


def _are_numbers(groups: np.ndarray) -> bool:
    """Whether groups may be numbers of groups: integers from 0 to the number of rows."""
    whole = isinstance(groups, np.ndarray) and groups.dtype.kind in "iu" and len(groups) > 0
    return whole and groups.min() >= 0 and groups.max() < len(groups)


def group_counts(
    score: np.ndarray, correct: np.ndarray, thresholds: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kept (G, T) and right (G, T) images per group at ascending thresholds, and sizes (G,).

    Raises ValueError if the thresholds do not ascend.
    """
    codes, count = group_codes(groups)
    steps = len(thresholds)
    if np.any(np.diff(thresholds) < 0):
        raise ValueError("thresholds must ascend")
    cell = codes * (steps + 1) + np.searchsorted(thresholds, score, side="right")

    def above(weights: np.ndarray | None) -> np.ndarray:
        cells = np.bincount(cell, weights, count * (steps + 1)).reshape(count, steps + 1)
        # Column j holds the scores in [t_(j-1), t_j): all later columns are >= t_j.
        return cells[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]

    return (
        above(None).astype(np.float64),
        above(np.asarray(correct, np.float64)),
        np.bincount(codes, minlength=count).astype(np.float64),
    )


def _mixed(right: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(T,) number of groups with a wrong image, or with a right one, whichever are fewer."""
    right, n = np.asarray(right), np.asarray(n)
    return np.minimum((n > right).sum(axis=0), (right > 0).sum(axis=0))


def _ends(
    k: np.ndarray, rest: np.ndarray, freedom: np.ndarray | float, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high), each (T,), of `_jeffreys`; nan where k is."""
    tail = ndtr(-stdtrit(freedom, (1 + level) / 2))
    low = np.where(k > 0.5, betaincinv(k, rest, tail), np.where(np.isnan(k), np.nan, 0.0))
    high = np.where(rest > 0.5, betaincinv(k, rest, 1 - tail), np.where(np.isnan(k), np.nan, 1.0))
    return low, high


def _jeffreys(
    right: np.ndarray, n: np.ndarray, measured: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(k + 1/2, n - k + 1/2, degrees of freedom), each (T,), with the effective number of images.

    measured: (T,) of `_measured_variance`. The numbers are nan if nothing is counted.
    """
    total = n.sum(axis=0)
    usual = USUAL_RHO * ratio((n**2).sum(axis=0), total**2) + ratio(1 - USUAL_RHO, total)
    weight = np.where(np.isnan(measured), 0, np.maximum(_mixed(right, n) / 2 - 1, 0))
    relative = (weight * np.nan_to_num(measured) + usual) / (weight + 1)
    return *_beta(right, n, relative), weight + USUAL_FREEDOM


def _beta(right: np.ndarray, n: np.ndarray, relative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k + 1/2, n - k + 1/2), each (T,), from the variance of each share relative to that of one
    image; as if images were independent where that is less."""
    total = n.sum(axis=0)
    share = ratio(right.sum(axis=0), total)
    effective = 1 / np.maximum(relative, ratio(1, total))
    return share * effective + 0.5, (1 - share) * effective + 0.5


def _measured_variance(right: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(T,) variance of each share over that of one image, from the spread between groups; nan where
    all images are right or all wrong."""
    total = n.sum(axis=0)
    share = np.nan_to_num(ratio(right.sum(axis=0), total))
    error = _squared_error(right - share * n, total, (n > 0).sum(axis=0))
    return ratio(np.nan_to_num(error), share * (1 - share))


def _squared_error(deviations: np.ndarray, total: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(T,) squared standard error of a mean over `total` images from the sums of the deviations of
    each group (G, T), which are independent; nan for fewer than two groups."""
    factor = np.divide(
        groups, groups - 1, out=np.full(len(groups), np.nan), where=np.asarray(groups) > 1
    )
    return ratio(factor * (deviations**2).sum(axis=0), np.asarray(total, np.float64) ** 2)
