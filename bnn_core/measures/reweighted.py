"""Figures of merit of the same images under many weightings at once, for a bootstrap.

`weights` (R, N): how often each image counts in each of R repeats. Each function gives the same
result as its namesake in `evaluation` on the repeated images; equal scores are in random order.
"""

import numpy as np

from bnn_core.measures.evaluation import ECE_BINS, checked, ratio


class Ranked:
    """Images in the order of a score, the surest first, equal scores in one block.

    score: (N,), higher is surer. wrong: (N,) bool, the images that should be last (mistakes, images
    of other kinds). All figures are sums over the wrong images, so only the few blocks with wrong
    images are needed.
    """

    def __init__(self, score: np.ndarray, wrong: np.ndarray):
        score, wrong = checked(score, wrong)
        self._order = np.argsort(-score, kind="stable")
        ordered = score[self._order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        self._wrong = np.flatnonzero(wrong[self._order])
        block = np.searchsorted(starts, self._wrong, side="right") - 1
        used, self._first_of_block = np.unique(block, return_index=True)
        ends = np.append(starts, len(score))
        # Sums are needed before and after each of these blocks.
        self._cuts = np.unique(np.concatenate([[0], starts[used], ends[used + 1]]))
        self._cuts = self._cuts[self._cuts < len(score)]
        self._before = np.searchsorted(self._cuts, starts[used])
        self._after = np.searchsorted(self._cuts, ends[used + 1])

    def _blocks(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For blocks with wrong images: weight before and after, weight of the wrong ones, each
        (R, blocks); and the total weight, (R, 1)."""
        ordered = np.asarray(weights, np.float64)[:, self._order]
        kept = np.zeros((len(ordered), len(self._cuts) + 1))
        np.cumsum(np.add.reduceat(ordered, self._cuts, axis=1), axis=1, out=kept[:, 1:])
        wrong = (
            np.add.reduceat(ordered[:, self._wrong], self._first_of_block, axis=1)
            if len(self._wrong)
            else np.zeros((len(kept), 0))
        )
        return kept[:, self._before], kept[:, self._after], wrong, kept[:, -1:]

    def auroc(self, weights: np.ndarray) -> np.ndarray:
        """(R,) chance that a right image is before a wrong one; nan if one kind is missing."""
        return self._auroc(*self._blocks(weights))

    def merits(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(AURC, AUGRC, AUROC), each (R,)."""
        blocks = self._blocks(weights)
        return *self._areas(*blocks), self._auroc(*blocks)

    def _auroc(
        self, before: np.ndarray, after: np.ndarray, wrong: np.ndarray, n: np.ndarray
    ) -> np.ndarray:
        missed = np.cumsum(wrong, axis=1)
        ahead = (before + after) / 2 - missed + wrong / 2  # right images; ties count half
        total = wrong.sum(axis=1)
        return ratio((wrong * ahead).sum(axis=1), total * (n[:, 0] - total))

    def _areas(
        self, before: np.ndarray, after: np.ndarray, wrong: np.ndarray, n: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """AURC and AUGRC, the areas under the risk-coverage curves.

        A wrong image counts for every k from its rank on. Within a block of equal scores the
        expected number of wrong images grows evenly with k.
        """
        count = after - before
        harmonic = np.append(0, np.cumsum(1 / np.arange(1, int(n.max(initial=0)) + 1)))
        at_before, at_after, at_end = (harmonic[k.astype(np.intp)] for k in (before, after, n))
        share = np.divide(wrong, count, out=np.zeros_like(wrong), where=count > 0)
        risks = wrong * (1 + at_end - at_after) - share * before * (at_after - at_before)
        areas = wrong * (n - (before + after) / 2)
        first = np.where(before == 0, share, 0).sum(axis=1)
        n = n[:, 0]
        return ratio(risks.sum(axis=1), n), ratio(areas.sum(axis=1) - first / 2, n * (n - 1))


def means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(K, R) weighted means of K columns of values (N, K)."""
    weights = np.asarray(weights, np.float64)
    return ratio(
        (weights @ values).T, np.broadcast_to(weights.sum(axis=1), (values.shape[1], len(weights)))
    )


def weighted_ece(
    top: np.ndarray, correct: np.ndarray, weights: np.ndarray, bins: int = ECE_BINS
) -> np.ndarray:
    """(R,) expected calibration error of the top mean softmax (N,)."""
    top, correct = checked(top, correct)
    index = np.clip(np.floor(top * bins), 0, bins - 1).astype(np.intp)
    gaps = np.zeros((len(top), bins))
    gaps[np.arange(len(top)), index] = correct - top
    weights = np.asarray(weights, np.float64)
    return ratio(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))
