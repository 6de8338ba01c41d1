"""VI's loss against posteriors, the Laplace approximation against laplace-torch, where installed."""

import math
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from prior_densities import log_density
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from bnn_core.networks.methods.laplace import fit_last_layer, with_bias
from bnn_core.networks.priors import GaussianPrior, MixturePrior


def library(name):
    """A library, or a skipped test; what it warns of at import is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed", exc_type=ImportError)


@pytest.fixture
def regression():
    """Features (60, 3), classes (60,) and a softmax regression (3 classes) trained on them."""
    torch.manual_seed(3)
    x = torch.randn(60, 3)
    y = (x @ torch.randn(3, 3) + torch.randn(60, 3)).argmax(1)
    network = torch.nn.Linear(3, 3)
    optimiser = torch.optim.LBFGS(network.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        penalty = sum(p.square().sum() for p in network.parameters())
        value = F.cross_entropy(network(x), y, reduction="sum") + 0.5 * penalty
        value.backward()
        return value

    optimiser.step(loss)
    return x, y, network


@pytest.mark.parametrize("prior", [GaussianPrior(0.7), MixturePrior(0.4, 1.0, math.exp(-2))])
def test_the_loss_of_vi_equals_that_of_posteriors(regression, prior):
    vi = library("posteriors.vi.diag")
    x, y, network = regression
    mean = torch.cat([p.detach().flatten() for p in network.parameters()])
    sd = torch.rand(12) * 0.3 + 0.05
    draws = 20_000

    def log_likelihood(w, batch):
        logits = batch[0] @ w[:9].reshape(3, 3).T + w[9:]
        return -F.cross_entropy(logits, batch[1], reduction="sum")

    def log_posterior(w, batch):
        return log_likelihood(w, batch) + log_density(prior, w).sum(), torch.zeros(())

    def gradients(loss, *by):
        return [float(loss.detach()), *torch.cat(torch.autograd.grad(loss, by)).tolist()]

    torch.manual_seed(0)
    theirs_mean, theirs_sd = mean.clone().requires_grad_(), sd.clone().requires_grad_()
    loss, _ = vi.nelbo(theirs_mean, theirs_sd, (x, y), log_posterior, n_samples=draws, stl=False)
    theirs = gradients(loss, theirs_mean, theirs_sd)

    torch.manual_seed(1)  # other draws: equal up to the error of both means
    eps = torch.randn(draws, 12)
    nll = -torch.func.vmap(log_likelihood, (0, None))(mean + sd * eps, (x, y))
    kl, by_mean, by_sd = prior.kl_and_gradient(mean.expand(draws, -1), sd.expand(draws, -1), eps)
    slopes = torch.func.vmap(torch.func.grad(log_likelihood), (0, None))(mean + sd * eps, (x, y))
    ours = torch.cat(
        [(nll + kl.sum(1))[:, None], by_mean - slopes, by_sd - slopes * eps], dim=1
    ).double()
    error = ours.std(0) / math.sqrt(draws)
    assert_allclose(theirs, ours.mean(0), atol=float(6 * error.max()), rtol=0)
    assert float(error.max()) < 0.2 and abs(theirs[0]) > 10


def test_the_laplace_approximation_equals_that_of_laplace_torch(regression):
    library("laplace")
    from laplace import Laplace

    x, y, network = regression
    mean = torch.cat([network.weight, network.bias[:, None]], dim=1).detach()
    ours = fit_last_layer(mean, [(with_bias(x), torch.ones(60))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Laplace(
            network, "classification", subset_of_weights="all", hessian_structure="full"
        )
        theirs.fit(DataLoader(TensorDataset(x, y), batch_size=25))
        eigenvalues = torch.linalg.eigvalsh(theirs.H).numpy()
        evidence = [
            float(theirs.log_marginal_likelihood(torch.tensor(ours.prior_precision * factor)))
            for factor in (0.9, 1.0, 1.1)
        ]
        theirs.prior_precision = ours.prior_precision
        covariance = theirs.posterior_covariance.detach().numpy()
    assert_allclose(
        np.sort(ours.values.numpy().ravel()), eigenvalues, atol=2e-4 * eigenvalues.max()
    )
    # The prior's precision is the one of greatest evidence, and the spread of the draws is theirs.
    assert evidence[1] > max(evidence[0], evidence[2])
    drawn = ours.draw(40_000, seed=0).numpy()
    of_theirs = [3 * c + d if d < 3 else 9 + c for c in range(3) for d in range(4)]
    assert_allclose(
        np.cov(drawn.reshape(-1, 12).T),
        covariance[np.ix_(of_theirs, of_theirs)],
        atol=0.05 * np.abs(covariance).max(),
    )
