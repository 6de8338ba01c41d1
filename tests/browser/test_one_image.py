"""One image in a browser: walking by keyboard, the strip, and looking into a microscope image."""

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
import tifffile
from browsing import press_until, settled, wait_for
from page_studies import CLASSES
from study_writing import write_study

from bnn_core.measures.uncertainty import moments, summarise
from bnn_core.study.folder import content_hashes, open_study

#: The middle of a column of the strip, on the screen.
COLUMN = """column => {
  const chart = [...document.querySelectorAll(".js-plotly-plot")].find(
    c => c._fullData.some(t => t.type === "heatmap"))
  chart.scrollIntoView({ block: "center" })
  const { xaxis, yaxis } = chart._fullLayout, box = chart.getBoundingClientRect()
  const bars = chart._fullData.find(t => t.type === "bar")
  return [box.x + xaxis._offset + xaxis.d2p(column), box.y + yaxis._offset + yaxis._length / 2,
          Array.from(bars.customdata)[column]]
}"""


@pytest.fixture(scope="module")
def fields(cache):
    """A study of 12 fields of two channels, 16 bit, with samples and an embedding."""
    rng = np.random.default_rng(3)
    root = cache.parent / "pictures"
    root.mkdir()
    pictures = rng.integers(100, 4000, (12, 2, 60, 80)).astype(np.uint16)
    for number, picture in enumerate(pictures):
        for channel, plane in zip(("DNA", "Actin"), picture, strict=True):
            tifffile.imwrite(root / f"{number}_{channel}.tif", plane)
    samples = rng.dirichlet(np.ones(3), (12, 20))
    labels = np.array(CLASSES, dtype=object)[np.arange(12) % 3]
    images = pd.DataFrame(
        {
            "image_id": [f"P1/B{i + 1:02d}/1" for i in range(12)],
            "label": labels,
            "role": "scored",
            "fold": 0,
            "content_hash": content_hashes(pictures),
            "plate": "P1",
        }
        | {f"path_{c}": [f"{i}_{c}.tif" for i in range(12)] for c in ("DNA", "Actin")}
    )
    return write_study(
        cache / "fields",
        title="Fields",
        kind="plate",
        classes=CLASSES,
        images=images,
        summaries={"vi": summarise(moments(samples.transpose(1, 0, 2)), CLASSES, labels)},
        samples={"vi": samples},
        embedding=rng.normal(size=(12, 6)),
        methods={"vi": {"num_samples": 20}},
        extra={"channels": ["DNA", "Actin"], "image_root": str(root), "pixel_size_um": 2.0},
    )


@pytest.fixture(scope="module")
def order(cache):
    """Image ids of the study animals, highest entropy first."""
    table = open_study(cache / "animals").table("vi")
    return table["image_id"].iloc[np.argsort(-table["predictive_entropy"], kind="stable")].tolist()


def at(tab, image_id):
    wait_for(tab, lambda: is_at(tab, image_id))


def is_at(tab, image_id) -> bool:
    return parse_qs(urlsplit(tab.url).query).get("image") == [image_id]


def test_arrow_keys_walk_through_the_selection(tab, order):
    tab.goto(f"/one_image?study=animals&image={order[0]}")
    tab.get_by_role("img", name=order[0]).first.wait_for()
    tab.locator("h1").click()
    settled(tab)
    for key, image_id in (
        ("ArrowRight", order[1]),
        ("ArrowRight", order[2]),
        ("ArrowLeft", order[1]),
    ):
        press_until(tab, key, lambda image_id=image_id: is_at(tab, image_id))
        tab.get_by_role("img", name=image_id).first.wait_for()
        settled(tab)
    tab.get_by_text("2 of 300: all images").wait_for()
    # In a text field the arrows belong to the text.
    tab.get_by_placeholder("image id, compound, well").press("ArrowRight")
    tab.wait_for_timeout(500)
    assert order[1] in tab.url


