"""How unlike the training images: closed forms, what is kept, and files of older versions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from bnn_core.base.errors import InputError
from bnn_core.networks.distance import training_cloud
from bnn_core.networks.novelty import (
    NEIGHBOURS,
    NOVELTY_FILE,
    TrainingImages,
    read_training_images,
    save_training_images,
    training_images,
)


def drawn(n, size=20, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 3
    return rng.normal(0, 1, (n, size)) + 5 * np.eye(3, size)[targets], targets


def test_parts_against_their_definitions():
    features, targets = drawn(90)
    x = np.random.default_rng(1).normal(0, 4, (40, 20))
    logits = np.random.default_rng(2).normal(0, 5, (40, 3))
    parts = training_images(features, targets).measure(x, logits)
    cosine = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(features)
    assert_allclose(parts["neighbour_distance"], cosine.kneighbors(x)[0][:, -1], atol=1e-3)
    assert_allclose(parts["energy"], np.log(np.exp(logits).sum(axis=1)))
    assert_allclose(parts["distance"], training_cloud(features, targets).distance(x))
    longer = training_images(features, targets).measure(7 * x, logits)
    assert_allclose(longer["normalised_distance"], parts["normalised_distance"], rtol=1e-4)


def test_a_new_direction_is_farther_by_every_distance():
    features, targets = drawn(300)
    known, _ = drawn(150, seed=1)
    new = np.random.default_rng(3).normal(0, 1, (150, 20)) + 5 * np.eye(20)[10]
    parts = training_images(features, targets).measure(np.vstack([known, new]), np.zeros((300, 3)))
    for score in ("distance", "normalised_distance", "neighbour_distance"):
        assert roc_auc_score(np.repeat([0, 1], 150), parts[score]) > 0.95, score


@pytest.mark.parametrize("features", [np.zeros((9, 4)), np.ones((1, 6)), np.eye(3)])
def test_silent_networks_give_finite_numbers(features):
    kept = training_images(features, np.arange(len(features)) % 3)
    parts = kept.measure(np.concatenate([features, 0 * features]), np.zeros((2 * len(features), 3)))
    assert all(np.isfinite(part).all() for part in parts.values())


def test_kept_beside_the_weights(tmp_path):
    features, targets = drawn(60)
    kept = training_images(features, targets)
    save_training_images(tmp_path, kept)
    again = read_training_images(tmp_path)
    x, logits = drawn(10, seed=4)[0], np.ones((10, 3))
    for score, part in kept.measure(x, logits).items():
        assert_allclose(again.measure(x, logits)[score], part, rtol=1e-4)
    assert read_training_images(tmp_path / "nowhere") is None


def test_a_file_of_an_older_version_has_the_distance_only(tmp_path):
    features, targets = drawn(60)
    cloud = training_cloud(features, targets)
    np.savez(tmp_path / NOVELTY_FILE, **cloud._asdict())
    old = read_training_images(tmp_path)
    assert old == TrainingImages(old.cloud, None, None)
    assert set(old.measure(features, np.zeros((60, 3)))) == {"distance"}


def test_arrays_that_do_not_fit_are_named(tmp_path):
    save_training_images(tmp_path, training_images(*drawn(30)))
    arrays = dict(np.load(tmp_path / NOVELTY_FILE))
    for change in ({"neighbours": arrays["neighbours"][:, :5]}, {"normalised_axes": np.ones(3)}):
        np.savez(tmp_path / NOVELTY_FILE, **(arrays | change))
        with pytest.raises(InputError, match=NOVELTY_FILE):
            read_training_images(tmp_path)


def test_the_fifth_nearest_image_and_directions_alone_count():
    assert NEIGHBOURS == 5
    angles = np.radians([10, 20, 30, 40, 50, 60, 70])
    features = (
        np.column_stack([np.cos(angles), np.sin(angles), 0 * angles]) * np.arange(1, 8)[:, None]
    )
    kept = training_images(features, np.zeros(7, int))
    parts = kept.measure(np.array([[3.0, 0.0, 0.0]]), np.zeros((1, 1)))
    assert_allclose(parts["neighbour_distance"], 1 - np.cos(np.radians(50)), atol=2e-3)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alone = training_cloud(unit, np.zeros(7, int)).distance(np.array([[1.0, 0.0, 0.0]]))
    assert_allclose(parts["normalised_distance"], alone, rtol=1e-5)
