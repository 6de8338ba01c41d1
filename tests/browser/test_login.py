"""After the login the user sees the page that the link named."""

from urllib.parse import urlsplit

import pytest
from browsing import serving, settled
from page_studies import write_animals

from bnn_core.base.roots import LOGIN


def test_the_login_leads_back_to_the_page_that_was_asked_for(tmp_path, monkeypatch, chromium):
    pytest.importorskip("authlib.integrations.starlette_client")
    pytest.importorskip("httpx2")
    from provider import provider, write_secrets

    (tmp_path / "cache").mkdir()
    write_animals(tmp_path / "cache", n=12)
    monkeypatch.setenv(LOGIN, "oidc")
    with provider({"name": "Ada Lovelace"}) as url:

        def options(server):
            return [f"--secrets.files={write_secrets(tmp_path / 'secrets.toml', url, server)}"]

        with serving(tmp_path / "cache", options) as (server, _):
            tab = chromium.new_page(base_url=server)
            tab.goto("/one_image?study=animals&image=a3")
            tab.get_by_role("button", name="Log in").click()
            tab.get_by_text("Logged in: Ada Lovelace").wait_for()
            tab.locator("h1", has_text="One image").wait_for()
            settled(tab)
            address = urlsplit(tab.url)
            assert address.path == "/one_image" and "study=animals" in address.query
            assert "image=a3" in address.query
            tab.goto("/plates?study=animals")  # the next link is not led away
            tab.locator("h1", has_text="Plates").wait_for()
            settled(tab)
            assert urlsplit(tab.url).path == "/plates"
            tab.close()
