"""Confidence in a browser: what moves the cut-off moves it on the whole page."""

import re

from browsing import settled

#: The middle of the mark nearest to a score on the first curve of a panel, on the screen.
MARK = """([panel, score]) => {
  const chart = document.querySelector(".st-key-curves .js-plotly-plot")
  const box = chart.getBoundingClientRect(), layout = chart._fullLayout
  const trace = chart._fullData.find(t => t.customdata && t.xaxis === panel)
  const at = trace.x.findIndex(x => Math.abs(x - score) < 1e-9)
  const [x, y] = ["x", "y"].map(a => layout[trace[a + "axis"].replace(a, a + "axis")])
  return [box.x + x._offset + x.d2p(trace.x[at]), box.y + y._offset + y.d2p(trace.y[at])]
}"""


#: The middle of the first drawn bar of wrong images of the first network, and its customdata.
WRONG_BAR = """() => {
  const chart = document.querySelector("[class*=st-key-distributions] .js-plotly-plot")
  const box = chart.getBoundingClientRect(), layout = chart._fullLayout
  const trace = chart._fullData.find(t => t.customdata && t.customdata[0][2] === "wrong")
  const tallest = trace.y.reduce((a, y, i) => (y || 0) > (trace.y[a] || 0) ? i : a, 0)
  const [x, y] = ["x", "y"].map(a => layout[trace[a + "axis"].replace(a, a + "axis")])
  const bottom = y._offset + y._length
  const top = y._offset + y.d2p(trace.y[tallest])
  return {at: [box.x + x._offset + x.d2p(trace.x[tallest]), box.y + (top + bottom) / 2],
          data: trace.customdata[tallest]}
}"""


def kept(tab):
    return tab.get_by_text(re.compile(r"^Keeping signed c ≥")).inner_text()


def test_the_accuracy_i_need_and_a_curve_move_the_cutoff_of_the_whole_page(tab):
    tab.goto("/confidence?study=animals&need=90.0")
    use = tab.get_by_role("button", name="Use").first
    use.wait_for()
    settled(tab)
    assert kept(tab) == "Keeping signed c ≥ 0.5"
    use.click()
    tab.wait_for_url(re.compile("cut_signed_confidence="))
    value = re.search(r"cut_signed_confidence=([\d.]+)", tab.url)[1]
    assert value != "0.5"
    tab.get_by_text(f"Keeping signed c ≥ {value}", exact=True).wait_for()

    settled(tab)
    tab.locator(".st-key-curves").evaluate("chart => chart.scrollIntoView({block: 'center'})")
    tab.wait_for_timeout(500)
    tab.mouse.click(*tab.evaluate(MARK, ["x2", 0.3]))
    # Points of the curve are 3 pixels apart: the click may take a neighbour.
    tab.wait_for_url(re.compile(r"cut_signed_confidence=0\.(29|3|31)(&|$)"))
    value = re.search(r"cut_signed_confidence=([\d.]+)", tab.url)[1]
    tab.get_by_text(f"Keeping signed c ≥ {value}", exact=True).wait_for()


def test_a_click_on_a_wrong_bar_shows_wrong_images(tab):
    tab.goto("/confidence?study=animals")
    tab.locator("[class*=st-key-distributions] .js-plotly-plot").wait_for()
    settled(tab)
    bar = tab.evaluate(WRONG_BAR)
    tab.mouse.click(*bar["at"])
    tab.wait_for_url(re.compile(r"bar=signed_confidence\.image\.[^.]+\.\d+\.wrong"))
    method, place, verdict = bar["data"]
    assert (
        f"bar=signed_confidence.image.{method}.{place}.{verdict}" in tab.url and verdict == "wrong"
    )
    tab.get_by_text(re.compile(r", wrong: \d+ of 300")).wait_for()
