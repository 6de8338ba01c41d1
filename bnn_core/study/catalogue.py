"""Which studies there are, from their study.json alone: quick, and without pandas."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json
from bnn_core.base.roots import CACHE
from bnn_core.base.wording import did_you_mean
from bnn_core.study.lock import settle_all

SCHEMA = 1
#: A study that is not finished is in the folder `<name>.making`.
MAKING = ".making"
_NEEDED = ("title", "kind", "classes", "methods", "fingerprint", "created", "rows")


def cache_root(flag: str | os.PathLike | None = None) -> Path:
    """Where studies live: `flag`, else $BNN_CACHE, else `cache/` beside app.py."""
    return Path(flag or os.environ.get(CACHE) or Path(__file__).parents[2] / "cache")


def study_path(name_or_path: str | os.PathLike, root: Path | None = None) -> Path:
    """A study's folder: a path when it has a separator or is a study, else under the root."""
    given = Path(name_or_path)
    if given.is_absolute() or len(given.parts) > 1 or (given / "study.json").is_file():
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
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        hidden = path.name.startswith(".") or path.name.endswith(MAKING)
        if hidden or not (path / "study.json").is_file():
            continue
        try:
            meta = read_meta(path)
        except InputError as error:
            entries.append(StudyEntry(path.name, path, problem=str(error)))
        else:
            known = {key: meta[key] for key in ("title", "kind", "created", "rows")}
            entries.append(StudyEntry(path.name, path, **known))
    return entries


def unfinished(root: str | os.PathLike | None = None) -> list[str]:
    """Names of the studies under `root` that were begun and are not finished."""
    folder = cache_root(root)
    return sorted(path.name.removesuffix(MAKING) for path in folder.glob(f"*{MAKING}"))


def read_meta(path: Path) -> dict[str, Any]:
    """study.json of the study in the folder `path`.

    Raises InputError when there is none, it is unfinished or damaged, or a newer version of this
    program wrote it.
    """
    if not (path / "study.json").is_file():
        raise InputError(_no_study(path))
    meta = read_json(path / "study.json")
    schema = meta.get("schema") if isinstance(meta, dict) else None
    if not isinstance(schema, int):
        raise InputError(f"{path / 'study.json'} is not a study description: no 'schema' number")
    if schema > SCHEMA:
        raise InputError(
            f"study {path} has schema {schema}, this program reads up to {SCHEMA}: "
            "update the program"
        )
    missing = [key for key in _NEEDED if key not in meta]
    if missing:
        raise InputError(f"{path / 'study.json'} lacks {', '.join(missing)}; make the study again")
    return meta


def _no_study(path: Path) -> str:
    if path.with_name(path.name + MAKING).is_dir():
        return (
            f"study {path} is not finished: run the command that makes it again, "
            "and it continues where it stopped"
        )
    names = [entry.name for entry in list_studies(path.parent)]
    return (
        f"no study at {path}{did_you_mean(path.name, names)}; studies there: "
        f"{', '.join(names) or 'none'} (see 'bnn list', 'bnn study')"
    )
