"""The form that flags images, on the pages that show it."""

import numpy as np
import pytest
from page_studies import field, pages, text_of, write_animals

from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study
from pages.shared import flag_form

PAGE = "one_image/page.py"
BROWSER = {"bnn_browser": "one of many"}


@pytest.fixture
def cache(tmp_path):
    write_animals(tmp_path, n=60)
    return tmp_path


@pytest.fixture
def app(monkeypatch, cache):
    """One image, the form open."""
    return opened(loaded(monkeypatch, cache))


def loaded(monkeypatch, cache, cookies=BROWSER):
    return pages(monkeypatch, cache, PAGE, cookies, study="animals")


def opened(app, button="one_flag"):
    return app.button(key=button).click().run()


def shut(app):
    """As the dialog's own button or Escape do."""
    del app.session_state["_flag_form_open"]
    return app.run()


def keys(app):
    return {button.key for button in app.button}


def shown(app):
    """All that the form says is wrong."""
    return " ".join(
        text.value for text in app.markdown if ":material/error:" in text.value
    ).replace("\\", "")


def entered(app):
    return [
        field(app, *what).value
        for what in (
            ("selectbox", "Reason"),
            ("button_group", "Decision"),
            ("radio", "New label"),
            ("text_area", "Note"),
        )
    ]


def fill(app):
    field(app, "selectbox", "Reason").select("wrong compound")
    field(app, "button_group", "Decision").set_value("relabel")
    field(app, "text_area", "Note").input("a cat, surely")
    app.run()
    field(app, "radio", "New label").set_value("cat").run()
    return entered(app)


def test_a_form_that_was_shut_is_as_it_was_left_until_it_is_recorded(app, cache):
    left = fill(app)
    assert left == ["wrong compound", "relabel", "cat", "a cat, surely"]
    assert {"one_flag_continue", "one_flag_discard"} <= keys(shut(app))
    assert entered(opened(app, "one_flag_continue")) == left
    field(app, "text_input", "Your name").input("Ada").run()
    app.button(key="one_flag_go").click().run()
    assert not app.exception and not {"one_flag_go", "one_flag_continue"} & keys(app)
    study = open_study(cache / "animals")
    state = ReviewLog(cache).state(study)
    assert state[["reason", "decision", "new_label", "note"]].values.tolist() == [left]
    opened(app)
    assert field(app, "text_area", "Note").value == ""
    assert field(app, "button_group", "Decision").value == "unsure"


def test_a_draft_survives_a_reload_in_the_same_browser_and_can_be_discarded(
    monkeypatch, cache, app
):
    left = fill(app)
    assert "one_flag_continue" not in keys(loaded(monkeypatch, cache, {"bnn_browser": "another"}))
    again = loaded(monkeypatch, cache)
    assert "one_flag_go" not in keys(again)
    assert entered(opened(again, "one_flag_continue")) == left
    assert "one_flag_continue" not in keys(opened(shut(again), "one_flag_discard"))
    assert field(opened(again), "text_area", "Note").value == ""


def test_a_missing_entry_is_named_below_its_field_and_nothing_is_recorded(app, cache):
    study, log = open_study(cache / "animals"), ReviewLog(cache)
    field(app, "button_group", "Decision").set_value("relabel").run()
    app.button(key="one_flag_go").click().run()
    assert "new label" in shown(app) and "your name" in shown(app)
    order = [getattr(one, "label", None) or getattr(one, "value", "") for one in app._tree[2]]
    places = [
        next(i for i, words in enumerate(order) if str(words).startswith(start))
        for start in (
            "New label",
            ":red[:material/error: Choose",
            "Note",
            "Your name",
            ":red[:material/error: Type",
        )
    ]
    assert places == sorted(places)
    assert log.state(study).empty
    field(app, "radio", "New label").set_value("cat").run()
    assert "new label" not in shown(app)
    field(app, "text_input", "Your name").input("Ada")
    app.button(key="one_flag_go").click().run()
    assert log.state(study)["new_label"].to_list() == ["cat"] and not app.exception


