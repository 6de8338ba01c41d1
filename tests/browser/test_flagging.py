"""The dialog that flags images, in a browser: by keyboard, on a slow server, over a reload."""

import os
import signal
from contextlib import contextmanager

import pytest
from browsing import press_until, script_alone, serving, settled, wait_for
from page_studies import write_animals

from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study

FOCUS = """() => { const at = document.activeElement
  return at.getAttribute("aria-label") ?? at.innerText }"""


@pytest.fixture(scope="module", autouse=True)
def beasts(cache):
    """A study of its own: what is flagged here is flagged on no other test's page."""
    write_animals(cache, "beasts", n=60)


@pytest.fixture
def small(tab):
    tab.set_viewport_size({"width": 1280, "height": 800})
    # Another test of this profile may have typed a name, which the browser remembers.
    tab.context.clear_cookies(name="bnn_reviewer")
    return tab


COLOUR = "element => getComputedStyle(element).color"


def look_at(tab, image):
    tab.goto(f"/one_image?study=beasts&image={image}")
    tab.get_by_role("button", name="Flag this image").wait_for()
    settled(tab)


def open_form(tab, button="Flag this image"):
    tab.get_by_role("button", name=button).click()
    tab.get_by_role("textbox", name="Note").wait_for()
    settled(tab)


def record(tab):
    tab.get_by_role("dialog").get_by_role("button", name="Flag", exact=True).click()


def is_open(tab):
    return tab.get_by_role("dialog").count() > 0


def focus(tab):
    return tab.evaluate(FOCUS)


def tab_to(tab, name):
    """Tab over at most three fields to the one of this name."""
    for _ in range(3):
        if focus(tab).endswith(name):
            return
        before = focus(tab)
        tab.keyboard.press("Tab")
        wait_for(tab, lambda before=before: focus(tab) != before)
    assert focus(tab).endswith(name)


def test_by_keyboard_from_the_button_through_the_form_and_back(small, cache):
    look_at(small, "img-0011")
    small.get_by_role("button", name="Flag this image").focus()
    small.keyboard.press("Enter")
    wait_for(small, lambda: focus(small) == "Reason")
    settled(small)
    box = small.get_by_role("dialog").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 800
    # Streamlit's colour of what is chosen has too little contrast on the dark theme.
    chosen, other = (
        small.locator(f"[role=dialog] [data-variant][aria-checked={checked}]").first
        for checked in ("true", "false")
    )
    assert chosen.evaluate(COLOUR) == other.evaluate(COLOUR)
    small.keyboard.press("ArrowDown")
    small.get_by_role("option").first.wait_for()
    small.keyboard.press("Escape")
    wait_for(small, lambda: small.get_by_role("option").count() == 0)
    assert is_open(small)
    tab_to(small, "Note")
    small.keyboard.type("by keyboard")
    small.wait_for_timeout(600)  # the typed text is sent after 0.4 s; a key during that run is lost
    settled(small)
    tab_to(small, "Flag")
    settled(small)
    small.keyboard.press("Enter")
    small.get_by_text("Type your name").wait_for()
    wait_for(small, lambda: focus(small) == "Your name (required)")
    small.keyboard.type("Ada")
    small.keyboard.press("Tab")
    small.keyboard.press("Enter")
    small.get_by_text("Flagged 1 image").wait_for()
    wait_for(small, lambda: not is_open(small) and "Flag this image" in focus(small))
    study = open_study(cache / "beasts")
    decided = ReviewLog(cache).state(study).loc[study.row_of("img-0011")]
    assert (decided["note"], decided["reviewer"]) == ("by keyboard", "Ada")


@pytest.mark.parametrize("leave", ["Escape", "Close", "reload"])
def test_nothing_that_is_typed_is_lost(small, leave):
    look_at(small, {"Escape": "img-0020", "Close": "img-0021", "reload": "img-0022"}[leave])
    open_form(small)
    small.get_by_role("textbox", name="Note").click()
    small.keyboard.type("a cat, surely")
    if leave == "Escape":
        small.keyboard.press("Escape")
    elif leave == "Close":
        small.get_by_role("button", name="Close").click()
    else:
        small.reload()
    small.get_by_text("Not recorded yet").wait_for()
    assert not is_open(small)
    open_form(small, "Continue")
    note = small.get_by_role("textbox", name="Note")
    wait_for(small, lambda: note.input_value() == "a cat, surely")


