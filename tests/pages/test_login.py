"""A server whose users log in: pages, images, the reviewer's name."""

import json
from contextlib import contextmanager

import pytest
import streamlit as st
from page_studies import field, pages, write_animals
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from streamlit.auth_util import encode_provider_token
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_auth_routes import (
    USER_COOKIE_NAME,
    create_auth_routes,
    decode_signed_value,
    get_cookie_secret,
)

from bnn_core.base.roots import LOGIN
from pages.shared.routes import ROUTES, image


class User(dict):
    """As st.user."""

    is_logged_in = property(lambda self: bool(self))


@pytest.fixture
def cache(tmp_path):
    write_animals(tmp_path, n=12)
    return tmp_path


def visit(monkeypatch, cache, demanded, user=None, headers=None):
    monkeypatch.setenv(LOGIN, demanded)
    monkeypatch.setattr(st, "user", User(user or {}))
    monkeypatch.setattr(type(st.context), "headers", headers or {})
    return pages(monkeypatch, cache, study="animals")


@pytest.mark.parametrize(
    "demanded, user, headers",
    [
        ("oidc", {}, {"X-User": "Ada"}),
        ("oidc", {"name": " \x00"}, {}),
        ("header X-User", {"name": "Ada"}, {}),
    ],
)
def test_a_visitor_who_is_not_logged_in_sees_nothing(monkeypatch, cache, demanded, user, headers):
    app = visit(monkeypatch, cache, demanded, user, headers)
    assert not app.exception and not app.sidebar.selectbox and not app.tabs
    assert "animals" not in str([*app.markdown, *app.caption, *app.title])
    assert [button.key for button in app.button] == (
        [] if "header" in demanded else ["logout" if user else "login"]
    )


@pytest.mark.parametrize(
    "demanded, user, headers",
    [
        ("oidc", {"name": "Ada", "email": "a@example.org"}, {}),
        ("oidc", {"email": "Ada"}, {}),
        ("header X-User", {}, {"X-User": "Ada"}),
    ],
)
def test_the_reviewer_is_who_logged_in(monkeypatch, cache, demanded, user, headers):
    app = visit(monkeypatch, cache, demanded, user, headers)
    assert app.sidebar.selectbox(key="study").value == "animals"
    app.switch_page("one_image/page.py").run()
    app.button(key="one_flag").click().run()
    name = field(app, "text_input", "Your name (required)")
    assert (name.value, name.disabled) == ("Ada", True)


def test_a_picture_needs_the_signed_cookie_of_a_login(monkeypatch, cache):
    monkeypatch.setenv("BNN_CACHE", str(cache))

    def status(**headers):
        scope = {
            "type": "http",
            "method": "GET",
            "path_params": {"study": "animals", "size": "thumb", "row": 3},
            "query_string": b"",
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
        }
        return image(Request(scope)).status_code

    def signed(user, secret=None):
        secret = secret or get_cookie_secret()
        value = create_signed_value(secret, USER_COOKIE_NAME, json.dumps(user)).decode()
        return status(cookie=f"{USER_COOKIE_NAME}={value}")

    assert status() == 200
    monkeypatch.setenv(LOGIN, "oidc")
    assert status() == status(x_user="Ada") == 401
    assert signed({"is_logged_in": True}) == 200
    assert signed({"is_logged_in": True}, "the secret of another server") == 401
    assert signed({"is_logged_in": False}) == signed([]) == 401
    monkeypatch.setenv(LOGIN, "header X-User")
    assert signed({"is_logged_in": True}) == 401
    assert status(x_user="Ada") == 200


@contextmanager
def logging_in(folder, person):
    """A client of the server's own routes, and a provider that logs everybody in as `person`."""
    pytest.importorskip("authlib.integrations.starlette_client")
    http = pytest.importorskip("httpx2")
    from provider import provider, write_secrets
    from starlette.testclient import TestClient

    session = Middleware(SessionMiddleware, secret_key="of the session")
    server = Starlette(routes=[*create_auth_routes(""), *ROUTES], middleware=[session])
    before = st.get_option("secrets.files")
    with provider(person) as url:
        file = write_secrets(folder / "secrets.toml", url, "http://testserver")
        try:
            st.config.set_option("secrets.files", [str(file)])
            secrets_singleton._reset()
            yield TestClient(server, follow_redirects=False), http
        finally:
            st.config.set_option("secrets.files", before)
            secrets_singleton._reset()


def test_the_providers_name_is_the_reviewers_and_nothing_is_shown_before(monkeypatch, cache):
    monkeypatch.setenv("BNN_CACHE", str(cache))
    monkeypatch.setenv(LOGIN, "oidc")
    with logging_in(cache, {"name": "Ada Lovelace", "email": "ada@example.org"}) as (
        client,
        http,
    ):
        picture = "/image/animals/thumb/3"
        assert client.get(picture).status_code == 401
        begin = f"/auth/login?provider={encode_provider_token('default')}"
        back = http.get(client.get(begin).headers["location"]).headers["location"]
        assert client.get(back.replace("state=", "state=x")).status_code == 302  # of another login
        assert client.get(picture).status_code == 401
        assert client.get(back).headers["location"] == "/"
        assert client.get(picture).status_code == 200
        cookie = client.cookies[USER_COOKIE_NAME].strip('"').encode()
        user = json.loads(decode_signed_value(get_cookie_secret(), USER_COOKIE_NAME, cookie))
        client.get("/auth/logout")
        assert client.get(picture).status_code == 401
    app = visit(monkeypatch, cache, "oidc", user)
    app.switch_page("one_image/page.py").run()
    app.button(key="one_flag").click().run()
    assert field(app, "text_input", "Your name (required)").value == "Ada Lovelace"
