"""Plates of an OME-Zarr (NGFF 0.4 and 0.5): their wells and fields by the metadata, as files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING, count
from bnn_core.images.ome_zarr import channel_labels, open_group, stack_sizes
from bnn_core.tables.wells import normal_wells


def zarr_files(root: Path, zarrs: Sequence[str]) -> tuple[pd.DataFrame, list[str], list[str]]:
    """One row per field, plane and point in time: path (below `root`), plate, well, site, plane, time
    ("" where there is one); names of the channels (none where they are not named); notes.

    zarrs: paths below `root`, "" for `root` itself. Raises InputError where the library is not
    installed or the metadata do not describe a plate.
    """
    rows: list[dict[str, str]] = []
    labels: dict[tuple[str, ...], str] = {}
    notes: list[str] = []
    names: list[str] = []
    for zarr in zarrs:
        mine, channels, name, more = _plate(root, zarr)
        names.append(name)
        labels.setdefault(tuple(channels), zarr)
        notes += more
        rows += mine
    if len(set(names)) < len(names):  # the folders tell apart what the metadata do not
        stems = {zarr: Path(zarr).stem for zarr in zarrs}
        rows = [row | {"plate": stems[row["zarr"]]} for row in rows]
    if len(labels) > 1:
        (one, first), (other, second), *_ = labels.items()
        raise InputError(
            f"{root}: the channels of {first} are {', '.join(one) or 'not named'}, those of {second} "
            f"{', '.join(other) or 'not named'}: give plates of the same channels"
        )
    files = pd.DataFrame(rows).drop(columns="zarr")
    files["well"], more = normal_wells(files["well"])
    return files.assign(channel=""), list(next(iter(labels))), [*notes, *more]


def _plate(root: Path, zarr: str) -> tuple[list[dict[str, str]], list[str], str, list[str]]:
    """The rows of one OME-Zarr, its channels, its name, notes."""
    path = root / zarr
    about = open_group(path)[1]
    if "plate" not in about:
        raise InputError(
            f"{path} is no OME-Zarr plate (its metadata have no 'plate'); give a plate or a table"
        )
    plate = about["plate"]
    name = str(plate.get("name") or path.stem).removesuffix(".zarr")
    rows: list[dict[str, str]] = []
    channels: list[str] = []
    stack: dict[str, int] = {}
    wells = _listed(path, plate, "wells")
    for well in tqdm(wells, desc=f"wells of {name}", unit="well", leave=False):
        images = _listed(path, open_group(path / well["path"])[1].get("well") or {}, "images")
        for image in images:
            inside = f"{well['path']}/{image['path']}"
            if not stack:  # of the first field; another is refused when it is read
                stack = stack_sizes(path / inside)
                channels = channel_labels(open_group(path / inside)[1])
                channels = channels if len(channels) == stack["c"] else []
            rows += [
                {
                    "zarr": zarr,
                    "path": f"{zarr}/{inside}" if zarr else inside,
                    "plate": name,
                    "well": well["path"].replace("/", ""),
                    "site": str(image["path"]),
                    "plane": plane,
                    "time": time,
                }
                for plane in _numbers(stack["z"])
                for time in _numbers(stack["t"])
            ]
    if not rows:
        raise InputError(f"{path} has no fields")
    notes = []
    if len(plate.get("acquisitions") or []) > 1:
        notes.append(
            f"{WARNING}{path} has {count(len(plate['acquisitions']), 'acquisition')}; the fields of "
            "all are read"
        )
    return rows, channels, name, notes


def _listed(path: Path, about: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The entries of a list in the metadata, each with a path that stays inside the OME-Zarr."""
    entries = about.get(key)
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and str(e.get("path") or "") for e in entries
    ):
        raise InputError(f"{path}: its metadata have no list of {key} with paths")
    if any(".." in str(e["path"]).split("/") or str(e["path"]).startswith("/") for e in entries):
        raise InputError(f"{path}: a path in its list of {key} leads out of it")
    return [e | {"path": str(e["path"]).strip("/")} for e in entries]


def _numbers(size: int) -> list[str]:
    return [""] if size == 1 else [str(i + 1) for i in range(size)]
