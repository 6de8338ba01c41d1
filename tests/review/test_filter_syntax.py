"""Filters as text: read, written back, applied."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.base.errors import InputError
from bnn_core.review.filter_syntax import Condition, parse, select, to_text

TABLE = pd.DataFrame(
    {
        "compound": ["alpha", "beta", "PP-2", None, 'a "b"; c, d'],
        "c": [0.1, np.nan, 0.3, 0.2, 0.9],
        "site": pd.array([1, 2, None, 1, 2], dtype="Int64"),
    }
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [0, 1, 2, 3, 4]),
        (" ; ", [0, 1, 2, 3, 4]),
        ("compound = alpha", [0]),
        ("compound=PP-2 ,beta", [1, 2]),
        ("compound != alpha, beta", [2, 3, 4]),
        ('compound = "a ""b""; c, d"', [4]),
        ('compound = ""', [3]),
        ("c < 0.3", [0, 3]),
        ("c <= 0.3", [0, 2, 3]),
        ("c <= 0.3; site = 1", [0, 3]),
        ("c >= 0.3;", [2, 4]),
        ("c > .2; c < 1e0", [2, 4]),
        ("c = 0.1, 0.30", [0, 2]),
        ('c = ""', [1]),
        ('c != ""', [0, 2, 3, 4]),
        ("site = 2", [1, 4]),
    ],
)
def test_select(text, rows):
    assert np.flatnonzero(select(TABLE, parse(text))).tolist() == rows


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("compound", "'compound = colchicine'"),
        ("= alpha", "at '= alpha'"),
        ('compound = "alpha', "close every quote"),
        ('compound = al"pha', "close every quote"),
        ("dose = 1", "'dose'.* compound, c, site"),
        ("compound < 3", "column of numbers"),
        ("c < 1, 2", "one number"),
        ("c < low", "'low' is not a number"),
        ("c < nan", "a comparison with nan is never true; give a number"),
        ("site = one", "'one' is not a number"),
    ],
)
def test_a_wrong_filter_is_refused_by_name(text, named):
    with pytest.raises(InputError, match=named):
        select(TABLE, parse(text))


columns = st.from_regex(r"[a-z_](?:[a-z_ 0-9]{0,5}[a-z_])?", fullmatch=True)
signs = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])


@given(
    st.lists(
        st.builds(
            Condition,
            columns,
            signs,
            st.lists(st.text(max_size=6), min_size=1, max_size=3).map(tuple),
        )
    )
)
def test_text_and_conditions_say_the_same(conditions):
    assert parse(to_text(conditions)) == conditions


def test_two_signs_of_equality_are_one():
    assert parse("compound == alpha") == parse("compound = alpha")
