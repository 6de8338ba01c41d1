"""Which images deserve a look before all others, ranked by one table of predictions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bnn_core.base.scores import UNLIKENESS
from bnn_core.measures.evaluation import certainty
from bnn_core.measures.levels import original_images, scored_rows
from bnn_core.measures.unlikeness import unlikeness_score

#: Each list of images to look at first: name -> its meaning.
FIRST_LOOKS = {
    "Confident mistakes": "wrong predictions, the surest first: model errors or wrong labels",
    "Unlikely labels": "the label has the lowest probability: labels to check first",
    "Least sure": "the lowest certainty, right or wrong: hard or unusual images",
    "Networks disagree": "the two networks predict different classes, the surest pairs first",
    "Unlike training": "the most unlike all training images: damaged, or something new",
}


def first_looks(
    tables: Mapping[str, pd.DataFrame],
    rows: np.ndarray,
    bayes: str,
    standard: str | None,
    score: str,
) -> dict[str, np.ndarray]:
    """List name (of FIRST_LOOKS) -> row numbers, the most telling first.

    tables: method -> table with RangeIndex. rows: (K,) row numbers to choose from. bayes: the
    method whose predictions count. standard: the method to compare with, or None. score: a key of
    `base.scores.SCORES`. Empty lists are left out.
    """
    used = {"role", "source", "correct", "unpredictable", "p_label", score}
    used |= {"predicted", "top_softmax", UNLIKENESS, "distance"}
    parts = {
        method: table[[c for c in table if c in used]].iloc[rows]
        for method, table in tables.items()
        if method in (bayes, standard)
    }
    original = original_images(parts[bayes])
    rows, parts = rows[original], {method: part[original] for method, part in parts.items()}
    table = parts[bayes]
    sure = certainty(score, table[score])
    counted = scored_rows(table)
    wrong = counted & ~table["correct"].fillna(True).to_numpy(dtype=bool)
    looks = {"Confident mistakes": rows[wrong][np.argsort(-sure[wrong], kind="stable")]}
    p_label = table["p_label"].to_numpy(dtype=np.float64)
    looks["Unlikely labels"] = rows[counted][np.argsort(p_label[counted], kind="stable")]
    known = ~np.isnan(sure)
    looks["Least sure"] = rows[known][np.argsort(sure[known], kind="stable")]
    if standard is not None:
        other = parts[standard]
        differ = (table["predicted"] != other["predicted"]).to_numpy(dtype=bool)
        both = np.minimum(table["top_softmax"].to_numpy(), other["top_softmax"].to_numpy())
        looks["Networks disagree"] = rows[differ][np.argsort(-both[differ], kind="stable")]
    unlike = unlikeness_score(table)
    if unlike is not None:
        far = table[unlike].to_numpy(dtype=np.float64)
        known = ~np.isnan(far)
        looks["Unlike training"] = rows[known][np.argsort(-far[known], kind="stable")]
    return {name: looks[name] for name in FIRST_LOOKS if len(looks.get(name, ()))}
