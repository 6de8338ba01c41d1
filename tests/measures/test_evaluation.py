"""Metrics against hand-worked numbers, slow plain loops and the published table."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.measures import evaluation as ev

#: keep c >= t -> retained %, accuracy % in the published table
PUBLISHED_CUTOFFS = {
    0.1: (76.3, 82.9),
    0.2: (68.4, 85.7),
    0.3: (61.5, 87.5),
    0.4: (55.4, 88.4),
    0.5: (50.1, 90.5),
    0.6: (44.2, 92.8),
    0.7: (37.0, 94.6),
    0.8: (30.4, 97.0),
    0.9: (20.2, 97.9),
}
scored = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40).map(
    lambda rows: (np.array([r[0] / 5 for r in rows]), np.array([r[1] for r in rows]))
)


def test_published_cutoffs(authors):
    kept = ev.Selective(authors.c, authors.correct).at(list(PUBLISHED_CUTOFFS))
    shown = {
        t: (round(100 * c, 1), round(100 * a, 1))
        for t, c, a in zip(PUBLISHED_CUTOFFS, kept.coverage, kept.accuracy, strict=True)
    }
    assert shown == PUBLISHED_CUTOFFS


def test_published_figures(authors):
    figures = ev.evaluate_probabilities(authors.p, authors.y)
    assert (figures["right"], figures["n"]) == (892, 1196)
    shown = {
        key: f"{figures[key]:.{digits}f}"
        for key, digits in {
            "auroc_confidence": 4,
            "auroc_top": 4,
            "aurc": 4,
            "augrc": 4,
            "ece": 4,
            "nll": 3,
            "brier": 3,
        }.items()
    }
    assert shown == {
        "auroc_confidence": "0.7886",
        "auroc_top": "0.7935",
        "aurc": "0.0997",
        "augrc": "0.0724",
        "ece": "0.0990",
        "nll": "1.295",
        "brier": "0.385",
    }


def test_published_counts_per_compound(authors):
    right = authors.frame.assign(right=authors.correct).groupby("compound")["right"]
    counts = {name: (int(r.sum()), len(r)) for name, r in right}
    assert {
        name: counts[name]
        for name in (
            "colchicine",
            "cytochalasin D",
            "PP-2",
            "ALLN",
            "demecolcine",
            "nocodazole",
            "vincristine",
        )
    } == {
        "colchicine": (0, 12),
        "cytochalasin D": (0, 12),
        "PP-2": (0, 16),
        "ALLN": (1, 24),
        "demecolcine": (48, 48),
        "nocodazole": (20, 24),
        "vincristine": (75, 84),
    }


def test_selective_by_hand():
    at = ev.Selective([0.9, 0.1, 0.5, 0.5], [True, False, True, False]).at([0, 0.5, 0.50001, 0.95])
    np.testing.assert_array_equal(at.kept, [4, 3, 1, 0])
    np.testing.assert_array_equal(at.right, [2, 2, 1, 0])
    np.testing.assert_allclose(at.coverage, [1, 0.75, 0.25, 0])
    np.testing.assert_allclose(at.accuracy, [0.5, 2 / 3, 1, np.nan])


@given(scored, st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=5))
def test_selective_against_counting(data, thresholds):
    score, correct = data
    at = ev.Selective(score, correct).at(thresholds)
    assert at.kept.tolist() == [int((score >= t).sum()) for t in thresholds]
    assert at.right.tolist() == [int(correct[score >= t].sum()) for t in thresholds]


def test_risk_coverage_by_hand():
    # surest first: right, wrong, right
    curve = ev.risk_coverage([0.9, 0.2, 0.5], [True, True, False])
    np.testing.assert_allclose(curve.coverage, [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3])
    assert ev.aurc([0.9, 0.2, 0.5], [True, True, False]) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    # wrong and kept over all: 0, 1/3, 1/3 -> trapezoid (1/3)(1/6 + 1/3) = 1/6, over 2/3
    assert ev.augrc([0.9, 0.2, 0.5], [True, True, False]) == pytest.approx(1 / 4)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
def test_ties_are_the_mean_over_all_orders(rows):
    score = np.array([r[0] for r in rows], dtype=float)
    correct = np.array([r[1] for r in rows])
    n = len(rows)
    curves = []
    for order in itertools.permutations(range(n)):
        if all(score[a] >= score[b] for a, b in itertools.pairwise(order)):
            wrong = np.cumsum(~correct[list(order)])
            curves.append(wrong / np.arange(1, n + 1))
    np.testing.assert_allclose(ev.risk_coverage(score, correct).risk, np.mean(curves, axis=0))


@given(scored)
def test_areas_are_bounded_and_best_when_the_wrong_come_last(data):
    score, correct = data
    for area in (ev.aurc, ev.augrc):
        assert area(correct, correct) <= area(score, correct) + 1e-12
        assert area(score, correct) <= area(~correct, correct) + 1e-12
    assert ev.aurc(score, np.ones(len(score), bool)) == 0
    assert ev.aurc(score, np.zeros(len(score), bool)) == 1
    if len(score) > 1:
        none_right = np.zeros(len(score), bool)
        assert ev.augrc(score, none_right) == pytest.approx((1 + 1 / len(score)) / 2)


def test_calibration_by_hand():
    top, correct = np.array([0.95, 1.0, 0.5, 0.5]), np.array([True, True, True, False])
    assert ev.ece(top, correct, bins=10) == pytest.approx(0.5 * 0.025)


def test_likelihood_and_brier_by_hand():
    p, y = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]]), np.array([0, 0])
    assert ev.nll(p[[0, 1], y]) == pytest.approx((-np.log(0.7) - np.log(1e-15)) / 2)
    assert ev.brier(p, y) == pytest.approx(((0.09 + 0.04 + 0.01) + 2) / 2)
    assert ev.nll(np.array([1.0])) == 0


def test_auroc():
    assert ev.auroc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == 0.75
    assert ev.auroc([1, 1], [False, True]) == 0.5
    assert np.isnan(ev.auroc([1, 2], [True, True]))


def test_every_score_is_turned_towards_certainty(authors):
    from bnn_core.measures.uncertainty import Moments, summarise

    table = summarise(Moments(authors.p), authors.classes)
    for name in ("confidence", "top_softmax", "predictive_entropy", "total_variance"):
        assert ev.auroc(ev.certainty(name, table[name]), authors.correct) > 0.75


def test_nothing_and_nan():
    empty = np.empty(0)
    assert np.isnan(
        [
            ev.aurc(empty, empty),
            ev.augrc(empty, empty),
            ev.ece(empty, empty),
            ev.nll(empty),
            ev.brier(np.empty((0, 3)), np.empty(0, int)),
        ]
    ).all()
    assert ev.Selective(empty, empty).at([0.5]).coverage.tolist() == [0]
    with pytest.raises(ValueError, match="1 of 2 scores are nan"):
        ev.Selective([0.5, np.nan], [True, True])
    with pytest.raises(ValueError, match="shape"):
        ev.aurc([0.5], [True, True])


def test_a_softmax_of_one_is_in_the_last_bin():
    top, correct = np.array([1.0, 0.95]), np.array([False, True])
    assert ev.ece(top, correct, bins=10) == pytest.approx((1 - 0.05) / 2)
