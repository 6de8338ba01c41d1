"""SGHMC draws from a posterior that is known in closed form, and without noise it is SGD."""

import pytest
import torch
from torch.testing import assert_close

from bnn_core.networks.sghmc import MOMENTUM, SGHMC


def chains(temperature, steps=4000, n=50, prior_sigma=0.5, count=400):
    """Samples of `count` independent weights under a quadratic loss of curvature 2 and minimum 1."""
    torch.manual_seed(0)
    w = torch.nn.Parameter(torch.zeros(count))
    sampler = SGHMC([w], 0.02, n, temperature, prior_sigma, precondition=False)
    kept = []
    for step in range(steps):
        w.grad = 2 * (w.detach() - 1)
        sampler.step()
        if step >= steps // 4 and step % 20 == 0:
            kept.append(w.detach().clone())
    return torch.stack(kept)


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_draws_from_the_posterior_of_a_gaussian(temperature):
    samples = chains(temperature)
    # The potential N * (w - 1)^2 + w^2 / (2 * 0.25) has precision 2 N + 4 and its minimum there.
    precision = 2 * 50 + 4
    assert samples.mean() == pytest.approx(2 * 50 / precision, abs=0.003)
    assert samples.var() == pytest.approx(temperature / precision, rel=0.06)


def test_masses_do_not_change_the_distribution():
    torch.manual_seed(0)
    narrow = torch.nn.Parameter(torch.zeros(300))
    wide = torch.nn.Parameter(torch.zeros(300))
    sampler = SGHMC([narrow, wide], 0.02, 50, 1.0, prior_sigma=1e6)
    kept = []
    for step in range(3000):
        # Batches add noise to the gradient, as they do in training; it is small here.
        narrow.grad = 4 * narrow.detach() + 0.01 * torch.randn(300)
        wide.grad = 0.25 * wide.detach() + 0.01 * torch.randn(300)
        sampler.step()
        if step >= 500 and step % 10 == 0:
            kept.append(torch.stack([narrow.detach().var(), wide.detach().var()]))
    variances = torch.stack(kept).mean(dim=0)
    assert_close(variances, torch.tensor([1 / (50 * 4), 1 / (50 * 0.25)]), rtol=0.1, atol=0)
    masses = torch.stack([sampler.state[p]["mass"] for p in (narrow, wide)])
    assert masses[0] > 2 * masses[1]
    assert_close(masses.log().mean(), torch.tensor(0.0), atol=1e-5, rtol=0)


def test_without_noise_it_is_sgd_with_momentum():
    torch.manual_seed(0)
    start = torch.randn(20)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    sampler = SGHMC([ours], 0.05, 100, temperature=0.0, prior_sigma=1e9, precondition=False)
    sgd = torch.optim.SGD([theirs], 0.05, momentum=MOMENTUM)
    for _ in range(30):
        for w, optimizer in ((ours, sampler), (theirs, sgd)):
            optimizer.zero_grad()
            (w.sin() * torch.arange(20)).mean().backward()
            optimizer.step()
    assert_close(ours, theirs)
