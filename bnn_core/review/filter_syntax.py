"""A filter as one line of text, for `bnn export --filter` and the column `filter` of exports.

    compound = colchicine, "cytochalasin D"; vi_confidence < 0.2; decision != keep

Conditions are separated by ";" and all must be true. `=` and `!=` accept several values: the cell
must be one of them, or not one of them. `<`, `<=`, `>`, `>=` compare numbers. A value with a comma,
a semicolon or a quote is written in double quotes, with quotes inside doubled; "" is the empty cell.
"""

import operator
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import did_you_mean

_CONDITION = re.compile(r"\s*(?P<column>[^=!<>;\"]+?)\s*(?P<sign><=|>=|!=|==?|<|>)\s*")
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
    """The conditions of a filter; an empty list for an empty text. InputError if it is unreadable."""
    conditions, position = [], 0
    while text[position:].strip(" ;"):
        start = _CONDITION.match(text, position)
        if not start:
            raise InputError(
                f"filter '{text}' has no condition at '{text[position:].strip()}'; write one like "
                "'compound = colchicine' or 'vi_confidence < 0.2'"
            )
        position, values, end = start.end(), [], ","
        while end == ",":
            value = _VALUE.match(text, position)
            if not value:
                raise InputError(
                    f"filter '{text}' has no value at '{text[position:].strip()}'; separate values "
                    "by ',', conditions by ';', and close every quote"
                )
            quoted = value["quoted"]
            values.append(value["plain"].strip() if quoted is None else quoted.replace('""', '"'))
            position, end = value.end(), value["end"]
        sign = "=" if start["sign"] == "==" else start["sign"]
        conditions.append(Condition(start["column"], sign, tuple(values)))
    return conditions


def to_text(conditions: list[Condition]) -> str:
    """One line that `parse` reads back as the same conditions."""
    return "; ".join(condition.text() for condition in conditions)


def select(table: pd.DataFrame, conditions: list[Condition]) -> np.ndarray:
    """(N,) bool: the rows of a table for which all conditions are true.

    Raises InputError for an unknown column and for a comparison with a text.
    """
    keep = np.ones(len(table), dtype=bool)
    for condition in conditions:
        if condition.column not in table:
            raise InputError(
                f"filter: column '{condition.column}' does not exist"
                f"{did_you_mean(condition.column, table.columns)}; choose from "
                f"{', '.join(table.columns)}"
            )
        keep &= _holds(table[condition.column], condition)
    return keep


def _holds(column: pd.Series, condition: Condition) -> np.ndarray:
    numeric = pd.api.types.is_numeric_dtype(column)
    if condition.sign in _COMPARE:
        if not numeric or len(condition.values) != 1:
            raise InputError(
                f"filter '{condition.text()}': {condition.sign} needs a column of numbers and one "
                "number"
            )
        limit = _number(condition.values[0], condition)
        if np.isnan(limit):
            raise InputError(
                f"filter '{condition.text()}': a comparison with nan is never true; give a number"
            )
        return _COMPARE[condition.sign](column.to_numpy(float, na_value=np.nan), limit)
    if numeric:
        wanted = [
            np.nan if value == "" else _number(value, condition) for value in condition.values
        ]
        cells = column.to_numpy(float, na_value=np.nan)
        equal = np.isin(cells, wanted) | (np.isnan(cells) & np.isnan(wanted).any())
    else:
        cells = column.astype(object).where(column.notna(), "").map(str)
        equal = cells.isin(condition.values).to_numpy()
    return equal if condition.sign == "=" else ~equal


def _number(value: str, condition: Condition) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"filter '{condition.text()}': '{value}' is not a number") from None


def _written(value: str) -> str:
    if value and value == value.strip() and not re.search('[",;]', value):
        return value
    return '"' + value.replace('"', '""') + '"'
