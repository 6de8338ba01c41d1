import shutil

import pandas as pd
import pytest
from page_studies import pages, text_of, write_animals, write_compounds, write_screen

from bnn_core.review.exporting import export_table
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study
from bnn_core.suspects.explanation import TITLES
from bnn_core.suspects.second_opinion import opinion, read_profiles, write_opinion

PAGE = "suspect_labels/page.py"


@pytest.fixture
def cache(tmp_path):
    write_screen(tmp_path)
    return tmp_path


def ranking(app):
    return app.dataframe[0].value


def headline(app):
    return app.header[0].value.replace("\\", "")


def test_the_planted_compound_is_first_and_open_with_every_explanation(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="screen")
    assert not app.exception
    first = ranking(app).iloc[0]
    assert (first["title"], first["label"], first["suspected"]) == ("D2", "D", "A")
    assert first["called"] == "12 of 12"
    # Rounded before it is shown: -0.004 is no "-0.00".
    assert ranking(app)["confidence"].equals(ranking(app)["confidence"].round(2))
    said = text_of(app)
    assert "rank 1" in said and "12 of 12 images are predicted wrongly, 12 as A" in said
    shown = {key for key, title in TITLES.items() if title in said}
    assert {"wrong_label", "well_swap", "batch", "artefact", "other_network"} <= shown
    fold = next(e.label for e in app.expander if "not checked" in e.label)
    assert "image quality" in fold and "a second opinion" in fold
    for head in (
        "This compound:",
        "**D2**",
        "Same label:",
        "**D**",
        "Looks like:",
        "**A**",
        "Its other doses",
        "Untreated,",
        "same plates",
    ):
        assert head in said
    assert "This study has no" not in said
    # Its images look like those of the other compounds of A.
    assert "24 closest images, 24 A" in said


def test_a_click_a_step_and_an_address_choose_a_suspect(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="screen")
    names = ranking(app)["title"].to_list()
    app.button(key="suspect_on").click().run()
    assert headline(app).startswith(f"{names[1]}:")
    assert list(app.session_state["suspects_table_compound"]["selection"]["rows"]) == [1]
    app.button(key="suspect_back").click().run()
    assert headline(app).startswith("D2:")
    app = pages(monkeypatch, cache, PAGE, study="screen", suspect=names[3])
    assert not app.exception and len(names) == 8


@pytest.mark.parametrize("level, first", [("treatments", "D2 1 µM"), ("wells", "W2P1 E02")])
def test_treatments_and_wells(monkeypatch, cache, level, first):
    app = pages(monkeypatch, cache, PAGE, study="screen", suspects=level)
    assert not app.exception
    assert first in ranking(app)["title"].to_list()[:6]


def test_images_by_label_quality(monkeypatch, cache):
    app = pages(
        monkeypatch, cache, PAGE, study="screen", suspects="images", suspects_as="as a table"
    )
    assert not app.exception
    assert set(ranking(app)["label"][:12]) == {"D"}
    assert ranking(app)["label_quality"].is_monotonic_increasing
    app.get_by_key("suspects_as").set_value("as images").run()
    assert not app.exception and "most suspect first" in text_of(app)


def test_ticked_images_of_the_table_can_be_flagged_and_the_last_is_shown(monkeypatch, cache):
    app = pages(
        monkeypatch, cache, PAGE, study="screen", suspects="images", suspects_as="as a table"
    )
    table = ranking(app)
    assert {"compound", "plate", "well"} <= set(table)
    assert ((table["training_margin"] < 0) == (table["compound"] == "D2")).all()
    flag = "suspect_images_table_flag"
    app.session_state["suspect_images_table_screen"] = {"selection": {"rows": [1, 3]}}
    app.run()
    app.button(key=flag).click().run()
    app.text_input(key=f"{flag}_name").input("Ada")
    app.button(key=f"{flag}_go").click().run()
    assert not app.exception
    exported = export_table(open_study(cache / "screen"), ReviewLog(cache))
    assert set(exported["image_id"]) == set(table["image_id"].iloc[[1, 3]])
    assert set(exported["vi_training_margin"]) == {-0.5}


