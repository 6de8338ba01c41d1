"""Simple numbers of an image that say nothing of shapes: how bright its channels are."""

import numpy as np

PERCENTILES = (1, 10, 50, 90, 99, 99.9)
#: Per channel.
STATISTICS = ("mean", "deviation", "skewness", *(f"percentile {q:g}" for q in PERCENTILES))
_BATCH = 64


def intensity_statistics(images: np.ndarray) -> np.ndarray:
    """(N, 9 C) float64: STATISTICS of the pixels of each channel, channel by channel.

    images: (N, C, H, W) of any number type; intensities keep their unit. Skewness is 0 in a channel
    of one intensity.
    """
    parts = [
        _statistics(np.asarray(images[start : start + _BATCH], np.float64))
        for start in range(0, len(images), _BATCH)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(STATISTICS) * images.shape[1]))


def _statistics(images: np.ndarray) -> np.ndarray:
    pixels = images.reshape(*images.shape[:2], -1)
    mean, deviation = pixels.mean(axis=2), pixels.std(axis=2)
    away = pixels - mean[..., None]
    skewness = (away**3).mean(axis=2) / np.where(deviation > 0, deviation, 1) ** 3
    percentiles = np.percentile(pixels, PERCENTILES, axis=2)
    return np.stack([mean, deviation, skewness, *percentiles], axis=2).reshape(len(images), -1)
