"""Temperature scaling: the planted temperature, the optimum, the ends of the search."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import softmax
from torch.testing import assert_close

from bnn_core.networks.building import new_network
from bnn_core.networks.methods.temperature import LIMITS, fit_temperature, scaled, tempered
from bnn_core.networks.prediction import predictive_samples
from bnn_core.networks.settings import TrainConfig


@pytest.fixture(scope="module")
def calibrated():
    """Logits whose softmax is the truth, and classes drawn from it."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 5)) * 2
    p = softmax(logits, axis=1)
    return logits, (p.cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_a_planted_temperature_is_found(calibrated, factor):
    logits, targets = calibrated
    assert fit_temperature(factor * logits, targets) == pytest.approx(factor, rel=0.06)


def test_no_other_temperature_has_a_lower_loss(calibrated):
    logits, targets = calibrated

    def loss(tau):
        return ((softmax(logits / tau, axis=1) - np.eye(5)[targets]) ** 2).sum(axis=1).mean()

    best = fit_temperature(logits, targets)
    assert all(loss(best) < loss(best * f) for f in (0.9, 0.99, 1.01, 1.1))


def test_all_right_is_as_cold_and_all_wrong_as_hot_as_it_gets():
    logits = np.array([[2.0, 0.0], [0.0, 1.0]])
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(LIMITS[0])
    assert fit_temperature(logits, np.array([1, 0])) == pytest.approx(LIMITS[1])


@pytest.mark.parametrize("logits", [np.zeros((2, 3)), np.array([[1e5, 0.0, 0.0], [1e5, 0.0, 0.0]])])
def test_logits_that_show_no_temperature_keep_theirs(logits):
    assert fit_temperature(logits, np.array([1, 2])) == pytest.approx(1.0)


def test_one_mislabelled_image_changes_the_temperature_little(calibrated):
    logits, targets = calibrated
    wrong = targets[:100].copy()
    wrong[0] = logits[0].argmin()
    fits = [fit_temperature(5 * logits[:100], t) for t in (targets[:100], wrong)]
    assert fits[1] == pytest.approx(fits[0], rel=0.15)


def test_a_temperature_divides_the_logits(calibrated):
    logits = calibrated[0][:20]
    assert_allclose(tempered(softmax(logits, axis=1), 2.5), softmax(logits / 2.5, axis=1))
    # Nothing is more unlikely than what float16 can hold.
    assert_allclose(tempered([1.0, 0.0], 2.0)[1], np.sqrt(2.0**-25), rtol=1e-3)


@pytest.mark.parametrize(
    "how", [scaled, lambda network, tau: replace(scaled(network, 1.0), temperature=tau)]
)
def test_predictions_of_a_scaled_network(how):
    network = new_network(TrainConfig(bayesian=False), 3, (1, 28, 28)).eval()
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = (network(images) / 0.25).softmax(1)
        assert_close(
            predictive_samples(how(network, 0.25), images)[0], expected, atol=1e-5, rtol=1e-4
        )
