import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_studies import pages, text_of, write_animals, write_compounds

from bnn_core.measures import selection
from bnn_core.study.folder import open_study
from pages.shared import gestures

PAGE = "bnn_vs_standard/page.py"
PUBLISHED = "confidence c"
NOTHING = {"points": [], "point_indices": [], "box": [], "lasso": []}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    write_animals(root)
    write_compounds(root)
    return root


@pytest.fixture(scope="module")
def tables(cache):
    study = open_study(cache / "animals")
    return study.table("vi"), study.table("standard")


def select(app, cache, **event):
    """A gesture in the chart, as the address keeps it: AppTest does not draw charts."""
    study = open_study(cache / "animals")
    app.query_params["selected"] = gestures.selection_text(NOTHING | event, study)
    app.run()
    assert not app.exception
    return app


def test_without_a_standard_network_it_says_what_is_missing(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="compounds")
    assert not app.exception
    assert "a standard network" in app.info[0].value and "bnn import" in app.info[0].value


def test_filters_that_leave_nothing_are_no_error(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="animals", search="no such image")
    assert not app.exception
    assert "No images match" in app.info[0].value


def test_corner_counts_are_those_of_the_tables(monkeypatch, cache, tables):
    app = pages(monkeypatch, cache, PAGE, study="animals", score=PUBLISHED, cut_confidence=0.3)
    bayes, standard = (table["confidence"] >= 0.3 for table in tables)
    for corner, count in (
        ("Both sure", bayes & standard),
        ("Only Bayesian sure", bayes & ~standard),
        ("Only standard sure", ~bayes & standard),
        ("Neither sure", ~bayes & ~standard),
    ):
        assert f"**{corner}**: {count.sum()} of 300" in text_of(app)


def test_a_corner_in_the_address_opens_its_images(monkeypatch, cache, tables):
    sure = [table["confidence"] >= 0.5 for table in tables]
    n = int((~sure[0] & ~sure[1]).sum())
    app = pages(
        monkeypatch, cache, PAGE, study="animals", score=PUBLISHED, corner="neither sure.all"
    )
    assert not app.exception
    assert (
        f"**Neither sure (sure: Bayesian confidence c ≥ 0.5, standard confidence c ≥ 0.5)**: "
        f"{n} of 300" in text_of(app)
    )
    # Whatever the cut-off makes of its count, the corner stays chosen.
    app.slider(key="cut_confidence").set_value(0.4).run()
    assert "**Neither sure (sure: Bayesian confidence c ≥ 0.4" in text_of(app)
    for odd in ("neither sure.nonsense", "", "all", "nowhere.all"):
        app = pages(monkeypatch, cache, PAGE, study="animals", score=PUBLISHED, corner=odd)
        assert not app.exception and "**Neither sure (sure" not in text_of(app)


def test_clicking_a_point_shows_its_image_and_back_again(monkeypatch, cache, tables):
    app = pages(monkeypatch, cache, PAGE, study="animals", score=PUBLISHED)
    # customdata comes as a scalar or in a list.
    for mark in (17, [17]):
        select(app, cache, points=[{"customdata": mark}])
        assert tables[0]["image_id"][17] in text_of(app)
    app.button(key="plane_back").click().run()
    assert "selected" not in app.query_params
    assert "Both sure" in text_of(app) and not app.exception


def test_a_box_takes_all_images_inside_and_the_export_names_it(monkeypatch, cache, tables):
    app = pages(monkeypatch, cache, PAGE, study="animals", score=PUBLISHED)
    bayes, standard = (table["confidence"] for table in tables)
    inside = standard.between(0.2, 0.9) & bayes.between(0.1, 0.8)
    select(app, cache, box=[{"xref": "x", "yref": "y", "x": [0.9, 0.2], "y": [0.1, 0.8]}])
    assert (
        "**In the box of standard confidence c 0.2 to 0.9, Bayesian confidence c 0.1 to 0.8**: "
        f"{inside.sum()} of 300 images"
    ) in text_of(app)


def test_a_marginal_bar_and_a_lasso(monkeypatch, cache, tables):
    app = pages(monkeypatch, cache, PAGE, study="animals", score=PUBLISHED)
    wrong = ~tables[1]["correct"].astype(bool)
    lowest = (tables[1]["confidence"] < 1 / 40) & wrong
    select(app, cache, points=[{"customdata": "standard/0/wrong"}])
    assert f"**Standard confidence c 0 to 0.025, wrong**: {lowest.sum()} of 300" in text_of(app)
    select(app, cache, lasso=[{"xref": "x", "yref": "y", "x": [0, 1, 1], "y": [0, 0, 1]}])
    below = (tables[0]["confidence"] < tables[1]["confidence"]).sum()
    assert f"**In the lasso drawn by hand**: {below} of 300" in text_of(app)


