"""Folds: laws that must hold for any table, and small cases by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.base.errors import InputError
from bnn_core.datasets.folds import (
    description,
    fold_numbers,
    grouped_folds,
    leave_label_out,
    leave_one_group_out,
    make_folds,
    unpredictable_rows,
)


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


def test_leaving_a_label_out_holds_out_known_groups_beside_it():
    rows = [(f"{label}{i}", label, "scored", "1") for label in "XYZ" for i in range(3)]
    frame = table([*rows, ("W0", "W", "scored", "1"), ("X0", None, "unlabelled", "1")])
    frame["image_id"] = [f"img {i}" for i in range(len(frame))]
    out = leave_label_out(frame)
    folds = make_folds(out.table, out.parts, list("WXYZ"), without=out.without)
    label, role = out.table["label"].to_numpy(object), out.table["role"].to_numpy()
    number = fold_numbers(len(out.table), folds)
    assert (number >= 0).all()
    for fold, left_out in zip(folds, "WXYZ", strict=True):
        assert fold.unpredictable == (left_out,)
        assert left_out not in label[fold.train]
        # What is unseen here, and some groups of every kind that this network knows.
        new = fold.predict[role[fold.predict] == "new"]
        assert set(label[new]) == ({left_out} if left_out != "W" else set())
        known = fold.predict[(role[fold.predict] == "scored") & (label[fold.predict] != left_out)]
        assert len(known) in (2, 3)
        assert not set(out.table["group"].iloc[known]) & set(out.table["group"].iloc[fold.train])
    # Every image of a class with several groups stands twice; the lone one stays as it is.
    assert (role == "new").sum() == 9 and len(out.table) == 20
    assert list(np.flatnonzero(unpredictable_rows(out.table, folds))) == [9]
    assert (out.table["stored"][role == "new"].to_numpy() == np.arange(9)).all()
    # Another dose of a compound goes with it.
    assert number[10] == number[0]


def test_two_labels_cannot_be_left_out_one_at_a_time():
    frame = table([(g, label, "scored", "1") for g, label in ("aX", "bX", "cY", "dY")])
    with pytest.raises(InputError, match="at least 3 labels"):
        leave_label_out(frame)


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


def test_description_distinguishes_folds():
    frame = table([("a", "X", "scored", "1"), ("b", "X", "scored", "1"), ("c", "Y", "scored", "2")])
    one = make_folds(frame, leave_one_group_out(frame), ["X", "Y"])
    other = make_folds(frame, grouped_folds(frame, 2), ["X", "Y"])
    assert description(one) == description(
        make_folds(frame, leave_one_group_out(frame), ["X", "Y"])
    )
    assert description(one) != description(other)
