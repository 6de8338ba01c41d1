import json
import shutil

import numpy as np
import pytest
from page_studies import (
    pages,
    source_of,
    text_of,
    write_animals,
    write_compounds,
    write_newer,
    write_rivals,
    write_screen,
)

from bnn_core.recipes.baselines import study_baselines
from bnn_core.review.log import ReviewLog
from bnn_core.study.describing import method_settings
from bnn_core.study.folder import open_study
from bnn_core.suspects.ranking import rank, rank_images
from pages.overview import duplicates


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    write_animals(root)
    write_compounds(root)
    write_newer(root)
    return root


def test_an_empty_cache_says_which_command_to_type(monkeypatch, tmp_path):
    app = pages(monkeypatch, tmp_path)
    assert not app.exception
    assert "bnn study" in app.info[0].value and str(tmp_path) in app.info[0].value


def test_the_app_opens_on_the_newest_study_of_the_user_else_on_the_demo(monkeypatch, tmp_path):
    made = {"demo": "2026-03-01", "old": "2025-01-01"}
    for name, created in made.items():
        path = write_animals(tmp_path, name, n=60) / "study.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"created": created}))
    write_newer(tmp_path)
    assert pages(monkeypatch, tmp_path).selectbox(key="study").value == "old"
    shutil.rmtree(tmp_path / "old")
    assert pages(monkeypatch, tmp_path).selectbox(key="study").value == "demo"


def test_accuracy_is_what_the_study_says(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="animals", part="Accuracy")
    assert not app.exception
    study = open_study(cache / "animals")
    for method, card in (("vi", app.metric[0]), ("standard", app.metric[2])):
        accuracy = study.meta["metrics"][method]["image"]["accuracy"]
        assert card.value == f"{100 * accuracy:.2f} %" and "n = 300" in card.delta


def test_filters_narrow_everything_and_come_off_again(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="animals", part="Accuracy")
    app.multiselect(key="label").select("bee").run()
    labels = open_study(cache / "animals").images["label"]
    n = int((labels == "bee").sum())
    assert f"**{n}** of 300 images" in text_of(app) and f"n = {n}" in app.metric[0].delta
    app.text_input(key="search").set_value("IMG-000").run()
    assert f"**{int((labels[:10] == 'bee').sum())}** of 300" in text_of(app)
    app.button(key="reset_filters").click().run()
    assert "**300** of 300 images" in text_of(app)
    assert app.multiselect(key="label").value == []


def test_no_image_left_is_no_error(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="animals", search="no such image")
    assert not app.exception and "**0** of 300 images" in text_of(app)
    assert len(app.info) == 1 and not app.tabs


def test_levels_with_their_rule_where_compounds_are_known(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="compounds", part="Accuracy")
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["Level"]) == ["image", "treatment", "treatment", "compound", "compound"]
    assert "Not counted here: 20 images without a label" in text_of(app)
    assert "of 120" in table.iloc[0, 1]
    assert table.columns[-1] == "How images are combined"


def test_names_are_shown_not_obeyed(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="compounds")
    assert "<b>cpd" not in source_of(app)
    assert "&lt;b&gt;cpd" in source_of(app) and r"\<b\>cpd" in source_of(app)


def test_a_newer_study_is_refused_and_the_others_stay_usable(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="tomorrow")
    assert "schema 99" in app.error[0].value and not app.exception
    app.selectbox(key="study").select("animals").run()
    assert not app.error and app.tabs


def test_a_damaged_table_is_one_line(monkeypatch, tmp_path):
    path = write_animals(tmp_path, "broken", n=60)
    (path / "summary" / "vi.parquet").write_bytes(b"PAR1 no more")
    app = pages(monkeypatch, tmp_path)
    assert app.error and "vi.parquet is damaged" in text_of(app) and not app.exception


def test_studies_with_a_broken_description_leave_the_app_and_the_others_usable(
    monkeypatch, tmp_path
):
    good = write_animals(tmp_path, n=60)
    meta = json.loads((good / "study.json").read_text())
    wrong = {"methods": 5, "created": None, "notes": 5, "channels": 5, "files": [], "rows": "x"}
    for key, value in wrong.items():
        (tmp_path / key).mkdir()
        (tmp_path / key / "study.json").write_text(json.dumps(meta | {key: value}))
    (tmp_path / "brackets").mkdir()
    (tmp_path / "brackets/study.json").write_text("[" * 100_000)
    app = pages(monkeypatch, tmp_path)
    assert not app.exception and not app.error and app.tabs
    for key in [*wrong, "brackets"]:
        app.selectbox(key="study").select(key).run()
        assert len(app.error) == 1 and "study.json" in text_of(app) and not app.exception


def test_a_damaged_review_log_is_one_line(monkeypatch, tmp_path):
    write_animals(tmp_path, n=60)
    (tmp_path / "reviews.sqlite").write_bytes(b"no database at all, and long enough" * 99)
    app = pages(monkeypatch, tmp_path)
    assert app.error and "reviews.sqlite" in text_of(app) and not app.exception and app.tabs


