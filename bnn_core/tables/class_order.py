"""Which column of probabilities is which class.

The order of the classes is never assumed. Either the columns carry the names, or it is inferred from
the table's own column of predicted classes (whichever column is highest where "A" was predicted is
A's) and checked on every row, or the user gives it.
"""

import re
import shlex
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING, count, listed
from bnn_core.measures.uncertainty import class_numbers, margin
from bnn_core.tables.class_columns import ClassColumns
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import demand_short, match_names, name_key, none_where

_WHOLE_NUMBER = re.compile(r"[+-]?\d+(?:\.0+)?")


def name_classes(
    class_columns: ClassColumns,
    values: np.ndarray,
    labels: Sequence[str],
    predicted: pd.Series | None,
    given: Sequence[str] = (),
    *,
    where: str = "",
    hint: str = "",
) -> tuple[list[str], str]:
    """The class of each column, and a sentence on how it is known.

    values: (N, C), any increasing function of the probabilities. labels: the class names that occur
    as labels. predicted: name per row (None where empty), index = row numbers; None when the table
    has no such column or ignores it. given: the names by column order, from the user. hint: where
    class names may be, for the error.

    Raises InputError when it cannot be known (saying what to give) and when the predicted column
    contradicts it on any row.
    """
    columns = len(class_columns.columns)
    known = list(dict.fromkeys([*labels, *_present(predicted)]))
    if given:
        classes, how = _as_given(class_columns, given), "The class order is as given"
    elif (direct := _by_name(class_columns.names, known)) is not None:
        classes, how = direct, "The columns are named after the classes"
    elif predicted is not None and len(_present(predicted)):
        return _from_predictions(class_columns, values, labels, predicted, where)
    elif not known and not all(map(_WHOLE_NUMBER.fullmatch, class_columns.names)):
        classes, how = list(class_columns.names), "The columns are named after the classes"
    else:
        raise InputError(
            f"{where}columns {class_columns.columns[0]} ... {class_columns.columns[-1]} do not "
            f"name "
            "their classes, and no column of predicted classes shows them (there is none, or "
            f"--ignore-predicted is given); give the {columns} names in the order of the columns "
            "with --classes"
            + (f" (labels there: {', '.join(known[:20])})" if known else "")
            + (f"; {hint}" if hint and not known else "")
            + _in_their_order(class_columns.names, known)
            + _numbers_for(class_columns.names, known)
            + (
                f"; {len(known)} labels for {columns} columns: is a column missing, or one label a "
                "control (--control)?"
                if len(known) > columns
                else ""
            )
        )
    demand_short(classes, where)
    _demand_distinct(class_columns, classes, given or known, where)
    if predicted is not None and len(_present(predicted)):
        _demand_agreement(
            class_columns,
            classes,
            values,
            predicted,
            where,
            "correct the class order with --classes, or" if given else "correct it, or",
        )
        how += ", and the predicted column agrees on every row"
    return classes, how + "."


def lacking_column(class_columns: ClassColumns, known: Collection[str]) -> str:
    """What to say where probabilities sum to less than 1: a missing column; empty if none seems so.

    known: the class names that occur. Names on the columns, or a gap in their numbers, tell which.
    """
    names = {name_key(name) for name in class_columns.names}
    classes = {name_key(name): name for name in known}
    lost = [name for key, name in classes.items() if key not in names]
    if 0 < len(lost) < len(classes):
        return f"the column of '{lost[0]}' is missing"
    numbers = [int(name) for name in class_columns.names if name.isdecimal()]
    gaps = sorted(set(range(min(numbers, default=0), max(numbers, default=0))) - set(numbers))
    if len(numbers) == len(class_columns.names) and gaps:
        which = class_columns.columns[0].removesuffix(class_columns.names[0])
        return f"the column {which}{gaps[0]} is missing"
    if len(classes) > len(class_columns.columns):
        return (
            f"a column is probably missing: {class_columns.columns[0]} ... "
            f"{class_columns.columns[-1]} are "
            f"{len(class_columns.columns)}, labels and predictions name {len(classes)} classes"
        )
    return ""


def _present(names: pd.Series | None) -> list[str]:
    return [] if names is None else list(names.dropna().drop_duplicates())


