"""Figures 4A-C and 5A: the images of one compound by score, coloured by predicted class.

For clicks, parts of bars carry customdata [compound, bin, predicted class].
"""

from collections.abc import Mapping
from html import escape
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from bnn_core.base.scores import SCORES
from bnn_core.base.wording import short
from bnn_core.figures import style
from bnn_core.measures.mechanisms import Bins

#: Room above the highest bar for names.
_HEADROOM = 1.45
#: Width of a letter, in twentieths of the axis.
_BINS_PER_LETTER = 0.44


class Marked(NamedTuple):
    """A class to be named at its highest part: which bin, and the middle of that part."""

    name: str
    bin_number: int
    height: float
    highlighted: bool


def class_style(name: str, label: str, highlight: str | None) -> dict[str, object]:
    """Fill of a predicted class: the label in grey, the highlighted class in orange, others hatched."""
    if name == highlight:
        return {"color": style.WRONG if name != label else style.BAYESIAN, "line": {"width": 0}}
    if name == label:
        return {"color": style.RIGHT, "line": {"width": 0}}
    return {
        "color": style.FAINT,
        "line": {"width": 1, "color": style.RIGHT},
        "pattern": {
            "shape": "/",
            "fgcolor": style.RIGHT,
            "bgcolor": style.FAINT,
            "size": 5,
            "solidity": 0.25,
        },
    }


def score_histogram(
    counts: pd.DataFrame,
    bins: Bins,
    compound: str,
    label: str,
    highlight: str | None,
    cut: float,
    highest: int,
) -> go.Figure:
    """Stacked bars: the labelled class at the bottom, the highlighted one on it, others on top.

    counts: `bnn_core.measures.mechanisms.score_counts`; highest: the common end of the vertical axis. The
    commonest three classes are named above the bars, with a line to their highest one.
    """
    figure = go.Figure()
    totals = counts.groupby("predicted")["n"].sum()
    order = sorted(totals.index, key=lambda c: (c != label, c != highlight, -totals[c], c))
    below: dict[int, int] = {}
    marked: list[Marked] = []
    named = set(sorted(totals.index, key=lambda c: (c not in (label, highlight), -totals[c]))[:3])
    for name in order:
        part = counts[counts["predicted"] == name]
        middle = [sum(bins.edges(bin_number)) / 2 for bin_number in part["bin"]]
        mark = " (the label)" if name == label else ""
        text = [
            f"{name}{mark}<br>{bins.edges_text(bin_number)}: {n:,}"
            for bin_number, n in zip(part["bin"], part["n"], strict=True)
        ]
        figure.add_trace(
            go.Bar(
                x=middle,
                y=part["n"],
                width=0.94 * (bins.high - bins.low) / bins.count,
                name=name,
                marker=class_style(name, label, highlight),
                hovertext=text,
                selected={"marker": {"opacity": 1}},
                unselected={"marker": {"opacity": 0.55}},
                customdata=[[compound, int(bin_number), name] for bin_number in part["bin"]],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
        if name in named and len(part):
            best = int(part["n"].to_numpy().argmax())
            bin_number, n = int(part["bin"].iat[best]), int(part["n"].iat[best])
            marked.append(
                Marked(name, bin_number, below.get(bin_number, 0) + n / 2, name == highlight)
            )
        for bin_number, n in zip(part["bin"], part["n"], strict=True):
            below[bin_number] = below.get(bin_number, 0) + n
    if not len(counts):
        figure.add_trace(go.Bar(x=[], y=[]))
    top = _HEADROOM * max(highest, 1)
    _name_bars(figure, marked, bins, below, top)
    figure.add_vline(x=cut, line={"color": style.GUIDE, "dash": "dot", "width": 2})
    style.finish(figure, height=235, legend=False)
    figure.update_xaxes(range=[bins.low, bins.high], title=SCORES[bins.score].axis)
    figure.update_yaxes(range=[0, top], fixedrange=True, title="images", tickformat=",d", nticks=5)
    figure.update_layout(barmode="stack", clickmode="event+select", margin={"t": 6})
    return figure


def _name_bars(
    figure: go.Figure, marked: list[Marked], bins: Bins, heights: Mapping[int, int], top: float
) -> None:
    """Class names clear of bars and of one another, each with a thin line to its bar."""
    line = top / 9
    occupied: list[tuple[float, float, float]] = []
    for mark in sorted(marked, key=lambda m: m.bin_number):
        name = short(mark.name)
        width = 1 + _BINS_PER_LETTER * len(name) * bins.count / 20
        left = mark.bin_number >= bins.count / 2
        for side in (left, not left):
            start, end = (
                (mark.bin_number + 1 - width, mark.bin_number + 1)
                if side
                else (mark.bin_number, mark.bin_number + width)
            )
            y = _free_height(start, end, heights, occupied, line)
            if y <= top - line / 2 and start >= 0 and end <= bins.count:
                break
        else:
            continue  # no room: the hover text names the bar
        left = side
        occupied.append((start, end, y))
        ends = bins.edges(mark.bin_number)
        middle = sum(ends) / 2
        figure.add_shape(
            type="line",
            x0=middle,
            x1=middle,
            y0=mark.height,
            y1=y - 0.4 * line,
            line={"color": style.GUIDE, "width": 1},
        )
        figure.add_annotation(
            x=ends[1] if left else ends[0],
            y=y,
            showarrow=False,
            font={"size": 12},
            text=f"<b>{escape(name)}</b>" if mark.highlighted else escape(name),
            xanchor="right" if left else "left",
        )


def _free_height(
    start: float,
    end: float,
    heights: Mapping[int, int],
    occupied: list[tuple[float, float, float]],
    line: float,
) -> float:
    """The lowest height from bin `start` to `end` above the bars and clear of other names."""
    y = line + max(
        (n for bin_number, n in heights.items() if start - 1 < bin_number < end), default=0
    )
    for other in sorted(occupied, key=lambda t: t[2]):
        if start < other[1] and other[0] < end and abs(y - other[2]) < line:
            y = other[2] + line
    return y
