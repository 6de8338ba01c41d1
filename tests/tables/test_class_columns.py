"""Which columns are class probabilities, and of which class."""

import re

import numpy as np
import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.tables.class_columns import (
    ClassColumns,
    find_class_columns,
    predicted_column,
)
from bnn_core.tables.class_order import lacking_column, name_classes


def frame(columns):
    return pd.DataFrame([["0.5"] * len(columns)], columns=columns)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["softmax_0", "softmax_1", "variance"], ("0", "1")),
        (["p_Eg5", "p_DNA damage", "p_label", "p_value"], ("Eg5", "DNA damage")),
        (["prob_a/b", "prob_b, c"], ("a/b", "b, c")),
        (["Prob3", "Prob5"], ("3", "5")),
        (["probability[x]", "probability[y]"], ("x", "y")),
        (["class 1", "class 2"], ("1", "2")),
        (["softmax_mean_0", "softmax_mean_1"], ("0", "1")),
        (["eg5", "dna damage", "area", "dna_damage"], ("eg5", "dna damage")),
        (["prob_-1", "prob_0", "prob_+1"], ("-1", "0", "+1")),
        (["prob-1", "prob0", "prob1"], ("-1", "0", "1")),
        (["prob-0", "prob-1"], ("0", "1")),
        (["p_\N{MINUS SIGN}1", "p_1"], ("\N{MINUS SIGN}1", "1")),
        (["prob\N{MINUS SIGN}1", "prob+1"], ("\N{MINUS SIGN}1", "+1")),
        (["p: GON-", "p: GON+"], ("GON-", "GON+")),
        (["p -1", "p 1"], ("-1", "1")),
        (["p - A", "p - B"], ("A", "B")),
        (["p_x]", "p_[3H]"], ("x]", "[3H]")),
        (["p_label-", "p_label+", "p_label"], ("label-", "label+")),
        (["logit_0", "logit_1", "p_a", "p_b"], ("a", "b")),
    ],
)
def test_usual_columns_are_found(columns, names):
    found = find_class_columns(frame(columns), columns, ["Eg5", "DNA damage"])
    assert found.names == names
    assert not found.logits


def test_logits_are_recognised():
    found = find_class_columns(frame(["logit_a", "logit_b"]), ["logit_a", "logit_b"], [])
    assert found.logits


def test_a_prefix_decides_between_sets():
    columns = ["p_a", "p_b", "softmax_a", "softmax_b", "x_a", "x_b"]
    with pytest.raises(InputError, match=r"\(p_a\.\.\. or softmax_a\.\.\.\); .* --prefix"):
        find_class_columns(frame(columns), columns, [])
    assert find_class_columns(frame(columns), columns, [], "x_").columns == ("x_a", "x_b")
    with pytest.raises(InputError, match="--prefix y_: 0 columns"):
        find_class_columns(frame(columns), columns, [], "y_")


def test_text_and_single_columns_are_none():
    table = pd.DataFrame({"class_name": ["a"], "class_of": ["b"], "p_a": ["0.5"], "x": ["1"]})
    assert find_class_columns(table, list(table), ["a"]) is None


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"p_a": ["0,5", "0,5"], "p_b": ["0,5", "0"], "p_c": ["0", "0"]},
            "row 2: .*'p_a' holds '0,5'",
        ),
        (
            {"p_a": ["0.5", "0.1"], "p_b": ["0.5", "x"]},
            "row 3: .*'p_b' holds 'x' in place of a number .* 'b'",
        ),
        ({"p_a": ["0", "0"], "p_c": ["0", "0"], "p_b": [None, None]}, "row 2: .*'p_b' holds ''"),
    ],
)
def test_text_in_a_column_of_a_class_names_the_cell(columns, words):
    table = pd.DataFrame(columns, index=[2, 3])
    with pytest.raises(InputError, match=words):
        find_class_columns(table, list(table), ["a", "b"])


