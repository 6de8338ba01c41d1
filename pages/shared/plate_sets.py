"""Which plates a page shows: the study's own, or a set that was added to it."""

import streamlit as st

from bnn_core.measures.new_compounds import plate_sets
from bnn_core.study.folder import Study
from pages.shared import choices

OWN = "the study"


def pick_set(study: Study) -> str | None:
    """The name of an added set, or None for the study's own images; asked only where there are
    such sets."""
    sets = list(plate_sets(study.images))
    if not sets:
        return None
    options = [OWN, *sets]
    choices.fit("plate_set", options, OWN)
    name = st.segmented_control(
        "Images",
        options,
        default=OWN,
        key="plate_set",
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    return None if name == OWN else name
