"""One mode or two? Hartigan's dip statistic, from the library diptest."""

import diptest
import numpy as np

#: About 5 % of samples of n numbers from a uniform distribution have a larger dip than this /
#: sqrt(n): by simulation 0.495 at n = 50, 0.513 at 100, 0.527 at 500, 0.532 at 2,000.
CRITICAL = 0.52
#: Longer lists are reduced to this many evenly spaced order statistics, which keep the shape: with
#: more numbers the test would call tiny ripples a second mode.
MOST_IN_DIP_TEST = 2000


def dip(values: np.ndarray) -> float:
    """Hartigan & Hartigan (1985): the largest distance between the empirical distribution function
    and the nearest distribution function with a single mode, in [0, 0.25].

    1/(2n) for evenly spaced numbers, w/2 for two points with shares w <= 1/2 and 1 - w. nan are
    left out; nan for fewer than 4 numbers. Unlike the bimodality coefficient from skewness and
    kurtosis it is small for a distribution that is only skewed.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    x = x[~np.isnan(x)]
    if len(x) > MOST_IN_DIP_TEST:
        x = x[np.linspace(0, len(x) - 1, MOST_IN_DIP_TEST).round().astype(np.intp)]
    if len(x) < 4:
        return np.nan
    # The lower bound 1/(2n) holds for n distinct numbers; equal numbers have dip 0.
    return float(diptest.dipstat(x, allow_zero=bool(x[0] == x[-1])))


def looks_bimodal(value: float, n: int) -> bool:
    """Whether a dip of n values is larger than about 95 % of those of a flat distribution."""
    return bool(n >= 4 and value > CRITICAL / np.sqrt(min(n, MOST_IN_DIP_TEST)))
