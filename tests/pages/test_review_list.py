import pytest
from page_studies import field, pages, text_of, write_animals, write_compounds

from bnn_core.review.exporting import csv_bytes, export_bytes, export_table
from bnn_core.review.log import ReviewLog
from bnn_core.review.short_list import short_list, workbook_bytes
from bnn_core.study.folder import open_study
from pages.review_list.files import MIME
from pages.shared import frame

PAGE = "review_list/page.py"


@pytest.fixture
def cache(tmp_path):
    write_animals(tmp_path, n=60)
    return tmp_path


@pytest.fixture
def flagged(cache):
    """Twelve images flagged by Ada, three of them decided otherwise by Bo."""
    study, log = open_study(cache / "animals"), ReviewLog(cache)
    log.flag(
        study,
        range(12),
        reviewer="Ada",
        reason="label suspect",
        decision="unsure",
        filter="by hand",
    )
    log.flag(
        study,
        [0, 1, 2],
        reviewer="Bo",
        reason="label suspect",
        decision="relabel",
        new_label="cat",
        note="a *cat*",
    )
    return study, log


def test_a_blind_reviewer_sees_no_decision_of_another(monkeypatch, cache, flagged):
    study, log = flagged
    assert set(log.state(study, "Ada")["decision"]) == {"unsure"}
    assert log.state(study, "Bo").index.tolist() == [0, 1, 2]
    app = pages(monkeypatch, cache, PAGE, study="animals", flagged_as="table")
    assert "Ada and Bo" in text_of(app)
    app.text_input(key="review_name").input("Bo").run()
    app.toggle(key="blind").set_value(True).run()
    assert not app.exception and "Ada" not in text_of(app)
    assert app.dataframe[0].value["decision"].tolist() == ["→ cat"] * 3
    # On other pages too.
    app.switch_page("one_image/page.py").run()
    assert not app.exception
    assert app.session_state["_blind_on"] is True


def test_example_decisions_are_loaded_on_request(monkeypatch, cache):
    study = open_study(cache / "animals")
    (study.path / "reviews").mkdir()
    lines = "\n".join(f"{study.images['image_id'][i]},other,exclude" for i in range(3))
    (study.path / "reviews" / "ada.csv").write_text(f"image_id,reason,decision\n{lines}\n")
    app = pages(monkeypatch, cache, PAGE, study="animals")
    assert ReviewLog(cache).state(study).empty
    app.button(key="review_examples").click().run()
    assert not app.exception and len(ReviewLog(cache).state(study)) == 3


@pytest.mark.parametrize("view", ["List", "History", "Export and import"])
def test_empty(monkeypatch, cache, view):
    app = pages(monkeypatch, cache, PAGE, study="animals", view=view)
    assert not app.exception and not app.error
    expected = {
        "List": "No image of this study is flagged",
        "History": "No decision has been made",
        "Export and import": "0 images",
    }
    assert expected[view] in text_of(app)


def test_what_is_flagged_with_marks_and_history(monkeypatch, cache, flagged):
    app = pages(monkeypatch, cache, PAGE, study="animals", flagged_as="table")
    assert not app.exception
    table = app.dataframe[0].value
    assert len(table) == 12 and table["decision"].value_counts().to_dict() == {
        "unsure": 9,
        "→ cat": 3,
    }
    assert "disputed (3)" in field(app, "button_group", "Which").options
    assert "**12** of 12 flagged images" in text_of(app)
    app = pages(monkeypatch, cache, PAGE, study="animals", label="bee")
    bees = int((flagged[0].images["label"][:12] == "bee").sum())
    assert f"**{bees}** of 12 flagged images" in text_of(app)
    app = pages(monkeypatch, cache, PAGE, study="animals", view="History")
    assert app.dataframe[0].value["what"].to_list() == [
        "relabel to cat (label suspect)",
        "unsure (label suspect)",
    ]


def test_filters_that_leave_nothing_leave_nothing_to_press(monkeypatch, cache, flagged):
    app = pages(monkeypatch, cache, PAGE, study="animals", search="no such image")
    assert "**0** of 12 flagged images" in text_of(app) and not app.exception
    labels = [
        widget.label
        for kind in ("button", "download_button")
        for widget in app.get(kind)
        if hasattr(widget, "label")
    ]
    assert not any(label.startswith(("Decide", "Remove", "Export")) for label in labels)


