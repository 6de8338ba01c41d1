"""Images of the benchmark `posterior.py` on the device: training batches, and rows to predict."""

import io
import lzma
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bnn_core.images.faults import CORRUPTIONS, corrupt

#: "stain": as in `bnn_core.networks.augmentation`.
GAIN, GAMMA = 1.5, 1.25


@dataclass
class Job:
    """One network to train: which rows, and which it predicts.

    dataset: number of its data set. fold: its number. train, predict: rows of the images. classes:
    class numbers that it may name.
    """

    dataset: int
    fold: int
    train: np.ndarray
    predict: np.ndarray


@dataclass
class Images:
    """All images of one kind, on the device.

    pixels: (8 or 1, N, C, H, W) uint8, one per symmetry of the square; padded by `pad` zeros.
    targets: (N,) class numbers, -1 of an unseen class. groups: (N,) compound of each. kind: (N,)
    "known", "unseen" or "damaged". dataset: (N,). jobs: the folds.
    """

    name: str
    body: str
    pixels: Tensor
    targets: np.ndarray
    groups: np.ndarray
    kind: np.ndarray
    dataset: np.ndarray
    jobs: list[Job]
    crop: int
    pad: int
    stain: bool
    root: bool
    classes: int

    def batch(self, rows: Tensor) -> Tensor:
        """(B, M * C, h, w) augmented training images of rows (M, B)."""
        m, batch = rows.shape
        pixels, flat, device = self.pixels, rows.T.reshape(-1), rows.device
        turns, _, channels, height, width = pixels.shape
        symmetry = torch.randint(turns, (len(flat),), device=device)
        if self.crop and self.crop < height:
            spans = [
                torch.randint(side - self.crop + 1, (len(flat), 1), device=device)
                + torch.arange(self.crop, device=device)
                for side in (height, width)
            ]
            x = pixels[
                symmetry[:, None, None, None],
                flat[:, None, None, None],
                torch.arange(channels, device=device)[None, :, None, None],
                spans[0][:, None, :, None],
                spans[1][:, None, None, :],
            ]
        else:
            x = pixels[symmetry, flat]
        x = x.float() / 255
        if self.stain:
            gain, gamma = (
                torch.exp((2 * torch.rand(*x.shape[:2], 1, 1, device=device) - 1) * np.log(most))
                for most in (GAIN, GAMMA)
            )
            x = (x**gamma * gain).clamp_(max=1)
        return self._ready(x).view(batch, m * channels, *x.shape[2:])

    def whole(self, rows: Tensor, symmetry: int) -> Tensor:
        """(R, M * C, H, W) whole images of rows (M, R), all under one symmetry."""
        m, count = rows.shape
        x = self.pixels[symmetry % len(self.pixels), rows.T.reshape(-1)]
        if self.pad:
            x = x[..., self.pad : -self.pad, self.pad : -self.pad]
        x = self._ready(x.float() / 255)
        return x.reshape(count, m * x.shape[1], *x.shape[2:])

    def _ready(self, x: Tensor) -> Tensor:
        return x.sqrt_().sub_(0.4).div_(0.2) if self.root else x


def load_screens(folder: Path, seeds: list[int], device: str, most: int | None = None) -> Images:
    """Drawn screens at half their size, 32 pixels, three folds of compounds each; each fold also
    predicts a third of the images of unseen mechanisms and damaged copies of a third of its own.
    At 64 pixels nearly every image is right and nothing can be compared."""
    files = [folder / f"screen{s}.npz" for s in seeds]
    return _load_plates("screens", files, device, 0, False, most, halved=True)


def load_fields(folder: Path, device: str, most: int | None = None) -> Images:
    """The 660 real fields at 128 pixels, six folds of three compounds."""
    return _load_plates("fields", [folder / "fields.npz"], device, 64, True, most)


