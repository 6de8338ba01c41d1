"""A study of a few images, made in a moment, and a clock that can be set."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_writing import write_study

from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study

CLASSES = ["Actin", "Tubulin", "DMSO-like"]


MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where there is such a folder: these tests flush to the disk hundreds of times."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


class Clock:
    """One minute later at each look."""

    def __init__(self):
        self.time = datetime(2024, 5, 31, 12, tzinfo=UTC)

    def __call__(self):
        self.time += timedelta(minutes=1)
        return self.time


def images_table(n=8):
    """n fields, two per well, four wells a plate; compound alpha, beta, alpha, beta ..."""
    return pd.DataFrame(
        {
            "image_id": [f"P{i // 8 + 1}/B{i // 2 % 4 + 2:02d}/{i % 2 + 1}" for i in range(n)],
            "label": [CLASSES[i // 2 % 2] for i in range(n)],
            "role": "scored",
            "fold": [i // 2 % 2 for i in range(n)],
            "path": [f"week1/{i}.tif" for i in range(n)],
            "content_hash": [f"{i:016x}" for i in range(n)],
            "plate": [f"P{i // 8 + 1}" for i in range(n)],
            "well": [f"B{i // 2 % 4 + 2:02d}" for i in range(n)],
            "site": [str(i % 2 + 1) for i in range(n)],
            "compound": [("alpha", "beta")[i // 2 % 2] for i in range(n)],
            "concentration": [(0.03, 0.1)[i // 2 % 2] for i in range(n)],
        }
    )


def summary_table(images, seed=0):
    p = np.random.default_rng(seed).dirichlet(np.ones(len(CLASSES)), len(images)).astype(np.float32)
    predicted = pd.Series(np.array(CLASSES)[p.argmax(1)])
    scored = (images["role"] == "scored") & images["label"].notna()
    top = p.max(1)
    return pd.DataFrame(
        {
            "predicted": predicted,
            "correct": (predicted == images["label"]).astype("boolean").where(scored, pd.NA),
            **{f"p_{name}": p[:, i] for i, name in enumerate(CLASSES)},
            "confidence": 1 - 2 * np.sqrt(top * (1 - top)),
        }
    )


@pytest.fixture
def make_study(tmp_path):
    """make_study(name="S", images=None, methods=("vi",), **parts) -> Study"""

    def make(name="S", images=None, methods=("vi",), summaries=None, **parts):
        images = images_table() if images is None else images
        summaries = summaries or {m: summary_table(images, i) for i, m in enumerate(methods)}
        write_study(
            tmp_path / name,
            title=name,
            kind="import",
            classes=CLASSES,
            images=images,
            summaries=summaries,
            force=True,
            **parts,
        )
        return open_study(name, tmp_path)

    return make


@pytest.fixture
def fields():
    """images_table, to be altered."""
    return images_table


@pytest.fixture
def log(tmp_path):
    return ReviewLog(tmp_path, clock=Clock())
