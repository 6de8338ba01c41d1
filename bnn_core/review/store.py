"""The SQLite file under the review log: opening it safely, wherever it lies.

One connection per call. Streamlit runs every page in a thread of its own and a connection belongs
to one thread; and a file that was moved away while the app runs must not go on taking reviews
unseen. Opening costs about a millisecond.
"""

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from bnn_core.base.errors import InputError

SCHEMA = 1
#: "bnnr" in the file's header: tells our log from any other SQLite file.
APPLICATION = 0x626E6E72
BUSY_SECONDS = 15.0

#: One action is one press of a button; its events are one row per image. Nothing is ever changed
#: or deleted, the triggers see to it: undo and redo are actions that point at another one.
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

#: Network file systems whose locks hold between machines: safe with a rollback journal. A
#: write-ahead log is not, anywhere on a network: it needs memory shared by all its users.
LOCKED_NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb",
    "smb2",
    "smb3",
    "smbfs",
    "lustre",
    "gpfs",
    "ceph",
    "beegfs",
    "afs",
    "9p",
    "virtiofs",
    "vboxsf",
    "drvfs",
    "fuse.ceph",
    "fuse.glusterfs",
}
#: Network file systems without such locks: two machines would destroy each other's reviews.
LOCKLESS_NETWORK = {
    "fuse.sshfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.gcsfuse",
    "fuse.goofys",
    "fuse.gvfsd-fuse",
    "fuse.curlftpfs",
    "davfs",
    "fuse.davfs",
    "fuse.blobfuse2",
}
_KINDS = {"t": str, "n": int, "T": str | None, "N": int | None, "d": str}
#: Mount options that keep locks to the one machine.
LOCAL_LOCKS = {"nolock", "local_lock=all", "local_lock=posix", "nobrl", "localflock"}


def journal_mode(path: Path, mounts: str | None = None) -> str:
    """'wal' on a local disk, 'delete' (a rollback journal) on a network one.

    `mounts` is the text of /proc/self/mounts, read when None; where there is none (macOS,
    Windows) only a UNC path is known to lie on a network. Raises InputError on a file system
    that cannot lock a file between machines.
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
    if kind in LOCKLESS_NETWORK or (
        kind in LOCKED_NETWORK and LOCAL_LOCKS & set(options.split(","))
    ):
        raise InputError(
            f"{path} lies on {point} ({kind}), which cannot keep two machines from writing at "
            "once, so reviews could be lost; keep the studies on a local disk (--cache or "
            "BNN_CACHE)"
        )
    return "delete" if kind in LOCKED_NETWORK else "wal"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that only reads, or None where there is no log yet.

    Raises InputError for a file that is damaged, foreign or made by a newer version.
    """
    if not path.is_file():
        yield None
        return
    with _explained(path):
        # In a folder we may not write, a cleanly closed log can be read only as a still picture.
        still = not os.access(path.parent, os.W_OK) and not _beside(path, "-wal").exists()
        mode = "mode=ro&immutable=1" if still else "mode=rw"
        connection = _connect(path, mode)
        try:
            connection.execute("BEGIN")  # all that is read inside is of one moment
            yield connection if _known(connection, path) else None
        finally:
            connection.close()


def typed(rows: list[tuple], kinds: str) -> list[tuple]:
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
        odd = odd or [row[i] for i in times if not _is_time(row[i])]
        if odd:
            raise sqlite3.DatabaseError(
                f"malformed: {ascii(odd[0])[:60]} in a row of {ascii(row[0])[:60]}"
            )
    return rows


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction: everything inside reaches the disk together on leaving, or nothing does.

    Creates folder, file and tables when there are none. Raises InputError where the folder cannot
    be written, the disk is full, the file is damaged, foreign or newer, or another program holds
    it for more than 15 s.
    """
    with _explained(path):
        mode = journal_mode(path.resolve())
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path, "mode=rwc")
        try:
            # Looked at as of one moment: another process may be making the tables right now.
            connection.execute("BEGIN")
            _known(connection, path)
            connection.execute("COMMIT")
            _set_journal(connection, mode)
            connection.execute("BEGIN IMMEDIATE")
            if not _known(connection, path):
                for statement in _statements(TABLES):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
            yield connection
            connection.execute("COMMIT")
        finally:
            # Closing takes back whatever was not committed.
            connection.close()


def check(path: Path) -> list[str]:
    """Problems of the file, one line each; empty when it is sound or does not exist."""
    try:
        with reading(path) as connection:
            if connection is None:
                return []
            found = [row[0] for row in connection.execute("PRAGMA integrity_check(20)")]
            lost = connection.execute(
                "SELECT count(*) FROM events WHERE action_id NOT IN (SELECT action_id FROM actions)"
            ).fetchone()[0]
    except InputError as error:
        return [str(error)]
    problems = [f"{path}: {line}" for line in found if line != "ok"]
    return problems + ([f"{path}: {lost} events belong to no action"] if lost else [])


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(str(path.resolve()))}?{mode}"
    return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _set_journal(connection: sqlite3.Connection, mode: str) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != mode:
        if mode == "delete":
            # Leaving the write-ahead log where memory cannot be shared needs the file to oneself.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        # SQLite does not wait by itself for this lock.
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                connection.execute(f"PRAGMA journal_mode = {mode}")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        connection.execute("PRAGMA locking_mode = NORMAL")
    # FULL: a commit returns when the log is on the disk. A rollback journal needs EXTRA for the
    # same promise (its end is the removal of a file, and the folder must reach the disk too).
    connection.execute(f"PRAGMA synchronous = {'FULL' if mode == 'wal' else 'EXTRA'}")


def _known(connection: sqlite3.Connection, path: Path) -> bool:
    """True for a log of ours, False for an empty file; InputError for anything else."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == APPLICATION and version > SCHEMA:
        raise InputError(
            f"{path} has schema {version}, this program reads up to {SCHEMA}: update the program"
        )
    if application == APPLICATION:
        return True
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] or application:
        raise InputError(
            f"{path} is the database of another program, not a review log; move it away"
        )
    return False


def _statements(script: str) -> Iterator[str]:
    # executescript would commit first; the tables belong to the first action's transaction.
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say into one line that tells what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "append-only" in text or isinstance(error, sqlite3.IntegrityError):
            raise
        if "locked" in text or "busy" in text:
            advice = f"is held by another program ({text}); nothing was written, try again"
        elif "full" in text:
            advice = f"cannot be written ({text}); free some space, then repeat the action"
        elif "readonly" in text or "unable to open" in text:
            advice = (
                f"cannot be opened or written ({text}); make folder and file writable, or "
                "choose another folder (--cache or BNN_CACHE)"
            )
        elif "malformed" in text or "not a database" in text or "disk image" in text:
            advice = (
                f"is damaged ({text}); move it (and its -wal and -shm) away and import your "
                "last exported list"
            )
        else:
            advice = f"cannot be used ({text})"
        raise InputError(f"the review log {path} {advice}") from error
    except OSError as error:
        raise InputError(
            f"cannot write the review log {path}: {error.strerror or error}; choose "
            "another folder (--cache or BNN_CACHE)"
        ) from error
