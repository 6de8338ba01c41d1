"""The SQLite file of the review log: opening it safely on any file system.

One connection per call: Streamlit runs pages in several threads, a connection belongs to one
thread, and a file that is moved while the app runs must not collect reviews unseen. Opening takes
about a millisecond.
"""

import errno
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from bnn_core.base.errors import InputError
from bnn_core.base.files import unwritable
from bnn_core.base.timing import parsed_time

LOG_SCHEMA = 1
#: "bnnr" in the file's header marks a review log among SQLite files.
APPLICATION = 0x626E6E72
BUSY_SECONDS = 15.0
#: Bytes of the smallest piece of memory that SQLite shares between processes, as a file.
_SHARED_BYTES = 32 << 10

#: One action is one press of a button; its events are one row per image. Triggers prevent changes
#: and deletions: undo and redo are actions that point to another one.
TABLES = """
CREATE TABLE actions (
    action_id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('flag', 'withdraw', 'import', 'undo', 'redo')),
    target INTEGER REFERENCES actions (action_id),
    study TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    time TEXT NOT NULL,
    CHECK ((target IS NOT NULL) = (kind IN ('undo', 'redo')))
);
CREATE INDEX actions_by_target ON actions (target, action_id);
CREATE TABLE events (
    action_id INTEGER NOT NULL REFERENCES actions (action_id),
    image_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    label TEXT,
    reason TEXT,
    decision TEXT,
    new_label TEXT,
    note TEXT NOT NULL,
    filter TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    time TEXT NOT NULL,
    PRIMARY KEY (action_id, image_id)
) WITHOUT ROWID;
CREATE INDEX events_by_image ON events (image_id, action_id);
CREATE TRIGGER actions_stay BEFORE UPDATE ON actions
    BEGIN SELECT RAISE(ABORT, 'the review log is append-only'); END;
CREATE TRIGGER actions_remain BEFORE DELETE ON actions
    BEGIN SELECT RAISE(ABORT, 'the review log is append-only'); END;
CREATE TRIGGER events_stay BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'the review log is append-only'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the review log is append-only'); END;
"""

#: File systems of one machine. A write-ahead log needs memory shared by all its users, which no
#: network has; a rollback journal needs only locks, and is used on every other file system.
LOCAL = {
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "nilfs2",
    "tmpfs", "ramfs", "rootfs", "overlay", "fuse.fuse-overlayfs", "aufs", "squashfs", "iso9660",
    "ecryptfs", "fuseblk", "ntfs", "ntfs3", "vfat", "exfat", "hfsplus", "apfs", "ufs",
}  # fmt: skip
#: Network file systems without such locks: two machines could overwrite each other's reviews.
LOCKLESS_NETWORK = {
    "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.goofys", "fuse.gvfsd-fuse",
    "fuse.curlftpfs", "davfs", "fuse.davfs", "fuse.blobfuse2",
}  # fmt: skip
_KINDS = {"t": str, "n": int, "T": str | None, "N": int | None, "d": str}
#: Mount options that restrict locks to one machine.
LOCAL_LOCKS = {"nolock", "local_lock=all", "local_lock=posix", "nobrl", "localflock"}


def journal_mode(path: Path, mounts: str | None = None) -> str:
    """'wal' on a local disk, 'delete' (a rollback journal) on a network or an unknown one.

    mounts: text of /proc/self/mounts, read when None; without it (macOS, Windows) only a UNC path
    is known to be on a network. Raises InputError on a file system that cannot lock a file between
    machines.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            mounts = ""
    path = Path(os.path.abspath(path))
    if path.drive.startswith("\\\\"):
        return "delete"
    point, kind, options = "", "", ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 4:
            continue
        where = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[1])
        # The last mount on a point hides the earlier ones.
        if path.is_relative_to(where) and len(where) >= len(point):
            point, kind, options = where, fields[2], fields[3]
    local = kind in LOCAL or not kind
    if kind in LOCKLESS_NETWORK or (not local and LOCAL_LOCKS & set(options.split(","))):
        raise InputError(
            f"{path} is on {point} ({kind}), where two machines can write at once and lose "
            "reviews; keep the studies on a local disk (--cache or BNN_CACHE)"
        )
    return "wal" if local else "delete"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that only reads, or None without a log.

    Raises InputError for a file that is damaged, of another program or from a newer version.
    """
    if not path.is_file():
        yield None
        return
    with _explained(path):
        # In a read-only folder a cleanly closed log can be read only as immutable.
        immutable = not os.access(path.parent, os.W_OK) and not _beside(path, "-wal").exists()
        mode = "mode=ro&immutable=1" if immutable else "mode=rw"
        connection = _connect(path, mode)
        try:
            if not immutable:
                _demand_no_shared_memory(connection, path)
            connection.execute("BEGIN")  # everything is read from one moment
            yield connection if _known(connection, path) else None
        finally:
            connection.close()


