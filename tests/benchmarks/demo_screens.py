"""Drawn screens with planted faults, predicted by our own networks with compounds left out.

Small on purpose (32 pixels, five folds of compounds, few epochs), so that ten seeds take an hour of
one core. What is finished is kept in the folder given, and a second run goes on from there.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from synthetic_screens import Screen
from tqdm import tqdm

from bnn_core.datasets.demo.design import DemoDesign
from bnn_core.datasets.demo.synthetic_screen import Demo, generate_screen
from bnn_core.datasets.folds import fold_numbers, grouped_folds, make_folds, unpredictable_rows
from bnn_core.datasets.sources import inverse_frequency_weights
from bnn_core.images.contrast import otsu_threshold
from bnn_core.images.quality import measure, quality_columns
from bnn_core.measures.uncertainty import summarise
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet
from bnn_core.recipes.fold import assemble, read_result, run_method

DESIGN = DemoDesign(sites=2)
FOLDS = 5
_COMMON = {
    "network": "mscnn",
    "head_width": 256,
    "intensity": "sqrt",
    "augmentation": "dihedral",
    "validation": 0.0,
    "batch_size": 20,
}
CONFIGS = {
    "standard": TrainConfig(
        **_COMMON, bayesian=False, optimizer="adamw", weight_decay=1e-2, epochs=15
    ),
    "vi": TrainConfig(
        **_COMMON,
        estimator="weights",
        prior="gaussian",
        prior_sigma1=0.1,
        kl_weight=0.1,
        rho_init=-4.0,
        start="standard",
        epochs=6,
    ),
}
NUM_SAMPLES = 20


def demo_screens(seeds: int, work: Path) -> dict[str, list[Screen]]:
    """Each method's screens, one per seed; tables of all rows, controls and other doses among them."""
    torch.set_num_threads(1)
    made: dict[str, list[Screen]] = {method: [] for method in CONFIGS}
    for seed in tqdm(range(seeds), desc="screens", disable=None):
        for method, screen in _predicted(seed, work / f"seed{seed}").items():
            made[method].append(screen)
    return made


def _predicted(seed: int, work: Path) -> dict[str, Screen]:
    demo = generate_screen(seed, DESIGN)
    table, images = demo.table.copy(), _shrunk(_normalised(demo))
    folds = make_folds(table, grouped_folds(table, FOLDS, seed), demo.classes)
    scored = (table["role"] == "scored").to_numpy()
    label = table["label"].where(scored, None)
    table = _with_truth(table, demo.truth).assign(
        label=label,
        fold=fold_numbers(len(table), folds),
        unpredictable=unpredictable_rows(table, folds),
    )
    table = table.join(_quality(demo))
    targets = pd.Index(demo.classes).get_indexer(label).astype(np.int64)
    out = {}
    for method, config in CONFIGS.items():
        results = []
        for fold in folds:
            folder = work / str(fold.index) / method
            weights = inverse_frequency_weights(targets[fold.train], len(demo.classes))
            training = TrainingSet(
                images[fold.train], targets[fold.train], len(demo.classes), class_weights=weights
            )
            run_method(
                folder,
                config,
                training,
                images[fold.predict],
                fold.predict,
                num_samples=NUM_SAMPLES,
                sample_seed=seed,
                keep_samples=False,
                quiet=True,
            )
            results.append(read_result(folder))
        summary = summarise(
            assemble(results, len(table)).moments, demo.classes, label.to_numpy(dtype=object)
        )
        out[method] = Screen(pd.concat([table, summary], axis=1), demo.classes)
    return out


def _with_truth(table: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """kind per compound, swapped per well, artefact per image."""
    whole = truth[truth["level"].isin(["compound", "treatment"])]
    kind = table["compound"].map(whole.set_index("compound")["kind"]).fillna("")
    swapped = np.zeros(len(table), bool)
    for fault in truth[truth["level"].isin(["replicate", "well"])].itertuples():
        here = (table["compound"] == fault.compound) & (table["plate"] == fault.plate)
        if fault.level == "well":
            here &= table["well"] == fault.well
        swapped |= here.to_numpy()
    spoilt = truth["image_id"][truth["level"] == "image"]
    return table.assign(kind=kind, swapped=swapped, artefact=table["image_id"].isin(spoilt))


def _quality(demo: Demo) -> pd.DataFrame:
    """Quality columns as an import of plate images measures them."""
    parts = []
    for rows in demo.table.groupby("plate").indices.values():
        part = demo.images[rows]
        thresholds = np.array(
            [
                otsu_threshold(np.bincount(c.ravel(), minlength=256), 0, 255)
                for c in part.swapaxes(0, 1)
            ]
        )
        measured = [measure(image, thresholds, np.full(3, 255.0), 2) for image in part]
        parts.append(quality_columns(measured).set_index(rows))
    return pd.concat(parts).sort_index()


def _normalised(demo: Demo) -> np.ndarray:
    """uint8 images between the plate's percentiles 0.5 and 99.5 of each channel."""
    out = np.empty_like(demo.images)
    for rows in demo.table.groupby("plate").indices.values():
        part = demo.images[rows].astype(np.float32)
        low, high = np.percentile(part, [0.5, 99.5], axis=(0, 2, 3), keepdims=True)
        scaled = (part - low) / np.maximum(high - low, 1)
        out[rows] = np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return out


def _shrunk(images: np.ndarray) -> np.ndarray:
    """Half the height and width, by the mean of four pixels."""
    n, c, h, w = images.shape
    return np.rint(images.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))).astype(np.uint8)
