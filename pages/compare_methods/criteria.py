"""Figures of merit of every method with intervals: as a chart and as a table."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.wording import percent
from bnn_core.figures import compare as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures.comparison import CRITERIA, Comparison
from bnn_core.study.folder import Study
from pages.shared import charts, choices, filters, frame
from pages.shared.judged import compared_images, method_comparison
from pages.shared.scores import MORE_FIGURES

VALUES = "figures"


@frame.fragment
def in_figures(study: Study, comparison: Comparison, score: str) -> None:
    """All figures of merit with intervals, as a chart and as a table."""
    st.header(
        "Numbers",
        anchor=False,
        help="\n".join(
            f"- **{c.title}**: {c.meaning}"
            for name, c in CRITERIA.items()
            if name in comparison.values
        )
        + f"\n\n{MORE_FIGURES}",
    )
    first = comparison.methods[0]
    views = [VALUES, f"differences to {method_of(first).short}"]
    view = choices.pick("Show", views, key="merit", default=VALUES, label_visibility="collapsed")
    against = None if view == VALUES else first
    charts.draw(
        _criteria(filters.key(study), score, against, study),
        key="criteria",
        config=chart_config(f"{study.name}-methods"),
        alt="Figures of merit of every method with 95 % intervals",
        of=compared_images(study),
    )
    st.caption(
        "↑ higher is better, ↓ lower is better. Filled: the best method, and those that tie with it."
        if against is None
        else f"Paired differences to {method_of(first).short}. An interval that does not cross the "
        "dotted line is more than a tie."
    )
    with st.expander("As a table"):
        st.dataframe(merits(comparison, against), width="stretch")


def merits(comparison: Comparison, against: str | None) -> pd.DataFrame:
    """Figures with intervals as text: one row per method, one column per criterion."""
    table = {}
    for criterion in comparison.values:
        cells = []
        for method in comparison.methods:
            value = comparison.figure(criterion, method, against)
            cells.append(
                "–"
                if np.isnan(value.value)
                else " ".join(
                    [
                        figure_text(criterion, value.value),
                        f"[{figure_text(criterion, value.low)},",
                        f"{figure_text(criterion, value.high)}]",
                    ]
                )
            )
        table[CRITERIA[criterion].title] = cells
    return pd.DataFrame(
        table, index=pd.Index([method_of(m).short for m in comparison.methods], name="Method")
    )


def figure_text(criterion: str, value: float) -> str:
    """A figure with three significant digits, an accuracy in percent."""
    if criterion == "accuracy":
        return percent(value, 2)
    size = abs(value)
    digits = 3 if size >= 0.1 or not size else min(2 - int(np.floor(np.log10(size))), 7)
    return f"{value:.{digits}f}"


@st.cache_resource(max_entries=24, show_spinner=False)
def _criteria(key: str, score: str, against: str | None, _study: Study) -> go.Figure:
    comparison = method_comparison(key, score, _study)
    shown = [c for c, values in comparison.values.items() if not np.isnan(values).all()]
    return figures.criteria(
        comparison, shown, {m: method_of(m).short for m in comparison.methods}, against
    )
