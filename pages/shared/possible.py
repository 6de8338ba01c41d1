"""The classes that an image may well be of: the chosen chance, and the sets of a study."""

import streamlit as st

from bnn_core.base.wording import percent
from bnn_core.measures.prediction_sets import LEVEL, LEVELS, PredictionSets
from bnn_core.recipes import kept
from bnn_core.study.folder import Study
from pages.shared import studies

KEY = "chance"


def chance() -> float:
    """The chance of a set to contain the label that the user chose."""
    return st.session_state.get(KEY) or LEVEL


def pick() -> float:
    """The menu of chances; kept in the address."""
    return st.segmented_control(
        "Chance to contain the label",
        LEVELS,
        default=LEVEL,
        key=KEY,
        required=True,
        bind="query-params",
        format_func=lambda level: percent(level),
        width="content",
        help="The set holds the label of a new image, or of a new compound, with this chance. "
        "[More in Help](help?about=classes)",
    )


def of_study(study: Study, method: str) -> PredictionSets:
    """The sets of all images at the chosen chance."""
    return _of_study(studies.identity(study), method, chance(), study)


@st.cache_resource(max_entries=16, show_spinner=False)
def _of_study(identity: str, method: str, level: float, _study: Study) -> PredictionSets:
    return kept.class_sets(_study, method, level)
