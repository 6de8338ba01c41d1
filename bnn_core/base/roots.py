"""Which files the app may read, and whether it may make studies, for the person who uses it.

On the user's machine: everything. `bnn serve` sets environment variables for a server that others
reach: BNN_DATA_ROOTS, folders separated as in PATH, BNN_READ_ONLY and BNN_TRAINING. With
BNN_DATA_ROOTS only these folders, the studies in $BNN_CACHE and uploads may be read, and networks
are trained from the app only with BNN_TRAINING. Every reader of a path that a user
or a table names calls `readable` or `is_file`; every maker of a study and every download calls
`demand_making`.
"""

import atexit
import os
import shutil
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from bnn_core.base.errors import InputError

DATA_ROOTS = "BNN_DATA_ROOTS"
READ_ONLY = "BNN_READ_ONLY"
TRAINING = "BNN_TRAINING"
#: "oidc": users log in. "header NAME": a proxy says in this header who the user is.
LOGIN = "BNN_LOGIN"
CACHE = "BNN_CACHE"
#: Folder in which a server keeps what it computes from studies that it may not write.
DERIVED = "BNN_DERIVED"
#: Folder of the background jobs in a cache folder, with the files that were uploaded for them.
JOBS_FOLDER = ".jobs"
_UPLOADS, _MINUTE = "bnn-uploads-", 60.0
#: Locks of this process.
_kept: list[object] = []


def limited() -> bool:
    """Whether this process may read files under its declared folders only."""
    return bool(os.environ.get(DATA_ROOTS))


def readable(path: str | os.PathLike) -> Path:
    """The path, if it may be read: as it is, or with links and ".." resolved where limited.

    Raises InputError for a path outside of the declared folders, the studies and the uploads. The
    message is the same whether or not there is such a file.
    """
    if not limited():
        return Path(path)
    try:
        real = os.path.realpath(path)
    except (OSError, ValueError):
        real = None
    if real is None or not any(_within(real, root) for root in _roots()):
        raise InputError(
            f"{path} is outside the folders that this server may read; the person who runs the "
            "server chooses these folders (bnn serve --data-root)"
        )
    return Path(real)


def is_file(path: str | os.PathLike) -> bool:
    """Whether there is such a file and it may be read."""
    try:
        return os.path.isfile(readable(path))
    except InputError:
        return False


def typed_path(text: str) -> Path:
    """A path as a user types it, "~" for the home folder. Where limited, "~" is an ordinary name:
    it would reveal which users there are. InputError for a path that no file system has."""
    path = demand_possible(Path(text.strip()))
    try:
        return path if limited() else path.expanduser()
    except RuntimeError as error:
        raise InputError(f"{text}: no such user; give the full path") from error


def demand_possible(path: Path) -> Path:
    """The path; InputError where a name in it is longer than file systems allow, or holds NUL."""
    whole = os.fsencode(path)
    if len(whole) > 3000 or b"\0" in whole or any(len(os.fsencode(p)) > 255 for p in path.parts):
        raise InputError(f"{str(path)[:100]}…: no file can have this name; give a shorter one")
    return path


@cache
def uploads() -> Path:
    """The folder of uploaded files: readable, and deleted when the process ends. What processes left
    that were killed is deleted first."""
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{_UPLOADS}*"):
            # A process that has just made its folder does not hold it yet.
            if time.time() - folder.stat().st_mtime > _MINUTE and _held(folder) is not None:
                shutil.rmtree(folder, ignore_errors=True)
    own = Path(os.path.realpath(tempfile.mkdtemp(prefix=_UPLOADS)))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    _kept.append(_held(own))
    return own


def _held(folder: Path) -> object | None:
    """The lock of a folder of uploads, which goes with the process; None where another has it."""
    from filelock import FileLock, Timeout  # as in `files.alone`

    try:
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except (OSError, Timeout):
        return None
    return lock


def goes_with_a_job(path: str | os.PathLike) -> bool:
    """Whether a file was uploaded for a background job, and is deleted when the job ends."""
    jobs = os.path.join(os.path.realpath(os.environ.get(CACHE, "")), JOBS_FOLDER)
    return bool(os.environ.get(CACHE)) and _within(os.path.realpath(path), jobs)


def read_only() -> bool:
    """Whether this server only shows studies: it makes, replaces and downloads nothing."""
    return os.environ.get(READ_ONLY, "") not in ("", "0")


def demand_making() -> None:
    """InputError where studies may be looked at only."""
    if read_only():
        raise InputError(
            "this server only shows studies (bnn serve --read-only): make the study on the "
            "machine itself"
        )


def demand_place(study: Path) -> None:
    """InputError for the folder of a study outside the folder of studies of a limited server."""
    cache = os.environ.get(CACHE)
    if limited() and cache and os.path.realpath(study.parent) != os.path.realpath(cache):
        raise InputError(
            f"{study} is outside the folder of studies of this server; give a name without a folder"
        )


def may_train() -> bool:
    """Whether users of the app may start training here: always on the user's own machine, on a
    server for others only where the person who runs it allows it."""
    return not read_only() and (not limited() or os.environ.get(TRAINING, "") not in ("", "0"))


def demand_training() -> None:
    """InputError where users of the app may not start training."""
    demand_making()
    if not may_train():
        raise InputError(
            "this server does not train networks (bnn serve --allow-training): run the command on a "
            "machine of yours"
        )


def _roots() -> list[str]:
    declared = [*os.environ[DATA_ROOTS].split(os.pathsep), *map(os.environ.get, (CACHE, DERIVED))]
    return [str(uploads()), *(os.path.realpath(root) for root in declared if root)]


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
