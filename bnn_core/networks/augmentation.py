"""Random changes of training images that keep their meaning, drawn for each image by itself.

All functions take and return batches (B, C, H, W). The random numbers are drawn on the images'
device (see `noise`), so nothing waits for the host.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.networks import noise

AUGMENTATIONS = {
    "none": "images as they are",
    "shift": "moved by up to 2 pixels (digits: no flips)",
    "dihedral": "flips and quarter turns (cells have no up)",
    "dihedral-shift": "flips, quarter turns and shifts by up to 1/16 of the size",
    "dihedral-gamma": "flips, quarter turns, random gain and gamma per channel (fluorescence)",
}
#: Names that older versions gave these.
RENAMED = {"dihedral-stain": "dihedral-gamma"}
#: "gamma": largest gain of a channel, and largest exponent of its intensities.
GAIN, GAMMA = 1.5, 1.25


def augment(x: Tensor, kind: str) -> Tensor:
    """Change a batch as in AUGMENTATIONS; "gamma" gives float32 in 0..255, the others x's type."""
    if "dihedral" in kind:
        x = dihedral(x)
    if "shift" in kind:
        x = shift(x, 2 if kind == "shift" else max(1, x.shape[2] // 16))
    return gain_and_gamma(x) if "gamma" in kind else x


def dihedral(x: Tensor) -> Tensor:
    """One of the eight symmetries of the square for each image (of four where H is not W)."""
    x = _some(x, x.flip(2))
    x = _some(x, x.flip(3))
    return _some(x, x.transpose(2, 3)) if x.shape[2] == x.shape[3] else x


def symmetry(x: Tensor, number: int) -> Tensor:
    """The batch (B, C, H, W) under symmetry 0..7 of the square: flips (1, 2 and both, 3), and those
    of the transposed images (4 to 7). Where H is not W there are four, and 4 to 7 are they again.
    """
    if number >= 4 and x.shape[2] == x.shape[3]:
        x = x.transpose(2, 3)
    sides = [side for bit, side in ((1, 2), (2, 3)) if number & bit]
    return x.flip(sides) if sides else x


def random_crop(x: Tensor, size: int) -> Tensor:
    """A square of `size` pixels from a random place of each image; 0 or more than fits: all."""
    height, width = x.shape[2:]
    if not size or size > min(height, width):
        return x
    tops = noise.integers(height - size + 1, (len(x),), x.device)
    lefts = noise.integers(width - size + 1, (len(x),), x.device)
    return _windows(x, tops, lefts, size, size)


def shift(x: Tensor, most: int) -> Tensor:
    """Move each image by its own -most..most pixels in each direction, zeros moving in."""
    tops, lefts = noise.integers(2 * most + 1, (2, len(x)), x.device)
    return _windows(F.pad(x, (most, most, most, most)), tops, lefts, *x.shape[2:])


def gain_and_gamma(x: Tensor) -> Tensor:
    """A random gain and gamma for each channel of each image, as another exposure would give.

    x: uint8 values. Returns 255 * gain * (x / 255) ** gamma as float32, clipped to 255; the
    logarithms of gain and gamma are uniform within those of 1/GAIN..GAIN and 1/GAMMA..GAMMA.
    Batches differ in brightness more than mechanisms do, and a network that sees each compound in
    one batch only would learn the batch. For fluorescence: a bright background is clipped.
    """
    gain, gamma = (
        torch.exp(noise.uniform(-1, 1, (*x.shape[:2], 1), x.device) * math.log(most))
        for most in (GAIN, GAMMA)
    )
    shades = torch.arange(256, device=x.device) / 255  # powers of these, not of every pixel
    table = (shades**gamma * gain).clamp_(max=1).mul_(255)
    return table.gather(2, x.flatten(2).long()).view(x.shape)


def _some(x: Tensor, changed: Tensor) -> Tensor:
    """Each image changed or not, with probability one half."""
    coin = noise.integers(2, (len(x), 1, 1, 1), x.device).bool()
    return torch.where(coin, changed, x)


def _windows(x: Tensor, tops: Tensor, lefts: Tensor, height: int, width: int) -> Tensor:
    rows = tops[:, None] + torch.arange(height, device=x.device)
    columns = lefts[:, None] + torch.arange(width, device=x.device)
    images = torch.arange(len(x), device=x.device)[:, None, None]
    return x[images, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
