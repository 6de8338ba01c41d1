"""The scatter of two networks: what it draws, and what a click on it means."""

import numpy as np
import pandas as pd

from bnn_core.figures import scatter, style
from bnn_core.measures import selection

STANDARD = scatter.Axis("Standard network: c", (0, 1), 0.5, style.STANDARD)
BAYES = scatter.Axis("Bayesian network: c", (0, 1), 0.4, style.BAYESIAN)


def drawn(outcome=(0, 0, 1, 2, 3, 4), rest=None, rings=None, standard=STANDARD):
    outcome = np.array(outcome)
    x = y = np.linspace(0, 1, len(outcome))
    points = pd.DataFrame(
        {
            "x": x,
            "y": y,
            "outcome": outcome,
            "row": 10 + np.arange(len(x)),
            "text": [f"image {i}" for i in range(len(x))],
        }
    )
    verdict = np.array([0, 1, 0, 1, 2])[outcome]
    margins = {
        "standard": selection.marginal_counts(x, verdict, 0, 1, 4),
        "bayes": selection.marginal_counts(y, verdict, 0, 1, 4),
    }
    corners = selection.quadrants(y >= 0.4, x >= 0.5)
    return scatter.agreement(
        points,
        standard,
        BAYES,
        margins,
        selection.quadrant_table(corners, outcome),
        rest=rest,
        rings=rings,
    )


def named(figure, start):
    return next(t for t in figure.data if (t.name or "").startswith(start))


def test_every_outcome_has_its_mark_and_every_point_its_row():
    figure = drawn()
    points = [t for t in figure.data if t.type == "scattergl"]
    assert sorted(row for t in points for row in t.customdata) == list(range(10, 16))
    for name in ("only Bayesian wrong", "only standard wrong", "both wrong"):
        assert named(figure, name).marker.color == style.WRONG
    assert named(figure, "both right").marker.color == style.RIGHT
    # Told apart without colour: each kind has its own symbol.
    assert len({t.marker.symbol for t in points}) == 5


def test_marginal_bars_count_all_images_and_name_themselves():
    bars = [t for t in drawn().data if t.type == "bar"]
    across = [t for t in bars if t.orientation == "v"]
    assert sum(sum(t.y) for t in across) == 6
    assert sum(sum(t.x) for t in bars if t.orientation == "h") == 6
    wrong = next(t for t in across if t.customdata[0].endswith("/wrong"))
    assert scatter.bar_of(wrong.customdata[0]) == ("standard", 1, "wrong")


def test_corners_show_counts_and_lines_are_at_the_cut_offs():
    figure = drawn()
    said = {a.text for a in figure.layout.annotations}
    assert "<b>3</b> both sure" in said and "<b>2</b> neither sure" in said
    assert [shape.x0 for shape in figure.layout.shapes if shape.yref == "paper"] == [0.5]
    assert [shape.y0 for shape in figure.layout.shapes if shape.xref == "paper"] == [0.4]


def test_counts_of_corners_hide_no_point_and_are_left_out_where_there_is_no_room():
    figure = drawn()
    corners = {a.text.split("> ")[1]: a for a in figure.layout.annotations}
    assert len(corners) == 4
    # Scores are from 0 to 1: the counts are beyond both ends, within the frame.
    sure, neither = corners["both sure"], corners["neither sure"]
    assert (sure.x, sure.y, sure.xanchor, sure.yanchor) == (0.5, 1, "left", "bottom")
    assert (neither.x, neither.y, neither.xanchor, neither.yanchor) == (0.5, 0, "right", "top")
    assert figure.layout.yaxis.range == (-0.07, 1.07)
    narrow = scatter.Axis("Standard network: c", (0, 1), 0.9, style.STANDARD)
    left = {a.text.split("> ")[1] for a in drawn(standard=narrow).layout.annotations}
    assert left == {"only Bayesian sure", "neither sure"}


def test_undrawn_images_are_a_density_that_gives_their_number():
    rest = np.zeros((5, 5), int)
    rest[4, 0] = 1000
    heat = next(t for t in drawn(rest=rest).data if t.type == "heatmap")
    assert heat.customdata[4][0] == 1000 and heat.z[4][0] == 3
    assert np.isnan(heat.z[0][0])
    np.testing.assert_allclose([heat.x[0], heat.y[4]], [0.1, 0.9])
    assert not [t for t in drawn(rest=np.zeros((5, 5), int)).data if t.type == "heatmap"]


def test_marked_images_wear_a_ring():
    rings = {"flagged": np.arange(6) == 2, "marked": np.zeros(6, bool)}
    ring = named(drawn(rings=rings), "flagged")
    assert list(ring.customdata) == [12] and ring.marker.symbol == "circle-open"


def test_ticks_of_a_stretched_axis():
    axis = scatter.Axis("c", (0, 3), 1, style.STANDARD, {0: "0", 1: "0.9", 2: "0.99"})
    assert list(drawn(standard=axis).layout.xaxis.ticktext) == ["0", "0.9", "0.99"]