def _load_plates(
    name: str,
    paths: list[Path],
    device: str,
    crop: int,
    stain: bool,
    most: int | None,
    halved: bool = False,
) -> Images:
    pixels, targets, groups, kinds, datasets, jobs, first = [], [], [], [], [], [], 0
    for number, path in enumerate(paths):
        with np.load(path) as arrays:
            target, group, fold = arrays["targets"], arrays["groups"], arrays["folds"]
            images = _decoded(arrays["bytes"].tobytes(), arrays["ends"])
        if halved:
            n, c, h, w = images.shape
            images = np.rint(images.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5)))
            images = images.astype(np.uint8)
        if most is not None:
            keep = np.random.default_rng(0).permutation(len(images))[:most]
            images, target, group, fold = images[keep], target[keep], group[keep], fold[keep]
            images, crop = np.ascontiguousarray(images[..., ::2, ::2]), min(crop, 16)
        known, unseen = np.flatnonzero(target >= 0), np.flatnonzero(target < 0)
        damaged = known[::3]
        names = list(CORRUPTIONS)
        copies = [corrupt(images[i], names[k % len(names)], int(i)) for k, i in enumerate(damaged)]
        n = len(images)
        folds = fold.max() + 1
        for k in range(folds):
            mine = np.concatenate(
                [
                    known[fold[known] == k],
                    unseen[k::folds],
                    n + np.flatnonzero(fold[damaged] == k),
                ]
            )
            jobs.append(Job(number, k, first + known[fold[known] != k], first + mine))
        pixels.append(np.concatenate([images, np.stack(copies)]))
        targets.append(np.concatenate([target, target[damaged]]))
        groups.append(np.concatenate([group, group[damaged]]))
        kind = np.where(target < 0, "unseen", "known")
        kinds.append(np.concatenate([kind, np.full(len(copies), "damaged")]))
        datasets.append(np.full(n + len(copies), number))
        first += n + len(copies)
    x = torch.from_numpy(np.concatenate(pixels)).to(device)
    symmetries = [y.flip(d) for y in (x, x.transpose(2, 3)) for d in ((), (2,), (3,), (2, 3))]
    return Images(
        name,
        "mscnn",
        torch.stack(symmetries),
        np.concatenate(targets),
        np.concatenate(groups),
        np.concatenate(kinds),
        np.concatenate(datasets),
        jobs,
        crop,
        0,
        stain,
        True,
        int(np.concatenate(targets).max()) + 1,
    )


def load_mnist(folder: Path, device: str, most: int | None = None) -> Images:
    """MNIST: one fold, the standard split; moved by up to two pixels in training."""
    parts, targets, kinds = [], [], []
    with np.load(folder / "mnist.npz") as arrays:
        for part in ("train", "test"):
            raw = lzma.decompress(arrays[f"{part}_images"].tobytes())
            x = np.frombuffer(raw, np.uint8).reshape(-1, 1, 28, 28)[:most]
            parts.append(np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2))))
            targets.append(arrays[f"{part}_targets"].astype(np.int64)[:most])
            kinds.append(np.full(len(x), "known"))
    sizes = [len(x) for x in parts]
    job = Job(0, 0, np.arange(sizes[0]), sizes[0] + np.arange(sizes[1]))
    return Images(
        "mnist",
        "lenet5",
        torch.from_numpy(np.concatenate(parts)).to(device)[None],
        np.concatenate(targets),
        np.arange(sum(sizes)).astype(str),
        np.concatenate(kinds),
        np.zeros(sum(sizes), int),
        [job],
        28,
        2,
        False,
        False,
        10,
    )


def _decoded(data: bytes, ends: np.ndarray) -> np.ndarray:
    """(N, 3, H, W) uint8 of encoded files one after another."""
    starts = np.concatenate([[0], ends[:-1]])

    def decode(span: tuple[int, int]) -> np.ndarray:
        with Image.open(io.BytesIO(data[span[0] : span[1]])) as image:
            return np.asarray(image).transpose(2, 0, 1)

    with ThreadPoolExecutor(16) as pool:
        return np.stack(list(pool.map(decode, zip(starts, ends, strict=True))))
