"""What each row of a plate table is: its label, its role, and what is left out together with it."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING, be, count, have
from bnn_core.datasets.plate_checks import well_groups
from bnn_core.tables.aliases import column_like, no_such_column
from bnn_core.tables.label_values import ASKED
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import NO_LABEL, as_text, demand_short, image_ids, name_key

#: Names of untreated wells, as `name_key` writes them.
UNTREATED_NAMES = (
    "dmso",
    "untreated",
    "vehicle",
    "negcon",
    "negative control",
    "neg control",
    "mock",
)


def named_column(name: str, given: pd.DataFrame, mapped: pd.DataFrame, flag: str) -> pd.Series:
    """A column by its canonical name or its name in the table, as text, None where empty."""
    if name in mapped:
        return as_text(mapped[name])
    column = column_like(name, given.columns) or column_like(name, mapped.columns)
    if column is None:
        raise InputError(
            f"{flag} {name}: {no_such_column(name, [*given.columns, *mapped.columns])}"
        )
    return as_text((given if column in given else mapped)[column])


def read_labels(
    values: pd.Series, unlabelled: Sequence[str] | None, table_path: Path
) -> tuple[pd.Series, list[str]]:
    """The labels, None where a value means "no label", and notes on values that may mean it.

    "-1" does not where it may be a number of a class: beside whole numbers that do not count from 0
    or 1.
    """
    keys = values.map(name_key, na_action="ignore")
    counts = keys.value_counts(sort=False)
    words = [key for key in ("none", "null") if key in counts]
    silent = {*NO_LABEL, *words}
    if unlabelled is not None:
        given = {name_key(value) for value in unlabelled}
        if absent := sorted(given - set(counts.index)):
            raise InputError(f"--unlabelled {absent[0]}: no row of {table_path} has that label")
        return values.mask(keys.isin(given | set(NO_LABEL)), None).astype(object), []
    asked = [key for key in counts.index if key in ASKED and key not in silent]
    others = set(counts.index) - silent - set(asked)
    counted = [{str(k) for k in range(b, b + len(others))} for b in (0, 1)]
    notes = []
    numbered = all(re.fullmatch(r"[+-]?\d+", key) for key in others)
    if "-1" in asked and numbered and (others not in counted or len(others) < 2):
        asked.remove("-1")
        notes.append(
            f"'-1' ({count(int(counts['-1']), 'row')}) is read as a class; if it means no label, give "
            "--unlabelled -1"
        )
    for keys_read, warning in ((words, ""), (asked, WARNING)):
        if keys_read:
            shown = ", ".join(f"'{key}' ({count(int(counts[key]), 'row')})" for key in keys_read)
            notes.append(
                f"{warning}read as no label: {shown}; --unlabelled names the values that mean no "
                "label, all others are classes"
            )
    return values.mask(keys.isin([*silent, *asked]), None).astype(object), notes


def classes_of(labels: pd.Series, label: str, table_path: Path) -> list[str]:
    """The classes, sorted. Raises InputError for fewer than two, and for one called 'label' or with a
    name that is too long."""
    classes = sorted(labels.dropna().unique())
    if not classes:
        raise InputError(f"{table_path}: no row has a label in column '{label}': nothing to learn")
    if len(classes) < 2:
        raise InputError(
            f"{table_path}: all labelled rows are '{classes[0]}' (column '{label}'); "
            "at least two classes are needed"
        )
    if "label" in classes:
        raise InputError(
            f"{table_path} {rows_text(labels.index[labels == 'label'])}: a class "
            "cannot be called 'label'; rename it"
        )
    demand_short(classes, f"{table_path}: ")
    return classes


def controls_of(
    control: str | None, mapped: pd.DataFrame, labels: pd.Series, table_path: Path
) -> pd.Series:
    """Whether each row is the control, by compound or label. InputError where none is."""
    is_control = pd.Series(False, index=labels.index)
    if control is None:
        return is_control
    wanted = control.strip().casefold()
    for values in [labels, *([mapped["compound"]] if "compound" in mapped else [])]:
        is_control |= values.map(lambda name: name.casefold() == wanted, na_action="ignore").eq(
            True
        )
    if not is_control.any():
        raise InputError(f"--control {control}: no row of {table_path} has that compound or label")
    return is_control


def untreated_hint(mapped: pd.DataFrame, labels: pd.Series) -> list[str]:
    """A note on rows that are untreated by their name, where no control is given."""
    for values, as_class in ((labels, True), (mapped.get("compound"), False)):
        if values is None:
            continue
        keys = values.map(name_key, na_action="ignore")
        for name in UNTREATED_NAMES:
            rows = int((keys == name).sum())
            if rows:
                spelt = values[keys == name].iat[0]
                return [
                    f"{WARNING if as_class else ''}{count(rows, 'row')} {be(rows)} "
                    f"{'of the class' if as_class else 'of'} '{spelt}': if that is the untreated "
                    f"control, give --control '{spelt}'"
                ]
    return []


def groups_of(
    group: str | None, given: pd.DataFrame, mapped: pd.DataFrame
) -> tuple[pd.Series, list[str]]:
    """The groups that are left out together, never empty, and notes about them."""
    wells = plate_image_ids(mapped)
    known = pd.Series(False, index=mapped.index)
    if "well" in mapped:
        names = well_groups(mapped)
        known = names.notna()
        wells = wells.mask(known, names)
    if group is not None:
        groups = named_column(group, given, mapped, "--group")
    elif "compound" in mapped:
        group, groups = "compound", mapped["compound"]
    elif known.any():
        return wells, [
            "no compound column: wells are left out together; fields of one compound in "
            "two wells are trained on and tested on",
            *_missing_plates(mapped),
        ]
    else:
        return wells, [
            "no compound or well column: each image is left out alone; name what belongs "
            "together with --group, or the accuracy is too good"
        ]
    empty = groups.isna()
    notes = (
        [
            f"{count(n := int(empty.sum()), 'row')} {have(n)} no {group} and {be(n)} left out by "
            "well, or one by one"
        ]
        if empty.any()
        else []
    )
    return groups.where(~empty, wells).astype(object), notes


def _missing_plates(mapped: pd.DataFrame) -> list[str]:
    """Say that wells without a plate are of one plate, and warn where they cannot be."""
    if "plate" in mapped and mapped["plate"].notna().all():
        return []
    unknown = mapped[mapped["plate"].isna()] if "plate" in mapped else mapped
    wells = unknown[[c for c in ("well", "site") if c in unknown]].dropna()
    remedy = "name the column of plates with --map plate=COLUMN"
    if "site" in unknown and wells.duplicated().any():
        double = wells.index[wells.duplicated(keep=False)]
        return [
            f"{WARNING}{rows_text(double)}: the same well and site again, and no plate: there "
            f"seem to be several plates, and their wells are merged; {remedy}"
        ]
    return [f"no plate is named, so all wells are read as one plate; otherwise {remedy}"]


def plate_image_ids(mapped: pd.DataFrame) -> pd.Series:
    """`image_ids`, by the first channel's file where there is one file per channel."""
    first = next((c for c in mapped if c.startswith("path_")), None)
    if "path" in mapped or first is None:
        return image_ids(mapped)
    return image_ids(mapped.assign(path=mapped[first]))


def role_notes(role: pd.Series, control: str | None) -> list[str]:
    """How many rows are predicted and never counted, and why."""
    notes = []
    unlabelled, controls = int((role == "unlabelled").sum()), int((role == "control").sum())
    if unlabelled:
        notes.append(
            f"{count(unlabelled, 'row')} {have(unlabelled)} no label: predicted and shown, never "
            "counted"
        )
    if controls:
        notes.append(
            f"{count(controls, 'row')} {be(controls)} the control {control}: predicted, never "
            "counted"
        )
    return notes