@pytest.mark.parametrize("other", ["yes", None])
def test_text_beside_a_complete_set_is_not_in_its_way(other):
    table = pd.DataFrame({"p_a": ["0.5"], "p_b": ["0.5"], "class_a": [other]})
    assert find_class_columns(table, list(table), ["a", "b"]).columns == ("p_a", "p_b")
    bare = table.rename(columns={"p_a": "a", "p_b": "b"})
    assert find_class_columns(bare, list(bare), ["a", "b"]).columns == ("a", "b")


def test_predicted_column():
    assert predicted_column(["x", "Predicted MOA", "pred"]) == "Predicted MOA"
    assert predicted_column(["x", "confidence"]) is None


def columns_of(*names, prefix="softmax_"):
    return ClassColumns(tuple(prefix + n for n in names), tuple(names), False)


def rows(*names):
    return pd.Series(names, index=range(2, 2 + len(names)), dtype=object)


NUMBERED = columns_of("0", "1", "2")
P = np.array([[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])


def test_order_is_inferred_from_predictions():
    classes, how = name_classes(NUMBERED, P, ["a", "b", "c"], rows("c", "a", "b", "c"))
    assert classes == ["c", "b", "a"]
    assert how == (
        "The class order was inferred from the predicted column and agrees on every row."
    )


def test_every_permutation_of_the_authors_columns_is_recovered(authors):
    rng = np.random.default_rng(0)
    predicted = pd.Series(authors.frame["predicted_MOA"].to_numpy(dtype=object))
    found = columns_of(*map(str, range(12)))
    for _ in range(5):
        order = rng.permutation(12)
        classes, _ = name_classes(found, authors.p[:, order], [], predicted)
        assert classes == [authors.classes[k] for k in order]


def test_one_class_never_predicted_is_what_is_left_over():
    two = P[[0, 1]]
    classes, how = name_classes(NUMBERED, two, ["a", "b", "c"], rows("c", "a"))
    assert classes == ["c", "b", "a"]
    assert "'b', never predicted" in how
    with pytest.raises(InputError, match=r"is never in softmax_1, so .*--classes"):
        name_classes(NUMBERED, two, ["a", "c"], rows("c", "a"))


def test_a_contradiction_names_the_row_and_the_flags():
    with pytest.raises(
        InputError,
        match=(
            r"t\.csv row 5: predicted is 'a' but the highest column is softmax_0 \('c'\); .*"
            "--classes and take .* --ignore-predicted"
        ),
    ):
        name_classes(
            NUMBERED,
            np.vstack([P, P[:1], P[1:2]]),
            [],
            rows("c", "a", "b", "a", "c", "a"),
            where="t.csv ",
        )
    with pytest.raises(InputError, match="row 5: 'b' was predicted where softmax_0 is highest"):
        name_classes(columns_of("0", "1"), P[:, :2], [], rows("a", None, None, "b"))


@pytest.mark.parametrize(
    "names, known, words",
    [
        (["0", "1", "3"], list("wxyz"), "the column softmax_2 is missing"),
        (
            ["0", "1", "2"],
            list("wxyz"),
            r"probably missing: softmax_0 \.\.\. softmax_2 are 3, labels and predictions name 4 classes",
        ),
        (["x", "y"], ["X", "y", "z", "z"], "the column of 'z' is missing"),
        (["0", "1"], ["w"], "^$"),
    ],
)
def test_a_missing_column_is_named_as_far_as_is_known(names, known, words):
    assert re.search(words, lacking_column(columns_of(*names), known))


def test_more_classes_predicted_than_columns_is_a_missing_column():
    with pytest.raises(InputError, match="3 classes are predicted for 2 columns: a column"):
        name_classes(columns_of("0", "1"), P[:, :2], [], rows("a", "b", "c", "a"))


def test_ties_say_nothing():
    tied = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]])
    assert name_classes(columns_of("0", "1"), tied, [], rows("b", "a", "b"))[0] == ["a", "b"]


