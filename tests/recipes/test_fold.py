"""Jobs that can be repeated, and folds put together."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bnn_core.base.errors import InputError
from bnn_core.base.scores import NOVELTY
from bnn_core.measures.uncertainty import moments, summarise
from bnn_core.networks import method_parts
from bnn_core.networks.adaptive import STAGES
from bnn_core.networks.building import load_network, network_input
from bnn_core.networks.novelty import read_training_images, training_images
from bnn_core.networks.prediction import concatenated, embed, predictive_samples
from bnn_core.networks.procedures import networks_of, training_order
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet
from bnn_core.recipes.fold import (
    FoldResult,
    assemble,
    read_result,
    run_method,
)

CONFIG = TrainConfig(epochs=1, batch_size=16, validation=0.0)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return TrainingSet(
        rng.integers(0, 256, (32, 1, 28, 28), dtype=np.uint8), rng.integers(0, 3, 32), 3
    )


def run(folder, data, config=CONFIG, **changes):
    rows = np.array([4, 0, 7])
    run_method(
        folder,
        config,
        data,
        data.images[rows],
        rows,
        num_samples=5,
        sample_seed=1,
        quiet=True,
        **changes,
    )
    return read_result(folder)


def test_one_job_from_training_to_prediction(tmp_path, data):
    result = run(tmp_path / "vi", data)
    networks = networks_of(tmp_path / "vi", 5, 1)
    samples = predictive_samples(networks, network_input(data.images[[4, 0, 7]])).numpy()
    assert list(result.rows) == [4, 0, 7]
    assert_allclose(result.samples, samples.transpose(1, 0, 2), atol=1e-3)
    assert_allclose(result.moments.mean_p, moments(samples).mean_p, atol=1e-5)
    network, _ = load_network(tmp_path / "vi")
    features = network.features(network_input(data.images[[4, 0, 7]])).detach()
    assert_allclose(result.embedding, features, atol=1e-2)
    mean = networks_of(tmp_path / "vi", None, 1)
    images, of_training = (
        concatenated(embed(mean, pixels, network_input))
        for pixels in (data.images[[4, 0, 7]], data.images)
    )
    assert_allclose(images.features, features, atol=1e-5)
    kept = training_images(of_training, data.targets)
    for known in (kept, read_training_images(tmp_path / "vi")):
        measured = known.measure(images)
        assert set(measured) == set(result.novelty) == set(NOVELTY)
        for score in NOVELTY:
            assert_allclose(result.novelty[score], measured[score], rtol=2e-3, atol=2e-3)


def test_networks_used_are_kept_per_image(tmp_path, data):
    config = replace(CONFIG, rho_init=-12.0, kl_weight=0.0)
    rows = np.array([4, 0])
    folder = tmp_path / "vi"
    run_method(
        folder, config, data, data.images[rows], rows, num_samples="auto", sample_seed=1, quiet=True
    )
    result = read_result(folder)
    assert result.samples.shape == (2, 100, 3)
    assert set(result.used) <= set(STAGES) and len(result.used) == 2
    assert_allclose(result.samples.mean(axis=1), result.moments.mean_p, atol=1e-3)
    two = assemble([replace(result, rows=np.array([0, 1]))] * 2, 2)
    assert_allclose(two.used, result.used)
    table = summarise(two.moments, list("abc"), None, two.novelty, two.used)
    assert_allclose(table["num_samples"], result.used)


def test_a_finished_job_is_skipped(tmp_path, data, monkeypatch):
    run(tmp_path / "vi", data)
    monkeypatch.setattr(method_parts, "train", lambda *a, **k: pytest.fail("trained again"))
    run(tmp_path / "vi", data)


def test_a_standard_network_is_one_sample(tmp_path, data):
    result = run(
        tmp_path / "standard",
        data,
        TrainConfig(bayesian=False, epochs=1, batch_size=16, validation=0.0),
    )
    assert result.samples.shape == (3, 1, 3)
    assert_allclose(result.moments.mean_p2, result.moments.mean_p**2)


def test_means_start_from_the_standard_network(tmp_path, data):
    standard = TrainConfig(bayesian=False, epochs=1, batch_size=16, validation=0.0)
    run(tmp_path / "standard", data, standard)
    still = TrainConfig(
        epochs=1, batch_size=16, validation=0.0, learning_rate=1e-12, start="standard"
    )
    run(tmp_path / "vi", data, still)
    plain, _ = load_network(tmp_path / "standard")
    network, _ = load_network(tmp_path / "vi")
    assert_allclose(network.conv2.weight_mu.detach(), plain.conv2.weight.detach(), atol=1e-6)


def test_what_others_start_from_is_trained_first():
    started = TrainConfig(start="standard")
    standard = TrainConfig(bayesian=False)
    assert training_order({"vi": started, "standard": standard}) == ["standard", "vi"]
    with pytest.raises(InputError, match="--start vi=random"):
        training_order({"vi": started})
    with pytest.raises(InputError, match="--start vi=standard"):
        TrainConfig(bayesian=False, start="standard")


def test_folds_put_together_row_by_row():
    rng = np.random.default_rng(0)
    samples = [rng.dirichlet(np.ones(2), (n, 4)).astype(np.float16) for n in (2, 3)]
    parts = [
        FoldResult(
            rows,
            moments(s.transpose(1, 0, 2)),
            s,
            np.full((len(rows), 1), k, np.float16),
            {"distance": rows + 10.0 * k},
        )
        for k, (rows, s) in enumerate(
            zip((np.array([2, 0]), np.array([1, 2, 3])), samples, strict=True)
        )
    ]
    whole = assemble(parts, 4)
    assert_allclose(
        whole.moments.mean_p[[0, 1, 3]],
        [parts[0].moments.mean_p[1], parts[1].moments.mean_p[0], parts[1].moments.mean_p[2]],
    )
    # Row 2 is predicted by both folds: samples from both in turn, and their moments.
    own = moments(whole.samples[2:3].transpose(1, 0, 2))
    for whole_part, own_part in zip(vars(whole.moments).values(), vars(own).values(), strict=True):
        assert_allclose(whole_part[2], own_part[0], atol=5e-4)
    assert_allclose(whole.embedding[:, 0], [0, 1, 0.5, 1])
    assert_allclose(whole.novelty["distance"], [0, 11, 7, 13])
    assert not assemble([parts[0], replace(parts[1], novelty={})], 4).novelty
    assert_allclose(whole.samples[2, 0::2], samples[0][0, 0::2])
    assert_allclose(whole.samples[2, 1::2], samples[1][1, 1::2])


def test_of_fewer_samples_than_folds_each_is_the_mean_over_the_folds():
    rng = np.random.default_rng(0)
    rows, parts = np.array([1, 0]), []
    for _ in range(3):
        s = rng.dirichlet(np.ones(2), (2, 2)).astype(np.float16)
        parts.append(FoldResult(rows, moments(s.transpose(1, 0, 2)), s, np.zeros((2, 1))))
    whole = assemble(parts, 2)
    means = np.mean([part.samples.astype(float) for part in parts], axis=0)
    assert_allclose(whole.samples[rows], means, atol=5e-4)
    assert_allclose(whole.moments.mean_p[rows], means.mean(axis=1), atol=5e-4)


def test_margins_are_means_over_the_folds_that_trained_on_an_image():
    m = moments(np.full((1, 2, 2), 0.5))
    parts = [
        FoldResult(
            np.array([k, 2]),
            m,
            None,
            np.zeros((2, 1), np.float16),
            training_rows=np.array(rows),
            margins=np.array(margins),
        )
        for k, (rows, margins) in enumerate([([1, 2], [3.0, -1.0]), ([2, 0, 3], [2.0, np.nan, 7])])
    ]
    parts.append(replace(parts[0], rows=np.array([3, 4])))
    # Row 1 twice in the same fold's margins, row 2 in all three, row 0 only as a validation image.
    assert_allclose(assemble(parts, 5).margins, [np.nan, 3, 0, 7, np.nan])
    assert assemble([*parts[:2], replace(parts[2], margins=None)], 5).margins is None


def test_margins_are_kept_by_row_and_of_the_network_that_was_trained_first(tmp_path, data):
    training_rows = np.arange(100, 132)
    standard = replace(CONFIG, bayesian=False)
    first = run(tmp_path / "standard", data, standard, training_rows=training_rows)
    assert list(first.training_rows) == list(training_rows) and len(first.margins) == 32
    assert_allclose(first.margins, np.load(tmp_path / "standard" / "margins.npy"))
    second = run(
        tmp_path / "vi", data, replace(CONFIG, start="standard"), training_rows=training_rows
    )
    assert_allclose(second.margins, first.margins)
    assert run(tmp_path / "alone" / "vi", data).margins is None


def test_a_row_without_a_fold_is_named():
    part = FoldResult(np.array([0]), moments(np.full((1, 1, 2), 0.5)), None, np.zeros((1, 1)))
    with pytest.raises(
        InputError, match=r"1 images are predicted by no finished fold \(first: row 1"
    ):
        assemble([part], 2)


def test_damaged_predictions_are_named(tmp_path):
    with pytest.raises(InputError, match="does not exist yet"):
        read_result(tmp_path)
    (tmp_path / "prediction.npz").write_bytes(b"PK\x03\x04half")
    with pytest.raises(InputError, match="is damaged"):
        read_result(tmp_path)
