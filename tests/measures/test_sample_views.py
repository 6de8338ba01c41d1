"""What the T samples show: running averages, single networks, neighbours."""

import numpy as np
from numpy.testing import assert_allclose

from bnn_core.measures import sample_views
from bnn_core.measures.uncertainty import moments, summarise


def _samples(networks, classes, images=None, seed=0):
    shape = (networks, classes) if images is None else (images, networks, classes)
    return np.random.default_rng(seed).dirichlet(np.ones(classes), shape[:-1])


def test_running_mean_of_two_opposite_samples():
    found = sample_views.running(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    assert_allclose(found.mean, [[1, 0], [0.5, 0.5], [2 / 3, 1 / 3]])
    # One-hot samples have no aleatoric part; all of p (1 - p) is disagreement.
    assert_allclose(found.aleatoric, 0, atol=1e-12)
    assert_allclose(found.epistemic, [0, 0.25, 2 / 9])


def test_running_ends_at_the_summary():
    samples = _samples(50, 4)
    found = sample_views.running(samples)
    row = summarise(moments(samples[:, None]), list("abcd")).iloc[0]
    assert_allclose(found.mean[-1], samples.mean(axis=0))
    assert_allclose(found.aleatoric[-1], row["aleatoric"])
    assert_allclose(found.epistemic[-1], row["epistemic"])


def test_spread_is_the_standard_error():
    samples = _samples(64, 3)
    found = sample_views.running(samples)
    assert_allclose(found.spread[63], samples.std(axis=0, ddof=1) / 8)
    assert_allclose(found.spread[15], samples.std(axis=0, ddof=1) / 4)
    assert np.isnan(sample_views.running(samples[:1]).spread).all()


def test_network_accuracy_of_a_planted_network():
    labels = np.array([0, 1, 2, -1])
    samples = np.zeros((4, 2, 3), np.float16)
    for image, label in enumerate(labels):
        samples[image, 0, max(label, 0)] = 1  # always right
        samples[image, 1, 0] = 1  # always says class 0
    assert_allclose(sample_views.network_accuracy(samples, labels), [1, 1 / 3])
    assert np.isnan(sample_views.network_accuracy(samples, np.full(4, -1))).all()


def test_network_accuracy_in_chunks_equals_the_whole(monkeypatch):
    samples, labels = _samples(7, 3, images=50), np.arange(50) % 3
    whole = (samples.argmax(-1) == labels[:, None]).mean(axis=0)
    monkeypatch.setattr(sample_views, "_CHUNK_VALUES", 100)
    assert_allclose(sample_views.network_accuracy(samples, labels), whole)


def test_swarm_spreads_equal_values_and_leaves_lonely_ones_in_the_middle():
    side = sample_views.swarm_offsets(np.array([0.5, 0.5, 0.5, 0.9]))
    assert_allclose(side, [-1, 0, 1, 0])
    assert sample_views.swarm_offsets(np.ones(1)).tolist() == [0]


def test_strip_order_is_by_label_then_by_agreement():
    labels = np.array([1, 0, -1, 0, -1])
    predicted = np.array([[1, 1], [0, 1], [0, 1], [0, 0], [1, 1]])
    assert sample_views.strip_order(predicted, labels).tolist() == [3, 1, 0, 4, 2]
