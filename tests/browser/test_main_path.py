"""The main job in a browser: slider → numbers → bar → its images → one image → its own page."""

import re

import numpy as np
import pytest
from browsing import settled, wait_for

from bnn_core.base.scores import DEFAULT_SCORE, SCORES
from bnn_core.measures.evaluation import Selective
from bnn_core.study.folder import open_study

PAGES = {
    "": "Overview",
    "confidence": "Confidence",
    "bnn_vs_standard": "BNN vs standard",
    "one_image": "One image",
}


@pytest.fixture(scope="module")
def table(cache):
    return open_study(cache / "animals").table("vi")


def numbers(tab) -> list[str]:
    """The Bayesian column of the table beside the distributions."""
    lines = tab.locator("table").filter(has_text="right among the kept").locator("tr")
    return [lines.nth(i).locator("td").nth(1).inner_text() for i in range(lines.count())]


def expected(table, cutoff) -> list[str]:
    at = Selective(table["signed_confidence"], table["correct"].to_numpy(bool)).at(cutoff)
    return [
        f"{100 * at.accuracy:.2f} %",
        f"{100 * at.coverage:.2f} %",
        f"{at.kept:,}",
        f"{at.kept - at.right:,}",
    ]


def shown(tab) -> list[str]:
    found = numbers(tab)
    return [found[i] for i in (1, 3, 4, 5)] if len(found) > 5 else []


def test_from_the_slider_to_one_image(tab, table, cache):
    tab.goto("/?study=animals")
    tab.get_by_test_id("stSidebarNav").get_by_role("link", name="Confidence").click()
    tab.get_by_role("heading", name="Confidence").wait_for()
    wait_for(tab, lambda: shown(tab) == expected(table, 0.5))

    slider = tab.get_by_role("slider")
    slider.focus()
    for _ in range(20):
        slider.press("ArrowLeft")
    wait_for(tab, lambda: shown(tab) == expected(table, 0.3))
    assert "study=animals" in tab.url

    bars = tab.locator(".js-plotly-plot").first.locator(".bars .point path")
    wait_for(tab, lambda: bars.count() > 20)
    boxes = bars.evaluate_all("""bars => bars.map(bar => {
        const box = bar.getBoundingClientRect()
        return [box.height, box.x + box.width / 2, box.y + box.height * 0.2] })""")
    _, x, y = max(boxes)
    tab.mouse.move(x, y)
    # Plotly finds the bar under the mouse at its own pace, and a click takes the one found last.
    tab.locator(".hoverlayer .hovertext").first.wait_for()
    tab.mouse.click(x, y)
    tab.locator(".tile").first.wait_for()
    method, place, verdict = re.search(
        r"bar=signed_confidence\.image\.(\w+)\.(\d+)\.(\w+)", tab.url
    ).groups()
    drawn = open_study(cache / "animals").table(method)
    study = open_study(cache / "animals")
    lowest = np.floor(20 * SCORES[DEFAULT_SCORE].lowest(len(study.classes))) / 20
    low, high = np.linspace(lowest, 1, 51)[int(place) : int(place) + 2]
    inside = drawn[(drawn["signed_confidence"] >= low) & (drawn["signed_confidence"] < high)]
    if verdict == "wrong":
        inside = inside[~inside["correct"].astype(bool)]
    wait_for(tab, lambda: tab.locator(".tile").count() == len(inside))
    rows = {int(tile.get_attribute("data-row")) for tile in tab.locator(".tile").all()}
    assert rows == set(inside.index)

    tile = tab.locator(".tile").last
    image_id = table["image_id"][int(tile.get_attribute("data-row"))]
    tile.click()
    picture = tab.get_by_role("img", name=image_id)
    picture.wait_for()
    wait_for(tab, lambda: picture.evaluate("img => img.naturalWidth") >= 500)

    tab.get_by_role("link", name="Open in One image").click()
    tab.get_by_role("heading", name="One image").wait_for()
    assert f"image={image_id}" in tab.url and "study=animals" in tab.url
    wait_for(tab, lambda: "cut_signed_confidence=0.3" in tab.url)  # drawn after the heading
    tab.get_by_text(image_id).first.wait_for()


@pytest.mark.parametrize("page", PAGES)
def test_a_cold_deep_link_opens_the_page_with_its_filters(tab, page, table):
    tab.goto(f"/{page}?study=animals&label=bee&cut_signed_confidence=0.4")
    tab.get_by_role("heading", name=PAGES[page], exact=True).wait_for()
    n = int((table["label"] == "bee").sum())
    tab.get_by_text(f"{n} of 300 images").first.wait_for()
    settled(tab)
    assert tab.get_by_test_id("stException").count() == 0
    assert tab.get_by_test_id("stAlertContentError").count() == 0
    assert "label=bee" in tab.url and "cut_signed_confidence=0.4" in tab.url


