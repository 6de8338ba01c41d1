"""SGHMC draws from a posterior that is known in closed form, and without noise it is SGD."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from bnn_core.networks.flat import FlatWeights
from bnn_core.networks.sghmc import BETA, FlatSGHMC

RATES = np.array([[0.02, 0.9]])


def step(sampler):
    sampler.step(torch.from_numpy(sampler.numbers(RATES, 0))[0])


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_draws_from_the_posterior_of_a_gaussian(temperature):
    """400 independent weights under a quadratic loss of curvature 2 with its minimum at 1."""
    torch.manual_seed(0)
    flat = FlatWeights(nn.Linear(400, 1, bias=False))
    sampler, kept = FlatSGHMC(flat, 50, temperature, prior_sigma=0.5), []
    for number in range(4000):
        torch.sub(flat.values, 1, out=flat.gradient).mul_(2)
        step(sampler)
        if number >= 1000 and number % 20 == 0:
            kept.append(flat.values.clone())
    samples = torch.stack(kept)
    # The potential 50 (w - 1)^2 + w^2 / (2 * 0.25) has precision 2 * 50 + 4.
    precision = 2 * 50 + 4
    assert samples.mean() == pytest.approx(2 * 50 / precision, abs=0.003)
    assert samples.var() == pytest.approx(temperature / precision, rel=0.06)


def test_masses_do_not_change_the_distribution():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(300, 1, bias=False), nn.Linear(300, 1, bias=False))
    flat = FlatWeights(network)
    narrow, wide = (layer.weight for layer in network)
    sampler, kept = FlatSGHMC(flat, 50, 1.0, prior_sigma=1e6), []
    for number in range(3000):
        if number % 20 == 5:
            sampler.renew()
        narrow.grad.copy_(4 * narrow.detach())
        wide.grad.copy_(0.25 * wide.detach())
        step(sampler)
        if number >= 500 and number % 10 == 0:
            kept.append(torch.stack([narrow.detach().var(), wide.detach().var()]))
    variances = torch.stack(kept).mean(dim=0)
    assert_close(variances, torch.tensor([1 / (50 * 4), 1 / (50 * 0.25)]), rtol=0.1, atol=0)
    masses = [sampler.mass[:300], sampler.mass[320:620]]
    assert all(len(mass.unique()) == 1 for mass in masses)
    assert masses[0][0] > 2 * masses[1][0]
    assert masses[0][0] * masses[1][0] == pytest.approx(1, rel=1e-4)


def test_without_noise_it_is_sgd_with_momentum():
    torch.manual_seed(0)
    network = nn.Linear(20, 1, bias=False)
    w = nn.Parameter(network.weight.detach().clone())
    flat = FlatWeights(network)
    sampler = FlatSGHMC(flat, 100, temperature=0.0, prior_sigma=1e9)
    sgd = torch.optim.SGD([w], 0.02, momentum=BETA)
    for _ in range(30):
        for optimizer, weight in ((sampler, network.weight), (sgd, w)):
            weight.grad.zero_() if weight.grad is not None else None
            (weight.sin() * torch.arange(20)).mean().backward()
            step(sampler) if optimizer is sampler else sgd.step()
    assert_close(network.weight, w)
