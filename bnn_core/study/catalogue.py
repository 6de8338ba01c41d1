"""Which studies there are, from their study.json alone: quick, and without pandas."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bnn_core.base.errors import InputError
from bnn_core.base.roots import CACHE
from bnn_core.base.wording import did_you_mean
from bnn_core.study.description import read_description, stamp_of
from bnn_core.study.lock import MAKING, settle_all

#: Where studies are by default: `cache/` beside app.py.
DEFAULT_ROOT = Path(__file__).parents[2] / "cache"


def cache_root(flag: str | os.PathLike | None = None) -> Path:
    """Where studies live: `flag`, else $BNN_CACHE, else `cache/` beside app.py."""
    return Path(flag or os.environ.get(CACHE) or DEFAULT_ROOT)


def study_path(name_or_path: str | os.PathLike, root: Path | None = None) -> Path:
    """A study's folder: a path when it has a separator or is a study, else under the root.

    Raises InputError for "/", which cannot be one.
    """
    given = Path(name_or_path)
    if given == Path(given.root) and given.root:
        raise InputError(f"{given} cannot be a study: give a folder below it")
    if given.is_absolute() or len(given.parts) > 1 or os.path.isfile(given / "study.json"):
        # Files lie beside a study too, and "." has no name to put them under.
        return given if given.name not in ("", "..") else Path(os.path.abspath(given))
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


def unfinished(root: str | os.PathLike | None = None) -> list[str]:
    """Names of the studies under `root` that were started and are not finished."""
    return sorted(path.name.removesuffix(MAKING) for path in cache_root(root).glob(f"*{MAKING}"))


def demand_study(path: Path) -> None:
    """InputError where there is no finished study in the folder `path`, with what is there."""
    if os.path.isfile(path / "study.json"):
        return
    if os.path.isdir(path.with_name(path.name + MAKING)):
        raise InputError(f"study {path} is not finished: run its command again to continue")
    names = [entry.name for entry in list_studies(path.parent)]
    raise InputError(
        f"no study at {path}{did_you_mean(path.name, names)}; studies there: "
        f"{', '.join(names) or 'none'} (see 'bnn list', 'bnn study')"
    )


@lru_cache(maxsize=1000)
def _entry(path: Path, stamp: tuple[int, ...] | None) -> StudyEntry:
    """The line of a study; its description is read again when its stamp differs."""
    meta = read_description(path)
    return StudyEntry(path.name, path, meta["title"], meta["kind"], meta["created"], meta["rows"])
