"""The largest files, tables and pictures that are read. Larger ones are refused in one line.

A few bytes can claim or unfold to more than any machine holds: a compressed TIFF of zeros, a gzip
file, a Parquet table of one repeated value. The limits are well above real screens (a field of
2,160 x 2,160 pixels in 5 channels, 10 million rows) and keep one file below about 2 GB of memory.
"""

from collections.abc import Callable
from pathlib import Path
from typing import IO

from bnn_core.base.errors import InputError

#: Numbers of one image, all its channels together: 20,000 x 20,000 in grey.
MOST_PIXELS = 400_000_000
#: Bytes of an image file, and of its pixels in memory.
MOST_IMAGE_BYTES = 800_000_000
#: Numbers of an image up to which it is drawn at once; of larger ones some rows at a time are averaged.
MOST_DRAWN_PIXELS = 20_000_000
#: Longest side of a picture that is drawn: WebP ends at 16,383 pixels. Larger images are averaged down.
LONGEST_SIDE = 8192
#: Original images that a server draws at a time: one of MOST_PIXELS takes up to 2 GB.
MOST_DRAWINGS = 2
#: Bytes of a text table, unpacked.
MOST_TEXT_BYTES = 1_000_000_000
MOST_ROWS = 20_000_000
MOST_COLUMNS = 20_000
#: Rows times columns of a table: features of 100,000 rows x 2,000 columns, and their metadata.
MOST_CELLS = 250_000_000
#: Bytes of an .npz file's arrays, which are unpacked into memory.
MOST_ARRAY_BYTES = 8_000_000_000
#: Bytes of an array or image set that is unpacked to the disk.
MOST_UNPACKED_BYTES = 50_000_000_000
#: Bytes of a JSON file.
MOST_JSON_BYTES = 50_000_000
#: Bytes of the name of a study, a set or a method, letters of that of a class. A file's name has at
#: most 255 bytes, and those of locks and swaps are longer than the study's.
LONGEST_NAME = 200
#: MB of one file that the browser sends (server.maxUploadSize).
MOST_UPLOAD_MB = 200

_CHUNK = 1 << 20


def demand_size(path: Path, most: int, remedy: str) -> None:
    """InputError for a file of more than `most` bytes. OSError where there is none."""
    size = Path(path).stat().st_size
    if size > most:
        raise InputError(f"{path} has {size / 1e9:.1f} GB, at most {most / 1e9:g} GB: {remedy}")


def demand_table(path: Path, rows: int, columns: int) -> None:
    """InputError for a table that is too large to be one of images."""
    if rows > MOST_ROWS or columns > MOST_COLUMNS or rows * columns > MOST_CELLS:
        raise InputError(
            f"{path} has {rows:,} rows and {columns:,} columns; at most {MOST_ROWS:,} rows, "
            f"{MOST_COLUMNS:,} columns and {MOST_CELLS:,} cells are read: split the table, or give "
            "features as an array (.npy) with --metadata"
        )


def read_unpacked(file: IO[bytes], path: Path, most: int, remedy: str) -> bytes:
    """All bytes of an open compressed file; InputError as soon as they are more than `most`."""
    parts: list[bytes] = []
    copy_unpacked(file, parts.append, path, most, remedy)
    return b"".join(parts)


def copy_unpacked(
    file: IO[bytes], write: Callable[[bytes], object], path: Path, most: int, remedy: str
) -> None:
    """Unpack a compressed file piece by piece; InputError as soon as it is more than `most`."""
    size = 0
    while piece := file.read(_CHUNK):
        size += len(piece)
        if size > most:
            raise InputError(f"{path} unpacks to more than {most / 1e9:g} GB: {remedy}")
        write(piece)
