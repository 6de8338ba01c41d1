"""Which columns contain the label and the predicted class, whatever they are called."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.base.wording import WARNING, listed
from bnn_core.tables.aliases import plain_name
from bnn_core.tables.class_columns import ClassColumns, is_one_hot, marks_of
from bnn_core.tables.label_values import ASKED
from bnn_core.tables.name_affixes import LIKE_A_LABEL, kappa
from bnn_core.tables.sources import ClassValues, ImportOptions, SourceTable
from bnn_core.tables.values import NO_LABEL, as_text, name_key, none_where

#: Further names of the true class and of the predicted class, besides the usual ones.
_LABEL_LIKE = re.compile(
    r"actual(?:_class|_label)?|obs|observed|gt|gt_label|y|y_test|class|class_?label|class_?name|"
    r"category|diagnosis|dx|ref|reference|expected|gold|real|true|given_label|annotated|manual|"
    r"expert|original_label|phenotype|y_?(?:test|true|val)|true_?labels?|labels?_?true|from"
)
#: Names that programs give to the true class and to the predicted one: R's caret and CellProfiler
#: Analyst, mlr3 and H2O.
_EITHER = re.compile(r"class_?(?:label|name)?|category|phenotype|response|classification")
_PREDICTED_LIKE = re.compile(
    r"predictions?|predict(?:ed)?|response|y_?hat|predicted_?(?:label|class|value|name)|"
    r"predict(?:ion)?_(?:label|class)|top_?1(?:_class|_label)?|scored_labels?|classification|"
    r"prediction_.*|.+_(?:pred|predicted|predictions?|hat)|argmax|guess|decision|winner|vote|"
    r"call|inferred(?:_.*)?|hard_label|best(?:_class|_label)?|max_class|"
    r"(?:model|network|classifier)(?:_output|_class|_label|_call)?|output(?:_class|_label)?|"
    r"preds?|(?:y_?)?pred(?:icted)?_?(?:labels?|names?|values?|class(?:es)?)|"
    r"most_likely(?:_.*)?|into|pre_\d+|dis_\d+|estimated?(?:_class|_label)?|class_max|"
    r"vorhersagen?|vorhergesagt(?:_.*)?|pr[eé]dictions?|predicci[oó]n(?:es)?"
)
#: A predicted class as its place among the columns.
_PLACE_LIKE = re.compile(
    r"(?:y_?)?(?:pred(?:icted|ictions?|s)?|hat|argmax|top_?1|winner)(?:_?(?:class|label))?"
    r"(?:_?(?:idx|index|id|code|number|num|no|int))?"
)
#: So SAS calls predicted classes, and others much else: only where they are the highest class.
_PERHAPS_PREDICTED = re.compile(r"i_.+")
_TRUTH_LIKE = re.compile(r"y|true|truth|gt|label|target|one_?hot|is|class|ground_truth")
_WHOLE = re.compile(r"[+-]?\d+")
#: So many rows per class make an order by predictions no chance.
_ROWS_PER_CLASS = 5


@dataclass(frozen=True)
class NameColumns:
    """The columns of class names.

    labels: per row, None where empty. predicted: name of the column of predicted classes.
    label: name of the column that is used as label without a usual name. others: columns
    that hold only class names and were not taken.
    """

    labels: pd.Series
    predicted: str | None
    label: str | None
    others: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def hint(self) -> str:
        """How to name the label where no image has one."""
        if self.others:
            return (
                f"only class names occur in {listed([repr(c) for c in self.others])}; "
                f"--label {self.others[0]} uses that column as the label"
            )
        return "--label COLUMN names the column of labels"


def named_columns(main: SourceTable) -> list[str]:
    """Columns without a known meaning that are called like a label or a prediction."""
    return [c for c in main.map.unused if _called(c, _LABEL_LIKE) or _called(c, _PREDICTED_LIKE)]


def likely_names(main: SourceTable) -> list[str]:
    """Names in columns that are called like a label or a prediction: classes, perhaps."""
    columns = named_columns(main)
    return [name for c in columns for name in as_text(main.raw[c]).dropna().unique()[:1000]]


def name_columns(
    main: SourceTable,
    class_values: ClassValues,
    labels: pd.Series,
    predicted: str | None,
    options: ImportOptions,
) -> NameColumns:
    """Look at every column that holds only class names (and at 0/1 columns, one per class).

    labels, predicted: what the usual names gave. A column called like a prediction is taken as
    predicted class, as is one that names the highest class in another order of the columns on many
    rows. A column called like a label, or the only one that is left, is the label where there is
    no other; not if its names could as well be those of the highest class.
    """
    labelled = bool(labels.notna().any())
    used = {*class_values.columns.columns, predicted}
    holding, numbered = _holding(main, class_values.columns, labels, predicted, options)
    if predicted is None and not options.ignore_predicted:
        predicted = _predicted_among(main, class_values, holding, numbered)
        if predicted is not None and numbered:  # it may name what the columns only number
            holding, numbered = _holding(main, class_values.columns, labels, predicted, options)
    either = _EITHER if predicted is not None else re.compile("(?!)")
    holding = [
        c
        for c in holding
        if c != predicted and (not _called(c, _PREDICTED_LIKE) or _called(c, either))
    ]
    notes = []
    label_column = (
        None if labelled else _label_among(main, class_values, holding, numbered, predicted)
    )
    if label_column:
        labels = as_text(main.raw[label_column])
        notes.append(
            f"The label is read from '{label_column}', which holds class names; --label names "
            "another column."
        )
        if predicted is None and _called(label_column, _EITHER):
            notes += _as_the_highest(label_column, labels, class_values)
    elif not labelled:
        one_hot = _one_hot(main, class_values.columns, used)
        if one_hot is not None:
            columns, labels = one_hot
            notes.append(f"The label is read from {columns[0]} ... {columns[-1]}, 1 for the class.")
    others = tuple(
        c
        for c in holding
        if c != label_column and (not numbered or _called(c, _LABEL_LIKE) or not labelled)
    )
    if others and (labelled or label_column):
        notes.append(
            f"Only class names also occur in {listed([repr(c) for c in others])}; --label "
            f"{others[0]} uses that column as the label."
        )
        if predicted is None and not options.ignore_predicted:
            notes += _in_another_order(main, others, class_values)
    return NameColumns(labels, predicted, label_column, others, tuple(notes))


def _holding(
    main: SourceTable,
    columns: ClassColumns,
    labels: pd.Series,
    predicted: str | None,
    options: ImportOptions,
) -> tuple[list[str], bool]:
    """The unused columns that hold only class names, and whether all known names are numbers."""
    keys = _class_keys(columns, main, labels, predicted, options)
    numbered = all(map(_WHOLE.fullmatch, keys))
    unused = [c for c in main.map.unused if c != predicted and c not in columns.columns]
    holding = [
        c for c in unused if _holds_names(main.raw[c], c, keys, len(columns.columns), numbered)
    ]
    return holding, numbered


def _predicted_among(
    main: SourceTable, class_values: ClassValues, holding: Sequence[str], numbered: bool
) -> str | None:
    """The column of predicted classes among those that hold class names: called so (the first that
    agrees with the highest class, else the first), else one that names it in another order."""
    called = [c for c in holding if _called(c, _PREDICTED_LIKE)]
    match = {c: _matches_highest(as_text(main.raw[c]), class_values) for c in holding}
    perhaps = [c for c in holding if _called(c, _PERHAPS_PREDICTED)]
    agreeing = [c for c in (*called, *perhaps) if match[c] == "as named"]
    ordered = [
        c
        for c in holding
        if not numbered and not _called(c, _LABEL_LIKE) and match[c] == "in another order"
    ]
    places = {str(k) for k in range(len(class_values.columns.names) + 1)}
    placed = [
        c
        for c in main.map.unused
        if not numbered and _called(c, _PLACE_LIKE) and (_keys(main.raw[c]) or {""}) <= places
    ]
    return next(iter([*agreeing, *called, *ordered, *placed]), None)


def _label_among(
    main: SourceTable,
    class_values: ClassValues,
    holding: Sequence[str],
    numbered: bool,
    predicted: str | None,
) -> str | None:
    """The label among columns that hold class names: called so (beside SAS's I_line, F_line), or the
    only one that is left. Numbers (three and more: two may be marks) must agree with the highest
    class beyond chance."""
    beside = re.sub("^i_", "f_", plain_name(predicted or ""))
    called = [c for c in holding if _called(c, _LABEL_LIKE) or plain_name(c) == beside]
    if called:
        return called[0]
    names = class_values.columns.names
    free = [
        c
        for c in holding
        if not _matches_highest(as_text(main.raw[c]), class_values)
        and (
            not numbered
            or (
                len(_keys(main.raw[c])) > 2
                and kappa(as_text(main.raw[c]), names, class_values.values) >= LIKE_A_LABEL
            )
        )
    ]
    return free[0] if len(free) == 1 else None


def _as_the_highest(column: str, labels: pd.Series, class_values: ClassValues) -> list[str]:
    """A warning where a label whose name may mean either is the highest class in every row."""
    if _matches_highest(labels, class_values) != "as named":
        return []
    return [
        f"{WARNING}'{column}' is the highest class in every row: if it is the predicted class, rename "
        "it 'predicted', or all images count as right."
    ]


def _in_another_order(
    main: SourceTable, columns: Sequence[str], class_values: ClassValues
) -> list[str]:
    """A warning on columns of class names that go with the highest class in another order, on too few
    rows to be taken for predictions."""
    return [
        f"{WARNING}'{column}' names one class for each highest column, and not the class of that "
        "column: if it is the predicted class, the columns are in another order; rename it "
        "'predicted' to have it checked."
        for column in columns
        if _matches_highest(as_text(main.raw[column]), class_values, 1) == "in another order"
    ]


def _called(column: str, pattern: re.Pattern) -> bool:
    return bool(pattern.fullmatch(plain_name(column)))


def _class_keys(
    columns: ClassColumns,
    main: SourceTable,
    labels: pd.Series,
    predicted: str | None,
    options: ImportOptions,
) -> set[str]:
    """Keys of all class names that are known."""
    names = [*(options.classes or columns.names), *labels.dropna().unique()]
    if predicted is not None:
        names += list(as_text(main.raw[predicted]).dropna().unique())
    keys = {name_key(name) for name in names} - set(NO_LABEL)
    of_columns = {name_key(name) for name in columns.names}
    from_zero, from_one = ({str(k) for k in range(b, b + len(of_columns))} for b in (0, 1))
    if of_columns in (from_zero, from_one) and not keys - of_columns - set(ASKED):
        keys |= from_zero | from_one
    return keys


def _holds_names(
    values: pd.Series, column: str, keys: Collection[str], n_classes: int, numbered: bool
) -> bool:
    """Whether a column holds only class names; of any words where nothing names the classes."""
    first = _keys(values.iloc[:1000])
    like = _called(column, _LABEL_LIKE) or _called(column, _PREDICTED_LIKE)
    words = numbered and like and not plain_name(column).startswith("prediction_")

    def fits(held: set[str]) -> bool:
        held = held - (set(NO_LABEL) | set(ASKED)) if not held <= set(keys) else held
        return len(held) > (not like) and (held <= set(keys) or (words and len(held) <= n_classes))

    return fits(first) and (len(values) <= 1000 or fits(_keys(values)))


def _keys(values: pd.Series) -> set[str]:
    return {name_key(name) for name in as_text(values).dropna().unique()}


def _matches_highest(
    names: pd.Series, class_values: ClassValues, rows_per_class: int = _ROWS_PER_CLASS
) -> str:
    """How the names in a column go with the highest class: not (""), "as named", or one to one in
    another order (by default on too many rows for chance).
    """
    values = class_values.values
    filled = names.notna().to_numpy() & ~np.isnan(values).any(axis=1)
    top = values[filled].argmax(axis=1)
    keys = names[filled].map(name_key)
    pairs = pd.DataFrame({"top": top, "key": keys.to_numpy()}).drop_duplicates()
    if pairs["top"].duplicated().any() or pairs["key"].duplicated().any():
        return ""
    names_of_columns = [name_key(name) for name in class_values.columns.names]
    if all(names_of_columns[t] == key for t, key in zip(pairs["top"], pairs["key"], strict=True)):
        return "as named"
    return "in another order" if filled.sum() >= rows_per_class * values.shape[1] else ""


def _one_hot(
    main: SourceTable, class_columns: ClassColumns, used: Collection[str | None]
) -> tuple[list[str], pd.Series] | None:
    """The label of each row from columns of 0 and 1, one per class: (columns, labels).

    Numbers may count from 1 where those of the classes count from 0, and the other way round. A
    further column of the same name marks a label that is no class.
    """
    unused = [c for c in main.map.unused if c not in used]
    names = class_columns.names
    numbered = all(map(_WHOLE.fullmatch, names))
    counted = [[str(k + first) for k in range(len(names))] for first in (0, 1)]
    for spelt in (names, *(counted if list(names) in counted else ())):
        for (head, tail), columns in _called_after(unused, spelt).items():
            if len(columns) < len(names) or (
                numbered and not _TRUTH_LIKE.match((head or tail).strip("_"))
            ):
                continue
            of_class = {columns[name]: names[k] for k, name in enumerate(spelt)}
            for more in (_further(unused, head, tail, of_class), {}):
                marks = marks_of(main.raw, [*of_class, *more])
                if is_one_hot(marks):
                    labels = np.array([*of_class.values(), *more.values()], dtype=object)
                    row = pd.Series(labels[np.nan_to_num(marks).argmax(axis=1)], main.raw.index)
                    none = pd.Series(np.nansum(marks, axis=1) == 0, main.raw.index)
                    return list(of_class), none_where(row, none)
    return None


def _called_after(
    columns: Sequence[str], names: Sequence[str]
) -> dict[tuple[str, str], dict[str, str]]:
    """Columns that hold the name of a class: by what stands before and behind it, name -> column."""
    sets: dict[tuple[str, str], dict[str, str]] = {}
    for column in columns:
        for name in names:
            key, of_class = name_key(column), name_key(name)
            if key.endswith(of_class):
                sets.setdefault((key.removesuffix(of_class), ""), {})[name] = column
            elif key.startswith(f"{of_class}_"):
                sets.setdefault(("", key.removeprefix(of_class)), {})[name] = column
    return sets


def _further(
    columns: Sequence[str], head: str, tail: str, of_class: Collection[str]
) -> dict[str, str]:
    """Further columns with the same beginning or end, and what stands between."""
    if not head + tail:
        return {}
    return {
        c: c[len(head) : len(c) - len(tail)]
        for c in columns
        if c not in of_class and name_key(c).startswith(head) and name_key(c).endswith(tail)
    }
