"""Figure 2C: one network's score against the other's, with marginal counts and quadrants.

For clicks, marks carry customdata: a point its row number, a marginal bar the text
"bayes/7/wrong" (network, bin, verdict; see `bar_of`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.figures import style
from bnn_core.measures.agreement import Scale
from bnn_core.measures.selection import OUTCOMES, QUADRANTS

#: More marks than this are drawn smaller and thinner, down to half the size.
_CROWD = 1500
_MARKS = {
    "both right": {"symbol": "circle", "size": 5, "color": style.RIGHT, "opacity": 0.6},
    "not counted": {"symbol": "diamond-open", "size": 6, "color": style.RIGHT, "opacity": 0.6},
    "only standard wrong": {"symbol": "square-open", "size": 8, "color": style.WRONG},
    "only Bayesian wrong": {"symbol": "circle-open", "size": 8, "color": style.WRONG},
    "both wrong": {"symbol": "x", "size": 8, "color": style.WRONG},
}
_VERDICT_FILL = {
    "right": {"color": style.RIGHT},
    "not counted": {"color": "rgba(0,0,0,0)", "line": {"color": style.RIGHT, "width": 1}},
    "wrong": {"color": style.WRONG},
}
#: Shares of the axes: the width of a quadrant's count, and the room for it beyond the scores.
_LABEL_WIDTH, _LABEL_ROOM = 0.3, 0.07
_MAIN = 0.84  # share of the width and height of the scatter itself


@dataclass(frozen=True)
class Axis:
    """One network's axis, in plotted units.

    range: (unsure end, sure end). cut: the cut-off. colour: the network's. ticks: value -> text,
    None for the default.
    """

    title: str
    range: tuple[float, float]
    cut: float
    colour: str
    ticks: Mapping[float, str] | None = None

    def share(self, values: np.ndarray | float) -> np.ndarray:
        """Plotted values as shares of the axis, from its unsure end."""
        low, high = self.range
        return (np.asarray(values) - low) / (high - low)

    @classmethod
    def of(cls, scale: Scale, ends: tuple[float, float], method: str) -> "Axis":
        """The axis of one method's scores. ends: of the plane, in plotted units."""
        network = method_of(method)
        name = "Bayesian network" if network.bayesian else network.name
        title = f"{name}: {SCORES[scale.score].title}"
        return cls(title, ends, float(scale.position(scale.cut)), network.colour, scale.ticks(ends))


def agreement(
    points: pd.DataFrame,
    standard: Axis,
    bayes: Axis,
    margins: Mapping[str, pd.DataFrame],
    quadrants: pd.DataFrame,
    *,
    rest: np.ndarray | None = None,
    rings: Mapping[str, np.ndarray] | None = None,
) -> go.Figure:
    """Scatter of the Bayesian score (up) against the standard network's (right).

    points: columns x, y (plotted units), outcome (index into OUTCOMES), row, text (on hover).
    margins: "standard" and "bayes" -> `selection.marginal_counts`. quadrants: `selection.quadrant_table`.
    rest: counts (bins, bins) of the images that are not drawn one by one, first axis y. rings: name
    -> boolean array over `points`, drawn as a ring around them (flagged, searched for).
    """
    figure = go.Figure()
    if rest is not None and rest.any():
        figure.add_trace(_density(rest, standard, bayes))
    totals = quadrants.sum()
    for name, mark in _MARKS.items():
        chosen = points[points["outcome"] == OUTCOMES.index(name)]
        if len(chosen):
            size = mark["size"] * min(1.0, max(0.5, (_CROWD / len(chosen)) ** 0.25))
            figure.add_trace(_points(chosen, mark | {"size": size}, f"{name} ({totals[name]:,})"))
    for name, marked in (rings or {}).items():
        if marked.any():
            ring = {
                "symbol": "circle-open",
                "size": 15,
                "color": style.BAYESIAN,
                "line": {"width": 2},
            }
            figure.add_trace(_points(points[marked], ring, f"{name} ({int(marked.sum()):,})"))
    for network, axis, across in (("standard", standard, True), ("bayes", bayes, False)):
        for bars in _bars(margins[network], network, axis, across):
            figure.add_trace(bars)
    _draw_cuts(figure, standard, bayes)
    _label_quadrants(figure, standard, bayes, quadrants)
    _lay_out(figure, standard, bayes)
    return figure


def bar_of(mark: str) -> tuple[str, int, str]:
    """Network, bin and verdict of a clicked marginal bar."""
    network, bin_number, verdict = mark.split("/")
    return network, int(bin_number), verdict


