"""Compare methods: figures of merit with intervals, calibration, accuracy by share kept.

Points of the reliability diagrams carry customdata [method, bin].
"""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bnn_core.base.methods import method_of
from bnn_core.base.wording import percent
from bnn_core.figures import style
from bnn_core.figures.overview import reliability_trace
from bnn_core.measures.comparison import CRITERIA, Comparison
from bnn_core.measures.evaluation import RiskCoverage
from bnn_core.measures.intervals import Interval
from bnn_core.measures.reliability import Reliability

_COLUMNS = 4
#: Pixels between two rows of panels: the ticks of one, the titles of the next.
_BETWEEN = 75
#: Points of a curve: more than a screen resolves.
_POINTS = 400


def criteria(
    comparison: Comparison,
    shown: Sequence[str],
    names: Mapping[str, str],
    against: str | None = None,
) -> go.Figure:
    """A panel per criterion: every method's figure with its 95 % interval, the best one filled.

    against: draw the paired differences to this method; an interval off the line is no tie. An arrow
    beside a title points to the better side: ↑ higher, ↓ lower.
    """
    rows = -(-len(shown) // _COLUMNS)
    columns = min(_COLUMNS, len(shown))
    titles = [f"<b>{CRITERIA[c].title}</b>{_better(c)}" for c in shown]
    height = 70 + rows * (_BETWEEN + 22 * len(comparison.methods))
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_yaxes=True,
        subplot_titles=titles,
        horizontal_spacing=0.03,
        vertical_spacing=_BETWEEN / height if rows > 1 else 0,
    )
    for panel, criterion in enumerate(shown):
        cell = {"row": panel // columns + 1, "col": panel % columns + 1}
        standing = comparison.standing(criterion)
        best = {standing.leader, *standing.tied} if standing else set()
        values = {m: comparison.figure(criterion, m, against) for m in comparison.methods}
        for method, value in values.items():
            if np.isnan(value.value):
                continue
            mark = _interval_mark(names[method], method_of(method).colour, value, method in best)
            title = CRITERIA[criterion].title
            mark.hovertemplate = (
                f"{names[method]}<br>{title} {value.value:.4f} "
                f"[{value.low:.4f}, {value.high:.4f}]<extra></extra>"
            )
            figure.add_trace(mark, **cell)
        figure.update_xaxes(
            range=style.padded(*([v.low, v.value, v.high] for v in values.values())), **cell
        )
        if against is not None:
            figure.add_vline(x=0, line={"color": style.GUIDE, "dash": "dot", "width": 2}, **cell)
    style.finish(figure, height=height, legend=False)
    figure.update_yaxes(
        categoryorder="array",
        showgrid=False,
        fixedrange=True,
        categoryarray=[names[m] for m in reversed(comparison.methods)],
    )
    figure.update_xaxes(
        showgrid=True, gridcolor=style.FAINT, nticks=4, fixedrange=True, exponentformat="none"
    )
    _small_titles(figure)
    return figure


def _interval_mark(name: str, colour: str, value: Interval, filled: bool) -> go.Scatter:
    """A method's figure as a point with its interval."""
    return go.Scatter(
        x=[value.value],
        y=[name],
        mode="markers",
        showlegend=False,
        marker={
            "color": colour if filled else "rgba(0,0,0,0)",
            "size": 10,
            "line": {"color": colour, "width": 2},
        },
        error_x={
            "type": "data",
            "array": [value.high - value.value],
            "arrayminus": [value.value - value.low],
            "color": colour,
            "thickness": 2,
            "width": 4,  # without its end an interval looks cut
        },
    )


def reliability_diagrams(
    diagrams: Mapping[str, Reliability], names: Mapping[str, str]
) -> go.Figure:
    """A reliability diagram per method, all on the same axes; the diagonal is ideal.

    Bars are 95 % intervals, points grow with the number of images and are hollow where there are too
    few groups.
    """
    columns = min(_COLUMNS, len(diagrams))
    rows = -(-len(diagrams) // columns)
    # Names in full would meet one another in a narrow window.
    titles = [
        f'<span style="color:{method_of(m).colour}">■</span> {method_of(m).short}' for m in diagrams
    ]
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes=True,
        shared_yaxes=True,
        subplot_titles=titles,
        horizontal_spacing=0.02,
        vertical_spacing=0.16 / rows,
    )
    largest = max((r.count.max() for r in diagrams.values()), default=1)
    for panel, (method, bins) in enumerate(diagrams.items()):
        cell = {"row": panel // columns + 1, "col": panel % columns + 1}
        used = np.flatnonzero(bins.count)
        figure.add_trace(
            go.Scatter(
                x=[0, 1],
                y=[0, 1],
                mode="lines",
                hoverinfo="skip",
                line={"color": style.GUIDE, "dash": "dot"},
            ),
            **cell,
        )
        text = [
            f"top softmax {bins.edges[i]:.2f} to {bins.edges[i + 1]:.2f}<br>right "
            f"{bins.right[i]:,} of {bins.count[i]:,} = {percent(bins.accuracy[i], 1)}"
            f"{style.few_in_words(bins.few[i])}"
            for i in used
        ]
        size = 6 + 8 * np.sqrt(bins.count[used] / max(largest, 1))
        trace = reliability_trace(method, bins, size)
        trace.update(text=text, hovertemplate=f"{names[method]}<br>%{{text}}<extra></extra>")
        figure.add_trace(
            trace,
            **cell,
        )
    figure.update_xaxes(range=[-0.03, 1.06], tickvals=[0, 0.5, 1])
    figure.update_yaxes(range=[-0.05, 1.08], tickvals=[0, 0.5, 1], tickformat=".0%")
    figure.update_xaxes(title="mean softmax", row=rows)
    figure.update_yaxes(title="right", col=1)
    style.finish(figure, height=60 + 210 * rows, legend=False)
    _small_titles(figure)
    figure.update_layout(clickmode="event+select")
    return figure


def retention(curves: Mapping[str, RiskCoverage], names: Mapping[str, str]) -> go.Figure:
    """Share right among the surest images against the share kept, one line per method.

    Ends where every method is right.
    """
    figure = go.Figure()
    lowest, surest = 1.0, 1.0
    for method, curve in curves.items():
        n = len(curve.risk)
        if not n:
            continue
        ranks = np.unique(np.linspace(0, n - 1, min(n, _POINTS)).astype(int))
        ranks = ranks[ranks + 1 >= min(n, 20)]  # a few images give no share
        right = 1 - curve.risk[ranks]
        lowest = min(lowest, float(right.min()))
        if (right < 1).any():
            surest = min(surest, float(curve.coverage[ranks][right < 1].min()))
        figure.add_trace(
            go.Scatter(
                x=100 * curve.coverage[ranks],
                y=100 * right,
                mode="lines",
                name=names[method],
                line={
                    "color": method_of(method).colour,
                    "width": 2.2,
                    "dash": method_of(method).dash,
                },
                hovertemplate=f"{names[method]}<br>%{{x:.1f}} % kept: %{{y:.2f}} % right"
                "<extra></extra>",
            )
        )
    room = max(1 - lowest, 0.002)
    figure.update_xaxes(title="share kept (%)", range=[101, max(100 * surest - 5, 0)])
    figure.update_yaxes(
        title="right among the kept (%)", range=[100 * (lowest - 0.1 * room), 100 + 8 * room]
    )
    return style.finish(figure, height=340)


def _better(criterion: str) -> str:
    return {1: " ↑", -1: " ↓", 0: ""}[CRITERIA[criterion].better]


def _small_titles(figure: go.Figure) -> None:
    for title in figure.layout.annotations:
        title.update(font={"size": 12.5})
