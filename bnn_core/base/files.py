"""Writing files so that a reader never sees half of one."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from bnn_core.base.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: two runs at once are not told apart
    fcntl = None


class TakenError(InputError):
    """Another process holds what this one asked for."""


@contextmanager
def alone(lock: Path, taken: str) -> Iterator[None]:
    """Hold the file `lock` for the block; the lock goes with the process, however that ends.

    Raises TakenError with the message `taken` while another process holds it.
    """
    file = _locked(lock, taken)
    try:
        yield
    finally:
        if fcntl is None:
            file.close()
        # Before it is let go: who waits with the same file open finds it gone and asks again.
        lock.unlink(missing_ok=True)
        file.close()


def _locked(lock: Path, taken: str) -> TextIO:
    """The lock's file, open and held."""
    while True:
        file = open(lock, "w")  # noqa: SIM115
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise TakenError(taken) from error
        except OSError as error:
            print(
                f"{lock.parent} is on a file system without locks ({error.strerror}): run no "
                "job twice at once",
                file=sys.stderr,
            )
        if fcntl is None or _same_file(file, lock):
            return file
        file.close()


def _same_file(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it is flushed to disk and renamed to `path`.

    Whatever fails inside, `path` keeps its old content and the temporary file is removed.
    Raises InputError when the folder cannot be written or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is None or str(error.filename).startswith(str(path.parent)):
            reason = error.strerror or str(error)
            raise InputError(
                f"cannot write {path}: {reason}; free some space or choose another folder"
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file; an unreadable or malformed one is an InputError naming it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable JSON ({error}); restore or re-make it") from error
