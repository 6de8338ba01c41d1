"""Figures 1A-C: the Monte Carlo samples of one image, and the predictions of many networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bnn_core.base.wording import short
from bnn_core.figures import style
from bnn_core.measures.sample_views import swarm_offsets

#: A figure lists at most this many classes, the most probable ones.
MOST_CLASSES = 15
_MOST_SVG = 4000


def listed_classes(mean: np.ndarray, label: int | None) -> np.ndarray:
    """Indices of the classes to show, in class order: all, or the most probable and the label."""
    if len(mean) <= MOST_CLASSES:
        return np.arange(len(mean))
    kept = set(np.argsort(-mean)[: MOST_CLASSES - 1]) | {int(mean.argmax())}
    return np.array(sorted(kept | ({label} if label is not None else set())))


@dataclass(frozen=True)
class Average:
    """One method's mean softmax (C,) of an image, with the method's name and colour."""

    mean: np.ndarray
    name: str = "Bayesian"
    colour: str = style.BAYESIAN


def distribution(
    average: Average,
    classes: Sequence[str],
    label: int | None,
    *,
    samples: np.ndarray | None = None,
    beside: Average | None = None,
) -> go.Figure:
    """Figures 1A and 1B: every sample per class, and the average with its verdict.

    label: class index, None when unlabelled. samples: (T, C), None where the study keeps none.
    beside: the standard network's softmax, drawn as diamonds.
    """
    listed, classes = listed_classes(average.mean, label), [escape(short(name)) for name in classes]
    if samples is None:
        figure = make_subplots(subplot_titles=("average",))
        last = {"row": 1, "col": 1}
    else:
        figure = make_subplots(
            cols=2,
            shared_yaxes=True,
            horizontal_spacing=0.04,
            column_widths=[0.62, 0.38],
            subplot_titles=(f"{len(samples):,} networks, one dot each", "their average"),
        )
        _add_swarms(figure, np.asarray(samples, dtype=np.float64), listed, classes)
        last = {"row": 1, "col": 2}
    names = [classes[c] for c in listed]
    figure.add_trace(_average_bars(average, listed, names), **last)
    if beside is not None:
        figure.add_trace(_diamonds(beside, listed, names), **last)
    _mark_verdict(
        figure, listed, int(average.mean.argmax()), label, "x" if samples is None else "x2"
    )
    style.finish(figure, height=170 + 34 * len(listed))
    figure.update_yaxes(
        tickvals=np.arange(len(listed)),
        ticktext=[classes[c] + (" (label)" if c == label else "") for c in listed],
        showgrid=False,
        ticks="",
        range=[len(listed) - 0.4, -0.6],
    )
    figure.update_xaxes(range=[-0.02, 1.02], title="softmax", showgrid=True, gridcolor=style.FAINT)
    figure.update_layout(
        hovermode="closest",
        bargap=0,
        margin_t=30,
        margin_r=70,
    )
    style.legend_below(figure)
    return figure


def _average_bars(average: Average, listed: np.ndarray, names: list[str]) -> go.Bar:
    return go.Bar(
        x=average.mean[listed],
        y=np.arange(len(listed)),
        customdata=names,
        orientation="h",
        width=0.62,
        name=average.name,
        marker={"color": average.colour},
        hovertemplate="%{customdata}: %{x:.4f}",
    )


def _diamonds(average: Average, listed: np.ndarray, names: list[str]) -> go.Scatter:
    return go.Scatter(
        x=average.mean[listed],
        y=np.arange(len(listed)),
        customdata=names,
        mode="markers",
        name=average.name,
        cliponaxis=False,
        marker={
            "color": average.colour,
            "symbol": "diamond",
            "size": 10,
            "line": {"color": "white", "width": 1},
        },
        hovertemplate="%{customdata}: %{x:.4f}",
    )


def _mark_verdict(
    figure: go.Figure, listed: np.ndarray, predicted: int, label: int | None, axis: str
) -> None:
    """A band behind the label's row, and right or wrong beside the prediction's. axis: of the average."""
    row_of = {int(c): i for i, c in enumerate(listed)}
    if label is not None:
        figure.add_hrect(
            y0=row_of[label] - 0.5,
            y1=row_of[label] + 0.5,
            line_width=0,
            fillcolor=style.FAINT,
            layer="below",
        )
    wrong = label is not None and predicted != label
    figure.add_annotation(
        x=1,
        y=row_of[predicted],
        xref=f"{axis} domain",
        yref="y",
        xanchor="left",
        showarrow=False,
        font={"color": style.WRONG} if wrong else None,
        text="predicted" if label is None else "<b>✕ wrong</b>" if wrong else "✓ right",
    )


def _add_swarms(
    figure: go.Figure, samples: np.ndarray, listed: np.ndarray, classes: Sequence[str]
) -> None:
    votes = samples.argmax(axis=1)
    networks = np.arange(len(samples))
    # WebGL pays only for many dots; a page has few WebGL canvases to spare.
    kind = go.Scatter if len(samples) * len(listed) <= _MOST_SVG else go.Scattergl
    for chosen, name, mark in (
        (
            votes[:, None] != listed,
            "network predicts another class",
            {"color": style.RIGHT, "size": 5, "opacity": 0.55},
        ),
        (
            votes[:, None] == listed,
            "network predicts this class",
            {"color": style.BAYESIAN, "size": 6, "opacity": 0.8},
        ),
    ):
        x, y, text = [], [], []
        for row, c in enumerate(listed):
            inside = chosen[:, row]
            values = samples[:, c]
            x.append(values[inside])
            y.append((row + 0.38 * swarm_offsets(values))[inside])
            text += [f"network {t + 1} · {classes[c]}" for t in networks[inside]]
        figure.add_trace(
            kind(
                x=np.concatenate(x),
                y=np.concatenate(y),
                mode="markers",
                name=name,
                marker=mark,
                text=text,
                hovertemplate="%{text}: %{x:.4f}<extra></extra>",
            ),
            row=1,
            col=1,
        )


def strip(
    predicted: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    rows: np.ndarray,
    names: Sequence[str],
    *,
    averaged: np.ndarray,
    current: int | None = None,
) -> go.Figure:
    """Figure 1C: networks by images, colour = predicted class; a column is one image.

    predicted: (n, T) class indices. labels: (n,) class index or -1. rows: (n,) row number of each
    image, the customdata of its column. names: of the images, for hovering. averaged: (n,)
    class the average predicts. current: row number to outline.
    """
    images, networks = predicted.shape
    classes, names = ([escape(short(name)) for name in words] for words in (classes, names))
    shade, colours, meaning = _strip_colours(predicted, labels, classes)
    figure = go.Figure(
        go.Heatmap(
            z=shade.T,
            x=np.arange(images),
            y=np.arange(1, networks + 1),
            zmin=-0.5,
            zmax=len(colours) - 0.5,
            colorscale=_steps(colours),
            showscale=False,
            hoverinfo="skip",
        )
    )
    for name, colour in zip(meaning, colours, strict=True):
        figure.add_trace(_legend_square(name, colour))
    text = [
        _votes_text(*one, classes=classes)
        for one in zip(names, labels, averaged, predicted, strict=True)
    ]
    figure.add_trace(_clickable_columns(rows, text, networks))
    figure.add_trace(_wrong_marks((labels >= 0) & (averaged != labels), rows, text, networks))
    if current is not None:
        for column in np.flatnonzero(rows == current):
            _outline(figure, int(column), images, networks)
    style.finish(figure, height=400)
    figure.update_xaxes(
        title=f"{images:,} images", showticklabels=False, ticks="", range=[-0.5, images - 0.5]
    )
    figure.update_yaxes(
        title="network", showgrid=False, range=[-networks * 0.08, networks * 1.07 + 0.5]
    )
    figure.update_layout(hovermode="closest", legend={"itemclick": False, "itemdoubleclick": False})
    return figure


def _legend_square(name: str, colour: str) -> go.Scatter:
    """A trace without marks, for the legend of a heatmap."""
    return go.Scatter(
        x=[None],
        y=[None],
        mode="markers",
        name=name,
        marker={"symbol": "square", "size": 11, "color": colour},
    )


def _clickable_columns(rows: np.ndarray, text: list[str], networks: int) -> go.Bar:
    """An invisible bar over each column: a heatmap gets no clicks."""
    return go.Bar(
        x=np.arange(len(rows)),
        y=np.full(len(rows), networks),
        base=0.5,
        width=1,
        showlegend=False,
        marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
        customdata=rows,
        text=text,
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
        unselected={"marker": {"opacity": 1}},
    )


def _wrong_marks(wrong: np.ndarray, rows: np.ndarray, text: list[str], networks: int) -> go.Scatter:
    """A cross below each column whose average is wrong."""
    return go.Scatter(
        x=np.flatnonzero(wrong),
        y=np.full(wrong.sum(), -networks * 0.035),
        mode="markers",
        marker={"symbol": "x", "color": style.WRONG, "size": 7},
        customdata=rows[wrong],
        name="average is wrong",
        text=[t for t, w in zip(text, wrong, strict=True) if w],
        hovertemplate="%{text}<extra></extra>",
        unselected={"marker": {"opacity": 1}},
    )


def _outline(figure: go.Figure, column: int, images: int, networks: int) -> None:
    """A frame around one column, with "this image" above it."""
    figure.add_shape(
        type="rect",
        x0=column - 0.5,
        x1=column + 0.5,
        y0=0.5,
        y1=networks + 0.5,
        line={"color": style.BAYESIAN, "width": 2},
    )
    near = 0.06 * images  # near an end a centred text would be cut off
    anchor = "left" if column < near else "right" if column > images - near else "center"
    figure.add_annotation(
        x=column,
        y=networks + 0.5,
        text="this image",
        showarrow=False,
        yanchor="bottom",
        xanchor=anchor,
    )


def _strip_colours(
    predicted: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, list[str], list[str]]:
    """Content of the cells: a colour per class while these can be distinguished, else right or not."""
    if len(classes) <= len(style.CLASS_COLOURS):
        return predicted, list(style.CLASS_COLOURS[: len(classes)]), list(classes)
    shade = np.where(labels[:, None] < 0, 2, predicted != labels[:, None])
    return (
        shade,
        [style.RIGHT, style.WRONG, style.FAINT],
        ["the label", "another class", "no label"],
    )


def _votes_text(
    name: str, label: int, averaged: int, predicted: np.ndarray, classes: Sequence[str]
) -> str:
    called, counts = np.unique(predicted, return_counts=True)
    order = np.argsort(-counts)[:4]
    votes = ", ".join(f"{counts[i]} predict {classes[called[i]]}" for i in order)
    given = f"label {classes[label]}" if label >= 0 else "no label"
    return f"{name}<br>{given}, average predicts {classes[averaged]}<br>{votes}"


def _steps(colours: Sequence[str]) -> list[list]:
    """A colour scale of equal steps without blending."""
    n = len(colours)
    return [[edge / n, colour] for i, colour in enumerate(colours) for edge in (i, i + 1)]
