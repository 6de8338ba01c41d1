"""Positions in two dimensions: groups stay together, equal input gives equal output."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from bnn_core.measures import layout as module
from bnn_core.measures.layout import layout, log_ratios


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(0)
    centres = 6 * rng.normal(size=(4, 12))
    member = np.arange(240) % 4
    return centres[member] + rng.normal(size=(240, 12)), member


def purity(positions, member):
    nearest = NearestNeighbors(n_neighbors=6).fit(positions).kneighbors(return_distance=False)
    return (member[nearest] == member[:, None]).mean()


def test_planted_groups_lie_together(groups):
    features, member = groups
    positions = layout(features)
    assert positions.shape == (240, 2) and np.abs(positions).max() == pytest.approx(1)
    assert purity(positions, member) > 0.98
    np.testing.assert_array_equal(layout(features), positions)


def test_images_that_are_not_laid_out_take_the_place_of_their_nearest(groups, monkeypatch):
    features, member = groups
    monkeypatch.setattr(module, "MOST_LAID_OUT", 80)
    assert purity(layout(features), member) > 0.98


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_few_equal_or_missing_rows(n):
    features = np.ones((n + 1, 3))
    features[0] = np.nan
    positions = layout(features)
    assert np.isnan(positions[0]).all() and np.isfinite(positions[1:]).all()


def test_log_ratios_do_not_depend_on_the_order_of_classes_and_sum_to_zero():
    p = np.random.default_rng(1).dirichlet(np.ones(4), size=5)
    ratios = log_ratios(p)
    np.testing.assert_allclose(ratios.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(log_ratios(p[:, ::-1]), ratios[:, ::-1])
    assert np.isfinite(log_ratios(np.eye(3))).all()
