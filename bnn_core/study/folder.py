"""A study: one folder, the only contract between the engine and the pages.

`study.json` is written last and the whole folder is renamed into place, so a folder with a
`study.json` is complete. While a study is being made its pieces live in `<name>.making/`.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path
from bnn_core.study.description import read_description
from bnn_core.study.lock import settle, settle_all
from bnn_core.study.opened import TRUTH, Study, stamp_of
from bnn_core.study.tables import ROLES

__all__ = [
    "MAKING",
    "ROLES",
    "TRUTH",
    "Study",
    "StudyEntry",
    "cache_root",
    "content_hashes",
    "file_sizes",
    "fingerprint",
    "list_studies",
    "open_study",
    "pack_thumbnails",
    "study_path",
    "write_table",
]

MAKING = ".making"


def cache_root(flag: str | os.PathLike | None = None) -> Path:
    """Where studies live: `flag`, else $BNN_CACHE, else `cache/` beside app.py."""
    return Path(flag or os.environ.get("BNN_CACHE") or Path(__file__).parents[2] / "cache")


def study_path(name_or_path: str | os.PathLike, root: Path | None = None) -> Path:
    """A study's folder: a path when it has a separator or is a study, else under the root."""
    given = Path(name_or_path)
    if given.is_absolute() or len(given.parts) > 1 or os.path.isfile(given / "study.json"):
        return given
    return (root or cache_root()) / given


@dataclass(frozen=True)
class StudyEntry:
    """One line of the list of studies; `problem` says why it cannot be opened."""

    name: str
    path: Path
    title: str = ""
    kind: str = ""
    created: str = ""
    rows: int = 0
    problem: str | None = None


def list_studies(root: Path) -> list[StudyEntry]:
    """All studies under `root` by name; broken ones carry a problem, unfinished are left out."""
    root = Path(root)
    settle_all(root)
    entries = []
    for path in sorted(root.iterdir()) if os.path.isdir(root) else []:
        if path.name.startswith(".") or path.name.endswith(MAKING):
            continue
        if not os.path.isfile(path / "study.json"):
            continue
        try:
            entries.append(_entry(path, stamp_of(path)))
        except InputError as error:
            entries.append(StudyEntry(path.name, path, problem=str(error)))
    return entries


@lru_cache(maxsize=1000)
def _entry(path: Path, stamp: tuple[int, ...] | None) -> StudyEntry:
    """The line of a study; its description is read again when its stamp differs."""
    meta = read_description(path)
    return StudyEntry(path.name, path, meta["title"], meta["kind"], meta["created"], meta["rows"])


def open_study(name_or_path: str | os.PathLike, root: Path | None = None) -> Study:
    """Open a study for reading.

    Raises InputError when there is none, it is unfinished, or its description cannot be read
    (`description.read_description`).
    """
    path = study_path(name_or_path, root)
    settle(path)
    if not os.path.isfile(path / "study.json"):
        if os.path.isdir(path.with_name(path.name + MAKING)):
            raise InputError(
                f"study {path} is not finished: run the command that makes it again "
                "and it goes on where it stopped"
            )
        known = ", ".join(entry.name for entry in list_studies(path.parent)) or "none"
        raise InputError(
            f"no study at {path}; studies there: {known} (see 'bnn list', 'bnn study')"
        )
    stamp = stamp_of(path)
    return Study(path, read_description(path), stamp)


def fingerprint(images: pd.DataFrame) -> str:
    """Which data these are: 16 hex digits over identities, contents and labels, in row order."""
    columns = [c for c in ("image_id", "content_hash", "label", "role") if c in images]
    digest = hashlib.sha256()
    for column in columns:
        digest.update("\x1f".join(images[column].fillna("").astype(str)).encode())
        digest.update(b"\x1e")
    return digest.hexdigest()[:16]


def content_hashes(images: np.ndarray) -> list[str]:
    """16 hex digits per image over its pixel values."""
    return [
        hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()[:16] for image in images
    ]


def pack_thumbnails(folder: Path, thumbnails: Iterable[bytes | None]) -> None:
    """Write thumbnails.bin and its offsets, thumbnails.npy (N + 1 int64)."""
    offsets = [0]
    with open(folder / "thumbnails.bin", "wb") as packed:
        for data in thumbnails:
            offsets.append(offsets[-1] + packed.write(data or b""))
    np.save(folder / "thumbnails.npy", np.asarray(offsets, dtype=np.int64))


def file_sizes(folder: Path) -> dict[str, int]:
    """Relative path -> bytes of every file of a study but study.json."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "study.json"
    }


def write_table(path: Path, table: pd.DataFrame) -> None:
    """One Parquet file, zstd-compressed, written whole or not at all."""
    with atomic_path(path) as temporary:
        table.reset_index(drop=True).to_parquet(temporary, compression="zstd", index=False)
