"""Reading arrays and tables of binary formats that may be damaged, hostile or too large.

Every reader returns plain numbers and texts or raises an InputError that names the file. No reader
unpickles.
"""

import json
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bnn_core.base.errors import RESTORE, InputError, decoding
from bnn_core.base.limits import MOST_ARRAY_BYTES, demand_table

#: Kinds of NumPy types that hold numbers or truth values.
NUMBERS = "buif"
#: Columns of a Parquet table that are read together.
COLUMNS_AT_A_TIME = 64


def read_array(path: Path, kinds: str = NUMBERS, remedy: str = RESTORE) -> np.ndarray:
    """An .npy file as a read-only memory map; kinds: letters of `dtype.kind` that are accepted."""
    with decoding(path, remedy):
        array = np.lib.format.open_memmap(path, mode="r")
        _check_texts(array)
    _demand_kind(array, kinds, path, remedy)
    return array


def read_arrays(
    path: Path, remedy: str = RESTORE, only: Collection[str] | None = None, own: bool = False
) -> dict[str, np.ndarray]:
    """All arrays of an .npz file by name, or some; ask `demand_array` what each is. Nothing is
    unpickled. own: a working file of this program, which may be of any size."""
    with decoding(path, remedy), zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
        members = [m for m in members if only is None or m.filename[: -len(".npy")] in only]
        if only is not None and len(members) < len(only):
            raise InputError(f"{path} has not all of the arrays {', '.join(only)}: {remedy}")
        size = sum(member.file_size for member in members)
        if size > MOST_ARRAY_BYTES and not own:
            raise InputError(f"{path} unpacks to {size / 1e9:.0f} GB: {remedy}")
        arrays = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as file:
                try:
                    arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
                except ValueError as error:
                    if "allow_pickle" in str(error):
                        raise InputError(
                            f"{path}: '{name}' holds Python objects, which are not read: save texts "
                            "with .astype(str), numbers with .astype(float)"
                        ) from None
                    raise
            _check_texts(arrays[name])
    return arrays


def demand_array(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    name: str,
    dimensions: int,
    kinds: str = NUMBERS,
    remedy: str = RESTORE,
) -> np.ndarray:
    """One array of `read_arrays`, with this number of dimensions and a `dtype.kind` in `kinds`.

    Raises InputError where it is missing or is another array.
    """
    if name not in arrays:
        raise InputError(f"{path} has no array '{name}': {remedy}")
    array = arrays[name]
    if array.ndim != dimensions or array.dtype.kind not in kinds:
        raise InputError(
            f"{path}: array '{name}' has the shape {array.shape} and type {array.dtype} and must have "
            f"{dimensions} dimensions of numbers: {remedy}"
        )
    return array


def read_parquet(path: Path, remedy: str = RESTORE, nested: bool = False) -> pd.DataFrame:
    """A Parquet table of plain columns (texts, numbers, truth values, times) as it was written.

    nested: lists and groups in cells are read too. Raises InputError for a table with such columns
    otherwise, and for one beyond the limits.
    """
    with decoding(path, remedy):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        schema = file.schema_arrow
    demand_table(path, file.metadata.num_rows, len(schema.names))
    double = next((name for name in schema.names if schema.names.count(name) > 1), None)
    if double is not None:
        raise InputError(f"{path}: the column name {double!r} occurs more than once; rename one")
    groups = [f.name for f in schema if pa.types.is_nested(f.type)]
    if groups and not nested:
        raise InputError(f"{path}: column '{groups[0]}' holds lists or groups; {remedy}")
    with decoding(path, remedy):
        table = _all_columns(file)
        names = [str(name) for name in [*table.columns, *table.index.names] if name is not None]
        levels = 0 if isinstance(table.index, pd.RangeIndex) else table.index.nlevels
    whole = len(table.columns) + levels == len(schema.names) and set(names) <= set(schema.names)
    if not whole or len(table) != file.metadata.num_rows:
        raise InputError(f"{path} contradicts the description of its columns: {remedy}")
    return table


def _all_columns(file: pq.ParquetFile) -> pd.DataFrame:
    """A wide table some columns at a time: Parquet unpacks them into more than twice their bytes. Its
    index, if it has one, is then a column like the others."""
    names = file.schema_arrow.names
    if len(names) <= COLUMNS_AT_A_TIME:
        return pandas_of(file.read())
    parts = []
    for first in range(0, len(names), COLUMNS_AT_A_TIME):
        some = names[first : first + COLUMNS_AT_A_TIME]
        part = file.read(columns=some).select(some)  # "a" brings "a.b" along
        parts.append(pandas_of(part.replace_schema_metadata(None)))
    return pd.concat(parts, axis=1)


def read_parquet_note(path: Path, key: str, remedy: str = RESTORE) -> dict[str, str]:
    """A group of texts that was written as JSON into a Parquet table's metadata; empty if none."""
    with decoding(path, remedy):
        metadata = pq.read_schema(path).metadata or {}
        note = json.loads(metadata.get(key.encode(), b"{}"))
        if not isinstance(note, dict) or not all(isinstance(v, str) for v in note.values()):
            raise ValueError(f"its note '{key}' is not a group of texts")
    return note


def pandas_of(arrow: pa.Table) -> pd.DataFrame:
    """A table of a file for pandas, bytes as texts. ArrowInvalid for texts that are none, and for
    offsets that lead out of it: those would end the process."""
    arrow.validate(full=True)
    return _with_texts(arrow).to_pandas()


def _with_texts(table: pa.Table) -> pa.Table:
    """Columns of bytes as texts: some programs write texts so. ArrowInvalid for other bytes."""
    for index, field in enumerate(table.schema):
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            text = table.column(index).cast(pa.large_string())
            table = table.set_column(index, field.name, text)
    return table


def _check_texts(array: np.ndarray) -> None:
    """ValueError for texts with numbers that are no characters: they raise wherever they are used."""
    if array.dtype.kind == "U" and array.size:
        codes = np.ascontiguousarray(array).view(
            np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
        )
        if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes <= 0xDFFF))).any():
            raise ValueError("texts with numbers that are no characters")


def _demand_kind(array: np.ndarray, kinds: str, path: Path, remedy: str) -> None:
    if array.dtype.kind not in kinds:
        needed = "numbers or texts" if "U" in kinds else "numbers"
        raise InputError(
            f"{path} holds values of type {array.dtype} in place of {needed}: {remedy}"
        )
