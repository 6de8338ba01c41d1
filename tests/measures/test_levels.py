"""Images put together to wells, treatments and compounds."""

import numpy as np
import pandas as pd
import pytest

from bnn_core.measures.levels import (
    RULES,
    aggregate,
    aggregate_by_rules,
    available_levels,
    level_metrics,
    original_images,
    scored_rows,
    unlearned_rows,
    wrong_rows,
)
from bnn_core.measures.uncertainty import Moments, summarise


@pytest.fixture
def table():
    """Eight images, two compounds; by hand: a is right by mean, b only by vote."""
    p = np.array(
        [
            [0.9, 0.1],
            [0.4, 0.6],
            [0.8, 0.2],
            [0.4, 0.6],
            [0.45, 0.55],
            [0.45, 0.55],
            [0.95, 0.05],
            [0.5, 0.5],
        ]
    )
    images = pd.DataFrame(
        {
            "image_id": list("12345678"),
            "label": ["x"] * 4 + ["y"] * 4,
            "role": "scored",
            "plate": ["P1", "P1", "P2", "P2"] * 2,
            "well": ["A01"] * 4 + ["A02"] * 4,
            "compound": ["a"] * 4 + ["b"] * 4,
            "concentration": [1.0, 1.0, 3.0, 3.0] * 2,
            "batch": ["W1"] * 4 + ["W1", "W2", "W2", "W2"],
        }
    )
    summary = summarise(Moments(p), ["x", "y"], images["label"].to_numpy())
    return pd.concat([images, summary], axis=1)


def test_published_levels(authors):
    images = authors.frame[["compound", "concentration"]].assign(
        label=authors.frame["MOA"], role="scored"
    )
    summary = summarise(Moments(authors.p), authors.classes, images["label"].to_numpy())
    found = level_metrics(pd.concat([images, summary], axis=1), authors.classes)
    assert list(found) == ["image", "treatment", "compound"]
    assert found["image"] == {"n": 1196, "right": 892, "accuracy": 892 / 1196}
    assert (found["treatment"]["right"], found["treatment"]["n"]) == (81, 101)
    assert (found["compound"]["right"], found["compound"]["n"]) == (28, 38)
    assert found["compound"]["vote_right"] == 29


def test_mean_and_vote_by_hand(table):
    mean = aggregate(table.assign(distance=np.arange(8.0)), "compound", ["x", "y"])
    assert mean["distance"].tolist() == [1.5, 5.5]
    assert "distance" not in aggregate(table, "compound", ["x", "y"])
    assert mean["compound"].tolist() == ["a", "b"]
    assert mean["n_images"].tolist() == [4, 4]
    np.testing.assert_allclose(mean["p_x"], [0.625, 0.5875], rtol=1e-6)
    assert mean["predicted"].tolist() == ["x", "x"]
    assert mean["correct"].tolist() == [True, False]
    np.testing.assert_allclose(mean["p_label"], [0.625, 0.4125], rtol=1e-6)
    c = 1 - 2 * np.sqrt([0.625 * 0.375, 0.5875 * 0.4125])
    np.testing.assert_allclose(mean["confidence"], c, rtol=1e-5)
    assert mean["aleatoric"].isna().all()
    # a: 2 against 2 votes, the larger mean wins; b: a tie in image 8 goes to x, so 2 against 2 too
    vote = aggregate(table, "compound", ["x", "y"], "vote")
    assert vote["predicted"].tolist() == ["x", "x"]
    assert vote["vote_share"].tolist() == [0.5, 0.5]
    # ... whichever class stands first
    assert aggregate(table, "compound", ["y", "x"], "vote")["predicted"].tolist() == ["x", "x"]
    table.loc[7, "predicted"] = "y"
    vote = aggregate(table, "compound", ["x", "y"], "vote")
    assert vote["predicted"].tolist() == ["x", "y"]
    assert vote["vote_share"].tolist() == [0.5, 0.75]
    assert vote["correct"].tolist() == [True, True]


def test_a_well_is_of_one_plate_and_a_treatment_of_one_dose(table):
    wells = aggregate(table, "well", ["x", "y"])
    assert wells[["plate", "well"]].to_numpy().tolist() == [
        ["P1", "A01"],
        ["P2", "A01"],
        ["P1", "A02"],
        ["P2", "A02"],
    ]
    assert aggregate(table, "treatment", ["x", "y"])["n_images"].tolist() == [2, 2, 2, 2]


def test_columns_are_carried_where_all_images_agree(table):
    units = aggregate(table, "compound", ["x", "y"])
    assert units["batch"].fillna("").tolist() == ["W1", ""]
    assert units["plate"].isna().all()
    assert units["concentration"].isna().all()
    assert units["role"].tolist() == ["scored", "scored"]


