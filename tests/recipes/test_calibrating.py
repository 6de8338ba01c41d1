"""Temperatures of folds: a planted one is found again, and no fold sees its own labels."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import softmax

from bnn_core.measures.uncertainty import moments
from bnn_core.networks.methods.temperature import tempered
from bnn_core.recipes.calibrating import CALIBRATED_AT_A_TIME, calibrated, fold_temperatures
from bnn_core.recipes.fold import FoldResult

FOLDS, PER_FOLD, CLASSES = 3, 600, 4


def results_of(overconfidence, draws=1):
    """Folds whose labels follow softmax(z), predicted as softmax(overconfidence * z)."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(FOLDS * PER_FOLD, CLASSES)) * 2
    targets = np.array([rng.choice(CLASSES, p=row) for row in softmax(z, axis=1)])
    p = softmax(overconfidence * z, axis=1)[:, None].repeat(draws, axis=1)
    rows = np.arange(len(z)).reshape(FOLDS, PER_FOLD)
    results = [
        FoldResult(r, moments(p[r].transpose(1, 0, 2)), p[r].astype(np.float16), np.zeros((len(r), 1)))
        for r in rows
    ]  # fmt: skip
    return results, targets


@pytest.mark.parametrize("overconfidence", [0.5, 1.0, 2.0])
def test_a_planted_temperature_is_found_again(overconfidence):
    results, targets = results_of(overconfidence)
    temperatures = fold_temperatures(results, targets)
    assert_allclose(temperatures, overconfidence, rtol=0.16)
    # Other folds' images decide, so no two folds need have the same.
    assert len(temperatures) == FOLDS


def test_labels_of_the_held_out_fold_are_not_used():
    results, targets = results_of(2.0)
    changed = targets.copy()
    changed[results[1].rows] = (changed[results[1].rows] + 1) % CLASSES
    before, after = (fold_temperatures(results, t) for t in (targets, changed))
    assert after[1] == before[1]
    assert after[0] > 1.3 * before[0] and after[2] > 1.3 * before[2]


def test_rows_that_do_not_count_and_rows_of_several_folds_are_left_out():
    results, targets = results_of(2.0)
    uncounted = targets.copy()
    uncounted[results[0].rows] = -1
    shared = [replace(results[0], rows=results[1].rows), *results[1:]]
    # Only fold 2's images are left: for folds 0 and 1 they decide, for fold 2 nothing does.
    temperatures = fold_temperatures(shared, uncounted)
    assert temperatures[2] == 1.0
    assert temperatures[0] == temperatures[1] != 1.0


def test_samples_and_moments_are_at_the_temperature(tmp_path):
    results, _ = results_of(1.0, draws=3)
    assert PER_FOLD > CALIBRATED_AT_A_TIME  # more than one block
    scaled = calibrated(results[0], 1.7, tmp_path)
    expected = tempered(results[0].samples, 1.7)
    assert_allclose(scaled.samples, expected, atol=1e-3)
    assert_allclose(scaled.moments.mean_p, expected.mean(axis=1), atol=1e-12)
    assert_allclose(scaled.moments.mean_p2, (expected**2).mean(axis=1), atol=1e-12)
    assert list(tmp_path.iterdir()) == []
    same = calibrated(results[0], 1.0, tmp_path)
    assert_allclose(same.moments.mean_p, results[0].moments.mean_p, atol=1e-3)


def test_tempered_is_dividing_the_logits():
    z = np.random.default_rng(0).normal(size=(5, 7, 3))
    assert_allclose(tempered(softmax(z, axis=-1), 2.5), softmax(z / 2.5, axis=-1))
    assert_allclose(tempered(np.array([1.0, 0.0]), 1.0), [1, 2.0**-25], rtol=1e-6)
