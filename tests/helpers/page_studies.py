"""Small studies for the tests of pages, and the pages themselves as a test runs them."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image
from screens import CLASSES as SCREEN_CLASSES
from screens import calling, screen
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
from study_writing import write_study

from bnn_core.measures.uncertainty import Moments, moments, summarise
from bnn_core.study.folder import content_hashes

ROOT = Path(__file__).parents[2]
CLASSES = ["ant", "bee", "cat"]
COMPOUNDS = [f"cpd {letter}" for letter in "ABCDEFGHIJ"]


def pages(
    monkeypatch,
    cache: Path,
    page: str | None = None,
    cookies: dict[str, str] | None = None,
    **query: object,
) -> AppTest:
    """The app over the studies in `cache`, opened on pages/<page> (the first page: Overview).

    cookies: of the browser, which a test has not.
    """
    monkeypatch.setenv("BNN_CACHE", str(cache))
    monkeypatch.setattr(type(st.context), "cookies", cookies or {})
    app = AppTest.from_file(str(ROOT / "pages" / "main.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    if page is not None:
        # What switch_page() does; that needs a run of the first page before, which is slow. The last
        # part of the page's address is the name of its file or folder.
        app._page_hash = calc_hash(Path(page).parent.name or Path(page).stem)
    return app.run()


def write_animals(cache: Path, name: str = "animals", n: int = 300, seed: int = 0) -> Path:
    """Pictures, samples and both networks; about one image in seven is predicted wrong."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    pictures = rng.integers(0, 255, (n, 12, 12), dtype=np.uint8)
    pictures[np.arange(n), :, 4 * y] = 255
    p = _mean_softmax(rng, y, sharp=4.0)
    samples = np.stack([rng.dirichlet(row * 30 + 0.05, size=20) for row in p])
    standard = _mean_softmax(rng, y, sharp=8.0)
    labels = np.array(CLASSES, dtype=object)[y]
    images = pd.DataFrame(
        {
            "image_id": [f"img-{i:04d}" for i in range(n)],
            "label": labels,
            "role": "scored",
            "fold": np.arange(n) % 3,
            "content_hash": content_hashes(pictures),
        }
    )
    return write_study(
        cache / name,
        title=f"The {name}",
        kind="import",
        classes=CLASSES,
        images=images,
        summaries={
            "vi": summarise(moments(samples.transpose(1, 0, 2)), CLASSES, labels),
            "standard": summarise(moments(standard[None]), CLASSES, labels),
        },
        samples={"vi": samples},
        thumbnails=(_webp(picture) for picture in pictures),
        methods={"vi": {"num_samples": 20, "network": "lenet5"}, "standard": {"num_samples": 1}},
        settings={"seed": seed},
    )


def write_rivals(cache: Path, name: str = "rivals", n: int = 240) -> Path:
    """Five methods on the same images, the last 40 of a kind never seen: `ensemble` is the best,
    `dropout` the worst, `laplace` says what `vi` says."""
    rng = np.random.default_rng(5)
    y = np.arange(n) % 3
    new = np.arange(n) >= n - 40
    labels = np.array(CLASSES, dtype=object)[y]
    labels[new] = None
    noise = rng.normal(size=(n, 3))
    sharp = {"vi": 2.0, "standard": 1.8, "dropout": 0.8, "ensemble": 5.0, "laplace": 2.0}
    summaries, samples = {}, {}
    for method, size in sharp.items():
        own = noise if method == "laplace" else noise + 0.2 * rng.normal(size=(n, 3))
        noise = own if method == "vi" else noise
        logits = own + size * np.eye(3)[y] * ~new[:, None]
        drawn = logits + 0.5 * np.random.default_rng(6).normal(
            size=(1 if method == "standard" else 6, n, 3)
        )
        p = np.exp(drawn) / np.exp(drawn).sum(axis=2, keepdims=True)
        summaries[method] = summarise(moments(p), CLASSES, labels)
        samples[method] = p.transpose(1, 0, 2)
    pictures = rng.integers(0, 255, (n, 12, 12), dtype=np.uint8)
    images = pd.DataFrame(
        {
            "image_id": [f"img-{i:04d}" for i in range(n)],
            "label": labels,
            "fold": 0,
            "role": np.where(new, "new", "scored"),
            "content_hash": content_hashes(pictures),
        }
    )
    seconds = {"training": {"wall": 60.0, "cpu": 55.0}, "prediction": {"wall": 2.0, "cpu": 2.0}}
    return write_study(
        cache / name,
        title="Rivals",
        kind="mnist",
        classes=CLASSES,
        images=images,
        summaries=summaries,
        samples=samples,
        thumbnails=(_webp(p) for p in pictures),
        methods={
            m: {
                "num_samples": s.shape[1],
                "network": "lenet5",
                "seconds": seconds,
                "builds_on": "standard" if m in ("vi", "laplace") else None,
            }
            for m, s in samples.items()
        },
    )


