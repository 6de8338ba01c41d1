"""Figures 4A-C and 5A: the images of one compound by score, coloured by predicted class.

Parts of bars carry customdata [compound, bin, predicted class]: what a click needs.
"""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from bnn_core.evaluation import SCORES
from bnn_core.figures import style
from bnn_core.mechanisms import Bins


def class_style(name: str, label: str, highlight: str | None) -> dict[str, object]:
    """How a predicted class is filled: the label plain grey, one in vermillion, others hatched."""
    if name == highlight:
        return {"color": style.WRONG if name != label else style.BAYESIAN, "line": {"width": 0}}
    if name == label:
        return {"color": style.RIGHT, "line": {"width": 0}}
    return {"color": style.FAINT, "line": {"width": 1, "color": style.RIGHT},
            "pattern": {"shape": "/", "fgcolor": style.RIGHT, "bgcolor": style.FAINT, "size": 5,
                        "solidity": 0.25}}


def histogram(counts: pd.DataFrame, bins: Bins, compound: str, label: str,
              highlight: str | None, cut: float, highest: int) -> go.Figure:
    """Stacked bars: the labelled class at the bottom, the highlighted one on it, others on top.

    counts: `bnn_core.mechanisms.histogram`; highest: the common end of the vertical axis. The
    commonest three classes are named beside their highest bar.
    """
    figure = go.Figure()
    totals = counts.groupby("predicted")["n"].sum()
    order = sorted(totals.index, key=lambda c: (c != label, c != highlight, -totals[c], c))
    below: dict[int, int] = {}
    named = set(sorted(totals.index, key=lambda c: (c not in (label, highlight), -totals[c]))[:3])
    for name in order:
        part = counts[counts["predicted"] == name]
        middle = [sum(bins.edges(place)) / 2 for place in part["bin"]]
        mark = " (the label)" if name == label else ""
        text = [f"{name}{mark}<br>{_range(bins, place)}: {n:,}" for place, n in
                zip(part["bin"], part["n"], strict=True)]
        figure.add_trace(go.Bar(
            x=middle, y=part["n"], width=0.94 * (bins.high - bins.low) / bins.count, name=name,
            marker=class_style(name, label, highlight), hovertext=text,
            selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 0.55}},
            customdata=[[compound, int(place), name] for place in part["bin"]],
            hovertemplate="%{hovertext}<extra></extra>"))
        if name in named:
            _name_bar(figure, part, bins, below, name == highlight)
        for place, n in zip(part["bin"], part["n"], strict=True):
            below[place] = below.get(place, 0) + n
    if not len(counts):
        figure.add_trace(go.Bar(x=[], y=[]))
    figure.add_vline(x=cut, line={"color": style.GUIDE, "dash": "dot", "width": 2})
    style.finish(figure, height=235, legend=False)
    sure = "right" if SCORES[bins.score] > 0 else "left"
    figure.update_xaxes(range=[bins.low, bins.high],
                        title=f"{style.SCORE_NAMES[bins.score]} (surer to the {sure})")
    figure.update_yaxes(range=[0, 1.18 * max(highest, 1)], fixedrange=True, title="images",
                        tickformat=",d", nticks=5)
    figure.update_layout(barmode="stack", clickmode="event+select", margin={"t": 6})
    return figure


def _name_bar(figure: go.Figure, part: pd.DataFrame, bins: Bins, below: Mapping[int, int],
              highlighted: bool) -> None:
    """The class in words beside the middle of its highest part, on the side that has room."""
    best = int(part["n"].to_numpy().argmax())
    name, place, n = part["predicted"].iat[best], int(part["bin"].iat[best]), part["n"].iat[best]
    ends = bins.edges(place)
    left = place >= bins.count / 2
    figure.add_annotation(
        x=ends[0] if left else ends[1], y=below.get(place, 0) + n / 2, showarrow=False,
        text=f"<b>{name}</b>" if highlighted else name, xanchor="right" if left else "left",
        xshift=-3 if left else 3, font={"size": 12})


def _range(bins: Bins, place: int) -> str:
    low, high = bins.edges(int(place))
    return f"{low:.3g} to {high:.3g}"
