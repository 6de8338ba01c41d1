"""Plate maps as squares that can be clicked, and means by row and column.

Squares carry the position of their well in the table as customdata. A map has a fixed size: the
squares are sized in pixels.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bnn_core.base.wording import short
from bnn_core.figures import style
from bnn_core.tables.wells import row_name

#: Pixels from well to well of one plate shown alone; the most that the wells of a map are wide, so
#: that with its margins it fits beside the sidebar on a screen 1280 wide: a chart made narrower by
#: the page would lay its squares over one another.
LARGEST_STEP, WIDEST = 52, 700
LEFT, BESIDE, BELOW = 34, 110, 8
#: Plates in a line: two to six, as many as have about so many columns of wells.
MOST_ACROSS, COLUMNS = 6, 80
#: Pixels for the name of a plate; pixels of the scale of colours, whatever the map is high.
NAME_HEIGHT, SCALE_LENGTH = 18, 200
#: Pixels of a letter of a plate's name.
LETTER = 6.5


class Colours(NamedTuple):
    """What the squares show: numbers on a scale (`ends`) or classes with a colour each.

    hollow: classes drawn as open squares, which cannot be confused with a colour of another class.
    """

    name: str
    values: pd.Series
    ends: tuple[float, float] | None = None
    classes: Mapping[str, str] | None = None
    hollow: Collection[str] = ()


class Grid(NamedTuple):
    """Plates in lines: how many `across`, `columns` and `rows` of wells from one plate to the next,
    and `step`, the pixels from well to well."""

    across: int
    columns: int
    rows: int
    step: float


def plate_map(
    wells: pd.DataFrame,
    colours: Colours,
    size: tuple[int, int],
    texts: Sequence[str],
    *,
    marked: np.ndarray | None = None,
) -> go.Figure:
    """One plate with its empty places, or several side by side.

    wells: `bnn_core.tables.plate_map.well_table` (plate, row, column); colours.values and texts (shown
    under the mouse) are in its order; size: rows and columns of a plate; marked: (W,) wells with a
    wrong prediction, drawn with a cross.
    """
    plates = list(dict.fromkeys(wells["plate"]))
    grid = _grid(len(plates), size)
    line, column = np.divmod(
        wells["plate"].map({n: i for i, n in enumerate(plates)}).to_numpy(), grid.across
    )
    x = wells["column"].to_numpy() + grid.columns * column
    y = wells["row"].to_numpy() + grid.rows * line
    step = grid.step
    figure = go.Figure()
    if len(plates) == 1:
        figure.add_trace(_empty_places(wells, size))
    for name, rows, paint in _painted(colours, step):
        figure.add_trace(
            go.Scatter(
                x=x[rows],
                y=y[rows],
                customdata=rows,
                showlegend=name is not None,
                name="" if name is None else escape(short(name)),
                mode="markers",
                text=[texts[i] for i in rows],
                hovertemplate="%{text}<extra></extra>",
                marker={"symbol": "square", "size": 0.9 * step, "line": {"width": 0}, **paint},
                selected={"marker": {"opacity": 1}},
                unselected={"marker": {"opacity": 0.5}},
            )
        )
    if marked is not None and marked.any():
        figure.add_trace(
            go.Scatter(
                x=x[marked],
                y=y[marked],
                mode="markers",
                hoverinfo="skip",
                showlegend=False,
                customdata=np.flatnonzero(marked),
                unselected={"marker": {"opacity": 1}},
                marker={
                    "symbol": "x-thin",
                    "size": 0.45 * step,
                    "line": {"width": max(1, step / 18), "color": "#FFFFFF"},
                },
            )
        )
    _lay_out(figure, plates, size, grid, colours)
    return figure


def line_means(means: pd.DataFrame, along: str, name: str) -> go.Figure:
    """Mean of each row or column of wells with its interval; see `plate_map.line_effects`."""
    ticks = [row_name(n) if along == "row" else str(n) for n in means["line"]]
    text = [
        f"{along} {t}: {m:.3f}" + ("" if np.isnan(a) else f" [{a:.3f}, {b:.3f}]") + f", {n} wells"
        for t, m, a, b, n in zip(
            ticks, means["mean"], means["low"], means["high"], means["n"], strict=True
        )
    ]
    figure = go.Figure(
        go.Scatter(
            x=means["line"],
            y=means["mean"],
            mode="markers",
            text=text,
            customdata=means["line"],
            hovertemplate="%{text}<extra></extra>",
            unselected={"marker": {"opacity": 1}},
            marker={"size": 9, "color": style.RIGHT},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": means["high"] - means["mean"],
                "arrayminus": means["mean"] - means["low"],
                "width": 4,  # without its end an interval looks cut
                "thickness": 2,
                "color": style.GUIDE,
            },
        )
    )
    style.finish(figure, height=220, legend=False)
    every = max(1, -(-len(ticks) // 24))
    figure.update_xaxes(tickvals=means["line"][::every], ticktext=ticks[::every], title=along)
    ends = style.padded(means[["low", "mean", "high"]].to_numpy(np.float64))
    figure.update_yaxes(title=name, nticks=5, range=ends)
    figure.update_layout(margin={"t": 8}, clickmode="event+select")
    return figure


def _grid(plates: int, size: tuple[int, int]) -> Grid:
    if plates <= 1:
        return Grid(1, size[1], size[0], min(LARGEST_STEP, WIDEST / size[1]))
    across = min(MOST_ACROSS, max(2, COLUMNS // size[1]), plates)
    columns = size[1] + 1
    step = min(LARGEST_STEP, WIDEST / (across * columns))
    return Grid(across, columns, size[0] + math.ceil(max(2, NAME_HEIGHT / step)), step)


def _empty_places(wells: pd.DataFrame, size: tuple[int, int]) -> go.Scatter:
    """Dots where a plate could have wells and the table has none."""
    used = set(zip(wells["row"], wells["column"], strict=True))
    free = [
        (r, c) for r in range(1, size[0] + 1) for c in range(1, size[1] + 1) if (r, c) not in used
    ]
    return go.Scatter(
        x=[c for _, c in free],
        y=[r for r, _ in free],
        mode="markers",
        hoverinfo="skip",
        showlegend=False,
        unselected={"marker": {"opacity": 1}},
        marker={"symbol": "circle", "size": 4, "color": style.GUIDE},
    )


def _painted(
    colours: Colours, step: float
) -> list[tuple[str | None, np.ndarray, dict[str, object]]]:
    """Legend name, wells and marker of each trace."""
    if colours.classes is not None:
        # The line of an open square is drawn half outside it.
        hollow = {
            "symbol": "square-open",
            "size": 0.75 * step,
            "line": {"width": max(1, 0.15 * step)},
        }
        return [
            (
                name,
                np.flatnonzero(colours.values == name),
                {"color": colour, **(hollow if name in colours.hollow else {})},
            )
            for name, colour in colours.classes.items()
        ]
    values = colours.values.to_numpy(dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    scale = {
        "color": values[known],
        "cmin": colours.ends[0],
        "cmax": colours.ends[1],
        "colorscale": "Viridis",
        "colorbar": {
            "title": {"text": colours.name, "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
            "y": 1,
            "yanchor": "top",
            "lenmode": "pixels",
            "len": SCALE_LENGTH,
        },
    }
    return [(None, np.flatnonzero(np.isnan(values)), {"color": style.FAINT}), (None, known, scale)]


def _lay_out(
    figure: go.Figure, plates: list[str], size: tuple[int, int], grid: Grid, colours: Colours
) -> None:
    alone, step = len(plates) == 1, grid.step
    lines = -(-len(plates) // grid.across)
    # In wells: a little more than the frames, and above a frame the name of its plate.
    wide = grid.across * grid.columns
    top = 0.4 - (0 if alone else NAME_HEIGHT / step)
    least = SCALE_LENGTH if colours.classes is None else 0
    bottom = max((lines - 1) * grid.rows + size[0] + 0.6, top + least / step)
    above = 34 + _legend_height(colours, wide * step)
    style.finish(figure, height=round((bottom - top) * step) + above + BELOW)
    figure.update_layout(
        width=round(wide * step) + LEFT + BESIDE,
        clickmode="event+select",
        margin={"l": LEFT, "r": BESIDE, "t": above, "b": BELOW, "pad": 0},
    )
    figure.update_xaxes(
        range=[0.4, 0.4 + wide],
        side="top",
        ticks="",
        showgrid=False,
        fixedrange=True,
        automargin=False,
        visible=alone,
    )
    figure.update_yaxes(
        range=[bottom, top],
        ticks="",
        showgrid=False,
        fixedrange=True,
        automargin=False,
        visible=alone,
    )
    figure.update_layout(legend={"y": 1 + (26 if alone else 4) / ((bottom - top) * step)})
    if alone:
        every = 1 if step > 22 else 2
        figure.update_xaxes(tickvals=list(range(1, size[1] + 1, every)))
        rows = list(range(1, size[0] + 1, every))
        figure.update_yaxes(tickvals=rows, ticktext=[row_name(r) for r in rows])
        return
    for i, name in enumerate(plates):
        left, up = grid.columns * (i % grid.across), grid.rows * (i // grid.across)
        figure.add_annotation(
            x=left + 0.5,
            y=up + 0.4,
            text=escape(short(name, max(8, int(size[1] * grid.step / LETTER)))),
            showarrow=False,
            xanchor="left",
            yanchor="bottom",
            font={"size": 11},
        )
        figure.add_shape(
            type="rect",
            x0=left + 0.45,
            x1=left + size[1] + 0.55,
            y0=up + 0.45,
            y1=up + size[0] + 0.55,
            line={"color": style.GUIDE, "width": 1},
            layer="below",
        )


def _legend_height(colours: Colours, width: float) -> int:
    """Height of the legend above a map of `width` pixels, in pixels; an estimate, not too small."""
    if colours.classes is None:
        return 0
    in_line = max(1, int(width / (45 + 6.5 * max(len(short(name)) for name in colours.classes))))
    return 20 * -(-len(colours.classes) // in_line)
