import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from screens import CLASSES, calling, screen, with_summary

from bnn_core.suspects.side_by_side import panels, spread
from bnn_core.suspects.suspect import Suspect

B1 = Suspect("treatment", {"compound": "B1", "concentration": 1.0}, "B", "D")


def plate_set() -> pd.DataFrame:
    """The screen, B1 at 10 µM unlabelled, and two controls per plate."""
    images = screen().assign(role="scored")
    other_dose = (images["compound"] == "B1") & (images["concentration"] == 10)
    images.loc[other_dose, ["label", "role"]] = [None, "unlabelled"]
    controls = images.drop_duplicates("plate").assign(
        compound="DMSO", label=None, role="control", concentration=0.0
    )
    images = pd.concat([images, controls.assign(well="H01"), controls.assign(well="H02")])
    return with_summary(images, calling(["A"] * len(images)))


def test_the_images_of_each_panel():
    table = plate_set()
    got = panels(table, CLASSES, B1, per_panel=100)
    assert list(got) == ["this", "same label", "predicted label", "controls", "other doses"]
    of = {name: table.iloc[rows] for name, rows in got.items()}
    assert set(of["this"]["compound"]) == {"B1"} and set(of["this"]["concentration"]) == {1.0}
    assert set(of["same label"]["compound"]) == {"B2"}
    assert set(of["predicted label"]["compound"]) == {"D1", "D2"}
    assert set(of["controls"]["role"]) == {"control"}
    assert set(of["controls"]["plate"]) == {"W1P1", "W1P2", "W1P3"}
    assert set(of["other doses"]["concentration"]) == {10.0}
    assert set(of["other doses"]["compound"]) == {"B1"}
    assert [len(rows) for rows in got.values()] == [6, 12, 24, 6, 6]


def test_few_images_are_spread_evenly():
    table = plate_set()
    got = {name: table.iloc[rows] for name, rows in panels(table, CLASSES, B1, 6).items()}
    assert got["this"]["plate"].value_counts().to_dict() == {"W1P1": 2, "W1P2": 2, "W1P3": 2}
    assert got["predicted label"]["compound"].value_counts().to_dict() == {"D1": 3, "D2": 3}
    assert got["controls"].groupby("plate")["well"].nunique().to_dict() == {
        "W1P1": 2,
        "W1P2": 2,
        "W1P3": 2,
    }
    four = table.iloc[panels(table, CLASSES, B1, 4)["predicted label"]]
    assert four.groupby("compound")["concentration"].nunique().to_dict() == {"D1": 2, "D2": 2}


def test_a_compound_with_more_images_does_not_crowd_out_another():
    table = pd.DataFrame(
        {
            "compound": ["x"] * 90 + ["y"] * 3,
            "concentration": 1.0,
            "plate": [f"P{i % 9}" for i in range(90)] + ["P1"] * 3,
        }
    )
    rows = spread(table, np.arange(93), 8)
    assert table["compound"].iloc[rows].value_counts().to_dict() == {"x": 5, "y": 3}
    assert table["plate"].iloc[rows][table["compound"].iloc[rows] == "x"].nunique() == 5


def test_images_without_metadata():
    images = pd.DataFrame({"image_id": list("abcde"), "label": list("AABBC")})
    table = with_summary(images, calling(list("ABBBC")))
    got = panels(table, CLASSES, Suspect("image", {"image_id": "b"}, "A", "B"))
    assert {name: rows.tolist() for name, rows in got.items()} == {
        "this": [1],
        "same label": [0],
        "predicted label": [2, 3],
        "controls": [],
        "other doses": [],
    }


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("xyz"),
            st.sampled_from([1.0, 2.0, np.nan]),
            st.sampled_from(["P1", "P2", None]),
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 12),
    st.randoms(),
)
def test_any_rows_are_drawn_evenly_and_once(rows, count, random):
    table = pd.DataFrame(rows, columns=["compound", "concentration", "plate"])
    drawn = spread(table, np.arange(len(table)), count)
    assert len(drawn) == len(set(drawn)) == min(count, len(table))
    # A compound has one image more than another at most, unless the other has no more to give.
    have, got = table["compound"].value_counts(), table["compound"].iloc[drawn].value_counts()
    for a in have.index:
        for b in have.index:
            assert got.get(a, 0) <= got.get(b, 0) + 1 or got.get(b, 0) == have[b]
    np.testing.assert_array_equal(drawn, spread(table, np.arange(len(table)), count))
