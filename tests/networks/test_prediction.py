"""Prediction: the quick way against the slow plain way."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.testing import assert_close

from bnn_core.base.errors import InputError
from bnn_core.measures.uncertainty import moments
from bnn_core.networks.augmentation import symmetry
from bnn_core.networks.building import network_input, new_network
from bnn_core.networks.prediction import (
    BLOCK,
    Networks,
    concatenated,
    draw_networks,
    embed,
    posterior_mean,
    predict,
    predictive_samples,
    stack_networks,
)
from bnn_core.networks.settings import TrainConfig

SHAPE = (1, 28, 28)
CONFIG = TrainConfig(rho_init=-2.0)


@pytest.fixture(scope="module")
def bayesian():
    return new_network(CONFIG, 3, SHAPE).eval()


@pytest.fixture
def plain():
    return new_network(CONFIG, 3, SHAPE, bayesian=False).eval()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (23, *SHAPE), dtype=np.uint8)


def test_each_sample_is_one_network_applied_to_all_images(bayesian, plain, images):
    networks = draw_networks(bayesian, plain, 4, seed=7)
    samples = predictive_samples(networks, network_input(images))
    for t, weights in enumerate(networks):
        one = new_network(CONFIG, 3, SHAPE, bayesian=False).eval()
        one.load_state_dict(weights)
        assert_close(samples[t], one(network_input(images)).softmax(1), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 4, 23, 1000])
def test_batches_do_not_matter(bayesian, plain, images, batch_size):
    networks = draw_networks(bayesian, plain, 5, seed=0)
    whole = predictive_samples(networks, network_input(images)).numpy()
    kept = np.empty((23, 5, 3), np.float32)
    done = []
    m = predict(
        networks, images, network_input, samples=kept, batch_size=batch_size, progress=done.append
    )
    expected = moments(whole)
    assert_allclose(m.mean_p, expected.mean_p, atol=1e-5)
    assert_allclose(m.mean_p2, expected.mean_p2, atol=1e-5)
    assert_allclose(m.mean_entropy, expected.mean_entropy, atol=1e-5)
    assert_allclose(kept, whole.transpose(1, 0, 2), atol=1e-5)
    assert sum(done) == 23


def test_a_seed_means_the_same_networks_and_a_longer_draw_begins_with_them(bayesian, plain):
    short, long = (draw_networks(bayesian, plain, t, seed=3) for t in (2, 6))
    other = draw_networks(bayesian, plain, 2, seed=4)
    for name in short.weights:
        assert_close(short.weights[name], long.weights[name][:2], atol=0, rtol=0)
        assert not torch.equal(short.weights[name], other.weights[name])


def test_drawn_weights_have_the_posteriors_moments(bayesian, plain):
    networks = draw_networks(bayesian, plain, 300, seed=0)
    w = networks.weights["head.weight"]
    sigma = torch.nn.functional.softplus(torch.tensor(-2.0))
    assert_close(
        w.mean(0), bayesian.head.weight_mu.detach(), atol=5 * sigma.item() / 300**0.5, rtol=0
    )
    assert_close(w.std(0), sigma.expand_as(w[0]), rtol=0.25, atol=0)


def test_posterior_mean_is_the_evaluation_mode(bayesian, plain, images):
    networks = posterior_mean(bayesian, plain)
    x = network_input(images)
    assert networks.num_samples == 1
    assert_close(predictive_samples(networks, x)[0], bayesian(x).softmax(1).detach())
    layers = concatenated(embed(networks, images, network_input, 10))
    maps: list[torch.Tensor] = []
    assert_close(torch.from_numpy(layers.features), bayesian.features(x, maps.append).detach())
    assert_close(torch.from_numpy(layers.logits), bayesian(x).detach())
    second = maps[1].detach().numpy()  # 16 maps, after the 6 of the first convolution
    assert_allclose(layers.textures[:, 12:28], second.mean(axis=(2, 3)), atol=1e-5)
    assert_allclose(layers.textures[:, 28:44], second.std(axis=(2, 3)), atol=1e-5)
    assert layers.textures.shape == (len(images), 2 * (6 + 16 + 120))


def test_an_ensemble_is_its_members(plain, images):
    members = [new_network(TrainConfig(seed=s), 3, SHAPE, bayesian=False).eval() for s in range(3)]
    samples = predictive_samples(stack_networks(members, plain), network_input(images))
    for sample, member in zip(samples, members, strict=True):
        assert_close(
            sample, member(network_input(images)).softmax(1).detach(), atol=1e-6, rtol=1e-5
        )


def test_no_images_give_no_rows(bayesian, plain):
    m = predict(
        draw_networks(bayesian, plain, 2, 0), np.empty((0, *SHAPE), np.uint8), network_input
    )
    assert len(m.mean_p) == len(m.mean_entropy) == 0
    with pytest.raises(ValueError, match="batch_size"):
        predict(
            draw_networks(bayesian, plain, 2, 0), np.empty((0, *SHAPE)), network_input, batch_size=0
        )


@pytest.mark.parametrize("count", [1, 3])
def test_few_networks_are_averaged_over_the_symmetries(bayesian, plain, images, count):
    networks = draw_networks(bayesian, plain, count, seed=0)
    x = network_input(images)
    each = torch.stack([predictive_samples(networks, symmetry(x, k)) for k in range(8)])
    shown = predictive_samples(replace(networks, symmetries=8), x)
    assert shown.shape == (count, 23, 3)
    assert_close(shown, each.mean(dim=0), atol=1e-6, rtol=1e-5)
    # The prediction no longer depends on how the plate was turned.
    turned = predictive_samples(replace(networks, symmetries=8), x.transpose(2, 3).flip(2))
    assert_close(shown, turned, atol=1e-6, rtol=1e-5)


def test_of_many_networks_each_sees_one_symmetry(bayesian, plain, images):
    networks = draw_networks(bayesian, plain, 19, seed=0)
    x = network_input(images)
    shown = predictive_samples(replace(networks, symmetries=8), x)
    for t in (0, 5, 8, 18):
        alone = predictive_samples(networks, symmetry(x, t % 8))[t]
        assert_close(shown[t], alone, atol=1e-6, rtol=1e-5)


def test_weights_that_are_not_finite_are_refused(bayesian, plain, images):
    networks = draw_networks(bayesian, plain, 2, seed=0)
    networks.weights["head.bias"][0, 0] = float("nan")
    with pytest.raises(InputError, match="make the study again"):
        predict(networks, images[:3], network_input)


def test_torch_gets_whole_blocks_so_that_an_image_has_the_same_numbers_among_any(
    plain, images, monkeypatch
):
    sizes, real = [], type(plain).features
    monkeypatch.setattr(
        type(plain),
        "features",
        lambda body, x, *rest: sizes.append(len(x)) or real(body, x, *rest),
    )
    networks = posterior_mean(plain, plain)
    whole = concatenated(embed(networks, images, network_input))
    parts = concatenated(embed(networks, images, network_input, 5))
    for one, other in zip(whole, parts, strict=True):
        assert_allclose(one, other, rtol=1e-6, atol=1e-6)
    head = {name: w for name, w in networks.weights.items() if name.startswith("head.")}
    assert predictive_samples(Networks(plain, head), network_input(images[:3])).shape[1] == 3
    assert sizes and all(size % BLOCK == 0 for size in sizes)
