"""A folder as an instrument leaves it, read without a table: the fields of its plates by file names.

First the names are looked at (`scan_folder`: what was recognised, to be shown), then they become a
table with one row per field (`FolderScan.fields`).
"""

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import limited, readable
from bnn_core.base.wording import WARNING, be, count, have, listed
from bnn_core.datasets import harmony_index
from bnn_core.datasets.instruments import (
    INNER_FOLDERS,
    INSTRUMENTS,
    MEASUREMENT,
    Instrument,
    channel_name,
    demand_quick,
    own_pattern,
    recognised,
)
from bnn_core.datasets.ome_zarr_plates import zarr_files
from bnn_core.datasets.stacks import one_per_channel
from bnn_core.images.addresses import is_zarr
from bnn_core.tables.columns import IMAGE_ENDINGS
from bnn_core.tables.reading import TABLE_ENDINGS
from bnn_core.tables.values import reading_order
from bnn_core.tables.wells import normal_wells, wells_from

_SHOWN = 3
_INNER = re.compile(INNER_FOLDERS, re.I)


@dataclass(frozen=True)
class FolderScan:
    """What the names in a folder say; no image was opened.

    files: one row per image file: path (below `root`), plate, well, site, channel, plane, time (""
    where not named) and the other groups of a pattern of the user. instrument: what the names were
    recognised as. strange: files that were not. aside: how many were left out on purpose.
    channels: their names where each file holds all of them, empty where it does not say.
    """

    root: Path
    instrument: str
    files: pd.DataFrame
    strange: list[str]
    aside: int = 0
    notes: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    in_zarr: bool = False

    def preview(self) -> list[str]:
        """Lines for people: files, plates, wells, sites, channels, planes, points in time."""
        files = self.files
        what = "image" if self.in_zarr else "file"
        amount = count(files["path"].nunique(), what)
        lines = [f"{self.root}: {amount} recognised as {self.instrument}"]
        if self.strange:
            n = len(self.strange)
            lines.append(
                f"not recognised: {count(n, 'file')}, such as {listed(self.strange[:_SHOWN])}"
            )
        if self.aside:
            lines.append(f"left out: {count(self.aside, 'thumbnail')}")
        wells = files[[c for c in ("plate", "well") if c in files]].drop_duplicates()
        lines.append(
            f"{_values('plate', files['plate'])}; {count(len(wells), 'well')}"
            + (f" ({_span(files['well'])})" if "well" in files else "")
        )
        for column, noun in (
            ("site", "site"),
            ("channel", "channel"),
            ("plane", "plane"),
            ("time", "point in time"),
        ):
            names = {*files[column]} - {""} if column in files else set()
            if len(names) > (column in ("plane", "time")):
                lines.append(_values(noun, names))
        if self.channels:
            lines.append(_values("channel", self.channels))
        return lines + self.notes

    def fields(self, planes: str | None, time: str | None) -> tuple[pd.DataFrame, list[str]]:
        """One row per field, with `path` or `path_<channel>`, and notes; index = from 1.

        planes: "max" or a number, time: a number, where there are several. Raises InputError where
        there are and nothing was chosen, and where two files are the same part of a field.
        """
        table, notes = one_per_channel(self.files, self.root, planes, time, self.in_zarr)
        if self.strange:
            n = len(self.strange)
            notes.insert(
                0,
                f"{WARNING if 2 * n > len(self.files) else ''}{count(n, 'image file')} of "
                f"{self.root} {have(n)} other names than {self.instrument} gives and "
                f"{'is' if n == 1 else 'are'} left out, such as {listed(self.strange[:_SHOWN])}",
            )
        return table, [f"files named as by {self.instrument}", *self.notes, *notes]


def is_plate_folder(folder: Path) -> bool:
    """Whether a folder is an OME-Zarr, or most of its first images are named by an instrument."""
    if is_zarr(folder) or folder.name.lower().endswith(".zarr"):
        return True
    first = [path for path, _ in zip(_walk(folder), range(500), strict=False)]
    if any(path.endswith(".zarr") for path in first):
        return True
    return 2 * sum(any(i.parse(path) for i in INSTRUMENTS) for path in first) > len(first)


