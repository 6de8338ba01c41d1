"""The pictures of rows of features: files that the table names, or those of a table of images."""

import os
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import readable
from bnn_core.base.wording import count
from bnn_core.datasets.labelled_rows import RowOptions
from bnn_core.datasets.plate_files import find_files, pick_channels
from bnn_core.datasets.plates import read_plate
from bnn_core.tables.columns import ColumnMap

_PLACE = ("plate", "well", "site")


class WithPictures(NamedTuple):
    """table: the rows with `path` or `path_<channel>` where they have pictures, relative to root."""

    table: pd.DataFrame
    channels: list[str] | None
    root: Path
    notes: list[str]


def with_pictures(
    mapped: pd.DataFrame,
    column_map: ColumnMap,
    path: Path,
    options: RowOptions,
    pictures: Path | None,
) -> WithPictures:
    """Find the pictures of rows. mapped, column_map: of `columns.map_columns`, from the file `path`.

    pictures: a table of images (`plates.read_plate`);
    a row shows the first image of its plate, well and site, of those that both tables have.
    Raises InputError for a folder that is not there, a table of images that shares no well with the
    rows, and channels of rows without pictures.
    """
    if pictures is not None:
        return _from_table(mapped.drop(columns=file_columns_of(mapped)), pictures, options)
    root = readable(options.images or path.parent).resolve()
    if not os.path.isdir(root):
        raise InputError(f"--images {root} is not a folder")
    if not file_columns_of(mapped):
        if options.channels:
            raise InputError(f"--channels: {path} names no image files")
        return WithPictures(mapped, None, root, [])
    mapped, names, notes = pick_channels(mapped, column_map, options.channels, path)
    for column in file_columns_of(mapped):
        mapped[column] = find_files(mapped[column], root)
    return WithPictures(mapped, names, root, notes)


def _from_table(mapped: pd.DataFrame, pictures: Path, options: RowOptions) -> WithPictures:
    plates = read_plate(pictures, images=options.images, channels=options.channels, to_learn=False)
    shared = [name for name in _PLACE if name in mapped and name in plates.table]
    if "well" not in shared:
        raise InputError(
            f"--pictures {pictures}: both tables need a column of wells; name it with --map well=COLUMN"
        )
    files = file_columns_of(plates.table)
    first = plates.table.dropna(subset=shared).drop_duplicates(shared).set_index(shared)[files]
    joined = mapped.join(first, on=shared)
    shown = int(joined[files].notna().all(axis=1).sum())
    if not shown:
        raise InputError(f"--pictures {pictures} has no {' and '.join(shared)} of the features")
    note = f"{count(shown, 'row')} of {len(mapped):,} with a picture of {pictures.name}"
    return WithPictures(joined, plates.channels, plates.root, [note])


def file_columns_of(table: pd.DataFrame) -> list[str]:
    """The columns that hold an image's files."""
    return [c for c in table if c == "path" or c.startswith("path_")]
