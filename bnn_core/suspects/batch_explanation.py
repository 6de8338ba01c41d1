"""Explanation from the batch: images of one batch look alike, whatever the compound."""

import numpy as np
import pandas as pd

from bnn_core.base.wording import be, listed, percent
from bnn_core.suspects.batches import owned_classes
from bnn_core.suspects.explanation import AGAINST, FITS, PARTLY, Explanation, not_checked
from bnn_core.suspects.label_explanations import MAJORITY
from bnn_core.suspects.suspect import Case
from bnn_core.suspects.usual_errors import fit_usual_errors

#: Chance of a class of the same batch above which predicting one tells little.
LIKELY_ANYWAY = 3 / 4


def batch(case: Case) -> Explanation:
    """Is the suspected class that of a training compound of the same batch?

    The share of wrong predictions that are such classes is compared with the share expected by
    chance: that of a compound whose wrong predictions are spread like those of the others. One
    compound is one observation, so this shows a possible effect, not a proven one.
    """
    key, suspected = "batch", case.suspect.suspected
    if not case.has("batch", "compound"):
        return not_checked(
            key, "The study does not name the batch of this compound.", ["compound and batch"]
        )
    used = {"batch", "compound", "label", "fold", *(f"p_{name}" for name in case.classes)}
    table = case.table[[c for c in case.table if c in used]]
    rows = table[case.scored & table["compound"].notna().to_numpy()]
    codes = rows.groupby(["compound", "label"], sort=False).ngroup().to_numpy()
    first = rows.iloc[np.unique(codes, return_index=True)[1]]
    index = pd.Index(case.classes)
    labels = index.get_indexer(first["label"])
    p = rows[[f"p_{c}" for c in case.classes]].to_numpy(np.float64)
    means = np.stack([np.bincount(codes, column) for column in p.T], axis=1)
    means /= np.bincount(codes)[:, None]
    owned = owned_classes(rows, codes, len(labels), labels, len(case.classes))
    this = np.flatnonzero(
        (first["compound"] == case.rows["compound"].iloc[0]).to_numpy()
        & (first["label"] == case.suspect.label).to_numpy()
    )[0]
    chance = float(fit_usual_errors(means, labels, owned).chance_owned()[this])
    owns_suspected = float(owned[this, index.get_loc(suspected)])
    wrong = index.get_indexer(case.rows["predicted"][case.wrong])
    present = float(owned[this, wrong].mean()) if len(wrong) else 0.0
    batches = case.rows["batch"].dropna().unique()
    sharers = rows["batch"].isin(batches) & (rows["label"] == suspected)
    sharers = sorted(set(rows["compound"][sharers]) - set(case.rows["compound"]))
    names = listed([str(name) for name in batches])
    numbers = {
        "owned": owns_suspected,
        "wrong_owned": present,
        "chance": chance,
        "sharers": float(len(sharers)),
    }
    share = "None" if present == 0 else "All" if present == 1 else percent(present)
    wrong_share = f"{share} of its wrong predictions are classes present in its batch"
    expected = f"({percent(chance)} expected by chance)"
    if owns_suspected < MAJORITY:
        return Explanation(
            key,
            PARTLY if present >= MAJORITY else AGAINST,
            f"No training compound labelled {suspected} is from its batch ({names}), so the batch "
            "does not suggest that class." + (f" {wrong_share} {expected}." if len(wrong) else ""),
            numbers,
            0,
            "compounds",
        )
    wrong_share = wrong_share[0].lower() + wrong_share[1:]
    return Explanation(
        key,
        PARTLY if chance > LIKELY_ANYWAY else FITS,
        "A batch effect is possible but not shown"
        + (f": {wrong_share} {expected}. " if len(wrong) else ". ")
        + f"{listed(sharers)}, labelled {suspected}, {be(len(sharers))} from the same batch "
        f"({names}).",
        numbers,
        len(sharers),
        "compounds",
    )
