"""What the user says about a table or folder of images, and reading it with the files that explain it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import readable
from bnn_core.base.wording import WARNING, count
from bnn_core.datasets.image_folders import FolderScan, scan_folder
from bnn_core.datasets.labelled_rows import RowOptions
from bnn_core.datasets.plate_files import demand_single, find_files, pick_channels
from bnn_core.datasets.plate_metadata import join_files
from bnn_core.tables.aliases import column_like
from bnn_core.tables.channel_rows import one_row_per_field
from bnn_core.tables.columns import map_columns
from bnn_core.tables.reading import naming, read_table


@dataclass(frozen=True)
class PlateOptions(RowOptions):
    """How a table or folder of images is read; all optional.

    layout: plate maps. metadata: further tables to be joined. pattern: how files of a folder are
    named (`own_pattern`). planes: "max" or the number of one, time: the number of one, where a
    folder has several.
    """

    layout: Sequence[Path] = ()
    metadata: Sequence[Path] = ()
    pattern: str | None = None
    planes: str | None = None
    time: str | None = None

    def __post_init__(self):
        super().__post_init__()
        for name in ("layout", "metadata"):
            object.__setattr__(self, name, [Path(path) for path in getattr(self, name)])


class Given(NamedTuple):
    """A table of images: as it was read, with canonical columns (same index) and files relative to
    `root` where they are in it; names of the channels; how the columns were read; notes."""

    raw: pd.DataFrame
    mapped: pd.DataFrame
    files: list[str]
    channels: list[str] | None
    root: Path
    understood: str
    notes: list[str]


def read_given(source: Path | FolderScan, path: Path, options: PlateOptions) -> Given:
    """Read a table, or the names in a folder, and join what else is known of the wells.

    path: how messages name it. Raises InputError as `plates.read_plate`.
    """
    raw, names, root, notes = _fields(source, path, options)
    columns_here = {
        name: column
        for name, column in (options.columns or {}).items()
        if not (options.layout or options.metadata)
        or not column
        or column_like(column, raw.columns) is not None
    }
    with naming(path):
        raw, more = one_row_per_field(raw, columns_here)
        notes += more
        mapped, column_map = map_columns(raw, columns_here)
    mapped, channels, more = pick_channels(mapped, column_map, options.channels or names, path)
    notes += [*column_map.notes, *more]
    files = [c for c in mapped if c == "path" or c.startswith("path_")]
    given_files = mapped[files]
    if not isinstance(source, FolderScan):
        for column in files:
            mapped[column] = find_files(mapped[column], root)
        notes += _moved(given_files, mapped[files], root)
    demand_single(mapped[files], given_files, path)
    mapped, more = join_files(
        mapped,
        raw,
        path,
        layout=options.layout,
        metadata=options.metadata,
        columns={k: v for k, v in (options.columns or {}).items() if k not in columns_here},
        wanted=(options.label, options.group, options.batch),
    )
    return Given(raw, mapped, files, channels, root, column_map.describe(), notes + more)


def as_source(path: Path, options: PlateOptions) -> Path | FolderScan:
    """A table's path, or what the names in a folder say. InputError as `scan_folder`."""
    if os.path.isdir(readable(path)):
        return scan_folder(path, options.pattern)
    for flag in ("pattern", "planes", "time"):
        if getattr(options, flag):
            raise InputError(f"--{flag} works only with a folder of images; {path} is not one")
    return path


def _fields(
    source: Path | FolderScan, path: Path, options: PlateOptions
) -> tuple[pd.DataFrame, Sequence[str] | None, Path, list[str]]:
    """One row per field or channel, names of the channels, the folder of the files, notes."""
    if isinstance(source, FolderScan):
        if options.images is not None:
            raise InputError(f"--images works only with a table; {path} holds the images itself")
        raw, notes = source.fields(options.planes, options.time)
        return raw, source.channels or None, source.root, notes
    root = readable(options.images or path.parent).resolve()
    if not os.path.isdir(root):
        raise InputError(f"--images {root} is not a folder")
    return read_table(path), None, root, []


def _moved(given: pd.DataFrame, files: pd.DataFrame, root: Path) -> list[str]:
    """One note on paths of another machine or folder that were found by their ends."""
    before, after = (frame.to_numpy(dtype=object).ravel() for frame in (given, files))
    known = pd.notna(before)
    before, after = before[known], after[known]
    moved = pd.Series(
        [
            old != new and os.path.normpath(root / old) != os.path.normpath(root / new)
            for old, new in zip(before, after, strict=True)
        ],
        dtype=bool,
    ).to_numpy()
    if not moved.any():
        return []
    old, new = before[moved][0], after[moved][0]
    return [
        f"{WARNING if not moved.all() and len(moved) > 1 else ''}{count(int(moved.sum()), 'path')} of "
        f"{len(moved):,} found under {root} by their last folders and file names: '{old}' is '{new}'"
    ]
