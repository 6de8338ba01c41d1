"""A method is one module and one record: a toy goes from training to a study that pages read."""

import numpy as np
import pytest

import bnn_core as bnn
from bnn_core.base.methods import METHODS, Method
from bnn_core.networks import methods
from bnn_core.networks.settings import TrainConfig
from bnn_core.recipes import arrays
from bnn_core.recipes.rivals import with_rivals

MODULE = '''
"""Networks around the standard one: each weight with noise of one size."""

import torch

from bnn_core.networks.building import load_network
from bnn_core.networks.method_parts import train_one, trained_mean
from bnn_core.networks.prediction import Networks
from bnn_core.networks.procedures import Procedure


def draw(folder, num_samples, seed, device):
    network, config = load_network(folder)
    generator = torch.Generator().manual_seed(seed)
    weights = {
        name: torch.stack(
            [w + 0.01 * torch.randn(w.shape, generator=generator) for _ in range(num_samples)]
        )
        for name, w in network.named_parameters()
    }
    return Networks(network, {name: w.detach() for name, w in weights.items()})


PROCEDURE = Procedure(train_one, draw, trained_mean)
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    (tmp_path / "toy.py").write_text(MODULE)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    record = Method("toy", "Noisy weights", "Noisy", 7, "#123456", settings={"epochs": 3})
    monkeypatch.setitem(METHODS, "toy", record)
    return record


def test_a_method_is_one_module_and_one_record(toy, tmp_path, monkeypatch):
    preset = {"standard": TrainConfig(bayesian=False, epochs=1), "vi": TrainConfig(epochs=1)}
    monkeypatch.setattr(arrays, "PLATE_PRESETS", {"default": with_rivals(preset)})
    rng = np.random.default_rng(0)
    labels, compounds = np.repeat(["a", "b"], 24), np.repeat([f"c{k}" for k in range(8)], 6)
    images = rng.integers(0, 80, (48, 1, 28, 28), dtype=np.uint8)
    images[labels == "b", :, :14] += 150

    study = bnn.study_from_arrays(
        images,
        labels,
        groups=compounds,
        out=tmp_path / "made",
        methods=["standard", "toy"],
        folds=2,
        num_samples=4,
    )

    assert study.meta["methods"]["toy"]["epochs"] == 3
    assert study.reading_method == "toy"  # by the precedence of its record
    table = study.summary("toy")
    assert len(table) == 48 and table["epistemic"].max() > 0
    assert study.samples("toy").shape == (48, 4, 2)
    assert bnn.evaluate(study, method="toy")["accuracy"].n > 0
    report = bnn.write_report(study, tmp_path / "report.html").read_text()
    assert "Noisy weights" in report
