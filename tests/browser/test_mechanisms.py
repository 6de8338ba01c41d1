"""Mechanisms in a browser: a compound's histogram → a bar → exactly its images → one of them."""

import json
from urllib.parse import parse_qs, urlparse

import numpy as np
from browsing import settled, wait_for
from page_studies import write_full

from bnn_core.base.scores import DEFAULT_SCORE, SCORES
from bnn_core.base.wording import count

#: The middle of the highest bar of the wrong predictions, and what it stands for.
BAR = """compound => {
  const mine = t => t.customdata?.length && t.customdata[0][0] === compound
  const chart = [...document.querySelectorAll(".js-plotly-plot")].find(c => c.data?.some(mine))
  if (!chart) return null
  const traces = chart._fullData.filter(mine).sort((a, b) => Math.max(...b.y) - Math.max(...a.y))
  const trace = traces[0], at = trace.y.indexOf(Math.max(...trace.y))
  const point = chart.calcdata[trace.index][at], box = chart.getBoundingClientRect()
  const { xaxis, yaxis } = chart._fullLayout
  return { x: box.x + xaxis._offset + xaxis.c2p(point.x ?? trace.x[at]),
           y: box.y + yaxis._offset + yaxis.c2p((point.s0 + point.s1) / 2),
           bar: Array.from(trace.customdata[at]), n: trace.y[at] }
}"""


def test_from_a_compound_to_one_image(tab, demo):
    table = demo.table("vi")
    compound, label = "Lumathorn", "Rounders (sim)"
    own = table[(table["compound"] == compound) & (table["label"] == label)]
    tab.goto("/mechanisms?study=demo&mechanism=Rounders+(sim)")
    wait_for(tab, lambda: tab.evaluate(BAR, compound) is not None)
    settled(tab)
    tab.locator(".js-plotly-plot").first.scroll_into_view_if_needed()
    found = tab.evaluate(BAR, compound)
    _, place, predicted = found["bar"]
    lowest = np.floor(20 * SCORES[DEFAULT_SCORE].lowest(len(demo.classes))) / 20
    inside = own[
        (own["predicted"] == predicted)
        & (
            (own[DEFAULT_SCORE] - lowest).mul(20 / (1 - lowest)).clip(upper=19.999).astype(int)
            == place
        )
    ]
    assert found["n"] == len(inside) > 0
    tab.mouse.click(found["x"], found["y"])
    wait_for(tab, lambda: "bar=" in tab.url)
    bar = json.loads(parse_qs(urlparse(tab.url).query)["bar"][0])
    assert bar == [DEFAULT_SCORE, label, compound, place, predicted]
    wall = tab.get_by_role("group", name=count(len(inside), "image"), exact=True).last
    wait_for(
        tab,
        lambda: (
            set(wall.locator(".tile").evaluate_all("tiles => tiles.map(t => +t.dataset.row)"))
            == set(inside.index)
        ),
    )
    tab.get_by_role("link", name="Open in One image").last.click()
    tab.get_by_role("heading", name="One image").wait_for()
    tab.get_by_text(f"of {len(inside)} in the selection").wait_for()
    assert any(image in tab.url.replace("%2F", "/") for image in inside["image_id"])


def menu(tab, label):
    """What a menu shows."""
    return tab.get_by_role("combobox", name=label).input_value()


def choose(tab, label, option):
    tab.get_by_role("combobox", name=label).click()
    tab.get_by_role("option", name=option, exact=True).click()


def test_another_study_leaves_nothing_of_the_one_before(tab, cache):
    write_full(cache, "ants", "ant", 3)
    write_full(cache, "bees", "bee", 4)
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.goto("/suspect_labels?study=ants&suspect=ant-cpd-0c")
    tab.get_by_role("link", name="Mechanisms").click()
    tab.get_by_role("heading", name="Mechanisms").wait_for()
    settled(tab)
    choose(tab, "Mechanism (label)", "ant-class-2")
    settled(tab)
    for study, other, names in (("bees", "ant", "bee"), ("ants", "bee", "ant")):
        choose(tab, "Study", study)
        wait_for(tab, lambda names=names: menu(tab, "Mechanism").startswith(names))
        settled(tab)
        assert menu(tab, "Highlight predictions of").startswith(f"{names}-class-")
        page = tab.locator("[data-testid=stMain]")
        wait_for(tab, lambda page=page, names=names: f"{names}-cpd-0a" in page.inner_text())
        assert f"{other}-c" not in page.inner_text()
        query = parse_qs(urlparse(tab.url).query)
        assert "suspect" not in query and f"{other}-c" not in tab.url
        assert query["study"] == [study]
        choose(tab, "Mechanism (label)", f"{names}-class-1")
        settled(tab)
