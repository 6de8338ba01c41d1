"""Page, address and decisions stay one when the browser gets the server's answers late."""

from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import settled, wait_for

from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study
from bnn_core.suspects.ranking import rank


class Line:
    """The connection of a tab to the server, whose answers can be held back."""

    def __init__(self, tab):
        self.asked, self.held, self.holds = 0, [], False
        tab.route_web_socket(lambda url: "_stcore/stream" in url, self._connect)

    def _connect(self, browser):
        server = browser.connect_to_server()

        def ask(message):
            self.asked += 1
            server.send(message)

        browser.on_message(ask)
        server.on_message(
            lambda message: self.held.append(message) if self.holds else browser.send(message)
        )
        self._browser = browser

    @contextmanager
    def late(self, tab):
        """Meanwhile the server works and the browser hears nothing."""
        self.holds = True
        yield
        before = -1  # until the server has said everything
        while before != len(self.held) or not self.held:
            before = len(self.held)
            tab.wait_for_timeout(500)
        self.holds = False
        for message in self.held:
            self._browser.send(message)
        self.held.clear()


@pytest.fixture
def names(cache):
    """The suspects in their order."""
    study = open_study(cache / "screen")
    return rank(study.table("vi"), study.classes, resamples=2)["compound"].to_list()


@pytest.fixture
def line(tab):
    tab.set_viewport_size({"width": 1280, "height": 800})
    held_back = Line(tab)
    tab.goto("/suspect_labels?study=screen")
    tab.get_by_role("button", name="Decide 12", exact=True).wait_for()
    settled(tab)
    return held_back


def shown(tab):
    """The suspect of the heading, and the one of the address."""
    settled(tab)
    address = parse_qs(urlsplit(tab.url).query).get("suspect", [None])
    return tab.locator("h2").first.inner_text().split(":")[0], address[0]


def decide(tab):
    tab.get_by_role("button", name="Decide 12", exact=True).click()
    tab.get_by_role("dialog").wait_for()


def test_what_the_page_asks_by_itself_does_not_undo_a_step(tab, line, names, cache):
    decide(tab)
    tab.get_by_label("Your name").fill("Ada")
    tab.get_by_role("dialog").get_by_role("button", name="Decide", exact=True).click()
    tab.get_by_role("button", name="Undo").wait_for()
    settled(tab)
    try:
        with line.late(tab):
            tab.get_by_role("button", name="Next undecided").click()
            asked = line.asked
            # The page looks whether others decided; with that it sends the table's old selection.
            wait_for(tab, lambda: line.asked > asked + 1)
        wait_for(tab, lambda: shown(tab) == (names[1], names[1]))
        decide(tab)
        assert shown(tab) == (names[1], names[1])
    finally:
        ReviewLog(cache).undo(open_study(cache / "screen"), "Ada")


def test_a_click_from_before_a_step_takes_page_and_address_back(tab, line, names):
    with line.late(tab):
        tab.locator(".st-key-suspect_on button").click()
        asked = line.asked
        tab.get_by_role("button", name="Decide 12", exact=True).click()
        wait_for(tab, lambda: line.asked > asked)
    tab.get_by_role("dialog").wait_for()
    assert shown(tab)[0] == names[0]
    assert shown(tab)[1] in (names[0], None)


def test_steps_pressed_faster_than_the_answers_come_are_all_made(tab, line, names):
    with line.late(tab):
        for asked in (line.asked, line.asked + 1):
            tab.locator(".st-key-suspect_on button").click()
            wait_for(tab, lambda asked=asked: line.asked > asked)
            tab.wait_for_timeout(800)  # the server has drawn the first step
    wait_for(tab, lambda: shown(tab) == (names[2], names[2]))
