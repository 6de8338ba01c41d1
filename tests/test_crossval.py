"""Folds: laws that must hold for any table, and small cases by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.crossval import (
    description,
    fold_numbers,
    grouped_folds,
    leave_label_out,
    leave_one_group_out,
    make_folds,
    unpredictable_rows,
)
from bnn_core.errors import InputError


def table(rows):
    """Rows of (group, label, role, batch)."""
    return pd.DataFrame(rows, columns=["group", "label", "role", "batch"])


@st.composite
def screens(draw):
    compounds = draw(st.integers(3, 9))
    rows = []
    for c in range(compounds):
        label, batch = f"class {draw(st.integers(0, 3))}", f"week {draw(st.integers(0, 2))}"
        rows += [(f"c{c}", label, "scored", batch)] * draw(st.integers(1, 4))
        rows += [(f"c{c}", None, "unlabelled", batch)] * draw(st.integers(0, 2))
    rows += [("DMSO", None, "control", "week 0")] * draw(st.integers(0, 3))
    order = draw(st.permutations(range(len(rows))))
    return table([rows[i] for i in order]), draw(st.integers(2, compounds))


@given(screens())
def test_no_group_on_both_sides_and_every_scored_image_predicted_once(screen):
    frame, k = screen
    classes = sorted(frame["label"].dropna().unique())
    for parts in (leave_one_group_out(frame), grouped_folds(frame, k, seed=1)):
        folds = make_folds(frame, parts, classes)
        group = frame["group"].to_numpy()
        times = np.zeros(len(frame), int)
        for fold in folds:
            assert not set(group[fold.train]) & set(fold.held_out)
            assert (frame["role"].iloc[fold.train] == "scored").all()
            times[fold.predict] += 1
        scored = (frame["role"] == "scored").to_numpy()
        assert (times[scored] == 1).all()
        assert (times >= 1).all()
        # Other doses of a compound are predicted by the fold that never saw the compound.
        assert (times[(frame["role"] == "unlabelled").to_numpy()] == 1).all()
        assert (times[(frame["role"] == "control").to_numpy()] == len(folds)).all()
        numbers = fold_numbers(len(frame), folds)
        assert ((numbers == -1) == (times != 1)).all() or len(folds) == 1


@given(screens())
def test_grouped_folds_are_even_and_spread_the_classes(screen):
    frame, k = screen
    parts = grouped_folds(frame, k)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    label = frame[frame["role"] == "scored"].groupby("group")["label"].first()
    for name, members in label.groupby(label):
        most = max(sum(label[g] == name for g in part) for part in parts)
        assert most <= -(-len(members) // k)
    assert parts == grouped_folds(frame, k)


def test_a_class_of_one_group_is_unpredictable_not_an_error():
    frame = table([("a", "X", "scored", "1"), ("b", "X", "scored", "1"), ("c", "Y", "scored", "2")])
    folds = make_folds(frame, leave_one_group_out(frame), ["X", "Y"])
    assert [fold.unpredictable for fold in folds] == [(), (), ("Y",)]
    assert list(unpredictable_rows(frame, folds)) == [False, False, True]


def test_leaving_the_batch_out_says_what_it_makes_unpredictable():
    frame = table(
        [
            ("a", "X", "scored", "1"),
            ("b", "X", "scored", "2"),
            ("c", "Y", "scored", "1"),
            ("d", "Y", "scored", "1"),
        ]
    )
    folds = make_folds(frame, leave_one_group_out(frame), ["X", "Y"], leave_batch_out=True)
    assert list(folds[0].train) == [1]
    assert folds[0].unpredictable == ("Y",)
    assert list(folds[1].train) == [0, 2, 3]
    with pytest.raises(InputError, match="--batch"):
        make_folds(frame.drop(columns="batch"), [("a",)], ["X", "Y"], leave_batch_out=True)


def test_leaving_a_label_out_takes_all_its_groups():
    frame = table([("a", "X", "scored", "1"), ("b", "X", "scored", "1"), ("c", "Y", "scored", "2")])
    assert leave_label_out(frame) == [("a", "b"), ("c",)]


def test_folds_that_cannot_be_are_refused():
    frame = table(
        [("a", "X", "scored", "1"), (None, "X", "scored", "1"), ("c", "Y", "scored", "2")]
    )
    with pytest.raises(InputError, match="row 2 has a label but no group"):
        leave_one_group_out(frame)
    frame["group"] = ["a", "b", "c"]
    for k in (0, 1, 4):
        with pytest.raises(InputError, match=f"--folds {k}: give 2 to 3"):
            grouped_folds(frame, k)
    frame["batch"] = "1"
    with pytest.raises(InputError, match="leaves no image to train on"):
        make_folds(frame, leave_one_group_out(frame), ["X", "Y"], leave_batch_out=True)


def test_description_tells_folds_apart():
    frame = table([("a", "X", "scored", "1"), ("b", "X", "scored", "1"), ("c", "Y", "scored", "2")])
    one = make_folds(frame, leave_one_group_out(frame), ["X", "Y"])
    other = make_folds(frame, grouped_folds(frame, 2), ["X", "Y"])
    assert description(one) == description(
        make_folds(frame, leave_one_group_out(frame), ["X", "Y"])
    )
    assert description(one) != description(other)
