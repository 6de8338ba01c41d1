"""Back and Forward at 1280x800: every step of a walk can be reached again, with its screen."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import press_until, script_alone, settled, wait_for

from bnn_core.study.folder import open_study


@pytest.fixture
def laptop(tab):
    tab.set_viewport_size({"width": 1280, "height": 800})
    return tab


def opened(tab) -> list[str]:
    """Rows of the tiles that are marked as open, on all walls."""
    return tab.locator(".tile[aria-current]").evaluate_all(
        "tiles => tiles.map(tile => tile.dataset.row)"
    )


def widths(tab) -> list[int]:
    return tab.locator(".wall").evaluate_all("walls => walls.map(wall => wall.clientWidth)")


def test_an_image_of_a_suspect_opens_below_and_moves_nothing(laptop, demo):
    table = demo.images
    laptop.goto("/suspect_labels?study=demo")
    walls = laptop.locator(".wall")
    wait_for(laptop, lambda: walls.count() == 6 and walls.last.locator(".tile").count() > 0)
    settled(laptop)
    before = widths(laptop)
    for wall in (0, 2):
        tile = walls.nth(wall).locator(".tile").nth(1)
        row = tile.get_attribute("data-row")
        tile.click()
        picture = laptop.get_by_role("img", name=str(table["image_id"][int(row)]), exact=True)
        picture.wait_for()
        wait_for(laptop, lambda row=row: opened(laptop) == [row])
        wait_for(
            laptop,
            lambda picture=picture: (
                picture.evaluate("img => img.naturalWidth") > 0
                and picture.evaluate("img => img.getBoundingClientRect().bottom") <= 800
            ),
        )
        assert widths(laptop) == before
        assert parse_qs(urlsplit(laptop.url).query)["opened"] == [table["image_id"][int(row)]]
    laptop.go_back()
    first = walls.nth(0).locator(".tile").nth(1).get_attribute("data-row")
    wait_for(laptop, lambda: opened(laptop) == [first])


def screen(tab) -> tuple[str, str, tuple[str, ...]]:
    """What identifies a screen: its address, its heading, the tiles that are open."""
    settled(tab)
    heading = tab.locator("h1").first.inner_text()
    return tab.url, heading, tuple(opened(tab))


def test_ten_steps_back_and_forward_show_the_same_ten_screens(laptop):
    def go(page):
        laptop.get_by_test_id("stSidebarNav").get_by_role("link", name=page, exact=True).click()
        laptop.get_by_role("heading", name=page, exact=True).wait_for()
        settled(laptop)

    def tile(index):
        wait_for(laptop, lambda: laptop.locator(".tile").count() > index)
        chosen = laptop.locator(".tile").nth(index)
        row = chosen.get_attribute("data-row")
        chosen.click()
        wait_for(laptop, lambda: opened(laptop) == [row])

    def suspect(key):
        address = laptop.url
        laptop.locator("h1").first.click()
        press_until(laptop, key, lambda: laptop.url != address)

    def level(name):
        laptop.get_by_role("radio", name=name, exact=True).click()
        wait_for(laptop, lambda: re.search("suspects=well", laptop.url) is not None)

    laptop.goto("/?study=screen")
    laptop.locator(".tile").first.wait_for()
    screens = [screen(laptop)]
    for act, argument in (
        (go, "Suspect labels"),
        (suspect, "j"),
        (suspect, "j"),
        (tile, 2),
        (level, "wells"),
        (go, "Plates"),
        (go, "Mechanisms"),
        (go, "Suspect labels"),
        (go, "Confidence"),
    ):
        act(argument)
        settled(laptop)
        laptop.wait_for_timeout(400)
        screens.append(screen(laptop))
    assert len(set(screens)) >= 9
    length = laptop.evaluate("history.length")
    for expected in screens[-2::-1]:
        laptop.go_back()
        wait_for(laptop, lambda expected=expected: screen(laptop) == expected)
        settled(laptop)
    for expected in screens[1:]:
        laptop.go_forward()
        wait_for(laptop, lambda expected=expected: screen(laptop) == expected)
        settled(laptop)
    assert laptop.evaluate("history.length") == length


def test_an_address_holds_nothing_of_other_pages(laptop, demo):
    laptop.goto("/suspect_labels?study=demo&suspects=well&opened=nowhere")
    settled(laptop)
    main = laptop.get_by_test_id("stMain")
    for page in ("Confidence", "Mechanisms", "Overview"):
        main.evaluate("main => main.scrollTo(0, 500)")
        laptop.get_by_test_id("stSidebarNav").get_by_role("link", name=page, exact=True).click()
        laptop.get_by_role("heading", name=page, exact=True).wait_for()
        settled(laptop)
        assert set(parse_qs(urlsplit(laptop.url).query)) == {"study"}
        assert main.evaluate("main => main.scrollTop") == 0  # a page begins at its top


def test_a_clicked_point_is_in_the_address(laptop, cache):
    """And so the image comes back with Back, and by the address alone."""
    image_id = open_study(cache / "animals").images["image_id"][17]
    laptop.goto(f'/bnn_vs_standard?study=animals&selected={{"images":["{image_id}"]}}')
    laptop.get_by_role("img", name=image_id, exact=True).wait_for()
    laptop.get_by_role("button", name="Back to the counts").click()
    laptop.get_by_text("Both sure").first.wait_for()
    wait_for(laptop, lambda: "selected" not in laptop.url)
    laptop.go_back()
    laptop.get_by_role("img", name=image_id, exact=True).wait_for()


def test_a_late_change_of_the_address_keeps_the_way_forward(laptop):
    """A run that Back interrupted still writes its page's address when the browser is slow."""
    laptop.goto("/help?study=screen")
    settled(laptop)
    wait_for(laptop, lambda: laptop.evaluate("history.bnnJoinsSteps === true"))
    laptop.get_by_test_id("stSidebarNav").get_by_role("link", name="Your data", exact=True).click()
    laptop.get_by_role("heading", name="Your data", exact=True).wait_for()
    settled(laptop)
    address, length = laptop.url, laptop.evaluate("history.length")
    laptop.go_back()
    laptop.get_by_role("heading", name="Help", exact=True).wait_for()
    laptop.evaluate("history.pushState({}, '', '/map?study=screen')")
    assert laptop.evaluate("history.length") == length
    laptop.go_forward()
    laptop.get_by_role("heading", name="Your data", exact=True).wait_for()
    assert laptop.url == address
    # A screen reader's click has no pointer; it is a step as any other.
    laptop.get_by_test_id("stSidebarNav").get_by_role("link", name="Help", exact=True).evaluate(
        "link => link.click()"
    )
    laptop.get_by_role("heading", name="Help", exact=True).wait_for()
    settled(laptop)
    laptop.go_back()
    laptop.get_by_role("heading", name="Your data", exact=True).wait_for()


def test_a_section_that_is_drawn_before_the_script_comes_is_scrolled_to(laptop):
    body = """<body data-testid="stMain" style="height: 300px; overflow: auto">
        <div style="height: 2000px"></div><div class="st-key-scroll_to_x">section</div>"""
    script_alone(laptop, body)
    section = laptop.locator(".st-key-scroll_to_x")
    wait_for(laptop, lambda: section.bounding_box()["y"] < 800, 10)


def test_a_link_to_help_shows_its_section_and_this_study(laptop, demo):
    laptop.goto("/confidence?study=demo")
    settled(laptop)
    laptop.get_by_test_id("stMain").get_by_role("button", name="Help for").nth(1).hover()
    with laptop.context.expect_page() as opened:
        laptop.get_by_role("link", name="More in Help").first.click()
    page = opened.value
    page.locator("#cut-off").wait_for()
    wait_for(page, lambda: page.get_by_test_id("stMain").evaluate("main => main.scrollTop") > 0)
    assert parse_qs(urlsplit(page.url).query)["study"] == ["demo"]
    page.close()
