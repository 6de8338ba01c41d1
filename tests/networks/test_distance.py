"""Distance from the training images: closed forms, what is planted, and what is degenerate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score

from bnn_core.networks.distance import CLOUD_COMPONENTS, training_cloud


def drawn(n, size, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 3
    spread = np.linspace(3, 0.1, size)
    return rng.normal(0, 1, (n, size)) * spread + 5 * np.eye(3, size)[targets], targets


@settings(max_examples=30, deadline=None)
@given(st.integers(100, 200), st.integers(2, 90), st.integers(0, 99))
def test_training_images_are_at_distance_one_from_their_class(n, size, seed):
    features, targets = drawn(n, size, seed)
    cloud = training_cloud(features, targets)
    own = np.array(
        [
            cloud._squared(f[None] - cloud.means[t])[0]
            for f, t in zip(features, targets, strict=True)
        ]
    )
    assert own.mean() == pytest.approx(1, rel=1e-4)
    assert (cloud.distance(features) <= np.sqrt(own) + 1e-6).all()


def test_with_all_directions_it_is_the_mahalanobis_distance():
    features, targets = drawn(400, 8)
    cloud = training_cloud(features, targets)
    means = np.stack([features[targets == c].mean(axis=0) for c in range(3)])
    within = features - means[targets]
    precision = np.linalg.inv(within.T @ within / len(within))
    x = np.random.default_rng(1).normal(0, 4, (50, 8))
    squared = np.stack([np.einsum("ni,ij,nj->n", x - m, precision, x - m) for m in means])
    assert_allclose(cloud.distance(x), np.sqrt(squared.min(axis=0) / 8), rtol=1e-5)


def test_an_image_far_from_all_classes_is_farther_than_training_images():
    features, targets = drawn(600, 200)
    known, _ = drawn(300, 200, seed=1)
    new = known.copy()
    new[:, 100:] += 0.8  # along directions that the classes hardly use; the class stays nearest
    cloud = training_cloud(features, targets)
    assert cloud.axes.shape == (200, CLOUD_COMPONENTS)
    found = np.concatenate([cloud.distance(known), cloud.distance(new)])
    assert roc_auc_score(np.repeat([0, 1], 300), found) > 0.75


@pytest.mark.parametrize("n", [6, 12, 24, 36, 50, 100])
def test_few_training_images_do_not_put_their_like_far_away(n):
    rng = np.random.default_rng(0)
    base = np.abs(rng.normal(size=(3, 1024)))
    mixing = rng.normal(size=(60, 1024)) * np.linspace(1, 0.05, 60)[:, None]

    def images(count):  # rectified, 60 directions of falling strength
        targets = np.arange(count) % 3
        return np.maximum(base[targets] + rng.normal(size=(count, 60)) @ mixing, 0), targets

    cloud = training_cloud(*images(n))
    assert np.median(cloud.distance(images(200)[0])) < 4


@pytest.mark.parametrize(
    "features",
    [
        np.zeros((9, 4)),
        np.ones((1, 6)),
        np.repeat(np.eye(3), 3, axis=0),
        np.pad(np.random.default_rng(0).normal(size=(9, 2)) * 1e-8, ((0, 0), (0, 5))),
    ],
)
def test_no_spread_and_dead_features_give_finite_distances(features):
    cloud = training_cloud(features, np.arange(len(features)) % 3)
    found = cloud.distance(np.concatenate([features, features + 1]))
    assert np.isfinite(found).all()
    assert found[: len(features)].max() < found[len(features) :].min() or not features.any()
