import numpy as np
import pandas as pd
import pytest
from screens import calling, with_summary

from bnn_core.figures.mechanisms import score_histogram as histogram_figure
from bnn_core.measures import mechanisms
from bnn_core.measures.mechanisms import Bins

BINS = Bins("top_softmax", 0.0, 1.0, 10)


@pytest.fixture
def table():
    """Eight rows: compound a of label A at two doses and one unlabelled, b of A, c of B, DMSO."""
    images = pd.DataFrame(
        {
            "image_id": [str(i) for i in range(8)],
            "label": ["A", "A", "A", None, "A", "B", None, "A"],
            "role": [
                "scored",
                "scored",
                "scored",
                "unlabelled",
                "scored",
                "scored",
                "control",
                "shifted",
            ],
            "compound": ["a", "a", "a", "a", "b", "c", "DMSO", "b"],
            "concentration": [1.0, 1.0, 3.0, 0.1, 1.0, 1.0, 0.0, 1.0],
        }
    )
    p = calling(["A", "B", "B", "A", "A", "B", "C", "B"])
    p[1] = [0.3, 0.5, 0.1, 0.1]
    return with_summary(images, p)


def test_compounds_of_a_label_the_most_wrong_first(table):
    found = mechanisms.compounds_of_label(table, "A")
    assert found["compound"].tolist() == ["a", "b"]
    assert found["images"].tolist() == [3, 2] and found["n"].tolist() == [3, 1]
    np.testing.assert_allclose(found["accuracy"], [1 / 3, 1])
    assert found["called"].tolist() == [("B",), ("B",)] and found["called_n"].tolist() == [2, 1]
    assert mechanisms.labelled_compounds(table) == {"A": 2, "B": 1}


def test_a_compound_that_is_all_right_beside_a_wrong_one_is_called_nothing(table):
    table.loc[7, ["predicted", "correct"]] = ["A", True]
    assert mechanisms.compounds_of_label(table, "A")["called"].tolist() == [("B",), ()]


def test_wrong_calls_that_are_equally_common_are_all_named(table):
    table.loc[1, "predicted"] = "C"
    found = mechanisms.compounds_of_label(table, "A")
    assert found.loc[0, "called"] == ("B", "C") and found.loc[0, "called_n"] == 1


def test_bars_count_by_predicted_class_and_lead_back_to_their_images(table):
    part = mechanisms.compound_rows(table, ["a"], "A")
    found = mechanisms.score_counts(part, BINS)
    assert found.to_numpy().tolist() == [[5, "B", 1], [9, "A", 1], [9, "B", 1]]
    for place, predicted, n in found.itertuples(index=False):
        assert len(mechanisms.in_bar(part, BINS, place, predicted)) == n
    assert mechanisms.in_bar(part, BINS, 9, "B").tolist() == [2]
    assert BINS.edges(5) == pytest.approx((0.5, 0.6))


def test_an_unknown_score_is_in_no_bar_and_sorted_last(table):
    table.loc[0, "top_softmax"] = np.nan
    assert mechanisms.score_counts(table, BINS)["n"].sum() == 7
    assert mechanisms.surest_first(table, "top_softmax").tolist() == [2, 3, 4, 5, 6, 7, 1, 0]
    assert mechanisms.surest_first(table, "predictive_entropy")[-1] == 1


def test_all_doses_are_there_and_only_scored_images_count(table):
    low, middle, high = mechanisms.doses_of_compound(table, "a")
    assert (low.concentration, low.scored, low.calls) == (0.1, 0, {"A": 1})
    assert (middle.rows.tolist(), middle.scored, middle.right) == ([0, 1], 2, 1)
    assert (high.scored, high.right, high.calls) == (1, 0, {"B": 1})
    bare = table.drop(columns="concentration")
    (only,) = mechanisms.doses_of_compound(bare, "a")
    assert np.isnan(only.concentration) and len(only.rows) == 4


