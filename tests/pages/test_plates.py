import json

import pytest
from page_studies import pages, text_of, write_animals, write_with_new_plates
from screens import calling, screen, with_summary
from study_writing import write_study


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    write_animals(root, n=30)
    images = screen()
    classes = sorted(images["label"].unique())
    images = images.assign(role="scored", content_hash="", group=images["compound"])
    table = with_summary(images, calling(list(images["label"])))
    write_study(
        root / "screen",
        title="Screen",
        kind="plate",
        classes=classes,
        images=images,
        summaries={"vi": table[[c for c in table if c not in images]]},
        methods={"vi": {"num_samples": 100}},
    )
    return root


def test_without_plates_the_page_says_what_would_give_them(monkeypatch, cache):
    app = pages(monkeypatch, cache, "plates/page.py", study="animals")
    assert "`plate` and `well`" in app.info[0].value and not app.exception


def test_a_well_in_the_address_shows_exactly_its_fields(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="screen")
    app.query_params["spot"] = json.dumps(["W1P1", "B02"])
    app.switch_page("plates/page.py").run()
    assert not app.exception
    assert "**Plate W1P1, well B02**: 2 of 96 images" in text_of(app)
    assert app.selectbox(key="plate_format_48").value == 48
    app.button(key="spot_close").click().run()
    assert "well B02" not in text_of(app) and not app.exception


def test_a_row_of_the_plates_in_the_address_shows_exactly_its_fields(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="screen")
    images = screen()
    for spot, title, own in (
        (["row", 2], "Row B of all plates", images["well"].str[0] == "B"),
        (["column", 3], "Column 3 of all plates", images["well"].str[1:] == "03"),
    ):
        app.query_params["spot"] = json.dumps(spot)
        app.switch_page("plates/page.py").run()
        assert not app.exception
        assert f"**{title}**: {own.sum()} of 96 images" in text_of(app)
        assert 0 < own.sum() < 96


def test_a_mean_leads_only_to_the_wells_that_it_is_of(monkeypatch, tmp_path):
    images = screen().assign(role="scored", content_hash="")
    # No label in column 3 but in one well: no agreement there.
    bare = (images["well"].str[1:] == "03") & (images["well"] != images["well"].max())
    images["label"] = images["label"].where(~bare, None)
    images["role"] = images["role"].where(~bare, "unlabelled")
    table = with_summary(images, calling(["A"] * len(images)))
    write_study(
        tmp_path / "bare",
        title="Bare",
        kind="plate",
        images=images,
        classes=["A", "B", "C", "D"],
        methods={"vi": {"num_samples": 1}},
        summaries={"vi": table[[c for c in table if c not in images]]},
    )
    app = pages(monkeypatch, tmp_path, study="bare")
    app.query_params["spot"] = json.dumps(["column", 3])
    app.switch_page("plates/page.py").run()
    app.selectbox(key="plate_colour").set_value("agreement").run()
    own = (images["well"].str[1:] == "03") & ~bare
    assert not app.exception and 0 < own.sum() < (images["well"].str[1:] == "03").sum()
    assert f"**Column 3 of all plates**: {own.sum()} of" in text_of(app)


@pytest.mark.parametrize("by", ["label", "prediction", "agreement", "n_images"])
def test_every_colouring_draws(monkeypatch, cache, by):
    app = pages(monkeypatch, cache, "plates/page.py", study="screen")
    app.selectbox(key="plate_colour").set_value(by).run()
    assert not app.exception and not app.error


def axes(app):
    return [
        json.loads(c.proto.spec)["layout"]["yaxis"].get("title", {}).get("text")
        for c in app.get("plotly_chart")
    ][1:]


def test_differences_from_the_plates_mean_are_named_so(monkeypatch, cache):
    app = pages(monkeypatch, cache, "plates/page.py", study="screen")
    assert axes(app) == ["mean signed confidence<br>minus the plate's mean"] * 2
    assert "0 is the mean of the well's plate" in text_of(app)
    app.selectbox(key="map").set_value("W1P1").run()
    assert not app.exception and axes(app) == ["mean signed confidence"] * 2


def test_wells_that_are_all_alike_are_not_compared(monkeypatch, cache):
    app = pages(monkeypatch, cache, "plates/page.py", study="screen")
    app.selectbox(key="plate_colour").set_value("n_images").run()
    assert "wells have the same value: number of fields 2" in text_of(app)
    assert "+0.000" not in text_of(app)


def test_a_bad_well_in_the_address_is_no_error(monkeypatch, cache):
    for text in (
        "x",
        "[1]",
        '["W1P1", "Z99"]',
        '{"a": 1}',
        '[[1, 2], ["x"]]',
        '["row", 0]',
        '["row", 99999999999]',
        '["column", true]',
        '["row", -3]',
        "[" * 5000,
    ):
        app = pages(monkeypatch, cache, study="screen")
        app.query_params["spot"] = text
        app.switch_page("plates/page.py").run()
        assert not app.exception


def test_one_stray_well_keeps_no_map_away(monkeypatch, tmp_path):
    images = screen().assign(role="scored", content_hash="")
    images.loc[images.index[:2], "well"] = ["AG49", "pos 7"]
    table = with_summary(images, calling(list(images["label"])))
    write_study(
        tmp_path / "stray",
        title="Stray",
        kind="plate",
        images=images,
        classes=sorted(images["label"].unique()),
        methods={"vi": {"num_samples": 1}},
        summaries={"vi": table[[c for c in table if c not in images]]},
    )
    app = pages(monkeypatch, tmp_path, "plates/page.py", study="stray")
    assert not app.exception and not app.error
    assert "Not on the map: 2 images without a plate" in text_of(app)
    assert "(AG49, pos 7)" in text_of(app)
    assert app.selectbox(key="plate_format_48").value == 48


def test_the_plates_of_an_added_set_have_a_separate_map(monkeypatch, tmp_path, cache):
    write_with_new_plates(tmp_path)
    app = pages(monkeypatch, tmp_path, "plates/page.py", study="plates")
    assert not app.exception and "8 images added later" in text_of(app)
    assert "N1" not in app.selectbox(key="map").options
    app.segmented_control(key="plate_set").set_value("may").run()
    assert not app.exception
    assert app.selectbox(key="map").options == ["N1"] and "4 wells." in text_of(app)
    app.query_params["spot"] = json.dumps(["N1", "C04"])
    app.run()
    assert "**Plate N1, well C04**: 2 of" in text_of(app)
    app = pages(monkeypatch, cache, "plates/page.py", study="screen")
    assert not [c for c in app.segmented_control if c.key == "plate_set"]
