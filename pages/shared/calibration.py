"""The reliability diagram and the images behind its points, for every page that shows one."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.figures.style import chart_config
from bnn_core.measures.evaluation import ECE_BINS
from bnn_core.study.folder import Study
from pages.shared import charts, panels
from pages.shared.judged import judged
from pages.shared.scores import MORE_FIGURES


def diagram(study: Study, figure: go.Figure, key: str) -> Any:
    """Heading and chart; returns the event of a click on a point, for `images_of_point`.

    figure: its points carry customdata [method, bin].
    """
    st.header(
        "Calibration",
        anchor=False,
        help="Of the images that a calibrated network gives 80 %, it gets 80 in 100 right. Below "
        "the dotted line it is overconfident, above it underconfident. Click a point to see its "
        f"images. {MORE_FIGURES}",
    )
    if "compound" in study.images:
        st.caption("A hollow point has too few compounds: how much they differ is unknown there.")
    return charts.draw(
        figure,
        key=key,
        on_select="rerun",
        selection_mode="points",
        config=chart_config(f"{study.name}-{key}"),
        alt="Share right against mean softmax of the predicted class",
        scored=False,
    )


def images_of_point(study: Study, event: Any, *, faults: bool = True) -> None:
    """The images of the bin that was clicked. faults: with planted faults, as in the chart."""
    for point in event["selection"]["points"][:1]:
        method, index = point["customdata"]
        low, high = np.linspace(0, 1, ECE_BINS + 1)[int(index) : int(index) + 2]
        units = judged(study, method, "top_softmax", faults=faults)
        units = units.in_bin(int(index), 0.0, 1.0, ECE_BINS)
        panels.selection_panel(
            study,
            units.index.to_numpy(),
            "reliability_bin",
            f"{method_of(method).short}: top softmax {low:.2f} to {high:.2f}",
            method=method,
            methods=(method,),
        )
