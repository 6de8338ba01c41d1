import numpy as np
import pandas as pd
import pytest
from screens import CLASSES, calling, with_summary

from bnn_core.tables import plate_map


def test_plates_follow_one_another_as_people_count(table):
    table["plate"] = ["P10", "P10", "P2", "P2", "P2", "P2", "p1", None]
    found = plate_map.well_table(table, CLASSES)
    assert found["plate"].tolist() == ["p1", "P2", "P10"]
    assert found["n_images"].tolist() == [1, 3, 2]


@pytest.fixture
def table():
    images = pd.DataFrame(
        {
            "image_id": [str(i) for i in range(8)],
            "plate": ["P1"] * 6 + ["P2", None],
            "well": ["B02", "b2", "A1", "A1", "A1", "?", "B02", "B02"],
            "label": ["A", "A", "B", "C", None, "A", "A", "A"],
            "role": [
                "scored",
                "scored",
                "scored",
                "scored",
                "unlabelled",
                "scored",
                "scored",
                "scored",
            ],
            "quality_focus": [1.0, 3.0, 0, 0, 0, 0, 5.0, 0],
        }
    )
    return with_summary(images, calling(["A", "B", "B", "B", "B", "A", "A", "A"]))


def rows_of(table, *wells):
    return plate_map.rows_of_wells(table, pd.DataFrame(wells, columns=["plate", "well"]))


def test_one_row_per_well_and_the_rest_is_named(table):
    found = plate_map.well_table(table, CLASSES)
    assert found[["plate", "well", "row", "column", "n_images"]].to_numpy().tolist() == [
        ["P1", "A01", 1, 1, 3],
        ["P1", "B02", 2, 2, 2],
        ["P2", "B02", 2, 2, 1],
    ]
    assert found["label"].fillna("").tolist() == ["", "A", "A"]
    assert found["labels"].tolist() == [2, 1, 1]
    np.testing.assert_allclose(found["agreement"], [0.5, 0.5, 1.0])
    np.testing.assert_allclose(found["quality_focus"], [0, 2, 5])
    assert "distance" not in found
    far = table.assign(distance=table["quality_focus"] + 1)
    found = plate_map.well_table(far, CLASSES)
    np.testing.assert_allclose(found["distance"], [1, 3, 6])
    np.testing.assert_allclose(found["signed_confidence"], table["signed_confidence"][0])
    assert found["correct"].isna().tolist() == [True, False, False]
    assert rows_of(table, ["P1", "B02"]).tolist() == [0, 1]
    assert rows_of(table, ["P1", "B02"], ["P2", "B02"]).tolist() == [0, 1, 6]
    assert rows_of(table, ["P1", "A01"], ["P2", "B02"]).tolist() == [2, 3, 4, 6]
    assert plate_map.unplaced(table).index.tolist() == [5, 7]


def test_plates_of_one_name_in_two_batches_stay_apart(table):
    table["batch"] = ["w1", "w2", "w1", "w1", "w1", "w1", "w1", "w1"]
    found = plate_map.well_table(table, CLASSES)
    assert found["plate"].tolist() == ["P2", "w1 / P1", "w1 / P1", "w2 / P1"]
    assert rows_of(table, ["w2 / P1", "B02"]).tolist() == [1]


def test_the_edge_is_the_plates_or_the_outermost_wells_in_use():
    wells = pd.DataFrame(
        [(r, c) for r in range(2, 8) for c in range(2, 12)], columns=["row", "column"]
    )
    ring = plate_map.edge_ring(wells, (8, 12))
    assert not ring.outermost and ring.edge.sum() == 2 * 10 + 2 * 4
    # Some of the wells have the edge of all, whatever they are.
    some = wells[wells["row"].isin([3, 4])]
    ring = plate_map.edge_ring(some, (8, 12), ["B02", "g11", "pos 1", None])
    assert not ring.outermost and some["column"][ring.edge].tolist() == [2, 11, 2, 11]
    ring = plate_map.edge_ring(some, (8, 12), ["A01", "G11"])
    assert ring.outermost and not ring.edge.any()
    wells.loc[0] = (1, 1)
    ring = plate_map.edge_ring(wells, (8, 12))
    assert ring.outermost and ring.edge.sum() == 1
    assert not plate_map.edge_ring(wells, (8, 12), ["pos 1", None]).edge.any()


def test_a_planted_edge_effect_is_found_with_its_interval():
    rng = np.random.default_rng(0)
    edge = np.arange(96) < 36
    values = rng.normal(0, 1, 96) - 2 * edge
    found = plate_map.edge_effect(values, edge)
    error = np.sqrt(values[edge].var() / edge.sum() + values[~edge].var() / (~edge).sum())
    assert found.value == pytest.approx(values[edge].mean() - values[~edge].mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.08)
    exact = plate_map.edge_effect(np.where(edge, 3.0, 1.0), edge)
    assert exact[:3] == (2.0, 2.0, 2.0)
    few = plate_map.edge_effect(np.array([1.0, np.nan, 2.0]), np.array([True, True, False]))
    assert few is None


def test_means_by_row_and_differences_within_plates():
    wells = pd.DataFrame({"plate": list("ppqq"), "row": [1, 1, 2, 2], "column": [1, 2, 1, 2]})
    values = np.array([1.0, 3.0, 11.0, np.nan])
    rows = plate_map.line_effects(wells, values, "row")
    assert rows["line"].tolist() == [1, 2] and rows["mean"].tolist() == [2, 11]
    assert rows["low"].isna().all()  # too few wells for an interval
    three = pd.DataFrame({"row": [1, 1, 1]})
    line = plate_map.line_effects(three, np.array([1.0, 2.0, 4.0]), "row").iloc[0]
    half = 4.302653 * np.std([1, 2, 4], ddof=1) / np.sqrt(3)
    assert (line["low"], line["high"]) == pytest.approx((7 / 3 - half, 7 / 3 + half))
    np.testing.assert_allclose(plate_map.within_plates(wells, values), [-1, 1, 0, np.nan])
    # Of the mean, not of the median.
    np.testing.assert_allclose(
        plate_map.within_plates(wells.assign(plate="p"), np.array([0.0, 0, 9, 3])), [-3, -3, 6, 0]
    )


def test_a_position_that_is_a_treatment_is_distinguished_from_others():
    wells = pd.DataFrame({"compound": list("aabb"), "concentration": [1.0, 1.0, 2.0, 2.0]})
    apart = np.array([True, True, False, False])
    assert plate_map.position_is_treatment(wells, apart)
    assert not plate_map.position_is_treatment(wells, np.array([True, False, False, True]))
    # A dose by itself is a treatment.
    doses = wells.assign(compound="a")
    assert plate_map.position_is_treatment(doses, apart)
    assert not plate_map.position_is_treatment(doses.drop(columns="concentration"), apart)
    assert not plate_map.position_is_treatment(wells.drop(columns="compound"), apart)
    # Untreated wells on both sides tell the place from what lies there.
    untreated = pd.DataFrame({"compound": ["DMSO", "DMSO"], "concentration": [np.nan, np.nan]})
    assert not plate_map.position_is_treatment(
        pd.concat([wells, untreated], ignore_index=True), np.array([*apart, True, False])
    )
    assert plate_map.position_is_treatment(wells.assign(concentration=np.nan), apart)
    # A single treatment explains nothing, wherever it is.
    lone = wells.assign(compound=["a", "a", None, None])
    assert not plate_map.position_is_treatment(lone, apart)