def test_a_click_on_a_column_of_the_strip_goes_to_its_image(tab, cache, order):
    ids = open_study(cache / "animals").images["image_id"]
    tab.goto(f"/one_image?study=animals&image={order[0]}")
    tab.locator(".heatmaplayer image").first.wait_for()
    tab.locator(".tile").nth(5).wait_for()
    x, y, row = tab.evaluate(COLUMN, 20)
    if ids[row] == order[0]:
        x, y, row = tab.evaluate(COLUMN, 21)
    tab.mouse.move(x, y)
    hover = tab.locator(".hoverlayer .hovertext").first
    hover.wait_for()
    assert ids[row] in hover.text_content()
    tab.mouse.click(x, y)
    at(tab, ids[row])
    tab.get_by_role("img", name=ids[row]).first.wait_for()
    # The wall below does the same, without a mouse.
    settled(tab)
    tile = tab.locator(".tile").nth(5)
    image_id = ids[int(tile.get_attribute("data-row"))]
    tile.focus()
    tab.keyboard.press("Enter")
    at(tab, image_id)


def test_channels_contrast_and_zoom(tab, fields):
    tab.goto("/one_image?study=fields&image=P1/B05/1")
    view = tab.locator(".view")
    picture = view.locator("img")
    picture.wait_for()
    tab.wait_for_function(
        "() => document.querySelector('.view img')?.naturalWidth === 80 || "
        "[...document.querySelectorAll('*')].some(e => e.shadowRoot?"
        ".querySelector('.view img')?.naturalWidth === 80)"
    )
    both = picture.get_attribute("src")
    tab.get_by_text("Actin", exact=True).click()
    tab.wait_for_url(re.compile("channels=Actin"))
    assert "channels" not in both
    view.locator("img[src*='channels=Actin']").wait_for()
    # 80 pixels of 2 µm: the bar is a round number of at most 90 screen pixels.
    shown = view.locator(".scale").inner_text()
    width = view.bounding_box()["width"]
    length = view.locator(".scale").evaluate("e => e.getBoundingClientRect().width")
    assert shown.endswith(" µm")
    assert abs(float(shown.removesuffix(" µm")) / 2 * width / 80 - length) < 1.5
    tab.get_by_role("button", name="Zoom in").click()
    assert tab.locator(".zoom").inner_text() == "150 %"
    view.focus()
    tab.keyboard.press("ArrowRight")  # moves the picture, not to the next image
    tab.wait_for_timeout(300)
    assert "B05" in tab.url
    tab.keyboard.press("0")
    assert tab.locator(".zoom").inner_text() == ""
    tab.get_by_test_id("stSlider").filter(has_text="Brightness").get_by_role("slider").press(
        "ArrowRight"
    )
    view.locator("img[src*='gain=1.5']").wait_for()
    tab.get_by_text("this image alone").click()
    view.locator("img[src*='contrast=image']").wait_for()


def test_two_pictures_have_one_zoom_and_a_ruler(tab, fields):
    tab.goto("/one_image?study=fields&image=P1/B05/1&panes=channels+side+by+side")
    tab.locator(".view img[src*='channels=DNA']").wait_for()
    assert tab.locator(".view").count() == 3  # all, and one of each channel
    tab.wait_for_function(
        "() => [...document.querySelectorAll('*')].some(e => [...(e.shadowRoot?"
        ".querySelectorAll('.view img') ?? [])].filter(i => i.naturalWidth === 80).length === 3)"
    )
    tab.get_by_role("button", name="Zoom in").click()
    moved = {image.evaluate("e => e.style.transform") for image in tab.locator(".view img").all()}
    assert len(moved) == 1 and "scale(1.5)" in moved.pop()
    box = tab.locator(".view").first.bounding_box()
    tab.keyboard.down("Shift")
    tab.mouse.move(box["x"] + 20, box["y"] + 30)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 120, box["y"] + 30)
    tab.mouse.up()
    tab.keyboard.up("Shift")
    # 100 screen pixels; 80 pixels of 2 µm fill the view at zoom 1.
    expected = 100 / (box["width"] * 1.5 / 80) * 2
    measured = tab.locator(".length").inner_text()
    assert measured.endswith(" µm")
    assert abs(float(measured.removesuffix(" µm")) - expected) < 0.05 * expected


def test_neighbours_come_from_the_embedding(tab, fields):
    tab.goto("/one_image?study=fields&image=P1/B05/1&alike=any+label")
    tab.get_by_text("Closest first").wait_for()
    first = tab.locator(".tile").first
    first.wait_for()
    embedding = np.asarray(open_study(fields).embedding, dtype=np.float32)
    distance = np.linalg.norm(embedding - embedding[4], axis=1)
    assert int(first.get_attribute("data-row")) == np.argsort(distance)[1]
