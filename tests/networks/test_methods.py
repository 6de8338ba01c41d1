"""Every method from training to T networks: limits with known answers, resuming, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.testing import assert_close

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json
from bnn_core.networks import method_parts
from bnn_core.networks.augmentation import symmetry
from bnn_core.networks.building import load_network, network_input, plain_twin
from bnn_core.networks.methods import ensemble, laplace, temperature
from bnn_core.networks.prediction import Networks, predictive_samples, stack_networks
from bnn_core.networks.procedures import method_record, networks_of, training_order
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet, split_validation
from bnn_core.recipes.fold import read_result, run_method

STANDARD = TrainConfig(bayesian=False, epochs=2, batch_size=16, validation=0.25)
CONFIGS = {
    "standard": STANDARD,
    "dropout": replace(STANDARD, dropout=0.2),
    "ensemble": replace(STANDARD, members=3),
    "sgmcmc": replace(
        STANDARD, epochs=4, optimizer="sghmc", schedule="cyclical", cycles=2, learning_rate=0.03
    ),
    "laplace": STANDARD,
    "temperature": STANDARD,
    "vi": TrainConfig(epochs=1, batch_size=16, start="standard", validation=0.25),
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return TrainingSet(
        rng.integers(0, 256, (48, 1, 28, 28), dtype=np.uint8), rng.integers(0, 3, 48), 3
    )


def run(folder, data, configs=CONFIGS):
    rows = np.array([4, 0, 7])
    for method in training_order(configs):
        run_method(
            folder / method,
            configs[method],
            data,
            data.images[rows],
            rows,
            num_samples=5,
            sample_seed=1,
            quiet=True,
        )
    return {method: read_result(folder / method) for method in configs}


@pytest.fixture(scope="module")
def made(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fold")
    return folder, run(folder, data)


def softmax_of(folder, data):
    network, _ = load_network(folder)
    with torch.no_grad():
        return network(network_input(data.images[[4, 0, 7]])).softmax(1)


def test_every_method_has_a_name_a_colour_and_its_samples(made):
    _, results = made
    counts = {m: r.samples.shape[1] for m, r in results.items()}
    assert counts == {
        "standard": 1,
        "dropout": 5,
        "ensemble": 3,
        "sgmcmc": 4,
        "laplace": 5,
        "temperature": 1,
        "vi": 5,
    }


def test_an_ensemble_is_its_members_and_the_first_is_the_standard_network(made, data):
    folder, results = made
    members = [softmax_of(folder / "ensemble" / str(k), data) for k in range(3)]
    for k, member in enumerate(members):
        assert_allclose(results["ensemble"].samples[:, k], member, atol=1e-3)
    assert_close(members[0], softmax_of(folder / "standard", data), atol=0, rtol=0)
    assert not torch.equal(members[0], members[1])


def test_predictions_of_a_trained_method_are_averaged_where_its_settings_ask(tmp_path, data, made):
    configs = {"standard": replace(STANDARD, tta="dihedral")}
    result = run(tmp_path, data, configs)["standard"]
    network, _ = load_network(tmp_path / "standard")
    x = network_input(data.images[[4, 0, 7]])
    with torch.no_grad():
        turned = torch.stack([network(symmetry(x, k)).softmax(1) for k in range(8)])
    assert_allclose(result.moments.mean_p, turned.mean(dim=0), atol=1e-5)
    assert result.samples.shape == (3, 1, 3)
    assert networks_of(tmp_path / "standard", None, 0).symmetries == 1  # of the embedding


def test_identical_members_are_one_network(data, made):
    folder, _ = made
    one = load_network(folder / "standard")[0]
    plain = plain_twin(folder / "standard")
    x = network_input(data.images[:4])
    samples = predictive_samples(stack_networks([one, one, one], plain), x)
    assert_close(samples.mean(0), one(x).softmax(1).detach())
    assert samples.var(0).max() < 1e-12


def test_dropout_at_rate_0_trains_and_predicts_as_the_standard_network(tmp_path, data, made):
    config = replace(STANDARD, dropout=0.0)
    result = run(tmp_path, data, {"dropout": config})["dropout"]
    assert_allclose(result.moments.mean_p, made[1]["standard"].moments.mean_p, atol=1e-6)
    assert result.samples.std(axis=1).max() == 0


def test_laplace_and_temperature_keep_the_standard_networks_features(made, data):
    folder, results = made
    for method in ("laplace", "temperature"):
        assert_allclose(results[method].embedding, results["standard"].embedding)
    logits = load_network(folder / "standard")[0](network_input(data.images[[4, 0, 7]])).detach()
    tau = read_json(folder / "temperature/config.json")["fitted"]["temperature"]
    assert_allclose(results["temperature"].moments.mean_p, (logits / tau).softmax(1), atol=1e-5)
    # The images that the temperature is fitted to are none that the network was trained on.
    rows, held = split_validation(data, 0.25, 0)
    assert len(held) == 12 and not set(rows) & set(held)
    with torch.no_grad():
        images = load_network(folder / "standard")[0](network_input(data.images[held])).numpy()
    assert tau == pytest.approx(temperature.fit_temperature(images, data.targets[held]))


def test_networks_that_differ_in_the_last_layer_share_one_pass(made, data):
    networks = networks_of(made[0] / "laplace", 6, 3)
    x = network_input(data.images[:7])
    everything = {
        name: value.expand(6, *value.shape) for name, value in networks.body.state_dict().items()
    }
    slow = predictive_samples(Networks(networks.body, everything | networks.weights), x)
    assert_close(predictive_samples(networks, x), slow)


def test_a_finished_fold_is_left_alone_and_a_seed_means_the_same(tmp_path, data, made, monkeypatch):
    again = run(tmp_path, data)
    for method, result in made[1].items():
        assert_allclose(again[method].moments.mean_p, result.moments.mean_p, atol=0)
    for module, name in (
        (method_parts, "train"),
        (ensemble, "train"),
        (laplace, "fit_last_layer"),
        (temperature, "fit_temperature"),
    ):
        monkeypatch.setattr(module, name, lambda *a, **k: pytest.fail("done again"))
    run(tmp_path, data)
    # With only the predictions gone they are made again, and nothing is trained.
    monkeypatch.undo()
    kept = {m: (tmp_path / m).stat() for m in CONFIGS}
    for method in CONFIGS:
        (tmp_path / method / "prediction.npz").unlink()
    monkeypatch.setattr(laplace, "fit_last_layer", lambda *a: pytest.fail("fitted again"))
    assert_allclose(
        run(tmp_path, data)["laplace"].moments.mean_p, made[1]["laplace"].moments.mean_p, atol=0
    )
    assert kept


def test_an_ensemble_goes_on_with_the_member_where_it_stopped(tmp_path, data, made, monkeypatch):
    real, trained = ensemble.train, []

    def stops(folder, *args, **kwargs):
        trained.append(folder.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return real(folder, *args, **kwargs)

    monkeypatch.setattr(ensemble, "train", stops)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, data, {"ensemble": CONFIGS["ensemble"]})
    before = (tmp_path / "ensemble/0/weights.safetensors").stat().st_mtime_ns
    result = run(tmp_path, data, {"ensemble": CONFIGS["ensemble"]})["ensemble"]
    assert (tmp_path / "ensemble/0/weights.safetensors").stat().st_mtime_ns == before
    assert_allclose(result.samples, made[1]["ensemble"].samples, atol=0)


def test_what_is_recorded_of_a_method(made):
    folder, _ = made
    record = method_record("laplace", STANDARD, [folder / "laplace"] * 2, 5)
    assert record["builds_on"] == "standard" and record["num_samples"] == 5
    assert len(record["fitted"]["prior_precision"]) == 2
    one = method_record("dropout", CONFIGS["dropout"], [folder / "dropout"], 5)
    assert one["dropout"] == 0.2 and one["builds_on"] is None and "members" not in one
    assert one["seconds"]["training"]["wall"] > 0 and one["seconds"]["prediction"]["cpu"] >= 0
    assert method_record("vi", CONFIGS["vi"], [folder / "vi"], 5)["builds_on"] == "standard"


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        (
            {"laplace": STANDARD},
            "laplace builds on the standard network.*--methods; add standard$",
        ),
        (
            {"standard": STANDARD, "temperature": replace(STANDARD, validation=0.0)},
            "--validation standard=0.1",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(configs, message):
    with pytest.raises(InputError, match=message):
        training_order(configs)


def test_a_folder_that_is_no_method_is_named(tmp_path):
    with pytest.raises(InputError, match="no method 'magic'"):
        networks_of(tmp_path / "magic", 3, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dropout": 1.0}, "leaves no units"),
        ({"dropout": 0.5, "bayesian": True}, "--dropout is for networks without"),
        ({"members": 0}, "--members 0"),
    ],
)
def test_settings_of_rivals_out_of_range(changes, message):
    with pytest.raises(InputError, match=message):
        replace(STANDARD, **changes)
