"""The map of images: points at their positions, coloured by a property.

For clicks, points carry the row number of their image as customdata.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bnn_core.base.wording import short
from bnn_core.figures import style

#: Points above this many are drawn smaller, down to half the size.
_CROWD = 2000
#: Room around the positions, which are within [-1, 1].
END = 1.06
#: Height by width: distances between groups mean little, so the map may fill a wide frame.
_ASPECT = 0.62


class Paint(NamedTuple):
    """What the points show: a number on a scale from `ends`, or names with a colour each."""

    name: str
    values: pd.Series
    ends: tuple[float, float] | None = None
    colours: Mapping[str, str] | None = None


def image_map(points: pd.DataFrame, paint: Paint, rest: np.ndarray | None = None) -> go.Figure:
    """The map.

    points: columns x, y, row, text (on hover). paint: values in the order of `points`; names are
    drawn in the order of `paint.colours`, the last one on top. rest: (bins, bins) numbers of images
    that are not drawn one by one, first axis y.
    """
    figure = go.Figure()
    if rest is not None and rest.any():
        figure.add_trace(_density(rest))
    size = 7 * min(1.0, max(0.5, (_CROWD / max(len(points), 1)) ** 0.25))
    if paint.colours is None:
        values = paint.values.to_numpy(np.float64)
        known = ~np.isnan(values)
        figure.add_trace(_points(points[~known], {"size": size, "color": style.FAINT}, "unknown"))
        marker = {
            "size": size,
            "color": values[known],
            "cmin": paint.ends[0],
            "cmax": paint.ends[1],
            "colorscale": "Viridis",
            "colorbar": {
                "title": {"text": paint.name, "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
            },
        }
        figure.add_trace(_points(points[known], marker, paint.name))
    else:
        for name, colour in paint.colours.items():
            part = points[(paint.values == name).to_numpy(dtype=bool)]
            if len(part):
                label = f"{short(name)} ({len(part):,})"
                figure.add_trace(_points(part, {"size": size, "color": colour}, label))
    style.finish(figure, height=560, legend=paint.colours is not None)
    # Resizing the window changes the domain: a changed range would shrink the map each time.
    hidden = {"visible": False, "range": [-END, END], "constrain": "domain"}
    figure.update_xaxes(**hidden)
    figure.update_yaxes(**hidden, scaleanchor="x", scaleratio=_ASPECT)
    figure.update_layout(
        hovermode="closest",
        legend={"itemsizing": "constant"},
        margin={"t": 64},  # the toolbar is above the legend
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": style.RIGHT, "activecolor": style.BAYESIAN},
        uirevision="map",
    )
    return figure


def _points(points: pd.DataFrame, marker: dict, name: str) -> go.Scattergl:
    return go.Scattergl(
        x=points["x"].to_numpy(np.float32),
        y=points["y"].to_numpy(np.float32),
        mode="markers",
        marker={"opacity": 0.85, **marker},
        name=name,
        customdata=points["row"].to_numpy(),
        text=points["text"],
        hovertemplate="%{text}<extra></extra>",
        unselected={"marker": {"opacity": 0.2}},
    )


def _density(counts: np.ndarray) -> go.Heatmap:
    middle = END * (2 * (np.arange(len(counts)) + 0.5) / len(counts) - 1)
    return style.density_heatmap(middle, middle, counts)
