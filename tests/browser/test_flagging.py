"""The form that flags images, in a browser."""

from browsing import wait_for


def test_escape_loses_nothing_of_what_is_typed(tab):
    tab.goto("/one_image?study=animals")
    note = tab.get_by_label("Note")
    tab.get_by_role("button", name="Flag").click()
    note.fill("a cat, surely")
    note.press("Escape")
    wait_for(tab, lambda: note.count() == 0)
    tab.get_by_role("button", name="Flag").click()
    wait_for(tab, lambda: note.count() and note.input_value() == "a cat, surely")
