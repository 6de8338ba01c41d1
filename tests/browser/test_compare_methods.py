"""Compare methods in a browser: who wins → a point of calibration → where two methods differ."""

import numpy as np
import pytest
from browsing import wait_for
from page_studies import write_rivals

from bnn_core.measures.evaluation import ECE_BINS
from bnn_core.measures.levels import scored_rows
from bnn_core.study.folder import open_study

#: Where the last point of the first panel is on the screen, and which bin it stands for.
POINT = """() => {
  const pairs = trace => trace.customdata?.[0]?.length === 2
  const chart = [...document.querySelectorAll(".js-plotly-plot")].find(c => c.data?.some(pairs))
  chart.scrollIntoView({ block: "center" })
  const trace = chart._fullData.find(pairs), last = trace.x.length - 1
  const box = chart.getBoundingClientRect(), full = chart._fullLayout
  const x = full[trace.xaxis.replace("x", "xaxis")], y = full[trace.yaxis.replace("y", "yaxis")]
  return { x: box.x + x._offset + x.c2p(trace.x[last]), y: box.y + y._offset + y.c2p(trace.y[last]),
           bin: Array.from(trace.customdata[last]) }
}"""


@pytest.fixture(scope="module")
def rivals(cache):
    return open_study(write_rivals(cache))


def test_from_the_winner_to_the_images_that_two_methods_differ_on(tab, rivals):
    tab.goto("/compare_methods?study=rivals")
    tab.get_by_text("Ensemble is among the best").wait_for()
    tab.locator(".js-plotly-plot .point").first.wait_for(state="attached")

    point = tab.evaluate(POINT)
    method, place = point["bin"]
    table = rivals.table(method)
    table = table[scored_rows(table)]
    low, high = np.linspace(0, 1, ECE_BINS + 1)[[int(place), int(place) + 1]]
    top = table["top_softmax"]
    inside = ((top >= low) & ((top < high) | (high == 1) & (top <= high))).sum()
    tab.mouse.click(point["x"], point["y"])
    tab.get_by_text(f"{inside} of 240 images").first.wait_for()

    a, b = rivals.table("vi"), rivals.table("standard")
    differ = (a["predicted"] != b["predicted"]).to_numpy()
    tab.get_by_role("radio", name=f"all ({differ.sum()})").scroll_into_view_if_needed()
    right = (differ & scored_rows(a) & a["correct"].fillna(False).to_numpy(bool)).sum()
    tab.get_by_role("radio", name=f"Bayesian right ({right})").click()
    # The point's images may be as many: theirs is the wall before.
    wall = tab.get_by_role("group", name=f"{right} images").last
    wall.get_by_role("button").first.wait_for()
    wait_for(tab, lambda: wall.locator(".tile").count() == right)
    tab.get_by_role("link", name="Open in One image").last.click()
    tab.get_by_role("heading", name="One image").wait_for()
