"""The network's usual errors: the predictions to expect for a compound whose label is correct.

Consistent disagreement matters only beyond these: some mechanisms are hard, some classes attract
many wrong predictions, and images of one batch look alike. Each compound gets the class
distribution of a correctly labelled compound of its label and batches, estimated from the *other*
compounds, each counted once.
"""

from dataclasses import dataclass

import numpy as np

from bnn_core.base.once import once

#: Weight of the averages over the whole table, in compounds: with three other compounds of a
#: label, its expectation comes half from these and half from the table.
PRIOR_COMPOUNDS = 3.0
_LARGEST_LIFT = 30.0


@dataclass(frozen=True)
class UsualErrors:
    """Inputs of the expectation, one row per compound (G compounds, C classes).

    means: (G, C) mean class probabilities. labels: (G,) class index. owned: (G, C) in [0, 1], see
    `batches.owned_classes`; all 0 where batches are unknown. lift: how many times more probable
    than by the table's averages a wrong class is if it has a training compound in the same batch
    (at least 1; 1: no batch effect).
    """

    means: np.ndarray
    labels: np.ndarray
    owned: np.ndarray
    lift: float

    def expected(self, weights: np.ndarray | None = None) -> np.ndarray:
        """(G, C) expected class probabilities of each compound if its label is correct."""
        return self.terms(weights).of_label

    def expected_if(self, weights: np.ndarray | None = None) -> np.ndarray:
        """(G, C, C): [g, j] are the expected class probabilities of compound g in class j.

        weights: (G,) how often each compound counts, for resampling; a compound never counts for
        itself.

        The probability of class j is the mean over the other compounds labelled j, shrunk towards
        the mean over all others by PRIOR_COMPOUNDS. The rest is distributed over the other
        classes as those compounds distribute theirs, shrunk in the same way towards the classes
        that attract wrong probability in the whole table; same-batch classes attract `lift` times
        as much.
        """
        terms = self.terms(weights)
        expected = np.moveaxis(terms.expected_if(slice(None)), 2, 0)
        expected[np.arange(len(self.labels)), self.labels] = terms.of_label
        return expected

    def terms(self, weights: np.ndarray | None = None) -> "Terms":
        """What the expectation multiplies and adds, in the precision of `means`.

        Tables are (C, G) here: numpy is quick where the last axis is long.
        """
        at_labels = (self.labels, np.arange(len(self.means)))
        w = np.ones(len(self.means)) if weights is None else weights
        w = w.astype(self.means.dtype)
        right, wrong, owned = self._columns
        labelled = w * (self.labels == np.arange(len(wrong))[:, None])

        p_label = _right_if(right, labelled, w)
        pulled = _attraction(wrong, self.labels, w) * (1 + (self.lift - 1) * owned)
        prior = PRIOR_COMPOUNDS * (1 - _mean_of_others(right, w))
        others = np.maximum(pulled.sum(axis=0) - pulled, 1e-12)
        by_label = labelled @ wrong.T
        total = by_label.sum(axis=1)[:, None] + prior
        total[at_labels] -= w * wrong.sum(axis=0)
        scale = (1 - p_label) / np.maximum(total, 1e-12)
        of_prior = scale * prior / others
        # A compound never counts for itself.
        of_label = by_label.T[:, self.labels] - w * wrong
        of_label *= scale[at_labels]
        of_label += of_prior[at_labels] * pulled
        of_label = np.maximum(of_label, 0)
        of_label[at_labels] = p_label[at_labels]
        return Terms(of_label.T, by_label, p_label, of_prior, pulled, scale)

    def single(self) -> "UsualErrors":
        """The same in single precision, for resampling: half the memory to move."""
        return UsualErrors(
            self.means.astype(np.float32), self.labels, self.owned.astype(np.float32), self.lift
        )

    @once
    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(G,) mean of the label, (C, G) means of the other classes, (C, G) owned."""
        wrong = _wrong_means(self.means, self.labels)
        right = self.means[np.arange(len(wrong)), self.labels]
        return right, np.ascontiguousarray(wrong.T), np.ascontiguousarray(self.owned.T)

    def chance_owned(self) -> np.ndarray:
        """(G,) share of wrong probability on same-batch classes that is expected by chance."""
        _, wrong, owned = self._columns
        attraction = _attraction(wrong, self.labels, np.ones(len(self.means)))
        return _share_owned(attraction, self.labels, owned, 1.0)


@dataclass(frozen=True)
class Terms:
    """The expectation of G compounds in small tables.

    of_label: (G, C) what is expected of each in its label's class. by_label: (C, C). The others are
    (C, G).
    """

    of_label: np.ndarray
    by_label: np.ndarray
    p_label: np.ndarray
    of_prior: np.ndarray
    pulled: np.ndarray
    scale: np.ndarray

    def expected_if(self, part: slice) -> np.ndarray:
        """(C, C, part): [j, :, g] as `UsualErrors.expected_if`, for the classes that are not g's label."""
        expected = self.of_prior[:, None, part] * self.pulled[None, :, part]
        expected += self.scale[:, None, part] * self.by_label[:, :, None]
        classes = np.arange(len(self.by_label))
        expected[classes, classes] = self.p_label[:, part]
        return expected


