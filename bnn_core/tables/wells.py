"""Wells: their names, their positions on a plate, and names from rows and columns.

Wells are named by row letters (A..Z, AA..AF) and a column number, as "B02", "b2" or "AF48".
"""

import re
import unicodedata
from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.tables.values import as_text, each_once, name_key, none_where

#: Wells of a plate -> (rows, columns), the smallest first.
PLATE_FORMATS = {24: (4, 6), 48: (6, 8), 96: (8, 12), 384: (16, 24), 1536: (32, 48)}
MOST_WELL_ROWS, MOST_WELL_COLUMNS = PLATE_FORMATS[max(PLATE_FORMATS)]
_NAME = re.compile(r"(?:well[\s_:-]*)?([A-Z]{1,2})[\s_.,:;/-]*(\d{1,3})", re.I)
_COLUMN_FIRST = re.compile(r"(?:well[\s_:-]*)?(\d{1,2})[\s_-]*([A-Z]{1,2})", re.I)
_ROW_COLUMN = re.compile(
    r"r(?:ow)?[\s_:=-]*(\d{1,2}|[A-Z]{1,2})[\s_,;/-]*c(?:ol(?:umn)?)?[\s_:=-]*(\d{1,2})", re.I
)
#: Two numbers, such as (2, 3), 2-3 and 2/3.
_PAIR = re.compile(r"(\d{1,2}) ?[-_,;:/| ] ?(\d{1,2})")
_COUNTED_FROM_ZERO = "Columns of wells count from 0: {} is read as {}."


