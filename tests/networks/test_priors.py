"""KL divergences against closed forms and against plain Monte Carlo."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from prior_densities import log_density
from torch import nn
from torch.testing import assert_close

from bnn_core.networks.bodies import LayerKind, LeNet5
from bnn_core.networks.flat import FlatWeights
from bnn_core.networks.layers import BayesLinear, bayes_layers, layer_scales, start_sigma
from bnn_core.networks.priors import (
    GaussianPrior,
    MixturePrior,
    PlacedPrior,
    kl_divergence,
)
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.stepping import place_prior


def test_kl_of_the_prior_to_itself_is_zero():
    mu, sigma = torch.zeros(7), torch.full((7,), 0.3)
    assert_close(GaussianPrior(0.3).kl_divergence(mu, sigma), torch.tensor(0.0), atol=1e-6, rtol=0)
    same = MixturePrior(pi=0.25, sigma1=0.3, sigma2=0.3)
    assert_close(same.kl_divergence(mu, sigma), torch.tensor(0.0), atol=1e-5, rtol=0)


@given(st.floats(-2, 2), st.floats(0.05, 3), st.floats(0.05, 3))
def test_gaussian_kl_is_torchs(mu, sigma, prior_sigma):
    ours = GaussianPrior(prior_sigma).kl_divergence(torch.tensor([mu]), torch.tensor([sigma]))
    normal = torch.distributions.Normal
    theirs = torch.distributions.kl_divergence(normal(mu, sigma), normal(0.0, prior_sigma))
    assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_gaussian_kl_by_hand():
    # KL(N(1, 1) || N(0, 1)) = 1/2 nat per weight.
    kl = GaussianPrior().kl_divergence(torch.ones(4), torch.ones(4))
    assert_close(kl, torch.tensor(2.0))


def test_mixture_kl_estimate_is_unbiased():
    torch.manual_seed(0)
    prior = MixturePrior(pi=0.5, sigma1=1.0, sigma2=math.exp(-3))
    mu, sigma = torch.tensor([0.0, 0.1, 1.5]).double(), torch.tensor([0.05, 0.2, 0.4]).double()
    w = torch.linspace(-6, 6, 400_001, dtype=torch.float64)[:, None]
    q = torch.distributions.Normal(mu, sigma)
    exact = torch.trapezoid(
        q.log_prob(w).exp() * (q.log_prob(w) - log_density(prior, w)), w, dim=0
    ).sum()
    draws = torch.stack([prior.kl_divergence(mu, sigma) for _ in range(4000)])
    assert_close(draws.mean(), exact, atol=5 * (draws.std() / 4000**0.5).item(), rtol=0)


@pytest.mark.parametrize(
    "prior", [GaussianPrior(0.5), MixturePrior(), MixturePrior(0.25, 0.5, 0.01)]
)
def test_gradient_is_that_of_the_value(prior):
    mu = torch.tensor([0.0, -0.3, 0.004], dtype=torch.float64, requires_grad=True)
    sigma = torch.tensor([0.05, 0.5, 0.002], dtype=torch.float64, requires_grad=True)

    def kl(mu, sigma):
        torch.manual_seed(5)
        return prior.kl_divergence(mu, sigma)

    assert torch.autograd.gradcheck(kl, (mu, sigma), eps=1e-8, atol=1e-2, rtol=1e-3)


def test_kl_of_a_nested_network_is_the_sum_over_its_layers():
    inner, outer = BayesLinear(3, 4), BayesLinear(4, 2, bias=False)
    network = nn.Sequential(nn.Sequential(inner), nn.ReLU(), outer)
    prior = GaussianPrior()
    assert_close(
        kl_divergence(network, prior), kl_divergence(inner, prior) + kl_divergence(outer, prior)
    )


def test_a_placed_prior_is_the_gaussian_at_its_place():
    """Against torch.distributions, weight by weight."""
    torch.manual_seed(0)
    mu, centre = torch.randn(2, 30)
    sigma, scale = torch.rand(2, 30) + 0.1
    placed = PlacedPrior(GaussianPrior(0.7), centre, scale)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, sigma), torch.distributions.Normal(centre, 0.7 * scale)
    ).sum()
    assert_close(placed.kl_divergence(mu, sigma), expected)


def test_a_prior_of_layer_scale_knows_each_layers_weights():
    network = LeNet5(LayerKind(True), 1, 3)
    with torch.no_grad():
        network.linear.weight_mu.mul_(10)
    scales = layer_scales(network)
    layers = bayes_layers(network)
    for layer, of_weight, of_bias in zip(layers, scales[::2], scales[1::2], strict=True):
        assert of_weight == pytest.approx(float(layer.weight_mu.detach().square().mean() ** 0.5))
        assert of_bias == of_weight
    config = TrainConfig(prior="gaussian", prior_sigma1=2.0, prior_scale="layer",
                         prior_centre="start")  # fmt: skip
    # With sigma at the prior's own width around its own centre nothing is learnt yet.
    start_sigma(network, 2.0)
    flat = FlatWeights(network)
    placed = place_prior(config, network, flat)
    kl, _, _ = placed.kl_and_gradient(flat.mu, F.softplus(flat.rho))
    assert kl.dot(flat.counts).item() == pytest.approx(0, abs=0.1)
    assert place_prior(TrainConfig(), network, flat) == TrainConfig().make_prior()
