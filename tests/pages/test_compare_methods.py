import base64
import json

import numpy as np
import pytest
from page_studies import (
    pages,
    text_of,
    write_animals,
    write_compounds,
    write_others,
    write_rivals,
    write_screen,
)

from bnn_core.measures.comparison import compare
from bnn_core.study.folder import open_study


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    write_rivals(root)
    write_animals(root)
    write_compounds(root)
    return root


def test_one_method_names_the_command_that_makes_more(monkeypatch, cache):
    app = pages(monkeypatch, cache, "compare_methods/page.py", study="compounds")
    said = app.info[0].value
    assert "has one method, Bayesian" in said and not app.exception
    # No command makes rivals of predictions from elsewhere, least of all one about digits.
    assert "bnn study KIND --methods" in said and "mnist" not in said


def test_the_planted_winner_is_named_and_a_copy_ties(monkeypatch, cache):
    app = pages(monkeypatch, cache, "compare_methods/page.py", study="rivals")
    said = text_of(app)
    assert not app.exception
    study = open_study(cache / "rivals")
    found = compare({m: study.table(m) for m in study.methods}, study.classes, "signed_confidence")
    best = found.interval("accuracy", "ensemble").value
    assert f"Accuracy: Ensemble ({100 * best:.2f} %) wins" in said
    assert "Ensemble is among the best" in said
    assert "200 scored images, 40 new; images ranked by Signed confidence" in said
    # The table is the same comparison.
    table = app.dataframe[0].value
    assert list(table.index) == ["Bayesian", "Standard", "Dropout", "Ensemble", "Laplace"]
    assert "AUROC, new kinds" in table and table.loc["Ensemble", "Accuracy"].startswith(
        f"{100 * best:.2f} %"
    )
    # Training in all counts the standard network's.
    assert "120.0 s" in said or "2.0 min" in said


def test_two_methods_of_choice_and_the_images_they_disagree_on(monkeypatch, cache):
    app = pages(monkeypatch, cache, "compare_methods/page.py", study="rivals")
    app.selectbox(key="first_method").set_value("dropout").run()
    app.selectbox(key="second_method").set_value("ensemble").run()
    study = open_study(cache / "rivals")
    a, b = (study.summary(m) for m in ("dropout", "ensemble"))
    differ = a["predicted"].to_numpy() != b["predicted"].to_numpy()
    right = b["correct"].fillna(False).to_numpy(dtype=bool) & differ
    assert f"**Dropout and Ensemble disagree, all**: {differ.sum()} of 240" in text_of(app)
    app.get_by_key("differ_dropout_ensemble").set_value("second right").run()
    assert f"disagree, Ensemble right**: {right.sum()} of 240" in text_of(app)
    assert not app.exception and differ.sum() > right.sum() > 0
    app.selectbox(key="first_method").set_value("vi").run()
    app.selectbox(key="second_method").set_value("laplace").run()
    assert "predict the same class for all 240" in text_of(app) and not app.exception


def test_every_interval_ends_within_its_panel(monkeypatch, cache):
    app = pages(monkeypatch, cache, "compare_methods/page.py", study="rivals")
    chart = json.loads(app.get("plotly_chart")[0].proto.spec)
    bars = [trace for trace in chart["data"] if "error_x" in trace]
    for trace in bars:
        low, high = chart["layout"]["xaxis" + trace["xaxis"][1:]]["range"]
        (value,), (up,), (down,) = (
            numbers(part)
            for part in (trace["x"], trace["error_x"]["array"], trace["error_x"]["arrayminus"])
        )
        assert low < value - down <= value + up < high
    assert len(bars) > 20


def numbers(column):
    """Of a list, or of the bytes that Plotly sends instead."""
    if isinstance(column, list):
        return column
    return np.frombuffer(base64.b64decode(column["bdata"]), column["dtype"]).tolist()


def test_differences_to_the_first_and_a_score_that_one_network_lacks(monkeypatch, cache):
    app = pages(monkeypatch, cache, "compare_methods/page.py", study="rivals", score="epistemic")
    app.get_by_key("merit").set_value("differences to Bayesian").run()
    assert not app.exception
    table = app.dataframe[0].value
    assert table.loc["Standard", "AURC"] == "–" and table.loc["Laplace", "NLL"].startswith("0.000")


def test_two_methods_without_samples_or_times_and_a_filter_that_leaves_nothing(monkeypatch, cache):
    app = pages(monkeypatch, cache, "compare_methods/page.py", study="animals")
    assert "does not record how long" in text_of(app) and not app.exception
    app = pages(
        monkeypatch, cache, "compare_methods/page.py", study="animals", search="no such image"
    )
    assert not app.exception and "all 0 " not in text_of(app)


@pytest.mark.parametrize(
    ("page", "write"),
    [
        ("overview/page.py", write_rivals),
        ("confidence.py", write_rivals),
        ("bnn_vs_standard/page.py", write_rivals),
        ("compare_methods/page.py", write_rivals),
        ("one_image/page.py", write_rivals),
        ("mechanisms/page.py", write_screen),
        ("plates/page.py", write_screen),
        ("suspect_labels/page.py", write_screen),
        ("out_of_distribution/page.py", write_others),
    ],
)
def test_all_pages_give_the_same_message_where_no_image_passes_the_filters(
    monkeypatch, tmp_path, page, write
):
    write(tmp_path)
    app = pages(monkeypatch, tmp_path, page, search="no such image")
    assert not app.exception
    assert [info.value for info in app.info] == ["No images match. Remove a filter in the sidebar."]


@pytest.mark.parametrize("page", ["confidence.py", "help.py", "mechanisms/page.py"])
def test_pages_show_five_methods_without_an_error(monkeypatch, cache, page):
    app = pages(monkeypatch, cache, page, study="rivals")
    assert not app.exception and not app.error