def row_name(row: int) -> str:
    """1 -> A, 26 -> Z, 27 -> AA, 32 -> AF."""
    return ("" if row <= 26 else chr(64 + (row - 1) // 26)) + chr(65 + (row - 1) % 26)


def well_name(row: int, column: int) -> str:
    """(2, 3) -> B03; row and column count from 1."""
    return f"{row_name(row)}{column:02d}"


def well_position(well: object) -> tuple[int, int] | None:
    """(row, column) of a well's name, counted from 1; None where it is no well of any plate."""
    parts = _parts(well)
    return parts if parts and _on_a_plate(*parts) else None


def plate_format(wells: Iterable[object]) -> int:
    """The smallest of PLATE_FORMATS that holds all of these wells."""
    positions = [position for well in wells if (position := well_position(well)) is not None]
    rows, columns = np.max(positions, axis=0) if positions else (1, 1)
    return next(n for n, (r, c) in PLATE_FORMATS.items() if rows <= r and columns <= c)


def normal_wells(wells: pd.Series) -> tuple[pd.Series, list[str]]:
    """Well names as "B02", and notes. A name that is no well of any plate stays as it is.

    "A1", "A01", "a01", "A 1", "1A", "('A', 1)" and "r01c01" are one well. Columns that count from 0
    (A00 to H11) are moved to 1. Two numbers are read as row and column, with a warning, where all
    wells are so (`wells_from_pairs`).
    """
    pairs = {name: _PAIR.fullmatch(_bare(name)) for name in wells.dropna().unique()}
    if pairs and all(pairs.values()):
        rows, columns = (
            wells.map({name: pair[i] for name, pair in pairs.items() if pair}).rename(
                f"{number} number of {wells.name}"
            )
            for i, number in ((1, "first"), (2, "second"))
        )
        return wells_from_pairs(rows, columns, wells)
    parts = {name: _parts(name) for name in wells.dropna().unique()}
    columns = {column for position in parts.values() if position for column in [position[1]]}
    shift = int(_from_zero(columns, [c for _, c in PLATE_FORMATS.values()]))
    names = {
        name: well_name(position[0], position[1] + shift)
        for name, position in parts.items()
        if position and _on_a_plate(position[0], position[1] + shift)
    }
    normal = each_once(wells, lambda name: names.get(name, name))
    if not shift:
        return normal, []
    first = next(name for name, position in parts.items() if position and position[1] == 0)
    return normal, [_COUNTED_FROM_ZERO.format(first, names[first])]


def wells_from_pairs(
    rows: pd.Series, columns: pd.Series, given: pd.Series
) -> tuple[pd.Series, list[str]]:
    """Wells from pairs of numbers, row first, and a warning; `given` where they may be column first.

    They may be where a smaller plate holds them with the column first: (12, 8) is the last well of a
    plate of 96 then.
    """
    wells, notes = wells_from(rows, columns)
    first = given.dropna().iloc[0]
    turned, _ = wells_from(columns, rows)
    if _fewest_wells(turned) < _fewest_wells(wells):
        return given, [
            f"WARNING: column '{given.name}' has two numbers per well, such as {first}, which may be "
            "row and column or column and row: give them in two columns called row and column, or "
            "write wells as B02"
        ]
    wells = normal_wells(wells)[0]
    return wells, [
        f"WARNING: column '{given.name}' has two numbers per well, read as row and column: {first} is "
        f"{wells.dropna().iloc[0]}; if it is column and row, write wells as B02",
        *notes,
    ]


def wells_from(rows: pd.Series, columns: pd.Series) -> tuple[pd.Series, list[str]]:
    """Wells from a column of rows (letters, or numbers) and one of column numbers, and notes.

    Numbers count from 0 where a 0 is among them in both, or among the columns beside row letters.
    Raises InputError where only one of two columns of numbers has a 0.
    """
    row_text, column_text = as_text(rows), as_text(columns)
    row_numbers, column_numbers = _numbers(row_text), _numbers(column_text)
    row_zero = 0 in row_numbers.values()
    column_zero = _from_zero(
        set(column_numbers.values()), [] if row_zero else [c for _, c in PLATE_FORMATS.values()]
    )
    if row_numbers and row_zero != column_zero:
        zero, other = (rows, columns) if row_zero else (columns, rows)
        raise InputError(
            f"column '{zero.name}' counts from 0, '{other.name}' does not: add a column well with "
            "names such as B02"
        )

    def letter(text: str) -> str:
        number = row_numbers.get(text, 0) + row_zero
        return row_name(number) if 1 <= number <= MOST_WELL_ROWS else text

    def number(text: str) -> str:
        return str(column_numbers[text] + column_zero) if text in column_numbers else text

    names = row_text.map(letter, "ignore").astype(object) + column_text.map(
        number, "ignore"
    ).astype(object)
    notes = (
        [f"'{rows.name}' and '{columns.name}' count from 0: 0 is the first of a plate."]
        if column_zero
        else []
    )
    return none_where(names, row_text.isna() | column_text.isna()), notes


def _fewest_wells(wells: pd.Series) -> int:
    """Wells of the smallest plate of 96, 384 or 1536 that holds all of these; more where none does."""
    names = wells.dropna().unique()
    held = all(well_position(name) is not None for name in names)
    return max(plate_format(names), 96) if held else MOST_WELL_ROWS * MOST_WELL_COLUMNS + 1


def _bare(well: object) -> str:
    """A name without the brackets and quotes of a tuple."""
    text = unicodedata.normalize("NFKC", str(well)).strip()
    if re.fullmatch(r"[(\[].*[)\]]", text):
        text = re.sub(r"['\"]", "", text[1:-1]).strip()
    return re.sub(r"\s+", " ", text)


def _parts(well: object) -> tuple[int, int] | None:
    """Row (from 1) and column (as written) of a name; None where it is not named like a well."""
    text = _bare(well)
    if match := _ROW_COLUMN.fullmatch(text) or _NAME.fullmatch(text):
        return _row_number(match[1]), int(match[2])
    if match := _COLUMN_FIRST.fullmatch(text):
        return _row_number(match[2]), int(match[1])
    return None


def _row_number(text: str) -> int:
    """2 and B -> 2, AA -> 27."""
    if text.isdecimal():
        return int(text)
    row = 0
    for letter in text.upper():
        row = 26 * row + ord(letter) - 64
    return row


def _on_a_plate(row: int, column: int) -> bool:
    """Beyond AF48 there is no well: one typing mistake must not move all others off their maps."""
    return 1 <= row <= MOST_WELL_ROWS and 1 <= column <= MOST_WELL_COLUMNS


def _from_zero(numbers: Collection[int], lasts: Collection[int]) -> bool:
    """Whether column numbers count from 0. A 0 beside the last column of a plate, one of `lasts`,
    is rather a typing mistake."""
    return 0 in numbers and max(numbers) not in lasts


def _numbers(values: pd.Series) -> dict[str, int]:
    """Text -> number, of the values that are whole numbers, with or without a leading letter."""
    numbers = {}
    for text in values.dropna().unique():
        if match := re.fullmatch(r"(?:r|c|row|col|column)?[\s_-]*(\d{1,3})", name_key(text), re.I):
            numbers[text] = int(match[1])
    return numbers
