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


def kept(tab):
    return tab.get_by_text(re.compile(r"^Keeping c ≥")).inner_text()


def test_the_accuracy_i_need_and_a_curve_move_the_cutoff_of_the_whole_page(tab):
    tab.goto("/confidence?study=animals&need=90.0")
    use = tab.get_by_role("button", name="Use").first
    use.wait_for()
    settled(tab)
    assert kept(tab) == "Keeping c ≥ 0.5"
    use.click()
    tab.wait_for_url(re.compile("cut_confidence="))
    value = re.search(r"cut_confidence=([\d.]+)", tab.url)[1]
    assert value != "0.5"
    tab.get_by_text(f"Keeping c ≥ {value}", exact=True).wait_for()

    settled(tab)
    tab.locator(".st-key-curves").evaluate("chart => chart.scrollIntoView({block: 'center'})")
    tab.wait_for_timeout(500)
    tab.mouse.click(*tab.evaluate(MARK, ["x2", 0.3]))
    tab.get_by_text("Keeping c ≥ 0.3", exact=True).wait_for()
    tab.wait_for_url(re.compile(r"cut_confidence=0\.3(&|$)"))
