import numpy as np
import pandas as pd
import pytest

from bnn_core.measures.evaluation import certainty
from bnn_core.measures.intervals import wilson
from bnn_core.measures.judged_units import (
    Judged,
    accuracy_by_level,
    figures_of_merit,
    independent_groups,
    judged_units,
    rows_of_units,
    undecided,
)
from bnn_core.measures.uncertainty import Moments, summarise

CLASSES = ["A", "B"]


def table(p, labels, **columns):
    """Images with p(A), their labels and further columns."""
    p = np.asarray(p, dtype=float)
    summary = summarise(Moments(np.stack([p, 1 - p], axis=1)), CLASSES, np.array(labels, object))
    images = pd.DataFrame(
        {"image_id": [f"i{k}" for k in range(len(p))], "label": labels, "role": "scored", **columns}
    )
    return pd.concat([images, summary], axis=1)


@pytest.fixture
def eight():
    """Two compounds of A and one of B, two doses each; images 2, 5 and 7 are wrong."""
    return table(
        [0.9, 0.8, 0.3, 0.95, 0.6, 0.7, 0.2, 0.55],
        list("AAAAABBB"),
        compound=["x", "x", "x", "y", "y", "z", "z", "z"],
        concentration=[1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 2.0],
    )


def test_groups_only_where_something_is_shared(eight):
    assert list(independent_groups(eight)) == list("xxxyyzzz")
    assert independent_groups(eight.assign(compound=list("abcdefgh"))) is None
    assert independent_groups(eight.drop(columns="compound")) is None
    assert independent_groups(eight.assign(group=list("abcdefgh"))) is None
    some = independent_groups(eight.assign(compound=["x", None, "x", None, "y", "y", "z", "z"]))
    assert len(set(some)) == 5 and some[1] != some[3]


def test_units_count_what_has_a_label(eight):
    units = judged_units(eight.assign(role=["unlabelled"] + 7 * ["scored"]), "image", CLASSES)
    assert list(units.index) == [1, 2, 3, 4, 5, 6, 7]
    assert not [c for c in units if c in ("p_A", "p_B")]


def test_the_images_of_a_unit(eight):
    units = judged_units(eight, "treatment", CLASSES)
    assert len(units) == 5
    second_dose = units[units["concentration"] == 2.0]
    np.testing.assert_array_equal(rows_of_units(eight, second_dose, "treatment"), [2, 7])
    part = eight.iloc[[7, 5, 2]]
    np.testing.assert_array_equal(rows_of_units(part, units, "treatment"), [2, 5, 7])


def test_accuracy_at_each_level_by_hand(eight):
    found = accuracy_by_level(eight, CLASSES).set_index(["level", "rule"])
    assert found.loc[("image", "mean"), ["n", "right"]].tolist() == [8, 5]
    # z: (0.7 + 0.2 + 0.55) / 3 = 0.483 for A, so the mean says B, but two of three images say A.
    assert found.loc[("compound", "mean"), ["n", "right"]].tolist() == [3, 3]
    assert found.loc[("compound", "vote"), ["n", "right"]].tolist() == [3, 2]
    low, high = wilson(3, 3)
    assert found.loc[("compound", "mean"), ["low", "high", "few"]].tolist() == [low, high, False]
    assert found.loc[("image", "mean"), "few"]
    assert found.loc[("image", "mean"), "by"] == "groups"


def test_a_cutoff_keeps_and_counts(eight):
    units = Judged(judged_units(eight.drop(columns="compound"), "image", CLASSES), "top_softmax")
    kept = units.at(0.7)
    assert (kept.kept, kept.right, kept.wrong, kept.total) == (6, 4, 2, 8)
    assert kept.accuracy == (4 / 6, *(pytest.approx(v) for v in wilson(4, 6)), False)
    assert units.at(0.99).accuracy is None and units.at(0.99).coverage.value == 0
    assert units.at(-1.0).kept == 8


def test_low_is_sure_for_entropy(eight):
    units = Judged(judged_units(eight, "image", CLASSES), "predictive_entropy")
    threshold = float(certainty("predictive_entropy", np.float64(0.55)))
    assert units.at(threshold).kept == int((eight["predictive_entropy"] <= 0.55).sum())


def test_with_groups_the_interval_is_wider_than_without(eight):
    many = pd.concat([eight] * 20, ignore_index=True)
    alone = Judged(judged_units(many.drop(columns="compound"), "image", CLASSES), "top_softmax")
    grouped = Judged(judged_units(many, "image", CLASSES), "top_softmax")
    a, b = alone.at(0.0).accuracy, grouped.at(0.0).accuracy
    assert a.value == b.value and b.high - b.low > a.high - a.low


def test_the_curve_passes_through_the_single_cutoff(eight):
    units = Judged(judged_units(eight.drop(columns="compound"), "image", CLASSES), "confidence")
    thresholds = np.array([0.1, 0.4])
    bands = units.curves(thresholds)
    for i, threshold in enumerate(thresholds):
        at = units.at(threshold)
        assert bands.at.accuracy[i] == at.accuracy.value
        assert bands.accuracy_low[i] == at.accuracy.low
        assert bands.at.coverage[i] == at.coverage.value


def test_bins_hold_everything_and_give_their_units_back(eight):
    units = Judged(judged_units(eight, "image", CLASSES), "top_softmax")
    bars = units.histogram(0.5, 1.0, 5)
    assert bars["right"].sum() == 5 and bars["wrong"].sum() == 3
    for bar, row in bars.iterrows():
        inside = units.in_bin(bar, 0.5, 1.0, 5)
        assert len(inside) == row["right"] + row["wrong"]
        assert (~inside["correct"].astype(bool)).sum() == row["wrong"]


def test_unknown_scores_are_left_out_and_counted(eight):
    eight.loc[3, "confidence"] = np.nan
    units = Judged(judged_units(eight, "image", CLASSES), "confidence")
    assert len(units) == 7 and units.without == 1


def test_quality_of_nothing_has_n_0(eight):
    assert figures_of_merit(eight, CLASSES)["n"] == 8
    assert figures_of_merit(eight.iloc[:0], CLASSES)["n"] == 0


def test_undecided_counts_the_folded_back():
    p = np.array([[0.4, 0.3, 0.3], [0.5, 0.3, 0.2], [0.9, 0.1, 0.0]])
    assert undecided(summarise(Moments(p), ["A", "B", "C"])) == 1
