"""The records of methods, and the one rule for the method that counts."""

from itertools import permutations
from pathlib import Path

import pytest

from bnn_core.base.methods import (
    METHODS,
    UNKNOWN_COLOUR,
    bayes_method,
    by_precedence,
    method_of,
    reading_method,
    standard_method,
)
from bnn_core.networks.procedures import Procedure, procedure_of
from bnn_core.recipes.digits import DIGIT_PRESETS as DIGITS
from bnn_core.recipes.plate_presets import PLATE_PRESETS as PLATES


def test_every_method_has_a_record_a_way_to_train_and_settings():
    for key in METHODS:
        assert isinstance(procedure_of(Path(key)), Procedure)
    for presets in (DIGITS, PLATES):
        for preset in presets.values():
            same_as_vi = f"vi-{preset['vi'].prior}"
            assert list(preset) == [key for key in METHODS if key != same_as_vi]


@pytest.mark.parametrize("field", ["key", "name", "short", "colour", "precedence"])
def test_methods_differ_in_every_field(field):
    values = [getattr(method, field) for method in METHODS.values()]
    assert len(set(values)) == len(METHODS)
    assert UNKNOWN_COLOUR not in values


@pytest.mark.parametrize("count", range(1, 4))
def test_the_method_that_counts_does_not_depend_on_the_order(count):
    for keys in permutations(METHODS, count):
        assert reading_method(keys) == reading_method(sorted(keys))
        assert by_precedence(keys) == by_precedence(sorted(keys))
        assert by_precedence(keys)[0] == reading_method(keys)


@pytest.mark.parametrize(
    ("methods", "reading", "bayes", "standard"),
    [
        (["dropout", "vi", "standard"], "vi", "vi", "standard"),
        (["temperature", "dropout", "vi-gaussian", "standard"], *["vi-gaussian"] * 2, "standard"),
        (["standard", "ensemble", "dropout"], "ensemble", "ensemble", "standard"),
        (["temperature", "standard"], "standard", None, "standard"),
        (["temperature"], "temperature", None, None),
        (["standard", "of another version"], *["of another version"] * 2, "standard"),
    ],
)
def test_several_networks_count_before_one(methods, reading, bayes, standard):
    assert bayes_method(methods) == bayes
    assert standard_method(methods) == standard
    assert reading_method(methods) == reading


def test_an_unknown_method_is_shown_by_its_key():
    unknown = method_of("x")
    assert (unknown.name, unknown.short, unknown.colour) == ("x", "x", UNKNOWN_COLOUR)
    assert by_precedence(["x", *METHODS])[-3:] == ["x", "standard", "temperature"]
