"""One suspect: its score in sentences, all explanations, its images beside others."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.wording import short, two_digits
from bnn_core.measures.levels import scored_rows
from bnn_core.recipes import kept
from bnn_core.recipes.baselines import BASELINES_FILE
from bnn_core.review.group_decisions import decision_text
from bnn_core.study.folder import Study
from bnn_core.suspects import side_by_side
from bnn_core.suspects.explaining import explain
from bnn_core.suspects.explanation import (
    AGAINST,
    FITS,
    NOT_CHECKED,
    PARTLY,
    Explanation,
    by_verdict,
    unchecked_line,
)
from bnn_core.suspects.phenotype import study_strengths
from bnn_core.suspects.ranking_wording import heading, score_sentences
from bnn_core.suspects.suspect import Suspect, suspect_images
from pages.shared import flag_form, flagging, panels, studies, tour
from pages.shared.baselines import baselines_of
from pages.shared.html import rendered
from pages.shared.wall import close_opened, image_wall, opened_row
from pages.shared.words import plain
from pages.suspect_labels import alike

PER_PANEL = 12
_MARKS = {
    FITS: ("●", "var(--st-primary-color)", 700),
    PARTLY: ("◐", "inherit", 600),
    AGAINST: ("○", "inherit", 400),
}


@dataclass(frozen=True)
class Opinion:
    """A second opinion on the same compounds for `ranking.rank`; `name` identifies it in caches."""

    name: str = "none"
    table: pd.DataFrame | None = None


def draw(
    study: Study,
    row: pd.Series,
    decision: pd.Series,
    who: Suspect,
    second: Opinion,
    steps: Callable[[], None],
) -> None:
    """Everything about one row of the ranking.

    row: of `ranking.rank`. decision: of `group_decisions`. second: the chosen opinion. steps: draws
    the buttons for the previous and next suspect.
    """
    table = studies.table(study, study.reading_method)
    rows = np.flatnonzero(suspect_images(table, who) & scored_rows(table))
    st.header(plain(heading(row, who)), anchor=False)
    # Always drawn, so that nothing moves when a decision appears.
    st.markdown(f":small[:material/flag: {plain(decision_text(decision))}]")
    key = f"suspect_{study.name}_{who.level}_{who.title}_{who.label}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        steps()
        words = (
            f"suspect {who.level} {who.title}, labelled {who.label}, most similar to "
            f"{who.suspected}, score {two_digits(row['score'])}"
        )
        flagging.flag_control(
            study,
            rows,
            words,
            f"{key}_flag",
            verb=flag_form.DECIDE,
            opens_next=True,
            known=_known(decision) | {"new_label": decision["new_label"] or who.suspected},
        )
        panels.export_button(study, rows, words, f"{key}_export", who.title)
    st.markdown(plain(" ".join(score_sentences(row, who))))
    if row["n_wrong"] or row["score"] > 0:
        draw_explanations(
            _explanations(studies.identity(study), repr(who), second.name, study, who, second)
        )
    else:
        st.caption("All images are predicted as labelled. There is nothing to explain.")
    walls = beside(study, table, who, key)
    alike.draw(study, table, who, rows, key)
    opened_image(study, np.concatenate(walls), key)


def _known(decision: pd.Series) -> dict[str, str | None]:
    """The current decision, from which a new one starts; empty where images differ or have none."""
    names = ("reason", "decision", "note")
    return {name: decision[name] for name in names if decision[name]}


def draw_explanations(explanations: list[Explanation]) -> None:
    """All explanations, those that fit first; the unchecked ones in one line."""
    st.markdown("**Possible explanations** (several may fit)")
    ordered = by_verdict(explanations)
    checked = [one for one in ordered if one.verdict != NOT_CHECKED]
    st.html(
        rendered(
            "suspect_labels/explanations.html", explanations=checked, marks=_MARKS, against=AGAINST
        )
    )
    if line := unchecked_line(explanations):
        with st.expander(line):
            for one in ordered[len(checked) :]:
                st.markdown(f"**{one.title}**: {plain(one.sentence)}")
    with st.expander("All numbers"):
        st.dataframe(
            pd.DataFrame(
                [
                    (one.title, name.replace("_", " "), value, one.n, one.counted)
                    for one in ordered
                    for name, value in one.numbers.items()
                ],
                columns=["Explanation", "Number", "Value", "n", "of"],
            ),
            hide_index=True,
            column_config={"Value": st.column_config.NumberColumn(format="%.3f")},
        )


def beside(study: Study, table: pd.DataFrame, who: Suspect, key: str) -> list[np.ndarray]:
    """The side-by-side walls; returns the rows of each."""
    st.markdown(
        "**Side by side**: images drawn evenly over compounds, doses, plates and wells, not "
        "chosen to convince."
    )
    walls = _panels(studies.identity(study), repr(who), study, who)
    if not any(study.has_thumbnail(int(row)) for rows in walls.values() for row in rows[:3]):
        st.caption(
            "This study has no pictures, so the tiles show the images' data. `bnn import` and "
            "`bnn study` add pictures where they find the files."
        )
    heads = {
        "this": (f"This {who.level}:", who.title),
        "same label": ("Same label:", who.label),
        "predicted label": ("Looks like:", who.suspected),
        "controls": ("Untreated,", "same plates" if "plate" in study.images else "all"),
        "other doses": ("Its other doses", ""),
    }
    flagged = flagging.flagged_rows(study)
    # browser.js scrolls to a container of this name.
    scroll = st.session_state.pop(tour.WALLS_NEXT, None)
    columns = st.container(key=f"scroll_to_walls_{scroll}" if scroll else None).columns(
        len(walls), gap="small"
    )
    for column, (name, rows) in zip(columns, walls.items(), strict=True):
        with column:
            # Two lines each, so that the walls begin at one height.
            st.markdown(
                "  \n".join(
                    f":small[**{plain(short(line, 60))}**]" if line else "&nbsp;"
                    for line in heads[name]
                )
            )
            if len(rows):
                image_wall(
                    rows,
                    key=f"{key}_{name}",
                    height=380,
                    selectable=False,
                    caption="concentration" if "concentration" in table else None,
                    flagged=flagged,
                )
            else:
                st.caption(
                    _NO_OTHERS if name == "other doses" and who.level == "compound" else _NONE[name]
                )
    return list(walls.values())


def opened_image(study: Study, among: np.ndarray, key: str) -> None:
    """The image of `among` that was clicked, below the walls."""
    if (opened := opened_row(study)) in among:
        # browser.js scrolls to a container of this name when an image is opened.
        with st.container(border=True, gap="xsmall", key=f"scroll_to_{opened}"):
            panels.detail(study, opened, f"{key}_detail", among=among, wide=True)
            st.button(
                "Close",
                key=f"{key}_close",
                icon=":material/close:",
                type="tertiary",
                on_click=close_opened,
            )


_NONE = {
    "this": "No image.",
    "same label": "No other compound has this label.",
    "predicted label": "No other compound has that label.",
    "controls": "This study has no untreated images of these plates.",
    "other doses": "This study has no other dose of the compound.",
}


_NO_OTHERS = "All doses in the study belong to this suspect. Compare them under “treatments” above."


@st.cache_resource(max_entries=64, show_spinner=False)
def _explanations(
    identity: str, who: str, opinion: str, _study: Study, _who: Suspect, _second: Opinion
) -> list[Explanation]:
    method = _study.reading_method
    standard = _study.standard_method
    return explain(
        studies.table(_study, method),
        _study.classes,
        _who,
        second=_second.table,
        standard=studies.table(_study, standard) if standard not in (None, method) else None,
        strengths=_strengths(identity, _study),
        compounds=_compounds(identity, _study),
        recognised=_recognised(_study),
    )


def _recognised(study: Study) -> str:
    """Whether simple numbers give the batch away, in one sentence."""
    kept_already = (study.path / BASELINES_FILE).is_file()  # to compute them takes long
    known = baselines_of(study) if "batch" in study.images and kept_already else None
    return "" if known is None else known.batch_sentence


@st.cache_resource(max_entries=8, show_spinner=False)
def _strengths(identity: str, _study: Study) -> pd.DataFrame | None:
    """Distances from untreated cells, where one network embedded all images."""
    return study_strengths(_study)


@st.cache_resource(max_entries=8, show_spinner=False)
def _compounds(identity: str, _study: Study) -> pd.DataFrame | None:
    """Means by compound, where batches are known."""
    known = {"compound", "batch"} <= set(_study.images)
    return kept.compounds(_study) if known else None


@st.cache_resource(max_entries=64, show_spinner=False)
def _panels(identity: str, who: str, _study: Study, _who: Suspect) -> dict[str, np.ndarray]:
    return side_by_side.panels(
        studies.table(_study, _study.reading_method), _study.classes, _who, PER_PANEL
    )
