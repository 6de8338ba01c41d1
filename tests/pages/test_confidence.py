import numpy as np
import pytest
from page_studies import pages, text_of, write_animals, write_compounds

from bnn_core.base.scores import DEFAULT_SCORE, SCORES
from bnn_core.measures.evaluation import Selective, certainty
from bnn_core.measures.levels import scored_rows
from bnn_core.study.folder import open_study

PUBLISHED = "confidence c"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    write_animals(root)
    write_compounds(root)
    return root


def kept(cache, name, score, value, method="vi"):
    table = open_study(cache / name).table(method)
    rows = table[scored_rows(table)]
    at = Selective(certainty(score, rows[score]), rows["correct"].to_numpy(dtype=bool))
    return at.at(float(certainty(score, np.float64(value))))


def test_an_empty_cache_says_which_command_to_type(monkeypatch, tmp_path):
    app = pages(monkeypatch, tmp_path, "confidence.py")
    assert "bnn study" in app.info[0].value and not app.exception


def test_the_slider_moves_the_numbers_to_those_of_evaluation(monkeypatch, cache):
    app = pages(monkeypatch, cache, "confidence.py", study="animals", score=PUBLISHED)
    for value in (0.5, 0.2):
        app.slider(key="cut_confidence").set_value(value).run()
        assert not app.exception
        for method in ("vi", "standard"):
            at = kept(cache, "animals", "confidence", value, method)
            for said in (
                f"{100 * at.accuracy:.2f} %",
                f"{100 * at.coverage:.2f} %",
                f">{at.kept:,}<",
                f">{at.kept - at.right:,}<",
            ):
                assert said in text_of(app)


def test_the_default_score_does_not_fold(monkeypatch, cache):
    app = pages(monkeypatch, cache, "confidence.py", study="animals")
    slider = app.slider(key="cut_signed_confidence")
    classes = len(open_study(cache / "animals").classes)
    assert slider.value == 0.5
    assert 0 < SCORES[DEFAULT_SCORE].lowest(classes) - slider.min < 0.05
    for value in (0.5, 0.2):
        app.slider(key="cut_signed_confidence").set_value(value).run()
        at = kept(cache, "animals", "signed_confidence", value)
        assert f"Keeping signed c ≥ {value}" in text_of(app)
        assert f"{100 * at.accuracy:.2f} %" in text_of(app) and not app.exception


def test_low_is_sure_for_an_entropy(monkeypatch, cache):
    app = pages(monkeypatch, cache, "confidence.py", study="animals", score="predictive entropy")
    app.slider(key="cut_predictive_entropy").set_value(0.4).run()
    at = kept(cache, "animals", "predictive_entropy", 0.4)
    assert "Keeping entropy ≤ 0.4" in text_of(app) and f"{100 * at.accuracy:.2f} %" in text_of(app)


def test_a_bar_in_the_address_shows_exactly_its_images(monkeypatch, cache):
    app = pages(
        monkeypatch, cache, study="animals", score=PUBLISHED, bar="confidence.image.vi.10.right"
    )
    app.query_params["bar"] = "confidence.image.vi.10.right"
    app.switch_page("confidence.py").run()
    table = open_study(cache / "animals").table("vi")
    inside = (table["confidence"] >= 0.2) & (table["confidence"] < 0.22)
    assert f"**Bayesian: c 0.2 to 0.22, right and wrong**: {inside.sum()} of 300" in text_of(app)
    app.button(key="bar_close").click().run()
    assert "c 0.2 to 0.22" not in text_of(app) and not app.exception


def test_a_wrong_bar_shows_its_wrong_images_first(monkeypatch, cache):
    table = open_study(cache / "animals").table("vi")
    table = table[scored_rows(table)]
    wrong = ~table["correct"].astype(bool)
    counts, edges = np.histogram(table["confidence"][wrong], 50, (0, 1))
    # A bar that has right images too, or both kinds would be the same images.
    right = np.histogram(table["confidence"][~wrong], edges)[0]
    place = int(np.argmax(np.where(right > 0, counts, 0)))
    assert counts[place] and right[place]
    name = f"confidence.image.vi.{place}.wrong"
    app = pages(monkeypatch, cache, study="animals", score=PUBLISHED)
    app.query_params["bar"] = name
    app.switch_page("confidence.py").run()
    assert app.get_by_key(f"bar_kind_{name}").value == "wrong"
    low, high = edges[place : place + 2]
    assert f"c {low:g} to {high:g}, wrong**: {counts[place]} of 300" in text_of(app)
    assert not app.exception


@pytest.mark.parametrize(
    "bar",
    [
        "",
        "nonsense",
        "confidence.image.vi.x.right",
        "a.b.c.1.right",
        "confidence.image.vi.999999.wrong",
    ],
)
def test_a_bad_bar_in_the_address_is_no_error(monkeypatch, cache, bar):
    app = pages(monkeypatch, cache, study="animals")
    app.query_params["bar"] = bar
    app.switch_page("confidence.py").run()
    assert not app.exception


def test_the_accuracy_i_need_sets_the_cutoff_or_says_none(monkeypatch, cache):
    app = pages(monkeypatch, cache, "confidence.py", study="animals", score=PUBLISHED)
    app.number_input(key="need").set_value(90.0).run()
    assert "Guarantee" in text_of(app)
    before = app.slider(key="cut_confidence").value
    app.button(key="use_vi").click().run()
    assert app.slider(key="cut_confidence").value != before and not app.exception
    app.number_input(key="need").set_value(100.0).run()
    assert not app.exception and not [b for b in app.button if (b.key or "").startswith("use_")]


def test_counts_are_compounds_at_their_level(monkeypatch, cache):
    app = pages(monkeypatch, cache, "confidence.py", study="compounds")
    app.get_by_key("level").set_value("compound").run()
    assert not app.exception
    assert "all its concentrations" in text_of(app) and "compounds kept" in text_of(app)


def test_scores_that_need_samples_are_not_offered_without_them(monkeypatch, cache):
    app = pages(monkeypatch, cache, "confidence.py", study="compounds")
    assert "epistemic" not in app.selectbox(key="score").options
    app = pages(monkeypatch, cache, "confidence.py", study="animals", score="epistemic")
    assert not app.exception and "Standard" not in text_of(app).split("right among")[0][-200:]
