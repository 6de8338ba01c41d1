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
from bnn_core.networks.prediction import Embedded


def drawn(n, size=20, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 3
    return rng.normal(0, 1, (n, size)) + 5 * np.eye(3, size)[targets], targets


def embedded(features, logits=None, textures=None):
    count = len(features)
    return Embedded(
        features,
        np.zeros((count, 3)) if logits is None else logits,
        np.empty((count, 0)) if textures is None else textures,
    )


def test_parts_against_their_definitions():
    features, targets = drawn(90)
    x = np.random.default_rng(1).normal(0, 4, (40, 20))
    logits = np.random.default_rng(2).normal(0, 5, (40, 3))
    kept = training_images(embedded(features), targets)
    parts = kept.measure(embedded(x, logits))
    cosine = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(features)
    assert_allclose(parts["neighbour_distance"], cosine.kneighbors(x)[0][:, -1], atol=1e-3)
    assert_allclose(parts["energy"], np.log(np.exp(logits).sum(axis=1)))
    assert_allclose(parts["distance"], training_cloud(features, targets).distance(x))
    longer = kept.measure(embedded(7 * x, logits))
    assert_allclose(longer["normalised_distance"], parts["normalised_distance"], rtol=1e-4)


def test_a_new_direction_is_farther_by_every_distance():
    features, targets = drawn(300)
    known, _ = drawn(150, seed=1)
    new = np.random.default_rng(3).normal(0, 1, (150, 20)) + 5 * np.eye(20)[10]
    parts = training_images(embedded(features), targets).measure(embedded(np.vstack([known, new])))
    for score in ("distance", "normalised_distance", "neighbour_distance"):
        assert roc_auc_score(np.repeat([0, 1], 150), parts[score]) > 0.95, score


@pytest.mark.parametrize("features", [np.zeros((9, 4)), np.ones((1, 6)), np.eye(3)])
def test_silent_networks_give_finite_numbers(features):
    silent = embedded(features, textures=features)
    kept = training_images(silent, np.arange(len(features)) % 3)
    twice = np.concatenate([features, 0 * features])
    parts = kept.measure(embedded(twice, textures=twice))
    assert all(np.isfinite(part).all() for part in parts.values())


def test_kept_beside_the_weights(tmp_path):
    features, targets = drawn(60)
    kept = training_images(embedded(features, textures=features[:, :9]), targets)
    save_training_images(tmp_path, kept)
    again = read_training_images(tmp_path)
    x = embedded(drawn(10, seed=4)[0], textures=drawn(10, seed=5)[0][:, :9])
    assert "texture_distance" in again.measure(x)
    for score, part in kept.measure(x).items():
        assert_allclose(again.measure(x)[score], part, rtol=1e-4)
    assert read_training_images(tmp_path / "nowhere") is None


def test_a_file_of_an_older_version_has_the_distance_only(tmp_path):
    features, targets = drawn(60)
    cloud = training_cloud(features, targets)
    np.savez(tmp_path / NOVELTY_FILE, **cloud._asdict())
    old = read_training_images(tmp_path)
    assert old == TrainingImages(old.cloud)
    assert set(old.measure(embedded(features))) == {"distance"}


def test_arrays_that_do_not_fit_are_named(tmp_path):
    features, targets = drawn(30)
    save_training_images(tmp_path, training_images(embedded(features, textures=features), targets))
    arrays = dict(np.load(tmp_path / NOVELTY_FILE))
    for change in (
        {"neighbours": arrays["neighbours"][:, :5]},
        {"normalised_axes": np.ones(3)},
        {"texture_factor": np.ones(7, np.float32)},
        {"texture_factor": np.full(20, np.nan, np.float32)},
    ):
        np.savez(tmp_path / NOVELTY_FILE, **(arrays | change))
        with pytest.raises(InputError, match=NOVELTY_FILE):
            read_training_images(tmp_path)


def test_the_fifth_nearest_image_and_directions_alone_count():
    assert NEIGHBOURS == 5
    angles = np.radians([10, 20, 30, 40, 50, 60, 70])
    features = (
        np.column_stack([np.cos(angles), np.sin(angles), 0 * angles]) * np.arange(1, 8)[:, None]
    )
    kept = training_images(embedded(features), np.zeros(7, int))
    parts = kept.measure(embedded(np.array([[3.0, 0.0, 0.0]])))
    assert_allclose(parts["neighbour_distance"], 1 - np.cos(np.radians(50)), atol=2e-3)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alone = training_cloud(unit, np.zeros(7, int)).distance(np.array([[1.0, 0.0, 0.0]]))
    assert_allclose(parts["normalised_distance"], alone, rtol=1e-5)


def test_textures_are_compared_in_units_of_their_spread():
    rng, targets = np.random.default_rng(6), np.arange(400) % 2
    textures = rng.normal(size=(400, 3)) * [1, 1000, 0]  # the last map is the same everywhere
    kept = training_images(embedded(textures, textures=textures), targets)
    dirt = np.array([[6.0, 0, 0], [0, 6000, 0], [0, 0, 6]])
    far = kept.measure(embedded(dirt, textures=dirt))["texture_distance"]
    assert_allclose(far[:2], far[:2].mean(), rtol=0.1)
    assert far[2] < 0.2 < 2 < far[:2].min()
