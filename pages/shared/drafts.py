"""Entries of a form that are not recorded yet. They survive a reload of the page.

The server keeps them per browser, identified by a cookie. A restart of the server forgets
them.
"""

import uuid
from typing import Any

import streamlit as st

COOKIE = "bnn_browser"
#: Most drafts of all browsers together; the oldest is removed first.
MOST = 1000
_BROWSER = "_browser_id"


def browser() -> str:
    """The identifier of this browser."""
    if _BROWSER not in st.session_state:
        st.session_state[_BROWSER] = st.context.cookies.get(COOKIE) or uuid.uuid4().hex
    return st.session_state[_BROWSER]


def cookie() -> dict[str, str]:
    """The cookie that pages/main.py passes to browser.js."""
    return {COOKIE: browser()}


def read(name: str) -> dict[str, Any]:
    """The fields entered into the form `name`; empty when there are none. Do not change it."""
    return _kept().get((browser(), name), {})


def keep(name: str, **fields: Any) -> None:
    """Add fields to the entries of the form `name`."""
    kept = _kept()
    fields = read(name) | fields
    kept.pop((browser(), name), None)
    kept[browser(), name] = fields
    while len(kept) > MOST:
        kept.pop(next(iter(kept)), None)


def drop(name: str) -> None:
    """Forget the entries of the form `name`."""
    _kept().pop((browser(), name), None)


@st.cache_resource(show_spinner=False)
def _kept() -> dict[tuple[str, str], dict[str, Any]]:
    return {}
