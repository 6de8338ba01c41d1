"""Intensity statistics against numpy and scipy."""

import numpy as np
from scipy.stats import skew

from bnn_core.images.statistics import PERCENTILES, STATISTICS, intensity_statistics


def test_channel_by_channel():
    images = np.random.default_rng(0).gamma(2.0, 30.0, (70, 3, 9, 11)).astype(np.uint16)
    got = intensity_statistics(images).reshape(70, 3, len(STATISTICS))
    pixels = images[67, 1].ravel().astype(float)
    expected = [pixels.mean(), pixels.std(), skew(pixels), *np.percentile(pixels, PERCENTILES)]
    np.testing.assert_allclose(got[67, 1], expected)
    assert len(STATISTICS) == 9 and got.shape[1] * got.shape[2] == 27


def test_flat_and_no_images():
    flat = intensity_statistics(np.full((1, 1, 4, 4), 7, np.uint8))[0]
    np.testing.assert_allclose(flat, [7, 0, 0, 7, 7, 7, 7, 7, 7])
    assert intensity_statistics(np.empty((0, 3, 4, 4))).shape == (0, 27)
