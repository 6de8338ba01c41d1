import json
import re

import pytest
from page_studies import ROOT, pages, text_of, write_animals, write_compounds

from bnn_core.base.scores import SCORES
from bnn_core.study import describing
from bnn_core.study.folder import open_study
from bnn_core.study.methods_text import methods_paragraph


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    write_animals(root, n=60)
    write_compounds(root)
    return root


def test_help_needs_no_study(monkeypatch, tmp_path):
    app = pages(monkeypatch, tmp_path, "help.py")
    assert not app.exception
    assert all(score.title in text_of(app) for score in SCORES.values())
    assert len(app.code) == 1  # the citation


def test_every_link_to_help_leads_to_a_heading(monkeypatch, cache):
    app = pages(monkeypatch, cache, "help.py", study="animals")
    anchors = {header.proto.anchor for header in app.header}
    text = "".join(path.read_text() for path in (ROOT / "pages").rglob("*.py"))
    asked = set(re.findall(r"help\?about=([\w-]+)", text))
    asked |= set(re.findall(r"\(#([\w-]+)\)", text_of(app)))
    assert len(asked) >= 10 and asked <= anchors


def test_the_settings_of_the_study_are_a_paragraph(monkeypatch, cache):
    app = pages(monkeypatch, cache, "help.py", study="animals")
    assert not app.exception
    paragraph = methods_paragraph(open_study(cache / "animals"))
    assert paragraph in [code.value for code in app.code]
    app.selectbox(key="study").set_value("compounds").run()
    assert paragraph not in [code.value for code in app.code] and not app.exception


def test_the_paragraph_states_what_the_study_records(tmp_path):
    path = write_animals(tmp_path, n=60)
    meta = json.loads((path / "study.json").read_text())
    meta["methods"]["vi"] |= {
        "num_samples": 37,
        "epochs": 11,
        "batch_size": 23,
        "learning_rate": 0.0045,
        "prior": "gaussian",
        "kl_weight": 0.3,
    }
    (path / "study.json").write_text(json.dumps(meta))
    study = open_study(path)
    text = methods_paragraph(study)
    for part in ("60 images", "37 networks", "11 epochs", "23", "0.0045", "0.3", study.fingerprint):
        assert part in text
    for leave_out, words in describing.LEFT_OUT.items():
        meta["settings"] = {"leave_out": leave_out}
        (path / "study.json").write_text(json.dumps(meta))
        held_out = methods_paragraph(open_study(path))
        assert "3 folds" in held_out and (words in held_out) == (leave_out == "batch")
    meta["methods"] = {method: {} for method in meta["methods"]}
    (path / "study.json").write_text(json.dumps(meta))
    assert "37" not in methods_paragraph(open_study(path))


def test_every_score_leads_to_help(monkeypatch, cache):
    app = pages(monkeypatch, cache, "confidence.py", study="animals")
    for score in app.selectbox(key="score").options:
        app.selectbox(key="score").select(score).run()
        assert "help?about=scores" in app.selectbox(key="score").help
