"""Reliability diagrams, and accuracy against share kept, of all methods."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.figures import compare as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures.evaluation import ECE_BINS, certainty, risk_coverage
from bnn_core.study.folder import Study
from pages.shared import charts, filters, frame, panels
from pages.shared.judged import judged, method_comparison, names


@frame.fragment
def calibration(study: Study) -> None:
    """Reliability diagrams of all methods; a click on a point shows its images."""
    st.header(
        "Calibration",
        anchor=False,
        help="Of the images that a calibrated method gives 80 %, it gets 80 in 100 right. Below "
        "the dotted line it is overconfident, above it underconfident. Click a point to see its "
        "images.",
    )
    event = charts.draw(
        _reliability(filters.key(study), study),
        key="reliabilities",
        on_select="rerun",
        selection_mode="points",
        config=chart_config(f"{study.name}-reliability"),
        alt="Share right against mean softmax of the predicted class, one panel per method",
    )
    for point in event["selection"]["points"][:1]:
        method, bin_index = point["customdata"]
        edges = np.linspace(0, 1, ECE_BINS + 1)
        units = judged(study, method, "top_softmax", faults=False).in_bin(
            int(bin_index), 0.0, 1.0, ECE_BINS
        )
        panels.selection_panel(
            study,
            units.index.to_numpy(),
            "reliability_bin",
            method=method,
            methods=(method,),
            title=f"{method_of(method).short}: top softmax {edges[int(bin_index)]:.2f} to "
            f"{edges[int(bin_index) + 1]:.2f}",
        )


def retained(study: Study, score: str) -> None:
    """Accuracy against share kept, all methods on one axis."""
    st.header(
        "Accuracy against share kept",
        anchor=False,
        help="The least sure images are set aside first. Compare methods at the same share kept, "
        "not at the same cut-off: their scores mean different things.",
    )
    charts.draw(
        _retention(filters.key(study), score, study),
        key="retention",
        config=chart_config(f"{study.name}-retention"),
        alt=f"Share right among the kept against share kept, ranked by {SCORES[score].title}, one "
        "line per method",
    )


@st.cache_resource(max_entries=24, show_spinner=False)
def _reliability(key: str, _study: Study) -> go.Figure:
    bins_by_method = {}
    for method in _study.methods:
        units = judged(_study, method, "top_softmax", faults=False)
        bins_by_method[method] = units.reliability()
    return figures.reliability_diagrams(bins_by_method, names(_study))


@st.cache_resource(max_entries=24, show_spinner=False)
def _retention(key: str, score: str, _study: Study) -> go.Figure:
    comparison = method_comparison(key, score, _study)
    curves = {}
    for method, area in zip(comparison.methods, comparison.values["aurc"], strict=True):
        if np.isnan(area):  # one network has no split of its variance
            continue
        units = judged(_study, method, score, faults=False)
        curves[method] = risk_coverage(certainty(score, units.values), units.correct)
    return figures.retention(curves, names(_study))
