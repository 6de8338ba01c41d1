"""Figures 3A, 3B and beyond: known images against shifted and new ones.

What can be clicked carries customdata [group, kind, bin, predicted]; "" and -1 mean any.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bnn_core.base.scores import SCORES
from bnn_core.base.wording import count, percent, short
from bnn_core.figures import style
from bnn_core.figures.style import CLASS_COLOURS
from bnn_core.measures.mechanisms import Bins
from bnn_core.measures.out_of_distribution import ADDED, GROUPS, NEW, SAME, SHIFTED

COLOURS = {SAME: style.RIGHT, SHIFTED: "#56B4E9", NEW: "#CC79A7", ADDED: "#7E78B8"}
OTHER = "others"


def group_histograms(
    shares: pd.DataFrame, bins: Bins, cut: float, names: Mapping[str, str], highest: float
) -> go.Figure:
    """One histogram per group, one below the other on one axis; shares from `ood.shares`.

    highest: the end of the vertical axes, the same for figures that are compared.
    """
    drawn = [group for group in GROUPS if (shares["group"] == group).any()]
    figure = make_subplots(
        rows=max(len(drawn), 1), cols=1, shared_xaxes=True, vertical_spacing=0.13
    )
    for panel, group in enumerate(drawn, start=1):
        part = shares[shares["group"] == group]
        figure.add_trace(
            go.Bar(
                x=[sum(bins.edges(b)) / 2 for b in part["bin"]],
                y=part["share"],
                width=0.94 * (bins.high - bins.low) / bins.count,
                name=names[group],
                marker={"color": COLOURS[group], "line": {"width": 0}},
                selected={"marker": {"opacity": 1}},
                unselected={"marker": {"opacity": 0.55}},
                customdata=[[group, "", int(b), ""] for b in part["bin"]],
                hovertext=[
                    f"{names[group]}<br>{bins.edges_text(b)}: {percent(s, 1)}, {count(n, 'image')}"
                    for b, s, n in zip(part["bin"], part["share"], part["n"], strict=True)
                ],
                hovertemplate="%{hovertext}<extra></extra>",
            ),
            row=panel,
            col=1,
        )
        axis = "" if panel == 1 else panel
        figure.add_annotation(
            xref=f"x{axis} domain",
            yref=f"y{axis} domain",
            x=0,
            y=1,
            text=f"<b>{names[group]}</b>",
            showarrow=False,
            xanchor="left",
            yanchor="bottom",
            font={"size": 13},
        )
        figure.add_vline(
            x=cut, line={"color": style.GUIDE, "dash": "dot", "width": 2}, row=panel, col=1
        )
    style.finish(figure, height=140 * max(len(drawn), 1) + 60, legend=False)
    figure.update_xaxes(range=[bins.low, bins.high])
    figure.update_xaxes(title=SCORES[bins.score].axis, row=max(len(drawn), 1), col=1)
    figure.update_yaxes(range=[0, 1.04 * highest], fixedrange=True, tickformat=".0%", nticks=4)
    figure.update_layout(clickmode="event+select", margin={"t": 26})
    return figure


def strips(
    shares: pd.DataFrame, lines: pd.DataFrame, bins: Bins, cut: float, group: str, columns: int
) -> go.Figure:
    """All kinds of a group, a line each: squares by share of the kind, a tick at its median.

    shares: `ood.kind_shares`; lines: `ood.kind_table` of the group, in the order to draw.
    """
    depth = -(-len(lines) // columns)
    figure = make_subplots(rows=1, cols=columns, horizontal_spacing=0.12 / columns)
    for column in range(columns):
        part = lines.iloc[column * depth : (column + 1) * depth]
        row_of = {kind: i for i, kind in enumerate(part["kind"])}
        subplot = {"row": 1, "col": column + 1}
        inside = shares[(shares["group"] == group) & shares["kind"].isin(row_of)]
        figure.add_trace(_share_squares(inside, row_of, bins, group), **subplot)
        figure.add_trace(_median_ticks(part["median"]), **subplot)
        figure.add_vline(x=cut, line={"color": style.GUIDE, "dash": "dot", "width": 2}, **subplot)
        figure.update_yaxes(
            range=[depth - 0.4, -0.6],
            tickvals=list(row_of.values()),
            fixedrange=True,
            ticktext=[
                f"<b>{short(k)}</b>" + (" ••" if two else "")
                for k, two in zip(part["kind"], part["bimodal"], strict=True)
            ],
            **subplot,
        )
    style.finish(figure, height=20 * depth + 90, legend=False)
    figure.update_xaxes(
        range=[bins.low - 0.02 * (bins.high - bins.low), bins.high], title=SCORES[bins.score].axis
    )
    figure.update_layout(clickmode="event+select", margin={"t": 6})
    return figure


def _share_squares(
    shares: pd.DataFrame, row_of: dict[str, int], bins: Bins, group: str
) -> go.Scatter:
    """A square per kind and bin; its area is the share of the kind."""
    return go.Scatter(
        x=[sum(bins.edges(b)) / 2 for b in shares["bin"]],
        y=[row_of[kind] for kind in shares["kind"]],
        mode="markers",
        marker={
            "symbol": "square",
            "color": COLOURS[group],
            "line": {"width": 0},
            "size": 2 + 16 * np.sqrt(shares["share"]),
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 0.5}},
        customdata=[
            [group, k, int(b), ""] for k, b in zip(shares["kind"], shares["bin"], strict=True)
        ],
        hovertext=[
            f"{k}, {bins.edges_text(b)}: {n:,} ({percent(s)})"
            for k, b, n, s in zip(
                shares["kind"], shares["bin"], shares["n"], shares["share"], strict=True
            )
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _median_ticks(medians: pd.Series) -> go.Scatter:
    """A tick at the median of each line."""
    return go.Scatter(
        x=medians,
        y=list(range(len(medians))),
        mode="markers",
        hoverinfo="skip",
        marker={
            "symbol": "line-ns",
            "size": 15,
            "line": {"width": 2.5, "color": style.WRONG},
        },
    )


def predicted_dots(
    calls: pd.DataFrame,
    classes: Sequence[str],
    order: Sequence[str],
    score: str,
    ends: tuple[float, float],
    group: str,
) -> go.Figure:
    """Predicted classes of each kind: kinds across, classes down; area is the share of the kind,
    colour its median score."""
    figure = go.Figure(_prediction_squares(calls, score, ends, group))
    style.finish(figure, height=26 * len(classes) + 110, legend=False)
    figure.update_xaxes(**_categories(order), side="top", showgrid=True, gridcolor=style.FAINT)
    figure.update_yaxes(
        **_categories(classes) | {"categoryarray": list(classes)[::-1]}, title="predicted as"
    )
    figure.update_layout(clickmode="event+select", margin={"t": 6})
    return figure


def _prediction_squares(
    calls: pd.DataFrame, score: str, ends: tuple[float, float], group: str
) -> go.Scatter:
    return go.Scatter(
        x=calls["kind"],
        y=calls["predicted"],
        mode="markers",
        marker={
            "symbol": "square",
            "size": 2 + 19 * np.sqrt(calls["share"]),
            "color": calls["median"],
            "cmin": ends[0],
            "cmax": ends[1],
            "colorscale": "Cividis",
            "reversescale": SCORES[score].direction < 0,
            "line": {"width": 1, "color": style.GUIDE},
            "colorbar": {
                "title": {"text": SCORES[score].title, "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
            },
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 0.5}},
        customdata=[
            [group, k, -1, p] for k, p in zip(calls["kind"], calls["predicted"], strict=True)
        ],
        hovertext=[
            f"{k} predicted as {p}: {n:,} ({percent(s)}), median {m:.3g}"
            for k, p, n, s, m in zip(
                calls["kind"],
                calls["predicted"],
                calls["n"],
                calls["share"],
                calls["median"],
                strict=True,
            )
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _categories(names: Sequence[str]) -> dict[str, object]:
    """An axis of names in their order, each with its short form."""
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(names),
        "tickvals": list(names),
        "ticktext": [short(name) for name in names],
        "range": [-0.7, len(names) - 0.3],
    }


def one_kind(
    counts: pd.DataFrame, bins: Bins, group: str, kind: str, cut: float, classes: Sequence[str]
) -> go.Figure:
    """One kind's images by score, coloured by predicted class (`mechanisms.score_histogram`)."""
    figure = go.Figure()
    totals = counts.groupby("predicted")["n"].sum().sort_values(ascending=False, kind="stable")
    named = (
        list(totals.index)
        if len(classes) <= len(CLASS_COLOURS)
        else list(totals.index[: len(CLASS_COLOURS) - 1])
    )
    colours = {
        name: CLASS_COLOURS[i]
        for i, name in enumerate(classes if len(classes) <= len(CLASS_COLOURS) else named)
    }
    if len(classes) <= len(CLASS_COLOURS):
        named.sort(key=list(classes).index)
    for name in [*named, OTHER]:
        part = counts[
            counts["predicted"] == name if name != OTHER else ~counts["predicted"].isin(named)
        ]
        if part.empty:
            continue
        figure.add_trace(
            go.Bar(
                x=[sum(bins.edges(b)) / 2 for b in part["bin"]],
                y=part["n"],
                name=short(name),
                width=0.94 * (bins.high - bins.low) / bins.count,
                marker={"color": colours.get(name, style.UNKNOWN), "line": {"width": 0}},
                selected={"marker": {"opacity": 1}},
                unselected={"marker": {"opacity": 0.55}},
                customdata=[
                    [group, kind, int(b), p]
                    for b, p in zip(part["bin"], part["predicted"], strict=True)
                ],
                hovertext=[
                    f"predicted as {p}, {bins.edges_text(b)}: {n:,}"
                    for b, p, n in zip(part["bin"], part["predicted"], part["n"], strict=True)
                ],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    figure.add_vline(x=cut, line={"color": style.GUIDE, "dash": "dot", "width": 2})
    style.finish(figure, height=320)
    figure.update_xaxes(range=[bins.low, bins.high], title=SCORES[bins.score].axis)
    figure.update_yaxes(title="images", tickformat=",d", fixedrange=True, nticks=5)
    figure.update_layout(
        barmode="stack", clickmode="event+select", legend={"title": {"text": "predicted as "}}
    )
    return figure
