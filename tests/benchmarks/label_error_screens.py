"""Planted image labels on drawn screens, with our own networks trained on them (standard method)."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from demo_screens import CONFIGS, DESIGN, FOLDS, _normalised, _shrunk
from label_errors import OURS, cleanlab_scores, precisions
from planted_labels import KINDS, RATES, plant
from scipy.special import expit
from scipy.stats import rankdata
from tqdm import tqdm

from bnn_core.datasets.demo.synthetic_screen import generate_screen
from bnn_core.datasets.folds import grouped_folds, make_folds
from bnn_core.datasets.sources import inverse_frequency_weights
from bnn_core.networks.training import TrainingSet
from bnn_core.recipes.fold import assemble, read_result, run_method
from bnn_core.suspects.label_quality import label_quality, shares_of_expected

METHOD = "standard"
RATES_SHOWN = RATES[1:2]


def screens(seeds: int, work: Path) -> pd.DataFrame:
    """Average precision of every score: seed, kind, rate, score, ap. Finished parts are kept."""
    torch.set_num_threads(1)
    rows = []
    for seed in tqdm(range(seeds), desc="screens", disable=None):
        table, images, true, classes = _screen(seed, work)
        clean, _ = _predicted(table, images, true, classes, seed, work / f"seed{seed}" / "clean")
        nearest = _nearest(clean, true)
        for kind in (*KINDS, "compound"):
            for rate in RATES_SHOWN:
                rng = np.random.default_rng(seed)
                if kind == "compound":
                    labels = _whole_compounds(table, true, len(classes), rate, rng)
                else:
                    labels = plant(kind, rate, true, clean, nearest, rng)
                folder = work / f"seed{seed}" / f"{kind}-{rate:g}"
                p, margins = _predicted(table, images, labels, classes, seed, folder)
                scores = _scores(p, margins, labels) | _with_groups(table, p, margins, labels)
                rows += precisions(scores, labels != true, seed=seed, kind=kind, rate=rate)
    return pd.DataFrame(rows)


def _screen(seed: int, work: Path):
    """Table of the scored images, all pixels (N, 3, 32, 32), true class numbers, class names.

    Compounds with planted faults are left out, so that only the labels planted here are wrong.
    """
    kept = work / f"screen{seed}.npz"
    demo = generate_screen(seed, DESIGN)
    bad = set(demo.truth["compound"].dropna())
    rows = np.flatnonzero((demo.table["role"] == "scored") & ~demo.table["compound"].isin(bad))
    if kept.is_file():
        images = np.load(kept)["images"]
    else:
        images = _shrunk(_normalised(demo))[rows]
        work.mkdir(parents=True, exist_ok=True)
        np.savez(kept, images=images)
    table = demo.table.iloc[rows].reset_index(drop=True)
    classes = sorted(set(table["label"]))
    return table, images, pd.Index(classes).get_indexer(table["label"]), classes


def _predicted(table, images, labels, classes, seed, folder):
    """Mean softmax (N, C), compounds left out, and mean training margins (N,)."""
    folds = make_folds(table, grouped_folds(table, FOLDS, seed), list(classes))
    results = []
    for fold in folds:
        weights = inverse_frequency_weights(labels[fold.train], len(classes))
        training = TrainingSet(
            images[fold.train], labels[fold.train], len(classes), class_weights=weights
        )
        one = folder / str(fold.index) / METHOD
        run_method(
            one,
            CONFIGS[METHOD],
            training,
            images[fold.predict],
            fold.predict,
            num_samples=1,
            sample_seed=seed,
            keep_samples=False,
            training_rows=fold.train,
            quiet=True,
        )
        results.append(read_result(one))
    whole = assemble(results, len(table))
    return whole.moments.mean_p.astype(np.float64), whole.margins


def _whole_compounds(
    table: pd.DataFrame, true: np.ndarray, classes: int, rate: float, rng: np.random.Generator
) -> np.ndarray:
    """Labels with about `rate` of the images wrong, all those of some compounds."""
    labels = true.copy()
    for name in rng.permutation(table["compound"].unique()):
        rows = np.flatnonzero(table["compound"] == name)
        if (labels != true).sum() + len(rows) / 2 > rate * len(labels):
            break
        labels[rows] = (true[rows] + rng.integers(1, classes)) % classes
    return labels


def _with_groups(
    table: pd.DataFrame, p: np.ndarray, margins: np.ndarray, labels: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores that count what an image's compound and well fall short of their expectation."""
    p_label = p[np.arange(len(labels)), labels]
    rows = table[["compound", "plate", "well"]].assign(p_label=p_label, label=labels)
    shares = shares_of_expected(rows)
    fit = expit(margins)
    return {
        "label quality: p(label) and groups": label_quality(p_label, shares),
        "margin in training and groups": label_quality(fit, shares),
        "p(label), margin in training and groups": label_quality(np.sqrt(p_label * fit), shares),
    }


def _nearest(p: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(C,) the class that most of each class's wrong probability goes to."""
    wrong = np.zeros((p.shape[1], p.shape[1]))
    np.add.at(wrong, true, p)
    np.fill_diagonal(wrong, -1)
    return wrong.argmax(axis=1)


def _scores(p: np.ndarray, margins: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    rows = np.arange(len(labels))
    p = p / p.sum(axis=1, keepdims=True)
    log_p = np.log(np.maximum(p, 1e-12))
    others = log_p.copy()
    others[rows, labels] = -np.inf
    logit = log_p[rows, labels] - others.max(axis=1)
    return {
        OURS: margins,
        "p(label)": p[rows, labels],
        "logit margin": logit,
        "mean rank of margin in training and logit margin": rankdata(margins) + rankdata(logit),
    } | cleanlab_scores(p, labels)
