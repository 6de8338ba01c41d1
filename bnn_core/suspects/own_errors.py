"""What the model's own errors would do to a compound whose label is right.

Consistent disagreement is only remarkable beyond that: some mechanisms are hard, some wrong classes
attract everything, and images of one batch look alike. Each compound gets the class distribution
that a rightly labelled compound of its label and batches would have, estimated from the *other*
compounds, each counted once.
"""

from dataclasses import dataclass

import numpy as np

#: Weight of the table's averages against a label's own compounds, in compounds: with three other
#: compounds of a label half of its expectation is its own.
PRIOR_COMPOUNDS = 3.0
_LARGEST_LIFT = 30.0


@dataclass(frozen=True)
class OwnErrors:
    """Inputs of the expectation, one row per compound (G compounds, C classes).

    means: (G, C) mean class probabilities. labels: (G,) class index. owned: (G, C) in [0, 1], see
    `batches.owned_classes`; all 0 where batches are unknown. lift: how many times likelier than by
    the table's averages a wrong class is that owns a training compound of the same batch (1:
    batches have no pull).
    """

    means: np.ndarray
    labels: np.ndarray
    owned: np.ndarray
    lift: float

    def expected(self, weights: np.ndarray | None = None) -> np.ndarray:
        """(G, C) expected class probabilities of each compound, were its label right."""
        return self.expected_if(weights)[np.arange(len(self.means)), self.labels]

    def expected_if(self, weights: np.ndarray | None = None) -> np.ndarray:
        """(G, C, C): [g, j] are the expected class probabilities of compound g, were it of class j.

        weights: (G,) how often each compound counts, for resampling; a compound never counts for
        itself. The probability of class j is the mean over the other compounds labelled j, drawn
        towards the mean over all others by PRIOR_COMPOUNDS; the rest is shared out among the other
        classes as those compounds share theirs, drawn likewise towards the classes that attract
        wrong probability in the whole table, same-batch classes `lift` times as much.
        """
        rows, classes = np.arange(len(self.means)), np.arange(self.means.shape[1])
        w = np.ones(len(rows)) if weights is None else np.asarray(weights, np.float64)
        right = self.means[rows, self.labels]
        wrong = wrong_means(self.means, self.labels)
        mine = w[:, None] * (self.labels[:, None] == classes)

        all_right = _mean_of_others(right, w)[:, None]
        p_label = _right_if(right, mine, w)
        pulled = _attraction(wrong, self.labels, w) * (1 + (self.lift - 1) * self.owned)
        elsewhere = 1 - np.eye(len(classes))
        attraction = pulled[:, None, :] * elsewhere
        attraction /= np.maximum(attraction.sum(axis=2, keepdims=True), 1e-12)
        shared_out = mine.T @ wrong - mine[:, :, None] * wrong[:, None, :]
        shared_out += PRIOR_COMPOUNDS * (1 - all_right)[:, :, None] * attraction
        shared_out /= np.maximum(shared_out.sum(axis=2, keepdims=True), 1e-12)
        expected = (1 - p_label)[:, :, None] * shared_out
        expected[:, classes, classes] = p_label
        return expected

    def chance_owned(self) -> np.ndarray:
        """(G,) share of wrong probability expected on same-batch classes if batches had no pull."""
        return _share_owned(
            _attraction(
                wrong_means(self.means, self.labels), self.labels, np.ones(len(self.means))
            ),
            self.labels,
            self.owned,
            1.0,
        )


def own_errors(means: np.ndarray, labels: np.ndarray, owned: np.ndarray | None = None) -> OwnErrors:
    """The model's own errors from compound means (G, C) and labels (G,); fits the batch lift."""
    if owned is None:
        owned = np.zeros_like(means)
    wrong = wrong_means(means, labels)
    attraction = _attraction(wrong, labels, np.ones(len(means)))
    mass = wrong.sum(axis=1)

    def expected_share(lift: float) -> float:
        return float(mass @ _share_owned(attraction, labels, owned, lift)) / max(mass.sum(), 1e-12)

    # One compound's worth of evidence that batches have no pull: a small table cannot claim one.
    no_pull = expected_share(1.0)
    observed = (float((wrong * owned).sum()) + no_pull) / (mass.sum() + 1)
    low, high = 0.0, np.log(_LARGEST_LIFT)
    if observed <= no_pull:
        high = 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if expected_share(np.exp(middle)) < observed else (low, middle)
    return OwnErrors(means, labels, owned, float(np.exp(low)))


def expected_right(
    right: np.ndarray, labels: np.ndarray, w: np.ndarray | None = None
) -> np.ndarray:
    """(G,) expected probability of the label of each compound, were it right.

    right: (G,) mean probability of the label. labels: (G,) class index. w: (G,) how often each
    counts. The mean over the label's other compounds, drawn towards the mean over all others by
    PRIOR_COMPOUNDS; 0 for a compound alone.
    """
    w = np.ones(len(right)) if w is None else w
    of_label = w[:, None] * (labels[:, None] == np.arange(labels.max(initial=0) + 1))
    return _right_if(right, of_label, w)[np.arange(len(right)), labels]


def _right_if(right: np.ndarray, mine: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(G, C) expected probability of the label if it were each class; mine: (G, C) w per label."""
    n_same = mine.sum(axis=0) - mine
    sums = right @ mine - right[:, None] * mine
    return (sums + PRIOR_COMPOUNDS * _mean_of_others(right, w)[:, None]) / (
        n_same + PRIOR_COMPOUNDS
    )


def _mean_of_others(values: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(G,) weighted means; of all others alike where none of them has a weight."""
    others = w.sum() - w
    alike = (values.sum() - values) / max(len(values) - 1, 1)
    weighted = ((w * values).sum() - w * values) / np.maximum(others, 1e-12)
    return np.where(others > 0, weighted, alike)


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
