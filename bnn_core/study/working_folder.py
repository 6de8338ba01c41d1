"""A study in the making: a working folder that can be resumed, then one rename into place."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bnn_core.base.errors import InputError
from bnn_core.base.files import alone, read_json, unwritable, write_json
from bnn_core.study.lock import MAKING, study_lock

#: Folder of a study in the making that holds what only the making needs.
ADDING = "adding"


def open_making(
    out: Path, settings: Mapping[str, Any], *, force: bool = False, restart: bool = False
) -> Path:
    """The working folder `<out>.making` of a study with these settings, new or to be resumed.

    The caller holds the study's lock (`study_lock`) until the study is in place.
    Raises InputError when `out` already holds a study (unless `force`), when the working folder
    was started with other settings (unless `restart`), or when it cannot be written.
    """
    out = Path(out)
    demand_room(out, force)
    making = out.with_name(out.name + MAKING)
    begun = begun_settings(out)
    plain = {key: as_json(value) for key, value in settings.items()}
    if making.is_dir() and (restart or not begun.is_file()):
        _throw_away(making)
    if begun.is_file():
        before = read_json(begun, dict[str, Any])
        changed = _changed(plain, _filled(before, plain))
        if changed and not _worth_keeping(making):
            _throw_away(making)
        elif changed:
            raise InputError(_begun_otherwise(making, changed))
        else:
            return making
    try:
        making.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(error, making, "choose another --out") from error
    try:
        write_json(begun, plain)
    except BaseException:  # of a full disk: what is empty would be listed as unfinished
        shutil.rmtree(making, ignore_errors=True)
        raise
    return making


def begun_settings(out: Path) -> Path:
    """The settings that an unfinished study at `out` was started with; no file where there is none."""
    out = Path(out)
    return out.with_name(out.name + MAKING) / "settings.json"


def _throw_away(making: Path) -> None:
    """Delete a working folder. Raises TakenError while a job runs one of its folds."""
    for lock in making.glob("folds/*.lock"):
        with alone(lock, f"another process runs a fold of {making}; wait for it, or stop it"):
            pass
    # First: what is left by a run that dies in the middle is not resumed.
    (making / "settings.json").unlink(missing_ok=True)
    shutil.rmtree(making)


def demand_no_training(out: Path) -> None:
    """InputError when there is an unfinished training in the working folder of `out`."""
    if (out.with_name(out.name + MAKING) / "folds").is_dir():
        raise InputError(
            f"there is an unfinished training in {out.name}{MAKING}; finish or delete it, or "
            "choose another --out"
        )


def _filled(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that an older version of the program did not record count as equal."""
    both = {
        key: _filled(value, now[key])
        for key, value in before.items()
        if isinstance(value, Mapping) and isinstance(now.get(key), Mapping)
    }
    return {**now, **before, **both}


def _changed(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Names of the settings that differ, those within a group as "configs.vi.epochs"."""
    names = []
    for key in sorted(now.keys() | before):
        one, other = now.get(key), before.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            names += [f"{key}.{name}" for name in _changed(one, other)]
        elif one != other:
            names.append(key)
    return names


def demand_same(out: Path, settings: Mapping[str, Any], restart: bool) -> None:
    """InputError when a study being made in `out` was started with others of these settings."""
    begun = begun_settings(out)
    if begun.is_file() and not restart and _worth_keeping(begun.parent):
        before = read_json(begun, dict[str, Any])
        plain = {key: as_json(value) for key, value in settings.items() if key in before}
        changed = _changed(plain, {key: before[key] for key in plain})
        if changed:
            raise InputError(_begun_otherwise(begun.parent, changed))


def _begun_otherwise(making: Path, changed: list[str]) -> str:
    return (
        f"{making} was started with other settings ({', '.join(changed)}); give the same settings "
        "to resume, --restart to start from the beginning, or another --out"
    )


def demand_room(out: Path, force: bool) -> None:
    """InputError when `out` is no place for a new study: it holds one, unless `force`, or files."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder that does not exist yet")
    if (out / "study.json").is_file() and not force:
        raise InputError(f"study {out} exists; --force replaces it, --out names another")
    if out.is_dir() and not (out / "study.json").is_file() and any(out.iterdir()):
        raise InputError(
            f"--out {out} contains other files but no study; give an empty or new folder"
        )


@contextmanager
def making_of(
    out: Path, settings: Mapping[str, Any], *, force: bool = False, restart: bool = False
) -> Iterator[Path]:
    """`open_making`, with the study's lock held, for a run that may find its input unusable.

    On an InputError (a wrong image size, a loss that is not finite) the working folder goes again
    when it holds nothing yet that a second run could resume.
    """
    with study_lock(out):
        making = open_making(out, settings, force=force, restart=restart)
        try:
            yield making
        except InputError:
            if not _worth_keeping(making):
                shutil.rmtree(making, ignore_errors=True)
            raise


def _worth_keeping(making: Path) -> bool:
    """Whether a working folder holds more than the settings that it was started with."""
    return any(path.is_file() and path.name != "settings.json" for path in making.rglob("*"))


def working_files(making: Path) -> set[Path]:
    """What only the making needs: plans, checkpoints, and predictions that the tables now hold."""
    patterns = (
        "settings.json",
        "plan.json",
        "table.parquet",
        "folds/*/*/prediction.npz",
        "folds/*/*/samples.npy",
        "folds/**/training.pt",
        "deploy/**/training.pt",
        "folds/*.lock",
        "folds/*.log",
        "**/.*.part",
        f"{ADDING}/*",
    )
    return {path for pattern in patterns for path in making.glob(pattern)}


def as_json(value: Any) -> Any:
    """A value as JSON keeps it."""
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
