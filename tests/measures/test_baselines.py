"""Baselines and shortcuts on numbers with known answers."""

import numpy as np
import pytest

from bnn_core.measures.baselines import Shortcut, predict_in_folds, shortcut


def halves(n):
    rows = np.arange(n)
    return [(rows[rows % 2 == k], rows[rows % 2 != k]) for k in (0, 1)]


def test_without_numbers_the_probabilities_are_shares_in_the_training_rows():
    targets = np.array([0, 0, 0, 0, 1, 0, 1, 0])  # even rows: 0 0 1 1; odd rows: 0 0 0 0
    p = predict_in_folds(np.empty((8, 0)), targets, halves(8), 3)
    np.testing.assert_allclose(p[1::2], [[0.5, 0.5, 0]] * 4)
    np.testing.assert_allclose(p[0::2], [[1, 0, 0]] * 4)


def test_numbers_that_tell_the_class_are_learnt_and_missing_ones_do_not_matter():
    rng = np.random.default_rng(0)
    targets = np.arange(200) % 3
    features = np.stack([targets + 0.1 * rng.normal(size=200), rng.normal(size=200)], axis=1)
    folds = [(np.arange(0, 200, 2), np.arange(1, 200, 2)), (np.arange(1, 200, 2), np.arange(100))]
    p = predict_in_folds(features, targets, folds, 3)
    known = ~np.isnan(p).any(axis=1)
    assert known.tolist() == [row < 100 or row % 2 == 1 for row in range(200)]
    np.testing.assert_allclose(p[known].sum(axis=1), 1)
    assert (p[known].argmax(axis=1) == targets[known]).mean() > 0.97
    features[::7] = np.nan
    holes = predict_in_folds(features, targets, folds, 3)
    assert np.isfinite(holes[known]).all()
    whole = known & ~np.isnan(features).any(axis=1)
    assert (holes[whole].argmax(axis=1) == targets[whole]).mean() > 0.95


def test_a_row_does_not_predict_itself():
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 2, 40)
    features = rng.normal(size=(40, 60))  # enough to learn 20 rows by heart
    p = predict_in_folds(features, targets, halves(40), 2)
    assert 0.2 < (p.argmax(axis=1) == targets).mean() < 0.8


def test_a_batch_that_is_brighter_is_recognised_and_one_that_is_not_is_not():
    rng = np.random.default_rng(2)
    well = np.repeat(np.arange(60), 4)
    batch = np.array(["a", "b", "c"], dtype=object)[well % 3]
    bright = np.array([0.0, 1.0, 2.0])[well % 3]
    told = shortcut((bright + 0.1 * rng.normal(size=240))[:, None], batch, well)
    assert (told.values, told.images) == (3, 240) and told.score > 0.95
    untold = shortcut(rng.normal(size=(240, 1)), batch, well)
    assert abs(untold.score) < 0.25


def test_images_of_one_well_are_never_on_both_sides():
    """Each well has its own brightness: without wells apart its plate would be read off."""
    rng = np.random.default_rng(3)
    well = np.repeat(np.arange(40), 6)
    features = rng.normal(size=(40, 60))[well] + 0.01 * rng.normal(size=(240, 60))
    plate = (well % 2).astype(str)
    assert shortcut(features, plate, well).score < 0.5
    assert shortcut(features, plate, np.arange(240)).score > 0.9


def test_the_score_and_what_cannot_be_predicted():
    half = Shortcut(0.75, 2, 10)
    assert (half.chance, half.score) == (0.5, 0.5)
    features, groups = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 10
    assert shortcut(features, np.array(["one"] * 30), groups) is None
    # A plate of one well cannot be predicted with wells apart.
    lone = np.where(groups == 3, "lone", np.where(groups % 2, "x", "y")).astype(object)
    assert shortcut(features, lone, groups).values == 2
    assert shortcut(features, groups, groups) is None


def test_two_wells_of_two_batches_are_enough():
    """A batch is trained on wherever it is predicted: the two wells of one are never held out
    together."""
    batch = np.repeat(["a", "b"], 6)
    well = np.repeat([0, 1, 2, 3], 3)
    told = shortcut((batch == "b").astype(float)[:, None], batch, well)
    assert (told.accuracy, told.values, told.images, told.controls) == (1.0, 2, 12, False)


@pytest.mark.parametrize("present", [0, 2])
def test_one_class_in_training_is_predicted_everywhere(present):
    p = predict_in_folds(np.ones((4, 1)), np.full(4, present), halves(4), 3)
    np.testing.assert_allclose(p, np.eye(3)[[present] * 4])
