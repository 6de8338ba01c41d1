"""Concentrations in any unit, wherever the unit is written."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.base.errors import InputError
from bnn_core.tables.doses import parse_doses, read_doses, split_unit, unit_factor


def dose(cell, unit="um", units=None):
    return parse_doses(pd.Series([cell]), unit, units)[0].iloc[0]


@pytest.mark.parametrize(
    ("cell", "unit", "expected"),
    [
        ("0.3", "um", 0.3),
        ("3e-1", "um", 0.3),
        ("300", "nm", 0.3),
        ("30 nM", "um", 0.03),
        ("30nM", "um", 0.03),
        ("1 µM", "um", 1.0),
        ("1 μM", "nm", 1.0),
        ("0.5 mM", "um", 500.0),
        ("0.5 mmol/L", "um", 500.0),
        ("5e-6 M", "um", 5.0),
        ("0", "um", 0.0),
        ("  2.50 ", "um", 2.5),
        ("0.7", "nm", 0.0007),
        (".5", "um", 0.5),
    ],
)
def test_concentrations(cell, unit, expected):
    assert dose(cell, unit) == expected


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_narrow_floats_are_read_by_their_digits(dtype):
    values = pd.Series(np.array([0.3, 0.003, 100], dtype))
    assert parse_doses(values)[0].tolist() == [0.3, 0.003, 100.0]


@given(st.integers(0, 10**7))
def test_nanomolar_equals_micromolar_text(nanomolar):
    assert dose(str(nanomolar), "nm") == dose(f"{nanomolar // 1000}.{nanomolar % 1000:03d}")


def test_empty_cells_are_unknown_and_not_bad():
    doses, bad = parse_doses(pd.Series(["", "NA", None, "none", "1"]))
    assert doses.isna().tolist() == [True, True, True, True, False] and not bad.any()


@pytest.mark.parametrize("cell", ["high", "-1", "\N{MINUS SIGN}1", "1 mg", "1,5", "inf", "1e9999"])
def test_one_unreadable_cell_is_a_warning_with_its_row(cell):
    doses, notes = read_doses(pd.Series(["1", cell, "2"], index=[2, 3, 4]), column="dose")
    assert doses.tolist()[::2] == [1, 2] and np.isnan(doses[3])
    (note,) = notes
    assert note.startswith("WARNING: row 3: column 'dose' holds") and "--map concentration=" in note


def test_a_column_that_is_mostly_unreadable_is_refused():
    with pytest.raises(InputError, match=r"rows 2, 3: column 'dose' holds 'low', 'high'"):
        read_doses(pd.Series(["low", "high", "3"], index=[2, 3, 4]), column="dose")


def test_a_column_of_units_applies_row_by_row():
    values = pd.Series(["10", "10", "10", "10", "3 nM"])
    units = pd.Series(["nM", "µM", "mmol/L", "", "mM"])
    assert parse_doses(values, "pm", units)[0].tolist() == [0.01, 10, 10_000, 1e-5, 0.003]
    doses, notes = read_doses(values, units=units.replace("mmol/L", "mg/mL"), column="c")
    assert np.isnan(doses[2]) and "'10 mg/mL'" in notes[0]


@pytest.mark.parametrize(
    ("text", "micromolar"),
    [
        *(("nM", "0.001"), ("uM", "1"), ("(µM)", "1"), ("M", "1000000"), ("picomolar", "0.000001")),
        *(("mol/l", "1000000"), ("umol L-1", "1"), ("mmoles_per_liter", "1000")),
    ],
)
def test_units(text, micromolar):
    assert str(unit_factor(text)) == micromolar


def test_other_units_are_none():
    assert [unit_factor(t) for t in ("mg/mL", "%", "x", "", "mmm", "cells")] == [None] * 6


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("conc_nm", ("conc", "nm")),
        ("dose_in_um", ("dose", "um")),
        ("mmoles_per_liter", ("", "mmoles_per_liter")),
        ("dose_umol_l", ("dose", "umol_l")),
        ("row_num", ("row_num", None)),
        ("atom", ("atom", None)),
    ],
)
def test_a_unit_at_the_end_of_a_name(name, parts):
    assert split_unit(name) == parts
