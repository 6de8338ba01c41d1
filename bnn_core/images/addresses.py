"""Where the pixels of an image or channel are, as one text in a table: a file, the planes of a stack
that are a file each, or an image of an OME-Zarr.

    P1/B02_w1.tif                        one file
    P1/B02_z1.tif|B02_z2.tif             the brightest of several planes; beside the first file
    plate.zarr/B/02/0?plane=max&time=1   an image of an OME-Zarr: all its channels
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.base.roots import is_file, readable

_BETWEEN = "|"
#: Bytes at either end of a file that tell it from another of its size.
_ENDS = 1 << 15
_CHOICE = re.compile(r"\?(?:plane=(max|\d+))?&?(?:time=(\d+))?$")
#: Files that make a folder an array or group of Zarr, version 2 and 3.
ZARR_FILES = (".zattrs", ".zgroup", ".zarray", "zarr.json")


class Address(NamedTuple):
    """files: one, or the planes of a stack. plane: "max", a number from 1, or "" where nothing is
    chosen; time likewise."""

    files: tuple[Path, ...]
    plane: str = ""
    time: str = ""


def address_of(path: str | Path) -> Address:
    """An address from its text."""
    text, plane, time = str(path), "", ""
    if match := _CHOICE.search(text):
        text, plane, time = text[: match.start()], match[1] or "", match[2] or ""
    first, *others = text.split(_BETWEEN)
    return Address((Path(first), *(Path(first).parent / o for o in others)), plane, time)


def stack_address(files: Sequence[str]) -> str:
    """The address of planes that are a file each, by their paths with "/" below one folder."""
    first = PurePosixPath(files[0])
    beside = [PurePosixPath(os.path.relpath(f, first.parent or ".")).as_posix() for f in files[1:]]
    return _BETWEEN.join([str(first), *beside])


def zarr_address(path: str, plane: str = "", time: str = "") -> str:
    """The address of an image of an OME-Zarr."""
    chosen = [f"plane={plane}"] if plane else []
    chosen += [f"time={time}"] if time else []
    return path + (f"?{'&'.join(chosen)}" if chosen else "")


def is_zarr(path: Path) -> bool:
    """Whether a folder is an array or group of Zarr that may be read."""
    return any(is_file(path / name) for name in ZARR_FILES)


def is_there(path: str | Path) -> bool:
    """Whether all files of an address are there and may be read."""
    return all(is_file(file) or is_zarr(file) for file in address_of(path).files)


def content_digest(path: str | Path) -> str:
    """16 hex digits over the sizes of an address's files and the first and last bytes of each, the
    same for copies elsewhere. An image of an OME-Zarr is known by its stamp."""
    parts = []
    for file in address_of(path).files:
        try:
            with open(readable(file), "rb") as opened:
                size = opened.seek(0, os.SEEK_END)
                parts.append(f"{size} ".encode())
                for start in (0, max(_ENDS, size - _ENDS)):
                    opened.seek(start)
                    parts.append(opened.read(_ENDS))
        except (OSError, InputError):
            parts.append(repr(stamp(file)).encode())
    return short_digest(*parts)


def file_marks(path: str | Path) -> list[tuple[int, int, int, int]]:
    """Size, time of the content, time of any change and inode of each file of an address, all files
    of an OME-Zarr. Whoever writes into a file changes one of them, whatever times are set back."""
    marks = []
    for file in address_of(path).files:
        try:
            whole = readable(file)
            files = sorted(whole.rglob("*")) if whole.is_dir() else [whole]
            states = [one.stat() for one in files]
        except (OSError, InputError):
            continue
        marks += [(s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for s in states]
    return marks


def stamp(path: str | Path) -> tuple[int, int]:
    """Size in bytes and time (ns) of the newest file of an address, which change with them; 0 where
    there is none."""
    sizes, times = [0], [0]
    for file in address_of(path).files:
        try:
            status = readable(file).stat()
        except (OSError, InputError):
            continue
        sizes.append(status.st_size)
        times.append(status.st_mtime_ns)
    return sum(sizes), max(times)
