"""Anybody's predictions -> the parts of a study: probabilities, labels and metadata, checked."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.methods import METHODS
from bnn_core.base.wording import WARNING, Noted
from bnn_core.measures.uncertainty import Moments, class_numbers
from bnn_core.tables.class_columns import ClassColumns, predicted_column
from bnn_core.tables.class_order import (
    doubted_order,
    lacking_column,
    matrix_of_classes,
    name_classes,
)
from bnn_core.tables.image_rows import image_rows, unscored_notes
from bnn_core.tables.label_columns import likely_names, name_columns, named_columns
from bnn_core.tables.label_values import (
    class_labels,
    counted_alike,
    read_label_values,
    vocabulary,
)
from bnn_core.tables.long_form import long_columns
from bnn_core.tables.name_affixes import without_affixes
from bnn_core.tables.no_classes import why_no_classes
from bnn_core.tables.probabilities import checked_probabilities
from bnn_core.tables.reading import name_of
from bnn_core.tables.samples import read_samples, sample_moments
from bnn_core.tables.single_probability import find_single
from bnn_core.tables.sources import (
    ClassValues,
    ImportOptions,
    SourceTable,
    demand_known_scale,
    find_values,
    predicted_names,
    read_sources,
    with_metadata,
)
from bnn_core.tables.standard_table import standard_softmax
from bnn_core.tables.values import match_names, none_where

NO_SPLIT = (
    "Only mean probabilities were given, no samples, so aleatoric, epistemic and mutual "
    "information are empty."
)
TAKEN_AS_BAYESIAN = (
    "The table does not name the method of the predictions, so they are shown as predictions of "
    "a Bayesian network. Importing with --method changes that."
)


#: So many errors that are expected and do not occur are no chance (e^-6 is 1 in 400).
_ERRORS_EXPECTED = 6


@dataclass(frozen=True)
class Predictions(Noted):
    """What a table says, checked: row i is the same image throughout.

    images: the columns of a study's images.parquet and `path_<channel>`; index = the table's row
    numbers. moments: by method. samples: (N, T, C) float16 by method. understood: how the columns
    were read. notes: sentences for the study's reader.
    """

    images: pd.DataFrame
    classes: list[str]
    moments: dict[str, Moments]
    samples: dict[str, np.ndarray]
    channels: list[str]
    understood: str
    notes: list[str]


def read_predictions(
    path: Path | pd.DataFrame, options: ImportOptions | None = None
) -> Predictions:
    """Read, understand and check a table of predictions.

    Raises InputError (one line: file, rows, what is wrong, what to do) for all bad input.
    """
    options = options or ImportOptions()
    _demand_known_method(options.method)
    main, metadata, options = read_sources(path, options)
    main, notes = with_metadata(main, metadata, options.on)
    column = None if options.ignore_predicted else predicted_column(list(main.raw.columns))
    class_values, main = find_values(
        main, [*_occurring(main, column), *options.classes], options.prefix
    )
    labels = _labels(main)
    controls = _controls(main, labels, options.control)
    labels = none_where(labels, controls)
    class_values, samples, remarks = _given_values(main, class_values, labels, column, options)
    class_values, affixes = without_affixes(main, class_values, labels, column, named_columns(main))
    notes += remarks
    # Before the classes are named: where a column is missing, or wrong, no order can be right.
    logits = demand_known_scale(class_values.columns, options, main.where)
    looked = name_columns(main, class_values, labels, column, options)
    labels, column = none_where(looked.labels, looked.labels.isna() | controls), looked.predicted
    class_values, predicted, based = counted_alike(
        class_values, labels, predicted_names(main, column)
    )
    named = options.classes or vocabulary(
        class_values.columns, class_values.values, labels, predicted
    )
    meant = read_label_values(main, labels, predicted, class_values.columns.names, options, named)
    labels, predicted = meant.labels, meant.predicted
    lacking = lacking_column(class_values.columns, _names_in(labels, predicted))
    moments, kept, remarks = _moments(main, class_values, samples, options, logits, lacking)
    classes, how = name_classes(
        class_values.columns,
        class_values.values,
        list(labels.dropna().unique()),
        predicted,
        options.classes,
        where=main.where,
        hint=looked.hint if looked.others else "",
    )
    if "label" in classes:
        raise InputError(f"{main.path}: a class cannot be called 'label'; rename it")
    read = [*main.map.notes, *(note for table in metadata for note in table.map.notes)]
    read += [note for note in (class_values.columns.note, *affixes) if note]
    notes = [how, *read, *looked.notes, *based, *meant.notes, *notes, *remarks]
    labels = class_labels(labels, classes, main.where)
    new = match_names(meant.new, classes, main.where)
    images = image_rows(main, labels, new, controls, options, notes)
    notes += unscored_notes(images, looked.hint)
    by_method = {options.method: moments}
    if options.standard is not None:
        by_method["standard"] = Moments(standard_softmax(images, classes, options, notes))
    notes += filter(None, [matrix_of_classes(main.raw, class_values.columns)])
    _warn_of_odd_accuracy(moments, labels, classes, notes)
    return Predictions(
        images,
        classes,
        by_method,
        {} if kept is None else {options.method: kept},
        list(main.map.channels),
        _understood(main, metadata, class_values.columns, column, looked.label),
        notes,
    )


def _demand_known_method(method: str) -> None:
    if method not in METHODS:
        raise InputError(f"--method {method} is unknown; choose one of {', '.join(METHODS)}")


def _given_values(
    main: SourceTable,
    class_values: ClassValues | None,
    labels: pd.Series,
    predicted: str | None,
    options: ImportOptions,
) -> tuple[ClassValues, np.ndarray | None, list[str]]:
    """Class values of the samples, of the table, or of its one column of probabilities; the samples;
    notes. InputError where there are none.

    class_values: of the table, None without. predicted: the column of predicted classes.
    """
    if options.samples is not None:
        samples, columns = read_samples(main, class_values, options)
        return ClassValues(columns, np.asarray(samples, np.float64).mean(axis=1)), samples, []
    if class_values is not None:
        return class_values, None, []
    class_values, note = find_single(
        main, labels, predicted_names(main, predicted), options.classes
    )
    if class_values is None:
        raise InputError(f"{main.path} {why_no_classes(main, labels, predicted)}")
    return class_values, None, [note] if note else []


def _moments(
    main: SourceTable,
    class_values: ClassValues,
    samples: np.ndarray | None,
    options: ImportOptions,
    logits: bool,
    lacking: str,
) -> tuple[Moments, np.ndarray | None, list[str]]:
    """Checked probabilities as moments, the samples to keep, and remarks.

    logits, lacking: see `checked_probabilities`.
    """
    rows, columns = main.raw.index, class_values.columns.columns
    if samples is not None:
        kept, moments, remarks = sample_moments(
            samples,
            rows,
            columns,
            logits=logits,
            where=f"{name_of(options.samples)} ",
            lacking=lacking,
        )
        return moments, kept, remarks
    p, remarks = checked_probabilities(
        class_values.values, rows, columns, logits=logits, where=main.where, lacking=lacking
    )
    as_bayesian = [TAKEN_AS_BAYESIAN] if options.method == "vi" else []
    return Moments(p), None, [NO_SPLIT, *as_bayesian, *remarks]


def _labels(main: SourceTable) -> pd.Series:
    """Label, else MoA, of each row; None where empty."""
    empty = pd.Series(None, index=main.raw.index, dtype=object)
    return main.mapped.get("label", main.mapped.get("moa", empty))


def _occurring(main: SourceTable, predicted: str | None) -> Collection[str]:
    """Class names that occur in the label and predicted columns."""
    return [*_names_in(_labels(main), predicted_names(main, predicted)), *likely_names(main)]


def _names_in(*columns: pd.Series | None) -> list[str]:
    """The names in some columns; None: a column that there is not."""
    return [name for values in columns if values is not None for name in values.dropna().unique()]


def _controls(main: SourceTable, labels: pd.Series, names: Collection[str]) -> pd.Series:
    control = pd.Series(False, index=labels.index)
    for name in names:
        hit = labels == name
        if "compound" in main.mapped:
            hit |= main.mapped["compound"] == name
        if not hit.any():
            raise InputError(f"--control {name}: no row of {main.path} has that compound or label")
        control |= hit
    return control


def _warn_of_odd_accuracy(
    m: Moments, labels: pd.Series, classes: list[str], notes: list[str]
) -> None:
    y = class_numbers(labels, classes)
    if doubt := doubted_order(m.mean_p, classes, labels):
        notes.append(doubt)
        return
    right = (m.mean_p.argmax(axis=1) == y)[y >= 0]
    expected = float((1 - m.mean_p.max(axis=1))[y >= 0].sum())
    if right.all() and expected >= _ERRORS_EXPECTED:
        notes.append(
            f"{WARNING}all {len(right):,} labels are the highest class, though the probabilities let "
            f"expect {expected:.0f} errors: if the labels are what the network predicted, name that "
            "column 'predicted'."
        )
    if len(right) >= 50 and right.mean() < 0.5 / len(classes):
        notes.append(
            f"Right on only {right.mean():.1%} of the labelled images, worse than "
            "guessing: check the order of the classes."
        )


def _understood(
    main: SourceTable,
    metadata: Sequence[SourceTable],
    classes: ClassColumns,
    predicted: str | None,
    label: str | None,
) -> str:
    """predicted, label: the columns of predicted classes and of a label without a usual name."""
    parts = [f"{len(classes.columns)} classes from {classes.columns[0]} ... {classes.columns[-1]}"]
    if predicted:
        parts.append(f"predicted class from {predicted}")
    if label:
        parts.append(f"label from {label}")
    parts.append(main.map.describe())
    if "label" not in main.mapped and "moa" in main.mapped:
        parts.append("the MoA is the label")
    parts += [f"from {table.path.name} {table.map.describe()}" for table in metadata]
    used = {*classes.columns, predicted, label, *(long_columns(main.raw) or ())}
    unused = [c for c in main.map.unused if c not in used]
    if unused:
        parts.append(f"not used: {', '.join(unused[:10])}" + (" ..." if len(unused) > 10 else ""))
    return "; ".join(parts)
