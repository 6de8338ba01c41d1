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
from bnn_core.datasets.labelled_rows import labelled_rows
from bnn_core.datasets.plate_files import demand_single, find_files, pick_channels, spread_evenly
from bnn_core.datasets.plate_roles import named_column
from bnn_core.datasets.preparation import prepare_source
from bnn_core.datasets.sources import PlateSource
from bnn_core.tables.channel_rows import one_row_per_field
from bnn_core.tables.columns import map_columns
from bnn_core.tables.reading import naming, read_table


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
    to_learn: whether networks are trained on it; if not, no label is needed.

    Raises InputError for a column that is not there, no image paths, an image in two rows, and a
    control that no row names; if networks are trained on it, for no labelled row, a single
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
    rows = labelled_rows(
        mapped,
        given,
        table_path,
        label=label,
        group=group,
        control=control,
        unlabelled=unlabelled,
        to_learn=to_learn,
    )
    table = rows.table.join(mapped[files])
    notes = [f"columns: {column_map.describe()}; label {rows.label or 'none'}", *notes, *rows.notes]
    return PlateTable(table, rows.classes, channels, root, notes)
