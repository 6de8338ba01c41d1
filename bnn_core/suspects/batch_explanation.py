"""Explanation from the batch: images of one batch look alike, whatever the compound."""

import numpy as np
import pandas as pd

from bnn_core.base.wording import be, listed, percent
from bnn_core.suspects.batches import compound_means
from bnn_core.suspects.explanation import AGAINST, FITS, PARTLY, Explanation, not_checked
from bnn_core.suspects.label_explanations import MAJORITY
from bnn_core.suspects.suspect import Case
from bnn_core.suspects.usual_errors import UsualErrors

#: Chance of a class of the same batch above which predicting one tells little.
LIKELY_ANYWAY = 3 / 4


def batch(case: Case, compounds: pd.DataFrame | None = None, recognised: str = "") -> Explanation:
    """Is the suspected class that of a training compound of the same batch?

    The share of wrong predictions that are such classes is compared with the share expected by
    chance: that of a compound whose wrong predictions are spread like those of the others. One
    compound is one observation, so this shows a possible effect, not a proven one. compounds:
    `batches.compound_means` of the case's table, computed where it is not given. recognised: a
    sentence that the batch is easily recognised, said where it may explain the predictions.
    """
    key, suspected = "batch", case.suspect.suspected
    if not case.has("batch", "compound"):
        return not_checked(
            key, "The study does not name the batch of this compound.", ["compound and batch"]
        )
    if compounds is None:
        compounds = compound_means(case.table, case.classes)
    index = pd.Index(case.classes)
    means, owned = (
        compounds[[f"{part}_{c}" for c in case.classes]].to_numpy() for part in ("p", "owned")
    )
    this = np.flatnonzero(
        (compounds["compound"] == case.rows["compound"].iloc[0]).to_numpy()
        & (compounds["label"] == case.suspect.label).to_numpy()
    )[0]
    errors = UsualErrors(means, index.get_indexer(compounds["label"]), owned, 1.0)
    chance = float(errors.chance_owned()[this])
    owns_suspected = float(owned[this, index.get_loc(suspected)])
    wrong = index.get_indexer(case.rows["predicted"][case.wrong])
    present = float(owned[this, wrong].mean()) if len(wrong) else 0.0
    batches = case.rows["batch"].dropna().unique()
    of_class = (case.table["label"] == suspected).to_numpy(dtype=bool, na_value=False)
    rows = case.table[["batch", "compound"]][of_class & case.scored]
    sharers = rows["compound"][rows["batch"].isin(batches)].dropna()
    sharers = sorted(set(sharers) - set(case.rows["compound"]))
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
    recognised = recognised and f" {recognised}"
    if owns_suspected < MAJORITY:
        return Explanation(
            key,
            PARTLY if present >= MAJORITY else AGAINST,
            f"No training compound labelled {suspected} is from its batch ({names}), so the batch "
            "does not suggest that class."
            + (f" {wrong_share} {expected}." if len(wrong) else "")
            + (recognised if present >= MAJORITY else ""),
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
        f"({names}).{recognised}",
        numbers,
        len(sharers),
        "compounds",
    )
