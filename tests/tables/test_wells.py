"""Names of wells, from whatever a program writes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.base.errors import InputError
from bnn_core.tables.wells import (
    normal_wells,
    plate_format,
    row_name,
    well_name,
    well_position,
    wells_from,
)


def names(*wells):
    return normal_wells(pd.Series(wells, dtype=object))


def test_the_spellings_of_a_well_are_one_well_beside_an_odd_name():
    wells, notes = names("A1", "A01", "a01", "A 1", " a-1", "A:01", "r01c01", "R1C1", "blank", None)
    assert wells.tolist() == [*["A01"] * 8, "blank", None]
    assert notes == []


@pytest.mark.parametrize(
    "name",
    [
        "2C",
        "02c",
        "('C', 2)",
        "(C, 2)",
        "C,2",
        "C/2",
        "C.02",
        "well: C2",
        "row C col 2",
        "Row 3, Column 2",
    ],
)
def test_a_row_and_a_column_in_any_order_and_dress(name):
    assert names(name, "B-03")[0].tolist() == ["C02", "B03"]


@pytest.mark.parametrize(
    ("pairs", "wells"),
    [
        (["(1, 1)", "(8, 12)"], ["A01", "H12"]),
        (["(0, 0)", "[7, 11]"], ["A01", "H12"]),
        (["1-1", "1-2", None], ["A01", "A02", None]),
        (["16/24", "1/2"], ["P24", "A02"]),
    ],
)
def test_two_numbers_are_row_and_column_with_a_warning(pairs, wells):
    read, notes = names(*pairs)
    assert read.tolist() == wells
    assert notes[0].startswith("WARNING") and f"{pairs[0]} is {wells[0]}" in notes[0]


@pytest.mark.parametrize("pairs", [["12-8", "1-1"], ["(24, 16)"], ["11-7", "0-0"]])
def test_two_numbers_that_may_be_column_and_row_stay_as_they_are(pairs):
    read, notes = names(*pairs)
    assert read.tolist() == pairs
    assert notes[0].startswith("WARNING") and "write wells as B02" in notes[0]


def test_what_no_plate_has_stays_as_it_is():
    assert names("AF48", "AG01", "A49", "17", "Z99")[0].tolist() == [
        *("AF48", "AG01", "A49", "17", "Z99")
    ]


@pytest.mark.parametrize("last", [11, 23])
def test_columns_that_count_from_zero_are_shifted_with_a_note(last):
    wells, notes = names(*(f"{row}{column}" for row in "AH" for column in range(last + 1)))
    assert wells.iloc[0] == "A01" and wells.iloc[-1] == f"H{last + 1}"
    assert len(notes) == 1 and "A0 is read as A01" in notes[0]


def test_a_zero_on_a_plate_that_counts_from_one_is_a_typing_mistake():
    wells, notes = names("A0", *(f"A{column}" for column in range(1, 13)))
    assert wells.tolist() == ["A0", *(f"A{column:02d}" for column in range(1, 13))]
    assert notes == []


def joined(rows, columns):
    return wells_from(pd.Series(rows, name="row"), pd.Series(columns, name="col"))


def test_rows_and_columns_that_count_from_one():
    assert joined(["B", "2", "27"], ["3", "11", "48"])[0].tolist() == ["B3", "B11", "AA48"]
    assert joined(["1.0", "2.0"], ["1.0", None])[0].tolist() == ["A1", None]
    assert joined(["R2", "row 3"], ["C4", "col 5"])[0].tolist() == ["B4", "C5"]


def test_rows_and_columns_that_count_from_zero():
    wells, notes = joined(["0", "7"], ["0", "11"])
    assert wells.tolist() == ["A1", "H12"] and "count from 0" in notes[0]
    assert joined(["A", "H"], ["0", "11"])[0].tolist() == ["A1", "H12"]


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (["0", "6"], ["1", "11"], "'row' counts from 0, 'col' does not"),
        (["1", "6"], ["0", "11"], "'col' counts from 0, 'row' does not"),
    ],
)
def test_one_of_two_that_counts_from_zero_is_refused(rows, columns, words):
    with pytest.raises(InputError, match=words):
        joined(rows, columns)


@given(st.integers(1, 32), st.integers(1, 48))
def test_every_well_has_its_place_back(row, column):
    name = row_name(row)
    assert well_name(row, column) == f"{name}{column:02d}"
    for text in (f"{name}{column:02d}", f" {name.lower()}{column}", f"{name}-{column:03d}"):
        assert well_position(text) == (row, column)


@pytest.mark.parametrize("name", ["", "7", "A", "A0", "AG01", "A49", "ABC1", "pos 7", None, np.nan])
def test_other_names_have_no_place(name):
    assert well_position(name) is None


@pytest.mark.parametrize(
    ("last", "size"), [("D06", 24), ("F8", 48), ("H12", 96), ("P24", 384), ("AF48", 1536)]
)
def test_the_smallest_plate_that_holds_all(last, size):
    assert plate_format(["a1", last, "AG01", "pos 7", None, np.nan]) == size
