"""Suspect labels: groups that are consistently predicted as one other class, and why."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.measures.levels import LEVEL_COLUMNS, available_levels
from bnn_core.review.group_decisions import group_decisions
from bnn_core.study.folder import Study
from bnn_core.suspects.ranking import with_images_among
from bnn_core.suspects.second_opinion import OPINION_FILE, read_opinion
from bnn_core.suspects.suspect import Suspect, suspect_images, titles
from pages.shared import choices, filters, flagging, frame, rankings, studies, tour, truth
from pages.shared.wall import close_opened
from pages.shared.words import plain
from pages.suspect_labels import suspect
from pages.suspect_labels.images import draw_single_images
from pages.suspect_labels.nothing import nothing_scored
from pages.suspect_labels.ranking import (
    SUSPECT,
    draw_table,
    index_asked,
    put_in_address,
    steps,
)

ALONE, FEATURES = "none", "measured features"
#: The order of the work: compounds first, single images last.
LEVELS = ("compound", "treatment", "well", "image")
#: In the session: the study and the images of the suspect shown last; a level was just chosen.
_LAST, _FOLLOW = "_suspect_last", "_suspect_follow"


def page() -> None:
    """The page."""
    study = frame.current_study()
    tour.draw(study, introduced=False)
    levels = [level for level in LEVELS if level in available_levels(study.images)]
    level = levels[0]
    if len(levels) > 1:
        level = choices.pick(
            "Level",
            levels,
            key="suspects",
            label_visibility="collapsed",
            format_func=lambda name: f"{name}s",
            on_change=leave_level,
        )
    if level == "image":
        draw_single_images(study)
    else:
        draw_groups(study, level)
    truth.reveal(study, "suspects")


def leave_level() -> None:
    """Let the suspect follow to the new level, see `follow_suspect`; a callback."""
    close_opened()
    if st.session_state.get("suspects") == "image":
        st.query_params.pop(SUSPECT, None)
    else:
        st.session_state[_FOLLOW] = True


def follow_suspect(study: Study, shown: pd.DataFrame, level: str) -> None:
    """After another level was chosen, name the first row of it that shares images with the last
    suspect; none where there is no such row."""
    if not st.session_state.pop(_FOLLOW, False):
        return
    name, rows = st.session_state.get(_LAST, ("", np.empty(0, int)))
    keys = [*LEVEL_COLUMNS[level], "label"]
    if name == studies.identity(study) and set(keys) <= set(study.images):
        of_last = pd.MultiIndex.from_frame(study.images[keys].iloc[rows])
        shared = np.flatnonzero(pd.MultiIndex.from_frame(shown[keys]).isin(of_last))
        if len(shared):
            st.query_params[SUSPECT] = shown["title"].iat[int(shared[0])]
            return
    st.query_params.pop(SUSPECT, None)


@frame.fragment
def draw_groups(study: Study, level: str) -> None:
    """The ranking of compounds, treatments or wells, and the chosen one in detail."""
    second = pick_opinion(study)
    ranked = rankings.ranking(study, level, second.table, second.name)
    shown = ranked.copy()
    if filters.any_set() and len(ranked):
        shown = with_images_among(ranked, study.images, filters.passing(study), level)
    if shown.empty:
        nothing_scored(study)
        return
    shown["title"] = titles(shown, level)
    follow_suspect(study, shown, level)
    at, named = index_asked(shown, level), st.query_params.get(SUSPECT)
    if named and not at and named not in set(shown["title"]):
        st.caption(f"“{plain(named)}” is not in this list. The first one is shown.")
    decisions = group_decisions(
        shown, studies.table(study, study.reading_method), flagging.decisions(study), level
    )
    draw_table(study, shown, decisions, len(ranked), level, at)
    # After the table: a browser that has the new address has the new selection.
    put_in_address(shown, at)
    who = Suspect.of(shown.iloc[at], level)
    st.session_state[_LAST] = (
        studies.identity(study),
        np.flatnonzero(suspect_images(studies.table(study, study.reading_method), who)),
    )
    suspect.draw(
        study,
        shown.iloc[at],
        decisions.iloc[at],
        who,
        second,
        lambda: steps(shown, decisions, at),
    )


def pick_opinion(study: Study) -> suspect.Opinion:
    """The choice of a second opinion on the same compounds."""
    kept = study.path / OPINION_FILE
    others = other_studies(study)
    # Another study is used only if it is chosen.
    options = [*([FEATURES] if kept.is_file() else []), ALONE, *others]
    if len(options) == 1:
        return suspect.Opinion()
    choices.restrict("second", options, options[0])
    choice = st.selectbox(
        "Second opinion",
        options,
        key="second",
        bind="query-params",
        width=420,
        format_func=lambda name: f"study {name}" if name in others else name,
        help="With a second opinion the score is the lower of the two: both must predict the same "
        "wrong class. `bnn second-opinion STUDY FEATURES` fits a logistic regression to measured "
        "features. Another study of the same compounds works too.",
    )
    if choice == FEATURES:
        stamp = str(kept.stat().st_mtime_ns)
        return suspect.Opinion(f"{FEATURES} {stamp}", kept_opinion(str(kept), stamp, study))
    if choice == ALONE:
        return suspect.Opinion()
    other = studies.opened(choice)
    return suspect.Opinion(studies.identity(other), studies.table(other, other.reading_method))


def other_studies(study: Study) -> list[str]:
    """Studies of the cache with compounds that share at least two classes with this one."""
    names = []
    for entry in studies.entries():
        if entry.problem is None and entry.name != study.name:
            meta = studies.opened(entry.name).meta
            if (
                "compound" in (meta.get("levels") or ())
                and len(set(meta["classes"]) & set(study.classes)) > 1
            ):
                names.append(entry.name)
    return names if "compound" in available_levels(study.images) else []


@st.cache_resource(max_entries=8, show_spinner=False)
def kept_opinion(path: str, stamp: str, _study: Study) -> pd.DataFrame:
    """The regression on measured features that `bnn second-opinion` left beside the study."""
    opinion = read_opinion(_study.path)
    if opinion is None:
        raise InputError(
            f"{_study.path / OPINION_FILE} was deleted; run 'bnn second-opinion' again"
        )
    return opinion[0]


page()
