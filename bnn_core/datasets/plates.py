"""Your own images: a table with a path column or one per channel, and what is known of each image.

Column names are BBBC's, CellProfiler's or plain ones (`bnn_core.tables.columns`). Rows without a label are
predicted and never counted. No compound is special unless it is named as the control.
"""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import is_file, readable
from bnn_core.base.wording import be, count, have
from bnn_core.datasets.folds import demand_learnable, leave_one_group_out
from bnn_core.datasets.preparation import prepare_source
from bnn_core.datasets.sources import PlateSource
from bnn_core.tables.columns import ColumnMap, map_columns, plain_name
from bnn_core.tables.plate_map import odd_wells
from bnn_core.tables.reading import naming, read_table, rows_text
from bnn_core.tables.values import as_text, image_ids

_KEPT = ("plate", "well", "site", "replicate", "batch", "compound", "concentration", "moa")
#: Cells that mean "no label", beside empty ones.
_NO_LABEL = {"na", "n/a", "nan", "<na>"}


def load_plate(
    table_path: Path,
    folder: Path,
    *,
    label: str | None = None,
    group: str | None = None,
    batch: str | None = None,
    control: str | None = None,
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
    found = read_plate(
        table_path,
        label=label,
        group=group,
        batch=batch,
        control=control,
        columns=columns,
        images=images,
        channels=channels,
    )
    return prepare_source(
        found.table,
        channels=found.channels,
        image_root=found.root,
        folder=folder,
        classes=found.classes,
        size=size,
        normalise=normalise,
        intensities=intensities,
        pixel_size_um=pixel_size_um,
        notes=found.notes,
        workers=workers,
    )


@dataclass(frozen=True)
class PlateTable:
    """What a table says of its images; none of them was opened.

    table: image_id, label (None without one), role, group, metadata, and `path` or `path_<channel>`
    relative to `root` where they lie in it; index = row numbers of the file. notes: sentences.
    doubts: those of them that look like slips of the pen, to be said loudly.
    """

    table: pd.DataFrame
    classes: list[str]
    channels: list[str] | None
    root: Path
    notes: list[str]
    doubts: list[str]

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
    columns: Mapping[str, str] | None = None,
    images: Path | None = None,
    channels: Sequence[str] | None = None,
) -> PlateTable:
    """Read and check a table of images.

    label: column of the classes (default `label`, else `moa`). group: column of what is left out
    together (default the compound, else plate and well, else each image alone). batch: column of
    what was made together. control: the compound (or label) of untreated images, predicted and
    never counted. columns: canonical name -> column of the table where the names do not tell.
    images: folder that relative paths start from (default: the table's). channels: with one file
    per image, their names; with a file per channel, which to use and in what order.

    Raises InputError for a column that is not there, no image paths, an image in two rows, no
    labelled row, a single class or group, classes of one group each, and a control that no row
    names.
    """
    table_path = Path(table_path)
    given = read_table(table_path)
    with naming(table_path):
        mapped, columns_found = map_columns(given, columns)
    root = readable(images or table_path.parent).resolve()
    if not os.path.isdir(root):
        raise InputError(f"--images {root} is no folder")
    mapped, channels = _pick_channels(mapped, columns_found, channels, table_path)
    files = [c for c in mapped if c == "path" or c.startswith("path_")]
    given_files = mapped[files]
    for column in files:
        mapped[column] = find_files(mapped[column], root)
    _demand_single(mapped[files], given_files, table_path)
    if batch is not None:
        mapped["batch"] = _column(batch, given, mapped, "--batch")
    label = label or next((c for c in ("label", "moa") if c in mapped), None)
    if label is None:
        raise InputError(
            f"{table_path} has no column of labels ('label', 'moa'): name it with "
            f"--label; there are {', '.join(map(str, given.columns[:20]))}"
        )
    labels = _labels(_column(label, given, mapped, "--label"))
    is_control = _controls(control, mapped, labels, table_path)
    role = pd.Series("scored", index=mapped.index).mask(labels.isna(), "unlabelled")
    role = role.mask(is_control, "control")
    labels = labels.where(role == "scored", None)
    classes = sorted(labels.dropna().unique())
    if not classes:
        raise InputError(f"{table_path}: no row has a label in column '{label}': nothing to learn")
    if len(classes) < 2:
        raise InputError(
            f"{table_path}: all labelled rows are '{classes[0]}' (column '{label}'); "
            "at least two classes expected"
        )
    if "label" in classes:
        raise InputError(
            f"{table_path} {rows_text(labels.index[labels == 'label'])}: a class "
            "cannot be called 'label'; rename it"
        )
    groups, notes = _groups(group, given, mapped)
    table = pd.DataFrame(
        {"image_id": _ids(mapped), "label": labels.astype(object), "role": role, "group": groups},
        index=mapped.index,
    )
    with naming(table_path):
        leave_one_group_out(table)  # refuses labels that are all of one group
        demand_learnable(table)
    table = table.join(mapped[[*[c for c in _KEPT if c in mapped], *files]])
    doubts = [*_alike(classes, "classes"), *odd_wells(table)]
    if group is not None or "compound" in mapped:
        doubts += _alike(groups[role == "scored"].unique(), "groups, left out one by one")
    notes = [
        f"columns: {columns_found.describe()}; label {label}",
        *notes,
        *_role_notes(role, control),
        *doubts,
    ]
    return PlateTable(table, classes, channels, root, notes, doubts)