def checked_rows(rows: list[tuple], kinds: str) -> list[tuple]:
    """Rows of a query whose columns must hold texts ("t"), whole numbers ("n"), either or nothing
    ("T", "N"), or times ("d"). SQLite keeps any type in any column, so a damaged file may hold
    others.

    Raises sqlite3.DatabaseError otherwise, which `reading` explains.
    """
    wanted = [_KINDS[kind] for kind in kinds]
    times = [column for column, kind in enumerate(kinds) if kind == "d"]
    for row in rows:
        odd = [
            value for value, kind in zip(row, wanted, strict=True) if not isinstance(value, kind)
        ]
        odd = odd or [row[i] for i in times if not _is_zoned(row[i])]
        if odd:
            raise sqlite3.DatabaseError(
                f"malformed: {ascii(odd[0])[:60]} in a row of {ascii(row[0])[:60]}"
            )
    return rows


def _is_zoned(text: str) -> bool:
    time = parsed_time(text)
    return time is not None and time.tzinfo is not None


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction: all of it is written to disk at the end, or nothing.

    Creates folder, file and tables if needed. Raises InputError if the folder is not writable, the
    disk is full, the file is damaged, of another program or from a newer version, or another
    program locks it for more than 15 s.
    """
    with _explained(path):
        mode = journal_mode(path.resolve())
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path, "mode=rwc")
        try:
            _demand_no_shared_memory(connection, path)
            # Read from one moment: another process may be creating the tables.
            connection.execute("BEGIN")
            _known(connection, path)
            connection.execute("COMMIT")
            _set_journal(connection, mode)
            connection.execute("BEGIN IMMEDIATE")
            if not _known(connection, path):
                for statement in _statements(TABLES):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {LOG_SCHEMA}")
            yield connection
            connection.execute("COMMIT")
        finally:
            # Closing discards what was not committed.
            connection.close()


def check(path: Path) -> list[str]:
    """Problems of the file, one line each; empty when it is intact or does not exist."""
    try:
        with reading(path) as connection:
            if connection is None:
                return []
            lines = [row[0] for row in connection.execute("PRAGMA integrity_check(20)")]
            orphans = connection.execute(
                "SELECT count(*) FROM events WHERE action_id NOT IN (SELECT action_id FROM actions)"
            ).fetchone()[0]
    except InputError as error:
        return [str(error)]
    problems = [f"{path}: {line}" for line in lines if line != "ok"]
    return problems + ([f"{path}: {orphans} events belong to no action"] if orphans else [])


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(str(path.resolve()))}?{mode}"
    return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _demand_no_shared_memory(connection: sqlite3.Connection, path: Path) -> None:
    """Make a connection do without memory shared with others where the file is on a network: it may
    have a write-ahead log, from its time on a local disk. This must come before the first access.

    Only SQLite may open the file: to close another handle drops all locks of this process on it.
    """
    with suppress(InputError):  # a network without locks, on which it may only be read
        if journal_mode(path.resolve()) == "wal":
            return
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")


def _set_journal(connection: sqlite3.Connection, mode: str) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != mode:
        # SQLite does not wait for this lock.
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                connection.execute(f"PRAGMA journal_mode = {mode}")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
    # Two writers that kept their read locks would wait for each other.
    connection.execute("PRAGMA locking_mode = NORMAL")
    # FULL: a commit returns when the log is on disk. A rollback journal needs EXTRA for the same
    # guarantee: it ends with the removal of a file, and the folder must reach the disk too.
    connection.execute(f"PRAGMA synchronous = {'FULL' if mode == 'wal' else 'EXTRA'}")


def _known(connection: sqlite3.Connection, path: Path) -> bool:
    """True for a review log, False for an empty file; InputError for anything else."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == APPLICATION and version > LOG_SCHEMA:
        raise InputError(
            f"{path} has schema {version}, this program reads up to {LOG_SCHEMA}; update the program"
        )
    if application == APPLICATION:
        return True
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] or application:
        raise InputError(
            f"{path} is the database of another program, not a review log; move it elsewhere"
        )
    return False


def _statements(script: str) -> Iterator[str]:
    # executescript would commit first, but the tables belong to the first action's transaction.
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _is_full(path: Path) -> bool:
    """Whether there is no room for the memory that connections share, of which SQLite says less."""
    with suppress(OSError):
        return shutil.disk_usage(path.parent).free < _SHARED_BYTES
    return False


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the system into one line with the remedy."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        # SQLite quotes what it finds, and Python cannot read a message that is no text.
        odd = isinstance(error, UnicodeDecodeError)
        text = "malformed text" if odd else str(error)
        if "append-only" in text or isinstance(error, sqlite3.IntegrityError):
            raise
        if "locked" in text or "busy" in text:
            advice = f"is locked by another program ({text}); nothing was written, try again"
        elif "full" in text or ("I/O" in text and _is_full(path)):
            full = OSError(errno.ENOSPC, text)
            raise unwritable(full, path, "choose another folder (--cache or BNN_CACHE)") from error
        elif "readonly" in text or "unable to open" in text:
            advice = (
                f"cannot be opened or written ({text}); make folder and file writable or "
                "choose another folder (--cache or BNN_CACHE)"
            )
        elif "malformed" in text or "not a database" in text or "disk image" in text:
            advice = (
                f"is damaged ({text}); move it (with its -wal and -shm files) elsewhere and import "
                "your last exported list"
            )
        else:
            advice = f"cannot be used ({text})"
        raise InputError(f"the review log {path} {advice}") from error
    except OSError as error:
        raise InputError(
            f"cannot write the review log {path}: {error.strerror or error}; choose "
            "another folder (--cache or BNN_CACHE)"
        ) from error
