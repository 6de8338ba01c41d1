"""Planted image labels on drawn screens, with our own networks trained on them (standard method)."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from demo_screens import CONFIGS, DESIGN, FOLDS, _normalised, _shrunk
from label_errors import AUM, HALF, cleanlab_scores, precisions
from planted_labels import KINDS, RATES, margin, nearest_classes, plant
from scipy.special import expit
from scipy.stats import rankdata
from tqdm import tqdm

from bnn_core.datasets.demo.synthetic_screen import generate_screen
from bnn_core.datasets.folds import grouped_folds, make_folds
from bnn_core.datasets.sources import inverse_frequency_weights
from bnn_core.networks.training import Training, TrainingSet
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
        nearest = nearest_classes(clean, true)
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
    """Mean softmax (N, C), compounds left out, and training margins (N, E) of every epoch."""
    folds = make_folds(table, grouped_folds(table, FOLDS, seed), list(classes))
    results, margins = [], np.zeros((FOLDS, len(table), CONFIGS[METHOD].epochs))
    for fold in folds:
        weights = inverse_frequency_weights(labels[fold.train], len(classes))
        training = TrainingSet(
            images[fold.train], labels[fold.train], len(classes), class_weights=weights
        )
        one = folder / str(fold.index) / METHOD
        with patch.object(Training, "end_epoch", _keep_margins):
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
        kept = [np.load(one / f"epoch{k}.npy") for k in range(1, CONFIGS[METHOD].epochs + 1)]
        margins[fold.index, fold.train] = np.stack(kept, axis=1)
    whole = assemble(results, len(table))
    return whole.moments.mean_p.astype(np.float64), margins.sum(axis=0) / (FOLDS - 1)


def _keep_margins(training: Training, end_epoch=Training.end_epoch) -> None:
    """End an epoch and keep its margins, (N,), beside the network."""
    end_epoch(training)
    margins = np.zeros(len(training.data.images), np.float32)
    margins[training.order] = training.step.margins.cpu().numpy()
    np.save(training.folder / f"epoch{training.epoch}.npy", margins)


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
    scores = {"label quality: p(label) and groups": label_quality(p_label, shares)}
    for name, epochs in ((HALF, margins.shape[1] // 2), (AUM, margins.shape[1])):
        fit = expit(margins[:, :epochs].mean(axis=1))
        scores[f"{name}, and groups"] = label_quality(fit, shares)
        scores[f"{name}, p(label) and groups"] = label_quality(np.sqrt(p_label * fit), shares)
    return scores


def _scores(p: np.ndarray, margins: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    rows = np.arange(len(labels))
    p = p / p.sum(axis=1, keepdims=True)
    logit = margin(np.log(np.maximum(p, 1e-12)), labels)
    half, whole = margins[:, : margins.shape[1] // 2].mean(axis=1), margins.mean(axis=1)
    return {
        HALF: half,
        AUM: whole,
        "p(label)": p[rows, labels],
        "logit margin": logit,
        "ranks: first half, logit margin": rankdata(half) + rankdata(logit),
        "ranks: AUM, logit margin": rankdata(whole) + rankdata(logit),
        "ranks: AUM, p(label)": rankdata(whole) + rankdata(p[rows, labels]),
    } | cleanlab_scores(p, labels)
