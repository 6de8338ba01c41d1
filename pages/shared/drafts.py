"""What is entered into a form and not sent yet: it outlives a reload of the page.

The server keeps it for this browser, which a cookie tells apart. A restart of the
server forgets it.
"""

import uuid
from typing import Any

import streamlit as st

COOKIE = "bnn_browser"
#: Drafts kept for all browsers together; the oldest goes first.
MOST = 1000
_BROWSER = "_browser_id"


def browser() -> str:
    """A text that tells this browser from others."""
    if _BROWSER not in st.session_state:
        st.session_state[_BROWSER] = st.context.cookies.get(COOKIE) or uuid.uuid4().hex
    return st.session_state[_BROWSER]


def cookie() -> dict[str, str]:
    """The cookie that pages/main.py hands to browser.js."""
    return {COOKIE: browser()}


def read(name: str) -> dict[str, Any]:
    """The fields entered into the form `name`; empty when there are none. Do not change it."""
    return _kept().get((browser(), name), {})


def keep(name: str, **fields: Any) -> None:
    """Add fields to what is kept for the form `name`."""
    kept = _kept()
    fields = read(name) | fields
    kept.pop((browser(), name), None)
    kept[browser(), name] = fields
    while len(kept) > MOST:
        kept.pop(next(iter(kept)), None)


def drop(name: str) -> None:
    """Forget what was entered into the form `name`."""
    _kept().pop((browser(), name), None)


@st.cache_resource(show_spinner=False)
def _kept() -> dict[tuple[str, str], dict[str, Any]]:
    return {}
