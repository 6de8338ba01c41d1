"""Reading other people's tables strictly: every cell as text, every row known by its number."""

import gzip
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from bnn_core.base.errors import InputError
from bnn_core.base.roots import readable

_NUMBER = r"[+-]?(?:\d+{point}?\d*|{point}\d+)(?:[eE][+-]?\d+)?"
_COMMA_NUMBER = re.compile(_NUMBER.format(point=","))
_SHOWN_ROWS = 5


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the message of any InputError raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def rows_text(rows: Iterable[int]) -> str:
    """'row 7' or 'rows 2, 3, 9 ... (14 rows)': the first few and the count."""
    rows = list(rows)
    if len(rows) == 1:
        return f"row {rows[0]}"
    first = ", ".join(str(r) for r in rows[:_SHOWN_ROWS])
    return f"rows {first}" + (f" ... ({len(rows):,} rows)" if len(rows) > _SHOWN_ROWS else "")


def read_table(path: Path) -> pd.DataFrame:
    """A table from .csv, .tsv, .txt (each also .gz) or .parquet.

    The index is the row's number as the user counts it: in a text file the header is row 1, so the
    first data row is 2 (blank lines are not counted); in Parquet the first row is 1. Text files
    give text in every column, empty cells as "". Comma, semicolon or tab is found from the header;
    in a semicolon or tab file a column of numbers with decimal commas gets decimal points. Any
    line ends and a byte-order mark are accepted.

    Raises InputError for anything else: a path that may not be read (`roots`), no such file, not
    UTF-8, rows of unequal length, a header that stands twice, two columns of one name, no rows.
    """
    path = readable(path)
    if not os.path.isfile(path):  # no error where a name is too long to be one
        raise InputError(f"{path} is no file" if os.path.exists(path) else f"{path} does not exist")
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".parquet", ".pq")):
        table = _read_parquet(path)
    elif name.endswith((".csv", ".tsv", ".txt", ".tab")):
        table = _read_text(path)
    else:
        raise InputError(
            f"{path}: a table as .csv, .tsv or .parquet expected; save an Excel sheet "
            "as 'CSV UTF-8'"
        )
    if table.empty:
        raise InputError(f"{path} has a header and no rows")
    return table


def to_numbers(table: pd.DataFrame, columns: list[str], path: Path) -> np.ndarray:
    """(N, len(columns)) float64 from text or numbers; nan where the cell is empty.

    Raises InputError naming file, column and rows of cells that are no numbers.
    """
    out = np.empty((len(table), len(columns)))
    for j, column in enumerate(columns):
        values = table[column]
        if pd.api.types.is_numeric_dtype(values):
            out[:, j] = values.to_numpy(dtype=np.float64, na_value=np.nan)
            continue
        text = values.astype("str").str.strip()
        try:
            # Many times faster than pandas, which is left to find what is wrong.
            out[:, j] = pc.cast(pa.array(text, pa.string()), pa.float64()).to_numpy(
                zero_copy_only=False
            )
            continue
        except pa.ArrowInvalid:
            numbers = pd.to_numeric(text.where(text != "", None), errors="coerce")
        bad = (numbers.isna() & text.notna() & ~text.str.lower().isin(["", "nan", "na"])).to_numpy()
        if bad.any():
            raise InputError(
                f"{path} {rows_text(table.index[bad])}: column '{column}' holds "
                f"'{text[bad].iloc[0]}', a number expected"
            )
        out[:, j] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return out


def looks_numeric(values: pd.Series) -> bool:
    """Whether a column is meant as numbers: most of its first 1,000 filled cells read as one.

    `to_numbers` then names the cells that do not.
    """
    if pd.api.types.is_bool_dtype(values):
        return False
    if pd.api.types.is_numeric_dtype(values):
        return True
    text = values.astype("str").str.strip()
    filled = text[text.notna() & (text != "")].iloc[:1000]
    return bool(pd.to_numeric(filled, errors="coerce").notna().sum() > len(filled) / 2)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file ({_first_line(error)})") from error
    table = table.reset_index(drop=isinstance(table.index, pd.RangeIndex))
    table.columns = [str(c) for c in table.columns]
    _demand_distinct(path, list(table.columns))
    table.index = pd.RangeIndex(1, len(table) + 1)
    return table


def _read_text(path: Path) -> pd.DataFrame:
    data = _bytes(path)
    # Bare carriage returns (old Mac) and CRLF become line feeds, inside quotes too.
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    if not data.strip():
        raise InputError(f"{path} is empty")
    header = data.split(b"\n", 1)[0].decode()
    separator = max(",;\t", key=lambda s: re.sub(r'"[^"]*"', "", header).count(s))
    try:
        arrow = _parse(data, separator)
    except pa.ArrowException as error:
        raise InputError(f"{path} {_line_error(data, separator)}") from error
    names = [str(c[0].as_py()).strip() for c in arrow.columns]
    names = [name or f"column {i + 1}" for i, name in enumerate(names)]
    _demand_distinct(path, names)
    table = arrow.slice(1).rename_columns(names).to_pandas()
    table.index = pd.RangeIndex(2, len(table) + 2)
    repeated = table[names[0]].str.strip() == names[0]
    if repeated.any() and (table.loc[repeated].iloc[0].str.strip() == names).all():
        raise InputError(
            f"{path} {rows_text(table.index[repeated])}: the header stands there "
            "again; remove those rows"
        )
    if separator != ",":
        for column in names:
            if _has_decimal_commas(table[column]):
                table[column] = table[column].str.replace(",", ".", regex=False)
    return table[(table != "").any(axis=1)]


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read ({_first_line(error)}); copy or download it again"
        ) from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is UTF-16 text; save it as 'CSV UTF-8' (or plain UTF-8)")
    if b"\0" in data:
        raise InputError(f"{path} is no text table (it holds zero bytes)")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
        raise InputError(
            f"{path} line {line}: not UTF-8 text; save the file as 'CSV UTF-8'"
        ) from error
    return data


def _parse(data: bytes, separator: str, threads: bool = True) -> pa.Table:
    options = {
        "read_options": pa_csv.ReadOptions(autogenerate_column_names=True, use_threads=threads),
        "parse_options": pa_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
    }
    header = data.split(b"\n", 1)[0] + b"\n"
    try:
        names = pa_csv.read_csv(pa.BufferReader(header), **options).column_names
    except pa.ArrowException:  # a line end inside a quoted header
        names = pa_csv.open_csv(pa.BufferReader(data), **options).schema.names
    types = pa_csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=False
    )
    return pa_csv.read_csv(pa.BufferReader(data), convert_options=types, **options)


def _line_error(data: bytes, separator: str) -> str:
    """What is wrong with a text table that does not parse, with the row."""
    try:
        _parse(data, separator, threads=False)  # only one thread counts rows
    except pa.ArrowException as error:
        message = _first_line(error)
    match = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
    if not match:
        return f"is not a readable table ({message})"
    where = f"row {match[1]}" if match[1] else "(some row)"
    return (
        f"{where}: {match[3]} fields where the header has {match[2]}; put quotes around text "
        "that holds the separator, and check that the file is complete"
    )


def _has_decimal_commas(values: pd.Series) -> bool:
    filled = values[values != ""].str.strip()
    return bool(
        len(filled)
        and filled.str.contains(",", regex=False).any()
        and filled.str.fullmatch(_COMMA_NUMBER).all()
    )


def _demand_distinct(path: Path, names: list[str]) -> None:
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise InputError(f"{path}: the column name {double[0]!r} stands more than once; rename one")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
