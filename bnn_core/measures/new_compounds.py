"""Compounds of plates that were added to a study: like which known mechanism, or like none?

table: images joined with a summary (`Study.table`), any rows. A set is what was added under one
name (the column `source`). No accuracy counts its images.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bnn_core.measures.levels import aggregate, known_images
from bnn_core.measures.unlikeness import unlikeness_score

#: A compound further from the training images than this share of the study's own images is not
#: confused with a known mechanism.
UNLIKE = 0.95


def plate_sets(images: pd.DataFrame) -> dict[str, int]:
    """Name -> number of images of each added set that names compounds or wells, in their order."""
    if "source" not in images:
        return {}
    known = [c for c in ("compound", "well") if c in images]
    named = images["source"].notna() & (
        images[known].notna().any(axis=1) if known else pd.Series(False, index=images.index)
    )
    return images.loc[named, "source"].value_counts(sort=False).to_dict()


def rank_among_known(table: pd.DataFrame) -> np.ndarray:
    """(N,) share of the study's own scored images that are as like the training images, or more
    like them: 1 is unlike all of them. nan where this is not known.

    By the unlikeness of `measures.unlikeness`; older studies have a distance instead. The study's
    images were predicted by networks that had not seen their compound, as is the rule for a new
    compound.
    """
    score = unlikeness_score(table)
    if score is None:
        return np.full(len(table), np.nan)
    distance = table[score].to_numpy(dtype=np.float64)
    known = np.sort(distance[known_images(table) & ~np.isnan(distance)])
    if not len(known):
        return np.full(len(table), np.nan)
    share = np.searchsorted(known, distance, side="right") / len(known)
    return np.where(np.isnan(distance), np.nan, share)


def new_compounds(table: pd.DataFrame, name: str, classes: Sequence[str]) -> pd.DataFrame:
    """One row per compound of a set (per well where no compound is known), controls left out.

    Returns compound, or plate and well; label (None where none is given); n_images; predicted, the
    class of the highest mean softmax, and probability, that softmax; agreement, the share of the
    images that predict it; unlike, the median of `rank_among_known` over the images, nan without
    distances.
    """
    table = table.assign(unlike=rank_among_known(table))
    rows = table[(table["source"] == name) & (table["role"] != "control")]
    by_compound = "compound" in rows and rows["compound"].notna().any()
    level, keys = ("compound", ["compound"]) if by_compound else ("well", ["plate", "well"])
    units = aggregate(rows.assign(label=None), level, classes)
    labels = rows.groupby(keys, observed=True)["label"].agg(_only)
    unlike = rows.groupby(keys, observed=True)["unlike"].median()
    columns = {"top_softmax": "probability", "vote_share": "agreement"}
    result = units[[*keys, "n_images", "predicted", *columns]].rename(columns=columns)
    result = result.join(labels.astype(object), on=keys).join(unlike, on=keys)
    return result.assign(label=result["label"].where(result["label"].notna(), None))


def like_known(units: pd.DataFrame) -> pd.DataFrame:
    """The compounds that look like a known mechanism, the surest first.

    Those no further from the training images than UNLIKE, by probability, then by agreement.
    """
    near = units[~(units["unlike"] > UNLIKE)]
    return near.sort_values(["probability", "agreement"], ascending=False, kind="stable")


def like_none(units: pd.DataFrame) -> pd.DataFrame:
    """All compounds, the most unlike the training images first; of equal ones the least sure first.

    Without distances the least sure come first.
    """
    return units.sort_values(
        ["unlike", "probability"], ascending=[False, True], na_position="last", kind="stable"
    )


def _only(labels: pd.Series) -> object:
    """The one label of a compound, or None."""
    known = labels.dropna().unique()
    return known[0] if len(known) == 1 else None
