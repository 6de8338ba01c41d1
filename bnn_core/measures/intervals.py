"""Intervals: Wilson for counts, bootstrap over groups where images are not independent.

Images of one compound share a fold, a batch and a label: resampling images would pretend that they
are independent, so wherever groups are given whole groups are drawn. All draws are seeded.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.measures.evaluation import Kept, Selective, ratio

REPEATS = 2000


class Interval(NamedTuple):
    """A figure with its interval."""

    value: float
    low: float
    high: float


def wilson(
    right: np.ndarray | int, n: np.ndarray | int, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided Wilson (1927) score interval of a proportion right/n; nan where n is 0."""
    return _wilson(right, n, NormalDist().inv_cdf((1 + level) / 2))


def wilson_lower(right: np.ndarray | int, n: np.ndarray | int, level: float = 0.95) -> np.ndarray:
    """One-sided lower Wilson bound of right/n; nan where n is 0."""
    return _wilson(right, n, NormalDist().inv_cdf(level))[0]


def bootstrap_ratio(
    numerator: np.ndarray,
    denominator: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    repeats: int = REPEATS,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Sum of numerators over sum of denominators, with a percentile interval.

    numerator, denominator: (N,) per image, e.g. right and 1 for an accuracy, right * kept and kept
    for an accuracy above a cut-off. groups: (N,) what is resampled together; None: each image.
    """
    numerator = np.asarray(numerator, np.float64)
    denominator = np.asarray(denominator, np.float64)
    if groups is not None:
        codes, count = group_codes(groups)
        numerator = np.bincount(codes, numerator, count)
        denominator = np.bincount(codes, denominator, count)
    # Equal rows are interchangeable: drawing how often each kind comes is the same bootstrap.
    # (As complex numbers, because np.unique over pairs is many times slower.)
    pairs, times = np.unique(numerator + 1j * denominator, return_counts=True)
    kinds = np.stack([pairs.real, pairs.imag])
    draws = _drawn_sums(kinds, times, repeats, seed)
    ratios = ratio(draws[0], draws[1])
    value = ratio(numerator.sum(), denominator.sum())
    low, high = _percentiles(ratios, level)
    return Interval(float(value), float(low), float(high))


def share_interval(
    right: np.ndarray,
    counted: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    repeats: int = REPEATS,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Share right/counted of (N,) bools: a bootstrap over groups, or Wilson without them.

    Where all are right (or none), or all of one group, every resample is like the other and would
    call that certain: the interval is then Wilson's of as many units as there are groups counted.
    nan for none.
    """
    counted = np.asarray(counted, bool)
    right = np.asarray(right, bool) & counted
    n = units = int(counted.sum())
    if groups is not None:
        units = len(np.unique(group_codes(groups)[0][counted]))
        found = bootstrap_ratio(right, counted, groups, repeats=repeats, level=level, seed=seed)
        if found.value not in (0.0, 1.0) and units > 1:
            return found
    value = right.sum() / n if n else np.nan
    low, high = wilson(np.float64(value * units), units, level)
    return Interval(float(value), float(low), float(high))


def paired_difference(
    a: np.ndarray,
    b: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    repeats: int = REPEATS,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of a - b over the same images (accuracies, losses ...), groups resampled together."""
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    return bootstrap_ratio(
        difference, np.ones(len(difference)), groups, repeats=repeats, level=level, seed=seed
    )


class Bands(NamedTuple):
    """Accuracy and coverage at each threshold with intervals, arrays (T,)."""

    at: Kept
    accuracy_low: np.ndarray
    accuracy_high: np.ndarray
    coverage_low: np.ndarray
    coverage_high: np.ndarray


def selective_bands(
    score: np.ndarray,
    correct: np.ndarray,
    thresholds: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    repeats: int = REPEATS,
    level: float = 0.95,
    seed: int = 0,
) -> Bands:
    """Pointwise intervals of accuracy and coverage over cut-offs, for the curves.

    With groups a bootstrap over groups, without them Wilson.
    """
    thresholds = np.asarray(thresholds, np.float64)
    at = Selective(score, correct).at(thresholds)
    if groups is None:
        return Bands(
            at,
            *wilson(at.right, at.kept, level),
            *wilson(at.kept, np.full(len(thresholds), at.total), level),
        )
    kept, right, sizes = group_counts(score, correct, thresholds, groups)
    weights = group_draws(len(sizes), repeats, seed)
    drawn = weights @ kept
    accuracy = ratio(weights @ right, drawn)
    coverage = ratio(drawn, (weights @ sizes)[:, None] + np.zeros(len(thresholds)))
    return Bands(at, *_percentiles(accuracy, level), *_percentiles(coverage, level))


def group_codes(groups: np.ndarray) -> tuple[np.ndarray, int]:
    """Number of each row's group, 0..G-1, and G. Raises ValueError where a group is missing."""
    codes, values = pd.factorize(np.asarray(groups, dtype=object))
    if (codes < 0).any():
        raise ValueError(f"{(codes < 0).sum():,} of {len(codes):,} rows have no group")
    # Numbered by name, so that a seed draws the same groups whatever the order of the rows.
    place = np.empty(len(values), np.intp)
    place[np.argsort(values.astype(str), kind="stable")] = np.arange(len(values))
    return place[codes], len(values)


def group_counts(
    score: np.ndarray, correct: np.ndarray, thresholds: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kept (G, T) and right (G, T) images per group at ascending thresholds, and sizes (G,)."""
    codes, count = group_codes(groups)
    steps = len(thresholds)
    if np.any(np.diff(thresholds) < 0):
        raise ValueError("thresholds must ascend")
    place = codes * (steps + 1) + np.searchsorted(thresholds, score, side="right")

    def above(weights: np.ndarray | None) -> np.ndarray:
        cells = np.bincount(place, weights, count * (steps + 1)).reshape(count, steps + 1)
        # Column j holds the scores in [t_(j-1), t_j): those of all later columns are >= t_j.
        return cells[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]

    return (
        above(None).astype(np.float64),
        above(np.asarray(correct, np.float64)),
        np.bincount(codes, minlength=count).astype(np.float64),
    )


def group_draws(count: int, repeats: int, seed: int) -> np.ndarray:
    """(repeats, count): how often each group is drawn in each bootstrap repeat."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), repeats).astype(np.float64)


def _drawn_sums(kinds: np.ndarray, times: np.ndarray, repeats: int, seed: int) -> np.ndarray:
    """(2, repeats): sums of numerator and denominator in bootstrap repeats, in bounded memory."""
    rng = np.random.default_rng(seed)
    n = int(times.sum())
    sums = np.zeros((2, repeats))
    step = max(1, 4_000_000 // max(len(times), 1))
    for start in range(0, repeats if n else 0, step):
        drawn = rng.multinomial(n, times / n, min(step, repeats - start))
        sums[:, start : start + step] = kinds @ drawn.T
    return sums


def _percentiles(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper percentile over the first axis, nan left out; nan where all are."""
    values = np.asarray(values, np.float64)
    flat = values.reshape(len(values), -1)
    out = np.full((2, flat.shape[1]), np.nan)
    ends = [(1 - level) / 2, (1 + level) / 2]
    gaps = np.isnan(flat).any(axis=0)
    out[:, ~gaps] = np.quantile(flat[:, ~gaps], ends, axis=0)
    for column in np.flatnonzero(gaps):
        known = flat[~np.isnan(flat[:, column]), column]
        if len(known):
            out[:, column] = np.quantile(known, ends)
    low, high = out.reshape(2, *values.shape[1:])
    return low, high


def _wilson(
    right: np.ndarray | int, n: np.ndarray | int, z: float
) -> tuple[np.ndarray, np.ndarray]:
    n = np.asarray(n, np.float64)
    p = ratio(np.asarray(right, np.float64), n)
    safe = np.where(n > 0, n, np.nan)
    middle = (p + z**2 / (2 * safe)) / (1 + z**2 / safe)
    half = z * np.sqrt(p * (1 - p) / safe + z**2 / (4 * safe**2)) / (1 + z**2 / safe)
    # With none or all right the bound is 0 or 1 exactly, which rounding would miss by a hair.
    return np.where(p == 0, 0.0, middle - half), np.where(p == 1, 1.0, middle + half)
