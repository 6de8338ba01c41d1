import json

import pytest
from page_studies import pages, text_of, write_animals, write_compounds

from bnn_core.study import open_study


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    write_animals(root, n=30)
    write_compounds(root)
    return root


def test_without_compounds_the_page_says_what_would_give_them(monkeypatch, cache):
    app = pages(monkeypatch, cache, "mechanisms.py", study="animals")
    assert "column `compound`" in app.info[0].value and not app.exception


def test_each_compound_of_a_label_with_its_counts(monkeypatch, cache):
    app = pages(monkeypatch, cache, "mechanisms.py", study="compounds", mechanism="bee")
    table = open_study(cache / "compounds").table("vi")
    own = table[(table["compound"] == "cpd B") & (table["role"] == "scored")]
    right = own["correct"].mean()
    assert f"**cpd B**: n = {len(own)}, {100 * right:.1f} % right" in text_of(app)
    assert "holds no pictures" in text_of(app) and not app.exception


def test_a_bar_in_the_address_shows_exactly_its_images(monkeypatch, cache):
    table = open_study(cache / "compounds").table("vi")
    first = table[(table["compound"] == "cpd A") & (table["label"] == "ant")].iloc[0]
    place = min(int(first["confidence"] * 20), 19)
    inside = table[(table["compound"] == "cpd A") & (table["predicted"] == first["predicted"])
                   & (table["confidence"] >= place / 20) & (table["confidence"] < place / 20 + .05)]
    app = pages(monkeypatch, cache, study="compounds", mechanism="ant")
    app.query_params["bar"] = json.dumps(["confidence", "ant", "cpd A", place, first["predicted"]])
    app.switch_page("mechanisms.py").run()
    assert not app.exception
    assert f"predicted {first['predicted']}, c {place / 20:.3g}" in text_of(app)
    assert f"**: {len(inside)} of 140 images" in text_of(app)


@pytest.mark.parametrize("look", ["side by side", "doses and controls"])
def test_the_other_views_draw(monkeypatch, cache, look):
    app = pages(monkeypatch, cache, "mechanisms.py", study="compounds", look=look)
    assert not app.exception and not app.error
    assert "**cpd A" in text_of(app)


def test_a_bad_bar_in_the_address_is_no_error(monkeypatch, cache):
    for text in ("confidence.image.vi.1.right", "[]", '["a","b","c",99,"d"]', "3"):
        app = pages(monkeypatch, cache, study="compounds")
        app.query_params["bar"] = text
        app.switch_page("mechanisms.py").run()
        assert not app.exception
