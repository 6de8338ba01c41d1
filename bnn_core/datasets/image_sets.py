"""Any set of images that a finished network is shown: a folder, an .npz, idx files.

An `ImageSet` is read batch by batch, so a million images need no more memory than a few thousand.
Compressed files are unpacked once into a scratch folder and read from there.
"""

import gzip
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
from tqdm import tqdm

from bnn_core.base.errors import InputError, decoding
from bnn_core.base.files import atomic_path
from bnn_core.base.limits import MOST_UNPACKED_BYTES, copy_unpacked
from bnn_core.base.reading import read_array
from bnn_core.base.roots import readable
from bnn_core.datasets.mnist import AGAIN, demand_idx_length, idx_header, read_idx
from bnn_core.images.contrast import area_resize
from bnn_core.images.decoding import read_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
#: Originals that are read before they are fitted to the network.
AT_A_TIME = 64
#: NAME of NAME=PATH. With a "-" before it, a command would read it as a flag.
SET_NAME = re.compile(r"(?!-)[\w .+-]+")
#: Unreadable files that a note names.
_FEW = 10
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class ImageSet:
    """Images in addition to those of a study.

    name begins every image id; title says what they are. labels: (N,) names, None where unknown.
    ids: (N,) what tells them apart within the set. files: (N,) paths of the originals, or None.
    read: batches of rows as (B, C, H, W) uint8, any size. notes: what was left out, and why.
    """

    name: str
    title: str
    labels: np.ndarray
    ids: np.ndarray
    read: Callable[[slice], np.ndarray]
    files: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def fitted(self, rows: slice, shape: tuple[int, int, int]) -> np.ndarray:
        """A batch (B, *shape) uint8, as `fit` makes it; InputError naming an image that cannot.

        Originals may be large: few of them are in memory at a time.
        """
        start, stop, step = rows.indices(len(self))
        assert step == 1, "rows that follow one another"
        pixels = np.empty((stop - start, *shape), np.uint8)
        for first in range(start, stop, AT_A_TIME):
            few = slice(first, min(first + AT_A_TIME, stop))
            for i, (image_id, image) in enumerate(zip(self.ids[few], self.read(few), strict=True)):
                try:
                    pixels[first - start + i] = fit(image, shape)
                except InputError as error:
                    raise InputError(f"{self.name}/{image_id}: {error}") from error
        return pixels


def open_image_set(text: str, scratch: Path) -> ImageSet:
    """A set from a folder (sub-folders are labels), an .npz (images, labels) or an idx file.

    text: a path, or NAME=PATH to give the set a name. Raises InputError for anything else.
    """
    name, path = split_name(text)
    path = readable(path)
    if path.is_dir():
        image_set = _from_folder(path)
    elif path.suffix == ".npz":
        image_set = _from_npz(path, scratch)
    elif re.search(r"idx3-ubyte(\.gz)?$", path.name):
        image_set = idx_set(path, scratch)
    elif path.exists():
        raise InputError(
            f"{path} holds no image set; give a folder of images, an .npz or an idx file (…idx3-ubyte)"
        )
    else:
        raise InputError(f"{path} does not exist")
    if not len(image_set):
        raise InputError(f"{path} holds no image")
    return named(image_set, name)


def split_name(text: str) -> tuple[str | None, Path]:
    """NAME=PATH as its parts; the name None where there is none."""
    name, equals, rest = text.partition("=")
    if equals and SET_NAME.fullmatch(name) and not Path(text).exists():
        return name.strip(), Path(rest)
    return None, Path(text)


def named(image_set: ImageSet, name: str | None) -> ImageSet:
    """The set under the name that the user gave it, if any."""
    return image_set if name is None else replace(image_set, name=name, title=name)


def idx_set(images: Path, scratch: Path, *, labels: Path | None = None) -> ImageSet:
    """Images of an idx file with the labels in the file next to it, as numbers; upright as stored."""
    pixels = map_idx(images, scratch)
    if pixels.ndim != 3:
        raise InputError(
            f"{images} holds an array of {pixels.ndim} dimensions; images have 3 (image, row, column)"
        )
    beside = labels or images.with_name(
        images.name.replace("images-idx3", "labels-idx1").replace("images.idx3", "labels.idx1")
    )
    given = np.full(len(pixels), None, dtype=object)
    if beside != images and (beside.is_file() or labels):
        given = np.array([str(n) for n in read_idx(beside)], dtype=object)
        if len(given) != len(pixels):
            raise InputError(
                f"{images} has {len(pixels):,} images, {beside} has {len(given):,} labels; fetch "
                "both again"
            )
    stem = images.name.removesuffix(".gz").removesuffix("-idx3-ubyte").removesuffix("-images")
    return ImageSet(stem, stem, given, numbers(len(pixels)), lambda rows: pixels[rows][:, None])


def map_idx(path: Path, scratch: Path) -> np.ndarray:
    """An idx file of bytes as a memory-mapped array; InputError when it is damaged."""
    plain = _unpacked(path, scratch) if path.suffix == ".gz" else path
    with decoding(path, AGAIN):
        size = plain.stat().st_size
        with open(plain, "rb") as file:
            shape, head, promised = idx_header(file.read(20), path)
    demand_idx_length(size, promised, path)
    return np.memmap(plain, np.uint8, mode="r", offset=head, shape=shape)


def label_name(label: object) -> str | None:
    """A label as it is shown: bytes as text, whole numbers without a point, None for no number."""
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    if isinstance(label, float):
        if np.isnan(label):
            return None
        return str(int(label)) if label.is_integer() else f"{label:.7g}"
    return str(label)


