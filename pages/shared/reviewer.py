"""Who reviews: one name for the session, remembered by this browser.

Two people may share a study, so the name is not guessed from the log. It is a cookie that
browser.js keeps: the server reads it as the page is loaded, without asking the page back.
"""

from urllib.parse import unquote

import streamlit as st

from bnn_core.review.log import LONGEST_NAME

COOKIE = "bnn_reviewer"
_NAME = "reviewer"
#: The name that the browser was given last.
_REMEMBERED = "_reviewer_remembered"


def name() -> str:
    """The name typed last, else the one that this browser remembers, else ""."""
    if _NAME not in st.session_state:
        st.session_state[_NAME] = unquote(st.context.cookies.get(COOKIE, ""))[:LONGEST_NAME]
    return st.session_state[_NAME]


def ask(key: str, **options: object) -> str:
    """A field with the name in it; what is typed there is the name everywhere from then on."""
    # Only where it differs: to set it would undo what is being typed.
    if st.session_state.get(key) != name():
        st.session_state[key] = name()
    return st.text_input(
        "Your name (required)",
        key=key,
        max_chars=LONGEST_NAME,
        on_change=take,
        args=(key,),
        **options,
    )


def cookie() -> dict[str, str]:
    """The cookie that pages/main.py hands to browser.js, in every run of the whole app."""
    st.session_state[_REMEMBERED] = name()
    return {COOKIE: name()}


def remember() -> None:
    """Let the browser have a new name now: in a fragment, which does not run pages/main.py."""
    if st.session_state.get(_REMEMBERED) != name():
        st.rerun()


def take(key: str) -> str:
    """The name in the field `key` is the name from now on."""
    st.session_state[_NAME] = st.session_state[key]
    return st.session_state[_NAME]
