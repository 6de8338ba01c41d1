"""A study with markup, scripts and formulas in all of its texts: they are shown as texts."""

import csv
import io

import numpy as np
import pandas as pd
from browsing import PAGES, settled
from study_writing import write_study

from bnn_core.figures.report import report_html
from bnn_core.measures.uncertainty import Moments, summarise
from bnn_core.review.exporting import export_bytes
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study

SCRIPT = "<script>window.pwned=1</script>"
IMAGE = "<img src=x onerror='window.pwned=1'>"
LINK = "[x](javascript:window.pwned=1) $\\href{javascript:window.pwned=1}{x}$"
FORMULA = "=HYPERLINK(1)"


def hostile(cache):
    rng = np.random.default_rng(0)
    n, classes = 96, [IMAGE, SCRIPT + "b", FORMULA]
    y = np.arange(n) % 3
    labels = np.array(classes, object)[y]
    images = pd.DataFrame(
        {
            "image_id": [f"{(IMAGE, SCRIPT, FORMULA, LINK)[i % 4]}{i}" for i in range(n)],
            "label": labels,
            "role": np.where(np.arange(n) % 8 == 7, "new", "scored"),
            "fold": 0,
            "plate": [f"{(IMAGE, FORMULA)[i % 2]}{i // 48}" for i in range(n)],
            "well": [f"{'ABCDEFGH'[i % 8]}{i // 8 % 6 + 1:02d}" for i in range(n)],
            "batch": np.where(np.arange(n) < 48, SCRIPT, LINK),
            "compound": [f"{(IMAGE, SCRIPT, LINK, FORMULA)[i % 4]}{i % 12}" for i in range(n)],
            "concentration": 1.0,
            "source": np.where(np.arange(n) % 8 == 7, IMAGE, None),
            "path": [f"{IMAGE}{i}.png" for i in range(n)],
            "content_hash": "",
        }
    )

    def summary(sharp):
        logits = rng.normal(size=(n, 3)) + sharp * np.eye(3)[y]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return summarise(Moments(p, p**2 + 0.01, np.full(n, 0.1)), classes, labels)

    study = write_study(
        cache / "hostile",
        title=IMAGE + SCRIPT + LINK,
        kind="import",
        classes=classes,
        images=images,
        summaries={"vi": summary(2.0), "standard": summary(2.0)},
        methods={"vi": {"num_samples": 9}, "standard": {"num_samples": 1}},
        extra={"notes": [IMAGE + SCRIPT, LINK]},
    )
    return open_study(study)


def test_no_text_of_a_study_runs_or_becomes_an_element(profile, cache, tmp_path):
    study = hostile(cache)
    log = ReviewLog(cache)
    log.flag(
        study,
        range(6),
        reviewer=IMAGE,
        reason="label suspect",
        decision="exclude",
        note=FORMULA + SCRIPT + LINK,
    )
    tab = profile.new_page()
    tab.goto("/?study=hostile")
    tables = 0
    for page in PAGES:
        tab.get_by_role("link", name=page, exact=True).first.click()
        tab.locator("h1", has_text=page).wait_for()
        settled(tab)
        assert not tab.locator("[data-testid=stException]").count(), page
        assert_harmless(tab, page)
        savers = tab.locator("[aria-label^='Download as CSV']")  # Streamlit's, with formulas
        tables += savers.count()
        assert not savers.filter(visible=True).count(), page
    assert tables
    tab.goto("/mechanisms?study=hostile")
    tab.get_by_role("button", name="Figure and values").first.click()
    with tab.expect_download() as chart:
        tab.get_by_role("button", name="CSV (").click()
    report = tmp_path / "report.html"
    report.write_bytes(report_html(study, log))
    tab.goto(report.as_uri())
    assert_harmless(tab, "report")
    tab.close()
    for file in (export_bytes(study, log, format="csv"), chart.value.path().read_bytes()):
        text = file.decode("utf-8-sig")
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert any(FORMULA in cell for cell in cells)
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def assert_harmless(tab, page):
    """No script of the study ran, and no element was made of its texts."""
    assert tab.evaluate("window.pwned") is None, page
    made = tab.locator("img[src=x], img[onerror], a[href^='javascript:' i], [onerror], [onload]")
    assert made.count() == 0, (page, made.first.evaluate("e => e.outerHTML"))
    scripts = tab.locator("script").evaluate_all("all => all.map(s => s.textContent)")
    assert not [text for text in scripts if text.strip() == "window.pwned=1"], page
