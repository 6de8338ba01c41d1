"""The images that look most like this one: to its own network, or to the networks of all folds."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.measures import neighbours
from bnn_core.recipes.image_map import EMBEDDING, PROBABILITIES
from bnn_core.study.folder import Study
from pages.shared import choices, flagging, spaces, studies
from pages.shared.wall import image_wall

SHOWN = 12
WORDS = {
    PROBABILITIES: "all folds, by predicted probabilities",
    EMBEDDING: "the same fold, by the last hidden layer",
}


def draw(study: Study, row: int, table: pd.DataFrame, on_open: Callable[[int], None]) -> None:
    """The wall, with the menus of which images are compared and by what. table: of the study's
    reading method."""
    st.header("Images that the network finds similar", anchor=False)
    folds = study.images["fold"].nunique()
    # One network for all images: its hidden layer says more than its predictions.
    offered = [PROBABILITIES] if folds > 1 or study.embedding is None else []
    offered += [EMBEDDING] if study.embedding is not None else []
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = st.segmented_control(
            "Compare with images of",
            neighbours.NEIGHBOUR_KINDS,
            key="alike",
            default=neighbours.ANOTHER_LABEL,
            bind="query-params",
            required=True,
        )
        space = offered[0]
        if len(offered) > 1:
            space = choices.pick("of", offered, key="alike_by", format_func=WORDS.get)
    rows = _rows(studies.identity(study), row, kind, space, study, table)
    if not len(rows):
        st.caption("No image of that kind can be compared with this one.")
        return
    image_wall(
        rows,
        key="alike_wall",
        selectable=False,
        on_open=on_open,
        flagged=flagging.flagged_rows(study),
    )
    st.caption(spaces.CAPTIONS[space])


@st.cache_resource(max_entries=200, show_spinner=False)
def _rows(
    identity: str, row: int, kind: str, space: str, _study: Study, _table: pd.DataFrame
) -> np.ndarray:
    """The closest images of one kind."""
    everywhere = space == PROBABILITIES
    others = neighbours.candidates(_study.images, _table["predicted"], row, kind, everywhere)
    features = spaces.features(identity, space, _study, _table)
    others = others[np.isfinite(features[others]).all(axis=1)]
    return neighbours.nearest(features, features[row], others, SHOWN)[0]
