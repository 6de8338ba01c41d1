"""The plane of two networks' scores on a hand-made study of six images."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bnn_core.measures.agreement import Plane, Scale, plane

C = Scale("confidence", 0.5, (0.0, 1.0))


@pytest.fixture
def small() -> Plane:
    standard = pd.DataFrame(
        {
            "confidence": [0.9, 0.9, 0.2, 0.1, 0.9, np.nan],
            "correct": pd.array([1, 0, 0, 1, 1, 1], dtype="boolean"),
        }
    )
    bayes = pd.DataFrame(
        {
            "confidence": [0.5, 0.8, 0.1, 0.7, 0.2, 0.9],
            "correct": pd.array([1, 0, 0, 0, 1, 1], dtype="boolean"),
        }
    )
    bayes["role"] = ["scored", "scored", "scored", "scored", "control", "scored"]
    return plane(standard, bayes, C, C)


ALL = np.arange(6)


def test_counts_by_corner_and_outcome(small):
    rows = small.with_scores(ALL)
    assert rows.tolist() == [0, 1, 2, 3, 4]
    counts = small.counts(rows)
    assert counts.loc["both sure", "both right"] == 1
    assert counts.loc["both sure", "both wrong"] == 1
    assert counts.loc["neither sure", "both wrong"] == 1
    assert counts.loc["only Bayesian sure", "only Bayesian wrong"] == 1
    # A control is shown and never counted as right or wrong, whatever its table says.
    assert counts.loc["only standard sure", "not counted"] == 1
    assert counts.to_numpy().sum() == 5


def test_corner_and_bar_give_the_rows_they_count(small):
    rows = small.with_scores(ALL)
    assert small.in_corner(rows, "both sure", None).tolist() == [0, 1]
    assert small.in_corner(rows, "both sure", "both wrong").tolist() == [1]
    for network, margin in small.margins(rows).items():
        for verdict in ("right", "wrong", "not counted"):
            for place, count in enumerate(margin[verdict]):
                assert len(small.in_bar(rows, network, place, verdict)) == count


def test_areas(small):
    rows = small.with_scores(ALL)
    box = {"xref": "x", "yref": "y", "x": [0.95, 0.85], "y": [0.45, 0.9]}
    assert small.in_areas(rows, [box], []).tolist() == [0, 1]
    over_margin = box | {"yref": "y2", "y": [0, 10]}
    assert small.in_areas(rows, [over_margin], []).tolist() == [0, 1, 4]
    lasso = {"xref": "x", "yref": "y", "x": [0, 0.3, 0.3, 0], "y": [0, 0, 0.3, 0.3]}
    assert small.in_areas(rows, [], [lasso]).tolist() == [2]
    assert small.in_areas(rows, [], [lasso | {"yref": "y2"}]).tolist() == []
    assert small.in_areas(rows, [box], [lasso]).tolist() == [0, 1, 2]


def test_stretch_counts_the_nines():
    scale = Scale("top_softmax", 0.9, (0, 1), stretched=True)
    assert_allclose(scale.position([0, 0.9, 0.99, 1]), [0, 1, 2, 6])
    ends = scale.ends(scale.position([0.5, 0.9995]))
    assert ends == (0, 4)
    half = -np.log10(0.5)
    assert scale.ticks(ends) == {0: "0", half: "0.5", 1: "0.9", 2: "0.99", 3: "0.999", 4: "0.9999"}


def test_certain_images_are_drawn_at_the_surest_value_of_float32():
    scale = Scale("confidence", 0.5, (0, 1), stretched=True)
    p = np.array([np.nextafter(np.float32(1), np.float32(0)), 1.0], dtype=np.float64)
    surest, certain = scale.position(1 - 2 * np.sqrt(p * (1 - p)))
    assert 0 < certain - surest < 0.1


def test_stretch_of_a_score_that_is_sure_when_low():
    scale = Scale("predictive_entropy", 0.1, (0, 2.3), stretched=True)
    assert_allclose(scale.position([1, 0.1, 0.001, 0]), [0, 1, 3, 6])
    assert scale.sure(np.array([0.1, 0.2, np.nan])).tolist() == [True, False, False]
    ends = scale.ends(scale.position([1, 0.1]))
    assert_allclose(ends, (-np.log10(2.3), 2))
    assert scale.ticks(ends) == {0: "1", -np.log10(0.5): "0.5", 1: "0.1", 2: "0.01"}


@pytest.mark.parametrize("score", ["confidence", "predictive_entropy"])
@pytest.mark.parametrize("stretched", [True, False])
def test_a_position_leads_back_to_its_value(score, stretched):
    scale = Scale(score, 0.5, (0, 1), stretched)
    values = np.array([0.01, 0.5, 0.9, 0.999])
    assert_allclose(scale.value(scale.position(values)), values)


def test_sure_end_is_last_on_either_kind_of_score():
    assert Scale("predictive_entropy", 1, (0, 2.3)).ends(np.zeros(1)) == (2.3, 0)
    assert C.ends(np.zeros(1)) == (0, 1)


def test_stretching_moves_no_image_to_another_corner():
    random = np.random.default_rng(0)
    table = pd.DataFrame({"confidence": random.random(500), "correct": True, "role": "scored"})
    table = table.astype({"correct": "boolean"})
    plain = plane(table, table, C, C)
    pulled = Scale("confidence", 0.5, (0.0, 1.0), stretched=True)
    assert (plane(table, table, pulled, pulled).quadrant == plain.quadrant).all()


def test_a_lasso_of_two_points_has_no_area(small):
    line = {"x": [0.0, 1.0], "y": [0.0, 1.0], "xref": "x", "yref": "y"}
    assert small.in_areas(np.arange(6), [], [line]).tolist() == []


def test_a_score_without_upper_limit_is_drawn_at_the_end_of_its_axis():
    scale = Scale("distance", 2.0, (0.0, 5.0))
    assert_allclose(scale.position([1.0, 5.0, 80.0]), [1, 5, 5])
