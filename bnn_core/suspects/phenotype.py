"""How far cells are from untreated ones: the distance of features from the same plate's controls.

A dose that does nothing looks like DMSO, whatever its label says.
"""

import numpy as np
import pandas as pd

from bnn_core.study.folder import Study


def strength(features: np.ndarray, plates: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """(N,) distance of each row from the controls of its plate, 1 = as far as controls themselves.

    features: (N, F), all made by one and the same network or program: embeddings of different folds
    cannot be compared. plates: (N,) names. controls: (N,) bool.

    Each feature is taken relative to the mean of the plate's controls (for a control: of the other
    ones), in units of its root mean square over all rows: over the controls alone it would be so
    uncertain, where they are few, that treated rows look far away for that reason. The distance is
    the root mean square over the features, divided by the median of the controls' own.
    nan on a plate with fewer than two controls, and everywhere where no feature varies.
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
    """Treatments from the weakest: compound, concentration, strength (median over rows), n, place.

    table: rows with compound, concentration and role; controls are left out. place counts from 1.
    """
    rows = table[["compound", "concentration"]].assign(strength=strengths)
    kept = rows["strength"].notna() & rows["compound"].notna() & rows["concentration"].notna()
    if "role" in table:
        kept &= table["role"] != "control"
    found = rows[kept].groupby(["compound", "concentration"])["strength"].agg(["median", "size"])
    found = found.rename(columns={"median": "strength", "size": "n"}).reset_index()
    found = found.sort_values("strength", kind="stable").reset_index(drop=True)
    found["place"] = np.arange(1, len(found) + 1)
    return found


def study_strengths(study: Study) -> pd.DataFrame | None:
    """`treatment_strengths` by the study's own embedding; None where there is no one network whose
    embedding holds treated and untreated images of known plates and doses."""
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
