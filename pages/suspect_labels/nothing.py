"""Why Suspect labels has nothing to show."""

import streamlit as st

from bnn_core.study.folder import Study
from pages.shared import filters
from pages.shared.empty import empty
from pages.shared.judged import none_passes
from pages.shared.words import plain


def nothing_scored(study: Study) -> None:
    """Why there is no ranking."""
    if none_passes(study):
        return
    if filters.any_set():
        st.info(
            "No remaining image has a label to check. Remove a filter in the sidebar.",
            icon=":material/filter_alt_off:",
        )
    else:
        empty(
            "list",
            f"No image of “{plain(study.name)}” has a label to check. The ranking needs labels, and "
            "at least two compounds.",
            ":material/label_off:",
        )
