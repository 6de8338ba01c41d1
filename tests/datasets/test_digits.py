"""The digits drawn by code: reproducible, even, readable as digits."""

import numpy as np
import pytest

from bnn_core.datasets import digits


def test_same_seed_same_bytes_other_seed_other_digits():
    images, labels = digits.generate_digits(120, seed=3)
    again, labels_again = digits.generate_digits(120, seed=3)
    other, _ = digits.generate_digits(120, seed=4)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(labels, labels_again)
    assert (images != other).any()


def test_shapes_types_and_even_classes():
    images, labels = digits.generate_digits(205, seed=0)
    assert images.shape == (205, 28, 28) and images.dtype == np.uint8
    assert labels.dtype == np.int64
    counts = np.bincount(labels, minlength=10)
    assert counts.min() >= 20 and counts.max() <= 21
    assert (labels[:50] != np.sort(labels)[:50]).any()


@pytest.mark.parametrize("n", [0, 1])
def test_smallest_sets(n):
    images, labels = digits.generate_digits(n, seed=0)
    assert len(images) == len(labels) == n


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="-1"):
        digits.generate_digits(-1, seed=0)


def test_every_digit_has_ink_inside_the_frame():
    images, _ = digits.generate_digits(500, seed=1)
    inked = (images > 100).sum(axis=(1, 2))
    assert inked.min() >= 15 and inked.max() <= 400
    border = np.concatenate([images[:, [0, -1]].reshape(500, -1), images[:, :, 0]], axis=1)
    assert (border > 100).any(axis=1).mean() < 0.1


def test_digits_are_separable_across_seeds_but_not_by_the_mean_alone():
    train, train_labels = digits.generate_digits(1500, seed=10)
    test, test_labels = digits.generate_digits(400, seed=11)
    train, test = train.reshape(1500, -1) / 255.0, test.reshape(400, -1) / 255.0
    squares = (train**2).sum(1)
    nearest = train_labels[(squares - 2 * test @ train.T).argmin(1)]
    means = np.stack([train[train_labels == k].mean(0) for k in range(10)])
    by_mean = ((means**2).sum(1) - 2 * test @ means.T).argmin(1)
    assert (nearest == test_labels).mean() > 0.75
    assert (by_mean == test_labels).mean() < 0.9
