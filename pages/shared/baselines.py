"""The baselines of a study, computed once for all users."""

import streamlit as st

from bnn_core.recipes.baselines import Baselines, study_baselines
from bnn_core.study.folder import Study
from pages.shared import studies


def baselines_of(study: Study) -> Baselines | None:
    """`study_baselines`; None where the study has nothing to compute them from."""
    return _baselines(studies.identity(study), study)


@st.cache_resource(max_entries=8, show_spinner="Baselines without a network")
def _baselines(identity: str, _study: Study) -> Baselines | None:
    return study_baselines(_study)
