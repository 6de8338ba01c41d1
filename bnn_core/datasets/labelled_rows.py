"""The rows of a table of images or features as a study takes them: label, role, group, metadata."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING
from bnn_core.datasets.folds import demand_learnable, leave_one_group_out
from bnn_core.datasets.plate_checks import alike_names, contradictions
from bnn_core.datasets.plate_roles import (
    classes_of,
    controls_of,
    groups_of,
    named_column,
    plate_image_ids,
    read_labels,
    role_notes,
    untreated_hint,
)
from bnn_core.tables.plate_map import odd_wells
from bnn_core.tables.reading import naming

_KEPT = ("plate", "well", "site", "replicate", "batch", "compound", "concentration", "moa")


@dataclass(frozen=True)
class RowOptions:
    """What the rows of a table are; all optional. Columns are named in any case.

    label: column of the classes (default `label`, else `moa`). group: column of what is left out
    together (default the compound, else the well, else each image alone). batch: column of what was
    made together. control: the compound (or label) of untreated images, predicted and never
    counted. unlabelled: the labels that mean "no label"; by default the usual ones, with a warning.
    columns: canonical name -> column where the names do not tell. images: folder that relative
    paths of a table start from (default: the table's). channels: with one file per image, their
    names; with a file per channel, which to use and in what order.
    """

    label: str | None = None
    group: str | None = None
    batch: str | None = None
    control: str | None = None
    unlabelled: Sequence[str] | None = None
    columns: Mapping[str, str] | None = None
    images: Path | None = None
    channels: Sequence[str] | None = None

    def __post_init__(self):
        object.__setattr__(self, "images", as_path(self.images))


def as_path(path: str | os.PathLike | None) -> Path | None:
    """A path that a Python user may give as text; None for None."""
    return None if path is None else Path(path)


class LabelledRows(NamedTuple):
    """table: image_id, label (None without one), role, group, and metadata; index = row numbers of
    the file. label: the column of the labels, None without one. notes: sentences."""

    table: pd.DataFrame
    classes: list[str]
    label: str | None
    notes: list[str]


def labelled_rows(
    mapped: pd.DataFrame,
    given: pd.DataFrame,
    path: Path,
    options: RowOptions,
    *,
    to_learn: bool,
) -> LabelledRows:
    """Decide what each row is. mapped: columns under the names of a study (`columns.map_columns`) of
    the table `given` in the file `path`. Raises InputError as `plates.read_plate`.
    """
    group, control = options.group, options.control
    label = options.label or next((c for c in ("label", "moa") if c in mapped), None)
    if label is None and to_learn:
        raise InputError(
            f"{path} has no column of labels ('label', 'moa'): name it with "
            f"--label; there are {', '.join(map(str, given.columns[:20]))}"
        )
    labels = pd.Series(None, index=mapped.index, dtype=object)
    notes: list[str] = []
    if label is not None:
        labels = named_column(label, given, mapped, "--label")
        labels, notes = read_labels(labels, options.unlabelled, path)
    is_control = controls_of(control, mapped, labels, path)
    role = pd.Series("scored", index=mapped.index).mask(labels.isna(), "unlabelled")
    role = role.mask(is_control, "control")
    labels = labels.where(role == "scored", None)
    classes = classes_of(labels, label, path) if to_learn else sorted(labels.dropna().unique())
    groups, more = groups_of(group, given, mapped)
    table = pd.DataFrame(
        {
            "image_id": plate_image_ids(mapped),
            "label": labels.astype(object),
            "role": role,
            "group": groups,
        },
        index=mapped.index,
    )
    if to_learn:
        notes += more
        if control is None:
            notes += untreated_hint(mapped, labels)
        with naming(path):
            leave_one_group_out(table)  # refuses labels that are all of one group
            demand_learnable(table)
    table = table.join(mapped[[c for c in _KEPT if c in mapped]])
    doubts = [*alike_names(classes, "classes"), *odd_wells(table), *contradictions(table)]
    if "plate" in table:
        doubts += alike_names(table["plate"].dropna().unique(), "plates")
    if to_learn and (group is not None or "compound" in mapped):
        names = groups[role == "scored"].unique()
        doubts += alike_names(names, "groups")
    notes += [*role_notes(role, control), *(WARNING + doubt for doubt in doubts)]
    return LabelledRows(table, classes, label, notes)