def test_a_field_filled_in_with_the_same_click_counts(app, cache):
    field(app, "text_area", "Note").input("late")
    field(app, "text_input", "Your name").input("Ada")
    app.button(key="one_flag_go").click().run()
    state = ReviewLog(cache).state(open_study(cache / "animals"))
    assert state[["note", "reviewer"]].values.tolist() == [["late", "Ada"]]
    assert "one_flag_continue" not in keys(app)


def test_a_field_that_is_sent_with_the_click_and_kept_after_it_makes_no_draft(monkeypatch, app):
    record = flag_form._record

    def first(form):
        record(form)
        flag_form._keep(form, "note")

    monkeypatch.setattr(flag_form, "_record", first)
    field(app, "text_input", "Your name").input("Ada").run()
    app.button(key="one_flag_go").click().run()
    assert "one_flag_undo" in keys(app) and "one_flag_continue" not in keys(app)


def test_two_reviewers_of_the_same_image_both_get_a_message(monkeypatch, cache):
    study, log = open_study(cache / "animals"), ReviewLog(cache)
    tabs = {
        who: loaded(monkeypatch, cache, {"bnn_browser": who, "bnn_reviewer": who})
        for who in ("Ada", "Zoe")
    }
    for tab in tabs.values():
        opened(tab)
    field(tabs["Ada"], "button_group", "Decision").set_value("exclude").run()
    tabs["Ada"].button(key="one_flag_go").click().run()
    assert log.last_action() == 1 and "decided 1 image" not in text_of(tabs["Ada"])
    tabs["Zoe"].button(key="one_flag_go").click().run()
    assert log.last_action() == 1
    assert "Ada decided 1 image: exclude" in shown(tabs["Zoe"])
    tabs["Zoe"].button(key="one_flag_go").click().run()
    assert log.state(study)["reviewer"].to_list() == ["Zoe"] and log.last_action() == 2
    assert "Zoe decided 1 image: unsure" in text_of(tabs["Ada"].run())
    assert "Ada decided" not in text_of(tabs["Zoe"].run())


def test_a_decision_between_question_and_record_is_reported_afterwards(monkeypatch, cache, app):
    study, log = open_study(cache / "animals"), ReviewLog(cache)
    row = int(np.flatnonzero(study.images["image_id"] == image_in_view(app))[0])
    flag = ReviewLog.flag

    def beaten(self, *args, **options):
        monkeypatch.setattr(ReviewLog, "flag", flag)
        log.flag(study, [row], reviewer="Zoe", reason="other", decision="keep")
        return flag(self, *args, **options)

    monkeypatch.setattr(ReviewLog, "flag", beaten)
    field(app, "text_input", "Your name").input("Ada").run()
    app.button(key="one_flag_go").click().run()
    assert log.last_action() == 2 and "Zoe decided 1 image: keep" in text_of(app)


def image_in_view(app):
    return (
        next(caption.value for caption in app.caption if "opened on One image" in caption.value)
        .replace("\\", "")
        .split(",")[0]
    )


def test_another_page_has_no_form_open(app):
    app.switch_page("overview/page.py").run()
    assert "one_flag_go" not in keys(app.switch_page(PAGE).run())


@pytest.mark.parametrize("page", [PAGE, "review_list/page.py"])
def test_an_image_says_what_was_decided_of_it(monkeypatch, cache, page):
    study, log = open_study(cache / "animals"), ReviewLog(cache)
    log.flag(
        study, [7], reviewer="Ada *L*", reason="label suspect", decision="relabel", new_label="cat"
    )
    when = log.state(study)["time"].iat[0][:16].replace("T", " ")
    app = pages(monkeypatch, cache, study="animals")
    app.query_params["image"] = "img-0007"
    app.switch_page(page).run()
    said = f"**relabel to cat** (label suspect), Ada *L*, {when} UTC"
    assert said in text_of(app) and not app.exception
    log.undo(study, "Ada *L*")
    assert said not in text_of(app.run())


def test_a_note_for_one_image_is_not_in_the_form_of_another(app):
    left = fill(app)
    shut(app).button(key="step_on").click().run()
    assert "one_flag_continue" not in keys(app)
    opened(app)
    assert field(app, "text_area", "Note").value == ""
    assert field(app, "button_group", "Decision").value == "unsure"
    shut(app).button(key="step_back").click().run()
    assert entered(opened(app, "one_flag_continue")) == left and not app.exception
