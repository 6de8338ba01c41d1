"""Figures of merit of the same images under many weightings at once: what a bootstrap needs.

`weights` (R, N): how often each image counts in each of R repeats. Every function equals its
namesake in `evaluation` on images repeated so often; equal scores count as a random order.
"""

import numpy as np

from bnn_core.evaluation import ECE_BINS, checked, ratio


class Ranked:
    """Images in the order of a score, the surest first, equal scores in one block.

    score: (N,), higher is surer. wrong: (N,) bool, what should stand at the end (mistakes, images
    of other kinds).
    """

    def __init__(self, score: np.ndarray, wrong: np.ndarray):
        score, wrong = checked(score, wrong)
        self._order = np.argsort(-score, kind="stable")
        ordered = score[self._order]
        self._starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        self._wrong = wrong[self._order].astype(np.float64)

    def blocks(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images and wrong images of each block of equal scores, both (R, blocks)."""
        ordered = np.asarray(weights, np.float64)[:, self._order]
        return (np.add.reduceat(ordered, self._starts, axis=1),
                np.add.reduceat(ordered * self._wrong, self._starts, axis=1))

    def auroc(self, weights: np.ndarray) -> np.ndarray:
        """(R,) chance that a right image stands before a wrong one; nan where one kind lacks."""
        count, wrong = self.blocks(weights)
        right = count - wrong
        before = np.cumsum(right, axis=1) - right / 2
        return ratio((wrong * before).sum(axis=1), right.sum(axis=1) * wrong.sum(axis=1))

    def areas(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(AURC, AUGRC), each (R,): areas under the risk-coverage curves."""
        count, wrong = self.blocks(weights)
        kept, missed = np.cumsum(count, axis=1), np.cumsum(wrong, axis=1)
        n = kept[:, -1]
        share = np.divide(wrong, count, out=np.zeros_like(wrong), where=count > 0)
        # Within a block the wrong ones among the k surest are a + share k: sum (a + share k) / k.
        harmonic = np.append(0, np.cumsum(1 / np.arange(1, int(n.max(initial=0)) + 1)))
        last = kept.astype(np.intp)
        steps = harmonic[last] - harmonic[last - count.astype(np.intp)]
        risks = (missed - share * kept) * steps + wrong
        areas = (count * (missed - wrong / 2)).sum(axis=1)
        first = share[np.arange(len(n)), np.argmax(count > 0, axis=1)]
        return ratio(risks.sum(axis=1), n), ratio(areas - first / 2, n * (n - 1))


def means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(K, R) weighted means of K columns of values (N, K)."""
    weights = np.asarray(weights, np.float64)
    return ratio((weights @ values).T, np.broadcast_to(weights.sum(axis=1),
                                                       (values.shape[1], len(weights))))


def ece(top: np.ndarray, correct: np.ndarray, weights: np.ndarray, bins: int = ECE_BINS
        ) -> np.ndarray:
    """(R,) expected calibration error of the top mean softmax (N,)."""
    top, correct = checked(top, correct)
    place = np.clip(np.floor(top * bins), 0, bins - 1).astype(np.intp)
    gaps = np.zeros((len(top), bins))
    gaps[np.arange(len(top)), place] = correct - top
    weights = np.asarray(weights, np.float64)
    return ratio(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))
