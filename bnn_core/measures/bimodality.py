"""Does a distribution have one hill or two? Hartigan's dip statistic."""

from itertools import pairwise

import numpy as np

#: About 5 % of samples of n numbers from a uniform distribution have a larger dip than this /
#: sqrt(n): by simulation 0.495 at n = 50, 0.513 at 100, 0.527 at 500, 0.532 at 2,000.
CRITICAL = 0.52
#: Of longer lists so many evenly spaced order statistics are taken: the shape stays.
MOST = 2000


def dip(values: np.ndarray) -> float:
    """Hartigan & Hartigan (1985): the largest distance between the empirical distribution function
    and the nearest one with a single mode, in [0, 0.25].

    1/(2n) for evenly spaced numbers, w/2 for two points with shares w <= 1/2 and 1 - w. nan are
    left out; nan for fewer than 4 numbers. Unlike the coefficient from skewness and kurtosis it is
    not misled by a distribution that is merely lopsided.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    x = x[~np.isnan(x)]
    if len(x) > MOST:
        x = x[np.linspace(0, len(x) - 1, MOST).round().astype(np.intp)]
    n = len(x)
    if n < 4:
        return np.nan
    if x[0] == x[-1]:
        return 0.0
    below, above = _hull(x, 1), _hull(x, -1)
    low, high, best = 0, n - 1, 1.0
    while True:
        # Touching points of the greatest convex minorant, from the right, and of the least concave
        # majorant, from the left, between the ends of the modal interval.
        gcm, lcm = _walk(below, high, low), _walk(above, low, high)
        gap, right, left = (1.0, 1, 1) if len(gcm) == len(lcm) == 2 else _widest(x, gcm, lcm)
        if gap < best:
            break
        inside = max(_fit(x, gcm[right:][::-1], 1), _fit(x, lcm[left:], -1))
        best = max(best, inside)
        if low == gcm[right] and high == lcm[left]:
            break
        low, high = gcm[right], lcm[left]
    return best / (2 * n)


def looks_bimodal(value: float, n: int) -> bool:
    """Whether a dip of n values is larger than about 95 % of those of a flat distribution."""
    return bool(n >= 4 and value > CRITICAL / np.sqrt(min(n, MOST)))


def _hull(x: np.ndarray, side: int) -> list[int]:
    """For each point the one that it is joined to: towards the left by the convex minorant of all
    points up to it (side 1), towards the right by the concave majorant of all after it (side -1).
    """
    n = len(x)
    joined = [0] * n
    order = range(1, n) if side == 1 else range(n - 2, -1, -1)
    end = 0 if side == 1 else n - 1
    joined[end] = end
    for j in order:
        joined[j] = j - side
        while True:
            a = joined[j]
            b = joined[a]
            if a == end or (x[j] - x[a]) * (a - b) < (x[a] - x[b]) * (j - a):
                break
            joined[j] = b
    return joined


def _walk(joined: list[int], start: int, end: int) -> list[int]:
    points = [start]
    while (points[-1] > end) if start > end else (points[-1] < end):
        points.append(joined[points[-1]])
    if points[-1] != end:
        points[-1] = end
    return points


def _widest(x: np.ndarray, gcm: list[int], lcm: list[int]) -> tuple[float, int, int]:
    """Largest gap between the two hulls, and the places in gcm and lcm where it lies."""
    gap, right, left = 0.0, len(gcm) - 1, len(lcm) - 1
    i, j = len(gcm) - 2, 1
    while True:
        g, u = gcm[i], lcm[j]
        if g > u:
            before = gcm[i + 1]
            found = (u - before + 1) - (x[u] - x[before]) * (g - before) / (x[g] - x[before])
            j += 1
            if found >= gap:
                gap, right, left = found, i + 1, j - 1
        else:
            before = lcm[j - 1]
            found = (x[g] - x[before]) * (u - before) / (x[u] - x[before]) - (g - before - 1)
            i -= 1
            if found >= gap:
                gap, right, left = found, i + 1, j
        i, j = max(i, 0), min(j, len(lcm) - 1)
        if gcm[i] == lcm[j]:
            return gap, right, left


def _fit(x: np.ndarray, points: list[int], side: int) -> float:
    """Largest distance of the points between touching points from the hull, at least 1."""
    worst = 1.0
    for first, last in pairwise(points):
        if last - first > 1 and x[last] != x[first]:
            step = np.arange(last - first + 1)
            line = (x[first : last + 1] - x[first]) * (last - first) / (x[last] - x[first])
            worst = max(worst, float((step + 1 - line if side == 1 else line - (step - 1)).max()))
    return worst
