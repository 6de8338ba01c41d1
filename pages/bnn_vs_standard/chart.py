"""The scatter of both networks: positions of the images and the chart."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.scores import SCORES
from bnn_core.figures import scatter
from bnn_core.figures.style import hover_names
from bnn_core.measures import selection
from bnn_core.measures.agreement import Plane, Scale, plane
from bnn_core.study.folder import Study
from pages.shared import filters, studies

#: Cells of the density along each axis.
CELLS = 90


class Drawing(NamedTuple):
    """The chart and what it counts."""

    figure: go.Figure
    drawn: selection.DrawnPoints
    counts: pd.DataFrame


@st.cache_resource(max_entries=8, show_spinner="Computing positions")
def plane_of(
    identity: str, across: Scale, up: Scale, _study: Study, _bayes: str, _standard: str
) -> Plane:
    """The position of every image of the study, independent of the filters."""
    return plane(studies.table(_study, _standard), studies.table(_study, _bayes), across, up)


@st.cache_resource(max_entries=16, show_spinner="Drawing")
def drawing_of(
    key: tuple, _positions: Plane, _study: Study, _bayes: str, _standard: str
) -> Drawing:
    """The chart of the filtered rows: the same object until something in it changes."""
    _, across, up, marked, flagged = key
    rows = _positions.with_scores(filters.passing(_study))
    total = len(_positions.x)
    is_flagged = np.zeros(total, dtype=bool)
    is_flagged[list(flagged)] = True
    is_marked = np.zeros(total, dtype=bool)
    if marked:
        is_marked = (
            _study.images["image_id"].str.contains(marked, case=False, regex=False).to_numpy(bool)
        )
    wrong = np.isin(_positions.outcome[rows], (1, 2, 3))
    urgency = np.where(wrong, selection.WRONG_POINT, selection.ORDINARY_POINT)
    urgency[is_flagged[rows]] = selection.FLAGGED_POINT
    urgency[is_marked[rows]] = selection.SEARCHED_POINT
    drawn = selection.choose_drawn(
        rows, urgency, selection.drawing_order(total), selection.MOST_DRAWN
    )
    points = pd.DataFrame(
        {
            "x": _positions.x[drawn.rows],
            "y": _positions.y[drawn.rows],
            "outcome": _positions.outcome[drawn.rows],
            "row": drawn.rows,
            "text": hover_text(
                studies.table(_study, _bayes).iloc[drawn.rows],
                studies.table(_study, _standard).iloc[drawn.rows],
                up,
                across,
            ),
        }
    )
    rest = (
        selection.density_counts(
            _positions.x[drawn.rest],
            _positions.y[drawn.rest],
            _positions.x_ends,
            _positions.y_ends,
            CELLS,
        )
        if len(drawn.rest)
        else None
    )
    counts = _positions.counts(rows)
    figure = scatter.agreement(
        points,
        scatter.Axis.of(across, _positions.x_ends, _standard),
        scatter.Axis.of(up, _positions.y_ends, _bayes),
        _positions.margins(rows),
        counts,
        rest=rest,
        rings={"flagged": is_flagged[drawn.rows], "marked": is_marked[drawn.rows]},
    )
    return Drawing(figure, drawn, counts)


def hover_text(bayes: pd.DataFrame, standard: pd.DataFrame, up: Scale, across: Scale) -> pd.Series:
    """The hover text of each point: image, label, both predictions and scores."""

    def network(table: pd.DataFrame, scale: Scale) -> pd.Series:
        return (
            hover_names(table["predicted"])
            + f", {SCORES[scale.score].symbol} "
            + table[scale.score].map("{:.4f}".format)
        )

    return (
        hover_names(bayes["image_id"])
        + "<br>label "
        + hover_names(bayes["label"])
        + "<br>Bayesian: "
        + network(bayes, up)
        + "<br>standard: "
        + network(standard, across)
    )
