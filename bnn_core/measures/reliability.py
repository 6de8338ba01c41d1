"""The reliability diagram: share right in bins of the top mean softmax, with intervals."""

from typing import NamedTuple

import numpy as np

from bnn_core.measures.evaluation import ECE_BINS, checked, ratio
from bnn_core.measures.intervals import group_codes, share_intervals, wilson


class Reliability(NamedTuple):
    """Bins of the reliability diagram: edges (b + 1,), all else (b,); nan for an empty bin.

    low, high: 95 % interval of the accuracy. few: whether there are too few groups (`Interval`).
    """

    edges: np.ndarray
    count: np.ndarray
    right: np.ndarray
    mean_probability: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    few: np.ndarray


def reliability(
    top: np.ndarray, correct: np.ndarray, groups: np.ndarray | None = None, bins: int = ECE_BINS
) -> Reliability:
    """Equal-width bins of the top mean softmax: [0, 1/b), ..., [1 - 1/b, 1], 1.0 in the last.

    top, correct: (N,). groups: (N,) group of each image, or None for independent images.
    """
    top, correct = checked(top, correct)
    index = np.clip(np.floor(top * bins), 0, bins - 1).astype(np.intp)
    count = np.bincount(index, minlength=bins)
    right = np.bincount(index[correct], minlength=bins)
    total = np.bincount(index, weights=top, minlength=bins)
    if groups is None:
        (low, high), few = wilson(right, count), np.zeros(bins, bool)
    else:
        codes, groups_count = group_codes(groups)
        cell = codes * bins + index
        low, high, few = share_intervals(
            *(
                np.bincount(cells, minlength=groups_count * bins).reshape(groups_count, bins)
                for cells in (cell[correct], cell)
            )
        )
    return Reliability(
        np.linspace(0, 1, bins + 1),
        count,
        right,
        ratio(total, count),
        ratio(right, count),
        low,
        high,
        few,
    )