def test_one_action_is_one_action(monkeypatch, cache):
    study, log = open_study(cache / "animals"), ReviewLog(cache)
    log.flag(study, [0], reviewer="Ada", reason="other", decision="keep")
    app = pages(monkeypatch, cache, PAGE, study="animals", view="History")
    assert "1 action, newest first" in text_of(app)
    app = pages(monkeypatch, cache, PAGE, study="animals")
    assert "**1** of 1 flagged image: all images" in text_of(app)
    assert {"Decide 1", "Flag this image"} <= {button.label for button in app.button}


def test_take_off_undo_redo_under_a_name(monkeypatch, cache, flagged):
    study, log = flagged
    app = pages(monkeypatch, cache, PAGE, study="animals", flagged_as="table")
    app.button(key="review_Undo").click().run()
    assert "Undo needs your name" in app.toast[0].value and len(log.state(study)) == 12
    app.text_input(key="review_name").input("Ada").run()
    app.session_state["review_table_animals"] = {"selection": {"rows": [4, 5]}}
    app.run()
    app.button(key="review_off").click().run()
    assert not app.exception and len(log.state(study)) == 10
    app.button(key="review_Undo").click().run()
    assert len(log.state(study)) == 12
    app.button(key="review_Redo").click().run()
    assert len(log.state(study)) == 10 and not app.exception
    app.button(key="review_Redo").click().run()
    assert "nothing to redo under the name Ada" in app.toast[0].value


def test_the_browser_remembers_the_name(monkeypatch, cache, flagged):
    app = pages(monkeypatch, cache, PAGE, {"bnn_reviewer": "Bo%20%C3%85"}, study="animals")
    assert app.text_input(key="review_name").value == "Bo Å"
    app.button(key="review_decide").click().run()
    assert app.text_input(key="review_decide_name").value == "Bo Å"
    app.text_input(key="review_decide_name").input("Cy").run()
    assert app.text_input(key="review_name").value == "Cy"


def test_a_decision_is_changed_starting_from_what_it_was(monkeypatch, cache, flagged):
    study, log = flagged
    app = pages(monkeypatch, cache, PAGE, study="animals", flagged_as="table")
    app.session_state["review_table_animals"] = {"selection": {"rows": [0, 1]}}
    app.run()
    app.button(key="review_decide").click().run()
    assert field(app, "text_area", "Note").value == "a *cat*"
    assert field(app, "radio", "New label").value == "cat"
    field(app, "button_group", "Decision").set_value("exclude").run()
    app.text_input(key="review_decide_name").input("Cy").run()
    app.button(key="review_decide_go").click().run()
    assert not app.exception
    assert log.state(study)["decision"][:3].to_list() == ["exclude", "exclude", "relabel"]


def test_an_edited_list_comes_back_its_problems_first(monkeypatch, cache, flagged):
    study, log = flagged
    table = export_table(study, log)
    table.loc[3, ["decision", "note"]] = ["exclude", "=bad"]
    table.loc[4, "decision"] = "perhaps"
    app = pages(monkeypatch, cache, PAGE, study="animals", view="Export and import")
    app.text_input(key="import_name").input("Cy").run()
    app.get_by_key("review_file").set_value(("edited.csv", csv_bytes(table), "text/csv")).run()
    assert not app.exception
    assert "edited.csv row 6: decision 'perhaps'" in app.error[0].value.replace("\\", "")
    assert "**1 decision** is new. 10 are already in the log" in text_of(app)
    app.button(key="import_go").click().run()
    assert log.state(study).loc[3, ["decision", "note", "reviewer"]].to_list() == [
        "exclude",
        "=bad",
        "Cy",
    ]
    assert "1 image imported" in app.success[0].value
    assert "**0 decisions** are new. 11 are already in the log. 0 are older" in text_of(app)
    assert "import_go" not in [button.key for button in app.button]
    app = pages(monkeypatch, cache, PAGE, study="animals", view="Export and import")
    app.text_input(key="import_name").input("Cy").run()
    app.get_by_key("review_file").set_value(("odd.csv", b"a,b\r\n1,2\r\n", "text/csv")).run()
    assert "odd.csv has no column image_id" in app.error[0].value.replace("\\", "")
    assert export_bytes(study, log).startswith(b"\xef\xbb\xbf")


