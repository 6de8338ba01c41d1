"""Finding the class probabilities in somebody's table, and which column is which class.

The order of the classes is never assumed. Either the columns carry the names, or it is read off the
table's own column of predicted classes (whichever column is highest where "A" was predicted is A's)
and checked on every row, or the user gives it.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.tables.columns import plain_name
from bnn_core.tables.reading import looks_numeric, rows_text
from bnn_core.tables.values import none_where

# Longer words first: "softmax_mean_0" is class 0, not class "mean_0".
_WORDS = (
    "mean_softmax|softmax_mean|softmax|probabilities|probability|pred_proba|pred_prob"
    "|class_prob|y_proba|y_prob|mean_p|p_mean|proba|probs|prob|p|class"
)
_PROBABILITY = re.compile(rf"(?:{_WORDS})", re.I)
_LOGIT = re.compile(r"logits?|mean_logits?", re.I)
#: Columns of a summary, and of statistics, that begin like a class probability but are none.
_RESERVED = {"p_label", "p_value", "p_val", "class_id", "class_index", "class_label"}
PREDICTED = (
    "predicted",
    "predicted_label",
    "predicted_class",
    "predicted_moa",
    "prediction",
    "predicted_name",
    "pred",
    "pred_label",
    "pred_class",
    "y_pred",
    "label_pred",
)


@dataclass(frozen=True)
class ClassColumns:
    """The columns that hold one value per class, in table order; `names` is what they say."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    logits: bool


def predicted_column(columns: Sequence[str]) -> str | None:
    """The column of predicted class names, if one is called so."""
    plain = {plain_name(c): c for c in reversed(columns)}
    return next((plain[name] for name in PREDICTED if name in plain), None)


def find_class_columns(
    table: pd.DataFrame,
    candidates: Sequence[str],
    known: Collection[str],
    prefix: str | None = None,
) -> ClassColumns | None:
    """The columns of class probabilities (or logits) among `candidates`.

    known: class names that stand in the label and predicted columns. Looked for: columns beginning
    with `prefix` if given; else with a usual word (softmax_0, p_Eg5, prob_3, logit_3 ...); else
    columns that are called as the classes are. None when there are none. Raises InputError when a
    given prefix fits fewer than two columns, when several sets fit, and when there is no set
    but for columns of known classes that hold text.
    """
    if prefix is not None:
        found = tuple(c for c in table.columns if str(c).startswith(prefix) and c != prefix)
        if len(found) < 2:
            raise InputError(
                f"--prefix {prefix}: {len(found)} columns begin so, at least two "
                f"expected; there are {', '.join(map(str, table.columns[:20]))}"
            )
        names = tuple(c[len(prefix) :] for c in found)
        return ClassColumns(found, names, bool(_LOGIT.fullmatch(prefix.rstrip("_ .:-"))))
    sets: dict[str, list[tuple[str, str]]] = {}
    text: dict[str, tuple[str, str]] = {}
    for column in candidates:
        split = _split(str(column))
        if split is None or plain_name(column) in _RESERVED:
            continue
        if looks_numeric(table[column]):
            sets.setdefault(split[0], []).append((column, split[1]))
        elif split[1] in known:
            text.setdefault(split[0], (column, split[1]))
    sets = {head: found for head, found in sets.items() if len(found) > 1 and head not in text}
    probabilities = {h: f for h, f in sets.items() if _PROBABILITY.fullmatch(h)}
    chosen = probabilities or sets
    if len(chosen) > 1:
        heads = " or ".join(f"{found[0][0]}..." for found in chosen.values())
        raise InputError(
            f"several sets of columns could be the class probabilities ({heads}); say "
            "which with --prefix"
        )
    for found in chosen.values():
        return ClassColumns(
            tuple(c for c, _ in found), tuple(n for _, n in found), not probabilities
        )
    plain_known = {plain_name(name) for name in known}
    bare = tuple(c for c in candidates if plain_name(c) in plain_known and looks_numeric(table[c]))
    if len(bare) > 1:
        return ClassColumns(bare, bare, False)
    for column, name in text.values():
        _refuse_text(table[column], name)
    return None


def _refuse_text(values: pd.Series, name: str) -> None:
    """Name the first cell that keeps a column from being the numbers of class `name`."""
    cells = values.astype("str").str.strip()
    row = (pd.to_numeric(cells, errors="coerce").isna() & values.notna() & (cells != "")).idxmax()
    held = "" if pd.isna(values[row]) else values[row]
    raise InputError(
        f"{rows_text([row])}: column '{values.name}' holds '{held}', a number "
        f"expected for the class '{name}'; correct it (decimal points, no text), or "
        "rename the column"
    )


