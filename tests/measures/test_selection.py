"""Quadrants, outlines and the choice of points to draw."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.measures import selection
from bnn_core.measures.selection import (
    FLAGGED_POINT,
    ORDINARY_POINT,
    OUTCOMES,
    QUADRANTS,
    SEARCHED_POINT,
    WRONG_POINT,
)


def test_outcomes_of_the_five_cases():
    bayes = pd.Series([True, False, True, False, None], dtype="boolean")
    standard = pd.Series([True, True, False, False, True], dtype="boolean")
    found = selection.outcomes(selection.verdicts(bayes), selection.verdicts(standard))
    assert [OUTCOMES[i] for i in found] == [
        "both right",
        "only Bayesian wrong",
        "only standard wrong",
        "both wrong",
        "not counted",
    ]


def test_quadrants():
    found = selection.quadrants(
        np.array([True, True, False, False]), np.array([True, False, True, False])
    )
    assert [QUADRANTS[i] for i in found] == [
        "both sure",
        "only Bayesian sure",
        "only standard sure",
        "neither sure",
    ]


def test_margin_counts_by_verdict():
    values, verdict = np.array([0.0, 0.2, 0.9, 1.0, 1.0]), np.array([0, 1, 0, 0, 2])
    found = selection.marginal_counts(values, verdict, 0, 1, 2)
    assert found.to_numpy().tolist() == [[0, 0.5, 1, 1, 0], [0.5, 1, 2, 0, 1]]


def test_quadrant_table_counts_every_image_once():
    quadrant = np.array([0, 0, 0, 3, 1], np.int8)
    outcome = np.array([0, 0, 3, 4, 1], np.int8)
    table = selection.quadrant_table(quadrant, outcome)
    assert table.loc["both sure", "both right"] == 2
    assert table.loc["both sure", "both wrong"] == 1
    assert table.loc["neither sure", "not counted"] == 1
    assert table.loc["only Bayesian sure", "only Bayesian wrong"] == 1
    assert table.to_numpy().sum() == 5


def test_box_takes_corners_in_any_order_and_its_edges():
    x, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0])
    assert selection.in_box(x, y, (1, 0), (1, 0)).tolist() == [True, True, False]


def test_polygon_known_points():
    # An L of three unit squares: the missing corner is the upper right one.
    xs, ys = [0, 2, 2, 1, 1, 0], [0, 0, 1, 1, 2, 2]
    x = np.array([0.5, 1.5, 0.5, 1.5, -0.1, 2.1])
    y = np.array([0.5, 0.5, 1.5, 1.5, 0.5, 0.5])
    assert selection.in_polygon(x, y, xs, ys).tolist() == [True, True, True, False, False, False]


def test_polygon_that_crosses_itself_is_even_odd():
    # A bow tie: the two triangles are in, above and below the crossing is out.
    found = selection.in_polygon(
        np.array([0.25, 1.75, 1.0, 1.0]), np.array([1.0, 1.0, 1.8, 0.2]), [0, 2, 2, 0], [0, 2, 0, 2]
    )
    assert found.tolist() == [True, True, False, False]


@given(st.integers(0, 2**32 - 1), st.integers(3, 40))
def test_polygon_equals_the_plain_way(seed, corners):
    random = np.random.default_rng(seed)
    x, y = random.random(200), random.random(200)
    xs, ys = random.random(corners), random.random(corners)

    def plain(px, py):
        inside = False
        for k in range(corners):
            x1, y1, x2, y2 = xs[k], ys[k], xs[(k + 1) % corners], ys[(k + 1) % corners]
            if (y1 > py) != (y2 > py) and px < x1 + (py - y1) * (x2 - x1) / (y2 - y1):
                inside = not inside
        return inside

    assert selection.in_polygon(x, y, xs, ys).tolist() == [
        plain(px, py) for px, py in zip(x, y, strict=True)
    ]


def test_polygon_of_two_corners_is_refused():
    with pytest.raises(ValueError, match="at least three"):
        selection.in_polygon(np.zeros(1), np.zeros(1), [0, 1], [0, 1])


def test_few_points_are_all_drawn():
    rows = np.array([3, 5, 9])
    drawn = selection.choose_drawn(
        rows,
        np.array([WRONG_POINT, ORDINARY_POINT, ORDINARY_POINT]),
        selection.drawing_order(10),
        cap=3,
    )
    assert drawn.rows.tolist() == [3, 5, 9]
    assert (len(drawn.rest), drawn.asked, drawn.shown) == (0, 1, 1)


def test_all_that_ask_are_drawn_and_the_rest_is_a_fixed_sample():
    n, cap = 10_000, 500
    order = selection.drawing_order(n)
    urgency = np.where(np.arange(n) % 97 == 0, WRONG_POINT, ORDINARY_POINT)
    drawn = selection.choose_drawn(np.arange(n), urgency, order, cap)
    assert len(drawn.rows) == cap
    assert len(drawn.rest) == n - cap
    assert set(np.flatnonzero(urgency)) <= set(drawn.rows)
    assert drawn.asked == drawn.shown == (urgency > 0).sum()
    # A filter that halves the rows keeps every drawn point that passes it.
    half = np.arange(0, n, 2)
    again = selection.choose_drawn(half, urgency[half], order, cap)
    assert set(drawn.rows[drawn.rows % 2 == 0]) <= set(again.rows)


def test_more_that_ask_than_the_cap_are_sampled_the_urgent_first():
    n = 1000
    urgency = np.full(n, WRONG_POINT)
    urgency[:40] = FLAGGED_POINT
    urgency[7] = SEARCHED_POINT
    drawn = selection.choose_drawn(np.arange(n), urgency, selection.drawing_order(n), cap=100)
    assert (len(drawn.rows), drawn.asked, drawn.shown) == (100, 1000, 100)
    assert set(range(40)) <= set(drawn.rows)


def test_density_counts_each_point_in_its_cell():
    x = np.array([0.0, 0.1, 0.9, 1.0, 0.9])
    y = np.array([0.0, 0.1, 0.1, 1.0, 0.9])
    assert selection.density_counts(x, y, (0, 1), (0, 1), 2).tolist() == [[2, 1], [0, 2]]
