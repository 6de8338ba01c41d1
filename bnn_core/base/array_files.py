"""Arrays on disk, written whole, or as they are made, so that memory holds one batch of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from bnn_core.base.files import atomic_path


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file whole or not at all."""
    array = np.ascontiguousarray(array)
    with atomic_path(path, lambda: array.nbytes) as temporary, open(temporary, "wb") as file:
        # Not np.save, whose error does not say that the disk is full.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write an .npz file whole or not at all."""
    with (
        atomic_path(path, lambda: sum(array.nbytes for array in arrays.values())) as temporary,
        open(temporary, "wb") as file,
    ):
        np.savez(file, **arrays)


class ArrayWriter:
    """A .npy file of known shape, written from its first row to its last.

    Opens `path` for writing at once. Raises ValueError when rows are missing or too many.
    """

    def __init__(self, path: Path, shape: Sequence[int], dtype: npt.DTypeLike):
        self.shape, self.dtype, self.written = tuple(shape), np.dtype(dtype), 0
        self.file: BinaryIO = open(path, "wb")  # noqa: SIM115
        np.lib.format.write_array_header_1_0(
            self.file,
            {
                "descr": np.lib.format.dtype_to_descr(self.dtype),
                "fortran_order": False,
                "shape": self.shape,
            },
        )

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows, (n, *shape[1:])."""
        if rows.shape[1:] != self.shape[1:] or self.written + len(rows) > self.shape[0]:
            raise ValueError(
                f"rows {rows.shape} do not fit {self.shape} after {self.written} of them"
            )
        self.file.write(np.ascontiguousarray(rows, dtype=self.dtype).data)
        self.written += len(rows)

    def close(self) -> None:
        """Close the file; it is complete when this returns without an error."""
        self.file.close()
        if self.written != self.shape[0]:
            raise ValueError(f"{self.written} of {self.shape[0]} rows were written")
