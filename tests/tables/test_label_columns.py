"""Columns of labels and predictions under any name."""

import pytest
from sure_tables import outcome, read_sure_table

from bnn_core.base.errors import InputError

WORDS = ["p_A", "p_B", "p_C", "p_D"]
NUMBERS = ["prob_0", "prob_1", "prob_2"]


@pytest.fixture
def importing(tmp_path):
    def read(columns, tops, more, **options):
        return read_sure_table(tmp_path, columns, tops, more, **options)

    return read


def noted(found, *words):
    return any(all(word in note for word in words) for note in found.notes)


@pytest.mark.parametrize("name", ["actual", "obs", "gt", "y", "class", "diagnosis", "Actual Class"])
@pytest.mark.parametrize("labels", [list("ABCD"), list("abDC")])
def test_a_column_called_like_a_label_is_the_label(importing, name, labels):
    found = importing(WORDS, [0, 1, 2, 3], {name: labels})
    assert outcome(found) == (4 if labels[2] == "C" else 2, 4)
    assert noted(found, f"read from '{name}'", "--label")
    assert f"label from {name}" in found.understood
    found = importing(NUMBERS, [0, 1, 2], {name: [0, 1, 1], "predicted": [0, 1, 2]})
    assert outcome(found) == (2, 3)


def test_the_one_column_of_class_names_is_the_label(importing):
    found = importing(WORDS, [0, 1, 2, 3], {"nurse": list("ABCC"), "site_name": list("ABxy")})
    assert outcome(found) == (3, 4)
    assert "not used: site_name" in found.understood


def test_what_may_be_the_prediction_or_one_of_two_is_only_named(importing):
    agreeing = importing(WORDS, [0, 1, 2, 3], {"nurse": list("ABCD")})
    assert outcome(agreeing) == (0, 0)
    assert noted(agreeing, "WARNING: 4 of 4 images are not scored", "--label nurse")
    two = importing(WORDS, [0, 1, 2, 3], {"nurse": list("ABCC"), "doctor": list("ABDD")})
    assert outcome(two) == (0, 0)
    assert noted(two, "WARNING", "'nurse' and 'doctor'", "--label nurse")
    flag = importing(["prob_0", "prob_1"], [0, 1, 1], {"is_odd": [0, 1, 0], "predicted": [0, 1, 1]})
    assert outcome(flag) == (0, 0)
    assert noted(flag, "WARNING: 3 of 3 images", "--label is_odd")
    known = importing(WORDS, [0, 1, 2, 3], {"label": list("ABCD"), "nurse": list("ABCC")})
    assert outcome(known) == (4, 4)
    assert noted(known, "'nurse'", "--label nurse") and not noted(known, "WARNING")
    none = importing(WORDS, [0, 1, 2, 3], {"x": [1, 2, 3, 4]})
    assert noted(none, "WARNING", "--label COLUMN")


@pytest.mark.parametrize(
    "name",
    [
        *("predictions", "response", "predict", "y_hat", "Prediction (label)", "prediction"),
        *("estimate", "class_max", "Vorhersage", "prédiction"),
    ],
)
def test_a_column_called_like_a_prediction_checks_the_order(importing, name):
    with pytest.raises(InputError, match=r"rows 4, 5: predicted is 'C' but the highest .* p_D"):
        importing(WORDS, [0, 1, 3, 2], {"label": list("ABCD"), name: list("ABCD")})
    found = importing(WORDS, [0, 1, 3, 2], {"label": list("ABDC"), name: list("abdc")})
    assert outcome(found) == (4, 4)
    assert f"predicted class from {name}" in found.understood
    found = importing(NUMBERS, [0, 1, 2], {"label": ["x", "y", "z"], name: ["x", "y", "z"]})
    assert found.classes == ["x", "y", "z"]
    ignored = importing(
        WORDS, [0, 1, 3, 2], {"label": list("ABCD"), name: list("ABCD")}, ignore_predicted=True
    )
    assert outcome(ignored) == (2, 4)


def test_many_rows_tell_a_prediction_under_any_name(importing):
    tops = [0, 1, 3, 2] * 5
    labels = list("ABCDABCDABCDABCDABDC")
    with pytest.raises(InputError, match="predicted is 'C' but the highest column is p_D"):
        importing(WORDS, tops, {"label": labels, "model_says": list("ABCD") * 5})
    agreeing = importing(WORDS, tops, {"label": labels, "model_says": list("ABDC") * 5})
    assert outcome(agreeing) == (12, 20)


@pytest.mark.parametrize("head", ["true_", "y_", "class_", "", "is "])
def test_one_hot_truth_is_the_label(importing, head):
    marks = {f"{head}{name}": [int(k == j) for k in (0, 1, 2, 2)] for j, name in enumerate("ABCD")}
    found = importing(WORDS, [0, 1, 2, 3], marks)
    assert outcome(found) == (3, 4)
    assert noted(found, f"{head}A ... {head}D")
    marks[f"{head}C"] = [0, 0, 0, 1]
    found = importing(WORDS, [0, 1, 2, 3], marks)
    assert found.images["label"].isna().tolist() == [False, False, True, False]


