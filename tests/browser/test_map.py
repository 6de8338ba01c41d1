"""The map in a browser: a point leads to its image, an area to a wall of all images inside."""

import json
from urllib.parse import parse_qs, quote, urlsplit

from browsing import settled, wait_for

from bnn_core.recipes.image_map import study_map
from bnn_core.study.folder import open_study

#: The point that is farthest to the right: its place on the screen and its row.
POINT = """() => {
  const chart = document.querySelector(".js-plotly-plot")
  const traces = chart?._fullData?.filter(t => t.type === "scattergl" && t.x?.length) ?? []
  if (!traces.length || !chart._fullLayout.xaxis._length) return null
  let best = null
  for (const trace of traces) trace.x.forEach((x, i) => {
    if (!best || x > best.x) best = { x, y: trace.y[i], row: [trace.customdata[i]].flat()[0] }
  })
  const box = chart.getBoundingClientRect(), { xaxis, yaxis } = chart._fullLayout
  return { left: box.x + xaxis._offset + xaxis.c2p(best.x),
           top: box.y + yaxis._offset + yaxis.c2p(best.y), row: Number(best.row) }
}"""


def test_a_point_leads_to_its_image_and_an_area_to_a_wall(tab, cache):
    study = open_study(cache / "animals")
    tab.goto("/map?study=animals")
    wait_for(tab, lambda: tab.evaluate(POINT) is not None)
    settled(tab)
    point = tab.evaluate(POINT)
    tab.mouse.click(point["left"], point["top"])
    image_id = study.images["image_id"][point["row"]]
    wait_for(tab, lambda: "selected=" in tab.url)
    assert json.loads(parse_qs(urlsplit(tab.url).query)["selected"][0]) == {"images": [image_id]}
    tab.get_by_role("img", name=image_id, exact=True).wait_for()

    right = study_map(study)[:, 0] > 0.2
    area = {"box": [{"xref": "x", "yref": "y", "x": [0.2, 1.1], "y": [-1.1, 1.1]}]}
    tab.goto(f"/map?study=animals&selected={quote(json.dumps(area))}")
    wall = tab.get_by_role("group", name=f"{right.sum()} images")
    wall.locator(".tile").first.wait_for()
    assert wall.locator(".tile").count() == right.sum()


def test_a_figure_is_taken_away_in_three_forms_from_one_menu(tab):
    tab.goto("/map?study=animals")
    tab.get_by_role("button", name="Figure and values").click()
    sizes = {}
    for name in ("SVG", "PNG", "CSV ("):
        with tab.expect_download() as taken:
            tab.get_by_role("button", name=name).last.click()
        sizes[taken.value.suggested_filename] = len(taken.value.path().read_bytes())
    assert list(sizes) == ["animals-map.svg", "animals-map.png", "animals-map.csv"]
    assert min(sizes.values()) > 1000


def test_the_map_keeps_its_size_when_the_window_changes(tab, demo):
    tab.goto("/map?study=demo")
    plot = tab.locator(".js-plotly-plot").first
    plot.wait_for()
    ranges = "plot => plot._fullLayout.xaxis.range.concat(plot._fullLayout.yaxis.range)"
    before = plot.evaluate(ranges)
    for width in (900, 1920, 1280):
        tab.set_viewport_size({"width": width, "height": 800})
        wait_for(
            tab, lambda: plot.evaluate("p => Math.abs(p._fullLayout.width - p.clientWidth) < 2")
        )
    assert plot.evaluate(ranges) == before
