"""Selections on the plane of two networks' scores: quadrants, outlines, points to draw.

Pure array functions over all N rows of a study. Each needs well under a second for a million rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

#: Result of one network on an image; `verdicts` gives the index.
VERDICTS = ("right", "wrong", "not counted")
#: Result of both networks on an image; `outcomes` gives the index.
OUTCOMES = ("both right", "only Bayesian wrong", "only standard wrong", "both wrong", "not counted")
#: Position of an image relative to the two cut-offs; `quadrants` gives the index.
QUADRANTS = ("both sure", "only Bayesian sure", "only standard sure", "neither sure")

#: A chart draws at most this many single points; a browser is slow with more.
MOST_DRAWN = 20_000
#: Drawing priority of a point, rising; see `choose_drawn`.
ORDINARY_POINT, WRONG_POINT, FLAGGED_POINT, SEARCHED_POINT = range(4)


def verdicts(correct: pd.Series) -> np.ndarray:
    """Index into VERDICTS (N,) int8 of a nullable boolean column (NA: not scored)."""
    return np.where(correct.isna(), 2, ~correct.fillna(True).to_numpy(bool)).astype(np.int8)


def outcomes(bayes: np.ndarray, standard: np.ndarray) -> np.ndarray:
    """Index into OUTCOMES (N,) int8 from the two networks' `verdicts`.

    An image without a verdict from either network is "not counted".
    """
    return np.where((bayes == 2) | (standard == 2), 4, bayes + 2 * standard).astype(np.int8)


def quadrants(bayes_sure: np.ndarray, standard_sure: np.ndarray) -> np.ndarray:
    """Index into QUADRANTS (N,) int8 from two boolean arrays."""
    return (~np.asarray(bayes_sure, bool)).astype(np.int8) * 2 + (
        ~np.asarray(standard_sure, bool)
    ).astype(np.int8)


def quadrant_table(quadrant: np.ndarray, outcome: np.ndarray) -> pd.DataFrame:
    """Number of images per quadrant (rows, QUADRANTS) and outcome (columns, OUTCOMES)."""
    counts = np.bincount(
        quadrant.astype(np.int64) * len(OUTCOMES) + outcome,
        minlength=len(QUADRANTS) * len(OUTCOMES),
    )
    return pd.DataFrame(
        counts.reshape(len(QUADRANTS), len(OUTCOMES)), index=list(QUADRANTS), columns=list(OUTCOMES)
    )


def in_box(
    x: np.ndarray, y: np.ndarray, x_range: tuple[float, float], y_range: tuple[float, float]
) -> np.ndarray:
    """(N,) bool: points inside a rectangle, edges included; corners in any order."""
    return (x >= min(x_range)) & (x <= max(x_range)) & (y >= min(y_range)) & (y <= max(y_range))


def in_polygon(
    x: np.ndarray, y: np.ndarray, corners_x: np.ndarray, corners_y: np.ndarray
) -> np.ndarray:
    """(N,) bool: points inside a closed polygon of K corners, by the even-odd rule.

    The points are sorted by height once. Each side is then compared only with the points at its
    height, which needs about N log N steps instead of N times K. A lasso has hundreds of sides.
    Raises ValueError for fewer than three corners.
    """
    corners_x, corners_y = np.asarray(corners_x, float), np.asarray(corners_y, float)
    if len(corners_x) != len(corners_y) or len(corners_x) < 3:
        raise ValueError(
            f"a polygon has {len(corners_x)} x and {len(corners_y)} y coordinates; it needs at "
            "least three of each"
        )
    inside = np.zeros(len(x), dtype=bool)
    near = np.flatnonzero(
        in_box(x, y, (corners_x.min(), corners_x.max()), (corners_y.min(), corners_y.max()))
    )
    near = near[np.argsort(np.asarray(y)[near], kind="stable")]
    across, height = np.asarray(x, float)[near], np.asarray(y, float)[near]
    odd = np.zeros(len(near), dtype=bool)
    sides = zip(corners_x, corners_y, np.roll(corners_x, -1), np.roll(corners_y, -1), strict=True)
    for x1, y1, x2, y2 in sides:
        first, last = np.searchsorted(height, [min(y1, y2), max(y1, y2)])
        if first == last:
            continue
        passed = slice(first, last)
        crossing = x1 + (height[passed] - y1) * (x2 - x1) / (y2 - y1)
        odd[passed] ^= across[passed] < crossing
    inside[near] = odd
    return inside


def in_areas(
    x: np.ndarray, y: np.ndarray, boxes: Iterable[Mapping], lassos: Iterable[Mapping]
) -> np.ndarray:
    """(N,) bool: points inside any of the areas drawn on a chart.

    An area has "x" and "y" in plotted units (two values each for a box, the corners for a lasso)
    and "xref", "yref". An axis other than "x" or "y" does not limit a box; a lasso on it selects
    nothing.
    """
    inside = np.zeros(len(x), dtype=bool)
    everything: Sequence[float] = (-np.inf, np.inf)
    for box in boxes:
        inside |= in_box(
            x,
            y,
            box["x"] if box["xref"] == "x" else everything,
            box["y"] if box["yref"] == "y" else everything,
        )
    for lasso in lassos:
        if (lasso["xref"], lasso["yref"]) == ("x", "y") and len(lasso["x"]) > 2:
            inside |= in_polygon(x, y, lasso["x"], lasso["y"])
    return inside


@dataclass(frozen=True)
class DrawnPoints:
    """The points that a chart draws one by one.

    rows: chosen row numbers, ascending. rest: the other row numbers. asked: number of rows with a
    priority above ORDINARY_POINT. shown: number of these among `rows`.
    """

    rows: np.ndarray
    rest: np.ndarray
    asked: int
    shown: int


@lru_cache(maxsize=4)
def drawing_order(n: int) -> np.ndarray:
    """(n,) fixed random rank of each row, so that filters do not change which images are drawn."""
    order = np.random.default_rng(0).permutation(n)
    order.flags.writeable = False
    return order


def choose_drawn(rows: np.ndarray, urgency: np.ndarray, order: np.ndarray, cap: int) -> DrawnPoints:
    """At most `cap` of `rows`: first those above ORDINARY_POINT, then a fixed random sample.

    urgency: (K,) ORDINARY_POINT, WRONG_POINT, FLAGGED_POINT (or suspect) or SEARCHED_POINT for each
    of `rows`. order: rank of every row of the study (`drawing_order`). If more than `cap` rows are
    above ORDINARY_POINT, higher priorities come first and the last one is sampled.
    """
    rows, urgency = np.asarray(rows), np.asarray(urgency)
    asks = urgency > ORDINARY_POINT
    if len(rows) <= cap:
        return DrawnPoints(rows, rows[:0], int(asks.sum()), int(asks.sum()))
    chosen = np.zeros(len(rows), dtype=bool)
    asking = np.flatnonzero(asks)
    if len(asking) > cap:
        ranked = np.lexsort((order[rows[asking]], -urgency[asking].astype(np.int64)))
        chosen[asking[ranked[:cap]]] = True
    else:
        chosen[asking] = True
        free = cap - len(asking)
        if free:
            ordinary = np.flatnonzero(~asks)
            chosen[ordinary[np.argpartition(order[rows[ordinary]], free - 1)[:free]]] = True
    return DrawnPoints(rows[chosen], rows[~chosen], len(asking), int((chosen & asks).sum()))


def bin_index(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Bin 0..bins-1 of each value: equal bins over [low, high], outer values in the end bins."""
    index = (np.asarray(values, float) - low) * (bins / (high - low))
    return np.clip(index, 0, bins - 1).astype(np.int64)


def density_counts(
    x: np.ndarray,
    y: np.ndarray,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    bins: int,
) -> np.ndarray:
    """(bins, bins) number of points in equal cells; first axis y, second axis x."""
    cell = bin_index(y, *y_range, bins) * bins + bin_index(x, *x_range, bins)
    return np.bincount(cell, minlength=bins * bins).reshape(bins, bins)


def marginal_counts(
    values: np.ndarray, verdict: np.ndarray, low: float, high: float, bins: int
) -> pd.DataFrame:
    """One network's images in equal bins: columns low, high (edges) and VERDICTS (counts).

    verdict: (N,) index into VERDICTS.
    """
    cell = bin_index(values, low, high, bins) * len(VERDICTS) + verdict
    counts = np.bincount(cell, minlength=bins * len(VERDICTS)).reshape(bins, len(VERDICTS))
    edges = np.linspace(low, high, bins + 1)
    return pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:]}
        | {name: counts[:, i] for i, name in enumerate(VERDICTS)}
    )
