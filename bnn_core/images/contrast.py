"""Intensity limits fixed per plate and channel, and area-average resizing.

Images of one plate and channel were taken under the same settings, so they share one black point
and one white point: the 0.03 and 99.97 percentiles over *all* pixels of that plate (Deodato, Ball
& Zhang 2020, methods). They are counted exactly, in a histogram of every possible value, so memory
stays the same however many images a plate has. No label enters, so held-out wells may take part.
"""

from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

from bnn_core.images.compiled import kernels

LOW_PERCENTILE = 0.03
HIGH_PERCENTILE = 99.97
#: Of a plate and channel that is trained on unscaled: what a person is shown as black and white.
SHOWN_PERCENTILES = (1.0, 99.7)


class Histogram:
    """Counts of every value of up to 16 bit, per channel: exact percentiles in bounded memory."""

    def __init__(self, channels: int):
        """counts: (channels, 65536) int64."""
        self.counts = np.zeros((channels, 65536), dtype=np.int64)

    def add(self, image: np.ndarray) -> None:
        """Count the pixels of one (C, H, W) uint8 or uint16 image."""
        compiled = kernels()
        for counts, plane in zip(self.counts, image, strict=True):
            if compiled is not None:
                compiled.add_counts(plane, counts)
                continue
            plane_counts = np.bincount(plane.ravel())
            counts[: len(plane_counts)] += plane_counts

    def percentile(self, q: float) -> np.ndarray:
        """(C,) percentiles, q in [0, 100], as numpy's with linear interpolation."""
        totals = self.counts.sum(axis=1)
        if not totals.all():
            raise ValueError("no pixels were counted")
        rank = q / 100 * (totals - 1)
        below = np.floor(rank).astype(np.int64)
        cumulated = self.counts.cumsum(axis=1)
        first = np.array(
            [np.searchsorted(c, b, "right") for c, b in zip(cumulated, below, strict=True)],
            dtype=np.float64,
        )
        second = np.array(
            [
                np.searchsorted(c, min(b + 1, t - 1), "right")
                for c, b, t in zip(cumulated, below, totals, strict=True)
            ],
            dtype=np.float64,
        )
        return first + (rank - below) * (second - first)

    def limits(self, low: float = LOW_PERCENTILE, high: float = HIGH_PERCENTILE) -> np.ndarray:
        """(C, 2) black and white points, white above black by at least 1."""
        black, white = self.percentile(low), self.percentile(high)
        return np.stack([black, np.maximum(white, black + 1)], axis=1)

    def foreground_thresholds(self) -> np.ndarray:
        """(C,) intensities that separate cells from background: Otsu's threshold (1979).

        Taken on square roots, between the percentiles of `limits`: fluorescence is so skewed that
        on plain intensities a few bright nuclei would push the threshold above all the rest. The
        highest value if all pixels are equal: no pixel is above it.
        """
        limits = np.stack([self.percentile(LOW_PERCENTILE), self.percentile(HIGH_PERCENTILE)], 1)
        return np.array(
            [
                otsu_threshold(counts, int(black), int(np.ceil(white)))
                for counts, (black, white) in zip(self.counts, limits, strict=True)
            ]
        )

    def ceilings(self) -> np.ndarray:
        """(C,) intensities at which the camera saturates: full scale of 8, 10, 12, 14 or 16 bit.

        The smallest full scale that holds every pixel of the plate: 12-bit cameras write 16-bit
        files.
        """
        highest = np.array([np.flatnonzero(counts)[-1] for counts in self.counts])
        scales = np.array([255, 1023, 4095, 16383, 65535])
        return scales[np.searchsorted(scales, highest)]


def stretch(image: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Intensities (C, H, W) to [0, 1] float32: `limits` (C, 2) black and white, clipped."""
    black = limits[:, 0].astype(np.float32)[:, None, None]
    white = limits[:, 1].astype(np.float32)[:, None, None]
    unit = image.astype(np.float32)
    unit -= black
    unit /= white - black
    return np.clip(unit, 0, 1, out=unit)


def shrunk(
    image: np.ndarray, size: tuple[int, int], limits: np.ndarray | None = None
) -> np.ndarray:
    """`area_resize` of an image (C, H, W) of integers, `stretch`ed first where there are limits; in
    one pass where the blocks are whole."""
    compiled = kernels()
    if compiled is None or image.shape[1] % size[0] or image.shape[2] % size[1]:
        return area_resize(image if limits is None else stretch(image, limits), size)
    black, white = np.array([[0, 1]] * len(image) if limits is None else limits, np.float32).T
    small = np.empty((len(image), *size), np.float32)
    top = np.float32(np.inf if limits is None else 1)
    compiled.shrink(image, black, white - black, top, small)
    return small


def area_resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink (..., H, W) to (..., height, width): the mean over each target pixel's area, float32.

    Exact for any ratio (border pixels count with the share that lies inside), so the mean of the
    image stays the same. Never enlarges: a side that is smaller already is kept.
    """
    height, width = (min(want, have) for want, have in zip(size, image.shape[-2:], strict=True))
    image = image.astype(np.float32, copy=False)
    lead, (rows, columns) = image.shape[:-2], image.shape[-2:]
    if rows % height == 0:  # whole blocks: the same numbers, several times faster
        image = image.reshape(*lead, height, rows // height, columns).mean(axis=-2)
    else:
        weights = csr_array(_area_weights(rows, height))  # most are 0
        planes = [weights @ plane for plane in image.reshape(-1, rows, columns)]
        image = np.reshape(planes, (*lead, height, columns))
    if columns % width == 0:
        step = columns // width  # sums of whole columns: a mean over few neighbours is slow
        total = image[..., ::step].copy()
        for column in range(1, step):
            total += image[..., column::step]
        return total / np.float32(step)
    return image @ _area_weights(columns, width).T


def fitted_size(shape: tuple[int, int], short_side: int | None) -> tuple[int, int]:
    """(height, width) with the shorter side at `short_side`, same aspect; never larger."""
    height, width = shape
    if short_side is None or short_side >= min(height, width):
        return height, width
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


@lru_cache(maxsize=32)
def _area_weights(have: int, want: int) -> np.ndarray:
    """(want, have) float32: row i holds the share of each source pixel in target pixel i."""
    edges = np.arange(want + 1) * have / want
    pixels = np.arange(have)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(overlap, 0, None) * want / have).astype(np.float32)


def otsu_threshold(counts: np.ndarray, lowest: int, highest: int) -> float:
    """The intensity in lowest..highest that parts the pixels best into dark and bright.

    counts: (V,) pixels per intensity. Maximises the variance between the two groups (Otsu 1979),
    on square roots of the intensity above `lowest`; a pixel above the result is bright. `highest`
    where all pixels are alike.
    """
    counts = counts[lowest : highest + 1].astype(np.float64)
    roots = np.sqrt(np.arange(len(counts)))
    below = counts.cumsum()
    mass = (counts * roots).cumsum()
    inside = np.flatnonzero((below > 0) & (below < below[-1]))
    if not len(inside):
        return float(highest)
    above = below[-1] - below[inside]
    gap = mass[inside] / below[inside] - (mass[-1] - mass[inside]) / above
    return float(lowest + inside[(below[inside] * above * gap**2).argmax()])
