"""How well its label fits one image, in [0, 1]: its own probability, and what befell its group.

Labels of plates go wrong by compounds and wells, so an image is judged with its group, but only by
what the group fell short of its expectation: the images of a hard mechanism are not all suspect.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bnn_core.suspects.own_errors import expected_right


def label_quality(p_label: np.ndarray, shares: Sequence[np.ndarray] = ()) -> np.ndarray:
    """(N,) in [0, 1]: how well the label fits an image; low is suspect.

    p_label: (N,) mean softmax of the label. shares: of the image's groups (`shares_of_expected`),
    (N,) in [0, 1] each. Without them this is p_label itself, cleanlab's self-confidence (Northcutt
    et al. 2021): for labels wrong at random no other order of calibrated probabilities is better.
    With them it is p_label times their geometric mean.
    """
    p_label = np.asarray(p_label, np.float64)
    if not len(shares):
        return p_label.copy()
    return p_label * np.prod(shares, axis=0) ** (1 / len(shares))


def shares_of_expected(rows: pd.DataFrame) -> list[np.ndarray]:
    """What share of the probability that was to be expected the label got, by compound and well.

    rows: images with p_label and label; compound, plate and well where known. One array (N,) in
    [0, 1] for each level that the columns allow, 1 where an image has no such group or its group
    got what was expected. A compound is to get what the other compounds of its label get
    (`own_errors.expected_right`); a well, what the other wells of its compound under that label
    get, or, where compounds are unknown, what the other wells of its label get.
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
    """(W,) mean over the other members of one's group; 0 for one alone."""
    sums, counts = np.bincount(groups, means), np.bincount(groups)
    return (sums[groups] - means) / np.maximum(counts[groups] - 1, 1)
