"""The sentence on Bayesian methods: planted better, level and worse ones."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from bnn_core.measures.bayesian_gain import UNEQUAL_COST, gains, sentence
from bnn_core.measures.comparison import compare
from bnn_core.measures.uncertainty import Moments, summarise
from bnn_core.suspects.planted_truth import faulty_rows

CLASSES = ["A", "B"]
SECONDS = {"training": {"wall": 10.0, "cpu": 10.0}}


def table(p_right, labels):
    p = np.where(labels == "A", p_right, 1 - p_right)
    images = pd.DataFrame({"label": labels, "role": "scored", "fold": 0})
    images["compound"] = np.repeat(np.arange(20).astype(str), len(labels) // 20)
    summary = summarise(Moments(np.stack([p, 1 - p], axis=1)), CLASSES, labels)
    return pd.concat([images, summary], axis=1)


def study(gap):
    rng = np.random.default_rng(0)
    labels = np.tile(np.array(["A", "B"], dtype=object), 200)
    base = rng.uniform(0.4, 0.9, 400)
    tables = {"vi": table(np.clip(base + gap, 0.01, 0.99), labels), "standard": table(base, labels)}
    methods = {
        "standard": {"seconds": SECONDS},
        "vi": {"seconds": SECONDS, "builds_on": "standard"},
    }
    return compare(tables, CLASSES, "margin", repeats=200), methods


def test_a_better_method_is_named_with_its_cost():
    (gain,) = gains(*study(0.08))
    assert gain.method == "vi" and gain.better and gain.cost == 2
    assert gain.differences["nll"].value < 0 and gain.differences["brier"].high < 0
    assert sentence([gain]).startswith("Better") and "2.0 times" in sentence([gain])


def test_a_level_method_does_not_beat_it_and_a_worse_one_is_called_worse():
    (level,) = gains(*study(0.0))
    assert not level.better and not level.worse and sentence([level]).startswith("No method beats")
    (worse,) = gains(*study(-0.08))
    assert set(worse.worse) == {"nll", "brier"} and "is worse than" in sentence([worse])
    assert f"{worse.differences['nll'].value:+.3f}" in sentence([worse])
    assert "No method" not in sentence([worse])


def test_the_cost_is_held_against_a_method_that_had_more_training():
    (gain,) = gains(*study(0.08))
    assert "less training" in sentence([gain])
    assert "less training" not in sentence([replace(gain, cost=UNEQUAL_COST)])


def test_more_methods_need_wider_intervals():
    comparison, methods = study(0.08)
    (alone,) = gains(comparison, methods)
    names = ["vi", "ensemble", "laplace", "dropout", "standard"]
    rows = [0, 0, 0, 0, 1]
    several = replace(
        comparison,
        methods=names,
        values={c: v[rows] for c, v in comparison.values.items()},
        draws={c: d[rows] for c, d in comparison.draws.items()},
    )
    first = gains(several, methods)[0]
    half, of_four = (
        gap.high - gap.value for gap in (alone.differences["nll"], first.differences["nll"])
    )
    # 20 compounds: the quantiles of Student's t with 19 degrees of freedom, level 0.95 and 0.9875.
    assert of_four / half == pytest.approx(t.ppf(0.99375, 19) / t.ppf(0.975, 19))


def test_planted_faults_turn_the_sign():
    """Softer probabilities cost less at wrong labels, and more where the label is right."""
    labels = np.tile(np.array(["A", "B"], dtype=object), 200)
    truth = pd.DataFrame({"level": "compound", "compound": ["3", "7", "11"]})
    wrong = np.isin(np.repeat(np.arange(20), 20), [3, 7, 11])
    noise = np.random.default_rng(1).uniform(-0.005, 0.005, 400)
    sure, soft = (table(np.where(wrong, 1 - p, p) + noise, labels) for p in (0.99, 0.9))
    methods = study(0.0)[1]
    values = {}
    for name, rows in (("all", np.full(400, True)), ("clean", ~faulty_rows(sure, truth))):
        comparison = compare({"vi": soft[rows], "standard": sure[rows]}, CLASSES, "margin")
        (gain,) = gains(comparison, methods)
        values[name] = gain.differences["nll"].value
    assert values["all"] < 0 < values["clean"] == pytest.approx(np.log(0.99 / 0.9), abs=0.01)


def test_without_a_standard_network_there_is_nothing_to_say():
    comparison, methods = study(0.1)
    alone = {"vi": methods["vi"]}
    comparison.methods[comparison.methods.index("standard")] = "other"
    assert gains(comparison, alone) == [] and sentence([]) == ""
