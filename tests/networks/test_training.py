"""Training: the objective by hand, resuming to the same bits, clear stops."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch.testing import assert_close

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json
from bnn_core.networks import precision, training
from bnn_core.networks.building import load_network, network_input, new_network
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.stepping import label_margin
from bnn_core.networks.training import (
    MARGINS,
    Training,
    TrainingSet,
    split_validation,
    train,
    train_side_by_side,
)
from bnn_core.recipes.method_choice import choose_methods, with_precision
from bnn_core.recipes.plate_presets import PLATE_PRESETS
from bnn_core.recipes.screens import DEMO_PRESETS

CONFIG = TrainConfig(epochs=3, batch_size=16, validation=0.25)


@pytest.fixture(scope="module")
def data():
    """64 images, bright at the top or at the bottom: learnt in a few steps."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 64)
    images = rng.integers(0, 60, (64, 1, 28, 28), dtype=np.uint8)
    for image, target in zip(images, targets, strict=True):
        image[0, :14] += np.uint8(150 * target)
        image[0, 14:] += np.uint8(150 * (1 - target))
    return TrainingSet(images, targets, 2)


def test_learns_and_leaves_its_files(tmp_path, data):
    config = replace(CONFIG, epochs=12, kl_weight=0.01)
    seen = []
    train(tmp_path, config, data, progress=lambda epoch, row: seen.append(epoch))
    history = pd.read_csv(tmp_path / "history.csv")
    assert seen == list(history["epoch"]) == list(range(1, 13))
    assert history["validation_accuracy"].iloc[-1] == 1.0
    assert history["kl"].iloc[-1] > 0
    network, loaded = load_network(tmp_path)
    assert loaded == config
    assert not (tmp_path / "training.pt").exists()
    x = network_input(data.images)
    assert (network(x).argmax(1).numpy() == data.targets).mean() > 0.95


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bayesian": False, "schedule": "step", "step_epoch": 2},
        {"augmentation": "shift", "estimator": "weights"},
        {"swa": 0.7, "prior_scale": "layer", "prior_centre": "start", "sigma_init": 0.3},
        {"bayesian": False, "optimizer": "sghmc", "schedule": "cyclical", "cycles": 1},
    ],
)
def test_killed_and_resumed_equals_uninterrupted(tmp_path, data, changes):
    config = replace(CONFIG, **changes)
    whole = train(tmp_path / "whole", config, data)

    class Killed(Exception):
        pass

    def kill_after_two(epoch, row):
        if epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        train(tmp_path / "killed", config, data, progress=kill_after_two)
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    torch.manual_seed(123)  # the state of the world between the runs must not matter
    resumed = train(tmp_path / "killed", config, data)
    for ours, theirs in zip(
        resumed.state_dict().values(), whole.state_dict().values(), strict=True
    ):
        assert_close(ours, theirs, atol=0, rtol=0)
    for name in ("history.csv", MARGINS):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_margins_are_those_of_a_network_that_does_not_change(tmp_path, data):
    """Without learning each epoch gives the same margins; validation images have none."""
    config = replace(CONFIG, epochs=5, bayesian=False, learning_rate=1e-30, batch_size=7)
    network = train(tmp_path, config, data)
    margins = np.load(tmp_path / MARGINS)
    assert margins.shape == (64,) and np.isnan(margins).sum() == 16
    own = label_margin(network(network_input(data.images)).detach(), torch.as_tensor(data.targets))
    known = ~np.isnan(margins)
    np.testing.assert_allclose(margins[known], own.numpy()[known], rtol=1e-3, atol=1e-4)


def test_margins_are_means_over_all_epochs(tmp_path, data):
    run = Training(tmp_path, replace(CONFIG, epochs=3, bayesian=False), data)
    sums = torch.zeros(64)
    while not run.finished:
        for _ in run.steps():
            pass
        run.end_epoch()
        sums[run.order] += run.step.margins
    trained = run.rows
    assert_close(torch.as_tensor(run.mean_margins()[trained]), sums[trained] / 3)


def test_wrong_labels_have_small_margins(tmp_path, data):
    wrong = np.arange(64) % 9 == 0
    flipped = replace(data, targets=np.where(wrong, 1 - data.targets, data.targets))
    train(tmp_path, replace(CONFIG, epochs=12, bayesian=False, validation=0.0), flipped)
    margins = np.load(tmp_path / MARGINS)
    assert margins[wrong].max() < np.quantile(margins[~wrong], 0.05)