def _as_given(class_columns: ClassColumns, given: Sequence[str]) -> list[str]:
    if len(given) != len(class_columns.columns):
        raise InputError(
            f"--classes gives {count(len(given), 'name')} for {len(class_columns.columns)} columns "
            f"({class_columns.columns[0]} ... {class_columns.columns[-1]})"
        )
    keys, names = list(map(name_key, given)), list(map(name_key, class_columns.names))
    if sorted(keys) == sorted(names) and keys != names:
        raise InputError(
            "--classes gives the names in another order than the columns: "
            f"{', '.join(class_columns.names)}"
        )
    return list(given)


def _by_name(names: Sequence[str], known: Sequence[str]) -> list[str] | None:
    """Class names from the columns' own, spelt as in the data.

    None unless the columns name a class that occurs; where they are mere numbers, which may be any
    numbering, unless they name all that occur, or two. What else occurs is then an unknown label,
    to be reported as such.
    """
    spelt = {name_key(name): name for name in reversed(known)}
    met = spelt.keys() & {name_key(name) for name in names}
    if not met or (all(map(_WHOLE_NUMBER.fullmatch, names)) and len(met) == 1 < len(spelt)):
        return None
    shared = pd.Series(list(map(name_key, names))).duplicated(keep=False)  # names in two cases
    return [
        name if several or name in known else spelt.get(name_key(name), name)
        for name, several in zip(names, shared, strict=True)
    ]


def _in_their_order(names: Sequence[str], known: Sequence[str]) -> str:
    """The flag that names the classes, where programs write the known names as these columns (R "Eg5
    inhibitors" as Eg5.inhibitors, others as Eg5_inhibitors); "" unless all columns have one each."""
    for mark in "._":
        spelt = {re.sub(r"[^\w.]", mark, name): name for name in known}
        spelt |= {f"X{key}": n for key, n in spelt.items() if re.match(r"[\d_]|\.\d", key)}
        classes = [spelt.get(name, "") for name in names]
        if all(classes) and len(set(classes)) == len(classes) == len(known):
            return f"; the columns look like --classes {shlex.join(classes)}"
    return ""


def _numbers_for(names: Sequence[str], known: Sequence[str]) -> str:
    """What to say where labels are numbers and the columns have names; or ""."""
    if not known or not all(map(_WHOLE_NUMBER.fullmatch, known)) or len(known) > len(names):
        return ""
    if any(map(_WHOLE_NUMBER.fullmatch, names)):
        return ""
    return (
        f"; if the lowest of the numbers is '{names[0]}' and so on, these are --classes "
        f"{shlex.join(names)}, else write names in place of the numbers"
    )


def _from_predictions(
    class_columns: ClassColumns,
    values: np.ndarray,
    labels: Sequence[str],
    predicted: pd.Series,
    where: str,
) -> tuple[list[str], str]:
    """Each predicted name, as first spelt, is the column that is highest where it was predicted."""
    top, sure = _highest(values)
    spelt = {name_key(name): name for name in reversed(_present(predicted))}
    predicted = none_where(
        predicted.map(lambda name: spelt[name_key(name)], na_action="ignore"), predicted.isna()
    )
    use = sure & predicted.notna().to_numpy()
    names = list(dict.fromkeys(predicted[use]))
    if len(names) > len(class_columns.columns):
        lacking = lacking_column(class_columns, names) or (
            "a column is missing, or a name has two spellings"
        )
        raise InputError(
            f"{where}{len(names)} classes are predicted for {len(class_columns.columns)} "
            f"columns: {lacking}"
        )
    counts = np.zeros((len(names), len(class_columns.columns)), np.int64)
    np.add.at(counts, (pd.Index(names).get_indexer(predicted[use]), top[use]), 1)
    column_of = counts.argmax(axis=1)
    classes: dict[int, str] = {}
    for name, column in zip(names, column_of, strict=True):
        if column in classes:
            rows = predicted.index[use & (predicted == name).to_numpy()]
            raise InputError(
                f"{where}{rows_text(rows)}: '{name}' was predicted where "
                f"{class_columns.columns[column]} "
                f"is highest, as for '{classes[column]}' elsewhere; correct the name, or give the "
                "class order with --classes"
            )
        classes[int(column)] = name
    spare_columns = [j for j in range(len(class_columns.columns)) if j not in classes]
    spare_names = list(
        {name_key(name): name for name in reversed(labels) if name_key(name) not in spelt}.values()
    )
    how = "The class order was inferred from the predicted column"
    if len(spare_columns) == len(spare_names) == 1:
        classes[spare_columns[0]] = spare_names[0]
        how += f" ('{spare_names[0]}', never predicted, is the remaining column)"
    elif spare_columns:
        raise InputError(
            f"{where}the highest probability is never in "
            f"{', '.join(class_columns.columns[j] for j in spare_columns[:5])}, so its class is "
            f"unknown; give all {len(class_columns.columns)} names in the order of the columns "
            "with --classes"
        )
    result = [classes[j] for j in range(len(class_columns.columns))]
    _demand_agreement(
        class_columns,
        result,
        values,
        predicted,
        where,
        "correct it, or give the class order with --classes and",
    )
    return result, how + " and agrees on every row."


