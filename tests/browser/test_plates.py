"""Plates in a browser: a square → its fields → One image, and back to the same well."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import settled, wait_for

from bnn_core.study.folder import open_study

#: The middle of the square of a well, on the screen.
SQUARE = """([plate, well]) => {
  const chart = document.querySelector(".js-plotly-plot")
  const { xaxis, yaxis } = chart._fullLayout, box = chart.getBoundingClientRect()
  for (const trace of chart._fullData) {
    const at = (trace.text || []).findIndex(text => text.startsWith(`<b>${plate} ${well}</b>`))
    if (at >= 0) return [box.x + xaxis._offset + xaxis.d2p(trace.x[at]),
                         box.y + yaxis._offset + yaxis.d2p(trace.y[at])]
  }
}"""


@pytest.fixture(scope="module")
def images(cache):
    return open_study(cache / "screen").images


def fields_on(tab):
    return sorted(tab.locator(".tile").evaluate_all("tiles => tiles.map(t => +t.dataset.row)"))


def test_a_square_opens_its_fields_and_back_leads_to_them(tab, images):
    plate, well = images["plate"].iloc[0], images["well"].iloc[0]
    own = images.index[(images["plate"] == plate) & (images["well"] == well)].tolist()
    tab.goto("/plates?study=screen&plate_colour=label")
    tab.locator(".js-plotly-plot .point").first.wait_for()
    settled(tab)
    tab.mouse.click(*tab.evaluate(SQUARE, [plate, well]))
    tab.get_by_text(f"Plate {plate}, well {well}").wait_for()
    tab.locator(".tile").nth(len(own) - 1).wait_for()
    assert fields_on(tab) == own

    tab.get_by_role("link", name="Open in One image").click()
    tab.get_by_text(f"of {len(own)} in the selection").wait_for()
    tab.go_back()  # once, and all is there again
    tab.get_by_text(f"Plate {plate}, well {well}").wait_for()
    tab.locator(".tile").nth(len(own) - 1).wait_for()
    assert fields_on(tab) == own
    assert json.dumps(well) in re.sub("%22", '"', tab.url) and "plate_colour=label" in tab.url
    tab.go_forward()
    tab.get_by_text(f"of {len(own)} in the selection").wait_for()


def test_back_leads_to_an_old_link_with_an_image(tab):
    tab.goto("/plates?study=screen&image=x")
    tab.locator(".js-plotly-plot .point").first.wait_for()
    settled(tab)
    tab.get_by_role("link", name="Your data").click()
    tab.get_by_role("heading", name="Your data").wait_for()
    tab.go_back()
    tab.wait_for_url("**/plates*image=x*", timeout=5_000)


def test_a_mean_of_a_column_opens_its_fields_by_keyboard(tab, images):
    own = images.index[images["well"].str[1:].astype(int) == 3].tolist()
    tab.goto("/plates?study=screen&plate_colour=signed_confidence")
    settled(tab)
    chart = tab.get_by_role("application", name="mean signed confidence by column")
    chart.focus()
    said = tab.locator("#bnn-mark")
    for column in (2, 3):
        tab.keyboard.press("ArrowRight")
        wait_for(tab, lambda column=column: said.text_content().startswith(f"column {column}: "))
    tab.keyboard.press("Enter")
    tab.get_by_text("Column 3 of all plates").wait_for()
    tab.locator(".tile").nth(len(own) - 1).wait_for()
    assert fields_on(tab) == own
    assert parse_qs(urlsplit(tab.url).query)["spot"] == [json.dumps(["column", 3])]
    wait_for(tab, lambda: chart.evaluate("chart => chart === document.activeElement"))
