"""Does a value from a JSON file have the type that the program expects?

The types are ordinary annotations: str, int, float, bool, None, unions, list[...], dict[str, ...],
TypedDict and `Annotated[type, Rule]`. They are the documentation of the file at the same time.
"""

import math
import types
from collections.abc import Callable
from functools import cache
from typing import (
    Annotated,
    Any,
    NamedTuple,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

#: Whole numbers beyond this cannot be kept exactly in other programs (2^53).
_LARGEST = 2**53
_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


class Rule(NamedTuple):
    """What else must hold of a value: in words, and as a function."""

    words: str
    holds: Callable[[Any], object]


def problem_of(value: Any, kind: Any, name: str = "") -> str | None:
    """What is wrong with a value, such as "metrics.vi is 5 and must be a group of keys", or None.

    name: where the value is in its file, "" for the whole file. Keys that a TypedDict does not
    name are let pass.
    """
    origin = get_origin(kind)
    if kind is Any:
        return _odd_text(value, name)
    if origin is NotRequired:
        (inner,) = get_args(kind)
        return problem_of(value, inner, name)
    if origin is Annotated:
        base, *rules = get_args(kind)
        if problem := problem_of(value, base, name):
            return problem
        broken = next((rule.words for rule in rules if not rule.holds(value)), None)
        return _wrong(name, broken, value) if broken else None
    if origin in (Union, types.UnionType):
        problems = [problem_of(value, one, name) for one in get_args(kind)]
        return None if None in problems else problems[0]
    if origin is list:
        (inner,) = get_args(kind)
        if not isinstance(value, list):
            return _wrong(name, "a list", value)
        return _first(problem_of(item, inner, f"{name}[{i}]") for i, item in enumerate(value))
    if origin is dict or is_typeddict(kind):
        if not isinstance(value, dict):
            return _wrong(name, "a group of keys", value)
        if origin is dict:
            key_kind, inner = get_args(kind)
            return _group_problem(value, key_kind, inner, name)
        return _keys_problem(value, kind, name)
    return None if _is(value, kind) else _wrong(name, _NAMES.get(kind, "null"), value)


def _odd_text(value: Any, name: str) -> str | None:
    """A text, in a value of any type, that cannot be written. Not recursive: a file may be deep."""
    waiting = [(value, name)]
    while waiting:
        value, name = waiting.pop()
        if isinstance(value, str) and not _is_text(value):
            return _wrong(name, _NAMES[str], value)
        if isinstance(value, list):
            waiting += [(item, f"{name}[{i}]") for i, item in enumerate(value)]
        elif isinstance(value, dict):
            if odd := next((key for key in value if not _is_text(key)), None):
                return _wrong(f"{name}, name of a key", _NAMES[str], odd)
            waiting += [(item, _below(name, key)) for key, item in value.items()]
    return None


def _group_problem(value: dict, key_kind: Any, inner: Any, name: str) -> str | None:
    for key, item in value.items():
        if problem := problem_of(key, key_kind, f"{name}, name of a key"):
            return problem
        if problem := problem_of(item, inner, _below(name, key)):
            return problem
    return None


def _keys_problem(value: dict, kind: Any, name: str) -> str | None:
    missing = sorted(kind.__required_keys__ - value.keys())
    if missing:
        return f"{name + ': ' if name else ''}lacks {', '.join(missing)}"
    return _first(
        problem_of(value[key], inner, _below(name, key))
        for key, inner in _hints(kind).items()
        if key in value
    )


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _is(value: Any, kind: Any) -> bool:
    if kind in (None, types.NoneType):
        return value is None
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is str:
        return isinstance(value, str) and _is_text(value)
    if kind is int:
        return isinstance(value, int) and abs(value) <= _LARGEST
    return isinstance(value, int | float) and math.isfinite(value)


def _is_text(value: str) -> bool:
    """Whether a text can be written and shown: no NUL, no half of a surrogate pair."""
    try:
        return "\0" not in value and bool(value.encode() or True)
    except UnicodeEncodeError:
        return False


def _first(problems) -> str | None:
    return next((problem for problem in problems if problem), None)


def _below(name: str, key: str) -> str:
    return f"{name}.{key}" if name else str(key)


def _wrong(name: str, words: str, value: Any) -> str:
    shown = ascii(value)
    shown = shown if len(shown) <= 40 else shown[:37] + "..."
    return f"{name or 'the file'} is {shown} and must be {words}"
