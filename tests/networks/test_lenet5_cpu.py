"""The compiled LeNet5 against the plain loop over networks."""

import sys

import pytest
import torch
from torch.testing import assert_close

from bnn_core.networks import prediction
from bnn_core.networks.building import new_network
from bnn_core.networks.methods.dropout import draw_masked
from bnn_core.networks.prediction import (
    Networks,
    draw_networks,
    fastest_sampler,
    one_by_one,
    predict,
    predictive_samples,
)
from bnn_core.networks.settings import TrainConfig

pytest.importorskip("numba")


def drawn(channels=1, classes=10, count=3):
    config, shape = TrainConfig(rho_init=-2.0), (channels, 28, 28)
    network = new_network(config, classes, shape)
    return draw_networks(network, new_network(config, classes, shape, bayesian=False), count, 0)


def assert_same(networks, x):
    with torch.inference_mode():
        ours, plain = fastest_sampler(networks)(x), one_by_one(networks, x)
    assert ours.shape == plain.shape
    # Sums in another order; logits reach about 10.
    assert_close(ours, plain, atol=3e-5, rtol=1e-5)
    assert_close(ours.softmax(-1), plain.softmax(-1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("images", [1, 15, 64, 65, 130])
def test_any_number_of_images(images):
    torch.manual_seed(0)
    assert_same(drawn(), torch.rand(images, 1, 28, 28))


@pytest.mark.parametrize(("channels", "classes"), [(1, 2), (3, 5), (2, 62)])
def test_any_channels_and_classes_and_negative_inputs(channels, classes):
    torch.manual_seed(0)
    assert_same(drawn(channels, classes), torch.randn(9, channels, 28, 28))


def test_several_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    torch.manual_seed(0)
    assert_same(drawn(), torch.rand(200, 1, 28, 28))


def test_networks_that_are_drawn_in_part_only():
    """Masks leave the last layer as it is; its weights then come from the body."""
    network = new_network(TrainConfig(bayesian=False), 10, (1, 28, 28)).eval()
    networks = draw_masked(network, 0.3, 4, seed=0)
    assert "head.weight" not in networks.weights
    assert_same(networks, torch.rand(7, 1, 28, 28))


def test_without_numba_torch_gives_the_same(monkeypatch):
    import numpy as np

    networks, images = drawn(), np.random.default_rng(0).random((20, 1, 28, 28), np.float32)
    with_kernel = predict(networks, images, torch.as_tensor)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(prediction, "find_spec", lambda name: None)
    without = predict(networks, images, torch.as_tensor)
    assert_close(with_kernel.mean_p, without.mean_p, atol=1e-6, rtol=0)
    assert_close(with_kernel.mean_entropy, without.mean_entropy, atol=1e-5, rtol=0)


def test_the_kernel_is_what_lenet5_gets_on_a_cpu():
    networks = drawn()
    assert fastest_sampler(networks).func is not one_by_one
    cells = new_network(
        TrainConfig(bayesian=False, network="mscnn", pathways=1), 2, (1, 8, 8)
    ).eval()
    weights = {name: p.detach()[None] for name, p in cells.named_parameters()}
    assert predictive_samples(Networks(cells, weights), torch.rand(2, 1, 8, 8)).shape == (1, 2, 2)
