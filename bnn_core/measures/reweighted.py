"""Figures of merit of the same images under many weightings at once, for a bootstrap.

`weights` (R, U): how often each of U units counts in each of R repeats. `units` (N,): the unit of
each image; by default every image is its own. Each function gives the same result as its namesake in
`evaluation` on the repeated images; equal scores are in random order.
"""

import numpy as np
from scipy import sparse

from bnn_core.measures.evaluation import ECE_BINS, checked, ratio


class Ranked:
    """Images in the order of a score, the surest first, equal scores in one block.

    score: (N,), higher is surer. wrong: (N,) bool, the images that should be last (mistakes, images
    of other kinds). All figures are sums over the wrong images, so only the few blocks with wrong
    images are needed, and how many images of each unit are before, in and after each.
    """

    def __init__(self, score: np.ndarray, wrong: np.ndarray, units: np.ndarray | None = None):
        score, wrong = checked(score, wrong)
        order = np.argsort(-score, kind="stable")
        units = order if units is None else units[order]
        ordered = score[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        wrong = np.flatnonzero(wrong[order])
        used, block = np.unique(
            np.searchsorted(starts, wrong, side="right") - 1, return_inverse=True
        )
        ends = np.append(starts, len(score))
        # Sums are needed before and after each of these blocks.
        cuts = np.unique(np.concatenate([[0], starts[used], ends[used + 1]]))
        cuts = cuts[cuts < len(score)]
        self._before = np.searchsorted(cuts, starts[used])
        self._after = np.searchsorted(cuts, ends[used + 1])
        count = int(units.max(initial=-1)) + 1
        parts = np.repeat(np.arange(len(cuts)), np.diff(np.append(cuts, len(score))))
        self._between = _counts(parts, units, (len(cuts), count))
        self._wrong = _counts(block, units[wrong], (len(used), count))

    def _blocks(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For blocks with wrong images: weight before and after, weight of the wrong ones, each
        (blocks, R); and the total weight, (R,)."""
        weights = np.ascontiguousarray(np.asarray(weights, np.float64).T)
        kept = np.zeros((self._between.shape[0] + 1, weights.shape[1]))
        np.cumsum(self._between @ weights, axis=0, out=kept[1:])
        return kept[self._before], kept[self._after], self._wrong @ weights, kept[-1]

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
        missed = np.cumsum(wrong, axis=0)
        ahead = (before + after) / 2 - missed + wrong / 2  # right images; ties count half
        total = wrong.sum(axis=0)
        return ratio(np.einsum("br,br->r", wrong, ahead), total * (n - total))

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
        risks = np.einsum("br,br->r", wrong, 1 + at_end - at_after)
        risks -= np.einsum("br,br,br->r", share, before, at_after - at_before)
        areas = np.einsum("br,br->r", wrong, n - (before + after) / 2)
        first = np.where(before == 0, share, 0).sum(axis=0)
        return ratio(risks, n), ratio(areas - first / 2, n * (n - 1))


def _counts(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """How often each pair of row and column occurs."""
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape)


class Means:
    """Means of K columns of values (N, K) under weightings of units."""

    def __init__(self, values: np.ndarray, units: np.ndarray | None = None):
        if units is None:
            self._sums, self._sizes = values, np.ones(len(values))
        else:
            columns = [np.bincount(units, column) for column in values.T]
            self._sums, self._sizes = np.stack(columns, axis=1), np.bincount(units)

    def at(self, weights: np.ndarray) -> np.ndarray:
        """(K, R) weighted means; nan without any weight."""
        weights = np.asarray(weights, np.float64)
        sums = (weights @ self._sums).T
        return ratio(sums, np.broadcast_to(weights @ self._sizes, sums.shape))


def calibration_gaps(top: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS) -> np.ndarray:
    """(N, bins): right (1 or 0) minus top mean softmax (N,), in the column of its bin, else 0.

    The sum over bins of the absolute means is the expected calibration error.
    """
    top, correct = checked(top, correct)
    index = np.clip(np.floor(top * bins), 0, bins - 1).astype(np.intp)
    gaps = np.zeros((len(top), bins))
    gaps[np.arange(len(top)), index] = correct - top
    return gaps
