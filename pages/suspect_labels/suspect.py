"""One suspect: its numbers in a sentence, all readings of it, its images beside others."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.measures.levels import scored_rows
from bnn_core.study.folder import Study
from bnn_core.suspects import evidence, side_by_side
from bnn_core.suspects.explanations import (
    AGAINST,
    FITS,
    PARTLY,
    UNKNOWN,
    VERDICTS,
    Reading,
    Suspect,
    heading,
    interval_of,
    matching,
    two_digits,
)
from bnn_core.suspects.phenotype import study_strengths
from pages.shared import flagging, frame, panels, studies
from pages.shared.wall import clicked_on, image_wall
from pages.shared.words import plain

PER_PANEL = 12
_MARKS = {
    FITS: ("●", "var(--st-primary-color)", 700),
    PARTLY: ("◐", "inherit", 600),
    AGAINST: ("○", "inherit", 400),
    UNKNOWN: ("?", "inherit", 400),
}


@dataclass(frozen=True)
class Opinion:
    """A second opinion on the same compounds, as `suspects.rank` takes it; `name` tells it apart."""

    name: str = "none"
    table: pd.DataFrame | None = None


def draw(
    study: Study, row: pd.Series, who: Suspect, second: Opinion, steps: Callable[[], None]
) -> None:
    """Everything about one line of the ranking.

    row: of `suspects.rank`. second: the opinion in force. steps: draws the buttons that lead to
    the next one.
    """
    table = frame.table(study, study.reading_method)
    own = np.flatnonzero(
        matching(table, who.keys) & scored_rows(table) & (table["label"] == who.label).to_numpy()
    )
    st.subheader(plain(heading(row, who)), anchor=False)
    key = f"suspect_{study.name}_{who.level}_{who.title}_{who.label}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        steps()
        words = (
            f"suspect {who.level} {who.title}, labelled {who.label}, nearest other class "
            f"{who.suspected}, score {two_digits(row['score'])}"
        )
        flagging.flag_control(study, own, words, f"{key}_flag", known={"new_label": who.suspected})
        panels.export_button(study, own, words, f"{key}_export", who.title)
    st.markdown(sentence(row, who, table.iloc[own]))
    if row["n_wrong"] or row["score"] > 0:
        draw_readings(
            _readings(studies.identity(study), repr(who), second.name, study, who, second)
        )
    else:
        st.caption("Every image is called by its label: there is nothing to explain.")
    beside(study, table, who, key)


def sentence(row: pd.Series, who: Suspect, rows: pd.DataFrame) -> str:
    """The score in words. rows: the suspect's images."""
    doses = sorted(rows["concentration"].dropna().unique()) if "concentration" in rows else []
    at = f" at {', '.join(f'{dose:g}' for dose in doses)} µM" if doses else ""
    text = (
        f"Score **{two_digits(row['score'])}** ({interval_of(row)}), rank {row['rank']}. "
        f"The label gets **{row['p_label']:.2f}** of the mean probability where "
        f"{row['expected_label']:.2f} was to be expected; {plain(who.suspected)} gets "
        f"**{row['p_suspected']:.2f}** where {row['expected_suspected']:.2f} was. "
        f"{row['n_suspected']:,} of {row['n_images']:,} images{at} are called "
        f"{plain(who.suspected)}, {row['n_wrong']:,} something else than the label."
    )
    if "second_score" in row and pd.notna(row["second_p_label"]):
        text += (
            f" The second opinion gives the label {row['second_p_label']:.2f} and "
            f"{plain(who.suspected)} {row['second_p_suspected']:.2f} (score "
            f"{two_digits(row['second_score'])})."
        )
    elif "second_score" in row:
        text += " The second opinion knows nothing of it."
    return text


def draw_readings(found: list[Reading]) -> None:
    """Every reading, those that fit first; none is forced."""
    st.markdown("**What may be the matter?** Every reading that the data allow; several may fit.")
    order = sorted(found, key=lambda reading: VERDICTS.index(reading.verdict))
    st.html(
        '<div style="display:grid;grid-template-columns:max-content minmax(9rem,max-content) '
        "minmax(16rem,1fr);column-gap:1.1rem;row-gap:.45rem;font-size:.93rem;line-height:1.4;"
        f'max-width:78rem">{"".join(map(_line, order))}</div>'
    )
    with st.expander("All numbers"):
        st.dataframe(
            pd.DataFrame(
                [
                    (reading.explanation, name.replace("_", " "), value, reading.n, reading.counted)
                    for reading in order
                    for name, value in reading.numbers.items()
                ],
                columns=["Reading", "Number", "Value", "n", "of"],
            ),
            hide_index=True,
            column_config={"Value": st.column_config.NumberColumn(format="%.3f")},
        )