def name_classes(
    found: ClassColumns,
    values: np.ndarray,
    labels: Sequence[str],
    predicted: pd.Series | None,
    given: Sequence[str] = (),
    *,
    where: str = "",
) -> tuple[list[str], str]:
    """The class of each column, and a sentence on how it is known.

    values: (N, C), any increasing function of the probabilities. labels: the class names that occur
    as labels. predicted: name per row (None where empty), index = row numbers; None when the table
    has no such column or it is to be ignored. given: the names by column order, from the user.

    Raises InputError when it cannot be known (saying what to give) and when the predicted column
    contradicts it on any row.
    """
    count = len(found.columns)
    known = list(dict.fromkeys([*labels, *_present(predicted)]))
    if given:
        classes, how = _as_given(found, given), "The class order is as given"
    elif (direct := _by_name(found.names, known)) is not None:
        classes, how = direct, "The columns carry the class names"
    elif predicted is not None and len(_present(predicted)):
        return _from_predictions(found, values, labels, predicted, where)
    elif not known and not all(name.isdigit() for name in found.names):
        classes, how = list(found.names), "The columns carry the class names"
    else:
        raise InputError(
            f"{where}columns {found.columns[0]} ... {found.columns[-1]} do not say which class "
            "they are, and no column of predicted classes tells it (there is none, or "
            f"--ignore-predicted is given); give the {count} names in the order of the columns "
            "with --classes"
            + (f" (labels there: {', '.join(known[:20])})" if known else "")
            + (
                f"; {len(known)} labels for {count} columns: is a column missing, or one label a "
                "control (--control)?"
                if len(known) > count
                else ""
            )
        )
    _demand_distinct(classes, where)
    if predicted is not None and len(_present(predicted)):
        _demand_agreement(
            found,
            classes,
            values,
            predicted,
            where,
            "correct the class order with --classes, or" if given else "correct it, or",
        )
        how += ", and the predicted column agrees on every row"
    return classes, how + "."


def lacking_column(found: ClassColumns, known: Collection[str]) -> str:
    """What to say where probabilities sum to less than 1: a missing column; empty if none seems so.

    known: the class names that occur. Names on the columns, or a gap in their numbers, tell which.
    """
    names = {plain_name(name) for name in found.names}
    classes = {plain_name(name): name for name in known}
    lost = [name for plain, name in classes.items() if plain not in names]
    if 0 < len(lost) < len(classes):
        return f"the column of '{lost[0]}' is missing"
    numbers = [int(name) for name in found.names if name.isdecimal()]
    gaps = sorted(set(range(min(numbers, default=0), max(numbers, default=0))) - set(numbers))
    if len(numbers) == len(found.names) and gaps:
        which = found.columns[0].removesuffix(found.names[0])
        return f"the column {which}{gaps[0]} is missing"
    if len(classes) > len(found.columns):
        return (
            f"a column is probably missing: {found.columns[0]} ... {found.columns[-1]} are "
            f"{len(found.columns)}, labels and predictions name {len(classes)} classes"
        )
    return ""


def match_names(names: pd.Series, classes: Sequence[str]) -> pd.Series:
    """Names as the classes spell them: exact, else ignoring case and punctuation; others as is."""
    plain: dict[str, str] = {plain_name(c): c for c in classes}
    exact = set(classes)
    distinct = {
        name: name if name in exact else plain.get(plain_name(name), name)
        for name in _present(names)
    }
    return none_where(names.map(distinct, na_action="ignore"), names.isna())


def _split(column: str) -> tuple[str, str] | None:
    """'softmax_7' -> ('softmax', '7'); 'prob3' -> ('prob', '3'); None for other columns."""
    words = rf"(?:{_WORDS}|logits?|mean_logits?)"
    match = re.fullmatch(rf"({words})(?:[_ .:-]+|\[)(.+?)\]?", column, re.I) or re.fullmatch(
        rf"({words})(\d+)", column, re.I
    )
    return (match[1].lower(), match[2]) if match else None


def _present(names: pd.Series | None) -> list[str]:
    return [] if names is None else list(names.dropna().drop_duplicates())


