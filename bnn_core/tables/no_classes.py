"""Why a table has no class probabilities: one sentence per cause, with its remedy."""

import re

import numpy as np
import pandas as pd

from bnn_core.base.wording import count, listed
from bnn_core.tables.aliases import plain_name
from bnn_core.tables.class_columns import is_one_hot
from bnn_core.tables.long_form import CLASS, VALUE, image_key
from bnn_core.tables.reading import looks_numeric
from bnn_core.tables.sources import SourceTable
from bnn_core.tables.values import name_key

_CONFIDENCE = re.compile(
    r"(?:max_?|top_?1?_?|pred(?:iction|icted)?_?)?(?:confidence|conf|certainty|score|prob(?:ability)?)"
    r"(?:_?score)?|max_?(?:softmax|p)|prediction"
)
_PERCENT = re.compile(r"\s*\d+(?:[.,]\d+)?\s*%\s*")
#: More columns of numbers than this are rather measurements.
_MANY = 15
_NEEDED = (
    "a table needs one column per class, such as softmax_0, p_<class> or the names of the classes, "
    "or one row per image and class (image, class, probability)"
)


def why_no_classes(main: SourceTable, labels: pd.Series, predicted: str | None) -> str:
    """The sentence for a table in which no class probabilities were found.

    labels: per row, None where empty. predicted: the column of predicted classes, if there is one.
    """
    table = main.raw
    used = {*main.map.columns.values(), predicted}
    free = [c for c in table.columns if c not in used]
    numbers = [c for c in free if looks_numeric(table[c])]
    shares = [c for c in numbers if _within(table[c], 0, 1)]
    for cause in (
        _one_column(table),
        _no_header(table),
        _percent(table, free),
        _long_halves(main),
        _one_class(table, free, labels),
        _top_one(shares, predicted),
        _marks(table, shares),
        _short_sums(table, shares),
        _other_scale(numbers, shares, labels),
        _features(numbers),
        _one_share(shares, predicted),
        _outside(numbers, shares),
        _no_numbers(numbers, predicted),
    ):
        if cause:
            return cause
    return f"no class probabilities found; {_NEEDED}; --prefix gives the beginning of their names"


def _one_column(table: pd.DataFrame) -> str:
    if table.shape[1] > 1:
        return ""
    if not table.shape[1]:
        return "has no columns; write it again"
    if table.iloc[:1].map(lambda cell: isinstance(cell, list | dict)).to_numpy().any():
        return (
            f"has lists in '{table.columns[0]}' that name no class with its probability: write one "
            "column per class"
        )
    return (
        f"has one column only ('{table.columns[0]}'): no separator was found in the first line "
        "(comma, semicolon, tab, | and blanks are known); save it as CSV"
    )


def _no_header(table: pd.DataFrame) -> str:
    named = [c for c in table.columns if re.fullmatch(r"[+-]?\d*\.\d+(?:e[+-]?\d+)?", str(c), re.I)]
    if len(named) < 2:
        return ""
    return (
        f"the first line holds numbers ({', '.join(map(str, named[:3]))}): it seems to be data; "
        "add a line of column names above it"
    )


def _percent(table: pd.DataFrame, free: list[str]) -> str:
    columns = [
        c for c in free if _filled(table[c]).map(lambda v: bool(_PERCENT.fullmatch(v))).all()
    ]
    columns = [c for c in columns if len(_filled(table[c]))]
    if not columns:
        return ""
    held = _filled(table[columns[0]]).iloc[0]
    return (
        f"column '{columns[0]}' holds percentages as text ('{held}'): save them as numbers from 0 "
        "to 1, without the sign"
    )


def _long_halves(main: SourceTable) -> str:
    table, key = main.raw, image_key(main.mapped)
    plain = {plain_name(c): c for c in reversed(list(table.columns))}
    value = next((plain[n] for n in VALUE if n in plain and looks_numeric(table[plain[n]])), None)
    name = next((plain[n] for n in CLASS if n in plain), None)
    if value and not name and key is not None and key.duplicated().any():
        return (
            f"has one row per image and class (column '{value}'), but no column of classes: name "
            "that column 'class'"
        )
    if name and not value and _several_rows(table, name):
        return (
            f"has a column of classes ('{name}') but no column of their probabilities: name that "
            "column 'probability'"
        )
    return ""


def _several_rows(table: pd.DataFrame, name: str) -> bool:
    """Whether rows look like image and class: as many rows of every class."""
    counts = table[name].value_counts()
    return len(counts) > 1 and counts.nunique() == 1 and counts.iloc[0] > 1


