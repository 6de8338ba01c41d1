"""The values behind a figure as a table: for its CSV file and for screen readers."""

import re
from html import unescape

import numpy as np
import pandas as pd
import plotly.graph_objects as go


def values(figure: go.Figure) -> pd.DataFrame:
    """One row per mark: `series` (name of its trace), `x`, `y`, `value` (of a heatmap), `text`.

    Guides and bands, which show nothing under the mouse, are left out, and so are columns that are
    empty everywhere.
    """
    parts = [_of_trace(trace) for trace in figure.data if trace.hoverinfo != "skip"]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=["series", "x", "y"])
    return pd.concat(parts, ignore_index=True).dropna(axis=1, how="all")


def _of_trace(trace: go.Figure) -> pd.DataFrame:
    x, y = _listed(trace.x), _listed(trace.y)
    value = None
    if trace.type == "heatmap":
        z = np.asarray(trace.z)
        value = z.ravel().tolist()
        x, y = x or list(range(z.shape[1])), y or list(range(z.shape[0]))
        x, y = x * z.shape[0], [at for at in y for _ in range(z.shape[1])]
    n = max(len(x), len(y))
    texts = next(
        (t for t in map(_listed, (trace.hovertext, trace.text)) if len(t) == n and n), [None] * n
    )
    return pd.DataFrame(
        {
            "series": [_plain(trace.name)] * n,
            "x": pd.Series(x or [None] * n, dtype=object),
            "y": pd.Series(y or [None] * n, dtype=object),
            "value": pd.Series(value or [None] * n, dtype=object),
            "text": [_plain(text) for text in texts],
        }
    )


def _listed(column: object) -> list:
    if column is None or isinstance(column, str):
        return []
    return np.asarray(column).tolist()


def _plain(text: object) -> str | None:
    """The text without Plotly's tags."""
    if text is None:
        return None
    return unescape(re.sub(r"<[^>]+>", "", re.sub(r"<br ?/?>", "; ", str(text)))) or None
