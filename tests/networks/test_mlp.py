"""The perceptron for measured features: its scaling is that of the training rows alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from bnn_core.networks.bodies import build_network
from bnn_core.networks.mlp import LARGEST, MLP, FeatureScaling
from bnn_core.networks.prediction import draw_networks, fastest_sampler, one_by_one, stack_networks
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet, train


def fitted(values, rows, targets=None, whiten=0.0):
    scaling = FeatureScaling(values.shape[1], whiten)
    scaling.fit(values, rows, np.zeros(len(values), int) if targets is None else targets)
    return scaling


def test_scaling_is_that_of_the_training_rows():
    rng = np.random.default_rng(0)
    values = rng.normal(50, [1, 200, 3e-6], (40, 3)).astype(np.float32)
    rows = np.arange(0, 40, 2)
    part = values[rows].astype(np.float64)
    scaled = fitted(values, rows)(torch.from_numpy(values)).numpy()
    expected = (values - part.mean(axis=0)) / part.std(axis=0)
    # The last feature varies by less than the rounding of float32: it is constant.
    np.testing.assert_allclose(scaled[:, :2], expected[:, :2].clip(-10, 10), atol=2e-4)
    assert (scaled[:, 2] == 0).all()
    other = values.copy()
    other[1::2] = 1e9
    assert_close(fitted(other, rows).state_dict(), fitted(values, rows).state_dict())


def test_gaps_become_the_median_of_the_training_rows():
    values = np.array([[1, 5], [2, np.nan], [9, 5], [np.nan, 7], [100, np.nan]], np.float32)
    rows = np.array([0, 1, 2, 3])
    scaling = fitted(values, rows)
    assert scaling.fill.tolist() == [2, 5]
    filled = np.array([1, 2, 9, 2.0])
    assert_close(float(scaling.centre[0]), filled.mean())
    out = scaling(torch.from_numpy(values))
    assert_close(float(out[3, 0]), (2 - filled.mean()) / filled.std(), atol=1e-6, rtol=0)
    assert float(out[4, 0]) == LARGEST
    # Nothing known of a feature, or nothing that varies: no signal, whatever is predicted later.
    flat = fitted(np.array([[np.nan, 3], [np.nan, 3], [4, 8]], np.float32), np.array([0, 1]))
    assert flat(torch.tensor([[4.0, 8.0]])).tolist() == [[0, 0]]


def test_the_network_is_the_textbook_function():
    torch.manual_seed(0)
    network = MLP(torch.nn.Linear, 5, 3, hidden=4)
    x = torch.randn(7, 1, 1, 5)
    h = F.relu(F.linear(x.reshape(7, 5), *network.hidden.parameters()))
    assert_close(network.features(x), h)
    assert_close(network(x), F.linear(h, *network.head.parameters()))


def test_training_fits_the_scaling_without_the_validation_rows(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.normal(7, 3, (60, 1, 1, 4)).astype(np.float32)
    groups = np.repeat(np.arange(6), 10)
    data = TrainingSet(values, np.arange(60) % 2, 2, groups=groups)
    config = TrainConfig(
        network="mlp", intensity="as-is", bayesian=False, epochs=1, hidden=3, validation=0.5
    )
    network = train(tmp_path, config, data)
    means = network.scaling.centre.numpy()
    halves = [values[np.isin(groups, held)].mean(axis=(0, 1, 2)) for held in _halves()]
    assert sum(np.allclose(means, half, atol=1e-5) for half in halves) == 1


def _halves():
    from itertools import combinations

    return combinations(range(6), 3)


def test_whitening_is_the_inverse_square_root_of_the_covariance_within_classes(monkeypatch):
    monkeypatch.setattr("bnn_core.networks.mlp._AT_A_TIME", 70)  # several parts
    rng = np.random.default_rng(2)
    targets = np.arange(90) % 3
    values = (
        rng.normal(size=(90, 5)) @ rng.normal(size=(5, 5)) + 3 * rng.normal(size=(3, 5))[targets]
    )
    values = values.astype(np.float32)
    rows = np.arange(60)
    out = fitted(values, rows, targets, whiten=0.5)(torch.from_numpy(values)).numpy()
    x = fitted(values, rows)(torch.from_numpy(values)).double().numpy()
    away = (
        x[rows]
        - np.stack([x[rows][targets[rows] == c].mean(axis=0) for c in range(3)])[targets[rows]]
    )
    covariance = away.T @ away / 60
    variances, axes = np.linalg.eigh(covariance + 0.5 * np.trace(covariance) / 5 * np.eye(5))
    expected = x @ axes @ np.diag(variances**-0.5) @ axes.T
    expected /= np.sqrt((expected[rows] ** 2).mean())
    np.testing.assert_allclose(out, expected, atol=1e-4)
    # With fewer directions the weak ones share their mean variance.
    monkeypatch.setattr("bnn_core.networks.mlp.WHITENING_COMPONENTS", 2)
    few = fitted(values, rows, targets, whiten=0.5)
    shared = np.linalg.eigvalsh(covariance)
    shared[:3] = shared[:3].mean()
    _, axes = np.linalg.eigh(covariance)
    spread = (shared + 0.5 * shared.mean()) ** -0.5
    expected = x @ axes @ np.diag(spread) @ axes.T
    expected /= np.sqrt((expected[rows] ** 2).mean())
    np.testing.assert_allclose(few(torch.from_numpy(values)).numpy(), expected, atol=1e-4)


def test_rows_of_one_length_keep_their_direction():
    values = np.random.default_rng(5).normal(size=(30, 6)).astype(np.float32)
    plain = fitted(values, np.arange(30), np.arange(30) % 3, whiten=0.5)
    unit = FeatureScaling(6, 0.5, unit=True)
    unit.load_state_dict(plain.state_dict())
    x, out = plain(torch.from_numpy(values)), unit(torch.from_numpy(values))
    assert_close(out.square().mean(dim=1), torch.ones(30))
    assert_close(F.cosine_similarity(x, out), torch.ones(30))
    assert unit(torch.from_numpy(values[:1] * 0) + unit.centre).isfinite().all()


@pytest.mark.parametrize("row_scale", ["kept", "unit"])
def test_all_drawn_networks_at_once_are_the_networks_one_by_one(row_scale):
    torch.manual_seed(3)
    shape = {"in_channels": 1, "num_classes": 3, "image_size": (1, 6), "hidden": 4}
    bodies = [
        build_network("mlp", bayesian=b, whiten=1.0, row_scale=row_scale, **shape)
        for b in (True, False)
    ]
    values = np.random.default_rng(4).normal(size=(20, 1, 1, 6)).astype(np.float32)
    bodies[0].fit_scaling(values, np.arange(20), np.arange(20) % 3)
    drawn = draw_networks(*bodies, num_samples=5, seed=1)
    x = torch.from_numpy(values)
    assert_close(fastest_sampler(drawn)(x), one_by_one(drawn, x), atol=1e-5, rtol=1e-5)
    # Members of an ensemble have a scaling each.
    bodies[1].fit_scaling(values, np.arange(9), np.arange(20) % 3)
    members = stack_networks([posterior_member(bodies, k) for k in (0, 1)], bodies[1])
    assert_close(fastest_sampler(members)(x), one_by_one(members, x))


def posterior_member(bodies, k):
    from copy import deepcopy

    member = deepcopy(bodies[1])
    member.scaling.load_state_dict(bodies[k].scaling.state_dict())
    return member
