"""Page, address and decisions stay one when the browser gets the server's answers late."""

from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import settled, wait_for

from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study
from bnn_core.suspects.ranking import rank


class Line:
    """The connection of a tab to the server. What passes in each direction can be held back."""

    def __init__(self, tab):
        self.asked, self.answers, self.question = 0, None, None
        self._keeps = False
        tab.route_web_socket(lambda url: "_stcore/stream" in url, self._connect)

    def _connect(self, browser):
        server = browser.connect_to_server()

        def ask(message):
            self.asked += 1
            if self._keeps:
                self.question = message
            else:
                server.send(message)

        def answer(message):
            if self.question and not self._keeps:
                server.send(self.question)
                self.question = None
            if self.answers is None:
                browser.send(message)
            else:
                self.answers.append(message)

        browser.on_message(ask)
        server.on_message(answer)
        self._browser = browser

    @contextmanager
    def late_question(self, tab):
        """What the page asks by itself reaches the server in the middle of the next run."""
        self._keeps = True
        wait_for(tab, lambda: self.question)
        self._keeps = False
        yield
        wait_for(tab, lambda: self.question is None)

    @contextmanager
    def late_answers(self, tab):
        """Meanwhile the server works and the browser hears nothing."""
        self.answers, before = [], -1
        yield
        while before != len(self.answers) or not self.answers:
            before = len(self.answers)
            tab.wait_for_timeout(500)
        for message in self.answers:
            self._browser.send(message)
        self.answers = None


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
        # The page looks whether others decided; with that it sends the table's old selection.
        with line.late_question(tab):
            tab.get_by_role("button", name="Next undecided").click()
        settled(tab)
        wait_for(tab, lambda: shown(tab) == (names[1], names[1]))
        decide(tab)
        assert shown(tab) == (names[1], names[1])
    finally:
        ReviewLog(cache).undo(open_study(cache / "screen"), "Ada")


def test_a_click_from_before_a_step_takes_page_and_address_back(tab, cache):
    image_id = open_study(cache / "screen").images["image_id"].iat[5]
    line = Line(tab)
    tab.goto(f"/one_image?study=screen&image={image_id}")
    flag = tab.get_by_role("button", name="Flag this image")
    flag.wait_for()
    settled(tab)
    with line.late_answers(tab):
        tab.get_by_role("button", name="Next").click()
        asked = line.asked
        flag.click()
        wait_for(tab, lambda: line.asked > asked)
    tab.get_by_role("dialog").get_by_text(image_id).wait_for()
    settled(tab)
    assert parse_qs(urlsplit(tab.url).query)["image"] == [image_id]
