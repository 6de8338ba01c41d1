"""Files that are written whole or not at all, JSON, and locks between processes."""

import errno
import json
import math
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from bnn_core.base.errors import RESTORE, InputError, decoding
from bnn_core.base.limits import MOST_JSON_BYTES, demand_size
from bnn_core.base.schema import problem_of

#: Seconds for which a lock is tried again: it may just have been released.
WAIT = 0.3
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class TakenError(InputError):
    """Another process holds the lock."""


@contextmanager
def alone(
    lock: Path, message: str, *, again: bool = False, patience: float = WAIT
) -> Iterator[None]:
    """Hold the file `lock` for the block. The lock ends with the process, however that ends.

    The file names its holder. again: a thread that holds the lock may acquire it once more.
    patience: seconds for which it is tried.
    Raises TakenError with `message`, and who holds it, while another process or thread does.
    OSError where the file cannot be written.
    """
    from filelock import FileLock, Timeout  # a third of the time of `bnn list`, which locks nothing

    # The absolute path: filelock recognises a lock by it.
    lock = Path(lock).absolute()
    held = FileLock(lock, timeout=patience, is_singleton=again, on_acquired=_write_holder)
    try:
        held.acquire()
    except Timeout as error:
        raise TakenError(f"{message}{_holder(lock)}") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(
            f"{lock.parent} is on a file system without locks ({error.strerror}): do not run "
            "one job twice at the same time",
            file=sys.stderr,
        )
        yield
        return
    try:
        yield
    finally:
        if held.lock_counter == 1:
            # Before the release: a process that waits with this file open finds it gone and retries.
            with suppress(OSError):  # Windows: filelock removes it
                lock.unlink()
        held.release()


def _write_holder(descriptor: int) -> None:
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
    }
    with suppress(OSError):  # on a full disk the lock holds without a name
        os.ftruncate(descriptor, 0)
        # On Windows the first byte is locked, and nobody else can read it.
        os.write(descriptor, b"\n" + json.dumps(holder).encode())


def _holder(lock: Path) -> str:
    """Who holds a lock, as " (process 12 on host since ...: command)"; empty where unknown."""
    try:
        with open(lock, "rb", buffering=0) as file:
            file.seek(1)
            holder = json.loads(file.read())
        return (
            f" (process {holder['pid']} on {holder['host']} since {holder['since']}: "
            f"{holder['command']})"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def unwritable(
    error: OSError,
    path: Path,
    choose: str,
    part: Path | None = None,
    size: Callable[[], int] | None = None,
) -> InputError:
    """What to say where `path` cannot be written: the reason and, where the disk is full, how much
    is free there. choose: another place; part: what is written of it so far, to say how much is at
    least needed. size: bytes of the whole file, where they are known."""
    reason = error.strerror or str(error)
    if error.errno != errno.ENOSPC and "errno 28" not in reason.lower():  # of Arrow and shutil
        return InputError(f"cannot write {path}: {reason}; {choose}")
    room = ""
    with suppress(OSError):
        folder = next((f for f in (path, *path.absolute().parents) if f.is_dir()), Path())
        free = shutil.disk_usage(folder).free
        written = part.stat().st_size if part and part.is_file() else 0
        needed = f", and more than {_amount(free + written)} are needed" if written else ""
        if size is not None:
            needed = f", and {_amount(size())} are needed"
        room = f" ({_amount(free)} are free{needed})"
    return InputError(
        f"cannot write {path}: No space left on device{room}; free some space, or {choose}"
    )


def _amount(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{math.ceil(size / 1e3)} kB"


@contextmanager
def atomic_path(path: Path, size: Callable[[], int] | None = None) -> Iterator[Path]:
    """Yield a temporary name beside `path`; after the block it is flushed to disk and renamed.

    If the block fails, `path` keeps its old content and the temporary file is removed. size: of the
    file in bytes, where it is known; asked for only where the disk is full.
    Raises InputError when the folder cannot be written or the disk is full.
    """
    path = Path(path)
    if not path.name:
        raise InputError(f"cannot write '{path}': it names no file")
    # Machines of a cluster write into one folder, and containers often have the same process ids.
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is None or str(error.filename).startswith(str(path.parent)):
            raise unwritable(error, path, "choose another folder", temporary, size) from error
        raise
    finally:
        with suppress(OSError):  # where the folder or the name cannot be
            temporary.unlink(missing_ok=True)


def copy_folder(source: Path, target: Path, choose: str) -> None:
    """Copy a folder, into `target` if that is there. choose: another place, see `unwritable`."""
    try:
        shutil.copytree(source, target, dirs_exist_ok=True)
    except OSError as error:
        raise unwritable(error, target, choose, size=lambda: folder_bytes(source)) from error


def folder_bytes(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole or not at all."""
    with atomic_path(path, lambda: len(data)) as temporary:
        temporary.write_bytes(data)


def write_unless_same(path: Path, data: bytes) -> None:
    """Write a file; an equal one is kept as it is, so that readers keep their caches."""
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(path, text.encode() + b"\n")


def read_json(path: Path, kind: Any = Any) -> Any:
    """Read a JSON file whose content has the type `kind` (`schema.problem_of`).

    Raises InputError naming the file where it is missing, malformed or holds something else.
    """
    path = Path(path)
    with decoding(path):
        demand_size(path, MOST_JSON_BYTES, RESTORE)
        value = json.loads(path.read_bytes(), parse_constant=_no_number)
    if problem := problem_of(value, kind):
        raise InputError(f"{path}: {problem}; {RESTORE}")
    return value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number in JSON")
