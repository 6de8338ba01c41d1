"""As many networks as an image needs: against all of them, and against planted spreads."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bnn_core.measures.uncertainty import moments
from bnn_core.networks.adaptive import TOLERANCE, in_stages, is_settled, stages_of
from bnn_core.networks.building import network_input, new_network
from bnn_core.networks.prediction import (
    Networks,
    draw_networks,
    predict_batches,
    predictive_samples,
)
from bnn_core.networks.settings import TrainConfig

SHAPE = (1, 28, 28)


def planted(spreads, total=100, seed=0):
    """Softmax (total, n, 2) of images whose networks differ by given spreads of the logit."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(total, len(spreads), generator=generator) * torch.as_tensor(spreads) + 4
    p = z.sigmoid()
    return torch.stack([p, 1 - p], dim=2)


def confidence(p):
    top = p.mean(dim=0).amax(dim=1)
    return 1 - 2 * (top * (1 - top)).sqrt()


def by_stages(p):
    stages = stages_of(len(p))
    parts = [
        lambda rows, a=a, b=b: p[a:b, rows] for a, b in zip([0, *stages], stages, strict=False)
    ]
    return in_stages(parts, stages)(torch.arange(p.shape[1]))


def test_images_without_spread_take_the_first_networks_and_others_all():
    p = planted([0.0, 0.0, 3.0])
    samples, used = by_stages(p)
    assert used.tolist() == [5, 5, 100]
    # What needs all networks has exactly the samples of all, in their order.
    assert torch.equal(samples[:, 2], p[:, 2])
    assert torch.equal(samples[:, 0], p[:5, 0].repeat(20, 1))


def test_99_of_100_images_are_within_the_tolerance_and_fewer_networks_are_used():
    rng = np.random.default_rng(0)
    p = planted(np.exp(rng.normal(-4, 2, 5000)))
    samples, used = by_stages(p)
    error = (confidence(samples) - confidence(p)).abs()
    assert (error <= TOLERANCE).double().mean() >= 0.99
    assert used.double().mean() < 70
    assert set(used.tolist()) == {5, 10, 20, 50, 100}


def test_all_networks_settle_every_image():
    assert is_settled(planted([5.0, 0.1], total=100), 100).all()


@pytest.mark.parametrize(
    ("total", "stages"), [(100, [5, 10, 20, 50, 100]), (5, [5]), (1, [1]), (40, [5, 10, 20, 40])]
)
def test_stages_divide_the_number_of_networks(total, stages):
    assert stages_of(total) == stages


def drawn(rho):
    config = TrainConfig(rho_init=rho)
    network = new_network(config, 3, SHAPE).eval()
    return draw_networks(network, new_network(config, 3, SHAPE, bayesian=False), 40, seed=0)


def test_moments_are_those_of_the_networks_that_were_used():
    images = np.random.default_rng(0).integers(0, 256, (9, *SHAPE), dtype=np.uint8)
    for rho, expected in ((-12.0, 5), (0.0, 40)):
        networks = drawn(rho)
        (batch,) = predict_batches(
            networks, images, network_input, adaptive=True, keep=torch.float32
        )
        assert (batch.used == expected).all()
        whole = predictive_samples(networks, network_input(images)).numpy()
        assert_allclose(batch.moments.mean_p, moments(whole[:expected]).mean_p, atol=1e-6)
        assert_allclose(batch.samples[:, :expected].transpose(1, 0, 2), whole[:expected], atol=1e-6)


def test_with_symmetries_all_networks_are_used():
    networks = drawn(-12.0)
    turned = Networks(networks.body, networks.weights, symmetries=8)
    images = np.zeros((2, *SHAPE), np.uint8)
    (batch,) = predict_batches(turned, images, network_input, adaptive=True)
    assert batch.used is None
