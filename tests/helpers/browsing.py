"""What the tests in a browser share."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from page_studies import ROOT

#: Titles of all pages in the navigation.
PAGES = (
    "Overview",
    "Mechanisms",
    "Map",
    "Plates",
    "One image",
    "Confidence",
    "BNN vs standard",
    "Out of distribution",
    "Compare methods",
    "Compare studies",
    "Suspect labels",
    "Review list",
    "Your data",
    "Help",
)
#: The app while a run of the server draws it.
RUNNING = "[data-testid=stApp]:not([data-test-script-state=notRunning])"


def wait_for(tab, condition, seconds: int = 40) -> None:
    """Until the condition holds; AssertionError when it never does."""
    for _ in range(seconds * 10):
        if condition():
            return
        tab.wait_for_timeout(100)
    raise AssertionError("waited in vain")


def script_alone(tab, body: str) -> None:
    """A page of this HTML with the script of all pages and without Streamlit."""
    tab.route("**/alone", lambda route: route.fulfill(body=body, content_type="text/html"))
    tab.goto("/alone")
    tab.evaluate(
        """async script => {
            const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }))
            const { default: start } = await import(url)
            start({ data: { cookies: {} }, setTriggerValue () {}, setStateValue () {} })
        }""",
        (ROOT / "pages/shared/browser.js").read_text(encoding="utf-8"),
    )


def settled(tab) -> None:
    """Until the page is drawn to its end: what is looked up on it stays where it is."""
    tab.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def press_until(tab, key: str, condition, seconds: int = 40) -> None:
    """Presses a key whose shortcut starts a run, until the condition holds.

    Streamlit listens to a shortcut from the moment its button is mounted again after a run. A press
    before that starts nothing, so it is pressed again when no run has begun.
    """
    for _ in range(5):
        tab.keyboard.press(key)
        for _ in range(20):
            if condition() or tab.locator(RUNNING).count():
                return wait_for(tab, condition, seconds)
            tab.wait_for_timeout(50)
    raise AssertionError(f"{key} does nothing")


@contextmanager
def serving(
    cache: Path, options: Callable[[str], Sequence[str]] = lambda url: ()
) -> Iterator[tuple[str, subprocess.Popen]]:
    """The app on a free port over `cache`: its address and its process. options: flags of Streamlit
    beside the usual ones, for an address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = cache.parent / "server.log"
    with open(log, "w") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "streamlit",
                "run",
                str(ROOT / "app.py"),
                f"--server.port={port}",
                "--server.address=127.0.0.1",
                "--server.headless=true",
                "--server.fileWatcherType=none",
                *options(url),
            ],
            cwd=cache.parent,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"BNN_CACHE": str(cache)},
        )
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2)
                break
            except OSError:
                if process.poll() is not None:
                    break
                time.sleep(0.25)
        else:
            pytest.fail(f"the app did not start:\n{log.read_text()}")
        if process.poll() is not None:
            pytest.fail(f"the app stopped:\n{log.read_text()}")
        yield url, process
    finally:
        process.terminate()
        process.wait(timeout=20)
