"""The same images in two studies: the score of each image in both."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from bnn_core.figures import style

_MARKS = {
    "both right": {"symbol": "circle", "size": 4, "color": style.RIGHT, "opacity": 0.5},
    "both wrong": {"symbol": "x", "size": 7, "color": style.WRONG},
    "only the first right": {"symbol": "triangle-down-open", "size": 8, "color": style.WRONG},
    "only the second right": {"symbol": "triangle-up-open", "size": 8, "color": style.BAYESIAN},
}


def scatter(table: pd.DataFrame, axes: tuple[str, str], labels: Mapping[str, str]) -> go.Figure:
    """One point per image; customdata is its row in the first study.

    table: columns score_first, score_second, change, row_first, image_id. axes: titles of the
    horizontal axis (first study) and the vertical one. labels: change -> name in the legend.
    """
    figure = go.Figure()
    for change, mark in _MARKS.items():
        part = table[table["change"] == change]
        if len(part):
            figure.add_trace(
                go.Scattergl(
                    x=part["score_first"],
                    y=part["score_second"],
                    mode="markers",
                    marker=mark,
                    name=f"{labels[change]} ({len(part):,})",
                    customdata=part["row_first"],
                    # Plotly reads a text that looks like a tag as a tag.
                    text=style.hover_names(part["image_id"]),
                    hovertemplate="%{text}<br>%{x:.2f}, %{y:.2f}<extra></extra>",
                )
            )
    ends = [float(table[["score_first", "score_second"]].min().min()), 1.0]
    figure.add_shape(
        type="line", x0=ends[0], y0=ends[0], x1=1, y1=1, line={"color": style.GUIDE, "dash": "dot"}
    )
    figure.update_xaxes(title=axes[0])
    figure.update_yaxes(title=axes[1])
    return style.finish(figure, height=430)