def _pick_channels(
    mapped: pd.DataFrame, found: ColumnMap, channels: Sequence[str] | None, table_path: Path
) -> tuple[pd.DataFrame, list[str] | None]:
    """The file columns to use: one per channel where there are any, else `path`."""
    if channels is not None:
        channels = [name.strip() for name in channels]
        if "" in channels or len(set(channels)) < len(channels):
            raise InputError(
                f"--channels {','.join(channels)}: different names expected, "
                "separated by commas, such as DNA,Actin"
            )
    if not found.channels:
        if "path" not in mapped:
            raise InputError(
                f"{table_path} has no column of image files ('path', 'image', "
                "'FileName_DNA', ...); name it with --map path=COLUMN"
            )
        return mapped, channels
    unknown = [c for c in channels or () if c not in found.channels]
    if unknown:
        raise InputError(
            f"--channels: no channel '{unknown[0]}' in {table_path}; it has "
            f"{', '.join(found.channels)}"
        )
    picked = list(channels or found.channels)
    dropped = [f"path_{c}" for c in found.channels if c not in picked]
    return mapped.drop(columns=[*dropped, "path"], errors="ignore"), picked


def _demand_single(files: pd.DataFrame, given: pd.DataFrame, table_path: Path) -> None:
    """Refuse rows that name the same files: trained on and tested on, or counted twice."""
    double = files.duplicated(keep=False) & files.notna().any(axis=1)
    if not double.any():
        return
    first = double.idxmax()
    filled = files.fillna("")
    rows = files.index[(filled == filled.loc[first]).all(axis=1)]
    named = list(dict.fromkeys(given.loc[rows].bfill(axis=1).iloc[:, 0]))
    more = int(double.sum()) - len(rows)
    raise InputError(
        f"{table_path} {rows_text(rows)}: the same image ({' or '.join(named)}) more than once"
        + (f", and {more:,} rows of other doubles" if more else "")
        + "; one row per image expected: "
        + (
            "say with --images which folder the paths start from"
            if len(named) > 1
            else "remove the doubles"
        )
    )


def spread_evenly(total: int, most: int) -> np.ndarray:
    """At most `most` of the positions 0..total - 1, the first and the last among them."""
    return np.unique(np.linspace(0, total - 1, min(most, total)).astype(int))


