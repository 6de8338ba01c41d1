"""Trivial predictions from a few numbers per image: what a network must beat, and shortcuts.

A network that does no better than a logistic regression on the brightness of the channels has not
shown that it sees cells. And where brightness tells the batch or the plate, a network may answer
with those instead of the mechanism.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnn_core.measures.regression import fitted_regression

#: Inverse strength of the ridge penalty.
BASELINE_PENALTY_C = 1.0


@dataclass(frozen=True)
class Shortcut:
    """How well a few numbers tell one property of images that were not trained on.

    accuracy: mean over the `values` of the share of their images predicted correctly, in [0, 1].
    chance: 1 / values. score: (accuracy - chance) / (1 - chance); 0 is chance, 1 is perfect.
    controls: all images are of untreated wells, so that no treatment gives the property away.
    """

    accuracy: float
    values: int
    images: int
    controls: bool = False

    @property
    def chance(self) -> float:
        return 1 / self.values

    @property
    def score(self) -> float:
        return (self.accuracy - self.chance) / (1 - self.chance)


def predict_in_folds(
    features: np.ndarray,
    targets: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    num_classes: int,
) -> np.ndarray:
    """(N, C) probabilities of a logistic regression, each row by the folds that predict it.

    features: (N, F), nan where unknown; F may be 0, then the probabilities are the classes' shares
    in the training rows. targets: (N,) class numbers, of any value in rows that are not trained
    on. folds: (training rows, predicted rows). A row that several folds predict gets the mean; a
    row that none predicts is nan.
    """
    total, times = np.zeros((len(features), num_classes)), np.zeros(len(features))
    for train, predict in folds:
        if len(train) and len(predict):
            total[predict] += _fit_predict(
                features[train], targets[train], features[predict], num_classes
            )
            times[predict] += 1
    return np.where(times[:, None] > 0, total / np.maximum(times, 1)[:, None], np.nan)


def shortcut(
    features: np.ndarray, values: np.ndarray, groups: np.ndarray, splits: int = 5
) -> Shortcut | None:
    """How well features (N, F) tell `values` (N,), images of one group never on both sides.

    values, groups: any objects (batches, plates; wells). Values with fewer than two groups cannot
    be predicted and are left out; None with fewer than two values. The groups of a value are dealt
    to the `splits` in turn, so that it is trained on wherever it is predicted.
    """
    names, codes = np.unique(values.astype(str), return_inverse=True)
    _, group = np.unique(groups.astype(str), return_inverse=True)
    pairs = np.unique(np.stack([codes, group]), axis=1)
    learnable = np.bincount(pairs[0], minlength=len(names)) >= 2
    rows = np.flatnonzero(learnable[codes])
    kept, codes = np.unique(codes[rows], return_inverse=True)
    if len(kept) < 2:
        return None
    by_value, first = np.unique(pairs[1], return_index=True)  # sorted by value, then group
    turn = np.empty(group.max() + 1, np.intp)
    turn[by_value[np.argsort(first)]] = np.arange(len(by_value)) % splits
    part = turn[group[rows]]
    folds = [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(splits)]
    p = predict_in_folds(features[rows], codes, folds, len(kept))
    right = p.argmax(axis=1) == codes
    shares = np.bincount(codes, right) / np.bincount(codes)
    return Shortcut(float(shares.mean()), len(kept), len(rows))


def _fit_predict(
    train: np.ndarray, targets: np.ndarray, features: np.ndarray, num_classes: int
) -> np.ndarray:
    p = np.zeros((len(features), num_classes))
    present, counts = np.unique(targets, return_counts=True)
    if not train.shape[1] or len(present) == 1:
        p[:, present] = counts / counts.sum()
        return p
    middle = np.nanmedian(np.where(np.isnan(train).all(axis=0), 0, train), axis=0)
    train, features = (np.where(np.isnan(x), middle, x) for x in (train, features))
    model = fitted_regression(train, targets, BASELINE_PENALTY_C)
    p[:, model[-1].classes_] = model.predict_proba(features)
    return p
