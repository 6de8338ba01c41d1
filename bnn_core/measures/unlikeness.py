"""How unlike the training images: several scores joined, on a scale that has a meaning.

Each part counts by its rank among known images that their network was not trained on: the share of
them that are at least as unlike by this part. The joint score is the mean of the logarithms of these
shares (Fisher 1925), and its own rank among the known images is the scale: unlikeness u means that
one known image in 10 ** u is as unlike. Beyond the most unlike known images a share falls
exponentially, as it does over the last EXTREMES of them, so damaged images keep an order.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bnn_core.base.scores import UNLIKENESS
from bnn_core.measures.evaluation import certainty

#: Scores that are joined: the first of these sets that a summary has. Networks of features and of
#: older versions have no textures.
UNLIKENESS_PARTS = (
    ("texture_distance", "energy"),
    ("neighbour_distance", "distance", "predictive_entropy"),
)
#: Known images that are needed for a rank.
FEWEST_KNOWN = 20
#: The most unlike known images, to which the exponential is fitted; at most a tenth of all.
EXTREMES = 20


def unlikeness(parts: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N,) unlikeness, 0 and more, from parts (N, K), higher for more unlike images.

    known: (N,) bool, the images that a rank refers to. nan where a part is nan, and everywhere with
    fewer than FEWEST_KNOWN known images.
    """
    parts = np.asarray(parts, dtype=np.float64)
    complete = ~np.isnan(parts).any(axis=1)
    result = np.full(len(parts), np.nan)
    reference = known & complete
    if reference.sum() < FEWEST_KNOWN:
        return result
    logs = [log_share(part[reference], part[complete]) for part in parts.T]
    joint = np.full(len(parts), np.nan)
    joint[complete] = -np.mean(logs, axis=0)
    result[complete] = -log_share(joint[reference], joint[complete]) / np.log(10)
    return result


def log_share(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(M,) logarithm of the share of `known` (N,) at or above each of `values` (M,), at most 0.

    Straight between known values, so that rounding of a value moves its share by as little.
    """
    known = np.sort(known)
    n = len(known)
    first = n - max(min(n // 10, EXTREMES), 2)
    start = known[first]
    # Ties leave no spread to measure there, or nowhere.
    spreads = (known[first:] - start).mean(), known.std(), 1.0
    scale = next(spread for spread in spreads if spread > 0)
    steps, firsts = np.unique(known, return_index=True)
    shares = np.interp(values, steps, (n - firsts) / n)
    far = np.log((n - first) / n) - (values - start) / scale
    return np.where(values > start, far, np.log(shares))


def with_unlikeness(summary: pd.DataFrame, known: np.ndarray) -> pd.DataFrame:
    """A summary with a column `unlikeness` where it has UNLIKENESS_PARTS; known: (N,) as above."""
    for parts in UNLIKENESS_PARTS:
        if set(parts) <= set(summary):
            return summary.assign(**{UNLIKENESS: unlikeness(_unlike(summary, parts), known)})
    return summary


def unlikeness_score(table: pd.DataFrame) -> str | None:
    """The score of a table for images that are unlike all training images, or None: older studies
    have a distance only, imported ones nothing."""
    known = [key for key in (UNLIKENESS, "distance") if key in table and table[key].notna().any()]
    return known[0] if known else None


def _unlike(summary: pd.DataFrame, keys: Sequence[str]) -> np.ndarray:
    """(N, K) columns with their sign set so that higher means more unlike."""
    return np.stack([-certainty(key, summary[key].to_numpy(np.float64)) for key in keys], axis=1)
