"""Your own images: a table with a path column or one per channel, and what is known of each image.

Column names are BBBC's, CellProfiler's or plain ones (`bnn_core.tables.columns`). Rows without a
label are predicted and never counted. No compound is special unless it is named as the control.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import is_file, readable
from bnn_core.base.wording import WARNING
from bnn_core.datasets.folds import demand_learnable, leave_one_group_out
from bnn_core.datasets.plate_checks import alike_names, contradictions
from bnn_core.datasets.plate_files import demand_single, find_files, pick_channels, spread_evenly
from bnn_core.datasets.plate_roles import (
    classes_of,
    controls_of,
    groups_of,
    named_column,
    plate_image_ids,
    read_labels,
    role_notes,
)
from bnn_core.datasets.preparation import prepare_source
from bnn_core.datasets.sources import PlateSource
from bnn_core.tables.channel_rows import one_row_per_field
from bnn_core.tables.columns import map_columns
from bnn_core.tables.plate_map import odd_wells
from bnn_core.tables.reading import naming, read_table

_KEPT = ("plate", "well", "site", "replicate", "batch", "compound", "concentration", "moa")


def load_plate(
    table_path: Path,
    folder: Path,
    *,
    label: str | None = None,
    group: str | None = None,
    batch: str | None = None,
    control: str | None = None,
    unlabelled: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    images: Path | None = None,
    channels: Sequence[str] | None = None,
    size: int | None = 128,
    normalise: str = "auto",
    intensities: tuple[float, float] | None = None,
    pixel_size_um: float | None = None,
    workers: int | None = None,
) -> PlateSource:
    """Read a table of images into a source, prepared in `folder` (see `prepare_source`).

    The other arguments are those of `read_plate`. Raises InputError as it does, and as
    `prepare_source`.
    """
    plates = read_plate(
        table_path,
        label=label,
        group=group,
        batch=batch,
        control=control,
        unlabelled=unlabelled,
        columns=columns,
        images=images,
        channels=channels,
    )
    return prepare_source(
        plates.table,
        channels=plates.channels,
        image_root=plates.root,
        folder=folder,
        classes=plates.classes,
        size=size,
        normalise=normalise,
        intensities=intensities,
        pixel_size_um=pixel_size_um,
        notes=plates.notes,
        workers=workers,
    )


@dataclass(frozen=True)
class PlateTable:
    """A table of images as it was read; no image was opened.

    table: image_id, label (None without one), role, group, metadata, and `path` or `path_<channel>`
    relative to `root` where they are in it; index = row numbers of the file. notes: sentences; those
    that probably mean a mistake begin with "WARNING: ".
    """

    table: pd.DataFrame
    classes: list[str]
    channels: list[str] | None
    root: Path
    notes: list[str]

    @property
    def doubts(self) -> list[str]:
        """The notes that probably mean a mistake."""
        return [note for note in self.notes if note.startswith(WARNING)]

    def missing_files(self, most: int) -> tuple[list[tuple[int, str]], int]:
        """(row, file) of those that are not there among at most `most` rows spread evenly over the
        table, and how many files were looked for."""
        rows = self.table.iloc[spread_evenly(len(self.table), most)]
        columns = [c for c in rows if c == "path" or c.startswith("path_")]
        files = [
            (int(row), str(file))
            for column in columns
            for row, file in rows[column].dropna().items()
        ]
        missing = [(row, file) for row, file in files if not is_file(self.root / file)]
        return missing, len(files)


def read_plate(
    table_path: Path,
    *,
    label: str | None = None,
    group: str | None = None,
    batch: str | None = None,
    control: str | None = None,
    unlabelled: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    images: Path | None = None,
    channels: Sequence[str] | None = None,
    to_learn: bool = True,
) -> PlateTable:
    """Read and check a table of images.

    Columns are named in any case. label: column of the classes (default `label`, else `moa`).
    group: column of what is left out together (default the compound, else the well, else each image
    alone). batch: column of what was made together. control: the compound (or label) of untreated
    images, predicted and never counted. unlabelled: the labels that mean "no label"; by default the
    usual ones, with a warning. columns: canonical name -> column of the table where the names do
    not tell. images: folder that relative paths start from (default: the table's). channels: with
    one file per image, their names; with a file per channel, which to use and in what order.
    to_learn: whether networks are to be trained on it; if not, no label is needed.

    Raises InputError for a column that is not there, no image paths, an image in two rows, and a
    control that no row names; if networks are to be trained on it, for no labelled row, a single
    class or group, and classes of one group each.
    """
    table_path = Path(table_path)
    with naming(table_path):
        given, notes = one_row_per_field(read_table(table_path), columns)
        mapped, column_map = map_columns(given, columns)
    root = readable(images or table_path.parent).resolve()
    if not os.path.isdir(root):
        raise InputError(f"--images {root} is no folder")
    mapped, channels, more = pick_channels(mapped, column_map, channels, table_path)
    notes += [*column_map.notes, *more]
    files = [c for c in mapped if c == "path" or c.startswith("path_")]
    given_files = mapped[files]
    for column in files:
        mapped[column] = find_files(mapped[column], root)
    demand_single(mapped[files], given_files, table_path)
    if batch is not None:
        mapped["batch"] = named_column(batch, given, mapped, "--batch")
    label = label or next((c for c in ("label", "moa") if c in mapped), None)
    if label is None and to_learn:
        raise InputError(
            f"{table_path} has no column of labels ('label', 'moa'): name it with "
            f"--label; there are {', '.join(map(str, given.columns[:20]))}"
        )
    labels = pd.Series(None, index=mapped.index, dtype=object)
    if label is not None:
        labels = named_column(label, given, mapped, "--label")
        labels, more = read_labels(labels, unlabelled, table_path)
        notes += more
    is_control = controls_of(control, mapped, labels, table_path)
    role = pd.Series("scored", index=mapped.index).mask(labels.isna(), "unlabelled")
    role = role.mask(is_control, "control")
    labels = labels.where(role == "scored", None)
    classes = (
        classes_of(labels, label, table_path) if to_learn else sorted(labels.dropna().unique())
    )
    groups, more = groups_of(group, given, mapped)
    notes += more if to_learn else []
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
        with naming(table_path):
            leave_one_group_out(table)  # refuses labels that are all of one group
            demand_learnable(table)
    table = table.join(mapped[[*[c for c in _KEPT if c in mapped], *files]])
    doubts = [*alike_names(classes, "classes"), *odd_wells(table), *contradictions(table)]
    if to_learn and (group is not None or "compound" in mapped):
        names = groups[role == "scored"].unique()
        doubts += alike_names(names, "groups, left out one by one")
    notes = [
        f"columns: {column_map.describe()}; label {label or 'none'}",
        *notes,
        *role_notes(role, control),
        *(WARNING + doubt for doubt in doubts),
    ]
    return PlateTable(table, classes, channels, root, notes)
