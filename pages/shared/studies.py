"""Opened studies, shared by the pages and the image routes of one server."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.roots import demand_possible
from bnn_core.study.catalogue import StudyEntry, cache_root, list_studies
from bnn_core.study.description import stamp_of
from bnn_core.study.folder import Study, open_study
from bnn_core.study.lock import MAKING

#: The study in the repository: the first one of a fresh clone.
READY_MADE = "demo"
#: Name in the session of the study that the menu shows next.
OPEN_NEXT = "_open_next_study"


def entries() -> list[StudyEntry]:
    """The studies of the cache, the newest first.

    The ready-made study comes after the user's studies; studies that cannot be opened come last.
    """
    newest = sorted(list_studies(cache_root()), key=lambda entry: entry.created, reverse=True)
    return sorted(newest, key=lambda entry: (entry.problem is not None, entry.name == READY_MADE))


def opened(name: str) -> Study:
    """The study `name` directly under the cache root; read once until its study.json changes.

    Raises InputError for a name that is not a plain folder name, and whatever `open_study` raises.
    """
    if (
        not name
        or name != Path(name).name
        or name.startswith(".")
        or "\\" in name
        or name.endswith((MAKING, ".old"))
    ):
        raise InputError(f"'{name}' is not the name of a study")
    path = demand_possible(cache_root().resolve() / name)
    try:
        stat = (path / "study.json").stat()
    except (OSError, ValueError):
        return open_study(path)
    return _opened(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino))


def overlapping(study: Study) -> list[str]:
    """Other studies of the cache with at least one of the same images."""
    return [
        entry.name
        for entry in entries()
        if entry.problem is None
        and entry.name != study.name
        and _overlap(identity(study), entry.name, stamp_of(entry.path), study)
    ]


@st.cache_resource(max_entries=1000, show_spinner=False)
def _overlap(one: str, name: str, stamp: tuple[int, ...], _study: Study) -> bool:
    """Opens the other study once: a folder may hold hundreds."""
    other = opened(name)
    return bool(
        set(other.classes) & set(_study.classes)
        and _study.images["image_id"].isin(other.images["image_id"]).any()
    )


@lru_cache(maxsize=16)
def identity(study: Study) -> str:
    """12 hex digits that change when a study is made again: a key for caches and URLs."""
    made = (str(study.path), study.fingerprint, study.meta["created"], study.meta.get("files"))
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:12]


def table(study: Study, method: str) -> pd.DataFrame:
    """`study.table(method)`, read once for all users; RangeIndex = row number. Do not change it."""
    return _table(identity(study), method, study)


@st.cache_resource(max_entries=8, show_spinner="Reading the study")
def _table(identity: str, method: str, _study: Study) -> pd.DataFrame:
    return _study.table(method)


@lru_cache(maxsize=8)
def _opened(path: Path, stamp: tuple[int, int, int]) -> Study:
    return open_study(path)