def test_bfloat16_learns_the_same_with_weights_in_float32(tmp_path, data):
    config = replace(CONFIG, epochs=12, kl_weight=0.01)
    half = train(tmp_path / "half", replace(config, precision="bfloat16"), data)
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    full = train(tmp_path / "full", config, data)
    told = [pd.read_csv(tmp_path / name / "history.csv").iloc[-1] for name in ("half", "full")]
    assert told[0]["accuracy"] == told[1]["accuracy"] == 1
    assert told[0]["nll"] == pytest.approx(told[1]["nll"], abs=0.02)
    # The arithmetic differs, except on a processor without bfloat16, which computes in float32.
    same = torch.equal(half.conv1.weight_mu, full.conv1.weight_mu)
    assert same != precision._has_bfloat16("cpu")


@pytest.mark.parametrize(("has", "used"), [(True, "bfloat16"), (False, "float32")])
def test_the_precision_of_cells_is_decided_once_by_the_processor(monkeypatch, tmp_path, has, used):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda kind: has)
    for presets, expected in ((PLATE_PRESETS, used), (DEMO_PRESETS, "float32")):
        choice = with_precision(choose_methods(presets, device="cpu"), tmp_path / "new")
        configs = choice.configs
        assert {config.precision for config in configs.values()} == {expected}
    assert precision.autocast("cpu", "auto")._enabled is has
    assert precision.usable_precision("float32", "cpu") == "float32"


def test_a_run_of_an_older_version_goes_on(tmp_path, data, monkeypatch):
    class Killed(Exception):
        pass

    def kill(epoch, row):
        raise Killed

    with pytest.raises(Killed):
        train(tmp_path, CONFIG, data, progress=kill)
    state = torch.load(tmp_path / "training.pt", weights_only=True)
    del state["config"]["precision"]
    torch.save(state, tmp_path / "training.pt")
    with pytest.raises(InputError, match="other settings"):
        train(tmp_path, replace(CONFIG, precision="bfloat16"), data)
    seen = []
    train(tmp_path, CONFIG, data, progress=lambda epoch, row: seen.append(epoch))
    assert seen == [2, 3]


def test_a_finished_training_is_loaded_not_repeated(tmp_path, data):
    first = train(tmp_path, CONFIG, data)
    again = train(tmp_path, CONFIG, data, progress=lambda *_: pytest.fail("trained again"))
    assert_close(dict(again.state_dict()), dict(first.state_dict()), atol=0, rtol=0)
    with pytest.raises(InputError, match="another epochs"):
        train(tmp_path, replace(CONFIG, epochs=4), data)


def test_rho_has_a_separate_learning_rate_and_sigma_changes(tmp_path, data):
    config = replace(
        CONFIG, epochs=4, learning_rate=1e-3, rho_learning_rate=0.1, sigma_init=0.5, kl_weight=0.1,
        prior_scale="layer",
    )  # fmt: skip
    fast = train(tmp_path / "fast", config, data)
    slow = train(tmp_path / "slow", replace(config, rho_learning_rate=1e-3), data)
    sigmas = read_json(tmp_path / "fast" / "config.json")["sigma"]
    assert list(sigmas) == ["conv1", "conv2", "conv3", "linear", "head"]
    for name, layer in fast.named_children():
        before, after = sigmas[name]
        start = new_network(config, 2, (1, 28, 28)).get_submodule(name).weight_mu.detach()
        assert before == pytest.approx(0.5 * float(start.square().mean().sqrt()), rel=1e-5)
        assert after == pytest.approx(float(F.softplus(layer.weight_rho.detach()).median()))
        moved = abs(np.log(after / before))
        kept = float(F.softplus(slow.get_submodule(name).weight_rho.detach()).median())
        assert moved > 5 * abs(np.log(kept / before))


def test_a_sampler_leaves_the_last_epochs_of_each_cycle(tmp_path, data):
    config = TrainConfig(
        bayesian=False, epochs=10, batch_size=16, optimizer="sghmc", schedule="cyclical",
        cycles=2, learning_rate=0.05, sampling_temperature=0.1, validation=0.0,
    )  # fmt: skip
    kept = []
    network = train(
        tmp_path, config, data,
        progress=lambda epoch, row: kept.append((epoch, row["accuracy"])),
    )  # fmt: skip
    snapshots = load_file(tmp_path / training.SNAPSHOTS)
    assert {len(part) for part in snapshots.values()} == {6}  # epochs 3, 4, 5 and 8, 9, 10
    assert_close(snapshots["head.weight"][-1], network.head.weight.detach())
    assert kept[-1][1] > 0.9
    assert snapshots["conv1.weight"].std(dim=0).min() > 0


def test_weight_decay_leaves_rho_alone(tmp_path, data):
    config = replace(CONFIG, epochs=1, kl_weight=0.0, weight_decay=0.5)
    flat = Training(tmp_path, config, data).step.flat
    decayed = flat.values[flat.decayed]
    # rho starts at -3 and no mean is that small: no rho is among what decays, and all means are.
    assert decayed.min() > -1 and len(decayed) == len(flat.mu) == len(flat.rho)


