"""The reviewer's name: one per session, remembered by this browser.

Two people may share a study, so the name is not guessed from the log. browser.js keeps it in a
cookie, which the server reads when the page is loaded.
"""

from urllib.parse import unquote

import streamlit as st

from bnn_core.review.log import LONGEST_REVIEWER
from pages.shared import login

COOKIE = "bnn_reviewer"
_NAME = "reviewer"
#: The name that was last sent to the browser.
_REMEMBERED = "_reviewer_remembered"


def name() -> str:
    """The name of the login, else typed last, else remembered by this browser, else ""."""
    if user := login.name():
        return user
    if _NAME not in st.session_state:
        st.session_state[_NAME] = unquote(st.context.cookies.get(COOKIE, ""))[:LONGEST_REVIEWER]
    return st.session_state[_NAME]


def ask(key: str, **options: object) -> str:
    """A field for the name, which is the same in all such fields."""
    # Only where it differs: setting it would undo the text being typed.
    if st.session_state.get(key) != name():
        st.session_state[key] = name()
    if login.name():
        options["disabled"] = True
    return st.text_input(
        "Your name (required)",
        key=key,
        max_chars=LONGEST_REVIEWER,
        on_change=take,
        args=(key,),
        **options,
    )


def cookie() -> dict[str, str]:
    """The cookie that pages/main.py passes to browser.js in every full run."""
    st.session_state[_REMEMBERED] = name()
    return {COOKIE: name()}


def remember() -> None:
    """Send a new name to the browser; for a fragment, which does not run pages/main.py."""
    if st.session_state.get(_REMEMBERED) != name():
        st.rerun()


def take(key: str) -> str:
    """Use the name in the field `key`; returns it."""
    st.session_state[_NAME] = login.name() or st.session_state[key]
    return st.session_state[_NAME]
