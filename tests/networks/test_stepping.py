"""A training step against autograd and torch's optimisers, which it stands in for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Normal
from torch.testing import assert_close

from bnn_core.networks import noise
from bnn_core.networks.building import network_input, new_network
from bnn_core.networks.flat import FlatAdam, FlatAverage, FlatWeights
from bnn_core.networks.layers import bayes_layers
from bnn_core.networks.priors import kl_divergence
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.stepping import TrainingStep, cross_entropy, label_margin

CELLS = {"network": "mscnn", "pathways": 2, "head_width": 8}
SHAPES = {"lenet5": (1, 28, 28), "mscnn": (3, 16, 16)}


def batch(config, size=6):
    torch.manual_seed(1)
    shape = SHAPES[config.network]
    return torch.randint(256, (size, *shape), dtype=torch.uint8), torch.randint(3, (size,))


def test_cross_entropy_by_hand():
    logits = torch.tensor([[0.0, 0.0], [np.log(3.0), 0.0]])
    targets = torch.tensor([0, 0])
    nll = (np.log(2) + np.log(4 / 3)) / 2
    assert_close(cross_entropy(logits, targets).item(), nll)
    assert_close(cross_entropy(logits, targets, torch.tensor([2.0, 0.5])).item(), 2 * nll)


def test_label_margin_by_hand():
    logits = torch.tensor([[2.0, -1.0, 0.5], [2.0, -1.0, 0.5], [-3.0, -4.0, -5.0]])
    assert label_margin(logits, torch.tensor([0, 2, 1])).tolist() == [1.5, -1.5, -1.0]


@pytest.mark.parametrize("body", [{}, CELLS], ids=["lenet5", "mscnn"])
@pytest.mark.parametrize("prior", ["gaussian", "mixture"])
@pytest.mark.parametrize("estimator", ["local", "weights"])
def test_gradient_is_autograds(body, prior, estimator, monkeypatch):
    """Without noise, or with all noise equal to 1/2, both ways must agree weight by weight."""
    monkeypatch.setattr(noise, "normal_like", lambda x, std=1.0: torch.full_like(x, 0.5 * std))
    config = TrainConfig(prior=prior, estimator=estimator, kl_weight=0.7, **body)
    shape = SHAPES[config.network]
    images, targets = batch(config)
    plain = new_network(config, 3, shape).train()
    loss = cross_entropy(plain(network_input(images)), targets)
    (loss + 0.7 * kl_divergence(plain, config.make_prior()) / 50).backward()
    network = new_network(config, 3, shape).train()
    step = TrainingStep(network, config, 50, 1, None, "cpu")
    step.begin_epoch(np.array([[1e-3, 0.9, 1.0]]), 0, seed=0)
    step(images, targets)
    for (name, ours), theirs in zip(network.named_parameters(), plain.parameters(), strict=True):
        assert_close(
            ours.grad, theirs.grad, rtol=1e-4, atol=2e-6, msg=lambda m, n=name: f"{n}: {m}"
        )
    sums, failed = step.epoch_sums()
    assert not failed
    assert sums["nll"] == pytest.approx(6 * loss.item(), rel=1e-5)
    assert sums["kl"] == pytest.approx(
        6 * kl_divergence(plain, config.make_prior()).item(), rel=1e-5
    )


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("bayesian", [True, False])
def test_flat_adam_is_torchs(optimizer, bayesian):
    config = TrainConfig(bayesian=bayesian, **CELLS)
    network, twin = (new_network(config, 3, (3, 16, 16)) for _ in range(2))
    flat = FlatWeights(network)
    ours = FlatAdam(flat, 0.1, decoupled=optimizer is torch.optim.AdamW)
    groups = [
        {
            "params": [p for n, p in twin.named_parameters() if n.endswith("rho") == rho],
            "weight_decay": 0.0 if rho else 0.1,
        }
        for rho in (False, True)
    ]
    theirs = optimizer([g for g in groups if g["params"]], lr=1.0)
    torch.manual_seed(0)
    for number in range(1, 6):
        rate, momentum = 10.0**-number, 0.95 - 0.02 * number
        for group in theirs.param_groups:
            group["lr"], group["betas"] = rate, (momentum, 0.999)
        for p, q in zip(network.parameters(), twin.parameters(), strict=True):
            q.grad = torch.randn_like(q)
            p.grad.copy_(q.grad)
        theirs.step()
        ours.step(torch.tensor(ours.numbers(np.array([[rate, momentum]]), number - 1)[0]))
    assert_close(dict(network.state_dict()), dict(twin.state_dict()), rtol=1e-5, atol=1e-7)


def test_rho_may_have_another_learning_rate():
    network = new_network(TrainConfig(**CELLS), 3, (3, 16, 16))
    flat = FlatWeights(network)
    flat.values.zero_()
    flat.gradient.normal_()
    adam = FlatAdam(flat, 0.0, decoupled=False, rho_factor=10.0)
    adam.step(torch.tensor(adam.numbers(np.array([[0.01, 0.9]]), 0)[0]))
    # Adam's first step is the learning rate against the gradient's sign.
    assert_close(flat.mu, -0.01 * flat.mu_gradient.sign(), rtol=1e-3, atol=0)
    assert_close(flat.rho, -0.1 * flat.rho_gradient.sign(), rtol=1e-3, atol=0)


def test_the_average_is_the_plain_mean_from_its_first_step_on():
    flat = FlatWeights(torch.nn.Linear(3, 2))
    average, kept = FlatAverage(flat, first=2), []
    for weight in average.numbers(0, 6):
        flat.values.normal_()
        kept.append(flat.values.clone())
        average.step(torch.tensor(weight))
    average.apply()
    assert_close(flat.values, torch.stack(kept[2:]).mean(dim=0))


@pytest.mark.parametrize("centre", ["zero", "start"])
def test_gradient_under_a_placed_prior_and_a_rising_kl_is_autograds(centre, monkeypatch):
    monkeypatch.setattr(noise, "normal_like", lambda x, std=1.0: torch.full_like(x, 0.5 * std))
    config = TrainConfig(
        prior="gaussian", prior_sigma1=2.0, prior_scale="layer", prior_centre=centre,
        estimator="weights", kl_weight=0.7, kl_warmup=0.5, **CELLS,
    )  # fmt: skip
    images, targets = batch(config)
    plain = new_network(config, 3, (3, 16, 16)).train()
    kl = 0.0
    for layer in bayes_layers(plain):
        scale = layer.weight_mu.detach().square().mean().sqrt()
        for mu, rho in ((layer.weight_mu, layer.weight_rho), (layer.bias_mu, layer.bias_rho)):
            prior = Normal(mu.detach() * (centre == "start"), 2 * scale)
            kl = kl + torch.distributions.kl_divergence(Normal(mu, F.softplus(rho)), prior).sum()
    (cross_entropy(plain(network_input(images)), targets) + 0.25 * 0.7 * kl / 50).backward()
    network = new_network(config, 3, (3, 16, 16)).train()
    step = TrainingStep(network, config, 50, 1, None, "cpu")
    step.begin_epoch(np.array([[1e-3, 0.9, 0.25]]), 0, seed=0)
    step(images, targets)
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=2e-6)
    assert step.epoch_sums()[0]["kl"] == pytest.approx(6 * float(kl.detach()), rel=1e-4)


def test_parameters_are_views_of_one_tensor():
    network = new_network(TrainConfig(**CELLS), 3, (3, 16, 16))
    before = {k: v.clone() for k, v in network.state_dict().items()}
    flat = FlatWeights(network)
    assert_close(dict(network.state_dict()), before, atol=0, rtol=0)
    assert all(p.data_ptr() % 256 == flat.values.data_ptr() % 256 for p in network.parameters())
    assert flat.counts.sum() == sum(
        p.numel() for n, p in network.named_parameters() if n.endswith("mu")
    )
    flat.rho.fill_(7.0)
    rhos = [p for n, p in network.named_parameters() if n.endswith("rho")]
    assert all((p == 7).all() for p in rhos)
    flat.mu.fill_(5.0)
    means = [p for n, p in network.named_parameters() if n.endswith("mu")]
    assert all((p == 5).all() for p in means) and len(means) == len(rhos)


def test_a_step_draws_from_its_generator_alone():
    config = TrainConfig(augmentation="dihedral-shift")
    images, targets = batch(config)
    ends = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(ends))
        network = new_network(config, 3, (1, 28, 28))
        step = TrainingStep(network, config, 50, 1, None, "cpu")
        step.begin_epoch(np.array([[1e-3, 0.9, 1.0]]), 0, seed)
        step(images, targets)
        ends.append(step.flat.values)
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])
