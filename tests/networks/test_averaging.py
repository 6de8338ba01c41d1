"""Averaged weights, the schedule that ends above zero, and BatchNorm settled for the average."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from bnn_core.networks import training
from bnn_core.networks.averaging import WeightAverage
from bnn_core.networks.building import load_network, new_network, prepare
from bnn_core.networks.schedules import AVERAGED_RATE, averaged_one_cycle_factor, cyclical_factor
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet, train

CONFIG = TrainConfig(bayesian=False, epochs=4, batch_size=16, validation=0.0, swa=0.5)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return TrainingSet(
        rng.integers(0, 256, (64, 1, 28, 28), dtype=np.uint8), rng.integers(0, 3, 64), 3
    )


def test_the_average_is_the_plain_mean_from_its_first_step_on():
    network = nn.Linear(3, 2)
    average, kept = WeightAverage(network, first=2), []
    for step in range(6):
        for p in network.parameters():
            p.data.normal_()
        average.update(network, step)
        kept.append(network.weight.detach().clone())
    average.apply(network)
    assert_close(network.weight.detach(), torch.stack(kept[2:]).mean(dim=0))


def test_the_rate_falls_to_its_last_value_and_stays():
    factors = [averaged_one_cycle_factor(t, 1000, 0.4) for t in range(1000)]
    assert factors[0] == pytest.approx(0.04, abs=1e-6)
    assert max(factors) == factors[300] == 1
    assert factors[450] == pytest.approx((1 + AVERAGED_RATE) / 2, abs=1e-6)
    assert set(factors[600:]) == {AVERAGED_RATE}
    # An average over all steps has no room for a cycle.
    assert averaged_one_cycle_factor(500, 1000, 1.0) == AVERAGED_RATE


def test_the_cycles_of_a_sampler():
    factors = np.array([cyclical_factor(t, 300, 3) for t in range(300)])
    assert (factors[[0, 100, 200]] == 1).all()
    assert factors[[99, 199, 299]] == pytest.approx(0, abs=1e-3)
    assert factors[[50, 150, 250]] == pytest.approx(0.5)


def test_training_averages_the_last_share_of_its_steps(tmp_path, data):
    run = training._Run(tmp_path, CONFIG, data, new_network(CONFIG, 3, (1, 28, 28)), "cpu")
    assert run.average.first == 8  # of 4 epochs of 4 steps
    kept, update = [], run.average.update
    run.average.update = lambda *a: (update(*a), kept.append(head(run.network)))[0]
    rates = []
    for _ in range(4):
        run.train_epoch()
        rates.append(run.optimizer.param_groups[0]["lr"])
    run.finish()
    assert_close(head(run.network), torch.stack(kept[8:]).mean(dim=0))
    assert rates[-1] == pytest.approx(AVERAGED_RATE * CONFIG.learning_rate)
    assert run.optimizer.param_groups[0]["betas"][0] == pytest.approx(0.95 - 0.1 * AVERAGED_RATE)


def head(network):
    return network.head.weight.detach().clone()


def test_batchnorm_has_the_statistics_of_the_averaged_weights(tmp_path, data):
    rgb = replace(data, images=np.repeat(data.images, 3, axis=1))
    config = replace(CONFIG, network="mscnn", head_width=8, pathways=1)
    train(tmp_path, config, rgb)
    network, _ = load_network(tmp_path)
    first = network.pathways[0]
    with torch.no_grad():
        shown = first[1](first[0](prepare(rgb.images)))
    mean, variance = shown.mean(dim=(0, 2, 3)), shown.var(dim=(0, 2, 3))
    assert_close(first[2].running_mean, mean, rtol=0.05, atol=0.005)
    assert_close(first[2].running_var, variance, rtol=0.05, atol=0.005)