def _as_given(found: ClassColumns, given: Sequence[str]) -> list[str]:
    if len(given) != len(found.columns):
        raise InputError(
            f"--classes gives {len(given)} names for {len(found.columns)} columns "
            f"({found.columns[0]} ... {found.columns[-1]})"
        )
    if sorted(given) == sorted(found.names) and list(given) != list(found.names):
        raise InputError(
            "--classes gives the names in another order than the columns carry them: "
            f"{', '.join(found.names)}"
        )
    return list(given)


def _by_name(names: Sequence[str], known: Sequence[str]) -> list[str] | None:
    """Class names from the columns' own, spelt as in the data.

    None unless the columns name a class that occurs; where they are mere numbers, which may be any
    numbering, unless they name all that occur, or two. What else occurs is then an unknown label,
    to be reported as such.
    """
    plain = {plain_name(name): name for name in known}
    met = set(known) & set(names)
    spelt = list(names)
    if not met:
        met = plain.keys() & {plain_name(name) for name in names}
        spelt = [plain.get(plain_name(name), name) for name in names]
    numbers = all(name.isdecimal() for name in names)
    return spelt if met and (not numbers or len(met) > 1 or len(plain) == 1) else None


def _from_predictions(
    found: ClassColumns, values: np.ndarray, labels: Sequence[str], predicted: pd.Series, where: str
) -> tuple[list[str], str]:
    """Each predicted name belongs to the column that is highest where it was predicted."""
    top, sure = _highest(values)
    use = sure & predicted.notna().to_numpy()
    names = list(dict.fromkeys(predicted[use]))
    if len(names) > len(found.columns):
        lacking = lacking_column(found, names) or (
            "a column is missing, or a name is spelt in two ways"
        )
        raise InputError(
            f"{where}{len(names)} classes are predicted for {len(found.columns)} columns: {lacking}"
        )
    counts = np.zeros((len(names), len(found.columns)), np.int64)
    np.add.at(counts, (pd.Index(names).get_indexer(predicted[use]), top[use]), 1)
    column_of = counts.argmax(axis=1)
    classes: dict[int, str] = {}
    for name, column in zip(names, column_of, strict=True):
        if column in classes:
            rows = predicted.index[use & (predicted == name).to_numpy()]
            raise InputError(
                f"{where}{rows_text(rows)}: '{name}' was predicted where {found.columns[column]} "
                f"is highest, as for '{classes[column]}' elsewhere; correct the name, or give the "
                "class order with --classes"
            )
        classes[int(column)] = name
    spare_columns = [j for j in range(len(found.columns)) if j not in classes]
    spare_names = [name for name in labels if name not in names]
    how = "The class order was inferred from the predicted column"
    if len(spare_columns) == len(spare_names) == 1:
        classes[spare_columns[0]] = spare_names[0]
        how += f" ('{spare_names[0]}', never predicted, is the column left over)"
    elif spare_columns:
        raise InputError(
            f"{where}the highest probability is never in "
            f"{', '.join(found.columns[j] for j in spare_columns[:5])}, so nothing says which "
            f"class that is; give all {len(found.columns)} names in the order of the columns with "
            "--classes"
        )
    result = [classes[j] for j in range(len(found.columns))]
    _demand_agreement(
        found,
        result,
        values,
        predicted,
        where,
        "correct it, or give the class order with --classes and",
    )
    return result, how + " and agrees on every row."


def _demand_agreement(
    found: ClassColumns,
    classes: Sequence[str],
    values: np.ndarray,
    predicted: pd.Series,
    where: str,
    remedy: str,
) -> None:
    top, sure = _highest(values)
    expected = match_names(predicted, classes)
    said = np.asarray(list(classes), dtype=object)[top]
    wrong = sure & expected.notna().to_numpy() & (expected.to_numpy(dtype=object) != said)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{where}{rows_text(predicted.index[wrong])}: predicted is '{predicted.iloc[first]}' "
            f"but the highest column is {found.columns[top[first]]} ('{said[first]}'); {remedy} "
            "take the highest probability with --ignore-predicted"
        )


def _highest(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column of each row's highest value, and whether no other column comes within rounding."""
    top = values.argmax(axis=1)
    ordered = np.sort(values, axis=1)
    return top, ordered[:, -1] - ordered[:, -2] > 1e-9


def _demand_distinct(classes: Sequence[str], where: str) -> None:
    double = [name for name in dict.fromkeys(classes) if list(classes).count(name) > 1]
    if double:
        raise InputError(f"{where}class '{double[0]}' has more than one column")
