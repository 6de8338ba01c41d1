"""A running app and a browser for it. Tests fail on errors of the page or its console."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import serving
from page_studies import ROOT, write_animals, write_compounds, write_screen

from bnn_core.study.folder import Study, open_study

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-gpu-rasterization",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A process of its own for each tab would load and compile Streamlit anew: 1.3 s of CPU.
    "--renderer-process-limit=1",
)
#: Colours and positions change at once: none is read on the way, and nothing is drawn for its own sake.
STILL = """addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style")
  style.textContent = "*, *::before, *::after { transition: none !important; animation: none !important }"
  document.head.append(style)
})"""
#: Generous: a busy machine is no failure.
TIMEOUT_MS = 45_000


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """Studies for the browser: animals (everything), compounds (a table and no more), screen."""
    root = tmp_path_factory.mktemp("browser") / "cache"
    root.mkdir()
    write_animals(root)
    write_compounds(root)
    write_screen(root)
    return root


@pytest.fixture(scope="session")
def demo(cache) -> Study:
    """The ready-made study, copied: no test writes reviews beside the repository's own."""
    return open_study(shutil.copytree(ROOT / "cache" / "demo", cache / "demo"))


@pytest.fixture(scope="session")
def server(cache) -> Iterator[str]:
    """The address of the app over `cache`."""
    with serving(cache) as (url, _):
        yield url


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests; they are skipped where there is none."""
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        pytest.skip("no Chromium on this machine: install the package chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def profile(chromium, server) -> Iterator:
    """One profile for all tabs: what the app loads once is in its cache."""
    context = chromium.new_context(
        base_url=server, viewport={"width": 1280, "height": 1000}, accept_downloads=True
    )
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(STILL)
    # As long as this tab is open, so is the process of all tabs.
    context.new_page().goto("/_stcore/health")
    yield context
    context.close()


@pytest.fixture
def tab(profile) -> Iterator:
    """A fresh tab (playwright's Page), a session of its own; errors fail the test at its end."""
    page, errors = profile.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: (
            errors.append(f"{message.text} {message.location['url']}")
            if message.type == "error" and not _expected(message.location["url"])
            else None
        ),
    )
    yield page
    page.close()
    assert not errors


def _expected(url: str) -> bool:
    # On a deep link Streamlit first looks for its server below the page's own address.
    return url.endswith(("/_stcore/health", "/_stcore/host-config"))
