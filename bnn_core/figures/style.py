"""Colours and layout that all figures share.

Colour-blind readers can distinguish the colours, on a white page and on a nearly black one. So
figures are transparent and independent of the theme; text and grid lines have its colours.
"""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bnn_core.base.methods import METHODS, UNKNOWN_COLOUR
from bnn_core.measures.intervals import TOO_FEW

BAYESIAN = METHODS["vi"].colour
STANDARD = METHODS["standard"].colour
WRONG = "#D55E00"
RIGHT = "#8C959C"
UNKNOWN = UNKNOWN_COLOUR
#: A half-transparent line that is visible on both themes.
GUIDE = "rgba(128, 138, 145, 0.55)"
FAINT = "rgba(128, 138, 145, 0.16)"
#: Marks beside those that count: quiet on both themes.
QUIET = "rgba(128, 138, 145, 0.45)"
#: Ten hues that colour-blind readers can distinguish (Petroff 2021); there is no set of more.
CLASS_COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)


def faded(colour: str, opacity: float) -> str:
    """A "#rrggbb" colour as rgba with `opacity` in [0, 1]."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


def hover_names(column: pd.Series) -> pd.Series:
    """Names as hover text; Plotly reads a text that looks like a tag as a tag."""
    return column.astype(object).fillna("none").astype(str).str.replace("<", "&lt;")


def padded(*values: np.ndarray) -> list[float]:
    """The range of an axis with room beyond all values; Plotly's own ends at the end of an interval."""
    numbers = np.concatenate([np.ravel(v) for v in values])
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return [0.0, 1.0]
    low, high = float(numbers.min()), float(numbers.max())
    scale = max(1.0, abs(low + high) / 2)
    # All equal: a scale from their range would show rounding errors.
    room = 0.05 * scale if high - low < 1e-9 * scale else 0.06 * (high - low)
    return [low - room, high + room]


def density_heatmap(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> go.Heatmap:
    """Counts (bins, bins), first axis y, of images that are not drawn one by one; x, y: the middles
    of the bins."""
    return go.Heatmap(
        x=x,
        y=y,
        z=np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan),
        customdata=counts,
        showscale=False,
        zmin=0,
        colorscale=[[0, faded(RIGHT, 0.12)], [1, faded(RIGHT, 0.8)]],
        hovertemplate="%{customdata:,} images here, not drawn one by one<extra></extra>",
    )


def finish(figure: go.Figure, *, height: int, legend: bool = True) -> go.Figure:
    """The layout of every figure: transparent, pan by default, the legend above."""
    figure.update_layout(
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        dragmode="pan",
        showlegend=legend,
        margin={"l": 8, "r": 8, "t": 32, "b": 8},
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "title": None,
        },
        hoverlabel={"align": "left"},
        uirevision="keep",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GUIDE, "activecolor": RIGHT},
    )
    figure.update_xaxes(
        showgrid=False, zeroline=False, automargin=True, ticks="outside", tickcolor=GUIDE, ticklen=4
    )
    figure.update_yaxes(gridcolor=FAINT, zeroline=False, automargin=True)
    return figure


def legend_below(figure: go.Figure) -> None:
    """Put the legend below the title of the axis, at any width: Plotly makes room for its lines."""
    figure.update_layout(legend={"yref": "container", "y": 0, "yanchor": "bottom"})


def chart_config(name: str, *, areas: bool = False) -> dict[str, Any]:
    """Options for `st.plotly_chart`: the camera button saves `name`.svg; few other buttons.

    areas: box and lasso too, in a toolbar that is always visible.
    """
    removed = ["autoScale2d", "zoomIn2d", "zoomOut2d", *([] if areas else ["select2d", "lasso2d"])]
    return {
        "displaylogo": False,
        "scrollZoom": False,
        "modeBarButtonsToRemove": removed,
        "toImageButtonOptions": {"format": "svg", "filename": name},
        **({"displayModeBar": True} if areas else {}),
    }


def few_in_words(few: bool) -> str:
    """A note for the hover text of a figure of too few groups (`intervals.Interval`)."""
    return f"<br>{TOO_FEW}: the interval is wide" if few else ""