def scan_folder(folder: Path, pattern: str | None = None) -> FolderScan:
    """Recognise the image files below a folder; an OME-Zarr in it, or itself, by its metadata.

    pattern: names of the user's own, see `own_pattern`. Raises InputError for a folder that may not
    be read, without images, or with names of no known instrument.
    """
    folder = readable(folder)
    if not os.path.isdir(folder):
        raise InputError(f"{folder} is not a folder")
    root = folder.resolve()
    paths = [""] if is_zarr(root) else sorted(_walk(root), key=reading_order)
    zarrs = [path for path in paths if not path or path.endswith(".zarr")]
    if zarrs and pattern is None:
        files, channels, notes = zarr_files(root, zarrs)
        strange = [path for path in paths if path not in zarrs]
        return FolderScan(root, "OME-Zarr", files, strange, 0, notes, channels, in_zarr=True)
    paths = [path for path in paths if path not in zarrs]
    if not paths:
        raise InputError(
            f"{folder} has no image files ({', '.join(IMAGE_ENDINGS)}){_table_in(root)}"
        )
    instrument = own_pattern(pattern) if pattern else recognised(paths)
    if instrument and pattern:
        demand_quick(instrument, paths)
    if instrument is None:
        raise InputError(
            f"{folder}: the names of {count(len(paths), 'image file')}, such as "
            f"{listed(paths[:_SHOWN])}, are not those of {', '.join(i.name for i in INSTRUMENTS)}; "
            "describe them with --pattern, such as --pattern "
            "'(?P<well>[A-P]\\d+)_(?P<site>\\d+)_(?P<channel>\\w+)'"
            f"{_classes_in(paths)}{_table_in(root)}"
        )
    return _scanned(root, paths, instrument)


def _table_in(folder: Path) -> str:
    """What to say of a folder that holds a table: it may be what was meant."""
    tables = [n for n in sorted(os.listdir(folder)) if n.lower().endswith(TABLE_ENDINGS)]
    if not tables:
        return ""
    return f"; to use the table in this folder, give {folder / tables[0]}"


def _classes_in(paths: Sequence[str]) -> str:
    """What to say where every image lies in one of a few folders, which may be its label."""
    parts = [path.split("/") for path in paths]
    folders = {above[0] for above in parts}
    if any(len(above) != 2 for above in parts) or not 1 < len(folders) <= len(paths):
        return ""
    return f"; if the folders ({listed(sorted(folders))}) are the labels: --pattern '(?P<label>[^/]+)/'"


def _walk(folder: Path) -> Iterator[str]:
    """Image files and OME-Zarr folders below a folder, as paths with "/" relative to it."""
    seen = set()
    for above, folders, names in os.walk(folder, followlinks=not limited()):
        real = os.path.realpath(above)
        inside = Path(above).relative_to(folder)
        if real in seen:  # a link to a folder above itself
            folders.clear()
            continue
        seen.add(real)
        for name in folders:
            if name.lower().endswith(".zarr"):
                yield _as_text(inside / name, folder)
        folders[:] = sorted(
            f for f in folders if not f.startswith(".") and not f.lower().endswith(".zarr")
        )
        for name in sorted(names):
            if name.lower().endswith(IMAGE_ENDINGS) and not name.startswith("."):
                yield _as_text(inside / name, folder)


def _as_text(path: Path, folder: Path) -> str:
    text = path.as_posix()
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{folder}: the name {text!a} is not in UTF-8, so that no table can have it; rename "
            "the file or folder"
        ) from None
    return text


