"""EMNIST (Cohen et al. 2017): handwritten digits and letters in six splits.

Read from idx files as torchvision lays them out. The files hold every image transposed; here they
stand upright. Other files of the same format load by the same code, under a name of their own.
"""

import re
import string
from dataclasses import replace
from pathlib import Path

import numpy as np

from bnn_core.base.errors import InputError
from bnn_core.datasets.image_sets import ImageSet, idx_set, named, open_image_set, split_name

_MERGED = "cijklmopsuvwxyz"
_BYCLASS = [*string.digits, *string.ascii_uppercase, *string.ascii_lowercase]
#: Where capital and lower case look alike the split has one class for both.
_BYMERGE = [
    *string.digits,
    *(f"{c}/{c.lower()}" if c.lower() in _MERGED else c for c in string.ascii_uppercase),
    *(c for c in string.ascii_lowercase if c not in _MERGED),
]
#: Class names by the number in the label file; "letters" counts from 1.
SPLITS: dict[str, list[str]] = {
    "byclass": _BYCLASS,
    "bymerge": _BYMERGE,
    "balanced": _BYMERGE,
    "letters": ["(none)", *(f"{c}/{c.lower()}" for c in string.ascii_uppercase)],
    "digits": list(string.digits),
    "mnist": list(string.digits),
}
#: Images in the genuine files: (split, part) -> count.
COUNTS = {
    ("byclass", "train"): 697_932,
    ("byclass", "test"): 116_323,
    ("bymerge", "train"): 697_932,
    ("bymerge", "test"): 116_323,
    ("balanced", "train"): 112_800,
    ("balanced", "test"): 18_800,
    ("letters", "train"): 124_800,
    ("letters", "test"): 20_800,
    ("digits", "train"): 240_000,
    ("digits", "test"): 40_000,
    ("mnist", "train"): 60_000,
    ("mnist", "test"): 10_000,
}
EMNIST_PARTS = ("test", "train")


def load_emnist(root: Path, scratch: Path, split: str = "byclass", part: str = "test") -> ImageSet:
    """One split, upright, with readable labels.

    Looks for `emnist-<split>-<part>-images-idx3-ubyte` and its labels, gzipped or not, in `root`,
    its emnist/, EMNIST/raw/ and EMNIST/raw/gzip/. Files with another number of images than the
    genuine images are a stand-in, and their name says so. Raises InputError naming what is missing.
    """
    if split not in SPLITS or part not in EMNIST_PARTS:
        raise InputError(
            f"'{split}-{part}' is no part of EMNIST; choose one of {', '.join(SPLITS)}, with -train or "
            "-test"
        )
    stem = f"emnist-{split}-{part}"
    images = _find(root, f"{stem}-images-idx3-ubyte")
    image_set = idx_set(images, scratch, labels=_find(root, f"{stem}-labels-idx1-ubyte"))
    codes = image_set.labels.astype(np.int64)
    names = np.asarray(SPLITS[split], dtype=object)
    if len(codes) and codes.max() >= len(names):
        raise InputError(
            f"{images}: label {codes.max()}; the split {split} has {len(names)} "
            "classes: fetch both files again"
        )
    genuine = len(image_set) == COUNTS[split, part]
    stored = image_set.read
    return replace(
        image_set,
        labels=names[codes],
        read=lambda rows: stored(rows).transpose(0, 1, 3, 2),
        name=stem if genuine else f"stand-in-{split}-{part}",
        title=f"EMNIST {split}, {part}"
        if genuine
        else f"stand-in characters (laid out like the split {split}; not the genuine set)",
    )


def _find(root: Path, name: str) -> Path:
    raw = root / "EMNIST" / "raw"
    for folder in (root, root / "emnist", raw, raw / "gzip", root / "gzip"):
        for candidate in (folder / name, folder / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    raise InputError(
        f"no {name}[.gz] in {root}, its emnist/ or its EMNIST/raw/; run 'bnn data "
        "emnist' to download it, or name its folder with --data"
    )


def open_any(text: str, root: Path, scratch: Path) -> ImageSet:
    """What `--ood` and `bnn predict` take: `emnist`, `emnist:SPLIT[-PART]`, or any image set.

    `emnist` is looked for in `root` (a folder of that name here is `./emnist`); idx files named as
    EMNIST's are read as such wherever they lie. NAME=... gives the set another name. Raises
    InputError as `open_image_set`.
    """
    name, path = split_name(text)
    word = re.fullmatch(r"emnist(?::(\w+?)(?:-(\w+))?)?", str(path))
    if word:
        return named(load_emnist(root, scratch, word[1] or "byclass", word[2] or "test"), name)
    file = re.fullmatch(r"emnist-(\w+)-(\w+)-images-idx3-ubyte(\.gz)?", path.name)
    if file and path.is_file():
        return named(load_emnist(path.parent, scratch, file[1], file[2]), name)
    return open_image_set(text, scratch)
