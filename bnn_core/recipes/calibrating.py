"""One temperature per fold and method, fitted to images that other folds held out (`--calibrate`).

Every scored image is predicted by a network that was not trained on its compound. The temperature of
a fold is fitted to the predictions of all other folds: to its training compounds, each held out in
turn. No prediction of the fold's own images enters; these images are among the training images of
the other folds' networks, so the temperature depends on them weakly. Brier score, not likelihood: of
a few mislabelled compounds each costs at most 2 in it, and any number of nats in the other.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bnn_core.base.mapped import mapped_array
from bnn_core.measures.uncertainty import Moments, moments
from bnn_core.networks.methods.temperature import tempered
from bnn_core.recipes.fold import FoldResult

#: Temperatures that are tried, each 5 % above the one before.
GRID = np.exp(np.linspace(np.log(0.2), np.log(5.0), 67))
#: Images that one fit uses at most, evenly chosen, and images in memory at a time.
MOST_CALIBRATED, CALIBRATED_AT_A_TIME = 2_000, 500


def fold_temperatures(results: Sequence[FoldResult], targets: np.ndarray) -> list[float]:
    """The temperature of each fold: the least Brier score of all other folds' images, in 0.2..5.

    results: of one method, with samples. targets: (N,) class number of each row of the study, -1
    for rows that do not count. A row that several folds predict does not count, for it has no
    compound that was held out. Without other folds' images the temperature is 1.
    """
    times = np.zeros(len(targets), int)
    for result in results:
        times[result.rows] += 1
    losses = np.zeros((len(results), len(GRID)))
    counted = [np.flatnonzero((targets[r.rows] >= 0) & (times[r.rows] == 1)) for r in results]
    step = max(1, -(-sum(map(len, counted)) // MOST_CALIBRATED))
    for loss, result, rows in zip(losses, results, counted, strict=True):
        chosen = rows[::step]
        y = targets[result.rows[chosen]]
        samples = np.asarray(result.samples[chosen]).transpose(1, 0, 2)
        for k, temperature in enumerate(GRID):
            p = tempered(samples, temperature).mean(axis=0)
            loss[k] = np.sum(p**2) - 2 * p[np.arange(len(y)), y].sum() + len(y)
    others = losses.sum(axis=0) - losses
    return [float(GRID[row.argmin()]) if row.any() else 1.0 for row in others]


def calibrated(result: FoldResult, temperature: float, scratch: Path) -> FoldResult:
    """A fold's result with every sample at a temperature: scaled samples, and their moments.

    The scaled samples are a file in the folder `scratch`, memory-mapped.
    """
    count, parts = len(result.rows), []
    path = scratch / "calibrated.npy"
    samples = mapped_array(path, np.float16, result.samples.shape)
    for start in range(0, count, CALIBRATED_AT_A_TIME):
        block = slice(start, start + CALIBRATED_AT_A_TIME)
        p = tempered(np.asarray(result.samples[block]).transpose(1, 0, 2), temperature)
        samples[block] = p.transpose(1, 0, 2)
        parts.append(moments(p))
    path.unlink()  # it stays for as long as the map is used
    return replace(result, samples=samples, moments=Moments.concatenate(parts))
