"""What the values of a label column mean: signs, codes, no label, kinds never learnt."""

import pandas as pd
import pytest
from sure_tables import outcome, read_sure_table

from bnn_core.base.errors import InputError
from bnn_core.tables.label_values import count_alike


@pytest.fixture
def importing(tmp_path):
    def read(columns, labels, tops, extra=None, **options):
        more = {"label": labels, **(extra or {})}
        return read_sure_table(tmp_path, columns, tops, more, **options)

    return read


def test_plus_and_minus_are_two_classes(importing):
    found = importing(
        ["p_GON+", "p_GON-"], ["GON+", "gon+", "GON-", "gon+", "gon\N{MINUS SIGN}"], [0, 0, 1, 0, 1]
    )
    assert found.classes == ["GON+", "GON-"]
    assert outcome(found) == (5, 5)


@pytest.mark.parametrize(
    "names",
    [
        ["5'", "5''"],
        ["a/b", "ab"],
        ["x+", "x-", "Wnt+"],
        ["-1", "1"],
        ["CD4+ CD8-", "CD4- CD8+"],
        ["+", "-"],
        ["-1", "0", "1"],
    ],
)
@pytest.mark.parametrize("head", ["p_", "prob_", "softmax_", "", "probability: "])
def test_signs_in_names_under_every_head(importing, names, head):
    tops = [*range(len(names)), 0]
    found = importing([head + name for name in names], [names[k].upper() for k in tops], tops)
    assert [name.casefold() for name in found.classes] == [name.casefold() for name in names]
    assert outcome(found) == (len(tops), len(tops))


def test_a_label_that_fits_two_columns_is_refused(importing):
    columns = ["p_Wnt", "p_WNT"]
    assert outcome(importing(columns, ["Wnt", "WNT"], [0, 1])) == (2, 2)
    with pytest.raises(InputError, match=r"t\.csv row 4: 'wnt' .*'Wnt' and 'WNT'"):
        importing(columns, ["Wnt", "WNT", "wnt"], [0, 1, 0])
    with pytest.raises(InputError, match="columns p_Wnt and p_WNT both match class 'Wnt'"):
        importing([*columns, "p_b"], ["Wnt", "b"], [0, 2])


def test_names_that_differ_in_signs_are_named_with_the_way_out(importing):
    columns, labels = ["p_Eg5_inhibitors", "p_DNA"], ["Eg5 inhibitors", "DNA"]
    with pytest.raises(InputError, match=r"label 'Eg5 inhibitors' is not one of .* --classes"):
        importing(columns, labels, [0, 1])
    assert outcome(importing(columns, labels, [0, 1], classes=tuple(labels))) == (2, 2)


def test_whole_numbers_written_as_floats(importing):
    columns = [f"prob_{k}" for k in range(3)]
    found = importing(columns, ["0.0", "1.0", "2.0", None], [0, 1, 2, 0])
    assert found.classes == ["0", "1", "2"]
    assert outcome(found) == (3, 3)
    for classes in (("0", "1", "2"), ("0.0", "1.0", "2.0")):
        assert outcome(importing(columns, ["0.0", "1.0", "2.0"], [0, 1, 2], classes=classes)) == (
            3,
            3,
        )
    assert outcome(importing([f"p_{k}.0" for k in range(3)], ["0", "1", "2"], [0, 1, 2])) == (3, 3)


@pytest.mark.parametrize(
    "columns, labels",
    [
        ([f"prob_{k}" for k in range(3)], ["0", "1", "2"]),
        (["p_A", "p_B", "p_C"], ["A", "B", "C"]),
        (["A", "B", "C"], ["a", "b", "c"]),
    ],
)
@pytest.mark.parametrize("value", ["-1", "none", "NULL", "?", "Unknown", "-", "\N{MINUS SIGN}1"])
def test_values_that_mean_no_label_are_counted(importing, columns, labels, value):
    found = importing(columns, [*labels, value, value], [0, 1, 2, 0, 2])
    assert outcome(found) == (3, 3)
    assert found.images["role"].tolist() == ["scored"] * 3 + ["unlabelled"] * 2
    assert any(f"'{value}' on 2 rows" in note and "--unlabelled" in note for note in found.notes)


def test_what_is_a_class_is_no_missing_label(importing):
    found = importing(["p_A", "p_unknown"], ["A", "Unknown", "unknown"], [0, 1, 0])
    assert outcome(found) == (2, 3)
    assert any("'unknown' is a class, and the label of 2 rows" in note for note in found.notes)
    found = importing(
        ["p_A", "p_unknown"], ["A", "Unknown", "unknown"], [0, 1, 0], unlabelled=("unknown",)
    )
    assert outcome(found) == (1, 1)
    with pytest.raises(InputError, match=r"--unlabelled x: no row of .* has that label"):
        importing(["p_A", "p_B"], ["A", "B"], [0, 1], unlabelled=("x",))


@pytest.mark.parametrize(
    "labels, classes", [(["-1", "1"], "-1 1"), (["-1", "0", "1"], "-1 0 1"), (["-1", "0"], "-1 0")]
)
def test_minus_one_that_may_be_a_class_is_asked_about(importing, labels, classes):
    k = int(len(labels) == 3) + 2
    columns, tops = [f"prob_{j}" for j in range(k)], list(range(len(labels)))
    with pytest.raises(InputError, match=f"--unlabelled -1 or --classes {classes}$"):
        importing(columns, labels, tops)
    named = tuple(classes.split())
    assert outcome(importing(columns, labels, tops, classes=named)) == (len(labels), len(labels))
    if "0" in labels:
        assert outcome(importing(columns, labels, tops, {"predicted": tops})) == (
            0,
            len(labels) - 1,
        )


