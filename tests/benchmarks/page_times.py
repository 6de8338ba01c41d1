"""How long does each page take on a large study? CPU time on the server side, without a browser.

python tests/benchmarks/page_times.py [--rows 100000 1000000] [--pages plates/page.py ...] [--profile]

Writes studies of a large screen (300 plates of 384 wells, 48 compounds in 12 mechanisms, two methods)
into --folder, unless they are there. Every page is drawn on the demo first, so that imports do not count.
first: nobody ever opened the study. cold: a server that has just started. session: another visitor.
redraw: the page is drawn again for the same visitor.
"""

import argparse
import cProfile
import gc
import os
import pstats
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

from study_writing import write_study  # noqa: E402

from bnn_core.measures.uncertainty import Moments, moments, summarise  # noqa: E402
from bnn_core.study import derived  # noqa: E402
from pages.shared import studies  # noqa: E402

PLATES, WELLS, COMPOUNDS, CLASSES = 300, 384, 48, [f"mechanism {k:02d}" for k in range(12)]
PAGES = (
    "overview/page.py",
    "mechanisms/page.py",
    "map/page.py",
    "plates/page.py",
    "one_image/page.py",
    "confidence.py",
    "bnn_vs_standard/page.py",
    "out_of_distribution/page.py",
    "compare_methods/page.py",
    "suspect_labels/page.py",
    "review_list/page.py",
)


def screen(rows: int, seed: int = 0) -> pd.DataFrame:
    """The images of a screen: every plate has all wells, whose treatment is the same on all plates."""
    rng = np.random.default_rng(seed)
    plates = np.arange(rows) * PLATES // rows
    within = np.arange(rows) - np.searchsorted(plates, np.arange(PLATES))[plates]
    spot = within * WELLS // np.bincount(plates)[plates]
    names = np.array([f"{chr(65 + r)}{c:02d}" for r in range(16) for c in range(1, 25)])
    treatments = rng.permutation(np.arange(WELLS) % (COMPOUNDS * 8))[spot]
    compound = treatments % COMPOUNDS
    control = spot % 24 == 0
    plate = np.array([f"Week{p // 30 + 1}_P{p:03d}" for p in range(PLATES)])[plates]
    label = np.array(CLASSES, dtype=object)[compound % len(CLASSES)]
    well = names[spot]
    return pd.DataFrame(
        {
            "image_id": [f"{p}/{w}/{i}" for p, w, i in zip(plate, well, within, strict=True)],
            "label": np.where(control, None, label),
            "role": np.where(control, "control", "scored"),
            "fold": compound % 6,
            "plate": plate,
            "well": well,
            "batch": [f"Week{p // 30 + 1}" for p in plates],
            "compound": np.where(control, "DMSO", np.char.add("compound ", compound.astype(str))),
            "concentration": np.where(control, 0.0, 0.1 * 3.0 ** (treatments // COMPOUNDS)),
            "content_hash": [f"{i:016x}" for i in range(rows)],
        }
    )


def predictions(images: pd.DataFrame, seed: int, samples: int = 10) -> pd.DataFrame:
    """The summary of a method that is mostly right; two compounds look like another mechanism."""
    rng = np.random.default_rng(seed)
    n, count = len(images), len(CLASSES)
    truth = pd.Index(CLASSES).get_indexer(images["label"]).clip(0)
    other = images["compound"].isin(["compound 5", "compound 17"]).to_numpy()
    truth = np.where(other, (truth + 3) % count, truth)
    logits = rng.normal(size=(n, count)).astype(np.float32)
    logits[np.arange(n), truth] += 3
    parts = []
    for start in range(0, n, 50_000):
        block = logits[start : start + 50_000]
        drawn = np.exp(block + 0.5 * rng.normal(size=(samples, *block.shape)).astype(np.float32))
        parts.append(moments(drawn / drawn.sum(axis=2, keepdims=True)))
    joined = Moments.concatenate(parts)
    summary = summarise(joined, CLASSES, images["label"].to_numpy(dtype=object))
    summary["distance"] = rng.gamma(20, 0.05, n)
    return summary


def write(folder: Path, rows: int) -> None:
    """A study of `rows` images in `folder`, unless it is there."""
    out = folder / f"screen{rows}"
    if out.exists():
        return
    images = screen(rows)
    write_study(
        out,
        title=f"A screen of {rows:,} images",
        kind="plate",
        classes=CLASSES,
        images=images,
        summaries={"vi": predictions(images, 1), "standard": predictions(images, 2, samples=1)},
        embedding=np.random.default_rng(3).normal(size=(rows, 32)).astype(np.float16),
        methods={"vi": {"num_samples": 10}, "standard": {"num_samples": 1}},
    )


def visitor() -> AppTest:
    """A new session, which looks at the first study."""
    return AppTest.from_file(str(ROOT / "pages" / "main.py"), default_timeout=600).run()


def visit(app: AppTest, study: str, page: str) -> Callable[[], AppTest]:
    """What draws a page of a study for a visitor."""
    app.session_state["study"] = study
    return app.switch_page(page).run


def timed(run: Callable[[], AppTest]) -> float:
    """CPU seconds of one run; ends the program where the page failed."""
    start = time.process_time()
    app = run()
    seconds = time.process_time() - start
    failed = [*app.exception, *app.error]
    if failed:
        raise SystemExit(f"the page failed: {failed[0].value}")
    return seconds


def forget() -> None:
    """Empty the caches of the server."""
    st.cache_resource.clear()
    studies._opened.cache_clear()
    gc.collect()


def profiled(run: Callable[[], AppTest]) -> float:
    """`timed`; prints where its threads spent their time."""
    profiler, plain = cProfile.Profile(), threading.Thread.run
    threading.Thread.run = lambda thread: profiler.runcall(plain, thread)
    try:
        return timed(run)
    finally:
        threading.Thread.run = plain
        pstats.Stats(profiler).sort_stats("cumulative").print_stats("(pages|bnn_core)/", 45)


def measure(folder: Path, study: str, page: str, profile: bool) -> list[float]:
    """CPU seconds of a page: first, cold, another session, redrawn."""
    times = []
    for first in (True, False):
        draw, again = (visit(visitor(), study, page) for _ in range(2))
        if first:
            derived.forget(folder / study)
        forget()
        if profile:
            print(f"--- {page}, {'first' if first else 'cold'}")
        times.append(profiled(draw) if profile else timed(draw))
    return [*times, timed(again), timed(again)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--pages", nargs="+", default=PAGES, choices=PAGES)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "bnn_pages")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    demo = args.folder / "demo"
    if not demo.exists():
        shutil.copytree(ROOT / "cache" / "demo", demo)
    for rows in args.rows:
        write(args.folder, rows)
    os.environ["BNN_CACHE"] = str(args.folder)
    type(st.context).cookies = {}
    for page in args.pages:
        timed(visit(visitor(), "demo", page))
    print(
        "| page | rows | first s | cold s | session s | redraw s |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    for rows in args.rows:
        for page in args.pages:
            figures = measure(args.folder, f"screen{rows}", page, args.profile)
            print(
                f"| {page} | {rows:,} |", " | ".join(f"{s:.2f}" for s in figures), "|", flush=True
            )


if __name__ == "__main__":
    main()
