"""Settled BatchNorm statistics against closed forms."""

import torch
from torch import nn
from torch.testing import assert_close

from bnn_core.networks.batchnorm import settle_batchnorm
from bnn_core.networks.bodies import LayerKind
from bnn_core.networks.layers import BayesLinear, set_estimator
from bnn_core.networks.mscnn import MultiScaleCNN


def test_mean_over_batches_forgets_what_was_there():
    norm = nn.BatchNorm1d(2)
    norm.running_mean.fill_(100.0)
    batches = [torch.tensor([[0.0, 1.0], [2.0, 3.0]]), torch.tensor([[4.0, 5.0], [8.0, 9.0]])]
    settle_batchnorm(norm, batches)
    assert_close(norm.running_mean, torch.tensor([(1 + 6) / 2, (2 + 7) / 2]))
    assert_close(norm.running_var, torch.tensor([(2 + 8) / 2, (2 + 8) / 2]))
    assert norm.momentum == 0.1 and norm.training


def test_variance_under_drawn_weights():
    """z = w x, w ~ N(mu, sigma²), x of variance 4: the batch variance is w² 4, on average
    4 (mu² + sigma²)."""
    torch.manual_seed(0)
    linear = BayesLinear(1, 1, bias=False)
    with torch.no_grad():
        linear.weight_mu.fill_(0.5)
        linear.weight_rho.fill_(1.0)
    set_estimator(linear, "weights")
    sigma = nn.functional.softplus(torch.tensor(1.0)).item()
    network = nn.Sequential(linear, nn.BatchNorm1d(1)).eval()
    x = 2 * torch.randn(1000, 1)
    settle_batchnorm(network, (x for _ in range(3000)))
    expected = x.var().item() * (0.5**2 + sigma**2)
    assert_close(network[1].running_var.item(), expected, rtol=0.1, atol=0)
    assert not network.training


def test_nothing_else_changes():
    network = MultiScaleCNN(LayerKind(True), 3, 2, (16, 16), head_width=8)
    before = {
        k: v.clone()
        for k, v in network.state_dict().items()
        if "running" not in k and "tracked" not in k
    }
    settle_batchnorm(network, [torch.rand(4, 3, 16, 16)])
    for name, value in before.items():
        assert torch.equal(value, network.state_dict()[name]), name
