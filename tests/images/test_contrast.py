"""Exact percentiles from histograms, stretching, area averages."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bnn_core.images.contrast import Histogram, area_resize, fitted_size, stretch


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)),
        min_size=1,
        max_size=4,
    ),
    st.floats(0, 100),
)
def test_percentiles_are_those_of_all_pixels_together(images, q):
    histogram = Histogram(1)
    for image in images:
        histogram.add(image[None])
    pixels = np.concatenate([image.ravel() for image in images])
    np.testing.assert_allclose(histogram.percentile(q), [np.percentile(pixels, q)], rtol=1e-12)


def test_percentiles_do_not_depend_on_order_or_dtype():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 200, (5, 2, 9, 8))
    one, two = Histogram(2), Histogram(2)
    for image in images:
        one.add(image.astype(np.uint8))
    for image in images[::-1]:
        two.add(image.astype(np.uint16))
    np.testing.assert_array_equal(one.counts, two.counts)


def test_limits_cut_three_in_ten_thousand():
    histogram = Histogram(1)
    histogram.add(np.arange(10001, dtype=np.uint16).reshape(1, 73, 137))
    np.testing.assert_allclose(histogram.limits(), [[3, 9997]])


def test_a_flat_channel_has_limits_too():
    histogram = Histogram(1)
    histogram.add(np.full((1, 4, 4), 7, np.uint16))
    np.testing.assert_array_equal(histogram.limits(), [[7, 8]])
    np.testing.assert_array_equal(histogram.foreground_thresholds(), [7])
    np.testing.assert_array_equal(stretch(np.full((1, 2, 2), 7), histogram.limits()), 0)


def test_stretch_is_linear_between_the_limits_and_clipped():
    image = np.array([[[0, 100, 150, 200, 65535]]], dtype=np.uint16)
    np.testing.assert_allclose(stretch(image, np.array([[100, 200]])), [[[0, 0, 0.5, 1, 1]]])


def test_foreground_threshold_parts_two_heaps():
    rng = np.random.default_rng(0)
    pixels = np.concatenate([rng.normal(300, 20, 90_000), rng.normal(2000, 300, 10_000)])
    histogram = Histogram(1)
    histogram.add(pixels.clip(0).astype(np.uint16).reshape(1, 100, 1000))
    assert 380 < histogram.foreground_thresholds()[0] < 1300


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=12),
        elements=st.floats(0, 1, width=32),
    ),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_area_average_keeps_mean_and_range_and_never_enlarges(image, height, width):
    small = area_resize(image, (height, width))
    assert small.shape[-2:] == (min(height, image.shape[-2]), min(width, image.shape[-1]))
    np.testing.assert_allclose(small.mean((-1, -2)), image.mean((-1, -2)), atol=1e-5)
    assert small.min() >= image.min() - 1e-5 and small.max() <= image.max() + 1e-5


def test_area_average_by_hand():
    np.testing.assert_allclose(area_resize(np.array([[0.0, 3.0, 6.0]]), (1, 2)), [[1, 5]])
    blocks = np.arange(16.0).reshape(4, 4)
    np.testing.assert_allclose(area_resize(blocks, (2, 2)), [[2.5, 4.5], [10.5, 12.5]])


def test_fitted_size_keeps_the_aspect():
    assert fitted_size((1024, 1280), 128) == (128, 160)
    assert fitted_size((1280, 1024), 128) == (160, 128)
    assert fitted_size((48, 48), 128) == (48, 48)
    assert fitted_size((100, 90), None) == (100, 90)
