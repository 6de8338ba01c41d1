"""Views of the T Monte Carlo samples: single images and single networks. Pure array functions.

Samples of one image are (T, C). Samples of a study are (N, T, C), as on disk. Source of the
formulas: Deodato, Ball & Zhang (2020), eqs. 6 and 8.
"""

from dataclasses import dataclass

import numpy as np

_CHUNK_VALUES = 20_000_000


@dataclass(frozen=True)
class Running:
    """One image's summary after the first t of T networks, t = 1..T.

    mean: (T, C) running mean softmax, eq. 6. aleatoric, epistemic: (T,) eq. 8 for the class
    predicted by all T together. spread: (T, C) standard error of a mean over t networks (sample
    standard deviation over the square root of t; NaN for one sample).
    """

    mean: np.ndarray
    aleatoric: np.ndarray
    epistemic: np.ndarray
    spread: np.ndarray


def running(samples: np.ndarray) -> Running:
    """One image's summary after 1, 2, ... T networks; `samples` is (T, C) softmax."""
    p = np.asarray(samples, dtype=np.float64)
    total = len(p)
    count = np.arange(1, total + 1)
    mean = np.cumsum(p, axis=0) / count[:, None]
    top = int(mean[-1].argmax())
    mean_square = np.cumsum(p[:, top] ** 2) / count
    deviation = p.std(axis=0, ddof=1) if total > 1 else np.full(p.shape[1], np.nan)
    return Running(
        mean=mean,
        aleatoric=np.clip(mean[:, top] - mean_square, 0.0, None),
        epistemic=np.clip(mean_square - mean[:, top] ** 2, 0.0, None),
        spread=deviation / np.sqrt(count)[:, None],
    )


def predicted_classes(samples: np.ndarray) -> np.ndarray:
    """(N, T) int16 class index that each network predicts for each image, from (N, T, C)."""
    return np.asarray(samples).argmax(axis=-1).astype(np.int16)


def strip_order(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Order (n,) of images for the strip: by label, then by the share of networks that are right.

    predicted: (n, T) class indices. labels: (n,) class index, or -1 for no label. Images without a
    label are last, ordered by the share of networks that agree on one class.
    """
    agreeing = (predicted == labels[:, None]).mean(axis=1)
    for image in np.flatnonzero(labels < 0):
        agreeing[image] = np.bincount(predicted[image]).max() / predicted.shape[1]
    return np.lexsort((-agreeing, np.where(labels < 0, labels.max(initial=0) + 1, labels)))


def network_accuracy(samples: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(T,) accuracy of each single network, in [0, 1]; NaN if no image has a label.

    samples: (N, T, C), memory-mapped or not, read in chunks. labels: (N,) class index, or -1 for no
    label (not counted).
    """
    labels = np.asarray(labels)
    counted, networks, classes = np.flatnonzero(labels >= 0), samples.shape[1], samples.shape[2]
    right = np.zeros(networks, dtype=np.int64)
    step = max(1, _CHUNK_VALUES // (networks * classes))
    for start in range(0, len(counted), step):
        rows = counted[start : start + step]
        right += (predicted_classes(samples[rows]) == labels[rows, None]).sum(axis=0)
    return right / len(counted) if len(counted) else np.full(networks, np.nan)


def swarm_offsets(values: np.ndarray, bins: int = 50) -> np.ndarray:
    """(T,) sideways offsets in [-1, 1] that keep points of similar value in [0, 1] apart.

    The points of one bin are spread evenly about the middle. The width grows with their number, so
    that the outline shows the distribution like a violin plot. Equal values give equal offsets.
    """
    values = np.asarray(values, dtype=np.float64)
    cell = np.clip((values * bins).astype(np.int64), 0, bins - 1)
    counts = np.bincount(cell, minlength=bins)
    order = np.argsort(cell, kind="stable")
    firsts = np.cumsum(counts) - counts
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values)) - firsts[cell[order]]
    inside = counts[cell]
    side = np.where(inside > 1, (2 * rank - (inside - 1)) / np.maximum(inside - 1, 1), 0.0)
    return side * np.sqrt(inside / max(int(counts.max()), 1))
