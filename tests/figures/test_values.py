"""The table of a figure has what the figure shows."""

import numpy as np
import plotly.graph_objects as go

from bnn_core.figures.values import values


def test_every_mark_is_a_row_with_its_series_and_text():
    figure = go.Figure(
        [
            go.Bar(x=np.array([0.1, 0.2]), y=[3, 4], name="a &lt;b&gt;", hovertext=["p<br>q", "r"]),
            go.Scatter(x=["u", "v", "w"], y=[1.0, 2.0, None], name="line", text="all"),
            go.Scatter(x=[0, 1], y=[0, 1], hoverinfo="skip"),
        ]
    )
    table = values(figure)
    assert list(table) == ["series", "x", "y", "text"]
    assert table["series"].tolist() == ["a <b>"] * 2 + ["line"] * 3
    assert table["x"].tolist() == [0.1, 0.2, "u", "v", "w"]
    assert table["y"].tolist()[:4] == [3, 4, 1.0, 2.0]
    assert table["text"].tolist()[:2] == ["p; q", "r"] and table["text"][2:].isna().all()


def test_a_heatmap_is_a_row_per_cell():
    table = values(go.Figure(go.Heatmap(z=[[1, 2, 3], [4, 5, 6]], x=list("abc"), y=["p", "q"])))
    assert table["value"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["x"].tolist() == list("abcabc") and table["y"].tolist() == list("pppqqq")


def test_a_figure_without_marks_is_an_empty_table():
    assert values(go.Figure(go.Scatter(x=[0], y=[0], hoverinfo="skip"))).empty
