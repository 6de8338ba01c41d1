"""Winograd's three matrices against the plain sums, in exact arithmetic and in float32."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("numba")

from bnn_core.networks.winograd_cpu import INPUT, OUTPUT, WEIGHT


def filtered(x, w, kind):
    output, weight, inputs = (m.astype(kind) for m in (OUTPUT, WEIGHT, INPUT))
    return output @ ((weight @ w) * (inputs @ x))


def test_it_is_the_filter():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=8), rng.normal(size=5)
    assert_allclose(filtered(x, w, np.float64), np.correlate(x, w, "valid"), atol=1e-14)


def test_rounding_in_float32_stays_small():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(8, 1000)), rng.normal(size=(5, 1000))
    exact = np.stack([np.correlate(*pair, "valid") for pair in zip(x.T, w.T, strict=True)], axis=1)
    single = filtered(x.astype(np.float32), w.astype(np.float32), np.float32)
    assert single.dtype == np.float32
    assert np.sqrt(np.mean((single - exact) ** 2)) < 2e-6
