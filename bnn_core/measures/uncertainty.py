"""From Monte Carlo samples to one row of uncertainty per image. Pure array functions.

Source: Deodato, Ball & Zhang (2020), eqs. 6-8. Shapes: T networks, N images, C classes.
All entropies are in nats.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import entr

from bnn_core.base.errors import InputError
from bnn_core.base.once import once

#: How far a sample's probabilities may sum off 1: half precision of a thousand classes.
_SUM_TOLERANCE = 0.01


@dataclass(frozen=True)
class Moments:
    """The moments of T softmax samples that a summary needs; their size does not depend on T.

    mean_p: (N, C) mean softmax, eq. 6, in [0, 1].
    mean_p2: (N, C) mean squared softmax, or None if only means are known.
    mean_entropy: (N,) mean entropy of the samples in nats, or None if only means are known.
    """

    mean_p: np.ndarray
    mean_p2: np.ndarray | None = None
    mean_entropy: np.ndarray | None = None

    @staticmethod
    def concatenate(parts: "list[Moments]") -> "Moments":
        """Join moments of consecutive batches of images."""
        return Moments(
            *(
                np.concatenate(arrays)
                for arrays in zip(
                    *((part.mean_p, part.mean_p2, part.mean_entropy) for part in parts), strict=True
                )
            )
        )

    @staticmethod
    def average(parts: "list[Moments]") -> "Moments":
        """Pool equally many samples of the same images from several folds into one set."""
        return Moments(
            *(
                np.mean(arrays, axis=0)
                for arrays in zip(
                    *((part.mean_p, part.mean_p2, part.mean_entropy) for part in parts), strict=True
                )
            )
        )


def entropy(p: np.ndarray) -> np.ndarray:
    """Shannon entropy of distributions along the last axis, in nats, with 0 log 0 = 0."""
    return entr(np.asarray(p, dtype=np.float64)).sum(axis=-1)


def moments(samples: np.ndarray) -> Moments:
    """Moments of softmax samples (T, N, C); in float64."""
    samples = np.asarray(samples, dtype=np.float64)
    return Moments(samples.mean(axis=0), (samples**2).mean(axis=0), entropy(samples).mean(axis=0))


def confidence_score(p: np.ndarray) -> np.ndarray:
    """c = 1 - 2 sqrt(p (1 - p)), in [0, 1]; p is the mean softmax of the predicted class.

    In eq. 8, u = aleatoric + epistemic equals p (1 - p) exactly, so this is the published c. It is
    not monotone: it is 0 at p = 0.5 and rises again below (0.4 for a uniform guess over 10 classes).
    """
    p = np.asarray(p, dtype=np.float64)
    return 1.0 - 2.0 * np.sqrt(np.clip(p * (1.0 - p), 0.0, None))


def signed_confidence(p: np.ndarray) -> np.ndarray:
    """c where p >= 1/2, else -c: monotone in p, in (-1, 1]; p is the mean softmax of the predicted
    class. For C classes its least value is -c(1/C)."""
    c = confidence_score(p)
    return np.where(np.asarray(p, dtype=np.float64) >= 0.5, c, -c)


def margin(p: np.ndarray) -> np.ndarray:
    """(N,) difference of the two largest probabilities of each row of p (N, C); of one class, p."""
    if p.shape[1] == 1:
        return p[:, 0].astype(np.float64)
    first, *others = np.ascontiguousarray(np.asarray(p, dtype=np.float64).T)
    second = np.full(len(p), -np.inf)
    for column in others:  # many times faster than to sort each row
        second = np.maximum(second, np.minimum(first, column))
        first = np.maximum(first, column)
    return first - second


def class_numbers(names: object, classes: Sequence[str]) -> np.ndarray:
    """(N,) position of each name in `classes`, -1 for other names and where it is missing."""
    kinds, distinct = pd.factorize(names)
    return np.append(pd.Index(classes).get_indexer(distinct), -1)[kinds]


class ScoreInputs:
    """What the formulas of scores read of N images, in float64; from `Moments`.

    p: (N, C) mean softmax. top: (N,) its largest value, of the predicted class. top2: (N,) mean
    squared softmax of that class. mean_entropy: (N,), nats. The last two are nan where only means
    are known.
    """

    def __init__(self, m: Moments):
        self.p = np.asarray(m.mean_p, dtype=np.float64)
        self.predicted = self.p.argmax(axis=1)
        self.top = np.clip(self._of_predicted(self.p), 0.0, 1.0)
        unknown = np.full(len(self.p), np.nan)
        only_means = m.mean_p2 is None or m.mean_entropy is None
        self.top2 = unknown if only_means else self._of_predicted(np.asarray(m.mean_p2, np.float64))
        self.mean_entropy = unknown if only_means else m.mean_entropy

    @once
    def entropy(self) -> np.ndarray:
        return entropy(self.p)

    def _of_predicted(self, values: np.ndarray) -> np.ndarray:
        return values[np.arange(len(values)), self.predicted]


#: Score (a key of `base.scores.SCORES`) -> its values (N,), in the order of a summary's columns.
FORMULAS: dict[str, Callable[[ScoreInputs], np.ndarray]] = {
    "signed_confidence": lambda x: signed_confidence(x.top),
    "margin": lambda x: margin(x.p),
    "confidence": lambda x: confidence_score(x.top),
    "top_softmax": lambda x: x.top,
    "aleatoric": lambda x: np.clip(x.top - x.top2, 0.0, None),
    "epistemic": lambda x: np.clip(x.top2 - x.top**2, 0.0, None),
    "predictive_entropy": lambda x: x.entropy,
    "mutual_information": lambda x: np.clip(x.entropy - x.mean_entropy, 0.0, None),
    "total_variance": lambda x: 1.0 - np.sum(x.p**2, axis=1),
}


def with_derived_scores(summary: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """A summary with the scores that follow from its probabilities, where it was written before
    there were such scores."""
    if "signed_confidence" not in summary and "top_softmax" in summary:
        summary = summary.assign(signed_confidence=signed_confidence(summary["top_softmax"]))
    if "margin" not in summary:
        columns = [f"p_{name}" for name in classes]
        summary = summary.assign(margin=margin(summary[columns].to_numpy(np.float32)))
    return summary


def summarise(
    samples: np.ndarray | Moments,
    classes: Sequence[str],
    labels: Sequence[object] | np.ndarray | None = None,
    novelty: Mapping[str, np.ndarray] | None = None,
    num_samples: np.ndarray | None = None,
) -> pd.DataFrame:
    """One row per image: prediction, probabilities and every uncertainty score.

    samples: (T, N, C) softmax of T networks for N images and C classes, or its `Moments`. labels:
    (N,) class names; None or NaN without a label, other names count as no label. novelty: score ->
    (N,) of `base.scores.NOVELTY`, as far as they are known. num_samples: (N,) networks used, where
    each image had as many as it needed.
    Returns columns predicted, correct (nullable boolean), p_<class> (float32), p_label, the scores
    of `FORMULAS` (aleatoric and epistemic: eq. 8, of the predicted class; total_variance: the trace
    of eq. 7), those of novelty, and num_samples (if given). The columns that need samples are NaN
    if only means are known.
    Raises InputError for samples that are no probabilities of these classes, or too few labels.
    """
    m = samples if isinstance(samples, Moments) else moments(_checked(samples, classes))
    n, c = np.shape(m.mean_p)
    if c != len(classes):
        raise ValueError(f"{c} probability columns for {len(classes)} classes")
    if labels is not None and len(labels) != n:
        raise InputError(f"{len(labels):,} labels for {n:,} images: give one for each, or None")
    of_images = ScoreInputs(m)
    names = np.asarray(classes, dtype=object)
    if not isinstance(getattr(labels, "dtype", None), pd.CategoricalDtype):
        labels = pd.Series(labels if labels is not None else [None] * n, dtype=object)
    label_index = class_numbers(labels, classes)
    known = label_index >= 0
    correct = pd.array(np.where(known, of_images.predicted == label_index, False), dtype="boolean")
    correct[~known] = pd.NA
    table = {"predicted": names[of_images.predicted], "correct": correct}
    table |= {f"p_{name}": of_images.p[:, j].astype(np.float32) for j, name in enumerate(classes)}
    scores = {"p_label": np.where(known, of_images.p[np.arange(n), label_index], np.nan)}
    scores |= {key: formula(of_images) for key, formula in FORMULAS.items()}
    scores |= novelty or {}
    if num_samples is not None:
        scores["num_samples"] = num_samples
    return pd.DataFrame(table | scores, copy=False)


def _checked(samples: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Samples (T, N, C) that are probabilities; InputError for others."""
    samples = np.asarray(samples)
    if samples.ndim != 3 or samples.shape[2] != len(classes) or not len(samples):
        raise InputError(
            f"samples have the shape {samples.shape} and must be (networks, images, {len(classes)} "
            "classes)"
        )
    sums = samples.sum(axis=2, dtype=np.float64)
    bad = ~(np.abs(sums - 1) < _SUM_TOLERANCE) | (samples < 0).any(axis=2)
    if bad.any():
        network, image = np.argwhere(bad)[0]
        raise InputError(
            f"sample {network} of image {image} is not a set of probabilities (sum "
            f"{sums[network, image]:.3g}); put logits through a softmax first"
        )
    return samples
