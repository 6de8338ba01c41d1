"""Figures 4A-C and 5A: the images of one compound by score, coloured by predicted class.

For clicks, parts of bars carry customdata [compound, bin, predicted class].
"""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import permutations, product
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from bnn_core.base.scores import SCORES
from bnn_core.base.wording import short
from bnn_core.figures import style
from bnn_core.measures.mechanisms import Bins

#: Room above the highest bar for three names on top of one another.
_HEADROOM = 1.64
#: Width of a letter, in twentieths of the axis.
_BINS_PER_LETTER = 0.44
#: Bins from a name to its line.
_GAP = 0.25
#: Names that fit on top of one another in the figure's height.
_LINES = 9


class Marked(NamedTuple):
    """A class to be named at its highest part: which bin, and the middle of that part."""

    name: str
    bin_number: int
    height: float
    highlighted: bool

    @property
    def middle(self) -> float:
        """Where its line is, in bins."""
        return self.bin_number + 0.5


class PlacedName(NamedTuple):
    """A name at height `y`, from bin `start` to bin `end` (with fractions)."""

    of: Marked
    anchor: str
    start: float
    end: float
    y: float

    def meets(self, other: "PlacedName", line: float) -> bool:
        """Whether two names overlap, or the line of one meets the other name; line: their height."""
        beside = self.start < other.end and other.start < self.end
        overlap = beside and abs(self.y - other.y) < 0.99 * line
        return overlap or self._is_crossed_by(other) or other._is_crossed_by(self)

    def _is_crossed_by(self, other: "PlacedName") -> bool:
        return self.start < other.of.middle < self.end and other.of.height < self.y < other.y


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
    cut_bin = (cut - bins.low) / (bins.high - bins.low) * bins.count
    _name_bars(figure, _place(marked, below, bins, cut_bin, top), bins, top / _LINES)
    figure.add_vline(x=cut, line={"color": style.GUIDE, "dash": "dot", "width": 2})
    style.finish(figure, height=235, legend=False)
    figure.update_xaxes(range=[bins.low, bins.high], title=SCORES[bins.score].axis)
    figure.update_yaxes(
        range=[0, top],
        fixedrange=True,
        title="images",
        tickformat=",d",
        nticks=5,
        showgrid=False,
        ticks="outside",
        tickcolor=style.GUIDE,
        ticklen=4,
    )
    figure.update_layout(barmode="stack", clickmode="event+select", margin={"t": 6})
    return figure


def _name_bars(figure: go.Figure, names: Sequence[PlacedName], bins: Bins, line: float) -> None:
    """Draw names, each with a thin line down to its part of a bar."""
    width = (bins.high - bins.low) / bins.count
    for name in names:
        middle = sum(bins.edges(name.of.bin_number)) / 2
        figure.add_shape(
            type="line",
            x0=middle,
            x1=middle,
            y0=name.of.height,
            y1=name.y - 0.4 * line,
            line={"color": style.GUIDE, "width": 1},
        )
        text = escape(short(name.of.name))
        ends = {"left": name.start, "center": (name.start + name.end) / 2, "right": name.end}
        figure.add_annotation(
            x=bins.low + width * ends[name.anchor],
            y=name.y,
            showarrow=False,
            font={"size": 12},
            text=f"<b>{text}</b>" if name.of.highlighted else text,
            xanchor=name.anchor,
        )


def _place(
    marked: Sequence[Marked], heights: Mapping[int, int], bins: Bins, cut: float, top: float
) -> list[PlacedName]:
    """Names clear of bars, of lines and of one another.

    Of all orders and sides: the one with most names, then the fewest across the cut-off (a bin, with
    its fraction), then the lowest. A name without room is left out; the hover text has it.
    """

    def worth(names: list[PlacedName]) -> tuple[int, int, float]:
        across = sum(name.start < cut < name.end for name in names)
        return len(names), -across, -sum(name.y for name in names)

    arrangements = []
    for order in permutations(marked):
        for anchors in product(("left", "right", "center"), repeat=len(marked)):
            names: list[PlacedName] = []
            for mark, anchor in zip(order, anchors, strict=True):
                name = _lowest(mark, anchor, names, heights, bins, top)
                if name:
                    names.append(name)
            arrangements.append(names)
    return max(arrangements, key=worth)


def _lowest(
    mark: Marked,
    anchor: str,
    others: Sequence[PlacedName],
    heights: Mapping[int, int],
    bins: Bins,
    top: float,
) -> PlacedName | None:
    """The name of `mark` beside or above its line, as low as bars and other names allow.

    anchor: the part of the name at its line: "left", "right", or "center", which the ends of the axis
    may shift.
    """
    width = 0.5 + _BINS_PER_LETTER * len(short(mark.name)) * bins.count / 20
    start = {
        "left": mark.middle + _GAP,
        "right": mark.middle - _GAP - width,
        "center": max(0.0, min(mark.middle - width / 2, bins.count - width)),
    }[anchor]
    end = start + width
    if start < 0 or end > bins.count:
        return None
    line = top / _LINES
    free = line + max((n for b, n in heights.items() if start - 1 < b < end), default=0)
    for y in sorted({free, *(other.y + line for other in others if other.y + line > free)}):
        name = PlacedName(mark, anchor, start, end, y)
        if y + line / 2 <= top and not any(name.meets(other, line) for other in others):
            return name
    return None
