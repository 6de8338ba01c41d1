"""The image to look at beside another: of its label, of its prediction, or untreated."""

from typing import NamedTuple

import numpy as np
import streamlit as st

from bnn_core.base.scores import DEFAULT_SCORE
from bnn_core.study.folder import Study
from bnn_core.suspects.side_by_side import controls_beside
from pages.shared import pictures, studies
from pages.shared.words import plain

LABEL, PREDICTION, UNTREATED = "beside its label", "beside its prediction", "beside untreated"
#: Images looked at until one has its files.
_TRIES = 20


class Reference(NamedTuple):
    """A row of the study, and what it is in words."""

    row: int
    words: str


def possible_references(study: Study) -> list[str]:
    """The references that a study can have."""
    return [LABEL, PREDICTION, *([UNTREATED] if (study.images["role"] == "control").any() else [])]


def of(study: Study, row: int, kind: str) -> Reference | None:
    """The surest right image of the label or of the predicted class, of another compound; or the
    first untreated one of the same plate. None where there is no such image with its files."""
    return _of(studies.identity(study), row, kind, study)


def explained(study: Study, row: int, kind: str) -> str:
    """How the reference was chosen, or that there is none."""
    reference = of(study, row, kind)
    if reference is None:
        return "The study has no such image to show beside it."
    chosen = (
        "an untreated image, of the same plate where there is one"
        if kind == UNTREATED
        else "the surest image of that class that is predicted right, of another compound"
    )
    name = plain(study.images["image_id"].iat[reference.row])
    return f"Right: {name}, {chosen}. Both share the zoom. Dragging with Shift measures a distance."


@st.cache_resource(max_entries=200, show_spinner=False)
def _of(identity: str, row: int, kind: str, _study: Study) -> Reference | None:
    table = studies.table(_study, _study.reading_method)
    if kind == UNTREATED:
        candidates = np.flatnonzero(controls_beside(table, table.iloc[[row]]))
        if not len(candidates):
            candidates = np.flatnonzero((table["role"] == "control").to_numpy())
        words = "untreated"
    else:
        name = table["label" if kind == LABEL else "predicted"].iat[row]
        right = (table["label"] == name) & (table["predicted"] == name)
        right &= table["role"] == "scored"
        if "compound" in table:
            right &= table["compound"] != table["compound"].iat[row]
        candidates = np.flatnonzero(right.fillna(False).to_numpy(bool))
        sure = table[DEFAULT_SCORE].to_numpy()[candidates]
        candidates = candidates[np.argsort(-sure, kind="stable")]
        words = str(name)
    for candidate in candidates[candidates != row][:_TRIES]:
        if pictures.has_original(_study, int(candidate)):
            return Reference(int(candidate), words)
    return None
