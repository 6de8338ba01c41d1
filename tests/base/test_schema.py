"""Types of values from JSON files."""

from typing import Annotated, Any, NotRequired, TypedDict

import pytest

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json
from bnn_core.base.schema import Rule, problem_of

Share = Annotated[float, Rule("a share from 0 to 1", lambda x: 0 <= x <= 1)]


class Cell(TypedDict):
    name: str
    size: int
    share: NotRequired[Share | None]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("a", str),
        ("", str),
        (1, int),
        (1, float),
        (0.5, float),
        (True, bool),
        (None, None),
        (None, str | None),
        ([], list[int]),
        ([1, 2], list[int]),
        ({"a": [None]}, dict[str, list[int | None]]),
        ({"name": "x", "size": 2}, Cell),
        ({"name": "x", "size": 2, "share": None, "other": object()}, Cell),
        (object(), Any),
    ],
)
def test_values_of_the_type_are_let_pass(value, kind):
    assert problem_of(value, kind) is None


@pytest.mark.parametrize(
    ("value", "kind", "name"),
    [
        (1, str, ""),
        ("a\0", str, ""),
        ("\ud800", str, ""),
        (True, int, ""),
        (1.0, int, ""),
        (2**60, int, ""),
        (True, float, ""),
        (float("inf"), float, ""),
        (float("nan"), float, ""),
        (1, bool, ""),
        (0, None, ""),
        ({}, list[int], ""),
        ([1, "2"], list[int], "[1]"),
        ([], dict[str, int], ""),
        ({"a": {"b": "c"}}, dict[str, dict[str, int]], "a.b"),
        ({"name": "x"}, Cell, ""),
        ({"name": "x", "size": "2"}, Cell, "size"),
        ({"name": "x", "size": 2, "share": 1.5}, Cell, "share"),
        ([{"name": "x", "size": 2}, 5], list[Cell], "[1]"),
    ],
)
def test_other_values_are_named_with_their_place(value, kind, name):
    problem = problem_of(value, kind)
    assert problem and problem.startswith(name) and "\n" not in problem
    assert problem_of({"key": value}, dict[str, kind]).startswith(
        "key" + "." * bool(name[:1] not in "[") + name
    )


def test_a_long_value_is_shortened():
    assert len(problem_of("x" * 10_000, int)) < 100


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '{"a": NaN}', '{"a": 1' + "0" * 5000 + "}", "\xff", '"\\ud800"'],
)
def test_what_is_no_json_is_one_line_with_the_file(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as error:
        read_json(path, str)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_half_of_a_surrogate_pair_is_refused_also_where_anything_may_be(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": {"b": ["\\ud83d\\ude00"]}}')
    assert read_json(path) == {"a": {"b": ["😀"]}}
    path.write_text('{"a": {"b": ["\\uD83D"]}}')
    with pytest.raises(InputError, match=r"x\.json: a\.b\[0\] is '.ud83d' and must be a text"):
        read_json(path)
    path.write_text("[" * 900 + '"\\ud83d"' + "]" * 900)
    with pytest.raises(InputError, match="must be a text"):
        read_json(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json does not exist"):
        read_json(tmp_path / "none.json")
