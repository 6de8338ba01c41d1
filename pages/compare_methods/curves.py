"""Reliability diagrams, and accuracy against share kept, of all methods."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.scores import SCORES
from bnn_core.figures import compare as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures.evaluation import certainty, risk_coverage
from bnn_core.study.folder import Study
from pages.shared import charts, filters, frame
from pages.shared.calibration import diagram, images_of_point
from pages.shared.judged import compared_images, judged, method_comparison, names
from pages.shared.scores import MORE_CUTOFFS


@frame.fragment
def draw_reliability(study: Study) -> None:
    """Reliability diagrams of all methods; a click on a point shows its images."""
    event = diagram(study, _reliability(filters.key(study), study), "reliabilities")
    images_of_point(study, event, faults=False)


def retained(study: Study, score: str) -> None:
    """Accuracy against share kept, all methods on one axis."""
    st.header(
        "Accuracy against share kept",
        anchor=False,
        help="The least sure images are set aside first. Compare methods at the same share kept, "
        f"not at the same cut-off: their scores mean different things. {MORE_CUTOFFS}",
    )
    charts.draw(
        _retention(filters.key(study), score, study),
        key="retention",
        config=chart_config(f"{study.name}-retention"),
        alt=f"Share right among the kept against share kept, ranked by {SCORES[score].title}, one "
        "line per method",
        of=compared_images(study),
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
