"""Your own measured features: a table of numbers, one row per well, field or cell.

Features are columns of the table, or an array (.npy) with a table of metadata beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.reading import NUMBERS, read_array
from bnn_core.base.roots import readable
from bnn_core.base.wording import WARNING, Noted, count, listed, percent
from bnn_core.datasets.anchoring import ANCHORS, anchored
from bnn_core.datasets.labelled_rows import RowOptions, as_path, labelled_rows
from bnn_core.datasets.plate_roles import named_column
from bnn_core.datasets.row_pictures import file_columns_of, with_pictures
from bnn_core.tables.aliases import column_like
from bnn_core.tables.class_columns import find_class_columns
from bnn_core.tables.columns import ColumnMap, map_columns
from bnn_core.tables.feature_columns import (
    MOST_MISSING,
    feature_candidates,
    matching_columns,
    usable_columns,
)
from bnn_core.tables.reading import naming, read_table, to_numbers


@dataclass(frozen=True)
class FeatureOptions(RowOptions):
    """How a table of features is read; all optional.

    metadata: the table of the rows of an array. features: patterns of column names (`Cells_*`); by
    default every column of numbers that is no metadata. pictures: a table of images, as of
    `read_plate`, whose pictures are shown for the rows of the same plate, well and site; by default
    those that the table itself names. anchor: "controls" makes each plate's values differences from
    the median of its controls in units of the controls' spread (`anchoring.anchored`).

    Raises InputError for an unknown anchor.
    """

    metadata: Path | None = None
    features: Sequence[str] | None = None
    pictures: Path | None = None
    anchor: str = "none"

    def __post_init__(self):
        super().__post_init__()
        for name in ("metadata", "pictures"):
            object.__setattr__(self, name, as_path(getattr(self, name)))
        if self.anchor not in ANCHORS:
            raise InputError(
                f"--anchor {self.anchor} is unknown; choose one of {', '.join(ANCHORS)}"
            )


@dataclass(frozen=True)
class FeatureTable(Noted):
    """Rows of measured features, ready for training.

    table: as `PlateTable.table`; it has file columns only where the rows have pictures. values:
    (N, F) float32, nan where missing. names: (F,) of the features, note: which were chosen. channels,
    root: of the pictures. spread: (F,) of the controls, which an anchor divided by, else None.
    """

    table: pd.DataFrame
    values: np.ndarray
    names: tuple[str, ...]
    classes: list[str]
    channels: list[str] | None
    root: Path
    anchor: str
    spread: list[float] | None
    note: str
    notes: list[str]


def read_features(
    table_path: Path,
    *,
    only: Sequence[str] | None = None,
    spread: Sequence[float] | None = None,
    **asked: Any,
) -> FeatureTable:
    """Read and check a table of features, or an array of them with the table `metadata`.

    only: the features of a finished study, in their order; the rows are then to be predicted and
    need no label. spread: that of the study's anchor. asked: fields of `FeatureOptions`.

    Raises InputError as `read_plate`, but for paths, which are optional; for fewer than two
    features; for columns that are class probabilities; and for an anchor without controls.
    """
    options, table_path = FeatureOptions(**asked), Path(table_path)
    metadata, batch, anchor = options.metadata, options.batch, options.anchor
    given, array = _read(table_path, metadata)
    with naming(metadata or table_path):
        mapped, column_map = map_columns(given, options.columns)
    notes = list(column_map.notes)
    shown = with_pictures(mapped, column_map, metadata or table_path, options, options.pictures)
    mapped, channels, root = shown.table, shown.channels, shown.root
    notes += shown.notes
    if batch is not None:
        mapped["batch"] = named_column(batch, given, mapped, "--batch")
    mapped = _with_ids(mapped)
    rows = labelled_rows(mapped, given, table_path, options, to_learn=only is None)
    if array is not None:
        values, names = _array_columns(array, only, table_path)
    else:
        names = (
            _same_columns(given, only, table_path)
            if only is not None
            else matching_columns(given, options.features)
            if options.features
            else feature_candidates(given, _metadata_columns(given, column_map, options))
        )
        _demand_no_probabilities(given, names, rows.classes, table_path)
        values = _numbers(given, names, table_path)
    note = count(len(names), "feature")
    if only is None:
        chosen = usable_columns(values, names, rows.table, table_path)
        values, names, note = chosen.values, list(chosen.names), chosen.note
    if anchor == "controls":
        values, spread = anchored(values, rows.table, table_path, spread)
    values[~np.isfinite(values)] = np.nan
    notes = [
        f"columns: {column_map.describe()}; label {rows.label or 'none'}",
        note,
        *_gaps(values, names),
        *notes,
        *rows.notes,
    ]
    return FeatureTable(
        rows.table.join(mapped[file_columns_of(mapped)]),
        values,
        tuple(names),
        rows.classes,
        channels,
        root,
        anchor,
        None if spread is None else list(spread),
        note,
        notes,
    )


def _read(path: Path, metadata: Path | None) -> tuple[pd.DataFrame, np.ndarray | None]:
    """The table of metadata, and the features where they are an array."""
    if path.suffix.lower() != ".npy":
        if metadata is not None:
            raise InputError(
                f"--metadata works only with an array (.npy); {path} has columns of metadata itself"
            )
        return read_table(path), None
    if metadata is None:
        raise InputError(
            f"{path} holds numbers alone; name the table with label and compound of its rows with "
            "--metadata FILE"
        )
    array = read_array(readable(path), NUMBERS, "save it again with numpy.save")
    given = read_table(metadata)
    if array.ndim != 2 or array.shape[1] < 2:
        raise InputError(
            f"{path} has the shape {array.shape} and must be (rows, features) with at least two features"
        )
    if len(array) != len(given):
        raise InputError(
            f"{path} has {count(len(array), 'row')}, {metadata} {len(given):,}; give one row of "
            "metadata for each row of features, in the same order"
        )
    with np.errstate(over="ignore"):
        return given, np.array(array, dtype=np.float32)


def _gaps(values: np.ndarray, names: Sequence[str]) -> list[str]:
    """A warning on features that most rows of a finished study had, and these rows have not."""
    lost = [n for j, n in enumerate(names) if np.isnan(values[:, j]).mean() > MOST_MISSING]
    if not lost:
        return []
    return [
        f"{WARNING}{count(len(lost), 'feature')} with no number in more than "
        f"{percent(MOST_MISSING)} of the rows ({listed(lost)}): the median of the training rows "
        "replaces them, so these predictions use only the other features"
    ]


def _with_ids(mapped: pd.DataFrame) -> pd.DataFrame:
    """Rows of wells are called plate/well where nothing else names them."""
    names = ("plate", "well")
    if "image_id" in mapped or "site" in mapped or not set(names) <= set(mapped):
        return mapped
    ids = mapped["plate"].str.cat(mapped["well"], sep="/")
    return mapped.assign(image_id=ids) if ids.notna().all() and ids.is_unique else mapped


def _derived(derived: Mapping[str, str]) -> list[str]:
    """The columns that a well was put together from."""
    return [name for how in derived.values() for name in how.split(" and ")]


def _same_columns(given: pd.DataFrame, only: Sequence[str], path: Path) -> list[str]:
    missing = [name for name in only if name not in given]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing):,} of the study's {len(only):,} features: {listed(missing)}"
        )
    return list(only)


def _array_columns(
    array: np.ndarray, only: Sequence[str] | None, path: Path
) -> tuple[np.ndarray, list[str]]:
    """Columns of an array and their names, which hold the number of all columns.

    only: the columns that a finished study uses; None: all.
    """
    names = [f"feature {i + 1} of {array.shape[1]}" for i in range(array.shape[1])]
    if only is None:
        return array, names
    at = pd.Index(names).get_indexer(only)
    if (at < 0).any():
        raise InputError(
            f"{path} has {count(len(names), 'column')}; the study was made from '{only[0]}': give "
            "the same features"
        )
    return array[:, at], list(only)


def _metadata_columns(
    given: pd.DataFrame, column_map: ColumnMap, options: FeatureOptions
) -> set[str]:
    """Columns with a meaning of their own, which are no features."""
    named = [
        column_like(c, given.columns) for c in (options.label, options.group, options.batch) if c
    ]
    return {
        *column_map.columns.values(),
        *(c for pair in column_map.channels.values() for c in pair if c),
        *(c for c in named if c),
        *_derived(column_map.derived),
    }


def _numbers(given: pd.DataFrame, names: Sequence[str], path: Path) -> np.ndarray:
    """(N, F) float32, a few columns at a time, each taken out of `given`: not all are there twice."""
    out = np.empty((len(given), len(names)), np.float32)
    for first in range(0, len(names), 64):
        part = list(names[first : first + 64])
        with np.errstate(over="ignore"):
            out[:, first : first + len(part)] = to_numbers(given, part, path)
        for column in part:
            del given[column]
    return out


def _demand_no_probabilities(
    given: pd.DataFrame, names: Sequence[str], classes: Sequence[str], path: Path
) -> None:
    guessed = find_class_columns(given, list(names), set(classes))
    if guessed is None:
        return
    sums = to_numbers(given, list(guessed.columns), path).sum(axis=1)
    if np.allclose(sums, 1, atol=1e-3):
        raise InputError(
            f"{path}: {guessed.columns[0]}, {guessed.columns[1]}, ... are class probabilities, not "
            "measured features; import them with 'bnn import'"
        )
