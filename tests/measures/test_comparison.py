"""Methods side by side: weighted figures against repeated images, planted winners and ties."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bnn_core.measures import evaluation, reweighted
from bnn_core.measures.comparison import agreement_of, compare, predictions_made, times
from bnn_core.measures.uncertainty import moments, summarise

CLASSES = ["a", "b", "c"]


def table(p, labels, role="scored", **columns):
    """A study's table of samples (T, N, C)."""
    images = pd.DataFrame({"role": role, "label": labels, **columns}, index=range(p.shape[1]))
    return pd.concat([images, summarise(moments(p), CLASSES, np.asarray(labels, object))], axis=1)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def planted():
    """600 images: `good` is right more often than `bad`, `same` says what `good` says."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    hit = np.eye(3)[y]
    good = softmax(rng.normal(size=(1, 600, 3)) + 3 * hit)
    bad = softmax(rng.normal(size=(1, 600, 3)) + 1 * hit)
    labels = np.array(CLASSES, object)[y]
    return {"good": table(good, labels), "bad": table(bad, labels), "same": table(good, labels)}


@pytest.mark.parametrize("values", [3, 100_000])
def test_weighted_figures_are_those_of_repeated_images(values):
    rng = np.random.default_rng(1)
    score = rng.integers(0, values, 60) / values  # 3: hardly anything but ties
    top, correct = rng.uniform(0.2, 1, 60), rng.random(60) < 0.7
    weights = rng.integers(0, 4, (5, 60))
    weights[0] = 1
    ranked = reweighted.Ranked(score, ~correct)
    aurc, augrc, auroc = ranked.merits(weights)
    gaps = reweighted.Means(reweighted.calibration_gaps(top, correct))
    for r, times_ in enumerate(weights):
        rows = np.repeat(np.arange(60), times_)
        assert_allclose(aurc[r], evaluation.aurc(score[rows], correct[rows]))
        assert_allclose(augrc[r], evaluation.augrc(score[rows], correct[rows]))
        assert_allclose(auroc[r], evaluation.auroc(score[rows], correct[rows]))
        assert_allclose(
            np.abs(gaps.at(weights)[:, r]).sum(),
            evaluation.ece(top[rows], correct[rows]),
        )
        assert_allclose(reweighted.Means(top[:, None]).at(weights)[0, r], top[rows].mean())


def test_weights_of_units_are_weights_of_their_images():
    rng = np.random.default_rng(2)
    score, correct = rng.integers(0, 40, 200) / 40, rng.random(200) < 0.7
    units = rng.permutation(np.arange(200) % 9)
    weights = rng.integers(0, 4, (5, 9))
    by_unit = reweighted.Ranked(score, ~correct, units).merits(weights)
    by_image = reweighted.Ranked(score, ~correct).merits(weights[:, units])
    assert_allclose(by_unit, by_image, rtol=1e-12)
    values = rng.random((200, 3))
    assert_allclose(
        reweighted.Means(values, units).at(weights),
        reweighted.Means(values).at(weights[:, units]),
        rtol=1e-12,
    )


def test_values_are_those_of_the_other_pages(planted):
    found = compare(planted, CLASSES, "confidence", repeats=5)
    rows = planted["bad"]
    p = rows[[f"p_{c}" for c in CLASSES]].to_numpy(np.float64)
    y = pd.Index(CLASSES).get_indexer(rows["label"])
    expected = evaluation.evaluate_probabilities(p, y)
    expected["auroc"] = expected["auroc_confidence"]
    for criterion in ("accuracy", "nll", "brier", "ece", "aurc", "augrc", "auroc"):
        assert_allclose(found.values[criterion][1], expected[criterion], rtol=1e-5)
    assert "new" not in found.values and found.n == 600


def test_a_planted_winner_wins_and_a_copy_ties(planted):
    found = compare(planted, CLASSES, "confidence", repeats=200)
    standing = found.standing("accuracy")
    assert standing.leader == "good" and standing.tied == ["same"] and not standing.clear
    assert found.difference("nll", "same", "good")[:3] == (0, 0, 0)
    pair = compare({m: planted[m] for m in ("bad", "good")}, CLASSES, "confidence", repeats=200)
    standing = pair.standing("nll")
    assert (standing.leader, standing.clear) == ("good", True)
    assert 0 < standing.gap.low < standing.gap.value < standing.gap.high
    assert pair.standing("epistemic_share") is None


def test_groups_are_resampled_whole(planted):
    # Ten copies of 60 images are 60 groups: the interval is that of 60 images, not of 600.
    few = {m: t.iloc[:60] for m, t in planted.items() if m != "same"}
    copied = {
        m: pd.concat([t] * 10, ignore_index=True).assign(group=np.tile(np.arange(60), 10))
        for m, t in few.items()
    }
    narrow = compare(
        {m: t.drop(columns="group") for m, t in copied.items()}, CLASSES, "confidence", repeats=400
    ).interval("accuracy", "bad")
    grouped = compare(copied, CLASSES, "confidence", repeats=400)
    alone = compare(few, CLASSES, "confidence", repeats=400).interval("accuracy", "bad")
    wide = grouped.interval("accuracy", "bad")
    assert grouped.groups == 60
    assert_allclose(wide.high - wide.low, alone.high - alone.low, rtol=0.2)
    assert (wide.high - wide.low) > 2 * (narrow.high - narrow.low)


def test_images_of_other_kinds_and_scores_that_one_network_lacks():
    rng = np.random.default_rng(2)
    y = np.arange(90) % 3
    labels = np.append(np.array(CLASSES, object)[y], [None] * 30)
    role = np.append(["scored"] * 90, ["new"] * 30)
    logits = np.concatenate([3 * np.eye(3)[y], np.zeros((30, 3))])
    many = table(softmax(logits + rng.normal(size=(8, 120, 3))), labels, role)
    one = table(softmax(logits + rng.normal(size=(1, 120, 3))), labels, role)
    found = compare({"vi": many, "standard": one}, CLASSES, "predictive_entropy", repeats=20)
    sure = -many["predictive_entropy"].to_numpy()
    assert_allclose(found.values["new"][0], evaluation.auroc(sure, role == "scored"))
    assert found.others == {"new": 30} and found.n == 90
    assert found.values["epistemic_share"][1] == 0 < found.values["epistemic_share"][0] < 1
    split = compare({"vi": many, "standard": one}, CLASSES, "epistemic", repeats=20)
    assert np.isnan(split.values["aurc"]).tolist() == [False, True]
    assert np.isnan(split.values["new"]).tolist() == [False, True]
    standing = split.standing("aurc")
    assert standing.leader == "vi" and standing.runner_up is None and not standing.clear


def test_every_kind_never_seen_counts_alike():
    rng = np.random.default_rng(4)
    y = np.arange(60) % 3
    labels = np.array([*np.array(CLASSES, object)[y], *["x"] * 40, *["z"] * 5], object)
    role = np.append(["scored"] * 60, ["new"] * 45)
    logits = np.concatenate([2 * np.eye(3)[y], np.zeros((40, 3)), 3 * np.eye(3)[np.zeros(5, int)]])
    one = table(softmax(logits + rng.normal(size=(1, 105, 3))), labels, role)
    compared = compare({"standard": one}, CLASSES, "top_softmax", repeats=400)
    found = compared.values["new"][0]
    sure = one["top_softmax"].to_numpy()
    each = [
        evaluation.auroc(sure[np.r_[:60, part]], np.arange(60 + len(part)) < 60)
        for part in (np.arange(60, 100), np.arange(100, 105))
    ]
    assert_allclose(found, np.mean(each))
    assert abs(each[0] - each[1]) > 0.1
    # So they do in every draw: by the drawn number of z the figure would scatter far more.
    by_hand = []
    for _ in range(400):
        parts = [
            rng.choice(part, len(part)) for part in (range(60), range(60, 100), range(100, 105))
        ]
        by_hand.append(
            np.mean(
                [
                    evaluation.auroc(sure[np.r_[parts[0], part]], np.arange(60 + len(part)) < 60)
                    for part in parts[1:]
                ]
            )
        )
    low, high = np.quantile(by_hand, [0.025, 0.975])
    interval = compared.interval("new", "standard")
    assert_allclose([interval.low, interval.high], [low, high], atol=0.04)


def test_nothing_scored_is_no_error(planted):
    none = {m: t.assign(role="unlabelled") for m, t in planted.items()}
    found = compare(none, CLASSES, "confidence", repeats=20)
    assert found.n == 0 and found.standing("accuracy") is None


def test_the_training_that_a_method_builds_on_counts_as_its_training():
    found = times(
        {
            "standard": {"seconds": {"training": {"wall": 10.0, "cpu": 9.0}}},
            "laplace": {
                "seconds": {"training": {"wall": 1.0, "cpu": 1.0}},
                "builds_on": "standard",
            },
            "import": {},
        }
    )
    assert found["training_total"].tolist()[:2] == [10, 11]
    assert np.isnan(found.loc["import", "training_total"])


def test_predictions_that_were_timed():
    images = pd.DataFrame({"fold": [0, 1, 1, -1, 0], "source": [None, None, None, None, "new"]})
    # Three by the fold that left them out, one by both folds; the added image was not timed.
    assert predictions_made(images) == 5
    assert predictions_made(images[["fold"]].iloc[3:4]) == 1


def test_who_is_right_where_two_differ(planted):
    kinds = agreement_of(planted["good"], planted["bad"])
    both = planted["good"]["correct"].astype(bool), planted["bad"]["correct"].astype(bool)
    assert (kinds == "first right").sum() == (both[0] & ~both[1]).sum() > 0
    assert (kinds == "second right").sum() == (both[1] & ~both[0]).sum() > 0
    assert (agreement_of(planted["good"], planted["same"]) == "").all()
    unknown = {m: t.assign(role="new") for m, t in planted.items()}
    kinds = agreement_of(unknown["good"], unknown["bad"])
    assert set(kinds) == {"", "no label"}
