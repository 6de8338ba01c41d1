"""BNN vs standard in a browser: point → image, box and lasso → exactly the images inside."""

import re

import numpy as np
import pytest

from bnn_core.measures.selection import in_polygon
from bnn_core.study.folder import open_study

ADDRESS = "/bnn_vs_standard?study=animals"
#: Where a drawn row is on the screen, and whether it lies clear of the others.
WHERE = """row => {
  const chart = document.querySelector(".js-plotly-plot"), box = chart.getBoundingClientRect()
  const { xaxis, yaxis } = chart._fullLayout
  for (const trace of chart._fullData) {
    const place = trace.type === "scattergl" ? Array.from(trace.customdata).indexOf(row) : -1
    if (place >= 0) return [box.x + xaxis._offset + xaxis.d2p(trace.x[place]),
                            box.y + yaxis._offset + yaxis.d2p(trace.y[place])]
  }
}"""
#: A rectangle of the plane, given as shares of its width and height, on the screen.
PLANE = """([left, top, right, bottom]) => {
  const chart = document.querySelector(".js-plotly-plot"), box = chart.getBoundingClientRect()
  const { xaxis, yaxis } = chart._fullLayout
  return [box.x + xaxis._offset + xaxis._length * left, box.y + yaxis._offset + yaxis._length * top,
          box.x + xaxis._offset + xaxis._length * right,
          box.y + yaxis._offset + yaxis._length * bottom]
}"""
DRAWN = "() => document.querySelector('.js-plotly-plot').layout.selections?.[0]"


@pytest.fixture(scope="module")
def scores(cache):
    study = open_study(cache / "animals")
    return (
        study.table("standard")["signed_confidence"].to_numpy(),
        study.table("vi")["signed_confidence"].to_numpy(),
    )


@pytest.fixture
def chart(tab):
    tab.goto(ADDRESS)
    tab.locator(".js-plotly-plot .scatterlayer, .js-plotly-plot .gl-container").first.wait_for(
        state="attached"
    )
    tab.get_by_text("All 300 images are drawn").wait_for()
    return tab


def lone_row(x, y) -> int:
    """An image far from all others on the plane: a click cannot hit a neighbour."""
    distance = np.hypot(x[:, None] - x, y[:, None] - y) + 9 * np.eye(len(x))
    return int(distance.min(axis=1).argmax())


def test_a_click_on_a_point_shows_its_image(chart, cache, scores):
    row = lone_row(*scores)
    table = open_study(cache / "animals").table("vi")
    x, y = chart.evaluate(WHERE, row)
    chart.mouse.move(x, y)
    hover = chart.locator(".hoverlayer .hovertext").first
    hover.wait_for()
    assert table["image_id"][row] in hover.text_content()
    chart.mouse.click(x, y)
    picture = chart.get_by_role("img", name=table["image_id"][row])
    picture.wait_for()
    chart.wait_for_function(
        "name => document.querySelector(`img[alt='${name}']`).naturalWidth > 100",
        arg=table["image_id"][row],
    )
    chart.get_by_role("button", name="Back to the counts").click()
    picture.wait_for(state="detached")
    chart.get_by_text("Both sure").first.wait_for()


def test_a_box_selects_exactly_the_images_inside(chart, scores):
    x, y = scores
    chart.locator(".modebar-btn[data-val=select]").click()
    x0, y0, x1, y1 = chart.evaluate(PLANE, [0.3, 0.05, 0.95, 0.6])
    chart.mouse.move(x0, y0)
    chart.mouse.down()
    chart.mouse.move((x0 + x1) / 2, (y0 + y1) / 2, steps=3)
    chart.mouse.move(x1, y1, steps=3)
    chart.mouse.up()
    chart.get_by_text("In the box").wait_for()
    box = chart.evaluate(DRAWN)
    inside = (
        (x >= min(box["x0"], box["x1"]))
        & (x <= max(box["x0"], box["x1"]))
        & (y >= min(box["y0"], box["y1"]))
        & (y <= max(box["y0"], box["y1"]))
    )
    assert 0 < inside.sum() < 300
    chart.get_by_text(f"{inside.sum()} of 300 images").last.wait_for()
    chart.locator(".tile").first.wait_for()
    rows = {int(tile.get_attribute("data-row")) for tile in chart.locator(".tile").all()}
    assert rows == set(np.flatnonzero(inside))
    chart.get_by_role("button", name=f"Export {inside.sum()}").wait_for()


def test_a_lasso_selects_exactly_the_images_inside(chart, scores):
    chart.locator(".modebar-btn[data-val=lasso]").click()
    x0, y0, x1, y1 = chart.evaluate(PLANE, [0.35, 0.1, 0.98, 0.9])
    chart.mouse.move(x0, y0)
    chart.mouse.down()
    for x, y in ((x1, y0), (x1, y1), ((x0 + x1) / 2, (y0 + y1) / 2), (x0, y1), (x0, y0)):
        chart.mouse.move(x, y, steps=4)
    chart.mouse.up()
    chart.get_by_text("In the lasso").wait_for()
    corners = np.array(
        [
            [float(v) for v in pair.split(",")]
            for pair in re.findall(r"[ML]([^MLZ]+)", chart.evaluate(DRAWN)["path"])
        ]
    )
    inside = in_polygon(*scores, *corners.T).sum()
    assert 0 < inside < 300
    chart.get_by_text(f"{inside} of 300 images").last.wait_for()


def test_a_corner_by_keyboard(chart, scores):
    both = ((scores[0] >= 0.5) & (scores[1] >= 0.5)).sum()
    pill = (
        chart.get_by_role("button", name=f"{both} all")
        .or_(chart.get_by_role("radio", name=f"{both} all"))
        .first
    )
    pill.focus()
    chart.keyboard.press(" ")
    chart.get_by_text(f"{both} of 300 images").last.wait_for()
    chart.locator(".tile").first.wait_for()
    assert chart.locator(".tile").count() == both
