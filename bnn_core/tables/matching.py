"""Which names of two tables mean the same thing: exact, else by what programs change in a name."""

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from bnn_core.tables.values import name_key

_ENDING = re.compile(r"\.(?:ome\.tiff?|tiff?|png|jpe?g|webp|bmp|npy|dcm|gz)$", re.I)


def _forward(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _file(name: str) -> str:
    return PurePosixPath(_forward(name)).name


def _stem(name: str) -> str:
    return _ENDING.sub("", _file(name))


def _number(name: str) -> str:
    return re.sub(r"^0+(?=\d+$)", "", name_key(_stem(name)))


#: How names of images are compared, the most precise first, and what to say of it.
IMAGE_NAMES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", str),
    ("", _forward),
    ("the file's name without its folder", _file),
    ("the file's name without its ending", _stem),
    ("the file's name without its ending, in any case", lambda name: name_key(_stem(name))),
    ("numbers without leading zeros", _number),
)
#: The same for all other names.
OTHER_NAMES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", str),
    ("names in any case", name_key),
)


def positions(wanted: pd.DataFrame, known: pd.DataFrame) -> tuple[list[np.ndarray], str]:
    """For each row of `wanted`, the positions of the rows of `known` with the same values, and how
    names were compared ("" where they are the same to the letter).

    Both have the same columns; a row with an empty cell has no partner. Of several ways to compare
    the first is taken that finds a partner for the most rows; one that makes two names one is not.
    """
    images = any(column in ("image_id", "path") for column in wanted)
    nobody = np.empty(0, np.int64)
    best, how, most = [nobody] * len(wanted), "", 0
    for words, change in IMAGE_NAMES if images else OTHER_NAMES:
        ours, theirs = (_keys(table, change) for table in (wanted, known))
        if any(_merged(table, keys) for table, keys in ((wanted, ours), (known, theirs))):
            continue
        rows = theirs.groupby(theirs, sort=False).indices
        partners = [rows.get(key, nobody) for key in ours]
        matched = sum(len(p) > 0 for p in partners)
        if matched > most:
            best, how, most = partners, words, matched
        if matched == len(wanted):
            break
    return best, how


def image_positions(wanted: pd.Series, known: Sequence[str]) -> tuple[np.ndarray, str]:
    """(N,) position in `known` of each image's name, -1 where it is not there, and how names were
    compared. The names of `known` differ."""
    frames = (pd.DataFrame({"image_id": list(names)}, dtype=object) for names in (wanted, known))
    partners, how = positions(*frames)
    return np.array([rows[0] if len(rows) else -1 for rows in partners], dtype=np.int64), how


def _keys(table: pd.DataFrame, change: Callable[[str], str]) -> pd.Series:
    """One text per row, None where a cell is empty."""
    parts = [
        column.map(lambda v: change(v) if isinstance(v, str) else repr(v), na_action="ignore")
        for _, column in table.items()
    ]
    keys = parts[0].astype(object)
    for part in parts[1:]:
        keys = keys + "\x1f" + part.astype(object)
    return keys.where(table.notna().all(axis=1), None).reset_index(drop=True)


def _merged(table: pd.DataFrame, keys: pd.Series) -> bool:
    """Whether rows that differ have one key."""
    exact = _keys(table, str)
    return keys.nunique() < exact.nunique()
