"""New compounds ranked: like a known mechanism, like none; planted ones come first."""

import numpy as np
import pandas as pd
import pytest
from screens import CLASSES, calling, with_summary

from bnn_core.measures.new_compounds import (
    like_known,
    like_none,
    new_compounds,
    plate_sets,
    rank_among_known,
)

#: compound -> (class that its images are called, probability, distance).
NEW = {
    "sure": ("B", 0.97, 1.0),
    "less": ("C", 0.7, 1.1),
    "odd": ("A", 0.99, 9.0),
    "dull": ("D", 0.3, 1.0),
}


@pytest.fixture
def table():
    own = pd.DataFrame({"label": CLASSES * 25, "role": "scored", "source": None, "compound": "own"})
    rows = [(c, *values) for c, values in NEW.items() for _ in range(6)]
    new = pd.DataFrame(rows, columns=["compound", "called", "sure", "distance"]).assign(
        label=None, role="unlabelled", source="may", plate="N1"
    )
    control = new.iloc[:2].assign(compound="DMSO", role="control")
    images = pd.concat([own, new, control], ignore_index=True)
    p = np.concatenate(
        [calling(own["label"], 0.8)]
        + [calling([r.called], r.sure) for r in images.iloc[100:].itertuples()]
    )
    rng = np.random.default_rng(0)
    distance = np.concatenate([rng.uniform(0.5, 1.5, 100), images["distance"].iloc[100:]])
    return with_summary(images.drop(columns=["called", "sure", "distance"]), p).assign(
        distance=distance
    )


def test_sets_of_plates_are_distinguished_from_sets_of_pictures(table):
    assert plate_sets(table) == {"may": 26}
    letters = table.iloc[:3].assign(source="letters", compound=None)
    assert plate_sets(pd.concat([table, letters])) == {"may": 26}
    assert plate_sets(table.drop(columns="source")) == {}


def test_unlikeness_is_a_share_of_the_studys_original_images(table):
    share = rank_among_known(table)
    own = np.sort(table["distance"].to_numpy()[:100])
    expected = [(own <= d).mean() for d in table["distance"]]
    np.testing.assert_allclose(share, expected)
    assert share[np.argmax(table["distance"].to_numpy()[:100])] == 1
    assert np.isnan(rank_among_known(table.drop(columns="distance"))).all()


def test_the_planted_compounds_come_first(table):
    units = new_compounds(table, "may", CLASSES)
    assert set(units["compound"]) == set(NEW)
    assert units.set_index("compound")["predicted"].to_dict() == {
        name: called for name, (called, _, _) in NEW.items()
    }
    assert units["n_images"].eq(6).all() and units["agreement"].eq(1).all()
    np.testing.assert_allclose(units["probability"], [sure for _, sure, _ in NEW.values()])
    assert like_known(units)["compound"].tolist() == ["sure", "less", "dull"]
    assert like_none(units)["compound"].tolist() == ["odd", "less", "dull", "sure"]


def test_without_distances_the_least_sure_is_like_none(table):
    units = new_compounds(table.drop(columns="distance"), "may", CLASSES)
    assert like_none(units)["compound"].tolist() == ["dull", "less", "sure", "odd"]
    assert like_known(units)["compound"].iloc[0] == "odd"


def test_wells_where_no_compound_is_known_and_labels_where_they_are(table):
    wells = table.assign(compound=None, well=["A01", "A02"] * 63)
    units = new_compounds(wells, "may", CLASSES)
    assert units[["plate", "well"]].to_numpy().tolist() == [["N1", "A01"], ["N1", "A02"]]
    labelled = table.assign(label=table["label"].where(table["compound"] != "sure", "Z"))
    units = new_compounds(labelled, "may", CLASSES).set_index("compound")
    assert units.loc["sure", "label"] == "Z" and units.loc["odd", "label"] is None
