"""The joint score: its scale, its tail, what it does without numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from bnn_core.base.scores import SCORES
from bnn_core.measures.unlikeness import (
    FEWEST_KNOWN,
    UNLIKENESS_PARTS,
    log_share,
    unlikeness,
    unlikeness_score,
    with_unlikeness,
)


def test_the_scale_is_the_share_of_known_images_as_unlike():
    parts = np.random.default_rng(0).normal(size=(6000, 3)) * [1, 50, 0.01]
    known = np.arange(6000) < 3000
    u = unlikeness(parts, known)
    for level in (0.5, 1, 2):
        assert abs((u[known] >= level).mean() - 10**-level) < 1e-3
        assert abs((u[~known] >= level).mean() - 10**-level) < 0.1 * 10**-level + 0.006
    assert u.min() >= 0


def test_beyond_all_known_images_there_is_still_an_order():
    known = np.random.default_rng(1).normal(size=500)
    far = log_share(known, np.array([5.0, 10, 20, 100]))
    assert (np.diff(far) < 0).all() and far[0] < np.log(1 / 500)
    # The 20 most unlike start at 480 and lie 9.5 above it on average.
    share = log_share(np.arange(500), np.array([100, 490, 519.0]))
    assert_allclose(share, [np.log(0.8), np.log(0.04) - 10 / 9.5, np.log(0.04) - 39 / 9.5])


@pytest.mark.parametrize("known", [np.r_[np.arange(80.0), np.full(20, 80.0)], np.full(50, 3.0)])
def test_ties_among_the_most_unlike_keep_finite_shares_in_order(known):
    shares = log_share(known, np.array([known.max() + 1, known.max() + 100]))
    assert np.isfinite(shares).all() and shares[1] < shares[0] < np.log(0.5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.sampled_from([np.exp, np.tanh, lambda x: 7 * x - 3]))
def test_among_known_images_only_ranks_count(seed, bend):
    parts = np.random.default_rng(seed).normal(size=(60, 1))
    known = np.ones(60, bool)
    inner = parts[:, 0] < np.sort(parts[:, 0])[-10]  # below the tail
    assert_allclose(unlikeness(bend(parts), known)[inner], unlikeness(parts, known)[inner])


def test_rounding_of_a_value_does_not_move_its_rank():
    parts = np.random.default_rng(3).normal(size=(300, 2))
    again = np.concatenate([parts, parts + 1e-9, parts - 1e-9])
    u = unlikeness(again, np.arange(900) < 300).reshape(3, 300)
    assert_allclose(u[1:], u[[0, 0]], atol=1e-4)
    assert_allclose(u[0], unlikeness(parts, np.ones(300, bool)))


def test_what_is_missing_stays_missing():
    parts = np.random.default_rng(0).normal(size=(50, 2))
    parts[7, 1] = np.nan
    u = unlikeness(parts, np.ones(50, bool))
    assert np.isnan(u[7]) and np.isfinite(np.delete(u, 7)).all()
    assert np.isnan(unlikeness(parts, np.arange(50) < FEWEST_KNOWN - 1)).all()
    assert np.isfinite(unlikeness(np.ones((30, 2)), np.ones(30, bool))).all()


def test_the_score_of_a_study_depends_on_its_age():
    table = pd.DataFrame({key: np.linspace(0, 1, 40) for key in UNLIKENESS_PARTS[1]})
    new = with_unlikeness(table, np.ones(40, bool))
    assert unlikeness_score(new) == "unlikeness"
    assert with_unlikeness(table[["distance"]], np.ones(40, bool)).columns.tolist() == ["distance"]
    assert unlikeness_score(table) == "distance"
    assert unlikeness_score(table[["predictive_entropy"]]) is None


@pytest.mark.parametrize("keys", UNLIKENESS_PARTS)
def test_the_joint_score_is_the_mean_of_logarithms_of_shares(keys):
    shares = np.array([[0.2, 0.2, 0.2], [0.1, 0.1, 0.9], [0.02, 1.0, 1.0]])[:, : len(keys)]
    known = np.tile(np.arange(1000.0)[:, None], len(keys))
    parts = np.vstack([known, 1000 * (1 - shares)])
    unlike = parts * [-SCORES[key].direction for key in keys]
    table = pd.DataFrame(unlike, columns=list(keys))
    u = with_unlikeness(table, np.arange(1003) < 1000)["unlikeness"].to_numpy()[1000:]
    # All parts of a known image are alike, so the rank of the geometric mean is the share.
    assert_allclose(u, -np.log10(np.exp(np.log(shares).mean(axis=1))), atol=2e-3)


def test_textures_count_where_a_summary_has_them():
    keys = {key for parts in UNLIKENESS_PARTS for key in parts}
    table = pd.DataFrame(np.random.default_rng(5).random((40, len(keys))), columns=sorted(keys))
    known = np.ones(40, bool)
    newest = table[list(UNLIKENESS_PARTS[0])]
    both = with_unlikeness(table, known)["unlikeness"]
    assert_allclose(both, with_unlikeness(newest, known)["unlikeness"])
