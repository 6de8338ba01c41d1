"""Canvas and lens of the synthetic screen: where the cells are drawn, and how they become an image.

Cells are drawn on a canvas finer than the image and larger than the field of view, so that cells
cut by the edge are whole; the lens blurs, shrinks and crops it.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

OVERSAMPLING = 2
#: Height and width for which points and lines are drawn one canvas pixel wide; in larger images
#: they are wider and as bright.
LINE_SIZE = 64
ORDINARY_RADIUS = 0.112  # of an untreated cell, in fields of view


class Optics:
    """Everything that depends on the image size only: grids and the blurring, shrinking lens."""

    def __init__(self, size: int, rng: np.random.Generator):
        self.size = size
        self.scale = max(1.0, size / LINE_SIZE)
        self.fine = size * OVERSAMPLING
        self.radius = ORDINARY_RADIUS * self.fine
        self.margin = int(np.ceil(3.2 * self.radius))
        self.canvas = self.fine + 2 * self.margin
        self.lens = self._lens(0.55)
        self.texture = self._smooth_noise(rng, scale=0.22 * self.radius)
        self.mottle = self._smooth_noise(rng, scale=0.6 * self.radius)

    def _lens(self, sigma: float) -> np.ndarray:
        """Matrix (size, canvas): Gaussian blur of `sigma` image pixels, then shrink and crop."""
        centre = (np.arange(self.size) + 0.5) * OVERSAMPLING - 0.5 + self.margin
        distance = (np.arange(self.canvas)[None] - centre[:, None]) / (sigma * OVERSAMPLING)
        weight = np.exp(-0.5 * distance**2)
        return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)

    def _smooth_noise(self, rng: np.random.Generator, scale: float) -> np.ndarray:
        """A periodic random texture (2 canvas, 2 canvas) of mean 0 and variance 1."""
        side = 2 * self.canvas
        frequency = np.fft.fftfreq(side)
        passed = np.exp(-2 * (np.pi * scale) ** 2 * (frequency[:, None] ** 2 + frequency**2))
        noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) * passed).real
        return ((noise - noise.mean()) / noise.std()).astype(np.float32)

    def cut(self, texture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A random piece of a texture, (canvas, canvas)."""
        y, x = rng.integers(0, self.canvas, 2)
        return texture[y : y + self.canvas, x : x + self.canvas]

    def shrink(self, canvas: np.ndarray) -> np.ndarray:
        """(…, canvas, canvas) seen through the lens: (…, size, size)."""
        return self.lens @ canvas @ self.lens.T

    def defocus(self, image: np.ndarray, sigma: float) -> np.ndarray:
        """(…, size, size) blurred by `sigma` pixels, edges repeated by renormalising."""
        grid = np.arange(self.size)
        weight = np.exp(-0.5 * ((grid[:, None] - grid) / sigma) ** 2)
        weight = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
        return weight @ image @ weight.T

    def lines(self, canvas: np.ndarray, times: int = 0) -> np.ndarray:
        """Points and lines of a canvas, blurred so many times, as wide and bright in the field of
        view as in an image of LINE_SIZE pixels, but sharper."""
        blurred = binomial_blur(canvas, times)
        if self.scale == 1:
            return blurred
        variance = 0.6 * (self.scale**2 - 1) * (1 / 3 + times / 2)
        return self.scale**2 * gaussian_filter(blurred, np.sqrt(variance), truncate=3)

    def window(
        self, centre: np.ndarray, half: float
    ) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
        """The part of the canvas within `half` of a centre, and the x and y offsets in it."""
        half = int(np.ceil(half))
        x, y = centre
        top, left = max(int(y) - half, 0), max(int(x) - half, 0)
        bottom = min(int(y) + half + 1, self.canvas)
        right = min(int(x) + half + 1, self.canvas)
        dx = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(x)
        dy = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y)
        return np.s_[top:bottom, left:right], dx, dy


def splat(x: np.ndarray, y: np.ndarray, weight: np.ndarray, side: int) -> np.ndarray:
    """Adds weighted points to a black canvas, each shared out over its four nearest pixels."""
    x, y, weight = x.ravel(), y.ravel(), weight.ravel()
    column, row = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    fx, fy = x - column, y - row
    kept = (column >= 0) & (row >= 0) & (column < side - 1) & (row < side - 1)
    corner = (row * side + column)[kept]
    fx, fy, weight = fx[kept], fy[kept], weight[kept]
    where = np.concatenate([corner, corner + 1, corner + side, corner + side + 1])
    share = np.concatenate([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy])
    canvas = np.bincount(where, share * np.tile(weight, 4), minlength=side * side)
    return canvas.reshape(side, side).astype(np.float32)


def binomial_blur(canvas: np.ndarray, times: int) -> np.ndarray:
    """The [1 2 1]/4 blur in both directions, so many times."""
    for _ in range(times):
        padded = np.pad(canvas, 1)
        canvas = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
        canvas = (canvas[:, :-2] + 2 * canvas[:, 1:-1] + canvas[:, 2:]) / 4
    return canvas
