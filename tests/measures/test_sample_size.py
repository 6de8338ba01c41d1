"""Figure 6: repeats from one pool of networks."""

import numpy as np
from numpy.testing import assert_allclose

from bnn_core.measures.sample_size import accuracy_by_samples


def test_repeats_pool_and_closed_form():
    # Half of the networks are sure of class 0, half of class 1, the truth is 0 everywhere: one
    # network is right half of the time.
    samples = np.zeros((40, 3, 2), np.float32)
    samples[::2, :, 0] = 1.0
    samples[1::2, :, 1] = 0.9
    samples[1::2, :, 0] = 0.1
    table = accuracy_by_samples(samples, np.zeros(3, int), (1, 5, 100), repeats=400, seed=0)
    assert set(table["num_samples"]) == {1, 5, 40}
    assert (table["pool"] == 40).all()
    assert (table["n_images"] == 3).all()
    ones = table[table["num_samples"] == 1]["accuracy"]
    assert set(ones) == {0.0, 1.0}
    assert_allclose(ones.mean(), 0.5, atol=5 * 0.5 / 400**0.5)
    assert list(table[table["num_samples"] == 40]["accuracy"]) == [1.0]


def test_equal_networks_do_not_vary():
    samples = np.tile(np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]), (10, 1, 1))
    table = accuracy_by_samples(samples, np.array([0, 1, 1]), repeats=5)
    assert_allclose(table["accuracy"], 2 / 3)