def numbers(count: int) -> np.ndarray:
    """(count,) '000000', '000001', ...: what tells images apart that have no name."""
    return np.array([f"{i:06d}" for i in range(count)], dtype=object)


def fit(image: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """An image (C, H, W) as a network of `shape` takes it, uint8.

    Colour becomes grey where the network knows one channel. The size is fitted with the aspect
    kept, black around it. Raises InputError for other channels and for 16-bit images, whose black
    and white points nobody knows.
    """
    if image.dtype != np.uint8:
        raise InputError(
            f"the images are of type {image.dtype}; give 8-bit images scaled like the study's"
        )
    channels, height, width = shape
    if len(image) == 3 and channels == 1:
        image = np.rint(np.tensordot(_GREY, image, axes=1))[None].astype(np.uint8)
    if len(image) != channels:
        raise InputError(
            f"an image has {len(image)} channels; the study's networks take {channels}"
        )
    if image.shape[1:] == (height, width):
        return image
    scale = min(height / image.shape[1], width / image.shape[2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[2] * scale)))
    if scale < 1:
        image = area_resize(image, size)
    else:
        rows, columns = (
            np.minimum((np.arange(want) + 0.5) / scale, have - 1).astype(np.intp)
            for want, have in zip(size, image.shape[1:], strict=True)
        )
        image = image[:, rows][:, :, columns]
    out = np.zeros(shape, np.uint8)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    out[:, top : top + size[0], left : left + size[1]] = np.rint(image)
    return out


def _from_folder(path: Path) -> ImageSet:
    files, notes = _readable(
        sorted(
            Path(folder) / name
            for folder, _, names in os.walk(path)
            for name in names
            if name.lower().endswith(SUFFIXES)
        ),
        path,
    )
    inside = [file.relative_to(path) for file in files]
    labels = np.array([part.parts[0] if len(part.parts) > 1 else None for part in inside], object)

    def read(rows: slice) -> list[np.ndarray]:
        return [read_image(file) for file in files[rows]]

    return ImageSet(
        path.resolve().name,
        f"the folder {path.resolve().name}",
        labels,
        np.array([part.as_posix() for part in inside], dtype=object),
        read,
        np.array([str(file.resolve()) for file in files], dtype=object),
        notes,
    )


def _readable(files: list[Path], folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The files that can be read, and a note on the others; InputError when more than half cannot."""
    good, bad = [], []
    for file in tqdm(files, desc="check images", unit="image"):
        try:
            read_image(file)
            good.append(file)
        except InputError as error:
            bad.append(str(error))
    if 2 * len(bad) > len(files):
        raise InputError(
            f"{folder}: {len(bad):,} of {len(files):,} images cannot be read, the first: {bad[0]}"
        )
    if not bad:
        return good, ()
    few = "; ".join(bad[:_FEW]) + ("; …" if len(bad) > _FEW else "")
    return good, (
        f"{len(bad):,} of {len(files):,} images of the folder {folder.resolve().name} "
        f"cannot be read and {'was' if len(bad) == 1 else 'were'} left out: {few}",
    )


def _from_npz(path: Path, scratch: Path) -> ImageSet:
    images, labels = _member(path, "images", scratch), _member(path, "labels", scratch)
    if images is None:
        raise InputError(f"{path} has no array 'images'")
    if images.ndim not in (3, 4) or (images.dtype != np.uint8 and images.dtype.kind != "f"):
        raise InputError(
            f"{path}: the images have the shape {images.shape} and type {images.dtype}; give (N, H, W), "
            "(N, H, W, C) or (N, C, H, W) as uint8, or as floats in [0, 1]"
        )
    if labels is not None and labels.shape != (len(images),):
        raise InputError(f"{path}: labels of shape {labels.shape} for {len(images):,} images")
    last = images.ndim == 4 and images.shape[3] <= 4 < images.shape[1]

    def read(rows: slice) -> np.ndarray:
        part = np.asarray(images[rows])
        if part.dtype != np.uint8:
            if not (np.isfinite(part).all() and part.min() >= 0 and part.max() <= 1):
                raise InputError(f"{path}: float images hold values outside of [0, 1]")
            part = np.rint(part * 255).astype(np.uint8)
        part = part[:, None] if part.ndim == 3 else part
        return part.transpose(0, 3, 1, 2) if last else part

    names = np.full(len(images), None, dtype=object)
    if labels is not None:
        names = np.array([label_name(label) for label in labels.tolist()], dtype=object)
    return ImageSet(path.stem, f"the file {path.name}", names, numbers(len(images)), read)


def _member(path: Path, name: str, scratch: Path) -> np.ndarray | None:
    """One array of an .npz, unpacked into the scratch folder and memory-mapped."""
    remedy = "save it again"
    with decoding(path, remedy), zipfile.ZipFile(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            return None
        target = scratch / f"{path.stem}-{name}.npy"
        with archive.open(f"{name}.npy") as packed:
            _copy(packed, target, path)
    return read_array(target, "buifUS", remedy)


def _unpacked(path: Path, scratch: Path) -> Path:
    target = scratch / path.name.removesuffix(".gz")
    with decoding(path, AGAIN), gzip.open(path, "rb") as packed:
        _copy(packed, target, path)
    return target


def _copy(packed: IO[bytes], target: Path, path: Path) -> None:
    with atomic_path(target) as temporary, open(temporary, "wb") as out:
        copy_unpacked(packed, out.write, path, MOST_UNPACKED_BYTES, "give fewer images at once")
