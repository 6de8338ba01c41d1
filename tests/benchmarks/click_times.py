"""Seconds in Chromium from a click to what it shows, on a server that has just started.

python tests/benchmarks/click_times.py [--rows 1000000] [--folder F]

The studies are the demo, and those of page_times.py, which are written to --folder unless they are
there. first visit: from the address to the settled page, after the server is ready. A page: from the
click in the sidebar until its run has ended and its title stands, the first time and the second. A
click on a bar or point: until the first image stands in the wall, the best of three bars.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from page_times import ROOT, write
from playwright.sync_api import Page, TimeoutError, sync_playwright

sys.path[:0] = [str(ROOT / "tests" / "helpers")]

from browsing import PAGES, serving, settled  # noqa: E402

#: The middles of the highest bars of a chart, on the screen; of points, for a scatter of squares.
BARS = """chart => [...chart.querySelectorAll(".bars .point path")].map(bar => {
  const box = bar.getBoundingClientRect()
  return [box.height, box.x + box.width / 2, box.y + box.height * 0.2] })"""
POINTS = """chart => {
  const box = chart.getBoundingClientRect(), { xaxis, yaxis } = chart._fullLayout
  return chart._fullData.filter(t => t.customdata?.length && t.x?.length).flatMap(t =>
    [0, 1, 2, 3].map(i => Math.floor(i * (t.x.length - 1) / 3)).map(i =>
      [1, box.x + xaxis._offset + xaxis.d2p(t.x[i]), box.y + yaxis._offset + yaxis.d2p(t.y[i])])) }"""
#: Page, what its chart holds.
CLICKS = (
    ("Confidence", BARS),
    ("Mechanisms", BARS),
    ("BNN vs standard", POINTS),
    ("Plates", POINTS),
)
IMAGES = "[data-testid=stMain] .tile, [data-testid=stMain] .large-image img"


def seconds(act: Callable[[], object], done: Callable[[], object]) -> float:
    """From the start of an action until another returns."""
    start = time.perf_counter()
    act()
    done()
    return time.perf_counter() - start


def opened(tab: Page, page: str) -> Callable[[], None]:
    """Waits until a page is drawn to its end."""

    def wait() -> None:
        tab.get_by_test_id("stMain").get_by_role("heading", name=page, exact=True).wait_for()
        settled(tab)

    return wait


def by_sidebar(tab: Page, page: str) -> float:
    link = tab.get_by_test_id("stSidebarNav").get_by_role("link", name=page, exact=True)
    return seconds(link.click, opened(tab, page))


def click(tab: Page, chart: str) -> float | None:
    """Seconds from a click on the chart's first bars or points to images, the best of three."""
    plot, times = tab.get_by_test_id("stMain").locator(".js-plotly-plot").first, []
    plot.scroll_into_view_if_needed()
    for _, x, y in sorted(plot.evaluate(chart), reverse=True)[:3]:
        before = tab.url
        tab.mouse.move(x, y)
        tab.wait_for_timeout(300)  # Plotly finds what is under the mouse at its own pace

        def shown(before: str = before) -> None:
            tab.wait_for_function("before => location.href !== before", arg=before, timeout=5000)
            tab.locator(IMAGES).first.wait_for()

        try:
            times.append(seconds(partial(tab.mouse.click, x, y), shown))
        except TimeoutError:  # another mark lay above it
            continue
        settled(tab)
    return min(times, default=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "bnn_pages")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if not (args.folder / "demo").exists():
        shutil.copytree(ROOT / "cache" / "demo", args.folder / "demo")
    for rows in args.rows:
        write(args.folder, rows)
    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with serving(args.folder) as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 800})
        context.set_default_timeout(30_000)
        tab = context.new_page()
        for study in ("demo", *(f"screen{rows}" for rows in args.rows)):
            visit = partial(tab.goto, f"/?study={study}")
            print(f"{study}: first visit {seconds(visit, opened(tab, 'Overview')):.2f} s")
            rounds = [[by_sidebar(tab, page) for page in (*PAGES[1:], PAGES[0])] for _ in range(2)]
            for page, first, second in zip((*PAGES[1:], PAGES[0]), *rounds, strict=True):
                print(f"| {page} | {first:.2f} | {second:.2f} |", flush=True)
            for page, chart in CLICKS:
                by_sidebar(tab, page)
                tab.locator(".js-plotly-plot").first.wait_for()
                tab.wait_for_timeout(500)
                if (best := click(tab, chart)) is not None:
                    print(f"| {page}: click to images | {best:.2f} | |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
