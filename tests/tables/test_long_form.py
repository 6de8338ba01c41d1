"""One row per image and class -> one row per image."""

import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.tables.columns import map_columns
from bnn_core.tables.long_form import long_columns, pivot_long


def long_table():
    return pd.DataFrame(
        {
            "image": ["a", "b", "a", "b", "a", "b"],
            "class": ["10", "10", "9", "9", "x", "x"],
            "probability": ["0.5", "0.1", "0.3", "0.2", "0.2", "0.7"],
            "moa": ["9", "x", "9", "x", "9", "x"],
        },
        index=range(2, 8),
    )


def pivot(table, tmp_path):
    return pivot_long(table, map_columns(table)[0], long_columns(table), tmp_path / "l.csv")


def test_pivot(tmp_path):
    index, classes, values = pivot(long_table(), tmp_path)
    assert list(index) == [2, 3]
    assert classes == ["9", "10", "x"]  # numbers by size, then names
    assert values.tolist() == [[0.3, 0.5, 0.2], [0.2, 0.1, 0.7]]


def test_one_class_may_be_spelt_in_two_cases_but_signs_count(tmp_path):
    table = long_table().assign(**{"class": ["x+", "X+", "x-", "x\N{MINUS SIGN}", "x", "X"]})
    assert pivot(table, tmp_path)[1] == ["x", "x+", "x-"]
    both = long_table().assign(**{"class": ["x", "x", "X", "X", "y", "Y"]})
    with pytest.raises(InputError, match="no row for class 'Y'"):
        pivot(both, tmp_path)


def test_a_wide_table_is_not_long():
    assert long_columns(pd.DataFrame({"class": ["a"], "p_a": ["1"]})) is None
    assert long_columns(pd.DataFrame({"class": ["a"], "score": ["high"]})) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(index=4), "image 'a' has no row for class '9' .1 image without one"),
        (
            lambda t: pd.concat([t, t.rename(index={2: 9}).loc[[9]]]),
            "rows 2, 9: the same image and cl",
        ),
        (lambda t: t.assign(moa=["9", "x", "9", "y", "9", "x"]), "row 5: 'moa' differs between"),
        (lambda t: t.assign(**{"class": ["10", "", "9", "9", "x", "x"]}), "row 3: no class name"),
        (lambda t: t.drop(columns="image"), "column that identifies the image"),
        (
            lambda t: t.assign(probability=["a"] + ["1"] * 5),
            "row 2: column 'probability' holds 'a'",
        ),
    ],
)
def test_broken_long_tables(tmp_path, change, message):
    table = change(long_table())
    with pytest.raises(InputError, match=rf"l\.csv.*{message}"):
        pivot(table, tmp_path)
