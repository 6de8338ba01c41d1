"""Plate maps drawn as plates: rows A, B, ... and columns 1, 2, ... with one value per well."""

import csv
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import readable
from bnn_core.tables.aliases import ALIASES, plain_name
from bnn_core.tables.doses import split_unit
from bnn_core.tables.reading import TEXT_ENDINGS, read_table
from bnn_core.tables.text_files import SEPARATORS, text_of
from bnn_core.tables.wells import PLATE_FORMATS, row_name
from bnn_core.tables.workbooks import SHEET_ENDINGS, sheet_cells

_FEWEST = 2


def read_plate_map(path: Path) -> pd.DataFrame:
    """A table of wells: a long table (`read_table`), or maps drawn as plates, one or several in a
    text file or on the sheets of a workbook.

    A drawn map's name (in its corner, in the line above it, or the sheet's) says what its values
    are; without a known name they are compounds. A sheet or line that names no column of a study
    is the plate's name. Index = row numbers. Raises InputError as `read_table`, and for two maps of
    the same thing that differ in no plate.
    """
    grids = _grids(path)
    if not grids:
        return read_table(path)
    parts: dict[str, dict[tuple[str, str], str]] = {}
    plates = set()
    for column, plate, values in grids:
        plates.add(plate)
        known = parts.setdefault(column, {})
        for well, value in values.items():
            if (plate, well) in known:
                raise InputError(
                    f"{path} has two maps of '{column}'{f' for plate {plate}' if plate else ''}: name "
                    "each in its corner or in the line above it"
                )
            known[plate, well] = value
    wells = sorted({key for known in parts.values() for key in known})
    table = pd.DataFrame(
        {"well": [well for _, well in wells]}
        | ({"plate": [plate for plate, _ in wells]} if plates != {""} else {})
        | {column: [known.get(key, "") for key in wells] for column, known in parts.items()}
    )
    table.index = pd.RangeIndex(1, len(table) + 1)
    return table


def read_map_or_table(path: Path | pd.DataFrame) -> pd.DataFrame:
    """A table (`read_table`), or the wells of maps drawn as plates where the file is none or where its
    columns are called 1, 2, ..."""
    if isinstance(path, pd.DataFrame):
        return read_table(path)
    try:
        table = read_table(path)
    except InputError:
        if not os.path.isfile(path) or not _grids(path):
            raise
        return read_plate_map(path)
    drawn = list(table.columns[1:]) == [str(k) for k in range(1, table.shape[1])]
    return read_plate_map(path) if drawn and table.shape[1] > _FEWEST else table


def _grids(path: Path) -> list[tuple[str, str, dict[str, str]]]:
    """(column, plate, {well: value}) of each map drawn in a file; empty where none is."""
    name = path.name.lower()
    if name.endswith(SHEET_ENDINGS):
        sheets = sheet_cells(readable(path))
    elif name.removesuffix(".gz").endswith(TEXT_ENDINGS):
        sheets = {"": _text_cells(path)}
    else:
        return []
    grids = []
    for sheet, rows in sheets.items():
        title = sheet
        for i, row in enumerate(rows):
            filled = [cell for cell in row if cell]
            if len(filled) == 1:
                title = filled[0]
            columns = _numbers(row)
            if columns:
                values = _values(rows[i + 1 :], columns)
                if values:
                    grids.append((*_meaning(row[0], title, sheet), values))
    return grids


def _meaning(corner: str, title: str, sheet: str) -> tuple[str, str]:
    """What the values of a map are, and of which plate: by its corner, title and sheet."""
    column, plate = "", ""
    for text in (corner, title, sheet):
        if not text:
            continue
        if _column(text):
            column = column or text
        elif text != corner and not re.fullmatch(r"(?:sheet|tabelle|feuil)\s*\d*", text, re.I):
            plate = plate or text
    return column or "compound", plate


def _column(name: str) -> bool:
    """Whether a name is that of a study's column."""
    plain = plain_name(name)
    return any(n in names for names in ALIASES.values() for n in {plain, split_unit(plain)[0]})


def _numbers(row: Sequence[str]) -> dict[int, int]:
    """Position -> column number of a map's head 1, 2, ...; empty where the row is none."""
    numbers = {
        j: int(cell) for j, cell in enumerate(row) if j and len(cell) < 5 and cell.isdecimal()
    }
    values = list(numbers.values())
    most = max(columns for _, columns in PLATE_FORMATS.values())
    whole = values == list(range(1, len(values) + 1)) and _FEWEST <= len(values) <= most
    others = [c for j, c in enumerate(row) if j and c and j not in numbers]
    return numbers if whole and not others else {}


def _values(rows: Sequence[Sequence[str]], columns: dict[int, int]) -> dict[str, str]:
    """Well -> value of the rows A, B, ... below a map's head."""
    values: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        if not row or row[0].upper() != row_name(number):
            break
        for j, column in columns.items():
            if j < len(row) and row[j]:
                values[f"{row_name(number)}{column:02d}"] = row[j]
    return values


def _text_cells(path: Path) -> list[list[str]]:
    text = text_of(readable(path))
    separator = max(SEPARATORS, key=text[:10_000].count)
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        return [[cell.strip() for cell in row] for row in rows]
    except csv.Error:  # a cell of more than 131,072 characters: no map
        return []
