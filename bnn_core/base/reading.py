"""Reading arrays and tables of binary formats that may be damaged, hostile or too large.

Every reader returns plain numbers and texts or raises an InputError that names the file. No reader
unpickles.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bnn_core.base.errors import RESTORE, InputError, decoding
from bnn_core.base.limits import MOST_UNPACKED_BYTES, demand_table

#: Kinds of NumPy types that hold numbers or truth values.
NUMBERS = "buif"


def read_array(path: Path, kinds: str = NUMBERS, remedy: str = RESTORE) -> np.ndarray:
    """An .npy file as a read-only memory map; kinds: letters of `dtype.kind` that are accepted."""
    with decoding(path, remedy):
        array = np.lib.format.open_memmap(path, mode="r")
    _demand_kind(array, kinds, path, remedy)
    return array


def read_arrays(
    path: Path, expected: Mapping[str, tuple[int, str]], remedy: str = RESTORE
) -> dict[str, np.ndarray]:
    """Named arrays of an .npz file. expected: name -> (number of dimensions, `dtype.kind` letters).

    Raises InputError where one is missing or has other dimensions or another kind of type.
    """
    arrays = {}
    with decoding(path, remedy), zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MOST_UNPACKED_BYTES:
            raise InputError(f"{path} unpacks to {size / 1e9:.0f} GB: {remedy}")
        for name in expected:
            with archive.open(f"{name}.npy") as member:
                arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
    for name, (dimensions, kinds) in expected.items():
        _demand_kind(arrays[name], kinds, path, remedy)
        if arrays[name].ndim != dimensions:
            raise InputError(
                f"{path}: array '{name}' has {arrays[name].ndim} dimensions, {dimensions} "
                f"expected: {remedy}"
            )
    return arrays


def read_parquet(path: Path, remedy: str = RESTORE) -> pd.DataFrame:
    """A Parquet table of plain columns (texts, numbers, truth values, times) as it was written.

    Raises InputError for a table of nested columns and one beyond the limits.
    """
    with decoding(path, remedy):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        schema = file.schema_arrow
    demand_table(path, file.metadata.num_rows, len(schema.names))
    nested = [f.name for f in schema if pa.types.is_nested(f.type)]
    if nested:
        raise InputError(f"{path}: column '{nested[0]}' holds lists or groups; {remedy}")
    with decoding(path, remedy):
        arrow = file.read()
        table = arrow.to_pandas()
        names = [str(name) for name in [*table.columns, *table.index.names] if name is not None]
    if sorted(names) != sorted(schema.names) or len(table) != file.metadata.num_rows:
        raise InputError(f"{path} contradicts the description of its columns: {remedy}")
    return table


def read_parquet_note(path: Path, key: str, remedy: str = RESTORE) -> dict[str, str]:
    """A group of texts that was written as JSON into a Parquet table's metadata; empty if none."""
    with decoding(path, remedy):
        metadata = pq.read_schema(path).metadata or {}
        note = json.loads(metadata.get(key.encode(), b"{}"))
        if not isinstance(note, dict) or not all(isinstance(v, str) for v in note.values()):
            raise ValueError(f"its note '{key}' is not a group of texts")
    return note


def _demand_kind(array: np.ndarray, kinds: str, path: Path, remedy: str) -> None:
    if array.dtype.kind not in kinds:
        raise InputError(f"{path} holds values of type {array.dtype}, numbers expected: {remedy}")
