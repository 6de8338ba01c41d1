"""First looks: pairs of images that show the same, those with different labels first."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.wording import count
from bnn_core.images.near_duplicates import near_duplicates
from bnn_core.measures.levels import original_images
from bnn_core.study.folder import Study
from pages.shared import filters, panels, studies
from pages.shared.words import without_none

TITLE = "Near-duplicates"
#: Pairs that are listed and shown.
MOST = 60


def possible(study: Study) -> bool:
    """Whether the study has pictures; a few may be missing."""
    return any(map(study.has_thumbnail, range(min(20, len(study.images)))))


def draw(study: Study) -> None:
    """A table of the pairs and a wall in which the images of a pair are neighbours."""
    st.caption(
        "Pairs of images that show the same field: one that was saved twice, rescaled or brightened. "
        "Pairs with different labels come first: one of the labels is wrong. Shifted or turned "
        "copies are not found."
    )
    pairs = _pairs(studies.identity(study), study)
    pairs = pairs[np.isin(pairs, filters.passing(study)).all(axis=1)]
    if not len(pairs):
        st.info("No two images show the same.", icon=":material/task_alt:")
        return
    st.markdown(f"**{count(len(pairs), 'pair')}**" + (f", the first {MOST}" * (len(pairs) > MOST)))
    shown = pairs[:MOST]
    st.dataframe(
        without_none(pair_table(study, shown)),
        hide_index=True,
        width="stretch",
        height=min(250, 38 + 35 * len(shown)),
    )
    panels.selection_panel(study, shown.ravel(), "look_duplicates", TITLE, ranking=False)


def pair_table(study: Study, pairs: np.ndarray) -> pd.DataFrame:
    """One row per pair: whether the labels differ, then both images side by side."""
    images = study.images
    columns = [c for c in ("image_id", "label", "compound", "plate", "well") if c in images]
    sides = [images[columns].iloc[pairs[:, side]].reset_index(drop=True) for side in (0, 1)]
    label = [side["label"].fillna("") for side in sides]
    table = pd.DataFrame({"Labels": np.where(label[0] == label[1], "same", "differ")})
    for name in columns:
        for side, words in zip(sides, ("", " of its copy"), strict=True):
            title = {"image_id": "Image"}.get(name, name.capitalize()) + words
            table[title] = side[name]
    return table


@st.cache_resource(max_entries=4, show_spinner="Comparing all pictures")
def _pairs(identity: str, _study: Study) -> np.ndarray:
    """(P, 2) row numbers, pairs with different labels first, then the most alike."""
    images = _study.images
    rows = np.flatnonzero(original_images(images))
    pairs = rows[near_duplicates(_study.thumbnail(int(row)) for row in rows)]
    label = images["label"].fillna("").to_numpy(dtype=object)
    same = label[pairs[:, 0]] == label[pairs[:, 1]]
    return pairs[np.argsort(same, kind="stable")]
