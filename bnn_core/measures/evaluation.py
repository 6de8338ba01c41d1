"""How good are predictions and their scores? Pure array functions.

Everywhere: `score` (N,) is higher where the network is surer (`certainty` turns a column round),
`correct` (N,) bool, `p` (N, C) mean softmax, `y` (N,) index of the true class. Definitions follow
Geifman et al. (2019) for AURC, Traub et al. (2024) for AUGRC, Guo et al. (2017) for ECE, with one
rule for ties: equal scores count as a random order, so every figure is the mean over such orders.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from bnn_core.base.scores import SCORES
from bnn_core.measures.uncertainty import confidence_score

#: Probabilities below this count as this in the NLL: one impossible label cannot make it infinite.
NLL_FLOOR = 1e-15
ECE_BINS = 15


def certainty(name: str, values: np.ndarray) -> np.ndarray:
    """A score column turned so that higher means surer, float64."""
    return SCORES[name].direction * np.asarray(values, dtype=np.float64)


def varies(values: np.ndarray) -> bool:
    """Whether a score column says anything: some value is known, and not all are the same."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return bool(len(known)) and bool(np.ptp(known) > 1e-6)


class Kept(NamedTuple):
    """What a cut-off keeps; arrays of the shape of the thresholds."""

    kept: np.ndarray
    right: np.ndarray
    total: int

    @property
    def coverage(self) -> np.ndarray:
        """Share kept, in [0, 1] (the paper's "% retained")."""
        return self.kept / max(self.total, 1)

    @property
    def accuracy(self) -> np.ndarray:
        """Share right of those kept, in [0, 1]; nan where nothing is kept."""
        return ratio(self.right, self.kept)


class Selective:
    """Selective prediction: sorts once, then answers any number of cut-offs at once.

    Raises ValueError where a score is nan.
    """

    def __init__(self, score: np.ndarray, correct: np.ndarray):
        score, correct = checked(score, correct)
        order = np.argsort(score, kind="stable")
        self.scores = score[order]
        self._right_below = np.concatenate([[0], np.cumsum(correct[order])])

    def at(self, thresholds: np.ndarray | float) -> Kept:
        """Images kept by score >= t and how many of them are right, for each t."""
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


class Reliability(NamedTuple):
    """Bins of the reliability diagram; nan where a bin is empty."""

    edges: np.ndarray
    count: np.ndarray
    right: np.ndarray
    mean_probability: np.ndarray
    accuracy: np.ndarray


def reliability(top: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS) -> Reliability:
    """Equal-width bins of the top mean softmax: [0, 1/b), ..., [1 - 1/b, 1], 1.0 in the last."""
    top, correct = checked(top, correct)
    place = np.clip(np.floor(top * bins), 0, bins - 1).astype(np.intp)
    count = np.bincount(place, minlength=bins)
    right = np.bincount(place, weights=correct, minlength=bins)
    total = np.bincount(place, weights=top, minlength=bins)
    return Reliability(
        np.linspace(0, 1, bins + 1),
        count,
        right.astype(np.int64),
        ratio(total, count),
        ratio(right, count),
    )


def ece(top: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS) -> float:
    """Expected calibration error: |accuracy - mean probability| of each bin, by its images."""
    found = reliability(top, correct, bins)
    gaps = np.abs(found.accuracy - found.mean_probability)
    return float(np.nansum(found.count * gaps) / found.count.sum()) if len(top) else np.nan


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


def auroc(score: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Chance that a positive (right, in-distribution) image scores above a negative one.

    Ties count half. nan where only one kind is there.
    """
    score, positive = checked(score, positive)
    if positive.all() or not positive.any():
        return np.nan
    return float(roc_auc_score(positive, score, sample_weight=weights))


@dataclass(frozen=True)
class OutOfDistribution:
    """How well a score tells images of known kinds from others; all in [0, 1].

    auroc: chance that a known image scores above another kind's.
    fpr95: share of other kinds that pass the highest cut-off which keeps 95 % of the known.
    detection: share of other kinds stopped while at most `false_alarm` of the known are.
    """

    auroc: float
    fpr95: float
    detection: float
    false_alarm: float
    n_in: int
    n_out: int


def out_of_distribution(
    score_in: np.ndarray,
    score_out: np.ndarray,
    *,
    false_alarm: float = 0.05,
    weights_in: np.ndarray | None = None,
    weights_out: np.ndarray | None = None,
) -> OutOfDistribution:
    """Compare the scores of known images with those of other kinds.

    Weights (see `balanced_weights`) make every class count alike, whatever its number of images.
    """
    score_in, score_out = np.asarray(score_in, np.float64), np.asarray(score_out, np.float64)
    n_in, n_out = len(score_in), len(score_out)
    if not n_in or not n_out:
        return OutOfDistribution(np.nan, np.nan, np.nan, false_alarm, n_in, n_out)
    score, known = checked(np.concatenate([score_in, score_out]), np.arange(n_in + n_out) < n_in)
    weights = np.concatenate(
        [
            np.ones(len(part)) if given is None else np.asarray(given, np.float64)
            for part, given in ((score_in, weights_in), (score_out, weights_out))
        ]
    )
    passed, kept, _ = roc_curve(known, score, sample_weight=weights, drop_intermediate=False)

    def passed_when_keeping(share: float) -> float:
        # Sums of weights round: a hair below the share still counts as the share.
        return float(passed[np.argmax(kept >= share - 1e-12)])

    return OutOfDistribution(
        auroc(score, known, weights),
        passed_when_keeping(0.95),
        1 - passed_when_keeping(1 - false_alarm),
        false_alarm,
        n_in,
        n_out,
    )


def balanced_weights(classes: np.ndarray) -> np.ndarray:
    """Weight of each image (N,), mean 1, such that all classes have the same sum."""
    _, place, counts = np.unique(np.asarray(classes), return_inverse=True, return_counts=True)
    return len(place) / (len(counts) * counts[place])


def evaluate(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
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
    # Inside a block of ties the expected count grows linearly.
    return (
        np.interp(k, np.append(0, np.asarray(last) + 1), np.append(0, wrong[last]))
        if len(k)
        else np.empty(0)
    )
