"""Quality of predictions and of their scores. Pure array functions.

Everywhere: `score` (N,) is higher if the network is surer (`certainty` turns a column that way),
`correct` (N,) bool, `p` (N, C) mean softmax, `y` (N,) index of the true class. Definitions follow
Geifman et al. (2019) for AURC, Traub et al. (2024) for AUGRC, Guo et al. (2017) for ECE. Ties have
one rule: equal scores are in random order, and every figure is the mean over these orders.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.scores import SCORES
from bnn_core.measures.uncertainty import confidence_score

#: The NLL raises smaller probabilities to this value, so that one label cannot make it infinite.
NLL_FLOOR = 1e-15
ECE_BINS = 15
#: Values that show in most columns that they differ.
_FIRST = 1000


def certainty(name: str, values: np.ndarray) -> np.ndarray:
    """A score column (N,) with its sign set so that higher means surer, float64."""
    return SCORES[name].direction * np.asarray(values, dtype=np.float64)


def varies(values: np.ndarray) -> bool:
    """Whether a score column has known values and not all of them are equal."""
    if len(values) > _FIRST and varies(values[:_FIRST]):
        return True
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return bool(len(known)) and bool(np.ptp(known) > 1e-6)


class Kept(NamedTuple):
    """Images kept by a cut-off and right ones among them; arrays of the shape of the thresholds."""

    kept: np.ndarray
    right: np.ndarray
    total: int

    @property
    def coverage(self) -> np.ndarray:
        """Share kept, in [0, 1] (the paper's "% retained")."""
        return self.kept / max(self.total, 1)

    @property
    def accuracy(self) -> np.ndarray:
        """Share right among the kept, in [0, 1]; nan if nothing is kept."""
        return ratio(self.right, self.kept)


class Selective:
    """Selective prediction: one sort for any number of cut-offs.

    Raises ValueError if a score is nan.
    """

    def __init__(self, score: np.ndarray, correct: np.ndarray):
        score, correct = checked(score, correct)
        order = np.argsort(score)  # the order of equal scores does not matter
        self.scores = score[order]
        self._right_below = np.concatenate([[0], np.cumsum(correct[order])])

    def at(self, thresholds: np.ndarray | float) -> Kept:
        """Images with score >= t and the right ones among them, for each t."""
        first = np.searchsorted(self.scores, np.asarray(thresholds, np.float64), side="left")
        total = len(self.scores)
        return Kept(total - first, self._right_below[-1] - self._right_below[first], total)


class RiskCoverage(NamedTuple):
    """Row k-1: the k surest images. coverage = k/N, risk = share wrong among them."""

    coverage: np.ndarray
    risk: np.ndarray


def risk_coverage(score: np.ndarray, correct: np.ndarray) -> RiskCoverage:
    """The risk-coverage curve, N points, surest image first."""
    wrong = _wrong_among_surest(score, correct)
    k = np.arange(1, len(wrong) + 1)
    return RiskCoverage(k / max(len(wrong), 1), wrong / k)


def aurc(score: np.ndarray, correct: np.ndarray) -> float:
    """Area under the risk-coverage curve: mean over k of the risk of the k surest images."""
    risk = risk_coverage(score, correct).risk
    return float(risk.mean()) if len(risk) else np.nan


def augrc(score: np.ndarray, correct: np.ndarray) -> float:
    """Area under the generalised risk-coverage curve (Traub et al. 2024).

    Generalised risk = wrong and kept, over all N. Trapezoid from coverage 1/N to 1, divided by
    1 - 1/N. For N = 1 the generalised risk itself.
    """
    wrong = _wrong_among_surest(score, correct)
    n = len(wrong)
    if n < 2:
        return float(wrong.mean()) if n else np.nan
    risk = wrong / n
    return float(np.trapezoid(risk, dx=1 / n) / (1 - 1 / n))


def ece(top: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS) -> float:
    """Expected calibration error: mean of |accuracy - mean probability| over bins, by images."""
    top, correct = checked(top, correct)
    index = np.clip(np.floor(top * bins), 0, bins - 1).astype(np.intp)
    gaps = np.abs(np.bincount(index, correct - top, bins))
    return float(gaps.sum() / len(top)) if len(top) else np.nan


def nll(p_label: np.ndarray) -> float:
    """Mean negative log of the probability given to the true class, in nats.

    Probabilities are clipped to [1e-15, 1] before the logarithm.
    """
    p_label = np.asarray(p_label, dtype=np.float64)
    return float(-np.log(np.clip(p_label, NLL_FLOOR, 1)).mean()) if len(p_label) else np.nan


def brier(p: np.ndarray, y: np.ndarray) -> float:
    """Brier score, summed over classes and averaged over images, in [0, 2]."""
    p = np.asarray(p, dtype=np.float64)
    at_label = p[np.arange(len(p)), y]
    return float(((p**2).sum(axis=1) - 2 * at_label + 1).mean()) if len(p) else np.nan


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a positive (right, in-distribution) image scores above a negative one.

    Ties count half. nan if all images are of one kind.
    """
    score, positive = checked(score, positive)
    if positive.all() or not positive.any():
        return np.nan
    ranks = pd.Series(score).rank().to_numpy()
    n = int(positive.sum())
    wins = ranks[positive].sum() - n * (n + 1) / 2
    return float(wins / (n * (len(score) - n)))


def evaluate_probabilities(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The figures of one method on labelled images, from mean softmax (N, C) and classes (N,).

    Keys: n, right, accuracy, auroc_confidence, auroc_top, aurc, augrc (both by the confidence score
    c), ece, nll, brier.
    """
    p, y = np.asarray(p, dtype=np.float64), np.asarray(y)
    predicted, top = p.argmax(axis=1), p.max(axis=1)
    correct, c = predicted == y, confidence_score(top)
    return {
        "n": len(y),
        "right": int(correct.sum()),
        "accuracy": float(correct.mean()) if len(y) else np.nan,
        "auroc_confidence": auroc(c, correct),
        "auroc_top": auroc(top, correct),
        "aurc": aurc(c, correct),
        "augrc": augrc(c, correct),
        "ece": ece(top, correct),
        "nll": nll(p[np.arange(len(y)), y]),
        "brier": brier(p, y),
    }


def checked(score: np.ndarray, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores as float64 and flags as bool, both (N,); ValueError for other shapes or nan."""
    score, flags = np.asarray(score, np.float64), np.asarray(flags, dtype=bool)
    if score.shape != flags.shape or score.ndim != 1:
        raise ValueError(f"scores of shape {score.shape} for flags of shape {flags.shape}")
    if np.isnan(score).any():
        raise ValueError(f"{np.isnan(score).sum():,} of {len(score):,} scores are nan")
    return score, flags


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, nan where whole is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def _wrong_among_surest(score: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Expected number wrong among the k surest, k = 1..N, equal scores in random order."""
    score, correct = checked(score, correct)
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else []
    wrong = np.cumsum(~correct[order])
    k = np.arange(1, len(score) + 1)
    # Within a block of ties the expected count grows linearly.
    return (
        np.interp(k, np.append(0, np.asarray(last) + 1), np.append(0, wrong[last]))
        if len(k)
        else np.empty(0)
    )