def _one_class(table: pd.DataFrame, free: list[str], labels: pd.Series) -> str:
    keys = {name_key(label): label for label in labels.dropna().unique()}
    called = [c for c in free if name_key(c) in keys and looks_numeric(table[c])]
    if len(called) != 1 or len(keys) < 2:
        return ""
    others = [label for key, label in keys.items() if key != name_key(called[0])]
    return (
        f"only the column '{called[0]}' is named after a class; the columns of {listed(others)} "
        "are missing or have other names"
        + (f"; if it is a probability, rename it p_{called[0]}" if len(others) == 1 else "")
    )


def _top_one(shares: list[str], predicted: str | None) -> str:
    scores = [c for c in shares if _CONFIDENCE.fullmatch(plain_name(c))]
    if predicted is None or not scores:
        return ""
    return (
        f"'{scores[0]}' is the probability of the predicted class ('{predicted}') only; the "
        "probabilities of all classes are needed: export one column per class (predict_proba, "
        "top-k of all classes)"
    )


def _marks(table: pd.DataFrame, shares: list[str]) -> str:
    marks = [c for c in shares if set(_numbers(table[c]).dropna()) <= {0.0, 1.0}]
    if len(marks) < 2 or not is_one_hot(table[marks].apply(_numbers).to_numpy(np.float64)):
        return ""
    return (
        f"'{marks[0]}' ... '{marks[-1]}' contain 0 and 1, which are decisions, not probabilities: "
        "export the probabilities (predict_proba, softmax)"
    )


def _short_sums(table: pd.DataFrame, shares: list[str]) -> str:
    if not 1 < len(shares) <= _MANY:
        return ""
    sums = table[shares].apply(_numbers).sum(axis=1)
    sets = round(sums.median())
    if sets > 1 and len(shares) % sets == 0 and ((sums - sets).abs() < 0.05).all():
        return (
            f"'{shares[0]}' ... '{shares[-1]}' ({count(len(shares), 'column')}) sum to {sets} in every "
            f"row, so they seem to be {sets} sets of predictions: choose one with --prefix, which gives "
            "the beginning of the names of its columns"
        )
    return (
        f"'{shares[0]}' ... '{shares[-1]}' ({count(len(shares), 'column')}) lie between 0 and 1 "
        f"and sum to {sums.min():.3g} to {sums.max():.3g}: if they are the classes, one may be "
        "missing; --prefix gives the beginning of the names of the class columns"
    )


def _other_scale(numbers: list[str], shares: list[str], labels: pd.Series) -> str:
    others = [c for c in numbers if c not in shares]
    classes = labels.dropna().nunique()
    if len(others) < 2 or len(others) != classes:
        return ""
    return (
        f"'{others[0]}' ... '{others[-1]}' are as many columns as labels, with numbers outside 0 "
        "to 1: if they are logits, rename them logit_<class> and give --logits"
    )


def _features(numbers: list[str]) -> str:
    if len(numbers) <= _MANY:
        return ""
    return (
        f"holds {count(len(numbers), 'column')} of numbers that are not class probabilities, such "
        f"as '{numbers[0]}': an import reads the predictions of a network; 'bnn study features' "
        "trains on measured features"
    )


def _one_share(shares: list[str], predicted: str | None) -> str:
    if len(shares) != 1 or predicted is not None:
        return ""
    return (
        f"has one column of numbers between 0 and 1 ('{shares[0]}'): if it is the probability of one of "
        f"two classes, rename it p_<class>; {_NEEDED}"
    )


def _outside(numbers: list[str], shares: list[str]) -> str:
    others = [c for c in numbers if c not in shares]
    if not others or shares:
        return ""
    if len(others) == 1 and "logit" in plain_name(others[0]):
        return (
            f"has one column of logits ('{others[0]}'): for one of two classes save 1 / (1 + exp(-x)) as "
            "p_<class>; else write one column per class"
        )
    return (
        f"has no numbers between 0 and 1; {listed([repr(c) for c in others])} may be measurements "
        "('bnn study features' trains on these), or logits (rename them logit_<class> and give --logits)"
    )


def _no_numbers(numbers: list[str], predicted: str | None) -> str:
    if numbers:
        return ""
    if predicted is not None:
        return (
            f"has predicted classes ('{predicted}') but no probabilities: export the "
            "probabilities of all classes (predict_proba, softmax)"
        )
    return (
        "has no numbers besides metadata: 'bnn study plate' trains on the images of a table; for labels "
        "of predictions in another table give that one here and this one with --metadata, or samples "
        "with --samples"
    )


def _filled(values: pd.Series) -> pd.Series:
    text = values.dropna().astype(str).str.strip()
    return text[text != ""].iloc[:1000]


def _numbers(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce")


def _within(values: pd.Series, low: float, high: float) -> bool:
    numbers = _numbers(values).dropna()
    return bool(len(numbers) and ((numbers >= low) & (numbers <= high)).all())