def test_columns_of_zero_and_one_that_are_no_truth_are_left_alone(importing):
    both = {f"has_{name}": [1, 1, 0, 0] for name in "ABCD"}
    assert outcome(importing(WORDS, [0, 1, 2, 3], both)) == (0, 0)
    some = {f"true_{name}": [1, 0, 0, 0] for name in "ABC"}
    assert outcome(importing(WORDS, [0, 1, 2, 3], some)) == (0, 0)


@pytest.mark.parametrize("name", ["decision", "model_class", "cnn_pred", "Label hat"])
def test_a_column_called_like_a_decision_checks_the_order(importing, name):
    with pytest.raises(InputError, match=r"rows 4, 5: predicted is 'C' but the highest .* p_D"):
        importing(WORDS, [0, 1, 3, 2], {"label": list("ABCD"), name: list("ABCD")})


def test_one_hot_truth_in_words_or_beside_columns_of_predictions(importing):
    truth = {f"true_{k}": [int(k == label) for label in "ABA"] for k in "AB"}
    assert outcome(importing(["pred_A", "pred_B"], [0, 1, 1], truth)) == (2, 3)
    words = {f"is_{k}": [str(k == label) for label in "ABA"] for k in "AB"}
    assert outcome(importing(["A", "B"], [0, 1, 1], words)) == (2, 3)


def test_labels_that_agree_in_another_order_are_warned_of(importing):
    found = importing(["prob_0", "prob_1", "prob_2"], [0, 1, 0, 1], {"label": [1, 2, 1, 2]})
    assert noted(found, "WARNING", "on 0 of 4 images", "on 4", "--classes 1 2 0")
    swapped = importing(WORDS, [0, 1, 3, 2, 3, 2], {"label": list("ABCDCD")})
    assert noted(swapped, "WARNING", "'C' and 'D'", "on 0 of 4 images", "--classes A B D C")
    for labels in ("ABCC", "ABDD", "ABCD", "BADC"):  # right, confused, or too few to tell
        assert not noted(importing(WORDS, [0, 1, 2, 3], {"label": list(labels)}), "another order")


def test_classes_that_no_label_names_are_read_too(importing, tmp_path):
    (tmp_path / "truth.csv").write_text("image,MEL,NV,BCC\n0,1.0,0.0,0.0\n1,0.0,1.0,0.0\n")
    found = importing(["MEL", "NV", "BCC"], [0, 1], {}, metadata=(tmp_path / "truth.csv",))
    assert found.classes == ["MEL", "NV", "BCC"] and outcome(found) == (2, 2)


@pytest.mark.parametrize(("first", "columns"), [(1, [0, 1, 2]), (0, [1, 2, 3])])
def test_one_hot_truth_that_counts_from_another_number(importing, first, columns):
    names = [f"prob_{k}" for k in columns]
    marks = {f"target_{first + j}": [int(k == j) for k in (0, 1, 2, 2)] for j in range(3)}
    assert outcome(importing(names, [0, 1, 2, 0], marks)) == (3, 4)


def test_one_hot_truth_of_a_label_that_is_no_class(importing):
    marks = {f"true_{n}": [int(k == j) for k in range(5)] for j, n in enumerate("ABCDE")}
    with pytest.raises(InputError, match=r"row 6: label 'E' is not one of the classes"):
        importing(WORDS, [0, 1, 2, 3, 0], marks)
    assert outcome(importing(WORDS, [0, 1, 2, 3, 0], marks, new=("E",))) == (4, 4)


@pytest.mark.parametrize("words", [("no", "yes"), ("False", "True"), ("negative", "positive")])
def test_two_classes_in_other_words_than_the_labels(importing, words):
    columns = [f"p_{word}" for word in words]
    found = importing(columns, [0, 1, 1, 1], {"label": [0, 1, 1, 0]})
    assert outcome(found) == (3, 4)
    assert noted(found, f"'{words[1]}'", "labels '0' and '1'")
    found = importing(["p_0", "p_1"], [0, 1, 1, 1], {"label": [words[k] for k in (0, 1, 1, 0)]})
    assert (outcome(found), found.classes) == ((3, 4), list(words))
    found = importing(columns, [0, 1] * 3, {"label": [1, 0] * 3})
    assert noted(found, "WARNING", "another order")


@pytest.mark.parametrize("name", ["predicted", "y_pred", "argmax", "pred_idx", "top1_index"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("columns", [WORDS, [WORDS[k] for k in (2, 0, 3, 1)]])
def test_predictions_may_be_numbers_of_the_classes(importing, name, first, columns):
    """In the order of the columns, or of the alphabet."""
    numbers = [first, 1 + first, 2 + first, 3 + first]
    alphabet = [columns.index(word) for word in WORDS]
    for tops in ([0, 1, 2, 3], alphabet):
        labels = [columns[k].removeprefix("p_") for k in tops]
        found = importing(columns, tops, {"label": labels, name: numbers})
        assert outcome(found) == (4, 4) and f"predicted class from {name}" in found.understood
    swapped = [*alphabet[:2], alphabet[3], alphabet[2]]
    with pytest.raises(
        InputError, match="rows 4, 5: predicted is 'C' but the highest column is p_D"
    ):
        importing(columns, swapped, {"label": list("ABCD"), name: numbers})


def test_few_rows_of_names_in_another_order_are_warned_of(importing):
    found = importing(WORDS, [0, 1, 3, 2], {"label": list("ABCD"), "model_says": list("ABCD")})
    assert outcome(found) == (2, 4) and noted(found, "WARNING", "'model_says'", "'predicted'")
