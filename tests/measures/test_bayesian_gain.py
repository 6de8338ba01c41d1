"""The sentence on Bayesian methods: planted better, level and worse ones."""

import numpy as np
import pandas as pd

from bnn_core.measures.bayesian_gain import gains, sentence
from bnn_core.measures.comparison import compare
from bnn_core.measures.uncertainty import Moments, summarise

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


def test_a_worse_or_equal_method_does_not_beat_it():
    for gap in (0.0, -0.08):
        (gain,) = gains(*study(gap))
        assert not gain.better and sentence([gain]).startswith("No method beats")
    assert f"{gain.differences['nll'].value:+.3f}" in sentence([gain])


def test_without_a_standard_network_there_is_nothing_to_say():
    comparison, methods = study(0.1)
    alone = {"vi": methods["vi"]}
    comparison.methods[comparison.methods.index("standard")] = "other"
    assert gains(comparison, alone) == [] and sentence([]) == ""
