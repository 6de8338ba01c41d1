"""The formulas of the paper, four numbers in and a known number out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from bnn_core.base.errors import InputError
from bnn_core.measures.uncertainty import (
    Moments,
    confidence_score,
    entropy,
    margin,
    moments,
    signed_confidence,
    summarise,
    with_derived_scores,
)


@st.composite
def softmax_samples(draw):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(2, 5)))
    z = draw(arrays(np.float64, shape, elements=st.floats(-20, 20)))
    p = np.exp(z - z.max(axis=2, keepdims=True))
    return p / p.sum(axis=2, keepdims=True)


def classes(samples):
    return [f"class {i}" for i in range(samples.shape[2])]


@pytest.mark.parametrize(
    ("p", "c"),
    [(0.5, 0.0), (1.0, 1.0), (0.99, 0.801), (0.9, 0.4), (0.8, 0.2), (0.1, 0.4), (1 / 12, 0.447)],
)
def test_confidence_at_known_points(p, c):
    assert_allclose(confidence_score(p), c, atol=5e-4)


@pytest.mark.parametrize(
    ("p", "c"), [(1.0, 1.0), (0.9, 0.4), (0.5, 0.0), (0.25, -0.134), (1 / 12, -0.447)]
)
def test_signed_confidence_at_known_points(p, c):
    assert_allclose(signed_confidence(p), c, atol=5e-4)


@given(arrays(np.float64, 30, elements=st.floats(0, 1)))
def test_signed_confidence_orders_images_as_the_top_softmax_does(p):
    ordered = np.sort(p)
    signed = signed_confidence(ordered)
    assert (np.diff(signed) >= -1e-12).all()
    sure = ordered >= 0.5
    assert_allclose(signed[sure], confidence_score(ordered[sure]))
    assert_allclose(signed[~sure], -confidence_score(ordered[~sure]))


def test_the_margin_is_that_of_the_two_likeliest_classes():
    p = np.array([[0.2, 0.7, 0.1], [0.4, 0.2, 0.4], [1, 0, 0]])
    assert_allclose(margin(p), [0.5, 0, 1])
    assert_allclose(margin(p[:, :1]), p[:, 0])
    p = np.random.default_rng(0).dirichlet(np.ones(7), 200).astype(np.float32)
    p[3, 2] = np.nan
    in_order = np.sort(p.astype(np.float64), axis=1)
    np.testing.assert_array_equal(margin(p), in_order[:, -1] - in_order[:, -2])


def test_an_older_summary_gets_the_scores_that_follow_from_its_probabilities():
    rng = np.random.default_rng(0)
    names = ["a", "b", "c"]
    whole = summarise(moments(rng.dirichlet(np.ones(3), size=(4, 50))), names)
    old = whole.drop(columns=["signed_confidence", "margin"])
    again = with_derived_scores(old, names)
    assert_allclose(again["signed_confidence"], whole["signed_confidence"])
    assert_allclose(again["margin"], whole["margin"], atol=1e-6)
    assert with_derived_scores(whole, names) is whole


@given(softmax_samples())
def test_the_split_adds_up_to_p_times_one_minus_p(samples):
    # The identity behind the published c: aleatoric + epistemic = p (1 - p), whatever the samples.
    table = summarise(moments(samples), classes(samples))
    p = table["top_softmax"]
    assert_allclose(table["aleatoric"] + table["epistemic"], p * (1 - p), atol=1e-12)
    assert_allclose(
        table["confidence"],
        1 - 2 * np.sqrt(np.clip(table["aleatoric"] + table["epistemic"], 0, None)),
        atol=1e-6,
    )


@given(softmax_samples())
def test_equation_8_against_a_direct_computation(samples):
    table = summarise(moments(samples), classes(samples))
    for i in range(samples.shape[1]):
        k = samples[:, i].mean(axis=0).argmax()
        p = samples[:, i, k]
        assert_allclose(table["aleatoric"][i], np.mean(p - p**2), atol=1e-12)
        assert_allclose(table["epistemic"][i], np.mean((p - p.mean()) ** 2), atol=1e-12)


@given(softmax_samples())
def test_total_variance_is_the_trace_of_equation_7(samples):
    table = summarise(moments(samples), classes(samples))
    for i in range(samples.shape[1]):
        p = samples[:, i]
        mean = p.mean(axis=0)
        full = np.mean(
            [np.diag(q) - np.outer(q, q) + np.outer(q - mean, q - mean) for q in p], axis=0
        )
        assert_allclose(table["total_variance"][i], np.trace(full), atol=1e-12)


@given(softmax_samples())
def test_bounds(samples):
    table = summarise(moments(samples), classes(samples))
    c = samples.shape[2]
    assert (
        (table["mutual_information"] >= 0)
        & (table["mutual_information"] <= table["predictive_entropy"] + 1e-9)
    ).all()
    assert (table["predictive_entropy"] <= np.log(c) + 1e-9).all()
    assert table["confidence"].between(0, 1).all()
    assert (table["top_softmax"] >= 1 / c - 1e-12).all()


def test_opposite_certainties_are_one_bit_of_mutual_information():
    samples = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    row = summarise(moments(samples), ["a", "b"]).iloc[0]
    assert_allclose(row["mutual_information"], np.log(2))
    assert_allclose(
        [row["aleatoric"], row["epistemic"], row["confidence"]], [0, 0.25, 0], atol=1e-12
    )


def test_equal_doubts_are_all_aleatoric():
    row = summarise(moments(np.full((3, 1, 2), 0.5)), ["a", "b"]).iloc[0]
    assert_allclose(
        [row["aleatoric"], row["epistemic"], row["mutual_information"]], [0.25, 0, 0], atol=1e-12
    )


def test_labels_unknown_or_missing_are_not_counted_wrong():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    table = summarise(Moments(p), ["a", "b"], np.array(["a", "a", None, "zebra"], dtype=object))
    assert list(table["correct"].isna()) == [False, False, True, True]
    assert list(table["correct"][:2]) == [True, False]
    assert list(table["predicted"]) == ["a", "b", "b", "a"]
    assert_allclose(table["p_label"], [0.9, 0.2, np.nan, np.nan])


def test_means_alone_leave_the_split_empty():
    table = summarise(Moments(np.array([[0.7, 0.3]])), ["a", "b"])
    assert table[["aleatoric", "epistemic", "mutual_information"]].isna().all(axis=None)
    assert_allclose(table["predictive_entropy"], entropy([0.7, 0.3]))


def test_batches_join_and_folds_pool():
    rng = np.random.default_rng(0)
    samples = rng.dirichlet(np.ones(3), (6, 5))
    whole = moments(samples)
    joined = Moments.concatenate([moments(samples[:, :2]), moments(samples[:, 2:])])
    pooled = Moments.average([moments(samples[:3]), moments(samples[3:])])
    for part in (joined, pooled):
        assert_allclose(part.mean_p, whole.mean_p)
        assert_allclose(part.mean_p2, whole.mean_p2)
        assert_allclose(part.mean_entropy, whole.mean_entropy)


def test_wrong_number_of_classes_is_refused():
    with pytest.raises(ValueError, match="2 probability columns for 3 classes"):
        summarise(Moments(np.array([[0.5, 0.5]])), ["a", "b", "c"])


def test_negative_probabilities_are_refused():
    samples = np.array([[[1.2, -0.2], [0.5, 0.5]]])
    with pytest.raises(InputError, match="sample 0 of image 0"):
        summarise(samples, ["a", "b"])
