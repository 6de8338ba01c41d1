"""Text, class names, ids, reading order."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_series_equal

from bnn_core.base.errors import InputError
from bnn_core.tables.values import (
    as_text,
    image_ids,
    match_names,
    name_key,
    name_keys,
    none_where,
    reading_order,
)


def test_columns_of_few_values_are_categories_and_say_the_same():
    cells = ["b ", "a", None, "b", "", "a", "1.0", "b"] * 4
    values = pd.Series(cells, index=range(5, 37), name="x", dtype=object)
    plain, kinds = as_text(values), as_text(values, kinds=True)
    assert plain.dtype == object and kinds.dtype == "category"
    gone = values == "a"
    for change in (
        lambda v: v,
        name_keys,
        lambda v: match_names(v, ["A", "B"]),
        lambda v: none_where(v, gone),
    ):
        quick, slow = change(kinds), change(plain)
        assert quick.dtype == "category" and list(quick.unique()) != []
        assert_series_equal(none_where(quick.astype(object), quick.isna()), slow)
    assert as_text(values[:8].drop_duplicates(), kinds=True).dtype == object  # few repeat


def test_text_of_numbers():
    assert as_text(pd.Series([1.0, np.nan])).tolist() == ["1", None]
    assert as_text(pd.Series([1.5, 2.0])).tolist() == ["1.5", "2.0"]


def test_text_of_whole_numbers_written_as_floats():
    assert as_text(pd.Series(["0.0", "-1.0", "", None])).tolist() == ["0", "-1", None, None]
    assert as_text(pd.Series(["0.0", "1.5", "2.0"])).tolist() == ["0.0", "1.5", "2.0"]
    assert as_text(pd.Series(["1.0", "a"])).tolist() == ["1.0", "a"]
    assert as_text(pd.Series(["1.0", "1", "02"])).tolist() == ["1", "1", "02"]


def test_a_name_keeps_every_sign():
    alike = [
        ("GON+", " gon+ "),
        ("-1", "\N{MINUS SIGN}1"),
        ("1", "1.0"),
        ("é", "e\u0301"),
        ("μ", "µ"),
    ]
    assert all(name_key(one) == name_key(other) for one, other in alike)
    names = [
        "a+",
        "a-",
        "a",
        "a'",
        "a''",
        "a/b",
        "ab",
        "a b",
        "a_b",
        "5²",
        "52",
        "1",
        "-1",
        "+1",
        "1.5",
        "1.05",
    ]
    assert len({name_key(name) for name in names}) == len(names)


@given(
    st.lists(
        st.text("aB+-'/ 1", min_size=1, max_size=4), min_size=1, max_size=6, unique_by=name_key
    ),
    st.data(),
)
def test_names_match_in_any_case_and_nothing_else(classes, data):
    name = data.draw(st.sampled_from(classes))
    other = data.draw(st.text("aB+-'/ 1", min_size=1, max_size=4))
    matched = match_names(pd.Series([f" {name.swapcase()} ", other, None]), classes).tolist()
    fits = [c for c in classes if c.strip().lower() == other.strip().lower()]
    assert matched == [name, fits[0] if fits else other, None]


def test_a_name_that_fits_two_classes_is_refused_unless_spelt_as_one():
    assert match_names(pd.Series(["Wnt", "WNT"]), ["Wnt", "WNT"]).tolist() == ["Wnt", "WNT"]
    with pytest.raises(InputError, match=r"t rows 3, 4: 'wnt' .*'Wnt' and 'WNT'"):
        match_names(pd.Series(["Wnt", "wnt", "wnt"], index=[2, 3, 4]), ["Wnt", "WNT"], "t ")


def frame(**columns):
    table = pd.DataFrame(columns, dtype=object)
    return table.set_index(table.index + 2)


def test_ids_by_the_first_rule_that_fits():
    plate = {"plate": ["p", "p"], "well": ["A01", "A01"]}
    assert image_ids(frame(**plate, site=["1", "2"])).tolist() == ["p/A01/1", "p/A01/2"]
    assert image_ids(frame(**plate, site=["1", "1"], path=["a", "b"])).tolist() == ["a", "b"]
    assert image_ids(frame(**plate, path=["a", "a"])).tolist() == ["0", "1"]
    assert image_ids(frame(**plate, image_id=["x", "y"])).tolist() == ["x", "y"]


def test_given_ids_must_be_unique_and_complete():
    with pytest.raises(
        InputError, match=r"rows 2, 4: the same image id occurs more than once \('x'\)"
    ):
        image_ids(frame(image_id=["x", "y", "x"]))
    with pytest.raises(InputError, match="row 3: the image id is empty"):
        image_ids(frame(image_id=["x", None]))


def test_reading_order_sorts_numbers_by_size_anywhere_in_a_name():
    names = ["P10", "p2", "10", 0.3, "P2b", "", "Week10_1", "Week9_2", "2"]
    assert sorted(names, key=reading_order) == [
        0.3,
        "2",
        "10",
        "",
        "p2",
        "P2b",
        "P10",
        "Week9_2",
        "Week10_1",
    ]
    odd = ["1_0", "1e5", "inf", "nan", "P" + "9" * 5000, "1" + "0" * 5000, 1e-7, 2]
    assert sorted(odd, key=reading_order) == [
        1e-7,
        2,
        "1" + "0" * 5000,
        "1_0",
        "1e5",
        "inf",
        "nan",
        "P" + "9" * 5000,
    ]


def test_whole_numbers_beyond_64_bits_stay_floats():
    assert as_text(pd.Series([1.0, 1e20])).tolist() == ["1.0", "1e+20"]
