"""Channels without information: one single value, or equal to another channel."""

import numpy as np


def flat_channels(image: np.ndarray) -> list[int]:
    """Numbers of the channels of an image (C, H, W) whose pixels are all equal."""
    return [c for c, plane in enumerate(image) if _is_flat(plane[::16]) and _is_flat(plane)]


def _is_flat(plane: np.ndarray) -> bool:
    return plane.min() == plane.max()


def grey_as_colour(image: np.ndarray) -> list[str]:
    """A remark (`decoding.Decoded`) where all channels of an image (C, H, W) are the same."""
    if len(image) < 2 or len(flat_channels(image)) == len(image):
        return []
    if not all(_equal(image[0], plane) for plane in image[1:]):
        return []
    return [
        f"WARNING: has {len(image)} channels that are all the same, such as grey saved as colour"
    ]


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one[::16], other[::16]) and np.array_equal(one, other)
