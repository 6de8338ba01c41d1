"""The form that flags images, in a browser."""

from browsing import settled, wait_for


def test_escape_loses_nothing_of_what_is_typed(tab):
    tab.goto("/one_image?study=animals")
    note = tab.get_by_label("Note")
    tab.get_by_role("button", name="Flag").wait_for()
    settled(tab)
    tab.get_by_role("button", name="Flag").click()
    note.wait_for()
    settled(tab)
    note.fill("a cat, surely")
    note.press("Escape")
    wait_for(tab, lambda: note.count() == 0)
    tab.get_by_role("button", name="Flag").click()
    wait_for(tab, lambda: note.count() and note.input_value() == "a cat, surely")


def remembered(tab):
    kept = {cookie["name"]: cookie["value"] for cookie in tab.context.cookies()}
    return kept.get("bnn_reviewer", "")


def test_the_name_outlives_a_reload(tab):
    tab.goto("/one_image?study=animals")
    tab.get_by_role("button", name="Flag").click()
    name = tab.get_by_role("textbox", name="Your name (required)")
    name.fill("Zoë; Q")
    name.press("Tab")
    tab.get_by_role("button", name="Flag", exact=True).last.click()
    tab.get_by_text("Flagged 1 image").wait_for()
    tab.goto("/review_list?study=animals")
    wait_for(tab, lambda: name.count() and name.input_value() == "Zoë; Q")
    tab.keyboard.press("u")
    tab.get_by_text("Taken back: 1 image").wait_for()
    # Typed here, it is remembered without a decision; an empty one is forgotten.
    for typed in ("Ada", ""):
        name.fill(typed)
        name.press("Enter")
        settled(tab)
        wait_for(tab, lambda typed=typed: remembered(tab) == typed)
    tab.reload()
    wait_for(tab, lambda: name.count() and name.input_value() == "")
    settled(tab)
    tab.keyboard.press("u")
    tab.get_by_text("Undo needs your name").wait_for()
