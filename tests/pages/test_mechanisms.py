import json

import pytest
from page_studies import pages, text_of, write_animals, write_compounds

from bnn_core.study.folder import open_study


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    write_animals(root, n=30)
    write_compounds(root)
    return root


def looking(monkeypatch, cache, look):
    """The page in one of its views; AppTest drops the view from the address as it changes page."""
    app = pages(monkeypatch, cache, "mechanisms/page.py", study="compounds")
    app.session_state["compound_view"] = look
    return app.run()


def test_without_compounds_the_page_says_what_would_give_them(monkeypatch, cache):
    app = pages(monkeypatch, cache, "mechanisms/page.py", study="animals")
    assert "column `compound`" in app.info[0].value and not app.exception


def test_each_compound_of_a_label_with_its_counts(monkeypatch, cache):
    app = pages(monkeypatch, cache, "mechanisms/page.py", study="compounds", mechanism="bee")
    table = open_study(cache / "compounds").table("vi")
    own = table[(table["compound"] == "cpd B") & (table["role"] == "scored")]
    right = own["correct"].mean()
    assert f"**cpd B**: n = {len(own)}, {100 * right:.1f} % right" in text_of(app)
    assert "has no pictures" in text_of(app) and not app.exception


def test_a_bar_in_the_address_shows_exactly_its_images(monkeypatch, cache):
    table = open_study(cache / "compounds").table("vi")
    first = table[(table["compound"] == "cpd A") & (table["label"] == "ant")].iloc[0]
    place = min(int(first["confidence"] * 20), 19)
    inside = table[
        (table["compound"] == "cpd A")
        & (table["predicted"] == first["predicted"])
        & (table["confidence"] >= place / 20)
        & (table["confidence"] < place / 20 + 0.05)
    ]
    app = pages(monkeypatch, cache, study="compounds", mechanism="ant", score="confidence c")
    app.query_params["bar"] = json.dumps(["confidence", "ant", "cpd A", place, first["predicted"]])
    app.switch_page("mechanisms/page.py").run()
    assert not app.exception
    assert f"predicted {first['predicted']}, c {place / 20:.3g}" in text_of(app)
    assert f"**: {len(inside)} of 140 images" in text_of(app)


@pytest.mark.parametrize("look", ["side by side", "doses and controls"])
def test_the_other_views_draw(monkeypatch, cache, look):
    app = looking(monkeypatch, cache, look)
    assert not app.exception and not app.error
    found = text_of(app)
    said = {"side by side": "down each column", "doses and controls": "**cpd A, 0.1 µM**"}
    assert "**cpd A" in found and said[look] in found


def test_what_is_chosen_for_a_label_is_in_the_address_and_goes_with_the_label(monkeypatch, cache):
    app = looking(monkeypatch, cache, "doses and controls")
    app.selectbox(key="mechanism").set_value("ant").run()
    app.selectbox(key="dosed").set_value("cpd D").run()
    assert app.selectbox(key="dosed").value == "cpd D" and "**cpd D, 0.1 µM**" in text_of(app)
    app.selectbox(key="mechanism").set_value("bee").run()
    table = open_study(cache / "compounds").table("vi")
    wrong = table[(table["label"] == "bee") & (table["predicted"] != "bee")]["predicted"]
    assert app.selectbox(key="dosed").value in ("cpd B", "cpd E", "cpd H")
    assert app.selectbox(key="highlight").value in set(wrong)
    assert not app.exception


def test_the_caption_names_the_colours_that_are_drawn(monkeypatch, cache):
    app = pages(monkeypatch, cache, "mechanisms/page.py", study="compounds", mechanism="bee")
    table = open_study(cache / "compounds").table("vi")
    n = table.loc[table["label"] == "bee", "predicted"].value_counts()
    app.selectbox(key="highlight").set_value("bee").run()
    assert f"Blue: predicted as the label, bee ({n['bee']} images)" in text_of(app)
    assert f"Hatched: any other prediction ({n.sum() - n['bee']})" in text_of(app)
    app.selectbox(key="highlight").set_value("cat").run()
    assert f"Plain grey: predicted as the label, bee ({n['bee']} images)" in text_of(app)
    assert f"Orange: predicted as cat ({n['cat']} images)" in text_of(app)


def test_a_bad_bar_in_the_address_is_no_error(monkeypatch, cache):
    for text in ("confidence.image.vi.1.right", "[]", '["a","b","c",99,"d"]', "3"):
        app = pages(monkeypatch, cache, study="compounds")
        app.query_params["bar"] = text
        app.switch_page("mechanisms/page.py").run()
        assert not app.exception