def test_an_unknown_study_in_the_address_is_named(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="nowhere")
    assert "nowhere" in app.warning[0].value and not app.exception and app.tabs


def test_another_first_look_shows_other_images(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="animals")
    assert "**Confident mistakes**" in text_of(app)
    app.get_by_key("look").set_value("Networks disagree").run()
    assert "**Networks disagree**" in text_of(app) and not app.exception
    monkeypatch.setattr(duplicates, "near_duplicates", lambda pictures: np.array([[0, 9], [2, 4]]))
    app.get_by_key("look").set_value("Near-duplicates").run()
    assert "2 pairs" in text_of(app) and not app.exception


def test_fitted_numbers_and_a_gaussian_prior_are_shown(tmp_path):
    path = write_rivals(tmp_path, "fitted", n=60)
    meta = json.loads((path / "study.json").read_text())
    meta["methods"]["vi"] |= {"prior": "gaussian", "prior_sigma1": 1.0, "prior_sigma2": 0.002}
    meta["methods"]["laplace"]["fitted"] = {"prior_precision": [2.0, 4.0]}
    meta["methods"]["dropout"]["fitted"] = {"temperature": [0.01]}
    (path / "study.json").write_text(json.dumps(meta))
    lines = method_settings(open_study(path))
    assert "prior: σ₂" not in lines and "1" in lines["prior: σ₁"]
    assert "2 to 4" in lines["fitted: prior precision"]
    assert any("lower limit" in text for text in lines["fitted: temperature"])


def test_baselines_and_shortcuts_are_beside_the_accuracy(monkeypatch, tmp_path):
    study = open_study(write_screen(tmp_path))
    found = study_baselines(study)
    app = pages(monkeypatch, tmp_path, study="screen")
    said = text_of(app)
    accuracy = study.meta["metrics"]["vi"]["image"]["accuracy"]
    assert found.sentence(accuracy) in said and found.shortcut_sentence() in said
    meta = json.loads((study.path / "study.json").read_text())
    for leave_out in ("group", "batch"):
        changed = meta | {"kind": "plate", "settings": {"leave_out": leave_out}}
        (study.path / "study.json").write_text(json.dumps(changed))
        app = pages(monkeypatch, tmp_path, study="screen", part="Accuracy")
        commands = [code.value for code in app.code if "--leave-out batch" in code.value]
        assert len(commands) == (leave_out == "group")
        line = next(m.value for m in app.markdown if "network: **" in m.value)
        assert ("new compounds in new batches" in line) == (leave_out == "batch")
    write_compounds(tmp_path)
    app = pages(monkeypatch, tmp_path, study="compounds")  # a table without pictures
    assert not app.exception and "without a network" not in text_of(app)


def test_the_first_suspects_come_first_with_their_decision(monkeypatch, tmp_path):
    write_screen(tmp_path)
    study = open_study(tmp_path / "screen")
    table = study.table(study.reading_method)
    ranked = rank(table, study.classes, "compound")
    doubtful = int((ranked["score"] > 0).sum())
    first = ranked.iloc[0]
    rows = table.index[
        (table["compound"] == first["compound"])
        & (table["label"] == first["label"])
        & (table["role"] == "scored")
    ]
    ReviewLog(tmp_path).flag(study, rows, reviewer="Ada", reason="other", decision="exclude")
    app = pages(monkeypatch, tmp_path, study="screen")
    assert not app.exception
    assert f"**{doubtful} of {len(ranked)} compounds**" in text_of(app)
    assert f"1 of {len(ranked)} compounds decided" in text_of(app)
    assert f"{len(rows)} of {len(rows)} flagged" in text_of(app)
    # The count stays together where the line breaks.
    count = f"({first['n_suspected']} of {first['n_images']})"
    assert count.replace(" ", "\N{NO-BREAK SPACE}") in text_of(app)


def test_without_compounds_single_images_are_the_answer(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="animals")
    study = open_study(cache / "animals")
    ranked = rank_images(study.table(study.reading_method))
    low = int((ranked["label_quality"] < 0.5).sum())
    assert f"**{low} of {len(ranked)} images**" in text_of(app) and not app.exception


def test_only_the_open_part_is_drawn(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="animals", part="How it was made")
    assert not app.metric and not app.exception
    app = pages(monkeypatch, cache, study="animals", part="Calibration")
    assert not app.metric and not app.exception


def test_warnings_come_first_and_other_notes_say_how_it_was_made(monkeypatch, tmp_path):
    path = write_animals(tmp_path, n=30)
    meta = json.loads((path / "study.json").read_text())
    meta["notes"] = ["WARNING: 3 images are black", "7 rows were scaled"]
    (path / "study.json").write_text(json.dumps(meta))
    captions = [c.value for c in pages(monkeypatch, tmp_path).caption]
    assert any("3 images are black" in text and "WARNING" not in text for text in captions)
    assert not any("7 rows" in text for text in captions)
    app = pages(monkeypatch, tmp_path, part="How it was made")
    captions = [c.value for c in app.caption]
    assert any("7 rows were scaled" in text for text in captions)
