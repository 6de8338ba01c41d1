"""The multi-scale CNN against published counts, a plain rewriting, and its own standard twin."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from bnn_core.networks.bodies import LayerKind
from bnn_core.networks.layers import bayes_layers, set_estimator
from bnn_core.networks.mscnn import MultiScaleCNN, pathways_that_fit, pool
from bnn_core.networks.prediction import Networks, draw_networks, plain_state, predictive_samples

STANDARD, BAYESIAN = LayerKind(bayesian=False), LayerKind(bayesian=True)


def count(network, kind):
    return sum(
        p.numel()
        for m in network.modules()
        if isinstance(m, kind)
        for p in m.parameters(recurse=False)
    )


def test_counts_of_the_paper():
    network = MultiScaleCNN(STANDARD)
    assert count(network, (nn.Conv2d, nn.Linear)) == 364_012
    assert count(network, (nn.BatchNorm1d, nn.BatchNorm2d)) == 2_912
    # A mean and a rho for every weight.
    assert (
        sum(
            p.numel() for layer in bayes_layers(MultiScaleCNN(BAYESIAN)) for p in layer.parameters()
        )
        == 2 * 364_012
    )


def test_all_pathways_meet_on_the_papers_grid():
    assert MultiScaleCNN(STANDARD).grid((1024, 1280)) == (16, 20)


@pytest.mark.parametrize(
    ("size", "pathways"),
    [
        ((1024, 1280), 6),
        ((256, 256), 6),
        ((255, 400), 5),
        ((128, 128), 5),
        ((96, 96), 4),
        ((64, 64), 4),
        ((28, 28), 2),
        ((5, 5), 1),
    ],
)
def test_pathways_that_fit(size, pathways):
    assert pathways_that_fit(size) == pathways
    assert len(MultiScaleCNN(STANDARD, image_size=size).pathways) == pathways


@settings(max_examples=15, deadline=None)
@given(
    rows=st.integers(1, 70),
    columns=st.integers(1, 70),
    channels=st.integers(1, 5),
    pathways=st.integers(1, 6),
)
def test_any_size_and_channels(rows, columns, channels, pathways):
    network = MultiScaleCNN(STANDARD, channels, 3, pathways=pathways, head_width=8).eval()
    x = torch.randn(2, channels, rows, columns)
    assert network(x).shape == (2, 3)
    assert network.features(x).shape == (2, 8)
    maps = []
    assert_close(network.features(x, maps.append), network.features(x))
    assert_close(maps[2], network.pathways[0](x))
    assert len(maps) == 3 * pathways and maps[2].shape[2:] == (rows, columns)
    mixed = []
    network.mix.register_forward_hook(lambda module, args, out: mixed.append(out.shape[2:]))
    network(x)
    assert tuple(mixed[0]) == network.grid((rows, columns))


def test_against_the_paper_written_out():
    torch.manual_seed(0)
    network = MultiScaleCNN(STANDARD, image_size=(64, 80)).eval()
    x = torch.rand(2, 3, 64, 80)
    maps = []
    for k, pathway in enumerate(network.pathways):
        y = F.max_pool2d(x, 2**k)
        for i in (0, 3, 6):
            y = pathway[i + 2](F.relu(F.conv2d(y, pathway[i].weight, pathway[i].bias, padding=2)))
        maps.append(F.max_pool2d(y, 2 ** (4 - k)))
    y = F.relu(network.mix(torch.cat(maps, 1))).mean((2, 3))
    assert_close(network(x), network.head(network.norm(y)))


@pytest.mark.parametrize("size", [(6, 8), (7, 8), (6, 5), (2, 2)])
@pytest.mark.parametrize("gradient", [True, False])
def test_pool_is_max_pool(size, gradient):
    x = torch.randn(2, 3, *size).requires_grad_(gradient)
    for k in (1, 2, 4):
        assert_close(pool(x, k), F.max_pool2d(x, k, ceil_mode=True), rtol=0, atol=0)


def test_last_row_and_column_count():
    network = MultiScaleCNN(STANDARD, 1, 2, pathways=3, head_width=16).eval()
    x = torch.zeros(1, 1, 17, 17)
    x[..., -1, -1] = 5.0
    assert not torch.allclose(network(x), network(torch.zeros_like(x)), atol=1e-6)


@pytest.mark.parametrize("estimator", ["local", "weights"])
@pytest.mark.parametrize("train", [True, False])
def test_sigma_to_zero_gives_the_standard_network(estimator, train):
    torch.manual_seed(1)
    bayesian = MultiScaleCNN(LayerKind(True, rho_init=-60.0), 3, 4, (32, 32), head_width=32)
    set_estimator(bayesian, estimator)
    standard = MultiScaleCNN(STANDARD, 3, 4, (32, 32), head_width=32)
    standard.load_state_dict(plain_state(bayesian))
    x = torch.randn(6, 3, 32, 32)
    assert_close(bayesian.train(train)(x), standard.train(train)(x), rtol=1e-3, atol=1e-4)


def test_drawn_networks_are_the_posteriors():
    """Drawn networks differ, and their mean logit layer is the posterior mean."""
    torch.manual_seed(2)
    bayesian = MultiScaleCNN(LayerKind(True, rho_init=-4.0), 3, 4, (16, 16), head_width=16)
    plain = MultiScaleCNN(STANDARD, 3, 4, (16, 16), head_width=16)
    drawn = draw_networks(bayesian, plain, 400, seed=0)
    sigma = F.softplus(torch.tensor(-4.0)).item()
    mean = drawn.weights["head.weight"].mean(0)
    assert_close(mean, bayesian.head.weight_mu.detach(), rtol=0, atol=5 * sigma / 400**0.5)
    two = Networks(drawn.body, {name: w[:2] for name, w in drawn.weights.items()})
    samples = predictive_samples(two, torch.randn(3, 3, 16, 16))
    assert samples.shape == (2, 3, 4)
    assert not torch.equal(samples[0], samples[1])


def test_unknown_number_of_pathways():
    with pytest.raises(ValueError, match="pathways is 1 to 6, not 7"):
        MultiScaleCNN(STANDARD, pathways=7)
