"""One histogram per compound, its images beside it (figures 4A-C and 5A)."""

import json
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.scores import SCORES
from bnn_core.base.wording import count, listed, percent, short
from bnn_core.figures import mechanisms as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures import mechanisms
from bnn_core.measures.levels import scored_rows
from bnn_core.measures.mechanisms import Bins
from pages.mechanisms.view import (
    BINS,
    MOST_COMPOUNDS,
    MechanismView,
    compound_heading,
    pick_compounds,
    wall,
)
from pages.shared import filters, flagging, frame, marks, panels, possible, scores
from pages.shared.words import plain

BAR = "bar"


class CompoundBar(NamedTuple):
    """The clicked part of a bar, as kept in the address."""

    score: str
    label: str
    compound: str
    bin_index: int
    predicted: str

    @staticmethod
    def read(text: str) -> "CompoundBar | None":
        """The bar of an address, or None for any other text."""
        try:
            bar = CompoundBar(*json.loads(text))
        except (ValueError, TypeError, RecursionError):
            return None
        return bar if isinstance(bar.bin_index, int) and 0 <= bar.bin_index < BINS else None


@frame.fragment
def histograms(view: MechanismView) -> None:
    """One histogram per compound, its images beside it."""
    shown = pick_compounds(view, MOST_COMPOUNDS, "shown")
    bar = CompoundBar.read(st.query_params.get(BAR, ""))
    flagged = flagging.flagged_rows(view.study)
    counts = {name: mechanisms.score_counts(view.rows(name), view.bins) for name in shown}
    highest = max(
        (int(c.groupby("bin")["n"].sum().max()) for c in counts.values() if len(c)), default=1
    )
    for compound in shown:
        with st.container(border=True, gap="small"):
            st.markdown(compound_heading(view, compound))
            left, right = st.columns([1.1, 1], gap="medium")
            key = f"mechanism_{compound}"
            with left:
                marks.clickable_chart(
                    _histogram(
                        filters.key(view.study),
                        view.method,
                        view.label,
                        view.highlight,
                        view.bins,
                        view.cut,
                        compound,
                        highest,
                        view,
                    ),
                    key,
                    BAR,
                    lambda data: json.dumps([view.bins.score, view.label, *data]),
                    config=chart_config(f"{view.study.name}-{compound}"),
                    alt=f"Images of {compound} by {SCORES[view.bins.score].title} and predicted "
                    "class",
                )
            with right:
                rows = mechanisms.surest_first(view.rows(compound), view.bins.score)
                wall(view, rows, f"{key}_wall", 290, flagged)
            if bar is not None and bar[:3] == (view.bins.score, view.label, compound):
                of_bar(view, bar)
    st.caption(
        "Surest first. ✕ marks a wrong prediction. Click a part of a bar to see its images, or "
        "an image to open it."
    )


def of_bar(view: MechanismView, bar: CompoundBar) -> None:
    """The images of a clicked bar."""
    rows = mechanisms.in_bar(view.rows(bar.compound), view.bins, bar.bin_index, bar.predicted)
    of_bins = scores.between(bar.score, *view.bins.edges(bar.bin_index), bar.bin_index == BINS - 1)
    marks.close_button(BAR)
    panels.selection_panel(
        view.study,
        rows,
        "mechanism_bar",
        f"{bar.compound}, labelled {view.label}, predicted {bar.predicted}, {of_bins}",
        method=view.method,
    )


def draw_explanation(view: MechanismView) -> None:
    """The meaning of the colours; a line where the study has no pictures."""
    called = mechanisms.calls(view.labelled)
    named = {"Plain grey" if view.highlight != view.label else "Blue": view.label}
    if view.highlight != view.label:
        named["Orange"] = view.highlight
    text = "".join(
        f"{colour}: predicted as {'the label, ' if name == view.label else ''}"
        f"{plain(short(name))} ({count(called.get(name, 0), 'image')}). "
        for colour, name in named.items()
    )
    if rest := sum(called.values()) - sum(called.get(name, 0) for name in named.values()):
        text += f"Hatched: any other prediction ({rest:,})."
    if not any(view.study.has_thumbnail(int(i)) for i in view.table.index[:50]):
        text += " This study has no pictures, so each tile shows text."
    st.caption(text)


def explain_sets(view: MechanismView) -> None:
    """How large the sets of classes are, and how often they contain the label."""
    counted = scored_rows(view.table) & (view.table["label"] == view.label).to_numpy(dtype=bool)
    sets = possible.of_study(view.study, view.method)
    rows = view.table.index.to_numpy()[counted]
    if not sets.enough or not len(rows):
        return
    size = sets.size[rows]
    holds = sets.member[rows, view.study.classes.index(view.label)].mean()
    called = np.array(view.study.classes, dtype=object)[sets.member[rows].sum(axis=0) > 0]
    text = (
        f"**Sets of classes** that contain the label with {percent(sets.level)}: {size.mean():.1f} "
        f"classes on average, {percent((size == 1).mean(), 0)} of the images have one class only. "
        f"{percent(holds)} of the sets hold {plain(view.label)}."
    )
    others = [plain(name) for name in called if name != view.label]
    if others:
        text += f" Other classes in them: {listed(others)}."
    if not sets.by_class[view.study.classes.index(view.label)]:
        text += " The label has too few compounds, so the chance is one on average over classes."
    st.caption(text)


@st.cache_resource(max_entries=64, show_spinner=False)
def _histogram(
    key: str,
    method: str,
    label: str,
    highlight: str | None,
    bins: Bins,
    cut: float,
    compound: str,
    highest: int,
    _view: MechanismView,
) -> go.Figure:
    counts = mechanisms.score_counts(_view.rows(compound), bins)
    return figures.score_histogram(counts, bins, compound, label, highlight, cut, highest)
