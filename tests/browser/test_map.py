"""The map in a browser: a point leads to its image by keyboard, an area to a wall of its images."""

import json
from urllib.parse import parse_qs, quote, urlsplit

from browsing import wait_for

from bnn_core.recipes.image_map import study_map
from bnn_core.study.folder import open_study


def test_a_point_leads_to_its_image_and_an_area_to_a_wall(tab, cache):
    study = open_study(cache / "animals")
    tab.goto("/map?study=animals")
    tab.get_by_role("application", name="Map of 300 images").focus()
    tab.keyboard.press("End")
    said = tab.locator("#bnn-mark")
    wait_for(tab, said.text_content)
    image_id = said.text_content().split(",")[0]  # what is said is what Enter opens
    tab.keyboard.press("Enter")
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
