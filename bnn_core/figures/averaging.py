"""Figure 6 and similar ones: accuracy and uncertainty by the number of networks averaged."""

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bnn_core.base.wording import percent, short
from bnn_core.figures import style
from bnn_core.measures.sample_views import Running

#: Of the three most probable classes; orange and red mean wrong.
_LINES = tuple(style.CLASS_COLOURS[i] for i in (0, 4, 7))


def network_accuracies(accuracy: np.ndarray, averaged: float, n: int) -> go.Figure:
    """Each single network's accuracy as a histogram, the averaged networks beside it.

    accuracy: (T,) in [0, 1]; averaged: accuracy of the mean softmax; n: images counted.
    """
    counts, edges = np.histogram(accuracy * 100, bins=min(30, max(5, len(accuracy) // 4)))
    figure = go.Figure(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges) * 0.94,
            marker={"color": style.RIGHT},
            name="single networks",
            customdata=np.stack([edges[:-1], edges[1:]], axis=1),
            hovertemplate="%{y} networks<br>%{customdata[0]:.2f} to %{customdata[1]:.2f} % right"
            "<extra></extra>",
        )
    )
    top = int(counts.max()) * 1.08
    for value, name, colour, dash in (
        (float(np.median(accuracy)), "median network", style.RIGHT, "dot"),
        (averaged, f"the {len(accuracy):,} averaged", style.BAYESIAN, "solid"),
    ):
        figure.add_trace(
            go.Scatter(
                x=[value * 100] * 2,
                y=[0, top],
                mode="lines",
                name=f"{name}: {percent(value, 2)}",
                line={"color": colour, "width": 3, "dash": dash},
                hoverinfo="name",
            )
        )
    style.finish(figure, height=320)
    figure.update_xaxes(title=f"accuracy, % of {n:,} images")
    figure.update_yaxes(title="networks")
    return figure


def effect_of_samples(running: Running, classes: Sequence[str]) -> go.Figure:
    """How one image's average and its uncertainty settle as networks are added.

    Bands: 95 % of the averages over that many other networks (mean of all ± 1.96 standard errors,
    clipped to [0, 1]).
    """
    networks, classes = len(running.mean), [escape(short(name)) for name in classes]
    count = np.arange(1, networks + 1)
    figure = make_subplots(
        rows=2,
        shared_xaxes=True,
        vertical_spacing=0.1,
        row_heights=[0.6, 0.4],
        subplot_titles=(
            "average softmax of the first T networks",
            "uncertainty of the predicted class",
        ),
    )
    for c, colour in zip(np.argsort(-running.mean[-1]), _LINES, strict=False):
        if networks > 1:
            figure.add_trace(_band(running, int(c), colour), row=1, col=1)
        figure.add_trace(
            go.Scatter(
                x=count,
                y=running.mean[:, c],
                name=classes[c],
                legendgroup=str(c),
                line={"color": colour, "width": 2},
                mode="lines" if networks > 1 else "markers",
                hovertemplate=f"{classes[c]}: %{{y:.4f}} after %{{x}}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    for values, name, colour, dash in (
        (running.aleatoric, "aleatoric: networks agree on being unsure", style.RIGHT, "solid"),
        (running.epistemic, "epistemic: networks disagree", style.BAYESIAN, "dash"),
    ):
        figure.add_trace(
            go.Scatter(
                x=count,
                y=values,
                name=name,
                mode="lines" if networks > 1 else "markers",
                line={"color": colour, "width": 2, "dash": dash},
                hovertemplate=f"{name.split(':')[0]}: %{{y:.4f}} after %{{x}}<extra></extra>",
            ),
            row=2,
            col=1,
        )
    style.finish(figure, height=470)
    figure.update_xaxes(title="networks averaged, T", row=2, col=1)
    figure.update_yaxes(range=[-0.02, 1.02], row=1, col=1)
    figure.update_yaxes(rangemode="tozero", row=2, col=1)
    style.legend_below(figure)
    return figure


def _band(running: Running, c: int, colour: str) -> go.Scatter:
    """95 % of the averages of class c over that many other networks."""
    count = np.arange(1, len(running.mean) + 1)
    final = running.mean[-1, c]
    low = np.clip(final - 1.96 * running.spread[:, c], 0, 1)
    high = np.clip(final + 1.96 * running.spread[:, c], 0, 1)
    return go.Scatter(
        x=np.concatenate([count, count[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        line={"width": 0},
        fillcolor=style.faded(colour, 0.16),
        hoverinfo="skip",
        showlegend=False,
        legendgroup=str(c),
    )


def sample_size(table: pd.DataFrame) -> go.Figure:
    """Figure 6: accuracy of repeats at several numbers of samples, on one axis.

    table: columns num_samples, repeat, accuracy (in [0, 1]), n_images, pool.
    """
    figure = go.Figure()
    sizes = sorted(table["num_samples"].unique())
    for column, size in enumerate(sizes):
        values = table["accuracy"][table["num_samples"] == size].to_numpy() * 100
        several = len(values) > 1
        side = np.linspace(-1, 1, len(values)) if several else np.zeros(1)
        figure.add_trace(
            go.Scatter(
                x=column + 0.26 * np.random.default_rng(0).permutation(side),
                y=values,
                mode="markers",
                marker={
                    "color": style.BAYESIAN,
                    "size": 5 if several else 11,
                    "opacity": 0.45 if several else 1,
                    "symbol": "circle" if several else "diamond",
                },
                hovertemplate=f"T = {size:,}: %{{y:.3f}} %<br>median {np.median(values):.3f} %"
                "<extra></extra>",
                showlegend=False,
            )
        )
        if several:
            figure.add_trace(
                go.Box(
                    y=values,
                    x=np.full(len(values), column),
                    width=0.62,
                    boxpoints=False,
                    line={"color": style.BAYESIAN, "width": 1.5},
                    fillcolor="rgba(0,0,0,0)",
                    hoverinfo="skip",
                    showlegend=False,
                )
            )
    repeats = table.groupby("num_samples").size()
    style.finish(figure, height=380, legend=False)
    figure.update_xaxes(
        tickvals=list(range(len(sizes))),
        ticktext=[
            f"{size:,}<br>{repeats[size]:,} repeat{'s' if repeats[size] > 1 else ''}"
            for size in sizes
        ],
        title="networks averaged, T",
    )
    figure.update_yaxes(title=f"accuracy, % of {int(table['n_images'].iat[0]):,} images")
    figure.update_layout(hovermode="closest", margin_t=10)
    return figure
