"""Images of compounds side by side (figure 5B), and of doses below untreated images."""

import numpy as np
import streamlit as st

from bnn_core.base.scores import SCORES
from bnn_core.base.wording import count, percent
from bnn_core.measures import mechanisms
from bnn_core.suspects.side_by_side import controls_beside
from pages.mechanisms.view import (
    MOST_COLUMNS,
    MechanismView,
    compound_heading,
    pick_compounds,
    wall,
)
from pages.shared import choices, filters, flagging, frame
from pages.shared.words import plain

CONTROLS = "untreated, same plates"


@frame.fragment
def side_by_side(view: MechanismView) -> None:
    """Figure 5B: a column of images per compound, and compounds of other labels to compare."""
    others = sorted(
        {str(c) for c in view.table["compound"].dropna()}
        - set(view.compounds["compound"].astype(str))
    )
    if (view.table["role"] == "control").any():
        others.insert(0, CONTROLS)
    shown = pick_compounds(view, MOST_COLUMNS, "columns", others)
    if not shown:
        return
    flagged = flagging.flagged_rows(view.study)
    label_compounds = set(view.compounds["compound"])
    treated = mechanisms.compound_rows(
        view.table, [c for c in shown if c in label_compounds], view.label
    )
    for column, name in zip(st.columns(len(shown), gap="small"), shown, strict=True):
        with column:
            if name in label_compounds:
                part, text = view.rows(name), compound_heading(view, name)
            elif name == CONTROLS:
                part = view.table[controls_beside(view.table, treated)]
                text = f"**{CONTROLS}**: n = {len(part):,}"
            else:
                part = mechanisms.compound_rows(view.table, [name])
                labels = ", ".join(map(str, part["label"].dropna().unique())) or "no label"
                text = f"**{plain(name)}** ({plain(labels)}): n = {len(part):,}"
            st.markdown(text)
            rows = mechanisms.surest_first(part, view.bins.score)
            wall(view, rows, f"column_{name}", 620, flagged)
    st.caption(
        f"Surest first by {SCORES[view.bins.score].name.lower()}, down each column. Click an "
        "image to open it."
    )


@frame.fragment
def doses(view: MechanismView) -> None:
    """One row of images per dose of a compound, below the untreated images of its plates."""
    names = list(view.compounds["compound"])
    choices.restrict("dosed", names, names[0])
    compound = st.selectbox("Compound", names, key="dosed", width=270, bind="query-params")
    flagged = flagging.flagged_rows(view.study)
    treated = mechanisms.compound_rows(view.table, [compound])
    control = view.table[controls_beside(view.table, treated)]
    if len(control):
        known = "plate" in treated and treated["plate"].notna().any()
        st.markdown(
            f"**Untreated{', same plates' if known else ''}**: "
            f"{count(len(control), 'image')}, {_called(mechanisms.calls(control))}"
        )
        wall(view, mechanisms.surest_first(control, view.bins.score), "dose_control", 245, flagged)
    else:
        st.caption(f"No {filters.matching(view.study)} is an untreated control (role “control”).")
    dose_groups = mechanisms.doses_of_compound(view.table, compound)
    for index, dose in enumerate(dose_groups):
        name = "dose unknown" if np.isnan(dose.concentration) else f"{dose.concentration:g} µM"
        right = (
            f"n = {dose.scored:,}, {percent(dose.right / dose.scored, 1)} right"
            if dose.scored
            else f"{count(len(dose.rows), 'image')} without a label that counts"
        )
        st.markdown(f"**{plain(compound)}, {name}**: {right}; {_called(dose.calls)}")
        wall(
            view,
            mechanisms.surest_first(view.table.loc[dose.rows], view.bins.score),
            f"dose_{compound}_{index}",
            245,
            flagged,
        )
    if len(dose_groups) == 1:
        st.caption(f"No {filters.matching(view.study)} has another dose of this compound.")


def _called(calls: dict[str, int]) -> str:
    parts = [f"{n:,} {plain(name)}" for name, n in list(calls.items())[:3]]
    rest = sum(list(calls.values())[3:])
    return f"predicted {', '.join(parts)}" + (f", {rest:,} others" if rest else "")