def test_a_corner_count_selects_without_a_mouse_and_one_at_a_time(monkeypatch, cache, tables):
    app = pages(monkeypatch, cache, PAGE, study="animals", score=PUBLISHED, cut_confidence=0.3)
    both = (tables[0]["confidence"] >= 0.3) & (tables[1]["confidence"] >= 0.3)
    app.get_by_key("corner_both sure_animals").set_value("all").run()
    rule = "(sure: Bayesian confidence c ≥ 0.3, standard confidence c ≥ 0.3)"
    assert f"**Both sure {rule}**: {both.sum()} of 300 images" in text_of(app)
    app.get_by_key("corner_neither sure_animals").set_value("all").run()
    assert f"**Both sure {rule}**" not in text_of(app)
    assert f"**Neither sure {rule}**" in text_of(app)
    assert not app.exception


@pytest.mark.parametrize(
    "query",
    [
        {"axes": "logarithmic at the confident end"},
        {"across": "raw softmax, as in the paper"},
        {"score": "predictive entropy", "axes": "logarithmic at the confident end"},
        {"score": "mutual information"},
        {"mark": "img-0007"},
        {"axes": "nonsense"},
    ],
)
def test_every_view_has_an_address(monkeypatch, cache, query):
    app = pages(monkeypatch, cache, PAGE, study="animals", **query)
    assert not app.exception
    assert "All 300 images are drawn" in text_of(app)


def test_a_score_of_several_networks_is_plotted_against_raw_softmax(monkeypatch, cache, tables):
    app = pages(monkeypatch, cache, PAGE, study="animals", score="mutual information")
    assert "A single network has no mutual information" in text_of(app)
    sure = (tables[0]["mutual_information"] <= app.slider(key="cut_mutual_information").value) & (
        tables[1]["top_softmax"] >= app.slider(key="across_top_softmax").value
    )
    assert f"**Both sure**: {sure.sum()} of 300" in text_of(app)


def test_more_images_than_are_drawn_are_counted_in_a_note(monkeypatch, cache, tables):
    monkeypatch.setattr(selection, "MOST_DRAWN", 100)
    app = pages(monkeypatch, cache, PAGE, study="animals", score=PUBLISHED, mark="img-00")
    assert "**100 of 300** images are drawn as points" in text_of(app)
    wrong = ~(tables[0]["correct"] & tables[1]["correct"]).astype(bool).to_numpy()
    wrong[:100] = True  # those marked
    assert f"100 of the {wrong.sum()} wrong, flagged or marked images are drawn" in text_of(app)
    select(app, cache, box=[{"xref": "x", "yref": "y", "x": [0, 1], "y": [0, 1]}])
    assert "300 of 300 images" in text_of(app)


AREA = st.fixed_dictionaries(
    {
        "xref": st.sampled_from(["x", "x2"]),
        "yref": st.sampled_from(["y", "y2"]),
        "x": st.lists(st.floats(0, 1).map(lambda x: float(f"{x:.5g}")), min_size=2, max_size=2),
        "y": st.lists(st.floats(0, 1).map(lambda x: float(f"{x:.5g}")), min_size=2, max_size=2),
    }
)


@given(
    st.lists(st.integers(0, 299), max_size=3, unique=True),
    st.lists(st.sampled_from(["standard/0/wrong", "bayes/39/right"]), max_size=2, unique=True),
    st.lists(AREA, max_size=2),
    st.lists(AREA, max_size=2),
)
def test_a_selection_comes_back_from_its_address(cache, rows, bars, boxes, lassos):
    study = open_study(cache / "animals")
    event = {
        "points": [{"customdata": mark} for mark in (*rows, *bars)],
        "box": boxes,
        "lasso": lassos,
    }
    marks = [] if boxes or lassos else event["points"]
    again = gestures.from_text(gestures.selection_text(event, study), study)
    assert again == event | {"points": marks}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        '{"images": ["nowhere"]}',
        '{"images": 3}',
        '{"bars": ["standard/99/right"]}',
        '{"bars": ["a"]}',
        '{"box": [{"xref": "x", "yref": "y", "x": [0], "y": [0]}]}',
        '{"lasso": [{"xref": "z", "yref": "y", "x": [0, 1], "y": [0, 1]}]}',
        "[" * 100_000,
    ],
)
def test_any_other_selection_in_the_address_selects_nothing(cache, text):
    study = open_study(cache / "animals")
    assert gestures.from_text(text, study) == {"points": [], "box": [], "lasso": []}
