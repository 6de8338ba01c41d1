"""MNIST: found in any of the usual layouts, or downloaded (as EMNIST is) by torchvision."""

import gzip
import math
import os
import shutil
import struct
import urllib.error
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bnn_core.base.errors import InputError, decoding
from bnn_core.base.files import alone, unwritable
from bnn_core.base.limits import MOST_ARRAY_BYTES
from bnn_core.base.roots import demand_making
from bnn_core.datasets.downloading import demand_network

AGAIN = "fetch it again"
#: The servers that torchvision asks.
SET_ADDRESSES = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "emnist": "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
}
DIGITS = [str(digit) for digit in range(10)]


@dataclass(frozen=True)
class LabelledImages:
    """images (N, 1, H, W) uint8; targets (N,) int64 class numbers."""

    images: np.ndarray
    targets: np.ndarray


def data_root(flag: str | os.PathLike | None = None) -> Path:
    """Folder of the data sets: `flag`, else $BNN_DATA, else a per-user cache folder."""
    if flag or os.environ.get("BNN_DATA"):
        return Path(flag or os.environ["BNN_DATA"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "bnn-cell-images"


def load_mnist(root: Path, train: bool) -> LabelledImages:
    """The 60,000 training or 10,000 test images.

    Looks for the idx files, gzipped or not, in `root`, `root/mnist` and `root/MNIST/raw`.
    Raises InputError naming what is missing or damaged, and how to get it.
    """
    stem = "train" if train else "t10k"
    images = read_idx(find_idx(root, f"{stem}-images-idx3-ubyte"))
    targets = read_idx(find_idx(root, f"{stem}-labels-idx1-ubyte"))
    if len(images) != len(targets):
        raise InputError(
            f"MNIST in {root}: {len(images):,} images but {len(targets):,} labels in "
            f"{stem}; delete both files and run 'bnn data mnist'"
        )
    if targets.size and targets.max() > 9:
        raise InputError(
            f"MNIST in {root}: {stem} has the label {targets.max()}, which is no digit; delete it and "
            "run 'bnn data mnist'"
        )
    return LabelledImages(images[:, None], targets.astype(np.int64))


def has_mnist(root: Path) -> bool:
    """Whether MNIST's files are in one of the usual places under `root`."""
    try:
        find_idx(root, "train-images-idx3-ubyte")
    except InputError:
        return False
    return True


def download_torchvision_set(name: str, root: Path) -> str:
    """Fetch "mnist" or "emnist" into `root` unless it is there whole; one line on what is there.

    Raises InputError when it cannot be fetched whole or written, and while another run fetches it.
    """
    demand_making()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with alone(root / f".{name}.lock", f"another run fetches {name} into {root}: wait for it"):
            try:
                return _what_is_there(name, root)
            except (InputError, RuntimeError, AssertionError):  # the last two are torchvision's
                _fetch(name, root)
            return _what_is_there(name, root)
    except (RuntimeError, urllib.error.URLError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())  # torchvision lists its mirrors on lines of their own
        raise InputError(
            f"{name} could not be downloaded completely ({reason}); run the same command again "
            f"or put its files in {root}/{name.upper()}/raw"
        ) from error
    except OSError as error:
        raise unwritable(error, root, "choose another folder with --data") from error


def _what_is_there(name: str, root: Path) -> str:
    from torchvision import datasets  # seconds to import, and only downloads need it

    if name == "mnist":
        raw = root / "MNIST" / "raw"
        count = len(load_mnist(raw, train=True).images) + len(load_mnist(raw, False).images)
        return f"{root}/MNIST: {count:,} images"
    byclass = datasets.EMNIST(root, split="byclass", train=False)
    return f"{root}/EMNIST: all splits; byclass has {len(byclass):,} test images"


def _fetch(name: str, root: Path) -> None:
    """Have torchvision fetch, verify and unpack beside the final folder: it writes under the final
    names, so that a file cut short by a stop would look complete."""
    from torchvision import datasets

    demand_network(SET_ADDRESSES[name])
    part = root / f".{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        if name == "mnist":
            datasets.MNIST(part, download=True)
        else:
            datasets.EMNIST(part, split="byclass", train=False, download=True)
        raw = root / name.upper() / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        for file in (part / name.upper() / "raw").iterdir():
            os.replace(file, raw / file.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def find_idx(root: Path, name: str) -> Path:
    """Path of an idx file in one of the usual places under `root`."""
    folders = [root, root / "mnist", root / "MNIST" / "raw"]
    for folder in folders:
        for candidate in (folder / name, folder / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    raise InputError(
        f"no {name}[.gz] in {root}, its mnist/ or its MNIST/raw/; run 'bnn data mnist' to "
        "download it, or name its folder with --data"
    )


def read_idx(path: Path) -> np.ndarray:
    """An idx file of unsigned bytes as an array (N, ...), gzipped or not.

    Raises InputError when the header or the length is not what the format promises.
    """
    with decoding(path, AGAIN), (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        start = file.read(20)
        shape, head, length = idx_header(start, path)
        if length > MOST_ARRAY_BYTES:
            raise InputError(f"{path} holds {length / 1e9:.0f} GB: more than is read at once")
        # One byte more than it should have, and no second copy: a few compressed bytes may unpack to
        # anything.
        file.seek(0)
        data = file.read(length + 1)
    demand_idx_length(len(data), length, path)
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)


def idx_header(start: bytes, path: Path) -> tuple[tuple[int, ...], int, int]:
    """Shape of an idx file's array, where its bytes begin, and the file's length in bytes.

    start: the first 20 bytes. Raises InputError for another format and for an array of no bytes.
    """
    if len(start) < 4 or start[0] or start[1] or start[2] != 8 or not 1 <= start[3] <= 4:
        raise InputError(f"{path} is not an idx file of bytes; {AGAIN}")
    head = 4 + 4 * start[3]
    if len(start) < head:
        raise InputError(f"{path} is truncated: {len(start)} bytes; {AGAIN}")
    shape = struct.unpack(f">{start[3]}I", start[4:head])
    if 0 in shape:
        raise InputError(f"{path} holds no image (shape {shape})")
    return shape, head, head + math.prod(shape)


def demand_idx_length(length: int, promised: int, path: Path) -> None:
    """InputError where an idx file has another length than its header promises."""
    if length != promised:
        problem = f"truncated: {length:,} bytes" if length < promised else "too long: more bytes"
        raise InputError(f"{path} is {problem}, its header promises {promised:,}; {AGAIN}")