def test_the_image_level_is_the_images(table):
    units = aggregate(table, "image", ["x", "y"])
    assert units["n_images"].tolist() == [1] * 8
    np.testing.assert_allclose(units["p_x"], table["p_x"])
    assert units["predicted"].tolist() == table["predicted"].tolist()


def test_order_of_rows_does_not_matter(table):
    shuffled = table.sample(frac=1, random_state=3)
    keys = ["compound", "concentration"]
    for rule in ("mean", "vote"):
        a, b = (
            aggregate(rows, "treatment", ["x", "y"], rule).sort_values(keys, ignore_index=True)
            for rows in (table, shuffled)
        )
        pd.testing.assert_frame_equal(a, b)


def test_units_of_two_labels_and_of_missing_keys(table):
    table.loc[0, "label"] = "y"
    table.loc[1, "compound"] = None
    units = aggregate(table, "compound", ["x", "y"])
    assert units[["compound", "label", "n_images"]].to_numpy().tolist() == [
        ["a", "y", 1],
        ["a", "x", 2],
        ["b", "y", 4],
    ]


def test_only_scored_rows_count(table):
    table.loc[0, "role"] = "shifted"
    table.loc[1, ["role", "label"]] = ["unlabelled", None]
    table.loc[1, "correct"] = pd.NA
    table["unpredictable"] = [False] * 7 + [True]
    assert scored_rows(table).tolist() == [False, False, *[True] * 5, False]
    found = level_metrics(table, ["x", "y"])
    assert found["image"] == {"n": 5, "right": 3, "accuracy": 0.6, "unpredictable": 1}
    assert found["compound"]["n"] == 2


def test_unlabelled_units_have_no_verdict(table):
    table["label"] = None
    for rule in ("mean", "vote"):
        assert aggregate(table, "compound", ["x", "y"], rule)["correct"].isna().all()


def test_levels_that_the_columns_allow(table):
    assert available_levels(table) == ["image", "well", "treatment", "compound"]
    assert available_levels(table.drop(columns="well")) == ["image", "treatment", "compound"]
    assert available_levels(table.assign(compound=None)) == ["image", "well"]


def test_no_rows_no_units(table):
    assert len(aggregate(table.iloc[:0], "compound", ["x", "y"])) == 0
    assert level_metrics(table.assign(role="new"), ["x", "y"]) == {}
    with pytest.raises(ValueError, match="rule"):
        aggregate(table, "compound", ["x", "y"], "median")


def test_added_images_are_not_original_whatever_their_role():
    table = pd.DataFrame(
        {
            "role": ["scored", "unlabelled", "control", "shifted", "new", "unlabelled"],
            "source": [None, None, None, "letters", "letters", "slides"],
        }
    )
    assert original_images(table).tolist() == [True] * 3 + [False] * 3
    assert original_images(table.drop(columns="source")).tolist() == [True] * 3 + [False] * 2 + [
        True
    ]


def test_a_label_that_no_network_learned_is_not_wrong():
    table = pd.DataFrame(
        {
            "correct": pd.array([True, False, False, None], dtype="boolean"),
            "unpredictable": pd.array([False, False, True, None], dtype="boolean"),
        }
    )
    assert wrong_rows(table).tolist() == [False, True, False, False]
    assert unlearned_rows(table).tolist() == [False, False, True, False]
    assert wrong_rows(table[["correct"]]).tolist() == [False, True, True, False]


@pytest.mark.parametrize("kinds", [3, 50, 10**9])
def test_units_in_the_order_of_their_first_image(kinds):
    rng = np.random.default_rng(kinds)
    compound, dose = rng.integers(0, kinds, (2, 200))
    label = np.where(rng.random(200) < 0.2, None, "x")
    p = rng.dirichlet([1, 1], 200)
    images = pd.DataFrame({"compound": compound.astype(str), "concentration": dose, "label": label})
    images = images.assign(p_x=p[:, 0], p_y=p[:, 1])
    units = aggregate(images, "treatment", ["x", "y"])
    by_rules = aggregate_by_rules(images, "treatment", ["x", "y"])
    keys = ["compound", "concentration", "label"]
    plain = (
        images.groupby(keys, sort=False, dropna=False)["p_x"].agg(["mean", "size"]).reset_index()
    )
    pd.testing.assert_frame_equal(units[keys], plain[keys], check_dtype=False)
    np.testing.assert_allclose(units["p_x"], plain["mean"], rtol=1e-6)
    assert units["n_images"].tolist() == plain["size"].tolist()
    for rule in RULES:
        pd.testing.assert_frame_equal(
            by_rules[rule], aggregate(images, "treatment", ["x", "y"], rule)
        )
