"""The image files of a table: where they are, which channels to use, and doubles."""

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import is_file
from bnn_core.base.wording import listed
from bnn_core.tables.aliases import column_like
from bnn_core.tables.columns import ColumnMap
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import none_where

#: Names of files that belong to an image and are not channels.
_NO_STAIN = re.compile(
    r"illum|mask|outline|object|segment|(?<![a-z])seg(?![a-z])|label(?:s|led)?$", re.I
)
_ADDRESS = re.compile(r"^(?:file:/{1,3}|[A-Za-z][A-Za-z0-9+.-]+://|[A-Za-z]:(?=/))")


def find_files(paths: pd.Series, root: Path) -> pd.Series:
    """Paths relative to `root` where they are in it; others stay as they are.

    Tables made on another machine name folders that are not here (D:\\screen\\P1\\a.tif,
    s3://bucket/P1/a.tif): the longest end of the path that exists under `root` is used.
    """

    @cache
    def is_folder(folder: Path) -> bool:
        return os.path.isdir(folder)

    def find(path: str) -> str:
        for candidate in (root / path, *(root / end for end in path_ends(path))):
            if is_folder(candidate.parent) and is_file(candidate):
                inside = candidate.is_relative_to(root)
                return (candidate.relative_to(root) if inside else candidate).as_posix()
        return path

    return none_where(paths.map(find, na_action="ignore"), paths.isna())


def path_ends(path: str) -> list[str]:
    """The ends of a path as any machine writes it, longest first: a/b/c.tif, b/c.tif, c.tif."""
    if path.startswith(("file:", "http:", "https:")):
        path = unquote(path.split("?")[0] if path.startswith("http") else path)
    parts = [p for p in _ADDRESS.sub("", path.replace("\\", "/")).split("/") if p not in ("", ".")]
    return ["/".join(parts[i:]) for i in range(len(parts)) if ".." not in parts[i:]]


def spread_evenly(total: int, most: int) -> np.ndarray:
    """At most `most` of the positions 0..total - 1, the first and the last among them."""
    return np.unique(np.linspace(0, total - 1, min(most, total)).astype(int))


def pick_channels(
    mapped: pd.DataFrame, column_map: ColumnMap, channels: Sequence[str] | None, table_path: Path
) -> tuple[pd.DataFrame, list[str] | None, list[str]]:
    """The file columns to use (one per channel where there are any, else `path`), channels, notes.

    Unless `channels` names them, files of illumination, masks, outlines and objects are left out,
    and those that many rows share. With a file per channel, "DNA=w1" takes w1 and calls it DNA.
    """
    if channels is not None:
        channels = [name.strip() for name in channels]
        if "" in channels or len(set(channels)) < len(channels):
            raise InputError(
                f"--channels {','.join(channels)} has an empty or repeated name; give different names, "
                "separated by commas, such as DNA,Actin"
            )
    if not column_map.channels:
        if "path" not in mapped:
            raise InputError(
                f"{table_path} has no column of image files ('path', 'image', "
                "'FileName_DNA', ...); name it with --map path=COLUMN"
            )
        return mapped, channels, []
    if channels is None:
        picked, notes = _stains(mapped, list(column_map.channels))
        called = {name: name for name in picked}
    else:
        called, notes = _named_channels(channels, list(column_map.channels), table_path), []
    dropped = [f"path_{c}" for c in column_map.channels if c not in called]
    mapped = mapped.drop(columns=[*dropped, "path"], errors="ignore")
    columns = {f"path_{channel}": f"path_{name}" for channel, name in called.items()}
    return mapped.rename(columns=columns), list(called.values()), notes


def _named_channels(channels: Sequence[str], known: list[str], table_path: Path) -> dict[str, str]:
    """Channel of the table -> what it is called."""
    called: dict[str, str] = {}
    for text in channels:
        name, _, source = text.rpartition("=")
        channel = column_like(text, known)
        if channel is not None:
            called[channel] = channel
        elif name.strip() and (channel := column_like(source.strip(), known)) is not None:
            called[channel] = name.strip()
        else:
            raise InputError(
                f"--channels: no channel '{source.strip()}' in {table_path}; it has {', '.join(known)}"
            )
    if len(set(called.values())) < len(channels):
        raise InputError(f"--channels {','.join(channels)}: give each channel once")
    return called


def _stains(mapped: pd.DataFrame, channels: list[str]) -> tuple[list[str], list[str]]:
    """The channels that show the cells, and a warning on those left out."""
    reasons = {}
    for channel in channels:
        files = mapped[f"path_{channel}"].dropna()
        if _NO_STAIN.search(channel):
            reasons[channel] = f"'{channel}' (its name says that it shows no cells)"
        elif len(files) > 1 and files.nunique() <= len(files) / 2:
            reasons[channel] = (
                f"'{channel}' ({'the same file' if files.nunique() == 1 else 'few files'} for all "
                "rows)"
            )
    if not reasons:
        return channels, []
    kept = [c for c in channels if c not in reasons]
    if not kept:
        return channels, [
            f"WARNING: no channel of {listed(channels)} seems to show cells; all are used"
        ]
    left_out = listed([*reasons.values()], most=12)
    return kept, [
        f"WARNING: files left out: {left_out}; the channels are {', '.join(kept)}. --channels "
        "names others"
    ]


def demand_single(files: pd.DataFrame, given: pd.DataFrame, table_path: Path) -> None:
    """Refuse rows that name the same files: trained on and tested on, or counted twice.

    files: the columns of paths as they are here; given: as the table has them.
    """
    double = files.duplicated(keep=False) & files.notna().any(axis=1)
    if not double.any():
        return
    first = double.idxmax()
    filled = files.fillna("")
    rows = files.index[(filled == filled.loc[first]).all(axis=1)]
    named = list(dict.fromkeys(given.loc[rows].bfill(axis=1).iloc[:, 0]))
    more = int(double.sum()) - len(rows)
    raise InputError(
        f"{table_path} {rows_text(rows)}: the same image ({' or '.join(named)}) is listed more than once"
        + (f", and {more:,} rows of other doubles" if more else "")
        + "; "
        + (
            "give the folder of the paths with --images"
            if len(named) > 1
            else "remove the duplicates"
        )
    )
