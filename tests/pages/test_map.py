"""Map: colourings, a selection by areas over all rows, the kept map."""

import json

import numpy as np
import pytest
from page_studies import field, pages, write_animals, write_full

from bnn_core.recipes import image_map
from bnn_core.recipes.image_map import MAP_FILE, study_map
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study

PAGE = "map/page.py"


@pytest.fixture
def cache(tmp_path):
    """A study whose map is kept: image i at x = i / n - 0.5, labels in bands of y."""
    root = tmp_path / "cache"
    root.mkdir()
    study = open_study(write_full(root, "full", "m", 3))
    n = len(study.images)
    y = study.images["label"].map({name: k for k, name in enumerate(study.classes)}).fillna(-1)
    (study.path / MAP_FILE).parent.mkdir()
    np.save(
        study.path / MAP_FILE, np.stack([np.arange(n) / n - 0.5, y / 4], axis=1).astype(np.float32)
    )
    return root


def box(low, high):
    area = {"xref": "x", "yref": "y", "x": [low, high], "y": [-1, 1]}
    return json.dumps({"box": [area]})


def test_every_colouring_is_drawn_and_counts_all_images(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="full")
    n = len(open_study(cache / "full").images)
    colour = field(app, "selectbox", "Colour by")
    assert set(colour.options) >= {"label", "prediction", "right or wrong", "plate", "score"}
    assert "batch" not in colour.options
    for name in ("label", "prediction", "verdict", "plate", "score", "decision"):
        app.selectbox(key="map_colour").select(name).run()
        assert not app.exception and not app.error
        figure = json.loads(app.get("plotly_chart")[0].proto.spec)
        assert sum(len(trace["text"]) for trace in figure["data"]) == n
        names = {trace["name"].split(" (")[0] for trace in figure["data"]}
        if name == "label":
            assert {"m-class-0", "m-class-1", "m-class-2"} <= names
        if name == "verdict":
            assert names == {"right", "wrong", "not counted"}


def test_a_changed_decision_changes_the_map(monkeypatch, cache):
    study, log = open_study(cache / "full"), ReviewLog(cache)
    for decision in ("keep", "exclude"):
        log.flag(study, [0], reviewer="Ann", reason="other", decision=decision, note="")
        app = pages(monkeypatch, cache, PAGE, study="full", map_colour="decision")
        figure = json.loads(app.get("plotly_chart")[0].proto.spec)
        counts = {trace["name"].split(" (")[0]: len(trace["text"]) for trace in figure["data"]}
        assert counts[decision] == 1 and len(counts) == 2


def test_an_area_of_the_address_selects_its_images(monkeypatch, cache):
    n = len(open_study(cache / "full").images)
    app = pages(monkeypatch, cache, PAGE, study="full", selected=box(-0.6, -0.5 + 9.5 / n))
    assert not app.exception
    assert any(f": 10 of {n} images" in m.value for m in app.markdown)
    app.button(key="map_clear").click().run()
    assert not any(f"of {n} images" in m.value and "Selected" in m.value for m in app.markdown)


def test_a_study_without_a_kept_map_gets_one(monkeypatch, tmp_path):
    root = tmp_path / "cache"
    root.mkdir()
    study = open_study(write_animals(root, n=40))
    app = pages(monkeypatch, root, PAGE, study="animals")
    assert not app.exception and len(app.get("plotly_chart")) == 1
    positions = study_map(study)
    assert positions.shape == (40, 2) and np.isfinite(positions).all()
    monkeypatch.setattr(image_map, "layout", lambda *_: pytest.fail("it is kept"))
    assert np.array_equal(study_map(open_study(study.path)), positions)


def test_a_map_of_another_study_is_refused(monkeypatch, cache):
    np.save(cache / "full" / MAP_FILE, np.zeros((3, 2), np.float32))
    app = pages(monkeypatch, cache, PAGE, study="full")
    assert not app.exception and "map.npy" in app.error[0].value.replace("\\", "")
