"""The report as a file in a browser."""

from browsing import wait_for

from bnn_core.figures.report import write_report
from bnn_core.study.folder import open_study


def test_its_figures_are_drawn_when_one_comes_near_or_prints(tab, cache, tmp_path):
    study = open_study(cache / "animals")
    tab.set_viewport_size({"width": 1280, "height": 300})
    tab.goto(write_report(study, tmp_path / "report.html").as_uri())
    plots = tab.locator(".plot")
    assert tab.evaluate("window.Plotly === undefined") and plots.count() == 3
    plots.first.scroll_into_view_if_needed()
    wait_for(tab, lambda: plots.first.locator("svg").count())
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    widest = "plots => Math.max(...plots.map(plot => plot.querySelector('svg').clientWidth))"
    assert plots.evaluate_all(widest) == 690
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    wait_for(tab, lambda: plots.evaluate_all(widest) > 690)