def write_compounds(cache: Path, name: str = "compounds") -> Path:
    """A table of predictions and no more: no pictures, samples or standard network, 10 compounds.

    The last 20 of 140 rows have no label; names hold what HTML and Markdown would take for their
    own.
    """
    rng = np.random.default_rng(1)
    n = 140
    compound = np.repeat(COMPOUNDS, n // 10)
    y = np.repeat(np.arange(10) % 3, n // 10)
    p = _mean_softmax(rng, y, sharp=3.0)
    labels = np.array(CLASSES, dtype=object)[y]
    labels[120:] = None
    images = pd.DataFrame(
        {
            "image_id": [f"<b>{c}</b>/{i}*" for i, c in enumerate(compound)],
            "label": labels,
            "role": np.where(np.arange(n) < 120, "scored", "unlabelled"),
            "fold": y,
            "content_hash": "",
            "compound": compound,
            "concentration": np.tile([0.1, 3.0], n // 2),
            "plate": np.where(np.arange(n) % 2, "P1", "P2"),
            "group": compound,
        }
    )
    return write_study(
        cache / name,
        title="Compounds",
        kind="import",
        classes=CLASSES,
        images=images,
        summaries={"vi": summarise(Moments(p), CLASSES, labels)},
        methods={"vi": {"num_samples": 100}},
    )


def write_screen(cache: Path, name: str = "screen") -> Path:
    """Eight compounds in wells with pictures, untreated wells, a dose without label; "D2", labelled
    D, is called A in every image."""
    table = screen()
    extra = table[table["compound"] == "D2"].drop_duplicates("well")
    high = extra.assign(concentration=100.0, label=None, role="unlabelled", well="G05")
    untreated = extra.assign(
        compound="DMSO", concentration=np.nan, label=None, role="control", well="G06"
    )
    images = pd.concat([table.assign(role="scored"), high, untreated], ignore_index=True)
    images["image_id"] = images["plate"] + "/" + images["well"] + "/" + images["site"]
    images = images.drop_duplicates("image_id", ignore_index=True)
    n = len(images)
    pictures = np.random.default_rng(2).integers(0, 255, (n, 12, 12), dtype=np.uint8)
    images["content_hash"], images["group"] = content_hashes(pictures), images["compound"]
    called = np.where(images["compound"] == "D2", "A", images["label"].fillna("B"))
    p = calling(called, sure=0.8)
    labels = images["label"].where(images["label"].notna(), None).to_numpy(dtype=object)
    summary = summarise(Moments(p), SCREEN_CLASSES, labels)
    trained, margin = images["role"] == "scored", np.where(images["compound"] == "D2", -0.5, 2.0)
    return write_study(
        cache / name,
        title="A screen",
        kind="import",
        classes=SCREEN_CLASSES,
        images=images,
        summaries={"vi": summary.assign(training_margin=np.where(trained, margin, np.nan))},
        thumbnails=(_webp(picture) for picture in pictures),
        methods={"vi": {"num_samples": 100}},
    )


def write_others(cache: Path, name: str = "others", cells: bool = False) -> Path:
    """Digits 0 and 1, 40 shifted ones, three kinds never seen: O sure as 0, i of two hills, x
    unsure, and 10 without labels. cells: with compounds, as where mechanisms are left out."""
    rng = np.random.default_rng(3)
    kinds = [
        ("scored", "0", 0, 0.97, 30),
        ("scored", "1", 1, 0.97, 30),
        ("shifted", "0", 0, 0.9, 20),
        ("shifted", "1", 1, 0.9, 20),
        ("new", "O", 0, 0.96, 30),
        ("new", "i", 1, 0.93, 15),
        ("new", "i", 1, 0.62, 15),
        ("new", "x", 1, 0.56, 30),
        ("unlabelled", None, 1, 0.6, 10),
    ]
    rows = [(role, label, at) for role, label, at, _, n in kinds for _ in range(n)]
    images = pd.DataFrame(rows, columns=["role", "label", "at"])
    top = np.concatenate([rng.normal(mean, 0.008, n) for *_, mean, n in kinds])
    p = np.stack([1 - top, top], axis=1)
    p[images["at"] == 0] = p[images["at"] == 0, ::-1]
    images = images.drop(columns="at").assign(
        image_id=[f"{name}-{i}" for i in range(len(images))],
        fold=0,
        content_hash="",
        source=images["role"].map({"shifted": "letters", "new": "letters", "unlabelled": "slides"}),
    )
    if cells:
        images["compound"] = images["label"] + images.groupby("label").cumcount().mod(2).astype(str)
    samples = np.clip(p[:, None] + rng.normal(0, 0.01, (len(p), 8, 1)) * [1, -1], 0, 1)
    labels = images["label"].where(images["role"] == "scored").to_numpy(dtype=object)
    return write_study(
        cache / name,
        title="Others",
        kind="plate" if cells else "mnist",
        classes=["0", "1"],
        images=images,
        summaries={
            "vi": summarise(moments(samples.transpose(1, 0, 2)), ["0", "1"], labels),
            "standard": summarise(Moments(p), ["0", "1"], labels),
        },
        samples={"vi": samples},
        methods={"vi": {"num_samples": 8}, "standard": {}},
        thumbnails=(_webp(rng.integers(0, 255, (8, 8), dtype=np.uint8)) for _ in rows),
        extra={"added": [{"name": "letters", "title": "the set of letters", "images": 130}]},
    )


def write_full(cache: Path, name: str, mark: str, n_classes: int) -> Path:
    """A study that every page has menus for, whose names all begin with `mark`.

    24 images per class in plates and wells, of three compounds at two doses; the third compound is
    called the next class. Untreated wells, and two kinds that were never trained on.
    """
    rng = np.random.default_rng(n_classes)
    classes = [f"{mark}-class-{i}" for i in range(n_classes)]
    y = np.repeat(np.arange(n_classes), 24)
    place = np.tile(np.arange(24), n_classes)
    images = pd.DataFrame(
        {
            "label": np.array(classes, dtype=object)[y],
            "role": "scored",
            "compound": [f"{mark}-cpd-{i}{'abc'[j % 3]}" for i, j in zip(y, place, strict=True)],
            "concentration": np.where(place % 2, 1.0, 10.0),
            "plate": [f"{mark}-plate-{j % 2}" for j in place],
            "well": [f"{'BCDEFG'[j % 6]}{i + 2:02d}" for i, j in zip(y, place, strict=True)],
        }
    )
    called = np.where(place % 3 == 2, (y + 1) % n_classes, y)
    others = images.iloc[:18].assign(
        role=["control"] * 6 + ["new"] * 12,
        compound=["DMSO"] * 6 + [f"{mark}-new-cpd"] * 12,
        label=[None] * 6 + [f"{mark}-new-a"] * 6 + [f"{mark}-new-b"] * 6,
    )
    images = pd.concat([images, others], ignore_index=True)
    n = len(images)
    images = images.assign(
        image_id=[f"{mark}-{i}" for i in range(n)], fold=np.arange(n) % 2, group=images["compound"]
    )
    pictures = rng.integers(0, 255, (n, 12, 12), dtype=np.uint8)
    images["content_hash"] = content_hashes(pictures)
    p = np.full((n, n_classes), 0.2 / n_classes)
    p[np.arange(n), np.append(called, rng.integers(0, n_classes, 18))] += 0.8
    samples = np.stack([rng.dirichlet(row * 30 + 0.05, size=8) for row in p])
    labels = images["label"].where(images["role"] == "scored").to_numpy(dtype=object)
    return write_study(
        cache / name,
        title=name,
        kind="plate",
        classes=classes,
        images=images,
        summaries={
            "vi": summarise(moments(samples.transpose(1, 0, 2)), classes, labels),
            "standard": summarise(Moments(p), classes, labels),
        },
        samples={"vi": samples},
        methods={"vi": {"num_samples": 8}, "standard": {}},
        thumbnails=(_webp(picture) for picture in pictures),
    )


def write_newer(cache: Path, name: str = "tomorrow") -> None:
    """A study that a newer version of the program made."""
    (cache / name).mkdir(parents=True)
    (cache / name / "study.json").write_text('{"schema": 99}')


def field(app: AppTest, kind: str, label: str):
    """The one widget of a kind whose label begins so."""
    (found,) = [widget for widget in app.get(kind) if widget.label.startswith(label)]
    return found


def text_of(app: AppTest) -> str:
    """All that the page says, in one string, without the escapes of Markdown."""
    return re.sub(r"\\([^\w\s])", r"\1", source_of(app))


def source_of(app: AppTest) -> str:
    """All that the page says, in one string, as it is sent to the browser."""
    parts = [
        e.value
        for kind in ("title", "header", "markdown", "caption", "info", "error", "warning")
        for e in app.get(kind)
    ]
    return "\n".join(
        [
            *map(str, parts),
            *(h.proto.body for h in app.get("html")),
            *(f"{m.label} {m.value} {m.delta}" for m in app.metric),
        ]
    )


def _mean_softmax(rng: np.random.Generator, y: np.ndarray, sharp: float) -> np.ndarray:
    logits = rng.normal(size=(len(y), 3))
    logits[np.arange(len(y)), y] += 1.6
    p = np.exp(sharp * 0.4 * logits)
    return p / p.sum(axis=1, keepdims=True)


def _webp(picture: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "WEBP", lossless=True)
    return out.getvalue()


def write_with_new_plates(cache: Path, name: str = "plates") -> Path:
    """A screen of eight compounds with one added plate of four compounds without labels: `sure` is
    called B, `odd` is unlike all training images."""
    own = screen().assign(role="scored", source=None)
    own["group"] = own["compound"]
    rows = [
        (compound, f"C{place:02d}", str(site))
        for place, compound in enumerate(("sure", "less", "odd", "dull"), start=2)
        for site in range(2)
    ]
    new = pd.DataFrame(rows, columns=["compound", "well", "site"]).assign(
        plate="N1", label=None, role="unlabelled", source="may", fold=-1
    )
    images = pd.concat([own, new], ignore_index=True)
    images["image_id"] = images["plate"] + "/" + images["well"] + "/" + images["site"]
    images["image_id"] = images["image_id"].where(
        images["source"].isna(), "may/" + images["image_id"]
    )
    images = images.drop_duplicates("image_id", ignore_index=True)
    images["content_hash"] = ""
    called = images["compound"].map({"sure": "B", "less": "C", "odd": "A", "dull": "D"})
    sure = images["compound"].map({"sure": 0.97, "less": 0.7, "odd": 0.99, "dull": 0.4}).fillna(0.8)
    p = np.concatenate(
        [calling([c], s) for c, s in zip(called.fillna(images["label"]), sure, strict=True)]
    )
    distance = np.random.default_rng(0).uniform(0.5, 1.5, len(images))
    distance[images["source"].notna()] = 1.0
    distance[images["compound"] == "odd"] = 9.0
    labels = images["label"].where(images["role"] == "scored").to_numpy(dtype=object)
    return write_study(
        cache / name,
        title="A screen and a new plate",
        kind="plate",
        classes=SCREEN_CLASSES,
        images=images,
        summaries={"vi": summarise(Moments(p), SCREEN_CLASSES, labels, {"distance": distance})},
        methods={"vi": {"num_samples": 100}},
        extra={"added": [{"name": "may", "title": "may", "images": 8, "plates": {"N1": "0"}}]},
    )
