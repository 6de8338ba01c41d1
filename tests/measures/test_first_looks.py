"""Rows to look at first, planted and counted by hand."""

import numpy as np
import pandas as pd

from bnn_core.measures.first_looks import first_looks
from bnn_core.measures.uncertainty import Moments, summarise


def table(p, labels, **columns):
    """Images with p(A), their labels and further columns."""
    p = np.asarray(p, dtype=float)
    summary = summarise(Moments(np.stack([p, 1 - p], axis=1)), ["A", "B"], np.array(labels, object))
    images = pd.DataFrame(
        {"image_id": [f"i{k}" for k in range(len(p))], "label": labels, "role": "scored", **columns}
    )
    return pd.concat([images, summary], axis=1)


def test_first_looks_find_the_planted_ones():
    p = [0.99, 0.98, 0.02, 0.5, 0.7, 0.03]
    bayes = table(p, list("AAABAB"))
    standard = table([0.99, 0.01, 0.02, 0.4, 0.7, 0.03], list("AAABAB"))
    rows = np.arange(6)
    found = first_looks({"vi": bayes, "standard": standard}, rows, "vi", "standard", "top_softmax")
    assert found["Confident mistakes"].tolist()[0] == 2
    assert found["Unlikely labels"].tolist()[0] == 2
    assert found["Least sure"].tolist()[0] == 3
    assert found["Networks disagree"].tolist() == [1, 3]
    assert "Networks disagree" not in first_looks({"vi": bayes}, rows, "vi", None, "top_softmax")
    far = bayes.assign(distance=[1.0, np.nan, 3.0, 1.5, 2.0, 1.0])
    found = first_looks({"vi": far}, rows, "vi", None, "top_softmax")
    assert found["Unlike training"].tolist() == [2, 4, 3, 0, 5]
    none = bayes.assign(label=None, correct=pd.array([pd.NA] * 6, "boolean"), role="unlabelled")
    assert list(first_looks({"vi": none}, rows, "vi", None, "top_softmax")) == ["Least sure"]
    assert first_looks({"vi": bayes}, rows[:0], "vi", None, "top_softmax") == {}
