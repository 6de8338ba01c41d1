"""The network's usual errors: the predictions to expect for a compound whose label is correct.

Consistent disagreement matters only beyond these: some mechanisms are hard, some classes attract
many wrong predictions, and images of one batch look alike. Each compound gets the class
distribution of a correctly labelled compound of its label and batches, estimated from the *other*
compounds, each counted once.
"""

from dataclasses import dataclass

import numpy as np

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
        return self.expected_if(weights)[np.arange(len(self.means)), self.labels]

    def expected_if(
        self, weights: np.ndarray | None = None, dtype: type[np.floating] = np.float64
    ) -> np.ndarray:
        """(G, C, C): [g, j] are the expected class probabilities of compound g in class j.

        weights: (G,) how often each compound counts, for resampling; a compound never counts for
        itself. dtype: of the result.

        The probability of class j is the mean over the other compounds labelled j, shrunk towards
        the mean over all others by PRIOR_COMPOUNDS. The rest is distributed over the other
        classes as those compounds distribute theirs, shrunk in the same way towards the classes
        that attract wrong probability in the whole table; same-batch classes attract `lift` times
        as much.
        """
        rows, classes = np.arange(len(self.means)), np.arange(self.means.shape[1])
        w = np.ones(len(rows)) if weights is None else np.asarray(weights, np.float64)
        right = self.means[rows, self.labels]
        wrong = wrong_means(self.means, self.labels)
        of_label = w[:, None] * (self.labels[:, None] == classes)

        p_label = _right_if(right, of_label, w)
        pulled = _attraction(wrong, self.labels, w) * (1 + (self.lift - 1) * self.owned)
        prior = PRIOR_COMPOUNDS * (1 - _mean_of_others(right, w)[:, None])
        # Every term is (G, C); only the last lines are (G, C, C), which takes the time.
        others = np.maximum(pulled.sum(axis=1, keepdims=True) - pulled, 1e-12)
        by_label = of_label.T @ wrong
        total = by_label.sum(axis=1) + prior
        total[rows, self.labels] -= w * wrong.sum(axis=1)
        scale = (1 - p_label) / np.maximum(total, 1e-12)
        expected = (scale * prior / others).astype(dtype)[:, :, None] * pulled.astype(dtype)[
            :, None
        ]
        expected += scale.astype(dtype)[:, :, None] * by_label.astype(dtype)
        itself = (scale[rows, self.labels] * w)[:, None] * wrong
        expected[rows, self.labels] = np.maximum(expected[rows, self.labels] - itself, 0)
        expected[:, classes, classes] = p_label
        return expected

    def chance_owned(self) -> np.ndarray:
        """(G,) share of wrong probability on same-batch classes that is expected by chance."""
        return _share_owned(
            _attraction(
                wrong_means(self.means, self.labels), self.labels, np.ones(len(self.means))
            ),
            self.labels,
            self.owned,
            1.0,
        )


def fit_usual_errors(
    means: np.ndarray, labels: np.ndarray, owned: np.ndarray | None = None
) -> UsualErrors:
    """Usual errors from compound means (G, C) and labels (G,); estimates the batch lift.

    owned: (G, C), see `batches.owned_classes`; None: no batches.
    """
    if owned is None:
        owned = np.zeros_like(means)
    wrong = wrong_means(means, labels)
    attraction = _attraction(wrong, labels, np.ones(len(means)))
    mass = wrong.sum(axis=1)

    def expected_share(lift: float) -> float:
        return float(mass @ _share_owned(attraction, labels, owned, lift)) / max(mass.sum(), 1e-12)

    # One compound's worth of prior weight on no batch effect, so that a small table shows none.
    by_chance = expected_share(1.0)
    observed = (float((wrong * owned).sum()) + by_chance) / (mass.sum() + 1)
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
    of_label = w[:, None] * (labels[:, None] == np.arange(labels.max(initial=0) + 1))
    return _right_if(right, of_label, w)[np.arange(len(right)), labels]


def _right_if(right: np.ndarray, of_label: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(G, C) expected probability of class j in class j; of_label: (G, C) weights by label."""
    n_same = of_label.sum(axis=0) - of_label
    sums = right @ of_label - right[:, None] * of_label
    return (sums + PRIOR_COMPOUNDS * _mean_of_others(right, w)[:, None]) / (
        n_same + PRIOR_COMPOUNDS
    )


def _mean_of_others(values: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(G,) weighted means of all others; unweighted where the others have no weight."""
    others = w.sum() - w
    unweighted = (values.sum() - values) / max(len(values) - 1, 1)
    weighted = ((w * values).sum() - w * values) / np.maximum(others, 1e-12)
    return np.where(others > 0, weighted, unweighted)


def wrong_means(means: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(G, C) the means with the label's own probability set to 0."""
    wrong = np.array(means, dtype=np.float64)
    wrong[np.arange(len(wrong)), labels] = 0
    return wrong


def _attraction(wrong: np.ndarray, labels: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(G, C) mean probability that other compounds of other labels put on each class."""
    could = np.tile(w[:, None], (1, wrong.shape[1]))
    could[np.arange(len(wrong)), labels] = 0
    weighted = w[:, None] * wrong
    return (weighted.sum(axis=0) - weighted + 1e-6) / (could.sum(axis=0) - could + 1e-3)


def _share_owned(
    attraction: np.ndarray, labels: np.ndarray, owned: np.ndarray, lift: float
) -> np.ndarray:
    """(G,) expected share of wrong probability on owned classes at a lift."""
    pulled = attraction * (1 + (lift - 1) * owned)
    pulled[np.arange(len(pulled)), labels] = 0
    return (pulled * owned).sum(axis=1) / np.maximum(pulled.sum(axis=1), 1e-12)
