"""Your own images: a table with a path column or one per channel, and what is known of each image.

Column names are BBBC's, CellProfiler's or plain ones (`bnn_core.tables.columns`). Rows without a
label are predicted and never counted. No compound is special unless it is named as the control.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import goes_with_a_job
from bnn_core.base.wording import WARNING, Noted
from bnn_core.datasets.image_folders import FolderScan
from bnn_core.datasets.labelled_rows import labelled_rows
from bnn_core.datasets.number_range import set_range
from bnn_core.datasets.plate_checks import repeated_fields
from bnn_core.datasets.plate_files import spread_evenly
from bnn_core.datasets.plate_options import PlateOptions, as_source, read_given
from bnn_core.datasets.plate_roles import named_column
from bnn_core.datasets.preparation import ImageOptions, prepare_source
from bnn_core.datasets.sources import PlateSource
from bnn_core.images.addresses import is_there


def prepare_plates(
    plates: "PlateTable",
    folder: Path,
    scaling: ImageOptions,
    *,
    workers: int | None = None,
) -> PlateSource:
    """The images of a table as a source, prepared in `folder` (see `prepare_source`).

    `intensities` are by default the range of the whole set where its numbers do not fit 16 bit
    (`number_range.set_range`).
    """
    notes = list(plates.notes)
    if scaling.intensities is None:
        intensities, more = set_range(plates.files())
        scaling = replace(scaling, intensities=intensities)
        notes += more
    return prepare_source(
        plates.table,
        scaling,
        channels=plates.channels,
        image_root=plates.root,
        folder=folder,
        classes=plates.classes,
        notes=notes,
        travels=goes_with_a_job(plates.root),
        workers=workers,
    )


@dataclass(frozen=True)
class PlateTable(Noted):
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

    def files(self) -> list[Path]:
        """The addresses of all images (`images.addresses`)."""
        columns = [c for c in self.table if c == "path" or c.startswith("path_")]
        return [self.root / file for column in columns for file in self.table[column].dropna()]

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
        missing = [(row, file) for row, file in files if not is_there(self.root / file)]
        return missing, len(files)


def source_name(source: Path | FolderScan) -> str:
    """What a study of a table or folder is called by default."""
    path = source.root if isinstance(source, FolderScan) else Path(source).absolute()
    return path.stem if path.suffix and not path.is_dir() else path.name.removesuffix(".zarr")


def read_plate(source: Path | FolderScan, *, to_learn: bool = True, **asked: Any) -> PlateTable:
    """Read and check a table of images, or the names of a folder's.

    source: a table; a folder, which is scanned; or a scan of one. asked: fields of `PlateOptions`.
    to_learn: whether networks are trained on it; if not, no label is needed.

    Raises InputError for a column that is not there, no image paths, an image in two rows, and a
    control that no row names; if networks are trained on it, for no labelled row, a single
    class or group, and classes of one group each.
    """
    options = PlateOptions(**asked)
    table_path = source.root if isinstance(source, FolderScan) else Path(source)
    if not isinstance(source, FolderScan):
        source = as_source(table_path, options)
    given = read_given(source, table_path, options)
    mapped = given.mapped
    if options.batch is not None:
        mapped["batch"] = named_column(options.batch, given.raw, mapped, "--batch")
    if to_learn and isinstance(source, FolderScan) and not ({"label", "moa"} & set(mapped)):
        _demand_label(table_path, options.label)
    rows = labelled_rows(
        mapped,
        given.raw,
        table_path,
        options,
        to_learn=to_learn,
    )
    notes = [
        f"columns: {given.understood}; label {rows.label or 'none'}",
        *given.notes,
        *rows.notes,
        *(WARNING + doubt for doubt in repeated_fields(rows.table)),
    ]
    table = rows.table.join(mapped[given.files])
    return PlateTable(table, rows.classes, given.channels, given.root, notes)


def _demand_label(folder: Path, label: str | None) -> None:
    """InputError where neither the names of files nor a plate map give labels."""
    if label is None:
        raise InputError(
            f"{folder}: the names of files give no labels: give a plate map with --layout (wells "
            "with compound and moa, as .csv or .xlsx), or a table with --metadata"
        )
