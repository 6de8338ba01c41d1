import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from screens import CLASSES, screen

from bnn_core.suspects.batches import owned_classes
from bnn_core.suspects.usual_errors import PRIOR_COMPOUNDS, UsualErrors, fit_usual_errors


def test_expectation_by_hand():
    """Four compounds, two classes: the recall of the peer, drawn towards that of all others."""
    means = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.4, 0.6]])
    expected = fit_usual_errors(means, np.array([0, 0, 1, 1])).expected()
    others = (0.5 + 0.8 + 0.6) / 3
    right = (0.5 + PRIOR_COMPOUNDS * others) / (1 + PRIOR_COMPOUNDS)
    np.testing.assert_allclose(expected[0], [right, 1 - right])


def test_wrong_probability_goes_where_the_peers_and_all_others_send_it():
    # Compounds 1 (its peer) and 2 send their wrong half to class 2, compound 3 to class 1.
    means = np.array([[1, 0, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0.5, 0.5]])
    e = fit_usual_errors(means, np.array([0, 0, 1, 2])).expected()[0]
    # Class 1 is attractive by 0.5 of two that could (1, 3), class 2 by 0.5 of both (1, 2): twice.
    by_table = PRIOR_COMPOUNDS * 0.5 * np.array([1 / 3, 2 / 3])
    shares = by_table + np.array([0, 0.5])
    shares /= shares.sum()
    np.testing.assert_allclose(e, [0.5, *(0.5 * shares)], rtol=1e-3)


def test_the_expectation_in_another_class():
    """As a compound added under that label would get, but it does not count for its own."""
    rng = np.random.default_rng(3)
    means, labels = rng.dirichlet(np.ones(3), 6), np.array([0, 0, 1, 1, 2, 2])
    found = fit_usual_errors(means, labels).expected_if()
    for j in range(3):
        relabelled = labels.copy()
        relabelled[0] = j
        np.testing.assert_allclose(
            found[0, j], fit_usual_errors(means, relabelled).expected()[0], atol=1e-6
        )


def test_same_batch_classes_attract_whatever_class_it_would_be_of():
    means = np.full((6, 3), 1 / 3)
    errors = UsualErrors(means, np.array([0, 0, 1, 1, 2, 2]), np.eye(3)[[0] * 6], lift=8.0)
    were_of_1 = errors.expected_if()[0, 1]
    assert were_of_1[0] > 2 * were_of_1[2]


def test_a_compound_never_counts_for_itself():
    rng = np.random.default_rng(0)
    means = rng.dirichlet(np.ones(4), 9)
    labels = np.arange(9) % 4
    changed = means.copy()
    changed[3] = [0, 0, 1, 0]
    np.testing.assert_allclose(
        fit_usual_errors(means, labels).expected()[3],
        fit_usual_errors(changed, labels).expected()[3],
    )


