"""Which studies there are, from their study.json alone: quick, and without pandas."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bnn_core.base.errors import InputError
from bnn_core.base.roots import CACHE
from bnn_core.base.wording import did_you_mean
from bnn_core.study.description import read_description
from bnn_core.study.lock import settle_all

#: A study that is not finished is in the folder `<name>.making`.
MAKING = ".making"


def cache_root(flag: str | os.PathLike | None = None) -> Path:
    """Where studies live: `flag`, else $BNN_CACHE, else `cache/` beside app.py."""
    return Path(flag or os.environ.get(CACHE) or Path(__file__).parents[2] / "cache")


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


def list_studies(root: str | os.PathLike | None = None) -> list[StudyEntry]:
    """All finished studies under `root` (default: the cache root) by name.

    One that cannot be opened has a `problem`; unfinished ones are left out.
    """
    folder = cache_root(root)
    settle_all(folder)
    entries = []
    for path in sorted(folder.iterdir()) if os.path.isdir(folder) else []:
        hidden = path.name.startswith(".") or path.name.endswith(MAKING)
        if hidden or not os.path.isfile(path / "study.json"):
            continue
        try:
            entries.append(_entry(path, stamp_of(path)))
        except InputError as error:
            entries.append(StudyEntry(path.name, path, problem=str(error)))
    return entries


@lru_cache(maxsize=1000)
def _entry(path: Path, stamp: tuple[int, ...] | None) -> StudyEntry:
    """The entry of a study; its description is read again when its stamp differs."""
    meta = read_description(path)
    return StudyEntry(path.name, path, meta["title"], meta["kind"], meta["created"], meta["rows"])


def stamp_of(path: Path) -> tuple[int, ...] | None:
    """Tells one making of a study from another; None where there is none."""
    try:
        status = os.stat(path / "study.json")
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def unfinished(root: str | os.PathLike | None = None) -> list[str]:
    """Names of the studies under `root` that were begun and are not finished."""
    folder = cache_root(root)
    return sorted(path.name.removesuffix(MAKING) for path in folder.glob(f"*{MAKING}"))


def read_meta(path: Path) -> dict[str, Any]:
    """study.json of the study in the folder `path`, validated.

    Raises InputError when there is none, it is unfinished, or `description.read_description`
    cannot read it.
    """
    if not os.path.isfile(path / "study.json"):
        raise InputError(_no_study(path))
    return read_description(path)


def _no_study(path: Path) -> str:
    if os.path.isdir(path.with_name(path.name + MAKING)):
        return (
            f"study {path} is not finished: run the command that makes it again, "
            "and it continues where it stopped"
        )
    names = [entry.name for entry in list_studies(path.parent)]
    return (
        f"no study at {path}{did_you_mean(path.name, names)}; studies there: "
        f"{', '.join(names) or 'none'} (see 'bnn list', 'bnn study')"
    )
