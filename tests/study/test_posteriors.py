"""The width of a posterior before and after training, and the share of doubt between networks."""

import json

import pandas as pd
import pytest
from page_studies import pages, write_animals, write_rivals

from bnn_core.study.folder import open_study
from bnn_core.study.posteriors import epistemic_shares, layer_widths


def keep_sigmas(study, method, folds):
    for number, sigma in enumerate(folds):
        folder = study.path / "folds" / str(number) / method
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"sigma": sigma}))


@pytest.fixture
def study(tmp_path):
    write_animals(tmp_path)
    study = open_study(tmp_path / "animals")
    folds = [{"conv1": [0.1, 0.2 + k / 10], "head": [0.05, 0.05]} for k in range(3)]
    keep_sigmas(study, "vi", folds)
    keep_sigmas(study, "standard", [{}] * 3)
    return study


def test_widths_are_medians_over_the_folds_in_the_layers_order(study):
    widths = layer_widths(study, "vi").set_index("layer")
    assert list(widths.index) == ["conv1", "head"]
    assert widths.loc["conv1"].to_list() == pytest.approx([0.1, 0.3, 3.0])
    assert widths.loc["head", "ratio"] == 1
    assert layer_widths(study, "standard") is None


def test_a_study_without_sigmas_says_nothing(tmp_path):
    write_animals(tmp_path)
    assert layer_widths(open_study(tmp_path / "animals"), "vi") is None


def test_shares_are_those_of_the_summed_variances(tmp_path):
    write_rivals(tmp_path, "rivals")
    study = open_study(tmp_path / "rivals")
    table = study.table("vi")
    shares = epistemic_shares(study, "vi").set_index("role")
    assert {"scored", "new"} <= set(shares.index)
    for role, row in shares.iterrows():
        own = table[table["role"] == role]
        total = (own["epistemic"] + own["aleatoric"]).sum()
        assert row["n"] == len(own)
        assert row["share"] == pytest.approx(own["epistemic"].sum() / total)
    assert epistemic_shares(study, "standard") is None


def test_overview_shows_them(monkeypatch, study):
    app = pages(
        monkeypatch, study.path.parent, "overview/page.py", study="animals", part="How it was made"
    )
    assert not app.exception
    tables = [frame.value for frame in app.dataframe]
    shown = [t for t in tables if isinstance(t, pd.DataFrame) and "ratio" in t]
    assert len(shown) == 1 and list(shown[0]["layer"]) == ["conv1", "head"]
