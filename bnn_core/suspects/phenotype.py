"""Strength of a phenotype: the distance of features from the controls of the same plate.

A dose without effect looks like DMSO, whatever its label is.
"""

import numpy as np
import pandas as pd

from bnn_core.study.folder import Study


def strength(features: np.ndarray, plates: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """(N,) distance of each row from the controls of its plate, at least 0.

    1 is the median distance of the controls. features: (N, F), all from one network or program:
    embeddings of different folds cannot be compared. plates: (N,) names. controls: (N,) bool.

    Each feature is centred on the mean of the plate's controls (for a control: of the other
    controls) and divided by its root mean square over all rows. (Over few controls alone that
    scale would be so uncertain that treated rows would look far away.) The distance is the root
    mean square over the features, divided by the median distance of the controls.
    nan on a plate with fewer than two controls, and everywhere if no feature varies.
    """
    features = np.asarray(features, np.float64)
    controls = np.asarray(controls, bool)
    plate, names = pd.factorize(np.asarray(plates, object))
    count = np.bincount(plate[controls], minlength=len(names))
    usable = count[plate] >= 2
    sums = np.stack(
        [np.bincount(plate[controls], column, len(names)) for column in features[controls].T],
        axis=1,
    )
    n = (count[plate] - controls)[:, None]
    relative = features - (sums[plate] - controls[:, None] * features) / np.maximum(n, 1)
    spread = np.sqrt((relative[usable] ** 2).sum(axis=0) / max(usable.sum(), 1))
    varies = spread > 1e-9 * np.maximum(np.abs(features).max(axis=0, initial=0), 1e-30)
    if not varies.any():
        return np.full(len(features), np.nan)
    distance = np.sqrt(((relative[:, varies] / spread[varies]) ** 2).mean(axis=1))
    distance[~usable] = np.nan
    return distance / np.median(distance[controls & usable])


def treatment_strengths(table: pd.DataFrame, strengths: np.ndarray) -> pd.DataFrame:
    """Treatments from the weakest: compound, concentration, strength, n, strength_rank.

    table: rows with compound, concentration and role; controls are left out. strengths: (N,), see
    `strength`. strength is the median over the n rows; strength_rank counts from 1, the weakest.
    """
    rows = table[["compound", "concentration"]].assign(strength=strengths)
    kept = rows["strength"].notna() & rows["compound"].notna() & rows["concentration"].notna()
    if "role" in table:
        kept &= table["role"] != "control"
    treatments = rows[kept].groupby(["compound", "concentration"])["strength"]
    treatments = treatments.agg(strength="median", n="size").reset_index()
    treatments = treatments.sort_values("strength", kind="stable", ignore_index=True)
    treatments["strength_rank"] = np.arange(1, len(treatments) + 1)
    return treatments


def study_strengths(study: Study) -> pd.DataFrame | None:
    """`treatment_strengths` by the study's embedding.

    None where no single network embedded treated and untreated images of known plates and doses.
    """
    images = study.images
    controls = (images["role"] == "control").to_numpy()
    if (
        study.embedding is None
        or not controls.any()
        or images["fold"].nunique() > 1
        or not {"plate", "compound", "concentration"} <= set(images)
    ):
        return None
    return treatment_strengths(
        images,
        strength(np.asarray(study.embedding, np.float64), images["plate"].to_numpy(), controls),
    )
