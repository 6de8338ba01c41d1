"""Damage of images of cells, drawn in other ways than `images.faults`: the joint score was chosen on it.

Each function takes an image (C, H, W) uint8 of a square and a generator.
"""

import numpy as np
from scipy import ndimage


def specks(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Six to thirteen small bright dots on all channels."""
    y, x = np.mgrid[: image.shape[1], : image.shape[2]]
    out, side = image.astype(np.float32), image.shape[1]
    for _ in range(rng.integers(6, 14)):
        cy, cx, radius = *rng.uniform(0, side, 2), rng.uniform(0.008, 0.025) * side
        dot = np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / radius**2)
        out += rng.uniform(100, 220) * dot
    return _bytes(out)


def fibres(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three thin curved lines."""
    side, t = image.shape[1], np.linspace(0, 1, 400)[:, None]
    lines = np.zeros(image.shape[1:], np.float32)
    for _ in range(rng.integers(1, 4)):
        a, b, c = rng.uniform(0, side, (3, 2))
        at = np.rint((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c).astype(int)
        lines[tuple(np.clip(at, 0, side - 1).T)] = 1
    lines = ndimage.gaussian_filter(lines, rng.uniform(0.7, 1.5))
    return _bytes(image + rng.uniform(90, 220, (len(image), 1, 1)) * lines / lines.max())


def bubble(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A dark, soft disc with a bright ring."""
    away = _away(image, rng.uniform(0.2, 0.8, 2)) - rng.uniform(0.12, 0.28) * image.shape[1]
    inside = 1 / (1 + np.exp(np.clip(away / 1.5, -30, 30)))
    soft = ndimage.gaussian_filter(image.astype(np.float32), (0, 2, 2)) * rng.uniform(0.4, 0.8)
    ring = 60 * np.exp(-0.5 * (away / 1.5) ** 2)
    return _bytes(image * (1 - inside) + soft * inside + ring)


def clump(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One ragged bright patch."""
    side = image.shape[1]
    rough = ndimage.gaussian_filter(rng.normal(size=image.shape[1:]), 0.04 * side)
    height = rough / rough.std() - _away(image, rng.uniform(0.15, 0.85, 2)) / (0.06 * side)
    patch = 1 / (1 + np.exp(np.clip(-3 * (height - height.max() + 2), -30, 30)))
    return _bytes(image + rng.uniform(80, 200, (len(image), 1, 1)) * patch)


def noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise of the camera, 15 to 35 grey levels."""
    return _bytes(image + rng.normal(0, rng.uniform(15, 35), image.shape))


def shading(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light from one side."""
    grid, angle = np.linspace(-1, 1, image.shape[1]), rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * grid[:, None] + np.sin(angle) * grid
    return _bytes(image * (1 + rng.uniform(0.5, 0.8) * slope))


def motion(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur along one side over 5 to 10 pixels."""
    length, axis = int(rng.integers(5, 11)), 1 + rng.integers(2)
    return _bytes(ndimage.uniform_filter1d(image.astype(np.float32), length, axis=axis))


def bleed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One channel that shows half of itself and most of the next one."""
    channel, out = rng.integers(len(image)), image.astype(np.float32)
    neighbour = out[(channel + 1) % len(image)]
    out[channel] = 0.5 * out[channel] + rng.uniform(0.5, 0.9) * neighbour
    return _bytes(out)


def dim(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A quarter to under a half of the light."""
    return _bytes(image * rng.uniform(0.25, 0.45))


def tile(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A black square."""
    out, side = image.copy(), image.shape[1]
    size = rng.integers(side // 4, side // 2)
    top, left = rng.integers(0, side - size, 2)
    out[:, top : top + size, left : left + size] = 0
    return out


#: Small damage, like dirt, and other damage: the two groups count with the same weight.
SMALL = {"specks": specks, "fibres": fibres, "bubble": bubble, "clump": clump}
OTHER = {
    "noise": noise,
    "shading": shading,
    "motion": motion,
    "bleed": bleed,
    "dim": dim,
    "tile": tile,
}


def _away(image: np.ndarray, centre: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: image.shape[1], : image.shape[2]]
    return np.hypot(y - centre[0] * image.shape[1], x - centre[1] * image.shape[2])


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)
