"""One column of probability for two classes."""

import numpy as np
import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.tables.predictions import read_predictions
from bnn_core.tables.sources import ImportOptions

P = [0.06, 0.91, 0.40]


@pytest.fixture
def importing(tmp_path):
    def read(options=None, **columns):
        pd.DataFrame({"id": [1, 2, 3], **columns}).to_csv(tmp_path / "t.csv", index=False)
        return read_predictions(tmp_path / "t.csv", ImportOptions(**(options or {})))

    return read


def of(found, name):
    return found.moments["vi"].mean_p[:, found.classes.index(name)]


@pytest.mark.parametrize(
    "column", ["prob_tumour", "probability", "score", "y_prob", "p", "prob_1", "malignant_prob"]
)
@pytest.mark.parametrize(
    "labels", [(0, 1), ("no", "yes"), ("False", "True"), ("Negative", "Positive"), (-1, 1)]
)
def test_the_column_is_of_the_positive_of_a_usual_pair(importing, column, labels):
    no, yes = map(str, labels)
    if column == "prob_1" and yes != "1":
        pytest.skip("the column says 1")
    found = importing(label=[no, yes, yes], **{column: P})
    assert found.classes == [no, yes]
    np.testing.assert_allclose(of(found, yes), P)
    np.testing.assert_allclose(found.moments["vi"].mean_p.sum(axis=1), 1)
    assert any(f"'{column}' is read as the probability of '{yes}'" in n for n in found.notes)


def test_the_name_of_the_column_says_which_label_it_is_of(importing):
    found = importing(label=["normal", "tumour", "normal"], p_Tumour=P)
    np.testing.assert_allclose(of(found, "tumour"), P)
    found = importing(label=[0, 1, 1], prob_0=P)
    np.testing.assert_allclose(of(found, "0"), P)


def test_no_label_at_all(importing):
    assert importing(prob_tumour=P).classes == ["not tumour", "tumour"]
    assert importing(label=["", "none", "?"], probability=P).classes == [
        "negative",
        "positive",
    ]


def test_minus_one_beside_zero_and_one_is_no_label(importing):
    found = importing(label=[0, 1, -1], probability=P)
    assert found.classes == ["0", "1"]
    assert found.images["role"].tolist() == ["scored", "scored", "unlabelled"]


def test_the_predicted_class_tells_which_label_it_is_of(importing):
    found = importing(label=["a", "b", "b"], probability=P, predicted=["a", "b", "a"])
    np.testing.assert_allclose(of(found, "b"), P)
    with pytest.raises(InputError, match="row 4: predicted is 'b'"):
        importing(
            {"classes": ("a", "b")}, label=["a", "b", "b"], probability=P, predicted=["a", "b", "b"]
        )


def test_names_given_for_both(importing):
    found = importing({"classes": ("b", "a")}, label=["a", "b", "b"], probability=P)
    np.testing.assert_allclose(of(found, "a"), P)
    found = importing({"classes": ("cell", "debris")}, label=[0, 1, 1], prob_1=P)
    np.testing.assert_allclose(of(found, "debris"), P)
    assert found.images["label"].tolist() == ["cell", "debris", "debris"]


def test_what_cannot_be_known_is_refused_with_the_flag(importing):
    with pytest.raises(InputError, match=r"label is unknown \(a, b\).*--classes"):
        importing(label=["a", "b", "b"], probability=P)
    with pytest.raises(InputError, match=r"one column of probability \('prob'\) and 3 labels"):
        importing(label=["a", "b", "c"], prob=P)


def test_a_probability_of_the_predicted_class_is_refused(tmp_path):
    more = {"label": [0, 1, 0], "prob": [0.9, 0.8, 0.7]}
    pd.DataFrame(more).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=r"'prob' is never below 0\.5.*--classes 0 1"):
        read_predictions(tmp_path / "t.csv")
    found = read_predictions(tmp_path / "t.csv", ImportOptions(classes=("0", "1")))
    np.testing.assert_allclose(found.moments["vi"].mean_p[:, 1], more["prob"])
