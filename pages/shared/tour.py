"""The tour of a synthetic study: three steps from a suspect to a decision, without the answer."""

import numpy as np
import streamlit as st

from bnn_core.measures.levels import scored_rows
from bnn_core.study.folder import Study
from bnn_core.suspects.planted_truth import inactive_compound
from pages.shared import flagging, rankings, studies, truth
from pages.shared.wall import OPENED, close_opened
from pages.shared.words import plain

#: In the session: numbers of the finished steps.
_DONE = "_tour_done"
#: In the session: the walls side by side are scrolled into view next; a number for each press.
WALLS_NEXT, _PRESSES = "_tour_walls_next", "_tour_presses"


def draw(study: Study, introduced: bool = True) -> None:
    """The steps as buttons that stay visible while the page scrolls.

    Draws nothing for a study without planted faults. introduced: with the task in words, as on
    Overview; Suspect labels shows the steps alone.
    """
    if study.truth is None:
        return
    ranked = rankings.ranking(study, "compound")
    if ranked.empty:
        return
    ranked = ranked.assign(unsure=ranked["mean_signed_confidence"].rank(method="min"))
    planted = ranked[ranked["compound"] == inactive_compound(study.truth)]
    row = (planted if len(planted) else ranked).iloc[0]
    compound = str(row["compound"])
    table = studies.table(study, study.reading_method)
    rows = np.flatnonzero(
        (table["compound"] == compound).to_numpy(dtype=bool, na_value=False) & scored_rows(table)
    )
    _note_progress(study, compound, rows)
    if introduced:
        st.markdown(
            "**Start here.** This screen is drawn by code, and some of its labels are wrong on "
            f"purpose. By low confidence **{plain(compound)}** is number {row['unsure']:.0f} of "
            f"{len(ranked):,} compounds, and the network predicts {row['n_wrong']:,} of its "
            f"{row['n_images']:,} images as another class. Is the label wrong?"
        )
    address = {"suspects": "compound", "suspect": compound}
    steps = (f"1. Look at {plain(compound)}", "2. Compare it with its other doses", "3. Decide")
    done = st.session_state.get(_DONE, set())
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="tour_bar"):
        for number, label in enumerate(steps, 1):
            following = number == min({1, 2, 3} - done, default=0)
            pressed = st.button(
                label,
                key=f"tour_{number}",
                type="primary" if following else "secondary",
                icon=":material/check:" if number in done else None,
                on_click=_follow,
                args=(address, number, not introduced),
            )
            if pressed and introduced:
                st.switch_page(truth.SUSPECT_LABELS, query_params=address)


def _follow(address: dict[str, str], number: int, here: bool) -> None:
    """Show what a step is about; a callback. here: Suspect labels is open already."""
    if number == 2:
        st.session_state[_DONE].add(2)
        st.session_state[_PRESSES] = st.session_state.get(_PRESSES, 0) + 1
        st.session_state[WALLS_NEXT] = st.session_state[_PRESSES]
    elif number == 3:
        st.session_state[flagging.OPEN_NEXT] = True
    if not here:
        return
    # The menu of levels owns its parameter of the address.
    st.session_state["suspects"] = address["suspects"]
    close_opened()
    st.query_params["suspect"] = address["suspect"]


def _note_progress(study: Study, compound: str, rows: np.ndarray) -> None:
    """Keep which steps are finished: seen, compared, decided."""
    done = st.session_state.setdefault(_DONE, set())
    if st.query_params.get("suspect") == compound:
        done.add(1)
        if OPENED in st.query_params:
            done.add(2)
    if np.isin(rows, flagging.flagged_rows(study)).all():
        done.add(3)
