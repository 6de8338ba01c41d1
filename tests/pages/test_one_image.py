import numpy as np
import pandas as pd
import pytest
from page_studies import pages, text_of, write_animals, write_compounds, write_others

from bnn_core.measures.prediction_sets import table_sets
from bnn_core.study.folder import open_study

PAGE = "one_image/page.py"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    animals = write_animals(root)
    np.save(
        animals / "embedding.npy", np.random.default_rng(0).normal(size=(300, 8)).astype(np.float16)
    )
    pd.DataFrame(
        {
            "num_samples": [1, 1, 5, 5, 20],
            "repeat": [0, 1, 0, 1, 0],
            "n_images": 200,
            "pool": 20,
            "accuracy": [0.8, 0.82, 0.85, 0.86, 0.87],
        }
    ).to_parquet(animals / "sample_size.parquet")
    write_compounds(root)
    return root


@pytest.fixture(scope="module")
def table(cache):
    return open_study(cache / "animals").table("vi")


def test_it_opens_on_the_least_sure_image_and_walks_on(monkeypatch, cache, table):
    app = pages(monkeypatch, cache, PAGE, study="animals")
    assert not app.exception
    order = np.argsort(-table["predictive_entropy"].to_numpy(), kind="stable")
    assert "**1** of 300: all images" in text_of(app)
    assert app.button(key="step_back").disabled
    app.button(key="step_on").click().run()
    assert app.query_params["image"] == table["image_id"][order[1]]
    assert "**2** of 300" in text_of(app) and not app.exception
    app.selectbox(key="walk").select("as stored").run()
    assert f"**{order[1] + 1}** of 300" in text_of(app)


def test_a_fold_is_shown_only_where_the_study_has_several(monkeypatch, cache, tmp_path):
    assert ">Fold<" in text_of(pages(monkeypatch, cache, PAGE, study="animals"))
    write_others(tmp_path)
    said = text_of(pages(monkeypatch, tmp_path, PAGE))
    assert ">Role<" in said and ">Fold<" not in said


def test_a_cold_link_shows_its_image_in_the_selection_it_came_from(monkeypatch, cache, table):
    from pages.shared import frame

    among = np.array([7, 200, 31])
    link = frame.image_link(open_study(cache / "animals"), 200, among)
    app = pages(monkeypatch, cache, study="animals")
    for name, value in link.items():
        app.query_params[name] = value
    app.switch_page(PAGE).run()
    assert "**2** of 3 in the selection" in text_of(app) and not app.exception
    app.button(key="step_on").click().run()
    assert app.query_params["image"] == table["image_id"][31]
    assert app.button(key="step_on").disabled
    app.button(key="step_all").click().run()
    assert "of 300: all images" in text_of(app) and not app.exception


def test_a_cold_link_keeps_the_order_it_names(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="animals", walk="as stored")
    app.query_params["image"] = "img-0004"
    app.switch_page(PAGE).run()
    assert "**5** of 300" in text_of(app) and not app.exception


def test_the_sentence_says_votes_average_and_verdict(monkeypatch, cache, table):
    row = int(np.flatnonzero(~table["correct"].astype(bool))[0])
    app = pages(monkeypatch, cache, study="animals")
    app.query_params["image"] = table["image_id"][row]
    app.switch_page(PAGE).run()
    samples = np.asarray(open_study(cache / "animals").samples("vi")[row])
    votes = (samples.argmax(axis=1) == ["ant", "bee", "cat"].index(table["predicted"][row])).sum()
    said = text_of(app)
    assert f"{votes} predict {table['predicted'][row]}" in said
    assert f"**{table['predicted'][row]}** at {table['top_softmax'][row]:.3f}" in said
    assert "✕ wrong" in said
    share = table["epistemic"][row] / (table["epistemic"][row] + table["aleatoric"][row])
    assert f"Of its uncertainty, {100 * share:.0f} % is epistemic" in said


def test_a_click_in_the_strip_goes_to_that_image(monkeypatch, cache, table):
    app = pages(monkeypatch, cache, PAGE, study="animals")
    app.session_state["strip_chart"] = {
        "selection": {"points": [{"customdata": [42]}], "point_indices": [], "box": [], "lasso": []}
    }
    app.run()
    assert app.query_params["image"] == table["image_id"][42] and not app.exception
    app.button(key="step_on").click().run()
    assert app.query_params["image"] != table["image_id"][42] and not app.exception


def test_what_averaging_gains_and_how_many_networks(monkeypatch, cache, table):
    app = pages(monkeypatch, cache, PAGE, study="animals")
    said = text_of(app)
    assert "On 300 scored images" in said
    assert "drawn from one pool of 20, on the same 200 images" in said
    assert len(app.get("plotly_chart")) == 5


@pytest.mark.parametrize("which", ["a random choice", "the least sure", "next in this selection"])
def test_the_strip_always_holds_the_image_in_view(monkeypatch, cache, which):
    app = pages(monkeypatch, cache, PAGE, study="animals", strip=which)
    assert not app.exception
    strip = next(c for c in app.get("plotly_chart") if "this image" in c.proto.spec)
    assert "200 images" in strip.proto.spec


@pytest.mark.parametrize("alike", ["another label", "the same label", "any label"])
def test_neighbours_of_each_kind(monkeypatch, cache, alike):
    app = pages(monkeypatch, cache, PAGE, study="animals", alike=alike)
    assert not app.exception and "Closest first" in text_of(app)


def test_a_study_of_bare_predictions_says_what_it_lacks(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="compounds")
    assert not app.exception
    said = text_of(app)
    for words in (
        "has no picture",
        "bnn import FILE --samples",
        "no standard network",
        "Closest first",
        "more than five samples",
    ):
        assert words in said


def test_an_unlabelled_image_is_neither_right_nor_wrong(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="compounds")
    app.query_params["image"] = open_study(cache / "compounds").images["image_id"][130]
    app.switch_page(PAGE).run()
    assert "the image has no label" in text_of(app) and "✕ wrong" not in text_of(app)
    assert not app.exception


def test_an_unknown_image_in_the_address_is_one_clear_line(monkeypatch, cache):
    app = pages(monkeypatch, cache, study="animals")
    app.query_params["image"] = "img-9999"
    app.switch_page(PAGE).run()
    assert "has no image 'img-9999'. The first image" in app.warning[0].value
    assert "**1** of 300" in text_of(app) and not app.exception


def test_filters_that_leave_nothing_are_no_error(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="animals", search="no such image")
    assert "No images match" in app.info[0].value and not app.exception


def test_another_study_does_not_look_for_this_ones_image(monkeypatch, cache, table):
    app = pages(monkeypatch, cache, study="animals")
    app.query_params["image"] = table["image_id"][3]
    app.switch_page(PAGE).run()
    app.selectbox(key="study").select("compounds").run()
    assert "image" not in app.query_params and not app.warning and not app.exception
    assert "**1** of 140: all images" in text_of(app)


def test_the_set_of_classes_follows_the_chosen_chance(monkeypatch, cache, table):
    classes = open_study(cache / "animals").classes
    shown = {}
    for chance in (0.8, 0.95):
        app = pages(monkeypatch, cache, PAGE, study="animals", image=table["image_id"].iat[3])
        app.segmented_control(key="chance").set_value(chance).run()
        assert not app.exception
        member = table_sets(table, classes, chance).member[3]
        shown[chance] = set(np.compress(member, classes))
        (sentence,) = [m.value for m in app.markdown if f"({100 * chance:.0f} % of" in m.value]
        assert {name for name in classes if f"**{name}**" in sentence} == shown[chance]
    assert shown[0.8] <= shown[0.95]
