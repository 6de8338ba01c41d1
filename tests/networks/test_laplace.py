"""Last-layer Laplace against the exact Hessian, closed forms and the optimum of the evidence."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from bnn_core.networks.methods.laplace import (
    LastLayer,
    best_prior_precision,
    fit_last_layer,
    with_bias,
)


@pytest.fixture
def problem():
    """Features (40, 4) with bias, weights of images, and a last layer (3, 4)."""
    generator = torch.Generator().manual_seed(0)
    features = with_bias(torch.randn(40, 3, generator=generator, dtype=torch.float64))
    mean = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    return features, torch.rand(40, generator=generator, dtype=torch.float64) + 0.5, mean


def loss_of(features, weights, targets):
    def loss(flat):
        logits = features @ flat.reshape(3, 4).T
        each = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        return (weights * each).sum()

    return loss


def curvature(found):
    right = found.right.double()
    return right @ torch.diag(found.values.double().flatten()) @ right.T


def test_the_curvature_is_the_exact_hessian_of_the_loss(problem):
    features, weights, mean = problem
    targets = torch.arange(40) % 3
    expected = torch.autograd.functional.hessian(
        loss_of(features, weights, targets), mean.flatten()
    )
    batches = [(features[:25], weights[:25]), (features[25:], weights[25:])]
    found = fit_last_layer(mean, batches)
    assert_close(curvature(found), expected, rtol=1e-4, atol=1e-4)


def test_the_kronecker_product_is_exact_where_all_images_are_predicted_alike(problem):
    features, weights, mean = problem
    mean = torch.zeros_like(mean)  # every softmax is uniform
    whole = fit_last_layer(mean, [(features, weights)])
    kron = fit_last_layer(mean, [(features, weights)], whole=0)
    left, right = kron.left.double(), kron.right.double()
    product = (
        torch.kron(left, right)
        @ torch.diag(kron.values.double().flatten())
        @ torch.kron(left, right).T
    )
    assert_close(product, curvature(whole), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("whole", [0, 100])
def test_drawn_layers_have_the_posteriors_covariance(problem, whole):
    features, weights, mean = problem
    found = fit_last_layer(mean, [(features, weights)], whole)
    basis = found.right if not found.left.numel() else torch.kron(found.left, found.right)
    precision = basis @ torch.diag(found.values.flatten() + found.prior_precision) @ basis.T
    drawn = found.draw(20_000, seed=1).flatten(1)
    expected = torch.linalg.inv(precision.double()).float()
    size = expected.diagonal().max()
    assert_close(torch.cov(drawn.T), expected, rtol=0, atol=0.05 * size.item())
    assert_close(
        drawn.mean(0), mean.float().flatten(), rtol=0, atol=5 * size.sqrt().item() / 20_000**0.5
    )
    assert_close(found.draw(3, seed=1), found.draw(7, seed=1)[:3])


def test_the_prior_precision_has_the_greatest_evidence(problem):
    features, weights, mean = problem
    found = fit_last_layer(mean, [(features, weights)])
    values = found.values.double().numpy()

    def log_evidence(d):
        return -0.5 * d * float((mean**2).sum()) - 0.5 * np.log1p(values / d).sum()

    best = found.prior_precision
    assert all(log_evidence(best) > log_evidence(best * f) for f in (0.5, 0.9, 1.1, 2.0))
    # One weight w with curvature h: d w^2 = h / (h + d).
    d = best_prior_precision(np.array([[3.0]]), np.array([[0.5]]))
    assert d * 0.25 == pytest.approx(3 / (3 + d))
    assert found.effective_weights == pytest.approx((values / (values + best)).sum())


@pytest.mark.parametrize(
    ("values", "mean"), [(np.zeros((2, 2)), np.ones((2, 2))), (np.ones((2, 2)), np.zeros((2, 2)))]
)
def test_what_nothing_is_known_of_has_the_unit_prior(values, mean):
    assert best_prior_precision(values, mean) == 1.0


def test_a_hard_prior_or_much_data_leaves_the_mean():
    mean = torch.randn(2, 3)
    sure = LastLayer(mean, torch.full((2, 3), 1e12), torch.empty(0), torch.eye(6), 1.0)
    assert_close(sure.draw(4, seed=0), mean.expand(4, 2, 3), atol=1e-4, rtol=0)
