"""Values of a label column that are not classes: no label, a number, a new kind."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count, have
from bnn_core.tables.aliases import plain_name
from bnn_core.tables.class_columns import ClassColumns
from bnn_core.tables.reading import rows_text
from bnn_core.tables.sources import ClassValues, ImportOptions, SourceTable
from bnn_core.tables.values import (
    NO_LABEL,
    like_a_class,
    match_names,
    name_key,
    name_keys,
    none_where,
    row_counts,
)

_LACKING = (
    *("labelled", "labeled", "annotated", "assigned", "known", "determined", "defined"),
    *("specified", "available", "classified"),
)
#: Labels that mean "no label" unless a class has that name. Their use is always reported.
ASKED = (
    *("-1", "none", "null", "nil", "missing", "tbd", "tba", "to be determined", "unk"),
    *("?", "??", "-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", ".", "#n/a", "#na"),
    *("n.a.", "n.d.", "n/d", "nd", "n.k.", "n/k", "no label", "no moa", "no annotation"),
    *(f"un{word}" for word in _LACKING),
    *(f"not{blank}{word}" for word in _LACKING for blank in (" ", "_", "-")),
)


#: Pairs of names of two classes; the second is the one that is there.
PAIRS = (
    *(("0", "1"), ("-1", "1"), ("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y")),
    *(("negative", "positive"), ("neg", "pos")),
)


@dataclass(frozen=True)
class LabelValues:
    """Labels, predicted names and labels of new kinds, one per row, None where there is none.

    A row has a label of a class, or of a kind absent from training (`new`), or neither.
    """

    labels: pd.Series
    predicted: pd.Series | None
    new: pd.Series
    notes: list[str]


def read_label_values(
    main: SourceTable,
    labels: pd.Series,
    predicted: pd.Series | None,
    names: Sequence[str],
    options: ImportOptions,
    given: Sequence[str],
) -> LabelValues:
    """What the labels mean. labels: None on controls. names: what the class columns are called.
    given: the class of each column where labels may be its number.

    Rows are new where the user names their label (`options.new`) or the table gives that role.
    Raises InputError for a name that no row has, and where "-1" may be a class or no label.
    """
    is_new = _rows_with(labels, options.new, "--new", main.path)
    if "role" in main.mapped:
        is_new |= labels.notna() & (main.mapped["role"] == "new")
    new, labels = none_where(labels, ~is_new), none_where(labels, labels.isna() | is_new)
    met = [] if predicted is None else list(predicted.dropna().unique())
    # Predictions in other words, such as names beside numbers, do not tell what "-1" is.
    alike = bool(set(map(name_key, met)) & set(name_keys(labels.dropna())))
    labels, notes = without_label(
        labels, options.unlabelled, [*names, *given, *met], len(names), alike, main.path
    )
    labels, meant = named_codes(labels, names, given)
    if meant:
        notes.append(f"The labels are numbers of classes: {meant}.")
    if predicted is not None:
        predicted, _ = named_codes(predicted, names, given)
    if is_new.any():
        n = int(is_new.sum())
        notes.append(
            f"{count(n, 'image')} {have(n)} a label absent from training "
            f"({_counted(new[is_new])}): shown as new kinds, not scored."
        )
    return LabelValues(labels, predicted, new, notes)


def without_label(
    labels: pd.Series,
    unlabelled: Collection[str],
    classes: Collection[str],
    columns: int,
    alike: bool,
    path: Path,
) -> tuple[pd.Series, list[str]]:
    """The labels, None where the value means that there is none, and notes with counts.

    unlabelled: values that the user gave as no label. classes: names that columns, predictions or
    the user have. columns: how many classes there are. alike: whether predictions are written like
    the labels, which tells what their numbers count from.

    "-1" is no label only where all other labels are classes or their numbers. Raises InputError where
    "-1" may also be the first of classes that count from -1 (or the other of -1 and 1).
    """
    keys = name_keys(labels)
    known = {name_key(name) for name in classes}
    given = _rows_with(labels, unlabelled, "--unlabelled", path)
    counts = row_counts(keys[~given])
    others = set(counts) - set(NO_LABEL) - set(ASKED)
    asked = [key for key in counts if key in ASKED and key not in known]
    numbers = ({str(k) for k in range(first, columns + first)} for first in (0, 1))
    if "-1" in asked and not any(others <= possible for possible in (known, *numbers)):
        asked.remove("-1")
    elif (
        "-1" in asked
        and not alike
        and (others == {str(k) for k in range(columns - 1)} or (others, columns) == ({"1"}, 2))
    ):
        names = " ".join(["-1", *sorted(others, key=int)])
        raise InputError(
            f"{path}: label '-1' on {count(counts['-1'], 'row')} means no label, or the "
            f"first of {columns} classes; choose with --unlabelled -1 or --classes {names}"
        )
    silent = [key for key in NO_LABEL if key not in known]
    notes = [f"Read as no label: {_counted(labels[given])} (--unlabelled)."] if given.any() else []
    if asked:
        notes.append(
            f"Read as no label: {_counted(labels[keys.isin(asked) & ~given])}; no class has that "
            "name. Give other values that mean no label with --unlabelled."
        )
    notes += [
        f"'{key}' is a class, and the label of {count(counts[key], 'row')}; if it means "
        f"no label, give --unlabelled {key}."
        for key in counts
        if key in known and key in ASKED and key != "-1"
    ]
    return none_where(labels, given | labels.isna() | keys.isin([*asked, *silent])), notes


def count_alike(
    names: Sequence[str], labels: Collection[str], predicted: pd.Series | None
) -> tuple[tuple[str, ...], pd.Series | None, str]:
    """Numbers on columns and in predictions, counted from where the labels count, and a note.

    names: what the columns say. labels: those that occur. Numbers count from 1 where the last of
    1..K is among them and 0 is not, from 0 where 0 is and K is not; else nothing is changed.
    """
    n = len(names)
    from_zero, from_one = ({str(k) for k in range(b, b + n)} for b in (0, 1))

    def base(values: Collection[object]) -> int | None:
        keys = {name_key(value) for value in values} - set(NO_LABEL) - set(ASKED)
        if keys <= from_one and str(n) in keys:
            return 1
        return 0 if keys <= from_zero and "0" in keys else None

    base_of_columns = {frozenset(from_zero): 0, frozenset(from_one): 1}.get(
        frozenset(map(name_key, names))
    )
    theirs = None if predicted is None else base(predicted.dropna().unique())
    wanted = next((b for b in (base(labels), theirs, base_of_columns) if b is not None), None)
    if base_of_columns is None or (wanted == base_of_columns and theirs in (None, base_of_columns)):
        return tuple(names), predicted, ""
    if predicted is not None and theirs is not None and theirs != wanted:
        shifted = predicted.map(lambda n: str(int(name_key(n)) + wanted - theirs), "ignore")
        predicted = none_where(shifted, predicted.isna())
    moved = tuple(str(int(name_key(name)) + wanted - base_of_columns) for name in names)
    what = "columns" if wanted != base_of_columns else "predicted classes"
    return (
        moved,
        predicted,
        f"The labels count classes from {wanted}, the {what} from {1 - wanted}.",
    )


def _paired_alike(
    names: Sequence[str], labels: Collection[str], predicted: pd.Series | None
) -> tuple[tuple[str, ...], pd.Series | None, str]:
    """Two columns and their predictions in the words of the labels, where these are another pair:
    "False" and "True" of 0 and 1; and a note. Else nothing is changed."""
    spelt = {name_key(label): label for label in labels}
    held = spelt.keys() - set(NO_LABEL) - set(ASKED)
    columns = set(map(name_key, names))
    pairs = [pair for pair in PAIRS if "-1" not in pair]
    ours = next((pair for pair in pairs if set(pair) == columns), None)
    theirs = next((pair for pair in pairs if held and held <= set(pair)), None)
    if ours is None or theirs is None or held & columns or len(names) > 2:
        return tuple(names), predicted, ""
    word = {a: spelt.get(b, b) for a, b in zip(ours, theirs, strict=True)}
    if predicted is not None:
        keys = name_keys(predicted)
        predicted = none_where(keys.map(word).where(keys.isin(ours), predicted), predicted.isna())
    return (
        tuple(word[name_key(name)] for name in names),
        predicted,
        f"The columns of '{names[0]}' and '{names[1]}' are those of the labels "
        f"'{word[name_key(names[0])]}' and '{word[name_key(names[1])]}'.",
    )


def counted_alike(
    class_values: ClassValues, labels: pd.Series, predicted: pd.Series | None
) -> tuple[ClassValues, pd.Series | None, list[str]]:
    """Columns and predictions that count from 0 or 1, or say yes and no, as the labels do, and a
    note."""
    held = labels.dropna().unique()
    names, predicted, note = count_alike(class_values.columns.names, held, predicted)
    if not note:
        names, predicted, note = _paired_alike(names, held, predicted)
    return (
        replace(class_values, columns=replace(class_values.columns, names=names)),
        predicted,
        [note] if note else [],
    )


def vocabulary(
    columns: ClassColumns,
    values: np.ndarray,
    labels: pd.Series,
    predicted: pd.Series | None,
) -> list[str]:
    """The class of each number, where predictions are numbers from 0 or 1 and the columns have names:
    the names in the order of the columns, or of the alphabet if more rows agree with that.

    values: (N, C), the highest of which is predicted. Empty where predictions are no such numbers, and
    where labels are numbers too and not every row agrees: they may be names of their own.
    """
    names, n = columns.names, len(columns.names)
    if predicted is None or any(map(str.isdecimal, names)):
        return []
    filled = predicted.notna().to_numpy()
    keys = set(name_keys(predicted[filled]))
    first = int(str(n) in keys)
    numbers = {str(k) for k in range(first, n + first)} - {name_key(name) for name in names}
    if not keys or not keys <= numbers:
        return []
    places = predicted[filled].map(name_key).astype(int).to_numpy() - first
    highest = np.array(names, dtype=object)[values[filled].argmax(axis=1)]
    agreeing = {
        order: int((np.array(order, dtype=object)[places] == highest).sum())
        for order in (tuple(names), tuple(sorted(names)))
    }
    best = max(agreeing, key=lambda order: agreeing[order])
    coded = bool(set(name_keys(labels.dropna())) & numbers)
    return [] if coded and agreeing[best] < filled.sum() else list(best)


def named_codes(
    values: pd.Series, names: Sequence[str], given: Sequence[str]
) -> tuple[pd.Series, str]:
    """Values that are numbers of classes, as the names that the user gave, and a note on them.

    names: what the columns say. given: the class of each column. A value is the name of a column,
    else a place from 0, else (where the last place is there and 0 is not) a place from 1. Values
    that fit none of these, or the names given, stay as they are.
    """
    keys = name_keys(values)
    occurring = set(keys.dropna())
    if not given or not occurring or occurring & {name_key(name) for name in given}:
        return values, ""
    n = len(given)
    from_one = [range(1, n + 1)] if str(n) in occurring else []
    for codes in (names, range(n), *from_one):
        class_of = {name_key(code): name for code, name in zip(codes, given, strict=False)}
        if occurring <= class_of.keys():
            meant = ", ".join(f"{code} is '{name}'" for code, name in list(class_of.items())[:12])
            return none_where(keys.map(class_of), keys.isna()), meant
    return values, ""


def class_labels(labels: pd.Series, classes: Sequence[str], where: str) -> pd.Series:
    """Labels as the classes spell them. Raises InputError naming the rows of all others."""
    labels = match_names(labels, classes, where)
    unknown = labels.notna() & ~labels.isin(classes)
    if unknown.any():
        plain = {plain_name(name) for name in labels[unknown].unique()}
        alike = (
            ", give the classes with --classes, spelled like the labels"
            if plain & set(map(plain_name, classes))
            else ""
        )
        held = labels[unknown].unique()
        names = ", ".join(f"'{n}'" for n in held[:5])
        raise InputError(
            f"{where}{rows_text(labels.index[unknown])}: label {names} is not one of the classes "
            f"({', '.join(classes[:12])}){like_a_class(held[0], classes)}; correct it{alike}, or give "
            f"it with --unlabelled (no "
            f"label), --new (absent from training) or --control"
        )
    return labels


def _rows_with(labels: pd.Series, names: Collection[str], flag: str, path: Path) -> pd.Series:
    """Where a label is one of `names`. Raises InputError for a name that no row has."""
    keys = name_keys(labels)
    for name in names:
        if not (keys == name_key(name)).any():
            raise InputError(f"{flag} {name}: no row of {path} has that label")
    return keys.isin([name_key(name) for name in names])


def _counted(labels: pd.Series) -> str:
    return ", ".join(f"'{name}' on {count(n, 'row')}" for name, n in row_counts(labels).items())
