"""The table of a figure has what the figure shows."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

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


def test_marks_on_a_scale_of_colours_give_their_number():
    number = go.Scatter(x=[1, 2], y=[3, 4], marker={"color": [0.5, 0.25]})
    name = go.Scatter(x=[1], y=[3], marker={"color": ["#ff0000"]})
    table = values(go.Figure([number, name]))
    assert table["value"].tolist()[:2] == [0.5, 0.25] and np.isnan(table["value"][2])


def test_panels_axes_and_error_bars_are_named():
    figure = make_subplots(rows=2, cols=2, subplot_titles=["<b>a</b> ↑", "b", "", "d"])
    for k, (row, col) in enumerate(((1, 1), (1, 2), (2, 2))):
        bar = {"type": "data", "array": [0.25], "arrayminus": [0.5]} if k < 2 else None
        figure.add_trace(go.Scatter(x=[k], y=[1], name="n", error_x=bar), row=row, col=col)
    figure.update_xaxes(title="score", row=2)
    table = values(figure)
    assert list(table) == ["panel", "series", "score", "y", "low", "high"]
    assert table["panel"].tolist() == ["a ↑", "b", "d"] and table["score"].tolist() == [0, 1, 2]
    assert table["low"].tolist()[:2] == [-0.5, 0.5] and table["high"].tolist()[:2] == [0.25, 1.25]
    assert table[["low", "high"]].iloc[2].isna().all()


def test_a_figure_without_marks_is_an_empty_table():
    assert values(go.Figure(go.Scatter(x=[0], y=[0], hoverinfo="skip"))).empty


def test_axes_of_one_name_and_missing_bars_are_told_apart():
    figure = go.Figure(
        go.Scatter(x=[1, 2], y=[3, 4], error_y={"type": "data", "array": [0.5, None]})
    )
    figure.update_xaxes(title="accuracy").update_yaxes(title="accuracy")
    table = values(figure)
    assert table["accuracy (x)"].tolist() == [1, 2] and table["accuracy (y)"].tolist() == [3, 4]
    assert table["high"][0] == 3.5 and np.isnan(table["high"][1])