def _points(points: pd.DataFrame, mark: Mapping, name: str) -> go.Scattergl:
    return go.Scattergl(
        x=points["x"].to_numpy(np.float32),
        y=points["y"].to_numpy(np.float32),
        mode="markers",
        marker=dict(mark),
        name=name,
        customdata=points["row"].to_numpy(),
        text=points["text"],
        hovertemplate="%{text}<extra></extra>",
        unselected={"marker": {"opacity": 0.25}},
    )


def _density(counts: np.ndarray, standard: Axis, bayes: Axis) -> go.Heatmap:
    bins = len(counts)
    middle = (np.arange(bins) + 0.5) / bins
    x = standard.range[0] + middle * (standard.range[1] - standard.range[0])
    y = bayes.range[0] + middle * (bayes.range[1] - bayes.range[0])
    return style.density_heatmap(x, y, counts)


def _bars(margin: pd.DataFrame, network: str, axis: Axis, across: bool) -> list[go.Bar]:
    """Counts per bin on a log axis, one before the other (stacks on a log axis mislead)."""
    middle = (margin["low"] + margin["high"]) / 2
    width = abs(margin["high"].iat[0] - margin["low"].iat[0])
    traces = []
    for verdict, fill in _VERDICT_FILL.items():
        used = margin[verdict] > 0
        if not used.any():
            continue
        counts, middles = margin[verdict][used], middle[used]
        traces.append(
            go.Bar(
                x=middles if across else counts,
                y=counts if across else middles,
                xaxis="x" if across else "x2",
                yaxis="y2" if across else "y",
                orientation="v" if across else "h",
                marker=fill,
                showlegend=False,
                width=width * (0.45 if verdict == "wrong" else 0.92),
                customdata=[f"{network}/{number}/{verdict}" for number in np.flatnonzero(used)],
                text=[f"{count:,} {verdict}" for count in counts],
                textposition="none",
                hovertemplate=f"{axis.title}<br>%{{text}}<extra></extra>",
                unselected={"marker": {"opacity": 0.35}},
            )
        )
    return traces


def _draw_cuts(figure: go.Figure, standard: Axis, bayes: Axis) -> None:
    figure.add_shape(
        type="line",
        x0=standard.cut,
        x1=standard.cut,
        yref="paper",
        y0=0,
        y1=1,
        line={"color": standard.colour, "width": 1.5, "dash": "dash"},
    )
    figure.add_shape(
        type="line",
        y0=bayes.cut,
        y1=bayes.cut,
        xref="paper",
        x0=0,
        x1=1,
        line={"color": bayes.colour, "width": 1.5, "dash": "dash"},
    )


def _label_quadrants(
    figure: go.Figure, standard: Axis, bayes: Axis, quadrants: pd.DataFrame
) -> None:
    """The count of each quadrant above or below all points, beside the standard network's cut-off."""
    share = float(standard.share(standard.cut))
    for name in QUADRANTS:
        right = name in ("both sure", "only standard sure")
        top = name in ("both sure", "only Bayesian sure")
        if (1 - share if right else share) < _LABEL_WIDTH:
            continue
        figure.add_annotation(
            x=standard.cut,
            y=bayes.range[top],
            xshift=6 if right else -6,
            yshift=4 if top else -4,
            xanchor="left" if right else "right",
            yanchor="bottom" if top else "top",
            text=f"<b>{int(quadrants.loc[name].sum()):,}</b> {name}",
            showarrow=False,
        )


def _lay_out(figure: go.Figure, standard: Axis, bayes: Axis) -> None:
    def main(axis: Axis, room: float) -> dict:
        pad = room * (axis.range[1] - axis.range[0])
        settings = {
            "title": axis.title,
            "domain": [0, _MAIN],
            "showgrid": True,
            "gridcolor": style.FAINT,
            "range": [axis.range[0] - pad, axis.range[1] + pad],
        }
        if axis.ticks:
            settings |= {"tickvals": list(axis.ticks), "ticktext": list(axis.ticks.values())}
        return settings

    style.finish(figure, height=620)
    counts = {
        "type": "log",
        "domain": [_MAIN + 0.02, 1],
        "dtick": 2,
        "tickformat": "~s",
        "fixedrange": True,
        "title": {"text": "images"},
        "gridcolor": style.FAINT,
    }
    figure.update_layout(
        xaxis=main(standard, 0.015),
        yaxis=main(bayes, _LABEL_ROOM),
        yaxis2=counts | {"anchor": "x"},
        xaxis2=counts | {"anchor": "y"},
        barmode="overlay",
        bargap=0,
        hovermode="closest",
        legend={"itemsizing": "constant"},
        margin={"t": 78},  # the toolbar is above the legend
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": style.RIGHT, "activecolor": style.BAYESIAN},
        # Zoom stays when only counts change, not when the axes do.
        uirevision=f"{standard.title} {standard.range} {bayes.title} {bayes.range}",
    )
