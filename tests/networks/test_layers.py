"""Bayesian layers against the plain layers and against plain sampling."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from bnn_core.networks.layers import (
    BayesConv2d,
    BayesLinear,
    bayes_layers,
    posterior,
    set_estimator,
    softplus,
)

CONVOLUTIONS = [
    dict(kernel_size=3),
    dict(kernel_size=3, padding=1, bias=False),
    dict(kernel_size=(3, 2), stride=2, padding=(1, 0)),
    dict(kernel_size=3, dilation=2, padding="same"),
    dict(kernel_size=3, groups=2),
]


@pytest.mark.parametrize("settings", CONVOLUTIONS)
def test_vanishing_sigma_gives_the_plain_convolution(settings):
    torch.manual_seed(0)
    layer = BayesConv2d(4, 6, rho_init=-40.0, **settings)
    plain = nn.Conv2d(4, 6, **settings)
    plain.load_state_dict(
        {k.removesuffix("_mu"): v for k, v in layer.state_dict().items() if k.endswith("_mu")}
    )
    x = torch.randn(3, 4, 9, 8)
    for estimator in ("local", "weights"):
        set_estimator(layer, estimator)
        assert_close(layer.train()(x), plain(x), atol=1e-5, rtol=1e-5)
    assert_close(layer.eval()(x), plain(x))


@pytest.mark.parametrize("bias", [True, False])
def test_local_reparameterization_has_the_moments_of_weight_sampling(bias):
    # One input, many draws: mean x mu + b, variance x² sigma² + sigma_b² in closed form.
    torch.manual_seed(1)
    layer = BayesLinear(5, 3, bias=bias, rho_init=-1.0).train()
    x = torch.randn(1, 5)
    sigma2 = nn.functional.softplus(torch.tensor(-1.0)) ** 2
    variance = (x.square().sum() + bias) * sigma2
    for estimator in ("local", "weights"):
        set_estimator(layer, estimator)
        draws = torch.stack([layer(x)[0] for _ in range(4000)]).detach()
        standard_error = (variance / 4000).sqrt()
        assert_close(
            draws.mean(0), layer.eval()(x)[0].detach(), atol=5 * standard_error.item(), rtol=0
        )
        layer.train()
        assert_close(draws.var(0), variance.expand(3), rtol=5 * (2 / 4000) ** 0.5, atol=0)


def test_local_noise_differs_between_images_and_weight_noise_does_not():
    torch.manual_seed(2)
    layer = BayesLinear(4, 2).train()
    x = torch.ones(2, 4)
    set_estimator(layer, "weights")
    one, other = layer(x)
    assert_close(one, other)
    set_estimator(layer, "local")
    one, other = layer(x)
    assert (one - other).abs().min() > 0


def test_gradient_is_finite_where_nothing_is_random():
    # No bias and an input of zeros: the variance is 0, its square root has no derivative.
    layer = BayesConv2d(1, 2, 3, bias=False).train()
    layer(torch.zeros(1, 1, 5, 5)).sum().backward()
    assert_close(layer.weight_rho.grad, torch.zeros_like(layer.weight_rho))


def test_gradient_of_the_noise_is_autograds():
    torch.manual_seed(3)
    layer = BayesLinear(3, 2).double().train()
    x = torch.randn(4, 3, dtype=torch.float64)

    def by_hand():
        sigma = nn.functional.softplus(layer.weight_rho)
        variance = x.square() @ sigma.square().T + nn.functional.softplus(layer.bias_rho).square()
        mean = x @ layer.weight_mu.T + layer.bias_mu
        return mean + variance.sqrt() * torch.randn_like(mean)

    gradients = []
    for function in (lambda: layer(x), by_hand):
        layer.zero_grad()
        torch.manual_seed(4)
        function().square().sum().backward()
        gradients.append([p.grad.clone() for p in layer.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert_close(ours, theirs)


def test_every_bayesian_layer_counts_once_however_deep_or_shared():
    shared = BayesLinear(2, 2)
    network = nn.Sequential(nn.Sequential(shared, nn.Sequential(BayesLinear(2, 3))), shared)
    assert len(bayes_layers(network)) == 2
    mu, sigma = posterior(network)
    assert mu.shape == sigma.shape == (2 * 2 + 2 + 2 * 3 + 3,)


def test_unknown_estimator_is_refused():
    with pytest.raises(ValueError, match="local, weights"):
        set_estimator(BayesLinear(1, 1), "global")


def test_softplus_is_exact_from_far_below_to_far_above():
    rho = torch.linspace(-60, 100, 3001)
    exact = torch.log1p(rho.double().exp()).float()
    assert_close(softplus(rho), exact, rtol=3e-7, atol=0)
