"""The ranks of planted faults, on a hand-made screen."""

import pandas as pd
import pytest
from screens import CLASSES, calling, screen, with_summary

from bnn_core.suspects.planted_truth import fault_ranks, faulty_rows, inactive_compound
from bnn_core.suspects.ranking import rank, rank_images


@pytest.fixture(scope="module")
def table():
    """Of eight compounds D2 is called A in every image; all are called with one confidence."""
    rows = screen()
    return with_summary(rows, calling(rows["label"].where(rows["compound"] != "D2", "A"), 0.8))


def fault(level, **keys):
    blank = dict.fromkeys(("compound", "concentration", "plate", "well", "image_id"))
    return blank | {"level": level, "kind": "planted", "given": "D", "true": "A", "note": ""} | keys


def test_every_fault_has_its_rank(table):
    first = table[table["compound"] == "D2"].iloc[0]
    other = table[table["compound"] == "A1"].iloc[0]
    truth = pd.DataFrame([
        fault("image", image_id=other["image_id"]),
        fault("well", compound="D2", plate=first["plate"], well=first["well"]),
        fault("treatment", compound="D2", concentration=1.0, kind="inactive dose"),
        fault("compound", compound="A1"),
        fault("compound", compound="nobody"),
    ])  # fmt: skip
    rankings = {level: rank(table, CLASSES, level, resamples=2) for level in ("compound", "well")}
    rankings["image"] = rank_images(table)
    found = fault_ranks(truth, rankings)
    assert list(found["level"]) == ["compound", "compound", "well", "image"]
    assert list(found["title"][:2]) == ["D2", "A1"] and list(found["rank"][:1]) == [1]
    assert list(found["of"]) == [8, 8, len(rankings["well"]), len(rankings["image"])]
    assert list(found["faults"]) == [2, 2, 1, 1]
    for row in found.to_dict("records"):
        ranked = rankings[row["level"]]
        here = ranked.iloc[row["rank"] - 1]
        if row["level"] == "image":
            assert here["image_id"] == row["title"] == other["image_id"]
        else:
            assert here["compound"] == ("D2" if row["level"] == "well" else row["title"])
    # All compounds have the same confidence: by that alone all share the first rank.
    assert set(found["by_confidence"]) == {1}
    assert inactive_compound(truth) == "D2" and inactive_compound(truth.iloc[:2]) is None


def test_levels_without_a_ranking_are_left_out(table):
    truth = pd.DataFrame([fault("compound", compound="D2"), fault("image", image_id="x")])
    assert fault_ranks(truth, {}).empty
    assert list(fault_ranks(truth, {"compound": rank(table, CLASSES, resamples=2)})["title"]) == [
        "D2"
    ]


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("compound", ["compound"]),
        ("treatment", ["compound", "concentration"]),
        ("replicate", ["compound", "plate"]),
        ("well", ["plate", "well"]),
        ("image", ["image_id"]),
    ],
)
def test_a_fault_is_in_the_images_of_its_level_only(table, level, keys):
    first = table[table["compound"] == "D2"].iloc[0]
    truth = pd.DataFrame([fault(level, **first[keys]), fault(level)])
    same = [table[key] == first[key] for key in keys]
    assert list(faulty_rows(table, truth)) == list(pd.concat(same, axis=1).all(axis=1))
    assert not faulty_rows(table, truth.iloc[:0]).any()
