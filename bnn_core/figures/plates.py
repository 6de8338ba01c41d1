"""Plate maps as squares that can be clicked, and means by row and column.

Squares carry the position of their well in the table as customdata. A map has a fixed width: the
squares are sized in pixels.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bnn_core.figures import style
from bnn_core.plate_map import row_name

#: Pixels from well to well of one plate shown alone, and the most a map is wide.
LARGEST_STEP, WIDEST = 52, 860


class Colours(NamedTuple):
    """What the squares show: numbers on a scale (`ends`) or classes with a colour each."""

    name: str
    values: pd.Series
    ends: tuple[float, float] | None = None
    classes: Mapping[str, str] | None = None


def plate_map(wells: pd.DataFrame, colours: Colours, size: tuple[int, int], texts: Sequence[str],
              *, across: int = 1, marked: np.ndarray | None = None) -> go.Figure:
    """One plate, or many side by side, `across` in a line.

    wells: `bnn_core.plate_map.well_table` (plate, row, column); colours.values and texts (what a
    well says under the mouse) stand in its order; size: rows and columns of a plate; marked: (W,)
    wells whose prediction is wrong: they get a cross.
    """
    plates = list(dict.fromkeys(wells["plate"]))
    place = wells["plate"].map({name: i for i, name in enumerate(plates)}).to_numpy()
    across = max(1, min(across, len(plates)))
    gap_x, gap_y = (1, 2) if len(plates) > 1 else (0, 0)
    step_x, step_y = size[1] + gap_x, size[0] + gap_y
    x = wells["column"].to_numpy() + step_x * (place % across)
    y = wells["row"].to_numpy() + step_y * (place // across)
    lines = -(-len(plates) // across)
    step = min(LARGEST_STEP, WIDEST / (across * step_x))
    figure = go.Figure()
    drawing = go.Scatter if len(wells) <= 6000 else go.Scattergl
    for name, rows, paint in _painted(colours):
        figure.add_trace(drawing(
            x=x[rows], y=y[rows], customdata=rows, name=name or "", showlegend=name is not None,
            mode="markers", text=[texts[i] for i in rows], hovertemplate="%{text}<extra></extra>",
            marker={"symbol": "square", "size": 0.9 * step, "line": {"width": 0}, **paint},
            selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 0.5}}))
    if marked is not None and marked.any():
        figure.add_trace(drawing(
            x=x[marked], y=y[marked], mode="markers", hoverinfo="skip", name="predicted wrong",
            customdata=np.flatnonzero(marked),
            marker={"symbol": "x-thin", "size": 0.45 * step,
                    "line": {"width": max(1, step / 18), "color": "#FFFFFF"}}))
    _lay_out(figure, plates, size, across, lines, step, (step_x, step_y))
    return figure


def line_means(means: pd.DataFrame, along: str, name: str) -> go.Figure:
    """Mean of each row or column of wells with its interval; see `plate_map.line_effects`."""
    ticks = [row_name(n) if along == "row" else str(n) for n in means["line"]]
    text = [f"{along} {t}: {m:.3f}" + ("" if np.isnan(a) else f" [{a:.3f}, {b:.3f}]")
            + f", {n} wells" for t, m, a, b, n in zip(
                ticks, means["mean"], means["low"], means["high"], means["n"], strict=True)]
    figure = go.Figure(go.Scatter(
        x=means["line"], y=means["mean"], mode="markers", text=text,
        hovertemplate="%{text}<extra></extra>",
        marker={"size": 7, "color": style.RIGHT},
        error_y={"type": "data", "symmetric": False, "array": means["high"] - means["mean"],
                 "arrayminus": means["mean"] - means["low"], "width": 0, "thickness": 2,
                 "color": style.GUIDE}))
    style.finish(figure, height=220, legend=False)
    every = -(-len(ticks) // 24)
    figure.update_xaxes(tickvals=means["line"][::every], ticktext=ticks[::every], title=along)
    figure.update_yaxes(title=name, nticks=5)
    figure.update_layout(margin={"t": 8})
    return figure


def _painted(colours: Colours) -> list[tuple[str | None, np.ndarray, dict[str, object]]]:
    """Legend name, wells and marker of each trace."""
    if colours.classes is not None:
        return [(name, np.flatnonzero(colours.values == name), {"color": colour})
                for name, colour in colours.classes.items()]
    values = colours.values.to_numpy(dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    scale = {"color": values[known], "cmin": colours.ends[0], "cmax": colours.ends[1],
             "colorscale": "Viridis", "colorbar": {
                 "title": {"text": colours.name, "side": "right"}, "thickness": 12,
                 "outlinewidth": 0}}
    return [(None, np.flatnonzero(np.isnan(values)), {"color": style.FAINT}), (None, known, scale)]


def _lay_out(figure: go.Figure, plates: list[str], size: tuple[int, int], across: int, lines: int,
             step: float, steps: tuple[int, int]) -> None:
    alone = len(plates) == 1
    width, height = across * steps[0] * step, lines * steps[1] * step
    style.finish(figure, height=int(height + 96))
    figure.update_layout(width=int(width + 150), margin={"l": 34, "r": 110, "t": 62, "b": 8},
                         clickmode="event+select")
    figure.update_xaxes(range=[0.5, 0.5 + across * steps[0]], side="top", ticks="",
                        showgrid=False, fixedrange=True, automargin=False, visible=alone)
    figure.update_yaxes(range=[lines * steps[1] + 0.5, 0.5 - (0 if alone else 1)], ticks="",
                        showgrid=False, fixedrange=True, automargin=False, visible=alone)
    if alone:
        every = 1 if step > 22 else 2
        figure.update_xaxes(tickvals=list(range(1, size[1] + 1, every)))
        rows = list(range(1, size[0] + 1, every))
        figure.update_yaxes(tickvals=rows, ticktext=[row_name(r) for r in rows])
        figure.update_layout(legend={"y": 1 + 26 / height})
        return
    for i, name in enumerate(plates):
        left, top = steps[0] * (i % across), steps[1] * (i // across)
        figure.add_annotation(x=left + 0.5, y=top + 0.4, text=name, showarrow=False,
                              xanchor="left", yanchor="bottom", font={"size": 11})
        figure.add_shape(type="rect", x0=left + 0.5, x1=left + size[1] + 0.5, y0=top + 0.5,
                         y1=top + size[0] + 0.5, line={"color": style.GUIDE, "width": 1},
                         layer="below")
