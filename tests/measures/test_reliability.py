"""Bins of the reliability diagram by hand, on the published table, and with groups."""

import numpy as np
import pytest

from bnn_core.measures.intervals import share_interval, wilson
from bnn_core.measures.reliability import reliability


def test_the_published_row_of_probability_one_is_in_the_last_bin(authors):
    bins = reliability(authors.top, authors.correct)
    assert authors.top.max() == 1.0
    assert bins.count.sum() == 1196
    assert bins.count[-1] == (authors.top >= 14 / 15).sum()


def test_bins_by_hand():
    top, correct = np.array([0.95, 1.0, 0.5, 0.5]), np.array([True, True, True, False])
    bins = reliability(top, correct, bins=10)
    assert bins.count.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert bins.right[[5, 9]].tolist() == [1, 2]
    np.testing.assert_allclose(bins.mean_probability[[5, 9]], [0.5, 0.975])
    np.testing.assert_allclose(bins.accuracy[[4, 5, 9]], [np.nan, 0.5, 1])
    assert (bins.low[5], bins.high[5]) == tuple(map(pytest.approx, wilson(1, 2)))
    assert np.isnan(bins.low[4])


def test_bins_of_groups_have_the_interval_of_their_share(authors):
    groups = authors.frame["compound"].to_numpy()
    bins = reliability(authors.top, authors.correct, groups)
    inside = authors.top >= 14 / 15
    expected = share_interval(authors.correct, inside, groups)
    assert bins.few[-1] == expected.few and bins.few[bins.count == 0].sum() == 0
    assert (bins.low[-1], bins.high[-1]) == pytest.approx((expected.low, expected.high), abs=1e-9)
    alone = reliability(authors.top, authors.correct)
    assert not alone.few.any()
    assert bins.high[-1] - bins.low[-1] > 1.5 * (alone.high[-1] - alone.low[-1])