def test_the_short_excel_list_comes_back(monkeypatch, cache, flagged):
    study, log = flagged
    short = short_list(study, export_table(study, log))
    short.loc[short.index[3], "decision"] = "exclude"
    app = pages(monkeypatch, cache, PAGE, study="animals", view="Export and import")
    assert "export_flagged_xlsx" in str(app.main)
    book = ("edited.xlsx", workbook_bytes(study, short), MIME["xlsx"])
    app.get_by_key("review_file").set_value(book).run()
    assert not app.exception and not app.error
    assert "**1 decision** is new. 11 are already in the log" in text_of(app)


def test_a_newer_decision_is_replaced_only_where_ticked(monkeypatch, cache, flagged):
    study, log = flagged
    table = export_table(study, log)
    table.loc[[3, 4, 5], "decision"] = "exclude"
    for row in (3, 4):
        log.flag(study, [row], reviewer="Dan", reason="other", decision="keep")
    app = pages(monkeypatch, cache, PAGE, study="animals", view="Export and import")
    app.text_input(key="import_name").input("Cy").run()
    app.get_by_key("review_file").set_value(("old.csv", csv_bytes(table), "text/csv")).run()
    assert app.button(key="import_go").label == "Import 1"
    assert "**2 rows** of the file would replace a newer decision" in text_of(app)
    shown = app.dataframe[-1].value
    assert shown[["Image", "Current decision", "Decided by", "In the file"]].values.tolist() == [
        [study.images["image_id"][row], "keep", "Dan", "exclude"] for row in (3, 4)
    ]
    key = app.dataframe[-1].proto.id.split("-")[-1]
    app.session_state[key] = {"selection": {"rows": [1]}}
    app.run()
    app.button(key="import_go").click().run()
    assert not app.exception
    assert log.state(study)["decision"][3:6].to_list() == ["keep", "exclude", "exclude"]
    assert "**1 row** of the file would replace" in text_of(app)
    assert "import_go" not in [button.key for button in app.button]


def test_the_label_table_says_how_many_images_it_holds(monkeypatch, cache):
    study = open_study(write_compounds(cache))
    ReviewLog(cache).flag(
        study, [130], reviewer="Ada", reason="other", decision="relabel", new_label="cat"
    )
    app = pages(monkeypatch, cache, PAGE, study="compounds", view="Export and import")
    said = text_of(app)
    assert "**The corrected label table**: 121 images" in said and "study has 140" in said
    assert "every image" not in said


def test_the_report_is_offered_with_its_command(monkeypatch, cache, flagged):
    app = pages(monkeypatch, cache, PAGE, study="animals", view="Export and import")
    assert not app.exception
    assert "bnn report animals --out animals-report.html" in text_of(app)


@pytest.mark.parametrize("narrow", [False, True])
def test_the_table_has_the_columns_that_the_window_has_room_for(
    monkeypatch, cache, flagged, narrow
):
    monkeypatch.setattr(frame, "narrow_window", lambda: narrow)
    app = pages(monkeypatch, cache, PAGE, study="animals", flagged_as="table")
    (table,) = app.dataframe
    assert not app.exception
    order = list(table.proto.column_order)
    assert {"image_id", "label", "decision", "reason"} <= set(order)
    assert ("note" in order) is not narrow
    assert table.value["decision"].tolist() == ["→ cat"] * 3 + ["unsure"] * 9


def test_undo_looks_idle_until_there_is_something_to_undo(monkeypatch, cache, flagged):
    app = pages(monkeypatch, cache, PAGE, study="animals")
    assert looks(app) == {"idle_Undo", "idle_Redo"}
    app.text_input(key="review_name").input("Ada").run()
    assert looks(app) == {"able_Undo", "idle_Redo"}
    app.button(key="review_Undo").click().run()
    assert looks(app) == {"idle_Undo", "able_Redo"}


def looks(app):
    """Keys of the containers of Undo and Redo."""

    def blocks(block):
        yield block
        for child in getattr(block, "children", {}).values():
            yield from blocks(child)

    keys = [str(getattr(block, "proto", "")) for block in blocks(app.main)]
    words = [f"{state}_{word}" for state in ("idle", "able") for word in ("Undo", "Redo")]
    return {word for word in words if any(f'-{word}"' in key for key in keys)}