def test_divergence_stops_with_one_clear_line(tmp_path, data):
    with pytest.raises(
        InputError, match=r"diverged.*epoch 1, step 2.*--learning-rate below 1e\+30"
    ):
        train(tmp_path, replace(CONFIG, learning_rate=1e30, schedule="constant"), data)
    assert not (tmp_path / "weights.safetensors").exists()


def test_damaged_checkpoint_and_weights_are_named(tmp_path, data):
    (tmp_path / "training.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"training\.pt is damaged"):
        train(tmp_path, CONFIG, data)
    (tmp_path / "training.pt").unlink()
    train(tmp_path, CONFIG, data)
    (tmp_path / "weights.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(InputError, match=r"weights\.safetensors is damaged"):
        load_network(tmp_path)


@pytest.mark.parametrize("part", ["snapshots", "margins"])
def test_a_checkpoint_with_parts_of_another_network_is_refused(tmp_path, data, part):
    cyclical = {"optimizer": "sghmc", "schedule": "cyclical", "cycles": 1, "bayesian": False}
    run = Training(tmp_path, replace(CONFIG, **cyclical), data)
    for _ in run.steps():
        pass
    run.end_epoch()
    run._save()
    state = torch.load(tmp_path / "training.pt", weights_only=True)
    assert Training(tmp_path, run.config, data).epoch == 1
    if part == "snapshots":
        state["snapshots"][0]["head.weight"] = torch.zeros(3)
    else:
        state["margins"] = torch.zeros(3)
    torch.save(state, tmp_path / "training.pt")
    with pytest.raises(InputError, match=r"training\.pt is damaged"):
        Training(tmp_path, run.config, data)


def test_validation_keeps_groups_whole(data):
    groups = np.repeat(np.arange(8), 8)
    rows, held = split_validation(replace(data, groups=groups), 0.25, seed=1)
    assert sorted([*rows, *held]) == list(range(64))
    assert len(set(groups[held])) == 2
    assert not set(groups[rows]) & set(groups[held])
    everything, nothing = split_validation(data, 0.0, seed=1)
    assert (len(everything), len(nothing)) == (64, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "--epochs 0 is too small; give at least 1"),
        ({"batch_size": 0}, "--batch-size 0"),
        ({"learning_rate": 0.0}, "--learning-rate 0.0"),
        ({"learning_rate": float("nan")}, "not a finite number"),
        ({"prior": "flat"}, "choose one of mixture, gaussian"),
        ({"validation": 0.95}, "--validation 0.95"),
        ({"prior_pi": 1.0}, "--prior-pi 1.0"),
        ({"kl_weight": -1.0}, "--kl-weight -1.0"),
        ({"schedule": "step"}, "--step-epoch"),
        ({"network": "mscnn", "batch_size": 1}, "--batch-size 1"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        TrainConfig(**changes)


def test_settings_survive_their_file(tmp_path, data):
    train(tmp_path, CONFIG, data)
    assert asdict(load_network(tmp_path)[1]) == asdict(CONFIG)


def test_a_last_batch_of_one_joins_the_one_before(tmp_path):
    # BatchNorm has no variance of a single image: 5 images in batches of 4 must train.
    rng = np.random.default_rng(0)
    cells = TrainingSet(
        rng.integers(0, 255, (5, 3, 16, 16), dtype=np.uint8), np.array([0, 1, 0, 1, 0]), 2
    )
    config = TrainConfig(
        network="mscnn", pathways=1, head_width=4, epochs=1, batch_size=4, validation=0.0
    )
    train(tmp_path, config, cells)
    assert [len(b) for b in training._batches(torch.arange(5), 4)] == [5]
    assert [len(b) for b in training._batches(torch.arange(1), 4)] == [1]


def test_a_full_disk_is_one_line_and_nothing_half_written(tmp_path, data, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        train(tmp_path, CONFIG, data)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_longer_finite_are_not_saved(tmp_path, data):
    run = Training(tmp_path, CONFIG, data)
    with torch.no_grad():
        run.network.head.weight_mu[0, 0] = float("nan")
    with pytest.raises(InputError, match="no longer finite"):
        run._save()
    assert not run.checkpoint.exists()


def test_side_by_side_is_one_after_another(tmp_path, data):
    configs = [replace(CONFIG, seed=0), replace(CONFIG, seed=1, epochs=2, batch_size=20)]
    alone = [train(tmp_path / f"alone{k}", config, data) for k, config in enumerate(configs)]
    together = [
        Training(tmp_path / f"together{k}", config, data) for k, config in enumerate(configs)
    ]
    train_side_by_side(together)
    for one, other in zip(alone, together, strict=True):
        assert_close(dict(one.state_dict()), dict(other.network.state_dict()), atol=0, rtol=0)
