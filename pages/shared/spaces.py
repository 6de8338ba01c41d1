"""The spaces in which images are compared: the last hidden layer, or the predicted probabilities."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.measures.layout import log_ratios
from bnn_core.recipes.image_map import EMBEDDING, PROBABILITIES
from bnn_core.study.folder import Study

CAPTIONS = {
    PROBABILITIES: "Closest first, by Euclidean distance between the logarithms of the predicted "
    "probabilities. All networks share this space, but images of one class differ little in it.",
    EMBEDDING: "Closest first, by Euclidean distance in the last hidden layer of the network with "
    "mean weights.",
}


def features(identity: str, space: str, study: Study, table: pd.DataFrame) -> np.ndarray:
    """(N, D) of all images. identity: of the study, for the cache. table: of its reading method."""
    if space == EMBEDDING:
        return study.embedding
    return _probabilities(identity, study, table)


@st.cache_resource(max_entries=4, show_spinner=False)
def _probabilities(identity: str, _study: Study, _table: pd.DataFrame) -> np.ndarray:
    p = _table[[f"p_{name}" for name in _study.classes]].to_numpy()
    return log_ratios(p).astype(np.float32)