def _line(reading: Reading) -> str:
    mark, colour, weight = _MARKS[reading.verdict]
    faint = "opacity:.72;" if reading.verdict in (AGAINST, UNKNOWN) else ""
    rests = (
        f" <span style='opacity:.65'>(n = {reading.n:,} {escape(reading.units)})</span>"
        if reading.n
        else ""
    )
    return (
        f'<div style="{faint}white-space:nowrap;font-weight:{weight}"><span style="color:'
        f'{colour}">{mark}</span> {escape(reading.verdict)}</div>'
        f'<div style="{faint}font-weight:{weight}">{escape(reading.explanation)}</div>'
        f'<div style="{faint}">{escape(reading.sentence)}{rests}</div>'
    )


def beside(study: Study, table: pd.DataFrame, who: Suspect, key: str) -> None:
    """The side-by-side wall; a click on an image shows it large."""
    st.markdown(
        "**Side by side**: an even draw over compounds, doses, plates and wells, not the "
        "most convincing images."
    )
    found = _panels(studies.identity(study), repr(who), study, who)
    if not any(study.has_thumbnail(int(row)) for rows in found.values() for row in rows[:3]):
        st.caption(
            "This study holds no pictures, so the tiles show what is known of the images; "
            "`bnn import` and `bnn study` take pictures in where they find the files."
        )
    heads = {
        "this": (f"This {who.level}:", who.title),
        "same label": ("Same label:", who.label),
        "predicted label": ("Nearest other class:", who.suspected),
        "controls": ("Untreated,", "same plates" if "plate" in study.images else "all"),
        "other doses": ("Its other doses", ""),
    }
    flagged = flagging.flagged_rows(study)
    shown = remembered(key, found)
    places = st.columns([1] * len(found) + [1.4] * (shown is not None), gap="small")
    for place, (name, rows) in zip(places, found.items(), strict=False):
        with place:
            # Two lines each, so that the walls begin at one height.
            st.markdown(
                "  \n".join(
                    f":small[**{plain(line)}**]" if line else "&nbsp;" for line in heads[name]
                )
            )
            if len(rows):
                image_wall(rows, key=f"{key}_{name}", height=520, selectable=False, flagged=flagged)
            else:
                st.caption(
                    _NO_OTHERS if name == "other doses" and who.level == "compound" else _NONE[name]
                )
    if shown is not None:
        with places[-1]:
            panels.detail(study, shown, f"{key}_detail", among=np.concatenate(list(found.values())))


_NONE = {
    "this": "No image.",
    "same label": "No other compound has this label.",
    "predicted label": "No other compound has that label.",
    "controls": "This study holds no untreated images of these plates.",
    "other doses": "This study holds no other dose of the compound.",
}


_NO_OTHERS = "All doses that the study holds are part of the compound: see “treatments” above."


def remembered(key: str, found: dict[str, np.ndarray]) -> int | None:
    """The image clicked last on any of the walls."""
    seen = st.session_state.setdefault(f"{key}_seen", {})
    for name in found:
        row = clicked_on(f"{key}_{name}")
        if row is not None and row != seen.get(name):
            seen[name], seen["last"] = row, row
    return seen.get("last")


@st.cache_resource(max_entries=64, show_spinner=False)
def _readings(
    identity: str, who: str, said: str, _study: Study, _who: Suspect, _second: Opinion
) -> list[Reading]:
    method = _study.reading_method
    standard = _study.standard_method
    return evidence.readings(
        studies.table(_study, method),
        _study.classes,
        _who,
        second=_second.table,
        standard=studies.table(_study, standard) if standard not in (None, method) else None,
        strengths=_strengths(identity, _study),
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def _strengths(identity: str, _study: Study) -> pd.DataFrame | None:
    """Distances from untreated cells in the network's own eyes, where one network saw them all."""
    return study_strengths(_study)


@st.cache_resource(max_entries=64, show_spinner=False)
def _panels(identity: str, who: str, _study: Study, _who: Suspect) -> dict[str, np.ndarray]:
    return side_by_side.panels(
        studies.table(_study, _study.reading_method), _study.classes, _who, PER_PANEL
    )