def _demand_agreement(
    class_columns: ClassColumns,
    classes: Sequence[str],
    values: np.ndarray,
    predicted: pd.Series,
    where: str,
    remedy: str,
) -> None:
    top, sure = _highest(values)
    expected = match_names(predicted, classes, where)
    highest = np.asarray(list(classes), dtype=object)[top]
    wrong = sure & expected.notna().to_numpy() & (expected.to_numpy(dtype=object) != highest)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{where}{rows_text(predicted.index[wrong])}: predicted is '{predicted.iloc[first]}' "
            f"but the highest column is {class_columns.columns[top[first]]} "
            f"('{highest[first]}'); {remedy} "
            "take the highest probability with --ignore-predicted"
        )


def doubted_order(p: np.ndarray, classes: Sequence[str], labels: pd.Series) -> str:
    """A warning where labels and highest columns agree only in another order of the columns; or "".

    p: (N, C). labels: None where empty. Looked for are classes whose columns, exchanged among each
    other, are highest on at least 80 % of their images, and as they are on at most 20 %; at least
    two images per class.
    """
    top, sure = _highest(p)
    number = class_numbers(labels, classes)
    use = sure & (number >= 0)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (number[use], top[use]), 1)
    best = linear_sum_assignment(-confusion)[1]
    moved = np.flatnonzero(best != np.arange(len(classes)))
    images = int(confusion[moved].sum())
    right, now = int(confusion[moved, best[moved]].sum()), int(confusion[moved, moved].sum())
    labelled = int((confusion[moved].sum(axis=1) > 0).sum())
    if images < 2 * max(labelled, 1) or right < 0.8 * images or now > 0.2 * images:
        return ""
    order = [classes[int(k)] for k in np.argsort(best)]
    names = " ".join(f"'{name}'" if " " in name else name for name in order)
    return (
        f"{WARNING}the labels {listed([repr(classes[int(k)]) for k in moved], most=6)} agree with the "
        f"highest column on {now:,} of {count(images, 'image')}, and on {right:,} if the columns are in "
        f"another order: check the order of the classes (--classes {names})"
    )


def matrix_of_classes(table: pd.DataFrame, class_columns: ClassColumns) -> str:
    """A warning where the rows are called as the columns, in their order: no images, but a confusion
    matrix; or ""."""
    keys = list(map(name_key, class_columns.columns))
    if len(table) != len(keys) or len(keys) < 2:
        return ""
    for column in table.columns.difference(class_columns.columns):
        if list(map(name_key, table[column])) == keys:
            return (
                f"{WARNING}the rows are called as the columns ('{column}' holds each class once, in "
                "their order): this may be a confusion matrix, which has no images."
            )
    return ""


def _highest(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column of each row's highest value, and whether no other column comes within rounding."""
    return values.argmax(axis=1), margin(values) > 1e-9


def _demand_distinct(
    class_columns: ClassColumns, classes: Sequence[str], exact: Collection[str], where: str
) -> None:
    """Refuse two columns of one class. Names that differ in case are two if `exact` has both."""
    first: dict[str, int] = {}
    for j, name in enumerate(classes):
        i = first.setdefault(name_key(name), j)
        if i != j and not (classes[i] != name and {classes[i], name} <= set(exact)):
            raise InputError(
                f"{where}columns {class_columns.columns[i]} and {class_columns.columns[j]} both "
                f"match class '{classes[i]}'; rename one, or remove it"
            )
