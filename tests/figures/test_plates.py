"""Plate maps: squares of the size of their places, whatever the format and the number of plates."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from bnn_core.figures import plates
from bnn_core.tables.wells import PLATE_FORMATS

#: What the page has beside its sidebar on a screen 1280 wide.
ROOM = 848


def wells(size, count):
    rows, columns = PLATE_FORMATS[size]
    return pd.DataFrame(
        [(f"P{p}", r, c) for p in range(count) for r in (1, rows) for c in (1, columns)],
        columns=["plate", "row", "column"],
    )


def drawn(size, count, colours=None):
    table = wells(size, count)
    colours = colours or plates.Colours("c", pd.Series([0.5] * len(table)), ends=(0, 1))
    return plates.plate_map(table, colours, PLATE_FORMATS[size], ["<b>x</b>"] * len(table))


@pytest.mark.parametrize("size", PLATE_FORMATS)
@pytest.mark.parametrize("count", [1, 2, 4, 60])
def test_squares_fit_their_places_and_the_map_its_page(size, count):
    figure = drawn(size, count)
    layout, margin = figure.layout, figure.layout.margin
    wide = (layout.width - margin.l - margin.r) / (layout.xaxis.range[1] - layout.xaxis.range[0])
    high = (layout.height - margin.t - margin.b) / (layout.yaxis.range[0] - layout.yaxis.range[1])
    squares = [t for t in figure.data if t.marker.symbol == "square"]
    assert layout.width <= ROOM
    assert wide == pytest.approx(high, rel=0.01)
    assert all(0.8 * wide < t.marker.size < wide for t in squares)
    assert {type(t) for t in figure.data} == {go.Scatter}  # WebGL slips off tall maps
    inside = [layout.xaxis.range[0] < x < layout.xaxis.range[1] for t in squares for x in t.x]
    inside += [layout.yaxis.range[1] < y < layout.yaxis.range[0] for t in squares for y in t.y]
    assert all(inside)


def test_empty_places_are_dots_and_hollow_classes_open():
    names = pd.Series(["control", "A", "A", None])
    figure = drawn(
        24,
        1,
        plates.Colours(
            "label", names, classes={"A": "#111111", "control": "#222222"}, hollow=("control",)
        ),
    )
    empty, solid, hollow = figure.data
    assert len(empty.x) == 20 and (1, 1) not in zip(empty.x, empty.y, strict=True)
    assert solid.marker.symbol == "square" and solid.customdata.tolist() == [1, 2]
    assert hollow.marker.symbol == "square-open" and hollow.customdata.tolist() == [0]


def test_names_are_shown_not_obeyed():
    table = wells(24, 2).replace({"plate": {"P0": "<b>P</b>", "P1": 7}})
    colours = plates.Colours("label", pd.Series(["<i>A"] * 8), classes={"<i>A": "#111111"})
    figure = plates.plate_map(table, colours, PLATE_FORMATS[24], [""] * 8)
    assert [a.text for a in figure.layout.annotations] == ["&lt;b&gt;P&lt;/b&gt;", "7"]
    assert [t.name for t in figure.data] == ["&lt;i&gt;A"]


def test_means_have_room_for_their_intervals_and_no_scale_of_rounding_errors():
    def drawn(means, high):
        table = pd.DataFrame({"line": [1, 2], "n": 3, "mean": means, "low": means, "high": high})
        return plates.line_means(table, "row", "c").layout.yaxis.range

    assert drawn([0.2, 0.2 + 1e-16], [0.2, np.nan]) == pytest.approx((0.15, 0.25))
    assert drawn([0.2, 0.3], [0.4, np.nan]) == pytest.approx((0.188, 0.412))
    empty = pd.DataFrame(columns=["line", "n", "mean", "low", "high"], dtype=float)
    assert plates.line_means(empty, "row", "c").layout.yaxis.range == (0, 1)