def test_the_published_counts_of_colchicine(authors):
    table = with_summary(
        authors.frame.rename(columns={"MOA": "label", "image_name": "image_id"})[
            ["image_id", "label", "compound", "concentration"]
        ],
        authors.p,
        authors.classes,
    )
    found = mechanisms.compounds_of_label(table, "Microtubule destabilizers").set_index("compound")
    assert found["n"].to_dict() == {
        "colchicine": 12,
        "demecolcine": 48,
        "nocodazole": 24,
        "vincristine": 84,
    }
    assert found.loc["colchicine", ["right", "called"]].tolist() == [0, ("Kinase inhibitors",)]


#: How much of a text lies left of its position.
SHARE_LEFT = {"left": 0, "center": 0.5, "right": 1}


def test_names_of_classes_do_not_overlap_bars_or_each_other():
    bins = Bins("confidence", 0.0, 1.0, 20)
    counts = pd.DataFrame(
        {
            "bin": [0, 0, 2, 3, 4, 16],
            "n": [1, 2, 3, 2, 8, 1],
            "predicted": [
                "Microtubule destabilizers",
                "Protein synthesis",
                "Eg5 inhibitors",
                "Protein synthesis",
                "Eg5 inhibitors",
                "Actin disruptors",
            ],
        }
    )
    figure = histogram_figure(counts, bins, "x", "Actin disruptors", "Protein synthesis", 0.5, 8)
    heights = counts.groupby("bin")["n"].sum()
    line = figure.layout.yaxis.range[1] / 9
    boxes = []
    assert len(figure.layout.annotations) == len(figure.layout.shapes) - 1  # the cut-off's line
    for note in figure.layout.annotations:
        width = 0.022 * len(note.text.removeprefix("<b>").removesuffix("</b>"))
        left = note.x - width * SHARE_LEFT[note.xanchor]
        boxes.append((left, left + width, note.y))
        under = [
            n
            for place, n in heights.items()
            if left < bins.edges(place)[1] and bins.edges(place)[0] < left + width
        ]
        assert note.y - line / 2 >= max(under, default=0)
        assert note.y + line / 2 <= figure.layout.yaxis.range[1] + 1e-9
    assert len(boxes) == 3
    for i, (a, b, y) in enumerate(boxes):
        for c, d, other in boxes[:i]:
            assert b <= c or d <= a or abs(y - other) >= 0.98 * line


def test_names_of_classes_stand_clear_of_lines():
    """Neither the line of a name nor the cut-off's goes through a name."""
    bins = Bins("signed_confidence", -0.2, 1.0, 20)
    stacked = [(2, 2, "Dissolvers"), (3, 1, "Clumpers"), (3, 6, "Anchorers"), (3, 1, "Foamers")]
    spread = [(5, 4, "Anchorers"), (4, 2, "Bundlers"), (4, 1, "Foamers"), (13, 1, "Bundlers")]
    late = [(17, 4, "Anchorers"), (15, 3, "Bundlers"), (16, 3, "Foamers")]
    before = [(7, 2, "Anchorers"), (8, 3, "Microtubule destabilizers")]
    for rows in (stacked, spread, late, before):
        counts = pd.DataFrame(rows, columns=["bin", "n", "predicted"])
        figure = histogram_figure(counts, bins, "x", "Anchorers", "Dissolvers", 0.5, 9)
        assert len(figure.layout.annotations) == min(3, counts["predicted"].nunique())
        half = figure.layout.yaxis.range[1] / 18
        for note in figure.layout.annotations:
            width = 0.0264 * len(note.text.removeprefix("<b>").removesuffix("</b>"))
            left = note.x - width * SHARE_LEFT[note.xanchor]
            for line in figure.layout.shapes:
                beside = left < line.x0 < left + width
                over = line.yref == "y domain" or (line.y0 < note.y + half and note.y < line.y1)
                unavoidable = line.yref == "y domain" and rows is before
                assert not (beside and over) or unavoidable, (rows, note.text)