def test_weights_are_copies():
    rng = np.random.default_rng(0)
    means, labels = rng.dirichlet(np.ones(3), 5), np.array([0, 0, 1, 2, 2])
    twice = fit_usual_errors(np.vstack([means, means[4]]), np.append(labels, 2)).expected()
    weighted = fit_usual_errors(means, labels).expected(np.array([1, 1, 1, 1, 2.0]))
    np.testing.assert_allclose(weighted[:4], twice[:4], atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(arrays(float, (7, 4), elements=st.floats(0.01, 1)), st.integers(0, 99))
def test_expectations_are_distributions(raw, seed):
    means = raw / raw.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    owned = rng.random((7, 4))
    labels = rng.integers(0, 4, 7)
    owned[np.arange(7), labels] = 0
    errors = fit_usual_errors(means, labels, owned)
    assert errors.lift >= 1
    for weights in (None, np.bincount(rng.integers(0, 7, 7), minlength=7)):
        expected = errors.expected_if(weights)
        assert (expected >= 0).all()
        np.testing.assert_allclose(expected.sum(axis=2), 1)
        np.testing.assert_array_equal(errors.expected(weights), expected[np.arange(7), labels])
    chance = errors.chance_owned()
    assert ((chance >= 0) & (chance <= 1)).all()


def made_with_lift(lift: float, rng: np.random.Generator, count: int = 400):
    """Compounds of 5 classes, all wrong; same-batch classes drawn `lift` times as often."""
    labels = rng.integers(0, 5, count)
    owned = (rng.random((count, 5)) < 0.4).astype(float)
    owned[np.arange(count), labels] = 0
    weight = 1 + (lift - 1) * owned
    weight[np.arange(count), labels] = 0
    means = np.zeros((count, 5))
    for i in range(count):
        means[i, rng.choice(5, p=weight[i] / weight[i].sum())] = 1
    return means, labels, owned


@pytest.mark.parametrize("lift", [1.0, 4.0])
def test_the_pull_of_batches_is_found(lift):
    fitted = fit_usual_errors(*made_with_lift(lift, np.random.default_rng(1))).lift
    assert fitted == pytest.approx(lift, rel=0.35)


def test_a_small_table_cannot_show_a_batch_effect():
    """One compound's weight of no effect: ten times the same compounds show a stronger one."""
    means, labels, owned = made_with_lift(6, np.random.default_rng(2), count=40)
    means = 0.1 * means + 0.9 * np.eye(5)[labels]
    few = fit_usual_errors(means, labels, owned).lift
    many = fit_usual_errors(*(np.concatenate([a] * 10) for a in (means, labels, owned))).lift
    assert 1 < few < 0.8 * many


def test_no_batches_no_pull():
    means = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    assert fit_usual_errors(means, np.arange(6) % 3).lift == 1


def owned_of(table: pd.DataFrame) -> pd.DataFrame:
    codes = table.groupby("compound", sort=True).ngroup().to_numpy()
    names = sorted(table["compound"].unique())
    labels = np.array([CLASSES.index(name[0]) for name in names])
    return pd.DataFrame(owned_classes(table, codes, len(names), labels, 4), names, CLASSES)


def test_owned_classes_are_those_of_other_compounds_of_the_batch():
    table = screen()
    table.loc[table["compound"] == "D1", "batch"] = "W3"
    owned = owned_of(table)
    assert owned.loc["A1"].tolist() == [0, 1, 1, 0]
    assert owned.loc["A2"].tolist() == [0, 1, 1, 1]
    assert owned.loc["D1"].tolist() == [0, 0, 0, 0]


def test_a_compound_left_out_with_another_did_not_train_on_it():
    table = screen()
    table["fold"] = table["compound"].map(lambda c: 0 if c in ("A1", "B1") else 1)
    owned = owned_of(table)
    assert owned.loc["A1"].tolist() == [0, 0, 1, 1]
    assert owned.loc["C1"].tolist() == [1, 1, 0, 0]


def test_compounds_of_several_or_no_batches():
    table = screen()
    table.loc[(table["compound"] == "A1") & (table["concentration"] == 1), "batch"] = "W9"
    table.loc[table["compound"] == "B1", "batch"] = None
    owned = owned_of(table)
    assert owned.loc["A1"].tolist() == [0, 0, 0.5, 0.5]
    assert owned.loc["B1"].tolist() == [0, 0, 0, 0]
    assert owned_of(screen().drop(columns="batch")).to_numpy().sum() == 0


def test_without_a_lift_batches_change_nothing():
    rng = np.random.default_rng(1)
    means, labels = rng.dirichlet(np.ones(3), 6), np.array([0, 0, 1, 1, 2, 2])
    owned = rng.random((6, 3))
    without = UsualErrors(means, labels, 0 * owned, 1.0).expected_if()
    np.testing.assert_allclose(UsualErrors(means, labels, owned, 1.0).expected_if(), without)


def test_a_single_fold_leaves_compounds_out_one_by_one():
    table = pd.DataFrame({"batch": ["w1"] * 3, "fold": [0] * 3})
    owned = owned_classes(table, np.arange(3), 3, np.array([0, 1, 1]), 2)
    np.testing.assert_array_equal(owned, [[0, 1], [1, 1], [1, 1]])
