"""Out of distribution in a browser: a square on the map → exactly its images → one of them."""

import pytest
from page_studies import write_others

from bnn_core.study.folder import open_study

#: Where the square of a kind (across) and a class (down) is on the screen.
WHERE = """([kind, predicted]) => {
  const chart = document.querySelector(".js-plotly-plot"), box = chart.getBoundingClientRect()
  const { xaxis, yaxis } = chart._fullLayout
  const across = xaxis.c2p(xaxis._categories.indexOf(kind))
  const down = yaxis.c2p(yaxis._categories.indexOf(predicted))
  return [box.x + xaxis._offset + across, box.y + yaxis._offset + down]
}"""


@pytest.fixture(scope="module")
def others(cache):
    return open_study(write_others(cache, "letters"))


def test_from_the_map_to_the_images_of_a_square(tab, others):
    tab.goto("/out_of_distribution?study=letters")
    tab.get_by_role("radio", name="predictions").click()
    tab.locator(".js-plotly-plot .scatterlayer .point").first.wait_for(state="attached")
    x, y = tab.evaluate(WHERE, ["O", "0"])
    tab.mouse.move(x, y)
    tab.locator(".hoverlayer .hovertext").first.wait_for()
    assert "O predicted as 0: 30" in tab.locator(".hoverlayer .hovertext").first.text_content()
    tab.mouse.click(x, y)
    tab.get_by_text("30 of 200 images").wait_for()
    wall = tab.get_by_role("group", name="30 images")
    wall.get_by_role("button").first.wait_for()
    table = others.table("vi")
    rows = table[(table["role"] == "new") & (table["label"] == "O")]
    surest = rows["signed_confidence"].idxmax()
    first = wall.get_by_role("button").first
    assert str(table["image_id"][surest]) in first.get_attribute("aria-label")
    # The address holds the click: what one sees can be sent to a colleague.
    assert "mark=" in tab.url and "compare=predictions" in tab.url
    tab.get_by_role("link", name="Open in One image").click()
    tab.get_by_role("heading", name="One image").wait_for()
