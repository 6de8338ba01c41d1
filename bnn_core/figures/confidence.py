"""Figures 2A, 2B, 4A, 4B: how sure right and wrong predictions are, and what a cut-off gains.

For clicks, bars carry customdata [method, bin, "right" or "wrong"], points of curves the score of
their cut-off.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.base.wording import percent
from bnn_core.figures import style
from bnn_core.measures.intervals import Bands


class ScoreAxis(NamedTuple):
    """The axis of a score that all networks share: its name, its ends and the cut-off."""

    score: str
    low: float
    high: float
    cut: float

    @property
    def sign(self) -> str:
        """The side of the cut-off that is kept."""
        return SCORES[self.score].sign


def right_wrong_histograms(
    histograms: Mapping[str, pd.DataFrame],
    names: Mapping[str, str],
    scale: ScoreAxis,
    *,
    log: bool = False,
    noun: str = "images",
) -> go.Figure:
    """One panel per network on the same axes: all units in grey, the wrong ones in orange.

    histograms: method -> `Judged.histogram`. Wrong units are drawn in front of the whole bar, not on
    top of it, so that heights can be read on a logarithmic axis too.
    """
    methods = list(histograms)
    figure = make_subplots(
        rows=len(methods),
        shared_xaxes=True,
        vertical_spacing=0.1,
        subplot_titles=[names[m] for m in methods],
    )
    highest = max(float((t["right"] + t["wrong"]).max()) for t in histograms.values())
    for panel, method in enumerate(methods, start=1):
        for bar in _right_wrong_bars(method, histograms[method], SCORES[scale.score].symbol):
            figure.add_trace(bar.update(showlegend=panel == 1), row=panel, col=1)
    if log:
        figure.update_yaxes(
            type="log", range=[np.log10(0.7), np.log10(max(highest, 1) * 1.6)], dtick=1
        )
    else:
        figure.update_yaxes(range=[0, max(highest, 1) * 1.05])
    figure.update_yaxes(title=f"{noun}{' (log)' if log else ''}", fixedrange=True)
    _mark_cut(figure, scale)
    figure.update_xaxes(range=[scale.low, scale.high])
    figure.update_xaxes(title=SCORES[scale.score].axis, row=len(methods), col=1)
    _colour_titles(figure, methods)
    style.finish(figure, height=140 + 165 * len(methods))
    figure.update_layout(
        barmode="overlay",
        bargap=0,
        clickmode="event+select",
        legend={"x": 1, "xanchor": "right"},
        margin={"t": 58},
    )
    return figure


def _right_wrong_bars(method: str, table: pd.DataFrame, symbol: str) -> list[go.Bar]:
    """All units of each bin, and the wrong ones in front of them."""
    width = float(table["right_edge"].iat[0] - table["left"].iat[0])
    text = [
        f"{symbol} {a:.3g} to {b:.3g}<br>right {r:,}, wrong {w:,}"
        for a, b, r, w in zip(
            table["left"], table["right_edge"], table["right"], table["wrong"], strict=True
        )
    ]
    return [
        go.Bar(
            x=(table["left"] + table["right_edge"]) / 2,
            y=height.where(height > 0),
            width=width * 0.92,
            name=verdict,
            legendgroup=verdict,
            marker={"color": colour, "line": {"width": 0}},
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.55}},
            customdata=[[method, i, verdict] for i in range(len(table))],
            text=None,
            hovertext=text,
            hovertemplate="%{hovertext}<extra></extra>",
        )
        for verdict, height, colour in (
            ("right", table["right"] + table["wrong"], style.RIGHT),
            ("wrong", table["wrong"], style.WRONG),
        )
    ]


def curves(
    bands: Mapping[str, Bands],
    names: Mapping[str, str],
    scale: ScoreAxis,
    values: np.ndarray,
    *,
    against: str = "cut-off",
) -> go.Figure:
    """Accuracy and share kept of every network, with 95 % intervals, pale where there are too few
    groups.

    bands: method -> `Judged.curves` at the scores `values` (in the order of the bands). against:
    "cut-off" draws two panels over the score, "share kept" draws accuracy over coverage.
    """
    if against == "share kept":
        figure = make_subplots(cols=1)
        for method, band in bands.items():
            _line(figure, 1, method, names[method], 100 * band.at.coverage, band, values, scale)
            at = int(np.argmin(np.abs(values - scale.cut)))
            figure.add_trace(
                go.Scatter(
                    x=[100 * band.at.coverage[at]],
                    y=[100 * band.at.accuracy[at]],
                    mode="markers",
                    marker={"color": method_of(method).colour, "size": 11, "symbol": "diamond"},
                    name=f"at {scale.cut:g}",
                    showlegend=False,
                    legendgroup=method,
                    hoverinfo="skip",
                )
            )
        figure.update_xaxes(title="share kept (%)", range=[101, 0])
        figure.update_yaxes(title="right among the kept (%)", range=_accuracy_range(bands))
        return style.finish(figure, height=320).update_layout(clickmode="event+select")
    figure = make_subplots(
        cols=2,
        horizontal_spacing=0.1,
        subplot_titles=("right among the kept (%)", "share kept (%)"),
    )
    for method, band in bands.items():
        _line(figure, 1, method, names[method], values, band, values, scale)
        _line(figure, 2, method, names[method], values, band, values, scale, coverage=True)
    figure.update_xaxes(title=SCORES[scale.score].axis, range=[scale.low, scale.high])
    figure.add_vline(x=scale.cut, line={"color": style.GUIDE, "dash": "dot"})
    figure.update_yaxes(range=_accuracy_range(bands), row=1, col=1)
    figure.update_yaxes(range=[-2, 102], row=1, col=2)
    for title in figure.layout.annotations:
        title.update(x=title.x - 0.225, xanchor="left", font={"size": 13})
    style.finish(figure, height=320)
    figure.update_layout(legend={"y": 1.1}, margin={"t": 52}, clickmode="event+select")
    return figure


def _accuracy_range(bands: Mapping[str, Bands]) -> list[float]:
    """The range of the curves, in percent, without the intervals of the few units at the end."""
    lowest = 1.0
    for band in bands.values():
        enough = band.at.coverage >= 0.02
        if enough.any():
            lowest = min(lowest, float(np.nanmin(band.accuracy_low[enough])))
    room = max(1 - lowest, 0.01)
    return [100 * (lowest - 0.1 * room), 100 + 8 * room]


def _runs(few: np.ndarray) -> list[slice]:
    """Runs of equal values; each but the last goes on to the first point of the next."""
    starts = [0, *(np.flatnonzero(np.diff(few)) + 1)] if len(few) else []
    return [slice(a, b + 1) for a, b in zip(starts, [*starts[1:], len(few)], strict=True)]


def _line(
    figure: go.Figure,
    column: int,
    method: str,
    name: str,
    x: np.ndarray,
    band: Bands,
    values: np.ndarray,
    scale: ScoreAxis,
    coverage: bool = False,
) -> None:
    colour = method_of(method).colour
    y, low, high, few = (
        (band.at.coverage, band.coverage_low, band.coverage_high, band.coverage_few)
        if coverage
        else (band.at.accuracy, band.accuracy_low, band.accuracy_high, band.accuracy_few)
    )
    shown = ~np.isnan(y)
    x, y, low, high = x[shown], 100 * y[shown], 100 * low[shown], 100 * high[shown]
    few = few[shown]
    for part in _runs(few):
        figure.add_trace(
            go.Scatter(
                x=np.concatenate([x[part], x[part][::-1]]),
                y=np.concatenate([high[part], low[part][::-1]]),
                mode="lines",  # else Plotly marks the points of a short part
                fill="toself",
                fillcolor=style.faded(colour, 0.07 if few[part.start] else 0.18),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=method,
            ),
            row=1,
            col=column,
        )
    text = [
        f"{scale.sign} {v:.3g}: "
        + (f"{percent(a, 2)} right of {k:,} kept ({percent(c, 1)})" if k else "none kept")
        + style.few_in_words(f)
        for v, a, k, c, f in zip(
            values[shown],
            band.at.accuracy[shown],
            band.at.kept[shown],
            band.at.coverage[shown],
            few,
            strict=True,
        )
    ]
    # Invisible marks: Plotly cannot select the points of a line without marks.
    unseen = {"marker": {"opacity": 0}}
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers",
            name=name,
            legendgroup=method,
            showlegend=column == 1,
            line={"color": colour, "width": 2.2, "dash": method_of(method).dash},
            text=text,
            marker={"opacity": 0, "size": 10},
            selected=unseen,
            unselected=unseen,
            customdata=values[shown],
            hovertemplate=f"{name}<br>%{{text}}<extra></extra>",
        ),
        row=1,
        col=column,
    )


def _mark_cut(figure: go.Figure, scale: ScoreAxis) -> None:
    aside = (scale.low, scale.cut) if scale.sign == "≥" else (scale.cut, scale.high)
    figure.add_vrect(x0=aside[0], x1=aside[1], fillcolor=style.FAINT, line_width=0, layer="below")
    figure.add_vline(x=scale.cut, line={"color": style.GUIDE, "dash": "dot", "width": 2})


def _colour_titles(figure: go.Figure, methods: list[str]) -> None:
    for title, method in zip(figure.layout.annotations, methods, strict=False):
        mark = f'<span style="color:{method_of(method).colour}">■</span>'
        title.update(x=0, xanchor="left", font={"size": 14}, text=f"{mark} <b>{title.text}</b>")
