"""Kinds of images that are no digits, drawn by code: the default score was chosen on them."""

import numpy as np
from scipy import ndimage

from bnn_core.datasets.mnist import LabelledImages

SIZE = 28
_Y, _X = np.mgrid[0:SIZE, 0:SIZE]


def drawn_kinds(digits: LabelledImages, count: int, seed: int) -> dict[str, np.ndarray]:
    """Name -> (count, 1, 28, 28) uint8. halves, overlays and turned are made of the digits."""
    rng = np.random.default_rng(seed)
    first, second = _pairs(digits.targets, count, rng)
    halves = digits.images[first].copy()
    halves[..., SIZE // 2 :] = digits.images[second][..., SIZE // 2 :]
    return {
        "shapes": _grey([_shape(rng) for _ in range(count)]),
        "strokes": _grey([_strokes(rng) for _ in range(count)]),
        "noise": _grey([_noise(i, rng) for i in range(count)]),
        "halves": halves,
        "overlays": np.maximum(digits.images[first], digits.images[second]),
        "turned": _grey([_turned(digits.images[i, 0] / 255, rng) for i in first]),
    }


def _pairs(targets: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(2, count) images of different digits."""
    pairs = rng.integers(len(targets), size=(2, count))
    while (same := targets[pairs[0]] == targets[pairs[1]]).any():
        pairs[1, same] = rng.integers(len(targets), size=same.sum())
    return pairs


def _pen(points: np.ndarray, half_width: float) -> np.ndarray:
    """(28, 28) a line through points (N, 2)."""
    away = np.full((SIZE, SIZE), np.inf)
    for (x, y), (dx, dy) in zip(points[:-1], np.diff(points, axis=0), strict=True):
        t = np.clip(((_X - x) * dx + (_Y - y) * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        away = np.minimum(away, np.hypot(_X - x - t * dx, _Y - y - t * dy))
    return 1 / (1 + np.exp(np.clip((away - half_width) / 0.5, -40, 40)))


def _shape(rng: np.random.Generator) -> np.ndarray:
    """A triangle, a square, a star, a cross or a spiral."""
    centre, radius = 14 + rng.normal(0, 1, 2), rng.uniform(6, 9)
    start, half_width = rng.uniform(0, 2 * np.pi), rng.uniform(1, 1.8)

    def line(angles: np.ndarray, radii: np.ndarray | float) -> np.ndarray:
        turned = angles + start
        points = np.stack([np.cos(turned), np.sin(turned)], axis=1) * np.reshape(radii, (-1, 1))
        return _pen(centre + radius * points, half_width)

    kind = rng.integers(5)
    if kind < 2:
        return line(np.linspace(0, 2 * np.pi, 4 + kind), 1.0)
    if kind == 2:
        return line(np.linspace(0, 2 * np.pi, 11), np.where(np.arange(11) % 2, 1, 0.45))
    if kind == 3:
        return np.maximum(
            line(np.array([0, np.pi]), 1.0), line(np.array([np.pi / 2, 3 * np.pi / 2]), 1.0)
        )
    along = np.linspace(0.1, 1, 20)
    return line(4 * np.pi * along, along)


def _strokes(rng: np.random.Generator) -> np.ndarray:
    """One to three Bezier curves."""
    t = np.linspace(0, 1, 12)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    curves = [
        _pen(weights @ rng.uniform(5, 23, (4, 2)), rng.uniform(0.8, 1.6))
        for _ in range(rng.integers(1, 4))
    ]
    return np.max(curves, axis=0)


def _noise(number: int, rng: np.random.Generator) -> np.ndarray:
    """In turn blotches, dim noise and full noise."""
    noise = rng.random((SIZE, SIZE))
    if number % 3 == 0:
        smooth = ndimage.gaussian_filter(noise, 2)
        return (smooth > np.quantile(smooth, 0.8)).astype(float)
    return noise * rng.random() if number % 3 == 1 else noise


def _turned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(60, 120) * rng.choice([-1, 1])
    return ndimage.rotate(image, angle, reshape=False, order=1)


def _grey(images: list[np.ndarray]) -> np.ndarray:
    return np.rint(255 * np.clip(np.stack(images), 0, 1)).astype(np.uint8)[:, None]