def test_filters_shorten_the_table_and_change_no_score(monkeypatch, cache):
    whole = ranking(pages(monkeypatch, cache, PAGE, study="screen"))
    app = pages(monkeypatch, cache, PAGE, study="screen", label="D")
    left = ranking(app)
    assert set(left["title"]) == {"D1", "D2"}
    assert left["score"].to_list() == whole.set_index("title")["score"][left["title"]].to_list()
    assert "2 of 8 compounds" in text_of(app)


def test_flag_the_whole_compound_and_undo_it(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="screen")
    study, log = open_study(cache / "screen"), ReviewLog(cache)
    app.button(key="suspect_screen_compound_D2_D_flag").click().run()
    app.text_input(key="suspect_screen_compound_D2_D_flag_name").input("Ada")
    assert "already" not in text_of(app)
    app.button(key="suspect_screen_compound_D2_D_flag_go").click().run()
    assert not app.exception
    app.button(key="suspect_screen_compound_D2_D_flag").click().run()
    assert "12 of them are already on the list" in text_of(app)
    state = log.state(study)
    assert len(state) == 12 and "suspect compound D2" in state["filter"].iat[0]
    decided = ranking(app).set_index("title")["decision"]
    assert decided["D2"] == "unsure"
    assert set(decided.drop("D2")) == {""}
    assert "12 of 12 flagged: unsure (label suspect), Ada" in text_of(app)
    assert "1 of 8 compounds decided (1 unsure)" in text_of(app)
    app.button(key="suspect_screen_compound_D2_D_flag_undo").click().run()
    assert log.state(study).empty
    assert set(ranking(app)["decision"]) == {""}
    assert "0 of 8 compounds decided" in text_of(app)


def test_the_next_undecided_suspect_is_one_click_away(monkeypatch, cache):
    study, log = open_study(cache / "screen"), ReviewLog(cache)
    app = pages(monkeypatch, cache, PAGE, study="screen")
    names = ranking(app)["title"].to_list()
    for name in (names[1], names[2]):
        rows = study.images.index[study.images["compound"] == name]
        log.flag(study, rows, reviewer="Ada", reason="inactive dose", decision="exclude")
    app.run()
    assert "2 of 8 compounds decided" in text_of(app) and "not decided" in text_of(app)
    app.button(key="suspect_undecided").click().run()
    assert headline(app).startswith(f"{names[3]}:")
    app = pages(monkeypatch, cache, PAGE, study="screen", suspect=names[1])
    assert "12 of 12 flagged: exclude (inactive dose), Ada" in text_of(app)
    # Deciding again starts from the current decision.
    app.button(key=f"suspect_screen_compound_{names[1]}_{names[1][0]}_flag").click().run()
    values = [box.value for box in app.selectbox]
    assert "inactive dose" in values and not app.exception


def test_the_table_of_images_shows_their_decisions(monkeypatch, cache):
    study = open_study(cache / "screen")
    row = int(study.images.index[study.images["compound"] == "D2"][0])
    ReviewLog(cache).flag(study, [row], reviewer="Ada", reason="corrupted", decision="exclude")
    app = pages(
        monkeypatch, cache, PAGE, study="screen", suspects="images", suspects_as="as a table"
    )
    decided = ranking(app).set_index("image_id")["decision"]
    assert decided[decided != ""].to_dict() == {study.images["image_id"].iat[row]: "exclude"}


def test_a_second_opinion_is_asked_where_there_is_one(monkeypatch, cache):
    study = open_study(cache / "screen")
    features = cache / "features.csv"
    table = study.images.assign(moa=study.images["label"])[
        ["compound", "concentration", "plate", "well", "moa"]
    ]
    # Features that say what the label says: the label is right, the network is wrong.
    places = "ABCD"
    for i, name in enumerate(places):
        table[f"f{i}"] = [
            float(label == name) + 0.01 * (k % 7) for k, label in enumerate(table["moa"])
        ]
    table.to_csv(features, index=False)
    write_opinion(study.path, opinion(read_profiles(features), study.classes), "features.csv")
    app = pages(monkeypatch, cache, PAGE, study="screen")
    assert not app.exception
    alone = app.selectbox(key="second").set_value("none").run()
    score = ranking(alone)["score"].iat[0]
    both = app.selectbox(key="second").set_value("measured features").run()
    assert ranking(both).set_index("title")["score"]["D2"] < score
    assert "The second opinion gives the label" in text_of(both)


