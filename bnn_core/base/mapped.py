"""Arrays in files that are mapped into memory, on a disk that may be full."""

import errno
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bnn_core.base.files import unwritable


def mapped_array(
    path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...], named: Path | None = None
) -> np.memmap:
    """A new .npy file as an array in memory; see `reserve`. named: the file that it becomes."""
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    with open(path, "rb+") as file:
        reserve(file.fileno(), path.stat().st_size, named or path)
    return array


def reserve(descriptor: int, size: int, path: Path) -> None:
    """Take the room for an open file that is mapped into memory, where the system can.

    A disk that is full later would end the process without a word. Raises InputError naming `path`
    where it is full now.
    """
    try:
        os.posix_fallocate(descriptor, 0, size)
    except AttributeError:  # macOS
        return
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise unwritable(error, path, "choose another folder", size=lambda: size) from error