def test_the_wall_by_keyboard(tab):
    tab.goto("/?study=animals&look=Least+sure")
    tab.locator(".tile").first.wait_for()
    wait_for(tab, lambda: tab.locator(".tile").count() == 300)
    tiles = tab.locator(".tile")
    tiles.first.focus()
    focused = (
        "() => document.activeElement.shadowRoot?.activeElement?.dataset.row "
        "?? document.activeElement.dataset.row"
    )
    order = [tiles.nth(i).get_attribute("data-row") for i in range(3)]
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate(focused) == order[1]
    tab.keyboard.press(" ")
    tab.keyboard.press("Shift+ArrowRight")
    assert [tiles.nth(i).get_attribute("aria-pressed") for i in range(4)] == [
        "false",
        "true",
        "true",
        "false",
    ]
    tab.get_by_role("button", name="Export 2").wait_for()
    tab.keyboard.press("End")
    assert tab.evaluate(focused) == tiles.last.get_attribute("data-row")
    tab.keyboard.press("Home")
    assert tab.evaluate(focused) == order[0]
    tab.keyboard.press("Enter")
    wait_for(tab, lambda: tiles.first.get_attribute("aria-current") == "true")
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Export 300").wait_for()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Export 300").click()
    assert download.value.path().read_bytes().count(b"\r\n") == 301


def test_flag_a_selection_and_take_it_back(tab):
    tab.goto("/?study=animals&look=Least+sure")
    tab.locator(".tile").first.wait_for()
    for place in (0, 2):
        tab.locator(".tile").nth(place).click(modifiers=["Control"])
    tab.get_by_role("button", name="Flag 2").click()
    tab.get_by_label("Your name").fill("Ada")
    tab.get_by_label("Your name").press("Tab")
    tab.get_by_role("button", name="Flag", exact=True).last.click()
    tab.get_by_text("2 images: unsure (label suspect)").wait_for()
    wait_for(tab, lambda: tab.locator(".tile .flag").count() == 2)
    tab.get_by_role("button", name="Undo").click()
    wait_for(tab, lambda: tab.locator(".tile .flag").count() == 0)


def test_the_cut_off_stays_in_the_address_from_page_to_page(tab):
    # A widget that stood elsewhere on the page before used to be cut from the address.
    tab.goto("/?study=animals")
    for page, key, value in (
        ("Confidence", "ArrowLeft", 0.49),
        ("Overview", "ArrowLeft", 0.48),
        ("BNN vs standard", "ArrowLeft", 0.47),
    ):
        settled(tab)
        tab.get_by_test_id("stSidebarNav").get_by_role("link", name=page, exact=True).click()
        tab.get_by_role("heading", name=page, exact=True).wait_for()
        settled(tab)
        slider = tab.get_by_test_id("stSlider").filter(has_text="Cut-off").get_by_role("slider")
        slider.focus()
        slider.press(key)
        wait_for(tab, lambda value=value: f"cut_signed_confidence={value}" in tab.url, 10)
    settled(tab)
    tab.get_by_test_id("stSidebarNav").get_by_role("link", name="Plates").click()
    tab.get_by_role("heading", name="Plates").wait_for()
    settled(tab)
    assert "cut_signed_confidence=0.47" in tab.url
    assert not tab.get_by_test_id("stSlider").filter(has_text="Cut-off").is_visible()
    tab.reload()
    settled(tab)
    tab.get_by_test_id("stSidebarNav").get_by_role("link", name="Confidence").click()
    tab.get_by_role("heading", name="Confidence").wait_for()
    wait_for(tab, lambda: "signed c ≥ 0.47" in tab.locator("body").inner_text())


def test_a_bare_address_comes_to_name_its_study(tab):
    tab.goto("/confidence")
    settled(tab)
    shown = tab.get_by_role("combobox", name="Study").input_value()
    assert shown and f"/confidence?study={shown}" in tab.url


def test_back_after_reset_brings_all_filters_again(tab):
    asked = "study=animals&search=img-00&label=ant&verdict=right"
    tab.goto(f"/?{asked}")
    side = tab.get_by_test_id("stSidebar")
    settled(tab)
    few = side.get_by_text("of 300 images").inner_text()
    assert not few.startswith("300")
    length = tab.evaluate("history.length")
    side.get_by_role("button", name="Reset").click()
    side.get_by_text("300 of 300 images").wait_for()
    settled(tab)
    assert tab.evaluate("history.length") == length + 1
    tab.go_back()
    side.get_by_text(few, exact=True).wait_for()
    assert all(part in tab.url for part in asked.split("&"))


def test_a_table_leaves_out_columns_where_a_window_is_narrow(tab):
    tab.set_viewport_size({"width": 900, "height": 800})
    tab.goto("/suspect_labels?study=screen")
    tab.wait_for_function(
        """() => {
          const table = document.querySelector(".dvn-scroller")
          return table && table.scrollWidth <= table.clientWidth + 1
        }"""
    )