def test_studies_without_compounds_pictures_or_scored_rows(monkeypatch, tmp_path):
    write_animals(tmp_path, n=40)
    write_compounds(tmp_path)
    app = pages(monkeypatch, tmp_path, PAGE, study="animals")
    assert not app.exception and "Label quality is the mean probability" in text_of(app)
    app = pages(monkeypatch, tmp_path, PAGE, study="compounds")
    assert not app.exception and "has no pictures" in text_of(app)
    app = pages(monkeypatch, tmp_path, PAGE, study="compounds", search="no such image")
    assert not app.exception and "No images match" in app.info[0].value


def test_the_truth_is_shown_only_when_asked(monkeypatch, cache):
    plain_study = pages(monkeypatch, cache, PAGE, study="screen")
    assert not [toggle.key for toggle in plain_study.toggle if toggle.key.startswith("truth")]
    pd.DataFrame(
        [
            {
                "kind": "inactive dose",
                "level": "treatment",
                "compound": "D2",
                "concentration": 1.0,
                "plate": None,
                "well": None,
                "image_id": None,
                "given": "D",
                "true": "no visible effect",
                "note": "planted by the test",
            }
        ]
    ).to_parquet(cache / "screen" / "truth.parquet")
    app = pages(monkeypatch, shutil.copytree(cache, cache.with_name("again")), study="screen")
    said = text_of(app)
    assert app.button(key="tour_1").label.endswith("D2") and "no visible effect" not in said
    app.toggle(key="truth_overview").set_value(True).run()
    assert "Compounds: **1 of 1** planted faults are among the first 1" in text_of(app)
    shown = next(d.value for d in app.dataframe if "kind" in d.value)
    assert shown.iloc[0].tolist()[:5] == ["inactive dose", "D2", "D", "no visible effect", "1 of 8"]
    app = app.switch_page(PAGE).run()
    assert not app.exception and not app.toggle(key="truth_suspects").value


def test_a_compound_that_is_predicted_as_labelled_needs_no_explanation(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="screen", suspect="A1")
    assert not app.exception
    assert headline(app) == "A1: labelled A, all predicted as labelled"
    said = text_of(app)
    assert "nothing to explain" in said and "Possible explanations" not in said


def test_a_suspect_that_is_not_in_the_list_is_reported(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="screen", suspect="Nobody")
    assert "“Nobody” is not in this list" in text_of(app) and not app.exception


def test_the_suspect_follows_to_another_level_and_back(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="screen", suspect="A1")
    assert headline(app).startswith("A1:")
    wells = set(open_study(cache / "screen").images.query("compound == 'A1'")["well"])
    app.get_by_key("suspects").set_value("treatment").run()
    assert not app.exception and "is not in this list" not in text_of(app)
    assert headline(app).startswith("A1 ")
    app.get_by_key("suspects").set_value("well").run()
    assert headline(app).split(":")[0].split()[-1] in wells
    app.get_by_key("suspects").set_value("compound").run()
    assert headline(app).startswith("A1:") and app.query_params["suspect"] == "A1"
    app.get_by_key("suspects").set_value("image").run()
    assert not app.exception and "suspect" not in app.query_params


def test_another_study_is_no_second_opinion_until_it_is_chosen(monkeypatch, cache):
    write_screen(cache, "another")
    app = pages(monkeypatch, cache, PAGE, study="screen")
    assert app.selectbox(key="second").value == "none"
    shutil.rmtree(cache / "another")


def test_the_tour_leads_from_a_suspect_to_the_decision(monkeypatch, cache):
    pd.DataFrame(
        [
            {
                "kind": "inactive dose",
                "level": "treatment",
                "compound": "D2",
                "concentration": 1.0,
                "plate": None,
                "well": None,
                "image_id": None,
                "given": "D",
                "true": "no visible effect",
                "note": "planted by the test",
            }
        ]
    ).to_parquet(cache / "screen" / "truth.parquet")
    app = pages(monkeypatch, shutil.copytree(cache, cache.with_name("tour")), study="screen")
    for number in (1, 2, 3):
        app = app.button(key=f"tour_{number}").click().run()
        assert not app.exception
        assert headline(app).startswith("D2:")
        assert {f"tour_{n}" for n in (1, 2, 3)} <= {button.key for button in app.button}
    # The third step opens the form with the focus of the suspect.
    assert any(button.key.endswith("_go") for button in app.button)
