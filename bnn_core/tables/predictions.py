"""Anybody's predictions -> the parts of a study: probabilities, labels and metadata, checked."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.methods import METHODS
from bnn_core.base.wording import be, count, have
from bnn_core.measures.uncertainty import Moments
from bnn_core.study.folder import ROLES
from bnn_core.tables.class_columns import (
    ClassColumns,
    lacking_column,
    name_classes,
    predicted_column,
)
from bnn_core.tables.label_columns import likely_names, name_columns
from bnn_core.tables.label_values import (
    class_labels,
    count_alike,
    named_codes,
    read_label_values,
)
from bnn_core.tables.long_form import image_key, long_columns
from bnn_core.tables.plate_map import odd_wells
from bnn_core.tables.probabilities import checked_probabilities, sample_moments
from bnn_core.tables.reading import naming, read_table, rows_text
from bnn_core.tables.sources import (
    ClassValues,
    ImportOptions,
    SourceTable,
    find_values,
    mapped_table,
    read_samples,
    read_sources,
    with_metadata,
)
from bnn_core.tables.values import as_text, image_ids, match_names, none_where

#: Metadata columns that a study keeps.
KEPT = ("plate", "well", "site", "replicate", "batch", "compound", "concentration", "moa")
NO_SPLIT = (
    "Only mean probabilities were given, no samples: aleatoric, epistemic and mutual "
    "information are unknown and left empty."
)
TAKEN_AS_BAYESIAN = (
    "Nothing in the table says what made the predictions: they are shown as those "
    "of a Bayesian network. --method (“What made the predictions”) changes that."
)


@dataclass(frozen=True)
class Predictions:
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


def read_predictions(path: Path, options: ImportOptions | None = None) -> Predictions:
    """Read, understand and check a table of predictions.

    Raises InputError (one line: file, rows, what is wrong, what to do) for all bad input.
    """
    options = options or ImportOptions()
    if options.method not in METHODS:
        raise InputError(f"--method {options.method}: one of {', '.join(METHODS)} expected")
    main, metadata = read_sources(path, options)
    notes: list[str] = []
    if metadata is not None:
        main, notes = with_metadata(main, metadata, options.on)
    column = None if options.ignore_predicted else predicted_column(list(main.raw.columns))
    found, main = find_values(main, [*_occurring(main, column), *options.classes], options.prefix)
    labels = _labels(main)
    controls = _controls(main, labels, options.control)
    labels = none_where(labels, controls)
    samples = None
    if options.samples is not None:
        samples, columns = read_samples(main, found, options)
        found = ClassValues(columns, np.asarray(samples, np.float64).mean(axis=1))
    if found is None:
        raise InputError(
            f"{path}: no class probabilities found; columns such as softmax_0 or p_<class>, "
            "columns called as the classes, or one row per image and class (image, class, "
            "probability) expected; --prefix says how such columns begin, --samples names a file "
            "of samples"
        )
    # Before the classes are named: where a column is missing, or wrong, no order can be right.
    logits = _demand_known_scale(found.columns, options, main.where)
    looked = name_columns(main, found, labels, column, options)
    labels, column = none_where(looked.labels, looked.labels.isna() | controls), looked.predicted
    found, predicted, based = _counted_alike(found, labels, _predicted(main, column))
    meant = read_label_values(main, labels, predicted, found.columns.names, options)
    labels, predicted = meant.labels, meant.predicted
    known = [*labels.dropna().unique(), *([] if predicted is None else predicted.dropna().unique())]
    lacking = lacking_column(found.columns, known)
    kept: dict[str, np.ndarray] = {}
    if samples is None:
        p, said = checked_probabilities(
            found.values,
            main.raw.index,
            found.columns.columns,
            logits=logits,
            where=main.where,
            lacking=lacking,
        )
        moments = {options.method: Moments(p)}
        said = [NO_SPLIT, *([TAKEN_AS_BAYESIAN] if options.method == "vi" else []), *said]
    else:
        kept[options.method], m, said = sample_moments(
            samples,
            main.raw.index,
            found.columns.columns,
            logits=logits,
            where=f"{options.samples} ",
            lacking=lacking,
        )
        moments = {options.method: m}
    classes, how = name_classes(
        found.columns,
        found.values,
        list(labels.dropna().unique()),
        predicted,
        options.classes,
        where=main.where,
    )
    if "label" in classes:
        raise InputError(f"{path}: a class cannot be called 'label'; rename it")
    notes = [how, *looked.notes, *based, *meant.notes, *notes, *said]
    labels = class_labels(labels, classes, main.where)
    new = match_names(meant.new, classes, main.where)
    images = _images(main, labels, new, controls, options, notes)
    notes += _unscored(images, looked.hint)
    if options.standard is not None:
        moments["standard"] = Moments(_standard(images, classes, options, notes))
    _warn_if_worse_than_guessing(moments[options.method], labels, classes, notes)
    understood = _understood(main, metadata, found.columns, column, looked.label)
    return Predictions(images, classes, moments, kept, list(main.map.channels), understood, notes)


def _labels(main: SourceTable) -> pd.Series:
    """Label, else MoA, of each row; None where empty."""
    empty = pd.Series(None, index=main.raw.index, dtype=object)
    return main.mapped.get("label", main.mapped.get("moa", empty))


def _predicted(main: SourceTable, column: str | None) -> pd.Series | None:
    return None if column is None else as_text(main.raw[column])


def _occurring(main: SourceTable, predicted: str | None) -> Collection[str]:
    """Class names that stand in the label and predicted columns."""
    columns = [_labels(main), _predicted(main, predicted)]
    names = [name for values in columns if values is not None for name in values.dropna().unique()]
    return [*names, *likely_names(main)]


def _counted_alike(
    found: ClassValues, labels: pd.Series, predicted: pd.Series | None
) -> tuple[ClassValues, pd.Series | None, list[str]]:
    """Numbered columns and predictions counted from 0 or 1 as the labels are, and a note."""
    names, predicted, note = count_alike(found.columns.names, labels.dropna().unique(), predicted)
    return (
        replace(found, columns=replace(found.columns, names=names)),
        predicted,
        [note] if note else [],
    )


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


def _demand_known_scale(found: ClassColumns, options: ImportOptions, where: str) -> bool:
    if found.logits and not options.logits:
        raise InputError(
            f"{where}columns {found.columns[0]} ... are logits, not probabilities; "
            "--logits converts them"
        )
    return options.logits


def _images(
    main: SourceTable,
    labels: pd.Series,
    new: pd.Series,
    controls: pd.Series,
    options: ImportOptions,
    notes: list[str],
) -> pd.DataFrame:
    """The columns of images.parquet, index = row numbers of the table.

    new: labels of kinds that the network never learnt, None elsewhere.
    """
    known = main.mapped
    _demand_single(main)
    role = np.where(labels.notna(), "scored", "unlabelled").astype(object)
    if "role" in known and known["role"].isin(ROLES).all():
        role = np.where((known["role"] == "scored") & labels.isna(), "unlabelled", known["role"])
    role[new.notna().to_numpy()] = "new"
    role[controls.to_numpy()] = "control"
    with naming(main.path):
        ids = image_ids(known)
    images = pd.DataFrame(
        {
            "image_id": ids,
            "label": labels.where(new.isna(), new),
            "role": role,
            "fold": _folds(known, notes),
            "path": known.get("path"),
            "content_hash": None,
            "group": known.get("group", known.get("compound")),
        },
        index=known.index,
    )
    for column in (*KEPT, *(c for c in known if c.startswith("path_"))):
        if column in known:
            images[column] = known[column]
    lost = (images["role"] == "scored") & images["group"].isna()
    if lost.any() and options.group:
        raise InputError(
            f"{main.where}{rows_text(images.index[lost])}: no value of --group {options.group}"
        )
    if lost.any():
        if images["group"].notna().any():
            notes.append(
                f"{count(n := int(lost.sum()), 'scored row')} {have(n)} no compound: "
                "images are taken as independent."
            )
        images["group"] = None
    notes += odd_wells(images)
    return images


def _unscored(images: pd.DataFrame, hint: str) -> list[str]:
    unscored = len(images) - int((images["role"] == "scored").sum())
    if not unscored:
        return []
    note = (
        f"{unscored:,} of {count(len(images), 'image')} {be(unscored)} not scored "
        "(no label, a control, or a new kind)"
    )
    return [f"WARNING: {note}; {hint}." if unscored == len(images) else f"{note}."]


def _demand_single(main: SourceTable) -> None:
    """Refuse rows that are the same image twice."""
    if "image_id" in main.mapped:
        return  # image_ids checks those
    key = image_key(main.mapped)
    double = (main.raw if key is None else key).duplicated(keep=False)
    if double.any():
        what = (
            "rows that are the same in every column"
            if key is None
            else f"the same image more than once ('{key[double].iloc[0]}')"
        )
        raise InputError(
            f"{main.where}{rows_text(double.index[double])}: {what}; remove the "
            "doubles, or add a column image_id"
        )


def _folds(known: pd.DataFrame, notes: list[str]) -> np.ndarray:
    if "fold" in known and known["fold"].str.fullmatch(r"-?\d{1,9}").eq(True).all():
        return known["fold"].astype(np.int64).to_numpy()
    if "fold" in known:
        notes.append("The fold column holds other things than whole numbers and was left out.")
    return np.zeros(len(known), np.int64)


def _standard(
    images: pd.DataFrame, classes: list[str], options: ImportOptions, notes: list[str]
) -> np.ndarray:
    """Mean softmax (N, C) of the standard network, in the order of `images` and `classes`."""
    if options.method == "standard":
        raise InputError(
            "--standard gives a second network beside --method standard; say what the "
            "first is (vi, dropout, ensemble, laplace)"
        )
    path = Path(options.standard)
    raw = read_table(path)
    overrides = {k: c for k, c in options.columns.items() if c in raw.columns}
    table = mapped_table(path, raw, overrides)
    column = None if options.ignore_predicted else predicted_column(list(raw.columns))
    found, table = find_values(table, classes, options.prefix)
    if found is None:
        raise InputError(f"{path}: no class probabilities found")
    p, _ = checked_probabilities(
        found.values,
        table.raw.index,
        found.columns.columns,
        where=table.where,
        logits=_demand_known_scale(found.columns, options, table.where),
        lacking=lacking_column(found.columns, classes),
    )
    same_columns = set(found.columns.names).isdisjoint(classes)
    given = options.classes if same_columns else ()
    found, predicted, _ = _counted_alike(
        found, pd.Series(classes, dtype=object), _predicted(table, column)
    )
    if predicted is not None:
        predicted, _ = named_codes(predicted, found.columns.names, given)
    named, _ = name_classes(
        found.columns, found.values, classes, predicted, given, where=table.where
    )
    named = list(match_names(pd.Series(named, dtype=object), classes, table.where))
    if set(named) != set(classes):
        odd = sorted(set(named) ^ set(classes))
        raise InputError(f"{path}: other classes than the first table's: {', '.join(odd[:5])}")
    return p[_partner_rows(images, table, notes)][:, pd.Index(named).get_indexer(classes)]


def _partner_rows(images: pd.DataFrame, table: SourceTable, notes: list[str]) -> np.ndarray:
    """Position in `table` of each image, by what tells images apart in both, else by order."""
    theirs = image_key(table.mapped)
    if theirs is None:
        if len(table.raw) != len(images):
            raise InputError(
                f"{table.path} has {len(table.raw):,} rows, the first table "
                f"{len(images):,}, and no column tells which belong together; add a "
                "column image_id to both"
            )
        notes.append(f"Rows of {table.path.name} were matched by their order.")
        return np.arange(len(images))
    if theirs.duplicated().any():
        double = theirs.index[theirs.duplicated(keep=False)]
        raise InputError(f"{table.where}{rows_text(double)}: the same image more than once")
    # Either what both tables call the image, or the id that the study gave it.
    mine = image_key(images[[c for c in images if c in table.mapped]])
    mine = images["image_id"] if mine is None else mine
    place = pd.Index(theirs).get_indexer(mine)
    if (place < 0).any():
        lost = images.index[place < 0]
        raise InputError(
            f"{table.path} lacks images of the first table: {rows_text(lost)} there, "
            f"the first is '{mine[lost[0]]}'"
        )
    return place


def _warn_if_worse_than_guessing(
    m: Moments, labels: pd.Series, classes: list[str], notes: list[str]
) -> None:
    y = pd.Index(classes).get_indexer(labels)
    right = (m.mean_p.argmax(axis=1) == y)[y >= 0]
    if len(right) >= 50 and right.mean() < 0.5 / len(classes):
        notes.append(
            f"Right on only {right.mean():.1%} of the labelled images, worse than "
            "guessing: check the order of the classes."
        )


def _understood(
    main: SourceTable,
    metadata: SourceTable | None,
    found: ClassColumns,
    predicted: str | None,
    label: str | None,
) -> str:
    """predicted, label: the columns of predicted classes and of a label without a usual name."""
    parts = [f"{len(found.columns)} classes from {found.columns[0]} ... {found.columns[-1]}"]
    if predicted:
        parts.append(f"predicted class from {predicted}")
    if label:
        parts.append(f"label from {label}")
    parts.append(main.map.describe())
    if "label" not in main.mapped and "moa" in main.mapped:
        parts.append("the MoA is the label")
    if metadata is not None:
        parts.append(f"from {metadata.path.name} {metadata.map.describe()}")
    used = {*found.columns, predicted, label, *(long_columns(main.raw) or ())}
    unused = [c for c in main.map.unused if c not in used]
    if unused:
        parts.append(f"not used: {', '.join(unused[:10])}" + (" ..." if len(unused) > 10 else ""))
    return "; ".join(parts)
