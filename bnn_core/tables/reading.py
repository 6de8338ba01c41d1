"""Reading other people's tables strictly: every cell as text, every row known by its number."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bnn_core.base.errors import InputError
from bnn_core.base.reading import read_parquet
from bnn_core.base.roots import readable
from bnn_core.tables.other_files import (
    expanded,
    read_feather,
    read_json_table,
    read_sheet,
)
from bnn_core.tables.text_files import read_text
from bnn_core.tables.workbooks import SHEET_ENDINGS

_SHOWN_ROWS = 5
TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".tab")
#: Endings of files whose cells have types, and what reads them.
_TYPED: dict[tuple[str, ...], Callable[[Path], pd.DataFrame]] = {
    (".parquet", ".pq"): partial(read_parquet, remedy="write it again", nested=True),
    (".feather", ".arrow", ".ipc"): read_feather,
    (".json", ".jsonl", ".ndjson"): read_json_table,
}
_GIVE_A_TABLE = "give a table as .csv, .tsv, .parquet, .feather, .json, .jsonl or .xlsx"
#: Endings of files that `read_table` reads, before a ".gz".
TABLE_ENDINGS = (
    *TEXT_ENDINGS,
    *SHEET_ENDINGS,
    *(ending for endings in _TYPED for ending in endings),
)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the message of any InputError raised inside that lacks it."""
    try:
        yield
    except InputError as error:
        if str(error).startswith(str(path)):
            raise
        raise InputError(f"{path}: {error}") from error


def rows_text(rows: Iterable[int]) -> str:
    """'row 7' or 'rows 2, 3, 9 ... (14 rows)': the first few and the count."""
    rows = list(rows)
    if len(rows) == 1:
        return f"row {rows[0]}"
    first = ", ".join(str(r) for r in rows[:_SHOWN_ROWS])
    return f"rows {first}" + (f" ... ({len(rows):,} rows)" if len(rows) > _SHOWN_ROWS else "")


def name_of(source: Path | pd.DataFrame | np.ndarray) -> Path:
    """How messages name what is read: a file by its path, data in memory "table" or "samples"."""
    if isinstance(source, pd.DataFrame):
        return Path("table")
    return Path("samples") if isinstance(source, np.ndarray) else Path(source)


def read_table(path: Path | pd.DataFrame) -> pd.DataFrame:
    """A table of text (.csv, .tsv, .txt, each also .gz), Parquet, Feather, JSON or a workbook.

    A table in memory is copied. The index is the row's number as the user counts it: in a text file
    or a workbook the header is row 1, so the first row of data is 2 (blank lines of a text file are
    not counted); elsewhere the first row is 1. Text files and workbooks give text in every column,
    empty cells as "" (see `text_files.read_text`). Lists in cells become columns
    (`other_files.expanded`).

    Raises InputError for anything else: a path that may not be read (`roots`), no such file, not
    UTF-8, rows of unequal length, a repeated header, two columns of one name, no rows.
    """
    if isinstance(path, pd.DataFrame):
        return expanded(_numbered(path, name_of(path)))
    path = readable(path)
    if not os.path.isfile(path):  # no error where a name is too long to be one
        raise InputError(f"{path} {_no_table(path)}")
    name = path.name.lower().removesuffix(".gz")
    typed = next((read for endings, read in _TYPED.items() if name.endswith(endings)), None)
    if typed is not None:
        return expanded(_numbered(typed(path), path))
    if not name.endswith((*TEXT_ENDINGS, *SHEET_ENDINGS)):
        raise InputError(f"{path} is no table that can be read; {_GIVE_A_TABLE}")
    table = read_text(path) if name.endswith(TEXT_ENDINGS) else read_sheet(path)
    _demand_distinct(path, list(table.columns))
    _demand_one_header(path, table)
    table = table[~_empty_rows(table)]
    if table.empty:
        raise InputError(f"{path} has a header and no rows")
    return expanded(table)


def _empty_rows(table: pd.DataFrame) -> np.ndarray:
    """(N,) bool: rows of text without any. Most tables fill a column, and the others are not read."""
    empty = np.ones(len(table), bool)
    for i in range(table.shape[1]):
        if not empty.any():
            break
        empty &= (table.iloc[:, i] == "").to_numpy(bool)
    return empty


def _no_table(path: Path) -> str:
    """Why a path is no file to read a table from."""
    if os.path.isdir(path):
        return f"is a folder; {_GIVE_A_TABLE}"
    return "is no file" if os.path.exists(path) else "does not exist"


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
        text = values.astype("str")
        numbers = _all_numbers(text)
        if numbers is None:
            text = text.str.strip()
            numbers = _all_numbers(text)
        if numbers is not None:
            out[:, j] = numbers
            continue
        numbers = pd.to_numeric(text.where(text != "", None), errors="coerce")
        bad = (numbers.isna() & text.notna() & ~text.str.lower().isin(["", "nan", "na"])).to_numpy()
        if bad.any():
            raise InputError(
                f"{path} {rows_text(table.index[bad])}: column '{column}' holds "
                f"'{text[bad].iloc[0]}', which is no number; correct it, or leave the cell empty"
            )
        out[:, j] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return out


def _all_numbers(text: pd.Series) -> np.ndarray | None:
    """(N,) float64 where every text is a number, without blanks around it, or missing; else None.

    Many times faster than pandas, which finds the cells that are none.
    """
    try:
        numbers = pc.cast(pa.array(text, pa.large_string()), pa.float64())
    except pa.ArrowInvalid:
        return None
    return numbers.to_numpy(zero_copy_only=False)


def looks_numeric(values: pd.Series) -> bool:
    """Whether a column is meant as numbers: most of its first 1,000 filled cells read as one.

    `to_numbers` then names the cells that do not.
    """
    if pd.api.types.is_bool_dtype(values):
        return False
    if pd.api.types.is_numeric_dtype(values):
        return True
    for part in (values.iloc[:2000], values):
        text = part.astype("str").str.strip()
        filled = text[text.notna() & (text != "")].iloc[:1000]
        if len(filled) == 1000:
            break
    return bool(pd.to_numeric(filled, errors="coerce").notna().sum() > len(filled) / 2)


def _numbered(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A copy whose index is the row's number from 1; an index of the table becomes a column, and
    categories their values."""
    table = table.reset_index(drop=isinstance(table.index, pd.RangeIndex))
    table.columns = [str(c) for c in table.columns]
    _demand_distinct(path, list(table.columns))
    table = table.astype({c: object for c in table.select_dtypes("category")})
    table.index = pd.RangeIndex(1, len(table) + 1)
    if table.empty:
        raise InputError(f"{path} has a header and no rows")
    return table


def _demand_one_header(path: Path, table: pd.DataFrame) -> None:
    first = table.columns[0]
    repeated = table[first].str.strip() == first
    if repeated.any() and (table.loc[repeated].iloc[0].str.strip() == table.columns).all():
        raise InputError(
            f"{path} {rows_text(table.index[repeated])}: the header is repeated; remove these rows"
        )


def _demand_distinct(path: Path, names: list[str]) -> None:
    double = sorted(name for name, number in Counter(names).items() if number > 1)
    if double:
        raise InputError(
            f"{path}: the column name {double[0]!r} occurs more than once; rename one, or, where the "
            "names are in two lines, write them into one"
        )