def find_files(paths: pd.Series, root: Path) -> pd.Series:
    """Paths relative to `root` where they lie in it; tables made on another machine name folders
    that are not here, so a file of that name in `root` will do."""

    def find(path: str) -> str:
        forward = path.replace("\\", "/")
        for candidate in (root / path, root / forward, root / Path(forward).name):
            if is_file(candidate):
                inside = candidate.is_relative_to(root)
                return (candidate.relative_to(root) if inside else candidate).as_posix()
        return path

    return paths.map(find, na_action="ignore").astype(object)


def _column(name: str, given: pd.DataFrame, mapped: pd.DataFrame, flag: str) -> pd.Series:
    """A column by its canonical name or its name in the table, as text, None where empty."""
    if name not in mapped and name not in given:
        close = difflib.get_close_matches(name, [*map(str, given.columns), *mapped.columns], 1, 0.5)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise InputError(
            f"{flag} {name}: no such column; {hint}there are "
            f"{', '.join(map(str, given.columns[:20]))}"
        )
    return as_text((mapped if name in mapped else given)[name])


def _labels(values: pd.Series) -> pd.Series:
    nothing = values.map(lambda v: v.casefold() in _NO_LABEL, na_action="ignore").eq(True)
    return values.mask(nothing, None).astype(object)


def _controls(
    control: str | None, mapped: pd.DataFrame, labels: pd.Series, table_path: Path
) -> pd.Series:
    found = pd.Series(False, index=labels.index)
    if control is None:
        return found
    wanted = control.strip().casefold()
    for values in [labels, *([mapped["compound"]] if "compound" in mapped else [])]:
        found |= values.map(lambda name: name.casefold() == wanted, na_action="ignore").eq(True)
    if not found.any():
        raise InputError(f"--control {control}: no row of {table_path} has that compound or label")
    return found


def _groups(
    group: str | None, given: pd.DataFrame, mapped: pd.DataFrame
) -> tuple[pd.Series, list[str]]:
    """What is left out together, never empty, and what there is to say about it."""
    ids = _ids(mapped)
    wells = ids
    if {"plate", "well"} <= set(mapped):
        known = mapped["plate"].notna() & mapped["well"].notna()
        wells = ids.mask(known, mapped["plate"] + "/" + mapped["well"])
    if group is not None:
        groups = _column(group, given, mapped, "--group")
    elif "compound" in mapped:
        group, groups = "compound", mapped["compound"]
    elif wells is not ids:
        return wells, [
            "no compound column: wells are left out together; fields of one compound in "
            "two wells are trained on and tested on"
        ]
    else:
        return ids, [
            "no compound or well column: each image is left out alone; name what belongs "
            "together with --group, or the accuracy is too good"
        ]
    empty = groups.isna()
    notes = (
        [
            f"{count(n := int(empty.sum()), 'row')} {have(n)} no {group} and {be(n)} left out by "
            "well or alone"
        ]
        if empty.any()
        else []
    )
    return groups.where(~empty, wells).astype(object), notes


def _ids(mapped: pd.DataFrame) -> pd.Series:
    if "path" in mapped:
        return image_ids(mapped)
    first = next(c for c in mapped if c.startswith("path_"))
    return image_ids(mapped.assign(path=mapped[first]))


def _alike(names: Sequence[str], what: str) -> list[str]:
    """Say which names differ only in capitals, spaces or punctuation: slips of the pen?"""
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(plain_name(name), []).append(name)
    return [
        f"{' and '.join(map(repr, sorted(alike)))} are taken as different {what}: make them "
        "one in the table if they are"
        for alike in spellings.values()
        if len(alike) > 1
    ]


def _role_notes(role: pd.Series, control: str | None) -> list[str]:
    notes = []
    unlabelled, controls = int((role == "unlabelled").sum()), int((role == "control").sum())
    if unlabelled:
        notes.append(
            f"{count(unlabelled, 'row')} {have(unlabelled)} no label: predicted and "
            "shown, never counted"
        )
    if controls:
        notes.append(
            f"{count(controls, 'row')} {be(controls)} the control {control}: predicted, "
            "never counted"
        )
    return notes
