"""Rankings of suspect labels, computed once for all users and pages."""

import pandas as pd
import streamlit as st

from bnn_core.recipes import kept
from bnn_core.study.folder import Study
from bnn_core.suspects.ranking import rank
from pages.shared import studies


def ranking(
    study: Study, level: str, second: pd.DataFrame | None = None, opinion: str = "none"
) -> pd.DataFrame:
    """`ranking.rank` of the study's reading method.

    second: another opinion; `opinion` is its name, for the cache. Do not change the table.
    """
    return _ranking(studies.identity(study), level, opinion, study, second)


def ranked_images(study: Study) -> pd.DataFrame:
    """`ranking.rank_images` of the study's reading method. Do not change the table."""
    return _ranked_images(studies.identity(study), study.reading_method, study)


@st.cache_resource(max_entries=16, show_spinner="Ranking, with resamples")
def _ranking(
    identity: str, level: str, opinion: str, _study: Study, _second: pd.DataFrame | None
) -> pd.DataFrame:
    if _second is None:
        return kept.suspects(_study, level)
    table = studies.table(_study, _study.reading_method)
    return rank(table, _study.classes, level, second=_second)


@st.cache_resource(max_entries=8, show_spinner="Ranking the images")
def _ranked_images(identity: str, method: str, _study: Study) -> pd.DataFrame:
    return kept.suspects(_study, "image")
