"""The compiled multi-scale network against the plain loop over networks."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from bnn_core.networks.building import new_network
from bnn_core.networks.mscnn_cpu import mscnn_sampler
from bnn_core.networks.prediction import (
    draw_networks,
    fastest_sampler,
    one_by_one,
    posterior_mean,
    stack_networks,
)
from bnn_core.networks.settings import TrainConfig

pytest.importorskip("numba")


def network(shape, bayesian=True, **settings):
    """A network whose BatchNorms have statistics, with negative and with vanishing factors."""
    config = TrainConfig(network="mscnn", rho_init=-4.0, head_width=10, **settings)
    made = new_network(config, 3, shape, bayesian)
    torch.manual_seed(0)
    for module in made.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
            module.weight.data[0] = 0
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return made.eval()


def assert_same(networks, x):
    with torch.inference_mode():
        ours, plain = fastest_sampler(networks)(x), one_by_one(networks, x)
    assert ours.shape == plain.shape
    assert_close(ours, plain, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("images", [3, 16, 19])
def test_any_number_of_images(images):
    shape = (3, 16, 16)
    networks = draw_networks(network(shape), network(shape, False), 3, seed=0)
    assert_same(networks, torch.rand(images, *shape))


@pytest.mark.parametrize(
    ("shape", "pathways"),
    [((1, 33, 18), 3), ((5, 9, 31), 2), ((2, 64, 70), 4), ((3, 7, 5), 1), ((1, 40, 33), 6)],
)
def test_any_size_channels_and_pathways(shape, pathways):
    bayesian, plain = (network(shape, kind, pathways=pathways) for kind in (True, False))
    assert_same(draw_networks(bayesian, plain, 2, seed=0), torch.randn(9, *shape))


def test_members_have_separate_batchnorm_statistics(monkeypatch):
    """Of an ensemble everything differs, BatchNorm too; and two threads."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    shape = (3, 16, 16)
    members = [network(shape, False, seed=seed) for seed in range(3)]
    members[1].norm.running_mean += 1
    members[2].pathways[0][2].running_var *= 2
    assert_same(stack_networks(members, network(shape, False)), torch.rand(20, *shape))
    assert_same(posterior_mean(network(shape), network(shape, False)), torch.rand(20, *shape))


def test_one_network_never_leaves_the_kernel_for_small_images():
    """It rounds otherwise than torch, so an image would have other numbers among few images."""
    shape = (3, 16, 16)
    networks = posterior_mean(network(shape), network(shape, False))
    weights = networks.weights | dict(networks.body.named_buffers())
    weights = {name: w if name in networks.weights else w[None] for name, w in weights.items()}
    logits = mscnn_sampler(networks.body, weights, otherwise=None)
    x = torch.rand(20, *shape)
    assert_close(logits(x[:3]), logits(x)[:, :3], atol=0, rtol=0)
