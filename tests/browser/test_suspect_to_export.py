"""The demo in a browser: from the greeting to a suspect, its evidence, a decision, a list."""

from browsing import settled, wait_for
from page_studies import ROOT

from bnn_core.commands import cli
from bnn_core.review.log import ReviewLog
from bnn_core.suspects.explanation import TITLES
from bnn_core.suspects.planted_truth import inactive_compound
from bnn_core.suspects.ranking import rank


def shown_on(wall):
    """Rows of the tiles of a wall."""
    return set(
        wall.locator(".tile").evaluate_all("tiles => tiles.map(tile => Number(tile.dataset.row))")
    )


def flag_all(tab, n, reason):
    """Through the button beside the suspect, as Ada."""
    tab.get_by_role("button", name=f"Decide {n}", exact=True).click()
    tab.get_by_label("Note").fill(reason)
    tab.get_by_label("Your name").fill("Ada")
    tab.get_by_label("Your name").press("Tab")
    tab.get_by_role("dialog").get_by_role("button", name="Decide", exact=True).click()
    tab.get_by_text(f"Decided on {n} images").wait_for()
    settled(tab)
    assert tab.get_by_text("Not recorded yet").count() == 0


def flagged(demo, cache):
    return set(ReviewLog(cache).state(demo).index)


def test_from_start_here_to_the_exported_list(tab, demo, cache, tmp_path):
    table = demo.table("vi")
    ranked = rank(table, demo.classes, resamples=2)
    inactive, first = inactive_compound(demo.truth), ranked.iloc[0]

    tab.goto("/?study=demo")
    tab.get_by_role("button", name=f"1. Look at {inactive}").click()
    tab.get_by_role("heading", name=f"{inactive}: labelled").wait_for()
    assert "study=demo" in tab.url and f"suspect={inactive}" in tab.url
    tab.get_by_text(TITLES["inactive_dose"], exact=True).wait_for()
    for _ in range(int(ranked.set_index("compound").at[inactive, "rank"]) - 1):
        tab.get_by_role("button", name="Previous").click()
    tab.get_by_role("heading", name=f"{first['compound']}: labelled").wait_for()
    rows = set(table.index[(table["compound"] == first["compound"]) & (table["role"] == "scored")])

    walls = tab.locator(".wall")
    # The heading changes first; the walls of the previous suspect remain until they are drawn again.
    wait_for(tab, lambda: walls.count() == 6 and shown_on(walls.first) == rows)
    settled(tab)
    tile = walls.nth(4).locator(".tile").first  # its other doses
    other = demo.images.loc[int(tile.get_attribute("data-row"))]
    assert other["compound"] == first["compound"] and other["role"] == "unlabelled"
    tile.click()
    tab.get_by_role("img", name=other["image_id"], exact=True).wait_for()

    flag_all(tab, len(rows), "mistaken")
    wait_for(tab, lambda: flagged(demo, cache) == rows)
    tab.get_by_role("button", name="Undo").click()
    wait_for(tab, lambda: not flagged(demo, cache))
    flag_all(tab, len(rows), "another mechanism's look, at every dose")
    wait_for(tab, lambda: flagged(demo, cache) == rows)

    tab.get_by_test_id("stSidebarNav").get_by_role("link", name="Review list").click()
    tab.get_by_text("Export and import").click()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="CSV").first.click()
    out = tmp_path / "flagged.csv"
    assert cli.main(["export", "demo", "--cache", str(cache), "--out", str(out)]) == 0
    exported = out.read_bytes()
    assert download.value.path().read_bytes() == exported
    assert exported.count(b"another mechanism's look") == len(rows)
    assert str(ROOT).encode() not in exported


def test_the_tour_by_keyboard_shows_the_suspect_beside_its_other_doses(tab, demo):
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.goto(f"/suspect_labels?study=demo&suspect={inactive_compound(demo.truth)}")
    tab.locator(".wall").nth(4).locator(".tile").first.wait_for()
    settled(tab)
    tab.get_by_role("button", name="2. Compare").focus()
    tab.keyboard.press("Enter")
    shown = "walls => walls.slice(0, 5).every(w => w.getBoundingClientRect().bottom < 801)"
    wait_for(tab, lambda: tab.locator(".wall").evaluate_all(shown))
    settled(tab)
    assert "2. Compare" in tab.evaluate("document.activeElement.innerText")
    assert tab.get_by_role("button", name="2. Compare").bounding_box()["y"] >= 0  # it stays in view
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.get_by_role("dialog").get_by_role("button", name="Decide", exact=True).wait_for()
