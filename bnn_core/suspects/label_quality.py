"""How well its label fits one image, in [0, 1]: by the image itself, and by its group.

How readily networks learned the label of the image finds more wrong labels of single images than the
probability that networks give it which never saw the image (tests/benchmarks/label_errors.py). Labels
of plates go wrong by compound and by well, so an image is judged with its group. A group
counts only as far as it is below its expectation: images of a hard mechanism are not all suspect.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from bnn_core.suspects.usual_errors import expected_right


def label_fit(p_label: np.ndarray, margin: np.ndarray | None = None) -> np.ndarray:
    """(N,) in [0, 1]: how well the label fits an image by itself.

    p_label: (N,) mean softmax of the label. margin: (N,) margin in training, nan where unknown. With
    a margin this is its logistic function: below one half another class led on average. Without one
    it is p_label, cleanlab's self-confidence (Northcutt et al. 2021).
    """
    p_label = np.asarray(p_label, np.float64)
    if margin is None:
        return p_label.copy()
    margin = np.asarray(margin, np.float64)
    return np.where(np.isnan(margin), p_label, expit(margin))


def label_quality(fit: np.ndarray, shares: Sequence[np.ndarray] = ()) -> np.ndarray:
    """(N,) in [0, 1]: how well the label fits an image; low is suspect.

    fit: (N,) of `label_fit`. shares: of the image's groups (`shares_of_expected`), (N,) in [0, 1]
    each. Without shares this is fit, with shares fit times their geometric mean.
    """
    fit = np.asarray(fit, np.float64)
    if not len(shares):
        return fit.copy()
    return fit * np.prod(shares, axis=0) ** (1 / len(shares))


def shares_of_expected(rows: pd.DataFrame) -> list[np.ndarray]:
    """The label's mean probability as a share of the expected one, by compound and by well.

    rows: images with p_label and label; compound, plate and well where known. Returns one array
    (N,) in [0, 1] for each level that the columns allow, 1 where an image has no such group or its
    group reaches the expectation. A compound is expected to get what the other compounds of its
    label get (`usual_errors.expected_right`); a well, what the other wells of its compound under
    that label get (the other wells of its label, where compounds are unknown).
    """
    p = rows["p_label"].to_numpy(np.float64)
    labels = pd.factorize(rows["label"])[0]
    shares, within = [], None
    for columns in (["compound"], ["plate", "well"]):
        if not set(columns) <= set(rows):
            continue
        known = rows[columns].notna().all(axis=1).to_numpy()
        codes = pd.factorize(
            pd.MultiIndex.from_arrays(
                [rows[c] for c in columns] + [labels] + ([] if within is None else [within])
            )
        )[0]
        first = np.unique(codes, return_index=True)[1]
        kept = np.flatnonzero(known[first])
        means = (np.bincount(codes, p) / np.bincount(codes))[kept]
        if within is None:
            expected = expected_right(means, labels[first[kept]])
        else:
            expected = _others(means, within[first[kept]])
        share = np.ones(len(first))
        share[kept] = np.clip(means / np.where(expected > 0, expected, 1), 0, 1)
        share[kept[~(expected > 0)]] = 1
        shares.append(share[codes])
        within = codes if within is None else within
    return shares


def _others(means: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(W,) mean over the other members of the group; 0 for a group of one."""
    sums, counts = np.bincount(groups, means), np.bincount(groups)
    return (sums[groups] - means) / np.maximum(counts[groups] - 1, 1)
