"""The form that flags images, on the pages that show it."""

import pytest
from page_studies import field, pages, text_of, write_animals

from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study

PAGE = "one_image/page.py"


@pytest.fixture
def cache(tmp_path):
    write_animals(tmp_path, n=60)
    return tmp_path


@pytest.fixture
def app(monkeypatch, cache):
    """One image, the form open."""
    return opened(pages(monkeypatch, cache, PAGE, study="animals"))


def opened(app, round=0):
    app.session_state[f"one_flag_{round}"] = True
    return app.run()


def shut(app):
    app.session_state["one_flag_0"] = False
    return app.run()


def entered(app):
    return [
        field(app, *what).value
        for what in (
            ("selectbox", "Reason"),
            ("button_group", "Decision"),
            ("selectbox", "New label"),
            ("text_area", "Note"),
        )
    ]


def fill(app):
    field(app, "selectbox", "Reason").select("wrong compound")
    field(app, "button_group", "Decision").set_value("relabel")
    field(app, "text_area", "Note").input("a cat, surely")
    app.run()
    field(app, "selectbox", "New label").select("cat").run()
    return entered(app)


def test_a_form_that_was_shut_is_as_it_was_left_until_it_is_sent(app, cache):
    left = fill(app)
    assert left == ["wrong compound", "relabel", "cat", "a cat, surely"]
    assert entered(opened(shut(app))) == left
    field(app, "text_input", "Your name").input("Ada").run()
    app.button(key="one_flag_go").click().run()
    assert not app.exception
    study = open_study(cache / "animals")
    state = ReviewLog(cache).state(study)
    assert state[["reason", "decision", "new_label", "note"]].values.tolist() == [left]
    opened(app, 1)
    assert field(app, "text_area", "Note").value == ""
    assert field(app, "button_group", "Decision").value == "unsure"


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
    app.button(key="step_on").click().run()  # the form stays open
    assert field(app, "text_area", "Note").value == ""
    assert field(app, "button_group", "Decision").value == "unsure"
    app.button(key="step_back").click().run()
    assert entered(app) == left and not app.exception