def test_names_on_the_columns_are_checked_against_the_predictions():
    named = columns_of("a", "b", "c", prefix="p_")
    classes, how = name_classes(named, P, ["a"], rows("a", "c", "b", "a"))
    assert classes == ["a", "b", "c"]
    assert how.endswith("the predicted column agrees on every row.")
    with pytest.raises(InputError, match="rows 2, 3, 5: predicted is 'c'"):
        name_classes(named, P, ["a"], rows("c", "a", "b", "c"))


@pytest.mark.parametrize(
    ("prefix", "columns"),
    [("z", ["z_a-", "z_a+"]), ("z_", ["z_a-", "z_a+"]), ("z[", ["z[a-]", "z[a+]"])],
)
def test_what_joins_a_prefix_is_no_part_of_the_name(prefix, columns):
    assert find_class_columns(frame(columns), columns, [], prefix).names == ("a-", "a+")


def test_names_are_spelt_as_in_the_labels():
    found = columns_of("eg5 INHIBITORS", "dna damage", prefix="p_")
    classes, _ = name_classes(found, P[:, :2], ["Eg5 inhibitors", "DNA damage", "DMSO"], None)
    assert classes == ["Eg5 inhibitors", "DNA damage"]


@pytest.mark.parametrize(
    "names",
    [
        ("GON+", "GON-", "GON"),
        ("5'", "5''", "5"),
        ("a/b", "ab", "a b"),
        ("-1", "1", "+1"),
        ("x+", "x-", "Wnt+"),
        ("CD4+ CD8-", "CD4- CD8+", "CD4 CD8"),
        ("a_b", "a-b", "a.b"),
    ],
)
def test_signs_distinguish_classes(names):
    columns = columns_of(*names, prefix="p_")
    labels = [name.swapcase() for name in names]
    assert name_classes(columns, P, labels[::-1], None)[0] == labels
    assert name_classes(columns, P, [], rows(*(labels[k] for k in (0, 2, 1, 0))))[0] == labels
    with pytest.raises(InputError, match=r"row 3: predicted is"):
        name_classes(columns, P, [], rows(*(labels[k] for k in (0, 1, 1, 0))))
    assert name_classes(NUMBERED, P, [], rows(names[2], names[0], names[1], labels[2]))[0] == [
        names[2],
        names[1],
        names[0],
    ]


def test_two_columns_of_one_class_are_refused():
    columns = columns_of("a", "A", "b", prefix="p_")
    for labels in (["a", "b"], []):
        with pytest.raises(InputError, match="columns p_a and p_A both match class 'a'"):
            name_classes(columns, P, labels, None)
    assert name_classes(columns, P, ["a", "b", "A"], None)[0] == ["a", "A", "b"]
    for one, other in (("1", "1.0"), ("-1", "\N{MINUS SIGN}1")):
        with pytest.raises(InputError, match="both match class"):
            name_classes(columns_of(one, other), P[:, :2], [one, "0"], None, [one, one])


def test_numbers_as_class_names():
    digits = columns_of(*map(str, range(3)))
    assert name_classes(digits, P, ["0", "2"], None)[0] == ["0", "1", "2"]


def test_what_nothing_tells_must_be_given():
    with pytest.raises(InputError, match=r"give the 3 names .* --classes \(labels there: a, b\)"):
        name_classes(NUMBERED, P, ["a", "b"], None)
    assert name_classes(NUMBERED, P, ["a"], None, ["c", "b", "a"])[0] == ["c", "b", "a"]
    with pytest.raises(InputError, match="--classes gives 2 names for 3 columns"):
        name_classes(NUMBERED, P, [], None, ["a", "b"])
    with pytest.raises(InputError, match="row 2: predicted is 'x'"):
        name_classes(NUMBERED, P[:1], [], rows("x"), ["c", "b", "a"])
    with pytest.raises(InputError, match="in another order than the columns: a, b, c"):
        name_classes(columns_of("a", "b", "c"), P, [], None, ["c", "b", "a"])
    with pytest.raises(InputError, match="columns softmax_0 and softmax_2 both match class 'a'"):
        name_classes(NUMBERED, P, [], None, ["a", "b", "a"])
