"""Joins of metadata: complete, on exact keys, or refused."""

import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.tables.joining import join_metadata


def test_join_takes_what_is_single_and_leaves_the_rest_empty(tmp_path):
    table = pd.DataFrame({"compound": ["a", "taxol", "a"]}, index=[2, 3, 4])
    metadata = pd.DataFrame(
        {
            "compound": ["a", "a", "taxol", "taxol"],
            "batch": ["W1", "W1", "W1", "W2"],
            "well": ["A01", "A02", "B01", "B02"],
            "moa": ["m", None, None, None],
        }
    )
    brought, emptied = join_metadata(table, metadata, ["compound"], tmp_path, tmp_path)
    assert brought["batch"].tolist() == ["W1", None, "W1"]
    assert brought["moa"].tolist() == ["m", None, "m"]
    assert emptied == {"batch": 1}
    assert "well" not in brought  # never one value per compound


def test_join_on_decimals_and_several_columns(tmp_path):
    keys = {"compound": ["a", "a"], "concentration": [0.1, 0.3]}
    table = pd.DataFrame(keys, index=[2, 3])
    metadata = pd.DataFrame(keys | {"moa": ["x", "y"]}).iloc[::-1]
    brought, _ = join_metadata(table, metadata, list(keys), tmp_path, tmp_path)
    assert brought["moa"].tolist() == ["x", "y"]


def test_a_failing_join_names_the_rows(tmp_path):
    table = pd.DataFrame({"compound": ["a", "b", "b"]}, index=[2, 3, 4])
    metadata = pd.DataFrame({"compound": ["a"], "moa": ["x"]})
    words = r"ours\.csv rows 3, 4: compound 'b' is not in .*meta\.csv"
    with pytest.raises(InputError, match=words):
        join_metadata(table, metadata, ["compound"], tmp_path / "meta.csv", tmp_path / "ours.csv")
