"""Concentrations as people write them, in µM: units in the cell, in a column of units, in a name."""

import re
import unicodedata
from decimal import Decimal

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count, have
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import as_text

#: Prefix of a unit of concentration -> factor to µM.
_PREFIXES = {
    **dict.fromkeys(("f", "femto"), Decimal("1e-9")),
    **dict.fromkeys(("p", "pico"), Decimal("1e-6")),
    **dict.fromkeys(("n", "nano"), Decimal("1e-3")),
    **dict.fromkeys(("u", "μ", "micro"), Decimal(1)),
    **dict.fromkeys(("m", "milli"), Decimal(1000)),
    "": Decimal(1_000_000),
}
_PREFIX = "|".join(sorted(filter(None, _PREFIXES), key=len, reverse=True))
_UNIT = re.compile(
    rf"({_PREFIX})?(?:m|molar|mol(?:es?|s)?(?:/|_?per_?|_|\s|)l(?:iter|itre)?(?:-1|\^-1)?)"
)
#: A column name that ends in a unit, after `plain_name`; "_m" alone is too short to be molar.
_NAME_END = re.compile(
    rf"^(?:(?P<head>.*?)_)?(?:in_)?(?P<unit>(?:{_PREFIX})(?:m|molar)|molar|"
    rf"(?:{_PREFIX})?mol(?:e?s)?_(?:per_)?l(?:iter|itre)?)$"
)
_CELL = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\W\d].*)?")
_EMPTY = ("", "nan", "na", "n/a", "none", "null", "<na>")


def unit_factor(unit: str) -> Decimal | None:
    """Factor from a unit of concentration to µM: "nM", "µM", "mmol/L", "micromolar"; else None."""
    text = unicodedata.normalize("NFKC", str(unit)).strip().strip("()[]").strip().casefold()
    match = _UNIT.fullmatch(text)
    return _PREFIXES[match[1] or ""] if match else None


def split_unit(plain: str) -> tuple[str, str | None]:
    """A plain column name without the unit at its end, and the unit: "dose_nm" -> "dose", "nm"."""
    match = _NAME_END.match(plain)
    return (match["head"] or "", match["unit"]) if match else (plain, None)


def parse_doses(
    values: pd.Series, unit: str = "um", units: pd.Series | None = None
) -> tuple[pd.Series, pd.Series]:
    """Concentrations in µM (float64, exact to the decimal digits; NaN where empty), and which cells
    are no concentration (bool): text, negative or infinite numbers, unknown units.

    A cell may carry its own unit ("30 nM"), else `units` holds the row's, else `unit` does.
    Numbers of any width are read from their shortest decimal form, so a float32 0.3 is 0.3.
    """
    values = pd.Series(values)
    # As text before anything else: a float16 or float32 would be widened with its binary error.
    cells = values if isinstance(values.dtype, pd.StringDtype) else values.to_numpy()
    if cells.dtype == object:
        cells = np.array([str(v) for v in cells], dtype=object)
    codes, unique = pd.factorize(cells, use_na_sentinel=False)
    unique = np.array([str(v) for v in unique], dtype=object)
    if units is None:
        pairs = [(cell, unit) for cell in unique]
    else:
        named = as_text(units)
        given = np.where(named.isna(), unit, named.to_numpy(dtype=object))
        codes, pairs = pd.factorize(pd.MultiIndex.from_arrays([unique[codes], given]))
    parsed = np.array([_micromolar(cell, u) for cell, u in pairs], dtype=np.float64)
    doses = pd.Series(parsed[codes] if len(codes) else np.empty(0), index=values.index)
    bad = np.isinf(doses) | (doses < 0)
    return doses.mask(bad), bad


def read_doses(
    values: pd.Series, unit: str = "um", units: pd.Series | None = None, column: str = ""
) -> tuple[pd.Series, list[str]]:
    """`parse_doses` for a column of a table, and a warning that lists the unreadable cells.

    Raises InputError naming rows where more than half of the filled cells are unreadable.
    """
    doses, bad = parse_doses(values, unit, units)
    if not bad.any():
        return doses, []
    rows = list(values.index[bad])
    cells = as_text(values[bad])
    if units is not None:
        cells = cells + (" " + as_text(units[bad]).fillna("")).str.rstrip()
    held = ", ".join(repr(v) for v in cells.drop_duplicates()[:3])
    where = f"{rows_text(rows)}: column '{column}' holds {held}"
    remedy = (
        "which is no concentration such as 0.3 (µM) or 30 nM; correct the cells, or leave the column "
        "out with --map concentration="
    )
    if 2 * bad.sum() > (doses.notna() | bad).sum():
        raise InputError(f"{where}, {remedy}")
    n = int(bad.sum())
    return doses, [
        f"WARNING: {where}; {remedy}. {count(n, 'concentration')} {have(n)} been left empty."
    ]


def _micromolar(cell: str, unit: str) -> float:
    """One concentration; inf where it is none, nan where the cell is empty."""
    text = unicodedata.normalize("NFKC", cell).replace("\N{MINUS SIGN}", "-").strip()
    if text.casefold() in _EMPTY:
        return np.nan
    match = _CELL.fullmatch(text)
    if not match:
        return np.inf
    factor = unit_factor(match[2] or unit)
    return float(Decimal(match[1]) * factor) if factor is not None else np.inf
