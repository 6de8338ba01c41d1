"""Texts that no spreadsheet runs as a formula."""

import re

import pandas as pd

# Characters that start a formula in spreadsheets, or are skipped before one. A text that begins with
# apostrophes and then one of these gets one more apostrophe, so that removing one is always exact.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_APOSTROPHE = re.compile(r"'+[=+\-@\t\r\n]")


def neutralise(text: str) -> str:
    """A text that no spreadsheet reads as a formula; `restore` is the exact inverse."""
    return "'" + text if _FORMULA.match(text) else text


def restore(cell: str) -> str:
    """The text that `neutralise` turned into this cell."""
    return cell[1:] if _APOSTROPHE.match(cell) else cell


def neutralised(table: pd.DataFrame) -> pd.DataFrame:
    """A table with neutralised texts."""
    return table.map(lambda value: neutralise(value) if isinstance(value, str) else value)