def test_minus_one_beside_numbers_of_named_classes_is_no_label(importing):
    for labels in (["0", "1", "2", "-1"], ["1", "2", "3", "-1"]):
        found = importing(["p_a", "p_b", "p_c"], labels, [0, 1, 2, 2], classes=("a", "b", "c"))
        assert outcome(found) == (3, 3)
    # Of three classes -1, 0 and 1 may also be all, which names in predictions do not tell.
    named = {"predicted": ["a", "b", "c"]}
    with pytest.raises(InputError, match=r"--unlabelled -1 or --classes -1 0 1$"):
        importing(
            ["p_a", "p_b", "p_c"], ["-1", "0", "1"], [0, 1, 2], named, classes=("a", "b", "c")
        )


def test_numbers_of_classes_with_names_given(importing):
    names = ("A549", "HeLa", "MCF7")
    columns = [f"prob_{k}" for k in range(3)]
    for labels in (
        ["0", "1", "2"],
        ["0.0", "1.0", "2.0"],
        ["1", "2", "3"],
        ["a549", "hela", "mcf7"],
    ):
        found = importing(columns, labels, [0, 1, 2], {"predicted": labels}, classes=names)
        assert found.classes == list(names)
        assert found.images["label"].tolist() == list(names)
        assert outcome(found) == (3, 3)
    found = importing(columns, ["0", "1", "2", "-1"], [0, 1, 2, 0], classes=names)
    assert outcome(found) == (3, 3)
    assert any("0 is 'A549', 1 is 'HeLa', 2 is 'MCF7'" in note for note in found.notes)
    with pytest.raises(InputError, match=r"rows 2, 3, 4: label '0', '1', '7' is not one of"):
        importing(columns, ["0", "1", "7"], [0, 1, 2], classes=names)
    found = importing(["p_a", "p_h", "p_m"], ["h", "m", "a"], [1, 2, 0], classes=names)
    assert found.images["label"].tolist() == ["HeLa", "MCF7", "A549"]


def test_kinds_never_learnt_are_kept_and_not_scored(importing):
    columns = ["p_A", "p_B"]
    with pytest.raises(InputError, match=r"row 4: label 'C' .*--new"):
        importing(columns, ["A", "B", "C"], [0, 1, 0])
    for found in (
        importing(columns, ["A", "B", "C"], [0, 1, 0], new=("c",)),
        importing(columns, ["A", "B", "C"], [0, 1, 0], {"role": ["scored", "scored", "new"]}),
    ):
        assert found.images["role"].tolist() == ["scored", "scored", "new"]
        assert found.images["label"].tolist() == ["A", "B", "C"]
        assert outcome(found) == (2, 2)
        assert any("'C' on 1 row" in note for note in found.notes)
    with pytest.raises(InputError, match=r"--new D: no row of .* has that label"):
        importing(columns, ["A", "B", "C"], [0, 1, 0], new=("D",))


def numbers(*values):
    return [str(v) for v in values]


@pytest.mark.parametrize("names, labels, predicted, expected", [
    ((0, 1, 2), (1, 2, 3), None, ((1, 2, 3), None)),
    ((0, 1, 2), (1, 2), None, ((0, 1, 2), None)),
    ((0, 1, 2), (1, 2), (1, 3), ((1, 2, 3), (1, 3))),
    ((0, 1, 2), (1, 2), (0, 2), ((0, 1, 2), (0, 2))),
    ((0, 1, 2), (1, 3), (0, 2), ((1, 2, 3), (1, 3))),
    ((1, 2, 3), (0, 2), (1, 3), ((0, 1, 2), (0, 2))),
    ((2, 0, 1), (3, 1), None, ((3, 1, 2), None)),
    ((0, 1, 2), (0, 3), None, ((0, 1, 2), None)),
    ((0, 1), (2, -1), None, ((1, 2), None)),
    ((3, 5), (1, 2), None, ((3, 5), None)),
])  # fmt: skip
def test_numbers_that_count_from_one_and_from_zero(names, labels, predicted, expected):
    given = None if predicted is None else pd.Series(numbers(*predicted))
    moved, shifted, note = count_alike(numbers(*names), numbers(*labels), given)
    assert list(moved) == numbers(*expected[0])
    assert (None if shifted is None else shifted.tolist()) == (
        None if expected[1] is None else numbers(*expected[1])
    )
    assert bool(note) == ((names, predicted) != expected)


def test_labels_from_one_on_columns_from_zero(importing):
    for predicted in ({}, {"predicted": [1, 2, 3]}, {"pred": [0, 1, 2]}, {"y_hat": [1, 2, 3]}):
        found = importing([f"prob_{k}" for k in range(3)], [1, 2, 3], [0, 1, 2], predicted)
        assert found.classes == ["1", "2", "3"]
        assert outcome(found) == (3, 3)
        assert any("count classes from 1" in note for note in found.notes)
    with pytest.raises(InputError, match="rows 2, 3: predicted is '2'"):
        importing([f"prob_{k}" for k in range(3)], [1, 2, 3], [0, 1, 2], {"predicted": [2, 1, 3]})