def _scanned(root: Path, paths: Sequence[str], instrument: Instrument) -> FolderScan:
    parsed = [(path, instrument.parse(path)) for path in paths]
    strange = [path for path, groups in parsed if groups is None]
    known = [(path, g) for path, g in parsed if g is not None and "thumb" not in g]
    if not known:
        raise InputError(
            f"{root}: {instrument.name} does not match any of {count(len(paths), 'image file')}, "
            f"such as {listed(list(paths[:_SHOWN]))}"
        )
    files = pd.DataFrame([g | {"path": path} for path, g in known]).fillna("")
    files["channel"] = [channel_name(g) for _, g in known]
    notes: list[str] = []
    if {"row", "column"} <= set(files) and "well" not in files:
        files["well"], more = wells_from(files["row"], files["column"])
        notes += more
    if "well" in files:
        files["well"], more = normal_wells(files["well"])
        notes += more
    files = files.drop(columns=["row", "column", "thumb"], errors="ignore")
    files["plate"] = _plates(root, files, instrument)
    files, more = _with_index(root, files)
    thumbs = len(paths) - len(strange) - len(known)
    return FolderScan(root, instrument.name, files, strange, thumbs, notes + more)


def _plates(root: Path, files: pd.DataFrame, instrument: Instrument) -> list[str]:
    """The plate of each file: the folder that is the plate's own, else what the name says.

    Folders that instruments add below a plate (TimePoint_1, Images, one per channel) do not count.
    The name's part counts where one folder has several, and for instruments that write it there.
    """
    named = files["plate"].tolist() if "plate" in files else [""] * len(files)
    if instrument.plate_in_name:
        return [name or root.name for name in named]
    folders = [
        _own_folders(path, channel, instrument)
        for path, channel in zip(files["path"], files["channel"], strict=True)
    ]
    levels = zip(*set(folders), strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda names: len(set(names)) == 1, levels))
    several = len(set(folders)) > 1
    plates = [
        "/".join(parts[shared:] if several else parts[-1:]) or (parts or (root.name,))[-1]
        for parts in folders
    ]
    plates = _short(plates, lambda plate: MEASUREMENT.sub("", plate))
    pairs = set(zip(plates, named, strict=True))
    if len(pairs) == len(set(plates)):
        return plates
    alone = len({name for _, name in pairs}) == len(pairs)
    return [name if alone else f"{p}/{name}" for p, name in zip(plates, named, strict=True)]


def _own_folders(path: str, channel: str, instrument: Instrument) -> tuple[str, ...]:
    """The folders above a file that may be named after its plate: none that a pattern of the path
    describes."""
    if instrument.anywhere == "path" and (match := instrument.pattern.search(path)):
        path = path[: match.start()] + "/" * (match[0][:1] == "/") + "file"
    kept = []
    for folder in PurePosixPath(path).parts[:-1]:
        inner = instrument.folders and instrument.folders.fullmatch(folder)
        if inner or _INNER.fullmatch(folder):
            continue
        if channel and folder.lower().endswith(channel.lower()):  # a folder per plate and channel
            folder = folder[: -len(channel)].rstrip("_- ")
        if folder:
            kept.append(folder)
    return tuple(kept)


def _short(names: list[str], shorten) -> list[str]:
    """Shorter names, unless two names would become the same."""
    short = {name: shorten(name) for name in set(names)}
    return [short[n] for n in names] if len(set(short.values())) == len(short) else names


def _with_index(root: Path, files: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The files with the channels' names of Harmony's Index.xml beside them, where there is one."""
    notes: list[str] = []
    folders = files["path"].map(lambda path: PurePosixPath(path).parent.as_posix())
    for folder in folders.unique():
        path = root / folder / harmony_index.INDEX_FILE
        if not os.path.isfile(path):
            continue
        index = harmony_index.read_index(path)
        mine = folders == folder
        files = files.assign(
            channel=files["channel"].where(~mine, files["channel"].replace(index.channels))
        )
        names = {PurePosixPath(file).name for file in files.loc[mine, "path"]}
        if lost := sorted(index.files - names):
            notes.append(
                f"{WARNING}{path} lists {count(len(lost), 'file')} that {be(len(lost))} "
                f"missing, such as {listed(lost[:_SHOWN])}"
            )
    return files, notes


def _values(noun: str, values: Iterable[str]) -> str:
    """ "3 channels: w1, w2 and w4"."""
    names = sorted({v for v in values if v}, key=reading_order)
    amount = count(len(names), noun).replace("point in times", "points in time")
    return f"{amount}: {listed(names, most=8)}"


def _span(wells: pd.Series) -> str:
    names = sorted({str(w) for w in wells if w}, key=reading_order)
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}" if names else "not named"
