"""A filter as one line of text: what `bnn export --filter` takes and an exported list names.

    compound = colchicine, "cytochalasin D"; vi_confidence < 0.2; decision != keep

Conditions are joined by ";" and all must hold. `=` and `!=` take several values, one of which (none
of which) must be the cell; `<`, `<=`, `>`, `>=` compare numbers. A value with a comma, a semicolon
or a quote stands in double quotes, a quote inside them is doubled; "" is the empty cell.
"""

import operator
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError

_CONDITION = re.compile(r"\s*(?P<column>[^=!<>;\"]+?)\s*(?P<sign><=|>=|!=|=|<|>)\s*")
_VALUE = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^",;]*))\s*(?P<end>[,;]|$)')
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Condition:
    """`column sign values`, e.g. plate = P1, P2."""

    column: str
    sign: str
    values: tuple[str, ...]

    def text(self) -> str:
        """The condition as it is written."""
        return f"{self.column} {self.sign} " + ", ".join(map(_written, self.values))


def parse(text: str) -> list[Condition]:
    """The conditions of a filter; none for an empty text. InputError where it cannot be read."""
    conditions, place = [], 0
    while text[place:].strip(" ;"):
        found = _CONDITION.match(text, place)
        if not found:
            raise InputError(
                f"filter '{text}': a condition like 'compound = colchicine' or "
                f"'vi_confidence < 0.2' expected at '{text[place:].strip()}'"
            )
        place, values, end = found.end(), [], ","
        while end == ",":
            value = _VALUE.match(text, place)
            if not value:
                raise InputError(
                    f"filter '{text}': a value, then ',' or ';', expected at "
                    f"'{text[place:].strip()}'; close every quote"
                )
            quoted = value["quoted"]
            values.append(value["plain"].strip() if quoted is None else quoted.replace('""', '"'))
            place, end = value.end(), value["end"]
        conditions.append(Condition(found["column"], found["sign"], tuple(values)))
    return conditions


def to_text(conditions: list[Condition]) -> str:
    """One line that `parse` reads back as the same conditions."""
    return "; ".join(condition.text() for condition in conditions)


def select(table: pd.DataFrame, conditions: list[Condition]) -> np.ndarray:
    """Which rows of a table (N,) bool fulfil all conditions.

    Raises InputError for a column that the table lacks, and for a comparison with something that is
    no number.
    """
    keep = np.ones(len(table), dtype=bool)
    for condition in conditions:
        if condition.column not in table:
            raise InputError(
                f"filter: there is no column '{condition.column}'; choose from "
                f"{', '.join(table.columns)}"
            )
        keep &= _holds(table[condition.column], condition)
    return keep


def _holds(column: pd.Series, condition: Condition) -> np.ndarray:
    numeric = pd.api.types.is_numeric_dtype(column)
    if condition.sign in _COMPARE:
        if not numeric or len(condition.values) != 1:
            raise InputError(
                f"filter '{condition.text()}': {condition.sign} compares a column of "
                "numbers with one number"
            )
        limit = _number(condition.values[0], condition)
        return _COMPARE[condition.sign](column.to_numpy(float, na_value=np.nan), limit)
    if numeric:
        wanted = [
            np.nan if value == "" else _number(value, condition) for value in condition.values
        ]
        cells = column.to_numpy(float, na_value=np.nan)
        found = np.isin(cells, wanted) | (np.isnan(cells) & np.isnan(wanted).any())
    else:
        cells = column.astype(object).where(column.notna(), "").map(str)
        found = cells.isin(condition.values).to_numpy()
    return found if condition.sign == "=" else ~found


def _number(value: str, condition: Condition) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"filter '{condition.text()}': '{value}' is no number") from None


def _written(value: str) -> str:
    if value and value == value.strip() and not re.search('[",;]', value):
        return value
    return '"' + value.replace('"', '""') + '"'
