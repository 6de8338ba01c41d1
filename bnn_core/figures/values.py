"""The values behind a figure as a table: for its CSV file and for screen readers."""

import re
from html import unescape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

_COLUMNS = ("panel", "series", "x", "y", "low", "high", "value", "text")


def values(figure: go.Figure) -> pd.DataFrame:
    """One row per mark: `panel` (its title), `series` (name of its trace), `x`, `y`, `low` and `high`
    (of its error bar), `value` (of a heatmap, or of the colour of its mark), `text`.

    x and y have the name of their axis, where the figure has one name for it. Guides and bands,
    which show nothing under the mouse, are left out, and so are columns that are empty everywhere.
    """
    parts = [
        _of_trace(trace).assign(panel=_panel(figure, trace))
        for trace in figure.data
        if trace.hoverinfo != "skip"
    ]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=["series", "x", "y"])
    table = pd.concat(parts, ignore_index=True).dropna(axis=1, how="all")
    table = table[[c for c in _COLUMNS if c in table]].infer_objects()
    names = {axis: _axis_name(figure, axis) or axis for axis in "xy"}
    if names["x"] == names["y"] or {*names.values()} & ({*_COLUMNS} - {"x", "y"}):
        names = {axis: f"{name} ({axis})" for axis, name in names.items()}
    return table.rename(columns=names)


def _of_trace(trace: go.Figure) -> pd.DataFrame:
    x, y = _listed(trace.x), _listed(trace.y)
    value = _shades(trace)
    if trace.type == "heatmap":
        z = np.asarray(trace.z)
        value = z.ravel().tolist()
        x, y = x or list(range(z.shape[1])), y or list(range(z.shape[0]))
        x, y = x * z.shape[0], [at for at in y for _ in range(z.shape[1])]
    n = max(len(x), len(y))
    texts = next(
        (t for t in map(_listed, (trace.hovertext, trace.text)) if len(t) == n and n), [None] * n
    )
    low, high = _error_bar(trace, x, y)
    columns = {"x": x, "y": y, "low": low, "high": high, "value": value}
    return pd.DataFrame(
        {"series": [_plain(trace.name)] * n, "text": [_plain(text) for text in texts]}
        | {name: pd.Series(held or [None] * n, dtype=object) for name, held in columns.items()}
    )


def _shades(trace: go.Figure) -> list:
    """The numbers that the marks show on a scale of colours; empty without one."""
    shades = _listed(getattr(getattr(trace, "marker", None), "color", None))
    return [] if any(isinstance(shade, str) for shade in shades) else shades


def _error_bar(trace: go.Figure, x: list, y: list) -> tuple[list, list]:
    """Both ends of the error bars, in units of their axis; empty without one."""
    for axis, centre in (("error_x", x), ("error_y", y)):
        bar = getattr(trace, axis, None)
        up = _listed(bar.array) if bar is not None and bar.visible is not False else []
        if len(up) == len(centre) and up:
            down = _listed(bar.arrayminus) or up
            at, below, above = (np.array(part, np.float64) for part in (centre, down, up))
            return (at - below).tolist(), (at + above).tolist()
    return [], []


def _panel(figure: go.Figure, trace: go.Figure) -> str | None:
    """The title above the panel of a trace; None where there is none."""
    if "xaxis" not in trace or "yaxis" not in trace:
        return None
    left, right = _domain(figure, trace.xaxis or "x")
    top = _domain(figure, trace.yaxis or "y")[1]
    for title in figure.layout.annotations:
        above = title.yref == "paper" and title.y is not None and 0 <= title.y - top + 1e-3 < 0.05
        if above and title.xref == "paper" and left - 1e-3 <= title.x <= right + 1e-3:
            return _plain(title.text)
    return None


def _domain(figure: go.Figure, axis: str) -> tuple[float, float]:
    """The part of the figure that an axis ("x2") spans, of 0 to 1."""
    return figure.layout[f"{axis[0]}axis{axis[1:]}"].domain or (0.0, 1.0)


def _axis_name(figure: go.Figure, letter: str) -> str | None:
    """The title of all axes of a letter; None where they have none, or different ones."""
    axes = figure.select_xaxes() if letter == "x" else figure.select_yaxes()
    titles = {_plain(axis.title.text) for axis in axes} - {None}
    return titles.pop() if len(titles) == 1 else None


def _listed(column: object) -> list:
    if column is None or isinstance(column, str):
        return []
    return np.asarray(column).tolist()


def _plain(text: object) -> str | None:
    """The text without Plotly's tags."""
    if text is None:
        return None
    return unescape(re.sub(r"<[^>]+>", "", re.sub(r"<br ?/?>", "; ", str(text)))) or None
