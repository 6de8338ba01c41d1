"""Out-of-distribution figures: against scikit-learn, closed forms, and kinds planted in a table."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from sklearn.metrics import roc_auc_score, roc_curve

from bnn_core.measures import out_of_distribution as ood
from bnn_core.measures.bimodality import dip, looks_bimodal
from bnn_core.measures.mechanisms import Bins
from bnn_core.measures.uncertainty import Moments, summarise

CLASSES = list("0123456789")


def study_table(parts, seed=0):
    """parts: (role, label, predicted digit, top softmax of each image)."""
    rng = np.random.default_rng(seed)
    rows, p = [], []
    for role, label, digit, tops in parts:
        for top in tops:
            rows.append((role, label, 0))
            q = rng.dirichlet(np.ones(9)) * (1 - top)
            p.append(np.insert(q, int(digit), top))
    images = pd.DataFrame(rows, columns=["role", "label", "fold"])
    labels = images["label"].where(images["role"] == "scored").to_numpy(dtype=object)
    return pd.concat([images, summarise(Moments(np.array(p)), CLASSES, labels)], axis=1)


@pytest.fixture
def letters():
    """O sure as 0, g unsure, i of two kinds, K in between; 3s from elsewhere; known digits."""
    rng = np.random.default_rng(1)

    def near(at, n, spread=0.02):
        return np.clip(rng.normal(at, spread, n), 0.11, 0.999)

    return study_table(
        [
            *(("scored", d, d, near(0.97, 60)) for d in CLASSES),
            ("shifted", "3", "3", near(0.9, 50)),
            ("new", "O", "0", near(0.97, 400, 0.006)),
            ("new", "g", "8", near(0.55, 40)),
            ("new", "i", "1", np.r_[near(0.95, 60), near(0.6, 40)]),
            ("new", "K", "4", near(0.8, 50)),
        ]
    )


def test_separation_is_that_of_scikit_learn_ties_and_all():
    rng = np.random.default_rng(2)
    for digits in (1, 8):
        known, other = rng.normal(1, 1, 200).round(digits), rng.normal(0, 1.5, 150).round(digits)
        found = ood.separation(np.sort(known), other, 0.1)
        is_known = np.arange(350) < 200
        score = np.r_[known, other]
        assert found.auroc == pytest.approx(roc_auc_score(is_known, score), abs=1e-12)
        fpr, tpr, _ = roc_curve(is_known, score, drop_intermediate=False)
        assert found.fpr95 == pytest.approx(fpr[tpr >= 0.95][0])
        assert found.detection == pytest.approx(1 - fpr[tpr >= 0.9][0])


def test_the_mean_over_kinds_is_the_weighted_figure(letters):
    of_kinds = ood.by_kind(letters, "predictive_entropy", ood.NEW, false_alarm=0.02)
    assert of_kinds["kind"].tolist() == ["K", "O", "g", "i"]
    assert of_kinds["n_known"].eq(600).all()
    same, new = letters[letters["role"] == "scored"], letters[letters["role"] == "new"]
    # scikit-learn's weighted figures, with weights that give every kind the same sum
    score = -np.r_[same["predictive_entropy"], new["predictive_entropy"]]
    known = np.arange(len(score)) < len(same)
    weights = np.r_[np.ones(len(same)), 1 / new["label"].map(new["label"].value_counts())]
    passed, kept, _ = roc_curve(known, score, sample_weight=weights, drop_intermediate=False)
    expected = [
        roc_auc_score(known, score, sample_weight=weights),
        passed[np.argmax(kept >= 0.95 - 1e-12)],
        1 - passed[np.argmax(kept >= 0.98 - 1e-12)],
    ]
    assert_allclose(ood.balanced(of_kinds), expected)


def test_separation_by_hand():
    known, other = np.arange(1, 101) / 100, np.array([0.01, 0.03, 0.055, 0.5, 0.9])
    figures = ood.separation(known, other, false_alarm=0.5)
    # The highest cut-off that keeps 95 of 100 is 0.06: two of five others pass.
    assert figures.fpr95 == pytest.approx(2 / 5)
    # Keeping 50 of 100 is the cut-off 0.51: one of five passes.
    assert figures.detection == pytest.approx(4 / 5)
    assert ood.separation(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == (1, 0, 1)
    assert ood.separation(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == (0.5, 1, 0)
    assert np.isnan(ood.separation(np.array([0.5]), np.array([]))).all()


def test_look_alikes_and_cases_are_kept_apart(letters):
    assert ood.look_alike("O", CLASSES) == "0" and ood.look_alike("q", CLASSES) == "9"
    assert ood.look_alike("I/i", CLASSES) == "1"
    assert ood.look_alike("K", CLASSES) is None and ood.look_alike("5", CLASSES) is None
    # Mechanisms look like no digit, whatever letters they are made of.
    assert ood.look_alike("O", ["Epithelial"]) is None
    found = ood.which_score({"vi": letters}, CLASSES)
    of_kinds = ood.by_kind(letters, "top_softmax", ood.NEW)
    line = found.set_index("score").loc["top_softmax"]
    assert line["without look-alikes"] == of_kinds["auroc"][0]
    assert line["lower case"] == pytest.approx(of_kinds["auroc"][2:].mean())
    assert line["capitals"] == pytest.approx(of_kinds["auroc"][:2].mean())
    assert line["auroc"] < line["without look-alikes"]
    assert found["auroc"].is_monotonic_decreasing
    # Moments of means only: no split of the variance to rank.
    assert set(found["score"]) == {
        "signed_confidence",
        "margin",
        "confidence",
        "top_softmax",
        "predictive_entropy",
        "total_variance",
    }


def test_planted_letters_have_the_planted_separation(letters):
    lines = ood.kind_table(letters, "confidence", 0.5).set_index(["group", "kind"])
    assert lines.loc[("new", "O"), "called"] == "0"
    assert lines.loc[("new", "O"), "above"] > 0.95 and not lines.loc[("new", "O"), "bimodal"]
    assert lines.loc[("new", "g"), "above"] == 0 and not lines.loc[("new", "g"), "bimodal"]
    assert lines.loc[("new", "i"), "bimodal"]
    assert lines["dip_ratio"].idxmax() == ("new", "i")
    assert lines.loc[("shifted", "3"), "n"] == 50
    calls = ood.predicted_shares(letters, "confidence").set_index("kind")
    assert calls.loc["g", "predicted"] == "8" and calls.loc["g", "share"] == 1
    assert ood.folded_back(letters) == {
        "same": 0,
        "shifted": 0,
        "new": pytest.approx(0.0, abs=0.01),
    }


def test_every_kind_weighs_alike_in_a_distribution(letters):
    found = ood.shares(letters, Bins("confidence", 0, 1, 20))
    assert_allclose(found.groupby("group")["share"].sum(), 1)
    assert found["n"].sum() == len(letters)
    # 400 images of O, all on the right: one kind of four, plus most of i.
    right = found[(found["group"] == "new") & (found["bin"] >= 10)]
    assert right["share"].sum() == pytest.approx(0.25 * (1 + 0.6), abs=0.03)
    by_kind = ood.kind_shares(letters, Bins("confidence", 0, 1, 20))
    assert_allclose(by_kind.groupby(["group", "kind"])["share"].sum(), 1)


def test_an_unseen_mechanism_is_compared_within_the_same_fold():
    """Two folds on scales of their own: pooled, B would pass for known."""
    table = study_table(
        [
            ("scored", "0", "0", [0.9] * 5),
            ("scored", "1", "1", [0.6] * 5),
            ("new", "1", "0", [0.7] * 5),
            ("new", "0", "1", [0.55] * 5),
        ]
    )
    table["fold"] = [0] * 5 + [1] * 5 + [0] * 5 + [1] * 5
    found = ood.by_kind(table, "top_softmax", ood.NEW)
    assert found["auroc"].tolist() == [1, 1] and found["n_known"].tolist() == [5, 5]
    # Images that all folds predict are compared with all.
    table["fold"] = [0] * 5 + [1] * 5 + [-1] * 10
    assert ood.by_kind(table, "top_softmax", ood.NEW)["auroc"].tolist() == [1, 0.5]


def test_who_belongs_to_which_group():
    roles = ("scored", "scored", "control", "unlabelled", "shifted", "new", "unlabelled")
    table = study_table([(role, "1", "1", [0.9]) for role in roles])
    table["unpredictable"] = [False, True] + [False] * 5
    table["corruption"] = [None] * 4 + ["blur", None, None]
    assert ood.groups(table).tolist() == ["same", "new", "", "", "shifted", "new", ""]
    table["source"] = [None] * 5 + ["letters", "slides"]
    table.loc[[3, 6], "label"] = None
    assert ood.groups(table).tolist() == ["same", "new", "", "", "shifted", "new", "added"]
    assert ood.kinds(table).tolist() == ["1", "1", "1", "no label", "out of focus", "1", "slides"]


def test_dip_closed_forms():
    assert dip(np.arange(40.0)) == pytest.approx(1 / 80)
    for share in (0.5, 0.3, 0.1):
        few = int(1000 * share)
        x = np.r_[np.linspace(0, 1e-7, few), 1 + np.linspace(0, 1e-7, 1000 - few)]
        assert dip(x) == pytest.approx(share / 2, abs=1e-5)
        assert dip(5 - 3 * x) == pytest.approx(dip(x))
    assert dip(np.ones(9)) == 0 and np.isnan(dip([1.0, 2.0, np.nan]))


def test_dip_is_the_least_distance_that_a_linear_programme_finds():
    rng = np.random.default_rng(3)
    for gap in (0, 4):
        x = np.sort(np.r_[rng.normal(0, 1, 6), rng.normal(gap, 1, 6)])
        assert dip(x) == pytest.approx(_least_distance(x), abs=1e-7)


def test_lopsided_is_not_bimodal():
    rng = np.random.default_rng(4)
    lopsided, two = rng.beta(8, 0.6, 500), np.r_[rng.normal(0, 1, 250), rng.normal(4, 1, 250)]
    assert not looks_bimodal(dip(lopsided), 500) and looks_bimodal(dip(two), 500)
    false = np.mean([looks_bimodal(dip(rng.random(100)), 100) for _ in range(300)])
    assert 0.01 < false < 0.09


def _least_distance(x):
    """min over modes of the largest |F - U|, U convex before the mode and concave after it."""
    n, best = len(x), 1.0
    for mode in range(n):
        left, right = mode + 1, n - mode
        unit = np.eye(left + right + 1)
        lower, upper, d = unit[:left], unit[left:-1], unit[-1]
        rows = []
        for i in range(n):
            before = lower[i] if i <= mode else upper[i - mode]
            after = upper[i - mode] if i >= mode else lower[i]
            for value, height in ((before, i / n), (after, (i + 1) / n)):
                rows += [(value - d, height), (-value - d, -height)]
        rows.append((lower[mode] - upper[0], 0))
        for part, at, sign in ((lower, x[:left], 1), (upper, x[mode:], -1)):
            slopes = [(part[i + 1] - part[i]) / (at[i + 1] - at[i]) for i in range(len(part) - 1)]
            rows += [(-s, 0) for s in slopes]
            rows += [(sign * (a - b), 0) for a, b in pairwise(slopes)]
        found = linprog(d, A_ub=np.array([r[0] for r in rows]), b_ub=[r[1] for r in rows])
        best = min(best, found.fun) if found.success else best
    return best


def test_false_alarms_are_counted_on_known_compounds():
    rng = np.random.default_rng(0)
    table = study_table([("scored", d, d, rng.uniform(0.2, 1, 50)) for d in CLASSES])
    table["compound"] = np.repeat([f"c{i}" for i in range(20)], 25)
    other = study_table([("new", "O", "0", np.full(30, 0.9))])
    table = pd.concat([table, other], ignore_index=True)
    threshold = ood.threshold_of(table, "top_softmax", 0.1)
    share, images = ood.false_alarms(table, "top_softmax", threshold)
    assert images == 500 and share.value == (table["top_softmax"][:500] < threshold).mean() == 0.1
    assert share.low < 0.1 < share.high
    assert np.isnan(ood.threshold_of(other, "top_softmax", 0.1))
    assert ood.false_alarms(other, "top_softmax", 0.5)[1] == 0