def test_a_draft_that_is_sent_presses_no_key_of_the_shortcuts(tab):
    """A note is sent as Ctrl-Enter in its field. For shortcuts that key would stay pressed."""
    script_alone(tab, '<body><div role="dialog"><textarea></textarea></div>')
    tab.evaluate("""() => {
        window.heard = []
        document.body.addEventListener("keydown", event => window.heard.push("body " + event.key))
        document.addEventListener("keydown", event => window.heard.push("document " + event.key))
    }""")
    tab.locator("textarea").fill("note")
    wait_for(tab, lambda: tab.evaluate("window.heard"))
    assert tab.evaluate("window.heard") == ["body Enter"]
    tab.locator("textarea").press("x")
    assert "document x" in tab.evaluate("window.heard")


def test_typing_goes_on_while_the_draft_is_sent(small):
    look_at(small, "img-0030")
    open_form(small)
    small.get_by_role("textbox", name="Note").click()
    words = "one two three four five six seven"
    small.keyboard.type(words, delay=60)  # pauses and runs of the server fall in between
    small.wait_for_timeout(1000)
    small.keyboard.type(" eight")
    settled(small)
    assert small.get_by_role("textbox", name="Note").input_value() == f"{words} eight"
    assert focus(small) == "Note"


@contextmanager
def stopped(process):
    """The server does not answer meanwhile."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_a_slow_server_records_what_was_pressed_and_the_dialog_says_so_meanwhile(
    chromium, tmp_path
):
    cache = tmp_path / "cache"
    write_animals(cache, "beasts", n=30)
    with serving(cache) as (url, process):
        tab = chromium.new_page(base_url=url, viewport={"width": 1280, "height": 800})
        tab.set_default_timeout(45_000)
        look_at(tab, "img-0003")
        open_form(tab)
        tab.get_by_label("Your name").fill("Ada")
        tab.get_by_role("textbox", name="Note").fill("slow")
        with stopped(process):
            record(tab)
            record(tab)  # an impatient second press
            tab.get_by_text("Not recorded yet: the server has not answered").wait_for()
            assert is_open(tab)
        tab.get_by_text("Flagged 1 image").wait_for()
        wait_for(tab, lambda: not is_open(tab))
        log, study = ReviewLog(cache), open_study(cache / "beasts")
        assert log.state(study)[["note", "reviewer"]].values.tolist() == [["slow", "Ada"]]
        assert log.last_action() == 1
        settled(tab)
        assert tab.get_by_text("Not recorded yet").count() == 0
        # A server that is gone records nothing, and the dialog does not claim so.
        look_at(tab, "img-0004")
        open_form(tab)
        os.kill(process.pid, signal.SIGSTOP)
        record(tab)
        process.kill()
        tab.get_by_text("Not recorded yet: the server has not answered").wait_for()
        assert is_open(tab) and log.last_action() == 1
        tab.close()


def test_two_reviewers_in_the_same_second_both_get_a_message(profile, cache):
    tabs = {who: profile.new_page() for who in ("Ann", "Ben")}
    for who, tab in tabs.items():
        look_at(tab, "img-0040")
        open_form(tab)
        tab.get_by_label("Your name").fill(who)
    log = ReviewLog(cache)
    before = log.last_action()
    record(tabs["Ann"])
    wait_for(tabs["Ann"], lambda: log.last_action() > before)
    record(tabs["Ben"])
    tabs["Ben"].get_by_text("Ann decided 1 image").wait_for()
    assert is_open(tabs["Ben"]) and log.last_action() == before + 1
    settled(tabs["Ben"])
    record(tabs["Ben"])
    tabs["Ben"].get_by_text("Flagged 1 image").wait_for()
    # Nobody touches her page: it looks for itself.
    tabs["Ann"].get_by_text("Ben decided 1 image").wait_for()
    for tab in tabs.values():
        tab.close()


def remembered(tab):
    kept = {cookie["name"]: cookie["value"] for cookie in tab.context.cookies()}
    return kept.get("bnn_reviewer", "")


def test_the_name_outlives_a_reload(tab):
    look_at(tab, "img-0050")
    open_form(tab)
    name = tab.get_by_role("textbox", name="Your name (required)")
    name.fill("Zoë; Q")
    record(tab)
    tab.get_by_text("Flagged 1 image").wait_for()
    tab.goto("/review_list?study=beasts")
    wait_for(tab, lambda: name.count() and name.input_value() == "Zoë; Q")
    settled(tab)
    press_until(tab, "u", tab.get_by_text("Undone: 1 image").is_visible)
    # Typed here, it is remembered without a decision; an empty one is forgotten.
    for typed in ("Ada", ""):
        name.fill(typed)
        name.press("Enter")
        settled(tab)
        wait_for(tab, lambda typed=typed: remembered(tab) == typed)
    tab.reload()
    wait_for(tab, lambda: name.count() and name.input_value() == "")
    settled(tab)
    press_until(tab, "u", tab.get_by_text("Undo needs your name").is_visible)
