"""Averaged weights: the result of a training, and BatchNorm's statistics for them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from bnn_core.networks.building import load_network, network_input
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import Training, TrainingSet, train, train_side_by_side

CONFIG = TrainConfig(bayesian=False, epochs=4, batch_size=16, validation=0.0, swa=0.5)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return TrainingSet(
        rng.integers(0, 256, (64, 1, 28, 28), dtype=np.uint8), rng.integers(0, 3, 64), 3
    )


def test_training_ends_with_the_mean_of_the_last_share_of_its_steps(tmp_path, data):
    training, kept = Training(tmp_path, CONFIG, data), []
    average = training.step.average
    step = average.step

    def keep(number):
        step(number)
        kept.append(training.network.head.weight.detach().clone())

    average.step = keep
    train_side_by_side([training])
    assert len(kept) == 16
    loaded, _ = load_network(tmp_path)
    assert_close(loaded.head.weight.detach(), torch.stack(kept[8:]).mean(dim=0))


def test_batchnorm_has_the_statistics_of_the_averaged_weights(tmp_path, data):
    rgb = replace(data, images=np.repeat(data.images, 3, axis=1))
    config = replace(CONFIG, network="mscnn", head_width=8, pathways=1)
    train(tmp_path, config, rgb)
    network, _ = load_network(tmp_path)
    first = network.pathways[0]
    with torch.no_grad():
        shown = first[1](first[0](network_input(rgb.images)))
    mean, variance = shown.mean(dim=(0, 2, 3)), shown.var(dim=(0, 2, 3))
    assert_close(first[2].running_mean, mean, rtol=0.05, atol=0.005)
    assert_close(first[2].running_var, variance, rtol=0.05, atol=0.005)
