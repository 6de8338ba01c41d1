"""A study: one folder, the only contract between the engine and the pages.

`study.json` is written last and the whole folder is renamed into place, so a folder with a
`study.json` is complete. Before that its parts are in `<name>.making/`.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bnn_core.base.array_files import write_array
from bnn_core.base.digests import short_digest
from bnn_core.base.files import atomic_path
from bnn_core.study.catalogue import demand_study, study_path
from bnn_core.study.description import read_description, stamp_of
from bnn_core.study.lock import settle
from bnn_core.study.opened import REVIEWS, TRUTH_FILE, Study
from bnn_core.study.tables import ROLES

__all__ = [
    "REVIEWS",
    "ROLES",
    "TRUTH_FILE",
    "Study",
    "content_hashes",
    "file_sizes",
    "fingerprint",
    "open_study",
    "pack_thumbnails",
    "write_table",
]

#: What pandas calls a column of objects that are texts, or missing, alone.
_TEXTS = ("string", "empty")


def open_study(name_or_path: str | os.PathLike, root: Path | None = None) -> Study:
    """Open a study for reading, by its name under the cache root or by its folder.

    Raises InputError when there is none, it is unfinished, or its description cannot be read
    (`description.read_description`).
    """
    path = study_path(name_or_path, root)
    settle(path)
    demand_study(path)
    stamp = stamp_of(path)
    return Study(path, read_description(path), stamp)


def fingerprint(images: pd.DataFrame) -> str:
    """Which data these are: 16 hex digits over identities, contents and labels, in row order."""
    columns = [c for c in ("image_id", "content_hash", "label", "role") if c in images]
    digest = hashlib.sha256()
    for column in columns:
        values = _as_written(images[column])
        if not isinstance(values.dtype, pd.StringDtype) and (
            values.dtype.kind != "O" or pd.api.types.infer_dtype(values) not in _TEXTS
        ):
            values = values.fillna("").astype(str)
        texts = pa.array(values, pa.large_string(), from_pandas=True).fill_null("")
        if isinstance(texts, pa.ChunkedArray):
            texts = texts.combine_chunks()
        row = pa.LargeListArray.from_arrays(pa.array([0, len(texts)], pa.int64()), texts)
        digest.update(
            pc.binary_join(row, pa.scalar("\x1f", pa.large_string()))[0].as_buffer() or b""
        )
        digest.update(b"\x1e")
    return digest.hexdigest()[:16]


def content_hashes(images: np.ndarray) -> list[str]:
    """16 hex digits per image over its pixel values."""
    return [short_digest(image) for image in images]


def pack_thumbnails(folder: Path, thumbnails: Iterable[bytes | None]) -> None:
    """Write thumbnails.bin and its offsets, thumbnails.npy (N + 1 int64)."""
    offsets = [0]
    with atomic_path(folder / "thumbnails.bin") as temporary, open(temporary, "wb") as packed:
        for data in thumbnails:
            offsets.append(offsets[-1] + packed.write(data or b""))
    write_array(folder / "thumbnails.npy", np.asarray(offsets, dtype=np.int64))


def file_sizes(folder: Path) -> dict[str, int]:
    """Relative path -> bytes of every file of a study but study.json."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "study.json"
    }


def write_table(path: Path, table: pd.DataFrame) -> None:
    """One Parquet file, written whole or not at all; categories become texts.

    Snappy (Arrow's default) and no dictionaries of numbers: written and read in half the time of zstd,
    and hardly larger.
    """
    columns = {name: _as_written(column) for name, column in table.items()}
    arrow = pa.Table.from_pandas(pd.DataFrame(columns, copy=False), preserve_index=False)
    texts = [field.name for field in arrow.schema if _is_text(field.type)]

    def size() -> int:
        counted = pa.MockOutputStream()
        pq.write_table(arrow, counted, use_dictionary=texts)
        return counted.size()

    with atomic_path(path, size) as temporary:
        pq.write_table(arrow, temporary, use_dictionary=texts)


def _as_written(values: pd.Series) -> pd.Series:
    """A column with texts in the place of categories."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values
    # Arrow looks texts up by their numbers; pandas makes a Python object of each.
    texts = pa.array(values, from_pandas=True).dictionary_decode()
    return pd.Series(pd.array(texts, dtype="str"), index=values.index)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
