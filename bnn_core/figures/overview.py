"""Overview: the reliability diagram and the course of the training."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bnn_core.base.methods import method_of
from bnn_core.base.wording import percent
from bnn_core.figures import style
from bnn_core.measures.reliability import Reliability


def reliability_trace(
    method: str, bins: Reliability, size: np.ndarray, symbol: str = "circle"
) -> go.Scatter:
    """Share right by mean softmax of the bins with images, with intervals; customdata [method, bin].

    size: of the marks, one per bin with images. A mark is hollow where there are too few groups.
    """
    used = np.flatnonzero(bins.count)
    accuracy, colour = bins.accuracy[used], method_of(method).colour
    symbols = [f"{symbol}-open" if few else symbol for few in bins.few[used]]
    return go.Scatter(
        x=bins.mean_probability[used],
        y=accuracy,
        mode="lines+markers",
        line={"color": colour, "width": 1.5},
        marker={"color": colour, "symbol": symbols, "size": size},
        error_y={
            "type": "data",
            "array": bins.high[used] - accuracy,
            "arrayminus": accuracy - bins.low[used],
            "color": style.faded(colour, 0.5),
            "thickness": 1.2,
            "width": 3,
        },
        customdata=[[method, int(i)] for i in used],
    )


def reliability_diagram(diagrams: Mapping[str, Reliability], names: Mapping[str, str]) -> go.Figure:
    """Share right by mean softmax, per bin of the top mean softmax; the diagonal is ideal.

    Points carry customdata [method, bin]; their size grows with the number of images, bars are 95 %
    intervals (`reliability`), hollow points have too few groups.
    """
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            name="ideal",
            line={"color": style.GUIDE, "dash": "dot"},
            hoverinfo="skip",
        )
    )
    largest = max((r.count.max() for r in diagrams.values()), default=1)
    for method, bins in diagrams.items():
        used = np.flatnonzero(bins.count)
        text = [
            f"{bins.edges[i]:.2f} to {bins.edges[i + 1]:.2f}, mean "
            f"{bins.mean_probability[i]:.3f}<br>right {bins.right[i]:,} of "
            f"{bins.count[i]:,} = {percent(bins.accuracy[i], 1)}{style.few_in_words(bins.few[i])}"
            for i in used
        ]
        shown = method_of(method)
        size = 7 + 9 * np.sqrt(bins.count[used] / largest)
        trace = reliability_trace(method, bins, size, shown.symbol)
        trace.update(
            name=names[method],
            line_dash=shown.dash,
            text=text,
            hovertemplate=f"{names[method]}<br>top softmax %{{text}}<extra></extra>",
        )
        figure.add_trace(trace)
    figure.update_xaxes(title="how sure: mean softmax of the predicted class", range=[-0.02, 1.03])
    figure.update_yaxes(title="how often right", range=[-0.04, 1.06], tickformat=".0%")
    style.finish(figure, height=360)
    figure.update_layout(clickmode="event+select")
    return figure


def training_history(histories: Mapping[str, pd.DataFrame], names: Mapping[str, str]) -> go.Figure:
    """Accuracy and loss per epoch of every method; validation beside training where it is known."""
    figure = make_subplots(
        cols=2,
        horizontal_spacing=0.12,
        subplot_titles=("accuracy", "cross-entropy (nats per image)"),
    )
    for method, table in histories.items():
        colour = method_of(method).colour
        for column, (measure, panel) in {
            "accuracy": ("training", 1),
            "validation_accuracy": ("validation", 1),
            "nll": ("training", 2),
            "validation_nll": ("validation", 2),
        }.items():
            if column in table and table[column].notna().any():
                figure.add_trace(
                    go.Scatter(
                        x=table["epoch"],
                        y=table[column],
                        mode="lines",
                        name=f"{names[method]}, {measure}",
                        legendgroup=f"{method}{measure}",
                        showlegend=panel == 1,
                        line={
                            "color": colour,
                            "width": 2,
                            "dash": "dot" if measure == "training" else None,
                        },
                    ),
                    row=1,
                    col=panel,
                )
    figure.update_xaxes(title="epoch")
    style.finish(figure, height=330)
    for title in figure.layout.annotations:
        title.update(font={"size": 13})
    figure.update_layout(legend={"y": 1.14}, margin={"t": 84}, hovermode="x unified")
    return figure
