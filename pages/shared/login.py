"""Who uses the app, where `bnn serve` demands that users say so.

With `--login` by Streamlit's OpenID Connect (`st.login`): the server signs a cookie. With
`--user-header` a proxy in front of the server writes the name into a header of every request.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from streamlit.web.server.starlette import starlette_auth_routes

from bnn_core.base.roots import LOGIN
from bnn_core.review.log import LONGEST_REVIEWER

_HEADER = "header "
_keeps_page = st.components.v2.component(
    "keeps_page", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
)


def name() -> str:
    """The name of the user who is logged in; "" without a login."""
    if header := _header():
        return _plain(st.context.headers.get(header))
    if not _demanded() or not st.user.is_logged_in:
        return ""
    return _plain(st.user.get("name") or st.user.get("email") or st.user.get("sub"))


def demand() -> None:
    """Stop the page, with a button to log in, for a visitor who is not logged in."""
    if not _demanded() or name():
        return
    st.title("Which image labels can I not trust, and why?", anchor=False)
    if _header():
        st.error(
            "The proxy in front of this server does not send your user name. Ask the person who runs it.",
            icon=":material/lock:",
        )
    elif st.user.is_logged_in:
        st.error("Your account has no name and no address.", icon=":material/lock:")
        st.button("Log out", key="logout", on_click=st.logout)
    else:
        st.markdown("Log in to see the studies of this server.")
        _keeps_page(key="keeps_page")
        st.button("Log in", key="login", type="primary", icon=":material/login:", on_click=st.login)
    st.stop()


def draw() -> None:
    """Who is logged in and, where Streamlit logged the user in, a button to log out."""
    if who := name():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Logged in: {who}")
            if not _header():
                st.button("Log out", key="logout", on_click=st.logout, type="tertiary")


def allowed(request: Request) -> bool:
    """Whether the sender of a request for an image is logged in, or need not be."""
    if not _demanded():
        return True
    if header := _header():
        return bool(_plain(request.headers.get(header)))
    cookie = starlette_auth_routes._get_cookie_value_from_request(
        request, starlette_auth_routes.USER_COOKIE_NAME
    )
    try:
        user = json.loads(cookie or b"{}")
    except ValueError:
        return False
    return isinstance(user, Mapping) and user.get("is_logged_in") is True


def _demanded() -> bool:
    return bool(os.environ.get(LOGIN))


def _header() -> str:
    """The header that names the user, "" where none does."""
    setting = os.environ.get(LOGIN, "")
    return setting.removeprefix(_HEADER) if setting.startswith(_HEADER) else ""


def _plain(value: object) -> str:
    return "".join(c for c in str(value or "") if c.isprintable()).strip()[:LONGEST_REVIEWER]
