"""Files of fields, channels, planes and points in time -> one row per field and one file per channel."""

from pathlib import Path

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING, count, have, listed
from bnn_core.images.addresses import stack_address, zarr_address
from bnn_core.tables.values import reading_order

MAX = "max"
_PARTS = ("path", "channel", "plane", "time")


def demand_choice(planes: str | None, time: str | None) -> None:
    """InputError for values of --planes and --time that are no choice."""
    if planes is not None and planes != MAX and not _counts(planes):
        raise InputError(f"--planes {planes[:20]} is no plane; give 'max' or the number of a plane")
    if time is not None and not _counts(time):
        raise InputError(f"--time {time[:20]} is no number; give the number of a point in time")


def one_per_channel(
    files: pd.DataFrame, root: Path, planes: str | None, time: str | None, in_zarr: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """One row per field, and notes. files: see `FolderScan.files`.

    A field is what all columns but path, channel, plane and time tell apart. Where the files have no
    channels the result has `path`, else `path_<channel>`. in_zarr: the paths are images of an
    OME-Zarr, which hold all planes and points in time.
    """
    demand_choice(planes, time)
    files = files.reindex(columns=[*files, *(c for c in _PARTS if c not in files)], fill_value="")
    notes: list[str] = []
    files, more = _one_time(files, root, time)
    notes += more
    files, more = _one_plane(files, root, planes)
    notes += more
    keys = [c for c in files if c not in _PARTS]
    field = pd.MultiIndex.from_frame(files[keys].astype(object).fillna("")).factorize()[0]
    _demand_single(files, field, root)
    first = ~pd.Series(field, index=files.index).duplicated()
    table = files.loc[first, [k for k in keys if (files[k].fillna("") != "").any()]]
    table.index = pd.RangeIndex(1, len(table) + 1)
    channels = sorted(set(files["channel"]), key=reading_order)
    if channels == [""]:
        return table.assign(path=_by_field(files, field, len(table), in_zarr).to_numpy()), notes
    for channel in channels:
        mine = (files["channel"] == channel).to_numpy()
        paths = _by_field(files[mine], field[mine], len(table))
        lost = int(paths.isna().sum())
        if lost:
            notes.append(
                f"{WARNING}{count(lost, 'field')} of {len(table):,} {have(lost)} no file of the "
                f"channel {channel}"
            )
        table[f"path_{channel or 'image'}"] = paths.to_numpy()
    return table, notes


def _by_field(files: pd.DataFrame, field, total: int, in_zarr: bool = False) -> pd.Series:
    """The address of each field's files: one, or the planes of a stack; None where there is none."""
    order = sorted(range(len(files)), key=lambda i: reading_order(files["plane"].iat[i]))
    stacks: list[list[int]] = [[] for _ in range(total)]
    for i in order:
        stacks[field[i]].append(i)

    def address(rows: list[int]) -> str | None:
        paths = [files["path"].iat[i] for i in rows]
        if not rows:
            return None
        if in_zarr:
            plane = files["plane"].iat[rows[0]] if len(rows) == 1 else MAX
            return zarr_address(paths[0], plane, files["time"].iat[rows[0]])
        return paths[0] if len(rows) == 1 else stack_address(paths)

    return pd.Series([address(rows) for rows in stacks], dtype=object)


def _one_time(files: pd.DataFrame, root: Path, time: str | None) -> tuple[pd.DataFrame, list[str]]:
    times = sorted(set(files["time"]), key=reading_order)
    if len(times) < 2:
        if time is not None and time not in ("1", *map(_number, times)):
            raise InputError(
                f"--time {time}: {root} has one point in time ({times[0] or 'unnamed'})"
            )
        return files, []
    numbers = {_number(name): name for name in times}
    if not all(name.isdecimal() for name in times):
        numbers = {str(i + 1): name for i, name in enumerate(times)}
    shown = listed([n if n == _number(t) else f"{n} ({t})" for n, t in numbers.items()], most=6)
    if time is None:
        raise InputError(
            f"{root} has {len(times)} points in time ({shown}): choose one with --time N"
        )
    if _number(time) not in numbers:
        raise InputError(f"--time {time}: {root} has {shown}")
    chosen = numbers[_number(time)]
    return files[files["time"] == chosen], [
        f"point in time {chosen} of {len(times)} (--time {time})"
    ]


def _one_plane(
    files: pd.DataFrame, root: Path, planes: str | None
) -> tuple[pd.DataFrame, list[str]]:
    names = sorted(set(files["plane"]), key=reading_order)
    if len(names) < 2:
        if planes not in (None, MAX) and _number(planes) not in map(_number, names):
            raise InputError(f"--planes {planes}: {root} has one plane ({names[0] or 'unnamed'})")
        return files, []
    shown = listed([_number(name) or "unnumbered" for name in names], most=8)
    if planes is None:
        raise InputError(
            f"{root} has {len(names)} planes in depth ({shown}): --planes max takes the brightest "
            "value of each pixel over the planes, --planes N one plane"
        )
    if planes == MAX:
        return files, [f"the brightest of {len(names)} planes in depth (--planes max)"]
    chosen = files["plane"].map(_number) == _number(planes)
    if not chosen.any():
        raise InputError(f"--planes {planes}: {root} has {shown}")
    return files[chosen], [f"plane {planes} of {len(names)} in depth (--planes {planes})"]


def _demand_single(files: pd.DataFrame, field, root: Path) -> None:
    """Refuse two files that are the same channel and plane of one field."""
    parts = files.assign(field=field)[["field", "channel", "plane"]]
    double = parts.duplicated(keep=False).to_numpy()
    if not double.any():
        return
    same = (parts == parts[double].iloc[0]).all(axis=1).to_numpy()
    paths = files["path"][same].tolist()
    raise InputError(
        f"{root}: {listed(paths)} are the same field and channel by their names; give --pattern "
        "with a group that distinguishes them, such as (?P<plate>...)"
    )


def _counts(text: str) -> bool:
    """Whether a text is a number, of fewer digits than Python refuses to read."""
    return text.isdecimal() and len(text) < 10


def _number(name: str) -> str:
    """A number as people write it, without leading zeros; other names as they are."""
    return str(int(name)) if name.isdecimal() else name
