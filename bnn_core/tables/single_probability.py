"""Two classes with one column of probability: the other class has what is missing to 1."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.tables.aliases import plain_name
from bnn_core.tables.class_columns import ClassColumns, split_class_column
from bnn_core.tables.label_values import ASKED, PAIRS
from bnn_core.tables.long_form import VALUE, image_key
from bnn_core.tables.reading import looks_numeric, to_numbers
from bnn_core.tables.sources import ClassValues, SourceTable
from bnn_core.tables.values import NO_LABEL, name_key

#: The end of a column that is called after its class: malignant_prob.
_CALLED = re.compile(r"[\W_]+prob(a|ability)?$", re.I)
_NAMES = (*VALUE, "y_prob", "y_proba", "y_score", "pred_prob", "pred_proba", "scores", "p1")


def find_single(
    main: SourceTable,
    labels: pd.Series,
    predicted: pd.Series | None,
    classes: Sequence[str],
) -> tuple[ClassValues | None, str]:
    """The values of both classes from the only column of probability, and a note; None without one.

    labels, predicted: per row, None where empty. classes: the two names that the user gave, the
    second is that of the column. Raises InputError for a column that fits more than two labels, and
    where nothing tells which of two labels it is of.
    """
    columns, key = _probability_columns(main), image_key(main.mapped)
    if len(columns) != 1 or (key is not None and key.duplicated().any()):
        return None, ""
    (column,) = columns
    values = to_numbers(main.raw, [column], main.path)[:, 0]
    if not ((values >= 0) & (values <= 1) | np.isnan(values)).all():
        return None, ""
    split = split_class_column(column)
    named = split[1] if split else _CALLED.sub("", column) if _CALLED.search(column) else ""
    pair = _pair(main, column, named, values, labels, predicted, classes)
    if not classes and name_key(named) not in map(name_key, pair):
        _demand_below_half(main, column, values, labels, pair)
    both = ClassColumns((f"1 - {column}", column), pair, logits=False)
    return ClassValues(both, np.stack([1 - values, values], axis=1)), (
        f"'{column}' is read as the probability of '{pair[1]}'; '{pair[0]}' gets 1 minus that. "
        f"--classes {pair[1]} {pair[0]} exchanges the two."
    )


def _probability_columns(main: SourceTable) -> list[str]:
    def is_called_so(column: str) -> bool:
        split = split_class_column(column)
        return (
            plain_name(column) in _NAMES
            or (split is not None and split[0] != "class")
            or _CALLED.search(column) is not None
        )

    return [c for c in main.map.unused if is_called_so(c) and looks_numeric(main.raw[c])]


def _pair(
    main: SourceTable,
    column: str,
    named: str,
    values: np.ndarray,
    labels: pd.Series,
    predicted: pd.Series | None,
    classes: Sequence[str],
) -> tuple[str, str]:
    """The two classes; the second is that of the column."""
    spelt: dict[str, str] = {}
    for names in (labels, predicted):
        for name in [] if names is None else names.dropna().unique():
            spelt.setdefault(name_key(name), name)
    keys = [key for key in spelt if key not in (*NO_LABEL, *ASKED) or key == "-1"]
    if len(classes) == 2:
        return classes[0], classes[1]
    if "-1" in keys and (len(keys) > 2 or len(keys) == 1):
        keys.remove("-1")  # no label beside 0 and 1, or alone
    if len(keys) > 2:
        raise InputError(
            f"{main.where}has one column of probability ('{column}') and {len(keys)} labels "
            f"({', '.join(spelt[k] for k in keys[:5])}); give one column per class"
        )
    pairs = [pair for pair in PAIRS if set(keys) <= set(pair)]
    if name_key(named) in keys:
        others = [key for key in keys if key != name_key(named)]
        other = spelt[others[0]] if others else _other(name_key(named), pairs, named)
        return other, spelt[name_key(named)]
    if keys and pairs:
        first, second = (spelt.get(key, key) for key in pairs[0])
        return first, second
    if not keys:
        return (f"not {named}", named) if named else ("negative", "positive")
    if predicted is not None and (by_prediction := _by_prediction(predicted, values)):
        return by_prediction
    names = " ".join(spelt[k] for k in keys)
    raise InputError(
        f"{main.where}has one column of probability ('{column}'), but its label is unknown "
        f"({', '.join(spelt[k] for k in keys)}): give both with --classes, the one of the column "
        f"last, such as --classes {names}"
    )


def _demand_below_half(
    main: SourceTable, column: str, values: np.ndarray, labels: pd.Series, pair: tuple[str, str]
) -> None:
    """Refuse what seems to be the probability of the predicted class, whichever that is."""
    keys = labels.map(name_key, na_action="ignore")
    both = all((keys == name_key(name)).any() for name in pair)
    if both and (values[~np.isnan(values)] >= 0.5).all():
        raise InputError(
            f"{main.where}column '{column}' is never below 0.5, so it seems to be the probability "
            f"of the predicted class only: the probabilities of both classes are needed; if it is "
            f"that of '{pair[1]}', give --classes {pair[0]} {pair[1]}"
        )


def _other(key: str, pairs: list[tuple[str, str]], named: str) -> str:
    """The other class where only the column's own occurs as a label."""
    return next((p for pair in pairs for p in pair if key in pair and p != key), f"not {named}")


def _by_prediction(predicted: pd.Series, values: np.ndarray) -> tuple[str, str] | None:
    """The pair that the predicted class tells: the second where the probability is above a half."""
    filled = predicted.notna().to_numpy() & ~np.isnan(values)
    above, below = (set(predicted[filled & side].unique()) for side in (values > 0.5, values < 0.5))
    if len(above) == len(below) == 1 and above != below:
        return below.pop(), above.pop()
    return None