def fit_usual_errors(
    means: np.ndarray, labels: np.ndarray, owned: np.ndarray | None = None
) -> UsualErrors:
    """Usual errors from compound means (G, C) and labels (G,); estimates the batch lift.

    owned: (G, C), see `batches.owned_classes`; None: no batches.
    """
    if owned is None:
        owned = np.zeros_like(means)
    wrong, owned_by_class = _wrong_means(means, labels).T, owned.T
    attraction = _attraction(wrong, labels, np.ones(len(means)))
    mass = wrong.sum(axis=0)

    def expected_share(lift: float) -> float:
        return float(mass @ _share_owned(attraction, labels, owned_by_class, lift)) / max(
            mass.sum(), 1e-12
        )

    # One compound's worth of prior weight on no batch effect, so that a small table shows none.
    by_chance = expected_share(1.0)
    observed = (float((wrong * owned_by_class).sum()) + by_chance) / (mass.sum() + 1)
    low, high = 0.0, np.log(_LARGEST_LIFT)
    if observed <= by_chance:
        high = 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if expected_share(np.exp(middle)) < observed else (low, middle)
    return UsualErrors(means, labels, owned, float(np.exp(low)))


def expected_right(
    right: np.ndarray, labels: np.ndarray, w: np.ndarray | None = None
) -> np.ndarray:
    """(G,) expected probability of the label of each compound if it is correct.

    right: (G,) mean probability of the label. labels: (G,) class index. w: (G,) how often each
    counts. The mean over the label's other compounds, shrunk towards the mean over all others by
    PRIOR_COMPOUNDS; 0 for a single compound.
    """
    w = np.ones(len(right)) if w is None else w
    labelled = w * (labels == np.arange(labels.max(initial=0) + 1)[:, None])
    return _right_if(right, labelled, w)[labels, np.arange(len(right))]


def _right_if(right: np.ndarray, labelled: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(C, G) expected probability of class j in class j; labelled: (C, G) weights by label."""
    n_same = labelled.sum(axis=1)[:, None] - labelled
    sums = (labelled @ right)[:, None] - right * labelled
    return (sums + PRIOR_COMPOUNDS * _mean_of_others(right, w)) / (n_same + PRIOR_COMPOUNDS)


def _mean_of_others(values: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(G,) weighted means of all others; unweighted where the others have no weight."""
    others = w.sum() - w
    unweighted = (values.sum() - values) / max(len(values) - 1, 1)
    weighted = ((w * values).sum() - w * values) / np.maximum(others, 1e-12)
    return np.where(others > 0, weighted, unweighted)


def _wrong_means(means: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(G, C) the means with the label's own probability set to 0."""
    wrong = means.copy()
    wrong[np.arange(len(wrong)), labels] = 0
    return wrong


def _attraction(wrong: np.ndarray, labels: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(C, G) mean probability that other compounds of other labels put on each class."""
    weighted = w * wrong
    could = (w.sum() - np.bincount(labels, w, len(wrong))).astype(w.dtype)[:, None] - w
    could[labels, np.arange(len(w))] += w
    return (weighted.sum(axis=1)[:, None] - weighted + 1e-6) / (could + 1e-3)


def _share_owned(
    attraction: np.ndarray, labels: np.ndarray, owned: np.ndarray, lift: float
) -> np.ndarray:
    """(G,) expected share of wrong probability on owned classes (C, G) at a lift."""
    pulled = attraction * (1 + (lift - 1) * owned)
    pulled[labels, np.arange(len(labels))] = 0
    return (pulled * owned).sum(axis=0) / np.maximum(pulled.sum(axis=0), 1e-12)
