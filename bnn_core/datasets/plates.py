"""Your own images: a table with a path column or one per channel, and what is known of each image.

Column names are BBBC's, CellProfiler's or plain ones (`bnn_core.tables.columns`). Rows without a
label are predicted and never counted. No compound is special unless it is named as the control.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING
from bnn_core.datasets.folds import demand_learnable, leave_one_group_out
from bnn_core.datasets.image_folders import FolderScan
from bnn_core.datasets.plate_checks import alike_names, contradictions
from bnn_core.datasets.plate_files import spread_evenly
from bnn_core.datasets.plate_options import PlateOptions, as_source, read_given
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
from bnn_core.images.addresses import is_there
from bnn_core.tables.plate_map import odd_wells
from bnn_core.tables.reading import naming

_KEPT = ("plate", "well", "site", "replicate", "batch", "compound", "concentration", "moa")


def load_plate(
    source: Path | FolderScan, folder: Path, *, workers: int | None = None, **options: Any
) -> PlateSource:
    """Read a table or folder of images into a source, prepared in `folder`.

    options: fields of `PlateOptions` and keywords of `prepare_plates`. Raises InputError as
    `read_plate` and `prepare_source`.
    """
    asked = {f.name: options.pop(f.name) for f in fields(PlateOptions) if f.name in options}
    return prepare_plates(read_plate(source, **asked), folder, workers=workers, **options)


def prepare_plates(
    plates: "PlateTable",
    folder: Path,
    *,
    size: int | None = 128,
    normalise: str = "auto",
    intensities: tuple[float, float] | None = None,
    pixel_size_um: float | None = None,
    workers: int | None = None,
) -> PlateSource:
    """The images of a table as a source, prepared in `folder` (see `prepare_source`)."""
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
        missing = [(row, file) for row, file in files if not is_there(self.root / file)]
        return missing, len(files)


def source_name(source: Path | FolderScan) -> str:
    """What a study of a table or folder is called by default."""
    path = source.root if isinstance(source, FolderScan) else Path(source).absolute()
    return path.stem if path.suffix and not path.is_dir() else path.name.removesuffix(".zarr")


def read_plate(source: Path | FolderScan, *, to_learn: bool = True, **asked: Any) -> PlateTable:
    """Read and check a table of images, or the names of a folder's.

    source: a table; a folder, which is scanned; or a scan of one. asked: fields of `PlateOptions`.
    to_learn: whether networks are to be trained on it; if not, no label is needed.

    Raises InputError for a column that is not there, no image paths, an image in two rows, and a
    control that no row names; if networks are to be trained on it, for no labelled row, a single
    class or group, and classes of one group each.
    """
    options = PlateOptions(**asked)
    table_path = source.root if isinstance(source, FolderScan) else Path(source)
    if not isinstance(source, FolderScan):
        source = as_source(table_path, options)
    read = read_given(source, table_path, options)
    given, mapped, notes = read.raw, read.mapped, read.notes
    if options.batch is not None:
        mapped["batch"] = named_column(options.batch, given, mapped, "--batch")
    label, group, control = options.label, options.group, options.control
    label = label or next((c for c in ("label", "moa") if c in mapped), None)
    if label is None and to_learn:
        raise InputError(_no_label(table_path, given, isinstance(source, FolderScan)))
    labels = pd.Series(None, index=mapped.index, dtype=object)
    if label is not None:
        labels = named_column(label, given, mapped, "--label")
        labels, more = read_labels(labels, options.unlabelled, table_path)
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
    table = table.join(mapped[[*[c for c in _KEPT if c in mapped], *read.files]])
    doubts = [*alike_names(classes, "classes"), *odd_wells(table), *contradictions(table)]
    if to_learn and (group is not None or "compound" in mapped):
        names = groups[role == "scored"].unique()
        doubts += alike_names(names, "groups, left out one by one")
    notes = [
        f"columns: {read.understood}; label {label or 'none'}",
        *notes,
        *role_notes(role, control),
        *(WARNING + doubt for doubt in doubts),
    ]
    return PlateTable(table, classes, read.channels, read.root, notes)


def _no_label(path: Path, given: pd.DataFrame, of_folder: bool) -> str:
    if of_folder:
        return (
            f"{path}: names of files tell no labels: give a plate map with --layout (wells with "
            "compound and moa, as .csv or .xlsx), or a table with --metadata"
        )
    return (
        f"{path} has no column of labels ('label', 'moa'): name it with --label, or bring it with "
        f"--layout or --metadata; there are {', '.join(map(str, given.columns[:20]))}"
    )
