"""What a small study is made of, for tests of the study format."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.measures.uncertainty import moments, summarise

CLASSES = ["cat", "dog", "newt"]


def parts(seed=0, n=12):
    """What a small study is made of, with consistent numbers."""
    rng = np.random.default_rng(seed)
    samples = rng.dirichlet(np.ones(3), (5, n))
    labels = np.array(CLASSES, dtype=object)[rng.integers(0, 3, n)]
    images = pd.DataFrame(
        {
            "image_id": [f"im-{i}" for i in range(n)],
            "label": labels,
            "role": "scored",
            "fold": 0,
            "content_hash": [f"{i:016x}" for i in range(n)],
            "plate": "P1",
            "well": "A01",
            "compound": [f"c{i % 3}" for i in range(n)],
            "concentration": 1.5,
        }
    )
    return dict(
        title="Small",
        kind="import",
        classes=CLASSES,
        images=images,
        summaries={"vi": summarise(moments(samples), CLASSES, labels)},
        samples={"vi": samples.transpose(1, 0, 2)},
        embedding=rng.normal(size=(n, 4)),
        thumbnails=[b"webp%d" % i if i % 2 else None for i in range(n)],
        methods={"vi": {"num_samples": 5}},
        settings={"seed": seed},
    )


def forget_files(study: Path) -> None:
    """Take the record of files and checksums out of study.json, so that a test may change files."""
    meta = json.loads((study / "study.json").read_text())
    kept = {key: value for key, value in meta.items() if key not in ("files", "checksums")}
    (study / "study.json").write_text(json.dumps(kept))
