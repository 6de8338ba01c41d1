"""The page Out of distribution: empty, letters, unseen mechanisms, a click, and what stays out."""

import json

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from page_studies import pages, text_of, write_animals, write_others, write_with_new_plates

from bnn_core.measures.first_looks import first_looks
from bnn_core.study.folder import open_study
from pages.out_of_distribution import new_compounds

PAGE = "out_of_distribution/page.py"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("ood")
    write_animals(root)
    write_others(root)
    write_others(root, "unseen", cells=True)
    return root


def view(app, name):
    return app.segmented_control(key="compare").set_value(name).run()


def test_a_study_without_other_kinds_says_how_to_add_them(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="animals")
    assert not app.exception
    assert "it has no networks" in text_of(app)
    study = open_study(cache / "animals")
    meta = json.loads((study.path / "study.json").read_text())
    for kind, command in (("mnist", "bnn predict animals emnist"),):
        (study.path / "study.json").write_text(json.dumps(meta | {"kind": kind}))
        assert command in text_of(pages(monkeypatch, cache, PAGE, study="animals"))
    (study.path / "study.json").write_text(json.dumps(meta))


def test_letters_against_what_it_knows(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="others")
    assert not app.exception
    lines = app.table[0].value
    line = lines.loc["new: all"]
    assert line["kinds"] == 3 and line["images"] == 90
    assert 0.7 < line["AUROC, Bayesian"] < 1
    # O and i look like digits of this study, x does not.
    assert lines.loc["new: without look-alikes", "images"] == 30
    assert (
        lines.loc["new: without look-alikes", "AUROC, Bayesian"]
        > lines.loc["new: look-alikes", "AUROC, Bayesian"]
    )
    assert lines.loc["new: capitals", "images"] == 30
    assert lines.loc["shifted", "images"] == 40
    # Images added without labels are compared with the known ones too, as one set.
    assert lines.loc["added without labels", "images"] == 10
    assert lines.loc["added without labels", "AUROC, Bayesian"] == 1
    assert "fold of c" not in text_of(app) and "the set of letters" in text_of(app)
    app.selectbox(key="ood_score").set_value("confidence").run()
    assert "fold of c" in text_of(app)
    app.selectbox(key="ood_score").set_value("signed_confidence").run()
    for name in ("all kinds", "predictions", "which score?"):
        view(app, name)
        assert not app.exception
    assert "Best here" in text_of(app)
    view(app, "one kind")
    app.segmented_control(key="group").set_value("added").run()
    assert "**slides**: 10 images, 100 % predicted as **1**" in text_of(app)
    app.segmented_control(key="group").set_value("new").run()
    app.selectbox(key="kind").set_value("i").run()
    assert not app.exception
    assert "bimodal" in text_of(app) and "100 % predicted as **1**" in text_of(app)
    app.selectbox(key="kind").set_value("O").run()
    assert "unimodal" in text_of(app) and "100 % predicted as **0**" in text_of(app)


def test_a_clicked_mark_shows_exactly_its_images(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="others")
    app.query_params["mark"] = json.dumps(["vi", "new", "O", -1, "0"])
    app.run()
    assert not app.exception
    assert "30 of 200 images" in text_of(app)
    app.query_params["mark"] = '["nobody"]'
    assert not app.run().exception


def test_unseen_mechanisms_and_their_predicted_classes(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="unseen")
    assert not app.exception
    lines = app.table[0].value
    assert lines.loc["unseen: all", "mechanisms"] == 3
    assert lines.loc["unseen: O", "predicted as"].startswith("0 (100")
    drawn = []
    monkeypatch.setattr(st, "table", lambda cells: drawn.append(cells.to_html()))
    app.run()
    assert r"0 \(100" in drawn[0] and r"unseen\: O" in drawn[0]  # cells are Markdown
    assert "False alarms" in text_of(app)


def test_other_pages_show_the_studys_original_images(monkeypatch, cache):
    study = open_study(cache / "unseen")
    table = study.table("vi")
    looks = first_looks({"vi": table}, np.arange(len(table)), "vi", None, "confidence")
    own = set(np.flatnonzero(~table["role"].isin(["new", "shifted"])))
    assert all(set(rows) <= own for rows in looks.values())
    app = pages(monkeypatch, cache, "mechanisms/page.py", study="unseen")
    assert not app.exception
    assert set(app.selectbox(key="mechanism").options) == {"0", "1"}
    app = pages(monkeypatch, cache, "overview/page.py", study="unseen", part="Accuracy")
    assert not app.exception and "added for comparison" in text_of(app)


def test_marks_in_the_address_cannot_break_the_page(monkeypatch, cache):
    for mark in ('["vi", 1, 2, "x", null]', '["vi", "new", {}, 3, []]', "[", '{"a": 1}'):
        app = pages(monkeypatch, cache, PAGE, study="others")
        app.query_params["mark"] = mark
        assert not app.run().exception


def test_names_of_new_compounds_are_no_markdown(monkeypatch):
    drawn = []
    monkeypatch.setattr(st, "table", lambda cells, **options: drawn.append(cells.to_html()))
    cells = ["*a*", "[b](c)", 1, 1, 1, 1]
    new_compounds.table(pd.DataFrame([dict(zip(new_compounds.COLUMNS, cells, strict=True))]))
    assert r"\*a\*" in drawn[0] and r"\[b\]\(c\)" in drawn[0]


def test_new_compounds_are_ranked_as_like_a_mechanism_and_like_none(monkeypatch, tmp_path, cache):
    write_with_new_plates(tmp_path)
    app = pages(monkeypatch, tmp_path, PAGE, study="plates")
    view(app, "new compounds")
    assert not app.exception
    known, none = (table.value for table in app.table)
    assert known["Compound"].tolist() == ["sure", "less", "dull"]
    assert none["Compound"].iloc[0] == "odd"
    assert known["Predicted as"].iloc[0] == "B" and none["Unlike"].iloc[0] == 1
    assert app.selectbox(key="new_compound").options[0] == "sure"
    app.selectbox(key="new_compound").set_value("odd").run()
    assert "**odd, predicted as A**: 2 of" in text_of(app) and not app.exception
    app = pages(monkeypatch, cache, PAGE, study="others")
    assert "new compounds" not in app.segmented_control(key="compare").options
