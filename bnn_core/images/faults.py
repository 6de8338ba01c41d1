"""Images damaged on purpose, as microscopes damage them: what does a network predict for these?

Each function takes one image (C, H, W) uint8 and a generator, and returns another of that shape and
type. The strengths are such that a person sees at once that something is wrong.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from bnn_core.base.errors import InputError

_PIECES = 6


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus: a Gaussian with sigma 2.5 to 4 % of the shorter side, on every channel."""
    sigma = rng.uniform(0.025, 0.04) * min(image.shape[1:])
    return _bytes(gaussian_filter(image.astype(np.float32), (0, sigma, sigma)))


def saturate(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposed too long: 4 to 8 times as bright on a lifted ground, clipped at full scale."""
    return _bytes(image.astype(np.float32) * rng.uniform(4, 8) + 20)


def debris(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dust and fibres: six bright ellipses, sharp or not, over all channels."""
    rows, columns = np.mgrid[: image.shape[1], : image.shape[2]].astype(np.float32)
    side, out = min(image.shape[1:]), image.astype(np.float32)
    for _ in range(_PIECES):
        y, x = rng.uniform(0, image.shape[1]), rng.uniform(0, image.shape[2])
        turn, thick = rng.uniform(0, np.pi), rng.uniform(0.02, 0.06) * side
        long = thick * rng.uniform(1, 5)
        along = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
        across = (rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)
        far = np.hypot(along / long, across / thick)
        edge = rng.uniform(0.05, 0.6)
        out += rng.uniform(120, 255) * np.clip((1 - far) / edge + 0.5, 0, 1)
    return _bytes(out)


def wrong_channel(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Channels in another order: each is at the position of the one before it."""
    return np.roll(image, 1, axis=0)


CORRUPTIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "blur": blur,
    "saturate": saturate,
    "debris": debris,
    "wrong-channel": wrong_channel,
}


def corrupt(image: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """One image damaged in one way; the same seed gives the same image."""
    return CORRUPTIONS[kind](image, np.random.default_rng(seed))


def read_corruptions(text: str, channels: int) -> list[str]:
    """The kinds named in a comma-separated list; InputError for one that there is not."""
    kinds = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in kinds if name not in CORRUPTIONS]
    if unknown or not kinds:
        raise InputError(
            f"--corrupt {text} names unknown kinds; choose from {', '.join(CORRUPTIONS)}, comma-separated"
        )
    if "wrong-channel" in kinds and channels < 2:
        raise InputError(
            "--corrupt wrong-channel needs images of at least two channels; these have one"
        )
    return kinds


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)
