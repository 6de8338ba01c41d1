"""AURC, AUGRC and ECE against torch-uncertainty and torchmetrics, where these are installed."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bnn_core.measures import evaluation as ev

TIE_FREE = "each score is drawn from a continuous distribution: libraries break ties by row order"


@pytest.fixture(scope="module")
def predictions():
    """Mean softmax (500, 4) without equal top values, and the true classes; about 70 % right."""
    rng = np.random.default_rng(5)
    y = rng.integers(0, 4, 500)
    z = rng.normal(size=(500, 4)) + 1.8 * np.eye(4)[y]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert len(np.unique(p.max(axis=1))) == 500, TIE_FREE
    return p, y


def test_risk_coverage_areas_equal_those_of_torch_uncertainty(predictions):
    metrics = pytest.importorskip(
        "torch_uncertainty.metrics.classification.risk_coverage",
        reason="torch-uncertainty is not installed",
        exc_type=ImportError,
    )
    p, y = predictions
    top, correct = p.max(axis=1), p.argmax(axis=1) == y
    figures = []
    for metric in (metrics.AURC(), metrics.AUGRC()):
        metric.update(torch.tensor(p), torch.tensor(y))
        figures.append(float(metric.compute()))
    assert_allclose(ev.augrc(top, correct), figures[1], rtol=1e-6)
    # The library takes the trapezoid from coverage 1/N to 1; ours is the mean over k.
    risk = ev.risk_coverage(top, correct).risk
    assert_allclose(np.trapezoid(risk, dx=1 / 500) / (1 - 1 / 500), figures[0], rtol=1e-6)
    assert_allclose(ev.aurc(top, correct), figures[0], atol=risk.max() / 500)


def test_calibration_error_equals_that_of_torchmetrics(predictions):
    classification = pytest.importorskip(
        "torchmetrics.classification", reason="torchmetrics is not installed", exc_type=ImportError
    )
    p, y = predictions
    metric = classification.MulticlassCalibrationError(num_classes=4, n_bins=15, norm="l1")
    figure = float(metric(torch.tensor(p), torch.tensor(y)))
    assert_allclose(ev.ece(p.max(axis=1), p.argmax(axis=1) == y), figure, rtol=1e-6)
