"""A study with markup, scripts and formulas in all of its texts: they are shown as texts."""

import re

import numpy as np
import openpyxl
import pandas as pd
from browsing import serving, settled
from study_writing import write_study

from bnn_core.figures.report import write_report
from bnn_core.measures.uncertainty import Moments, summarise
from bnn_core.recipes.imports import InputError  # noqa: F401
from bnn_core.review.log import Action, ReviewLog
from bnn_core.study.folder import open_study

SCRIPT = "<script>window.pwned=1</script>"
IMAGE = "<img src=x onerror='window.pwned=1'>"
LINK = "[x](javascript:window.pwned=1) $\\href{javascript:window.pwned=1}{x}$"
FORMULA = "=HYPERLINK(1)"
PAGES = (
    "overview",
    "mechanisms",
    "plates",
    "one_image",
    "confidence",
    "bnn_vs_standard",
    "out_of_distribution",
    "compare_methods",
    "suspect_labels",
    "review_list",
    "your_data",
)


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
