"""axe-core on every page in both themes; what the frame of the pages owes a narrow screen."""

import pytest
from browsing import PAGES, serving, settled, wait_for
from page_studies import write_full

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

#: Violations of Streamlit's own elements: rule -> the part of the page that is not ours.
STREAMLITS = {"list": "stSidebarNavItems", "listitem": "stSidebarNav"}
#: Whether an element, by its selector, lies in a part of the page.
INSIDE = (
    "([selector, part]) => !!document.querySelector(selector)?.closest(`[data-testid=${part}]`)"
)


@pytest.fixture(scope="module")
def full(cache):
    return write_full(cache, "full", "axe", 2)


def serious(tab, rules=None) -> list[str]:
    """Serious and critical violations that are not Streamlit's own."""
    options = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    violations = []
    for violation in axe.Axe().run(tab, options=options).response["violations"]:
        if violation["impact"] not in ("serious", "critical"):
            continue
        for node in violation["nodes"]:
            part, selector = STREAMLITS.get(violation["id"]), node["target"][0]
            if part and tab.evaluate(INSIDE, [selector, part]):
                continue
            violations.append(f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}")
    return violations


def drawn(tab):
    settled(tab)
    wait_for(tab, lambda: tab.locator("[data-testid=stSkeleton]").count() == 0)


def background(tab) -> str:
    return tab.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")


def test_no_page_has_a_serious_violation_in_either_theme(tab, full):
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.goto("/?study=full")
    links = tab.get_by_test_id("stSidebarNav")
    violations = {}
    for page in PAGES:
        links.get_by_role("link", name=page, exact=True).click()
        tab.get_by_role("heading", name=page, exact=True, level=1).wait_for()
        drawn(tab)
        if faults := serious(tab):
            violations[page, "light"] = faults
        light = background(tab)
        tab.emulate_media(color_scheme="dark")
        wait_for(tab, lambda light=light: background(tab) != light)
        drawn(tab)
        # Colours alone depend on the theme.
        if faults := serious(tab, ["color-contrast"]):
            violations[page, "dark"] = faults
        tab.emulate_media(color_scheme="light")
        wait_for(tab, lambda light=light: background(tab) == light)
        drawn(tab)
    assert not violations


#: Contrast of each text of the charts against the page (WCAG 2): axe leaves out pictures.
CHART_CONTRAST = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number)
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v =>
    v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const page = numbers(getComputedStyle(document.querySelector(".stApp")).backgroundColor)
  return [...document.querySelectorAll(".js-plotly-plot :is(.xtick, .ytick) text, .js-plotly-plot .xtitle")]
    .map(text => {
      const style = getComputedStyle(text), [r, g, b, a = 1] = numbers(style.fill)
      const opaque = a * Number(style.fillOpacity)
      const seen = [r, g, b].map((v, i) => v * opaque + page[i] * (1 - opaque))
      const [one, two] = [light(seen), light(page)].sort((x, y) => y - x)
      return (one + 0.05) / (two + 0.05)
    })
}"""


def test_texts_of_charts_can_be_read_in_both_themes(tab, full):
    tab.goto("/confidence?study=full")
    tab.locator(".js-plotly-plot .xtick text").first.wait_for()
    drawn(tab)
    assert min(tab.evaluate(CHART_CONTRAST)) >= 4.5
    light = background(tab)
    tab.emulate_media(color_scheme="dark")
    wait_for(tab, lambda: background(tab) != light)
    drawn(tab)
    assert min(tab.evaluate(CHART_CONTRAST)) >= 4.5


def test_charts_and_tables_fit_a_narrow_window(tab, full):
    tab.set_viewport_size({"width": 900, "height": 800})
    tab.goto("/mechanisms?study=full")
    chart = tab.locator(".js-plotly-plot").first
    chart.locator(".xtick text").first.wait_for()
    wait_for(tab, lambda: chart.evaluate("chart => chart.clientWidth") > 400)
    tab.goto("/out_of_distribution?study=full")
    table = tab.get_by_test_id("stTable").first
    table.wait_for()
    wait_for(tab, lambda: table.evaluate("table => table.scrollWidth <= table.clientWidth"))


def test_the_suspects_table_fits_the_screen_and_has_a_twin_for_screen_readers(tab, full):
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.goto("/suspect_labels?study=full")
    scroller = tab.get_by_test_id("stDataFrame").first.locator(".dvn-scroller")
    scroller.wait_for()
    drawn(tab)
    wait_for(tab, lambda: scroller.evaluate("s => s.scrollWidth <= s.clientWidth + 1"))
    twin = tab.get_by_role("table", name="Suspect compounds")
    assert twin.get_by_role("row").count() == 1 + 6
    assert "axe-cpd-0c" in twin.get_by_role("row").nth(1).inner_text()
    tab.set_viewport_size({"width": 900, "height": 800})
    page = tab.get_by_test_id("stMain")
    wait_for(tab, lambda: page.evaluate("page => page.scrollWidth <= page.clientWidth"))


def test_tab_leaves_a_button_with_a_tooltip(tab, full):
    tab.goto("/review_list?study=full")
    undo, redo = (tab.locator(f".st-key-review_{word} button").first for word in ("Undo", "Redo"))
    undo.wait_for()
    drawn(tab)
    wait_for(tab, lambda: tab.evaluate("window.bnnListens === true"))
    undo.focus()
    tab.get_by_test_id("stTooltipContent").first.wait_for()
    tab.keyboard.press("Tab")
    wait_for(tab, lambda: redo.evaluate("redo => redo === document.activeElement"), 5)


def test_the_box_of_a_lost_server_names_this_app(chromium, tmp_path):
    with serving(tmp_path) as (url, process):
        tab = chromium.new_page()
        tab.goto(f"{url}/help")
        drawn(tab)
        wait_for(tab, lambda: tab.evaluate("window.bnnListens === true"))
        process.kill()
        box = tab.get_by_role("dialog")
        box.wait_for()
        wait_for(tab, lambda: "streamlit run app.py" in box.inner_text())
        assert "internet" not in box.inner_text()
        # On localhost Streamlit's own box has a command.
        tab.evaluate(
            """() => {
            const box = document.createElement("div")
            box.setAttribute("role", "dialog")
            box.innerHTML = "<pre><code>streamlit <span>run yourscript.py</span></code></pre>"
            document.body.append(box)
        }"""
        )
        code = tab.locator("[role=dialog] code").last
        wait_for(tab, lambda: code.inner_text() == "streamlit run app.py")
        tab.close()
