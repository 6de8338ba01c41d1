"""Intervals: known bounds, coverage by simulation, groups kept together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.measures import intervals as iv


def test_wilson_known_values():
    # 81 of 101: the textbook formula, worked by hand
    low, high = iv.wilson(81, 101)
    assert (low, high) == (pytest.approx(0.7138, abs=5e-5), pytest.approx(0.8680, abs=5e-5))
    low, high = iv.wilson([0, 10, 0], [10, 10, 0])
    np.testing.assert_allclose(low, [0, 1 / (1 + 1.959964**2 / 10), np.nan], atol=1e-6)
    np.testing.assert_allclose(high, [1 - low[1], 1, np.nan], atol=1e-6)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_proportion_and_mirrors(pair):
    right, n = pair
    low, high = iv.wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1
    mirrored = iv.wilson(n - right, n)
    np.testing.assert_allclose([1 - mirrored[1], 1 - mirrored[0]], [low, high], atol=1e-12)
    assert low <= iv.wilson_lower(right, n) <= right / n


def test_the_published_interval_over_compounds(authors):
    found = iv.bootstrap_ratio(authors.correct, np.ones(1196), authors.frame["compound"])
    assert found.value == pytest.approx(892 / 1196)
    # 64.7-82.9 % published for one seed; the draws of another differ by a few tenths
    assert found.low == pytest.approx(0.647, abs=0.006)
    assert found.high == pytest.approx(0.829, abs=0.006)
    # images alone would look three times as precise as they are
    images = iv.bootstrap_ratio(authors.correct, np.ones(1196))
    assert images.high - images.low < 0.4 * (found.high - found.low)
    np.testing.assert_allclose(images[1:], iv.wilson(892, 1196), atol=0.002)


def test_groups_that_are_single_rows_equal_no_groups():
    rng = np.random.default_rng(1)
    right = rng.random(400) < 0.7
    alone = iv.bootstrap_ratio(right, np.ones(400))
    single = iv.bootstrap_ratio(right, np.ones(400), np.arange(400))
    np.testing.assert_allclose(alone, single, atol=1e-12)


def test_intervals_cover_a_known_truth_of_grouped_data():
    rng = np.random.default_rng(2)
    hits = 0
    for trial in range(200):
        rate = np.repeat(rng.beta(7, 3, 40), 12)
        right = rng.random(480) < rate
        found = iv.bootstrap_ratio(
            right, np.ones(480), np.arange(480) // 12, repeats=400, seed=trial
        )
        hits += found.low <= 0.7 <= found.high
    assert 0.89 <= hits / 200 <= 0.99


def test_paired_differences_are_tight_where_methods_agree():
    rng = np.random.default_rng(3)
    groups = np.arange(600) // 20
    a = rng.random(600) < np.repeat(rng.beta(7, 3, 30), 20)
    b = a.copy()
    b[::100] = ~b[::100]
    found = iv.paired_difference(a, b, groups)
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 0.03
    assert iv.paired_difference(a, a, groups) == (0, 0, 0)


def test_bands_at_the_published_cutoffs(authors):
    thresholds = np.arange(0, 10) / 10
    bands = iv.selective_bands(authors.c, authors.correct, thresholds, authors.frame["compound"])
    assert (bands.accuracy_low <= bands.at.accuracy).all()
    assert (bands.at.accuracy <= bands.accuracy_high).all()
    assert (bands.coverage_low <= bands.at.coverage).all()
    whole = iv.bootstrap_ratio(authors.correct, np.ones(1196), authors.frame["compound"])
    np.testing.assert_allclose(
        [bands.accuracy_low[0], bands.accuracy_high[0]], whole[1:], atol=0.012
    )
    images = iv.selective_bands(authors.c, authors.correct, thresholds)
    np.testing.assert_allclose(images.accuracy_low[5], iv.wilson(542, 599)[0])
    assert np.isnan(iv.selective_bands([0.1], [True], [0.5], ["a"]).accuracy_low).all()


def test_group_counts_against_counting():
    rng = np.random.default_rng(4)
    score, correct = rng.random(200).round(1), rng.random(200) < 0.5
    groups, thresholds = rng.integers(0, 4, 200), np.array([0.0, 0.3, 0.3, 0.9, 1.0])
    kept, right, sizes = iv.group_counts(score, correct, thresholds, groups)
    for g in range(4):
        mine = groups == g
        assert sizes[g] == mine.sum()
        assert kept[g].tolist() == [(score[mine] >= t).sum() for t in thresholds]
        assert right[g].tolist() == [(correct & mine)[score >= t].sum() for t in thresholds]


def test_missing_groups_are_refused():
    with pytest.raises(ValueError, match="1 of 2 rows have no group"):
        iv.group_codes(["a", None])


def test_a_seed_draws_the_same_groups_in_any_row_order():
    groups = np.array(["b", "a", "c"] * 5)
    right = np.arange(15) % 4 == 0
    order = np.random.default_rng(0).permutation(15)
    assert iv.bootstrap_ratio(right, np.ones(15), groups) == iv.bootstrap_ratio(
        right[order], np.ones(15), groups[order]
    )


def test_all_right_is_as_sure_as_the_number_of_groups():
    right, groups = np.ones(54, bool), np.arange(54) // 3
    counted = groups < 12
    found = iv.share_interval(right, counted, groups)
    low, high = iv.wilson(12, 12)
    assert found == (1.0, pytest.approx(float(low)), pytest.approx(float(high)))
    none = iv.share_interval(~right, counted, groups)
    assert none.value == 0 and none.high == pytest.approx(1 - float(low))
    # One group alone, right or partly so, says as little as one unit can.
    one = iv.share_interval(np.arange(54) < 40, np.ones(54, bool), np.zeros(54))
    assert one.value == 40 / 54 and one.low < 0.2 and one.high > 0.95
    # As soon as groups differ it is the bootstrap, and without groups Wilson.
    right[0] = False
    assert iv.share_interval(right, counted, groups) == iv.bootstrap_ratio(
        right & counted, counted, groups
    )
    low, high = map(float, iv.wilson(53, 54))
    assert iv.share_interval(right, np.ones(54, bool)) == pytest.approx((53 / 54, low, high))
