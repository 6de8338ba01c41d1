"""The file under the log: killed writers, rivals, damage, folders that cannot be written."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from bnn_core.base.errors import InputError
from bnn_core.review import store
from bnn_core.review.store import LOG_SCHEMA, journal_mode

EXCLUDE = {"reason": "corrupted", "decision": "exclude"}
ROOT = Path(__file__).parents[2]

#: Flags four images `count` times, naming each action once it is committed.
WRITER = """
import sys
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study
root, reviewer, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
study, log = open_study("S", root), ReviewLog(root)
print("ready", flush=True)
sys.stdin.readline()
for i in range(count):
    action = log.flag(study, range(4), reviewer=reviewer, reason="corrupted", decision="exclude",
                      note=str(i))
    print(action.action_id, flush=True)
"""

VISITOR = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM actions").fetchone()
connection.close()
"""


def writer(root, reviewer, count):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), reviewer, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_nothing_acknowledged_is_lost_when_writers_are_killed():
    # A few rounds of the benchmark, which does hundreds.
    found = subprocess.run(
        [sys.executable, str(ROOT / "tests/benchmarks/review_kill.py"), "--rounds", "10"],
        text=True,
        capture_output=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "10 rounds, 20 writers killed" in found.stdout and " 0 problems" in found.stdout


def test_two_processes_starting_on_an_empty_folder_lose_nothing(log, make_study):
    study = make_study()
    processes = [writer(log.path.parent, name, 25) for name in ("Ada", "Ben")]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    numbers = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(map(int, numbers[0] + numbers[1])) == list(range(1, 51))
    assert log.history(study)["reviewer"].value_counts().to_dict() == {"Ada": 25, "Ben": 25}


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_threads_of_one_app_share_a_log(log, make_study, monkeypatch, mode):
    monkeypatch.setattr(store, "journal_mode", lambda path: mode)
    study = make_study()
    study.images  # noqa: B018  read before, as the app does
    failed = []

    def work(name):
        try:
            for _ in range(5):
                log.flag(study, [0, 1], reviewer=name, **EXCLUDE)
                log.state(study)
                log.undo(study, name)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(f"reviewer {i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and len(log.history(study)) == 60 and log.state(study).empty


def test_a_reader_beside_a_writer_leaves_it_its_locks(log, make_study):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    rival = writer(log.path.parent, "Ben", 1)

    def read():
        with store.reading(log.path):
            pass

    with store.writing(log.path) as connection:
        connection.execute(
            "INSERT INTO actions (kind, study, fingerprint, reviewer, time) "
            "VALUES ('flag', 'S', '', 'Ada', '2026-01-01T00:00:00+00:00')"
        )
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        # A process that closes what it takes for the last connection removes the write-ahead log.
        subprocess.run([sys.executable, "-c", VISITOR, log.path], check=True)
        rival.stdin.write("\n")
        rival.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            rival.wait(1)
    assert rival.communicate()[0].split() == ["3"] and rival.returncode == 0
    with store.reading(log.path) as connection:
        reviewers = connection.execute("SELECT reviewer FROM actions ORDER BY action_id").fetchall()
    assert reviewers == [("Ada",), ("Ada",), ("Ben",)] and log.check() == []


def test_a_failure_in_the_middle_leaves_nothing(log, make_study):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    with pytest.raises(RuntimeError), store.writing(log.path) as connection:
        connection.execute(
            "INSERT INTO actions (kind, study, fingerprint, reviewer, time) "
            "VALUES ('flag', 'S', '', 'Ada', '')"
        )
        raise RuntimeError
    assert log.last_action() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events",
        "DELETE FROM actions",
        "UPDATE events SET decision = 'keep'",
        "UPDATE actions SET reviewer = 'Eve'",
    ],
)
def test_the_past_cannot_be_changed(log, make_study, statement):
    log.flag(make_study(), [0], reviewer="Ada", **EXCLUDE)
    with (
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
        store.writing(log.path) as connection,
    ):
        connection.execute(statement)


def test_every_commit_is_flushed(log, make_study):
    log.flag(make_study(), [0], reviewer="Ada", **EXCLUDE)
    with store.writing(log.path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL


def test_a_log_moved_to_a_network_goes_back_to_a_rollback_journal(log, make_study, monkeypatch):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    monkeypatch.setattr(store, "journal_mode", lambda path: "delete")
    log.flag(study, [1], reviewer="Ada", **EXCLUDE)
    with store.writing(log.path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 3  # EXTRA
    assert list(log.state(study).index) == [0, 1]
    assert not list(log.path.parent.glob("reviews.sqlite-*"))


def test_a_log_on_a_network_is_never_opened_with_shared_memory(log, make_study, monkeypatch):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    # Where SQLite would keep it.
    log.path.with_name(log.path.name + "-shm").symlink_to("nowhere")
    with pytest.raises(InputError, match="unable to open"):
        log.state(study)
    monkeypatch.setattr(store, "journal_mode", lambda path: "delete")
    assert list(log.state(study).index) == [0]
    log.flag(study, [1], reviewer="Ada", **EXCLUDE)
    assert list(log.state(study).index) == [0, 1]


MOUNTS = """overlay / overlay rw,relatime 0 0
server:/export /home nfs4 rw,vers=4.2 0 0
/dev/sda1 /home/local\\040disk ext4 rw 0 0
server:/old /old nfs rw,vers=3,nolock 0 0
//nas/lab /mnt/lab cifs rw,uid=1000 0 0
me@host:/data /mnt/far fuse.sshfs rw 0 0
new:/fs /mnt/new somefs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/var/cache/reviews.sqlite", "wal"),
        ("/home/ada/cache/reviews.sqlite", "delete"),
        ("/home/local disk/cache/reviews.sqlite", "wal"),
        ("/mnt/lab/reviews.sqlite", "delete"),
        ("/mnt/new/reviews.sqlite", "delete"),
        ("/homework/reviews.sqlite", "wal"),
    ],
)
def test_journal_by_file_system(path, mode):
    assert journal_mode(Path(path), MOUNTS) == mode


@pytest.mark.parametrize("path", ["/mnt/far/reviews.sqlite", "/old/cache/reviews.sqlite"])
def test_file_systems_without_shared_locks_are_refused(path):
    with pytest.raises(InputError, match=r"two machines .*--cache or BNN_CACHE"):
        journal_mode(Path(path), MOUNTS)


def test_a_newer_schema_is_refused(log, make_study):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    with sqlite3.connect(log.path) as connection:
        connection.execute(f"PRAGMA user_version = {LOG_SCHEMA + 1}")
    connection.close()
    for act in (log.state, lambda s: log.flag(s, [1], reviewer="Ada", **EXCLUDE)):
        with pytest.raises(InputError, match=f"has schema {LOG_SCHEMA + 1}, .* update the program"):
            act(study)


def test_another_programs_database_is_left_alone(log, make_study):
    study = make_study()
    with sqlite3.connect(log.path) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    connection.close()
    before = log.path.read_bytes()
    for act in (log.state, lambda s: log.flag(s, [1], reviewer="Ada", **EXCLUDE)):
        with pytest.raises(InputError, match="another program"):
            act(study)
    assert log.path.read_bytes() == before


@pytest.mark.parametrize("damage", ["text", "middle", "short", "name"])
def test_a_damaged_file_is_named(log, make_study, damage):
    study = make_study()
    for _ in range(30):
        log.flag(study, range(8), reviewer="Ada", note="n" * 200, **EXCLUDE)
    data = bytearray(log.path.read_bytes())
    if damage == "text":
        data = bytearray(b"image_id,decision\r\n" * 500)
    elif damage == "short":
        data = data[: len(data) // 2]
    elif damage == "name":  # which SQLite quotes in its message
        data = data.replace(b"tableactions", b"tableact\xffons", 1)
    else:
        data[5000 : len(data) - 5000] = b"\xff" * (len(data) - 10000)
    log.path.write_bytes(data)
    assert log.check()
    with pytest.raises(InputError, match=r"reviews\.sqlite is damaged .*import your last exported"):
        log.state(study)


def test_an_empty_file_is_a_new_log(log, make_study):
    study = make_study()
    log.path.touch()
    assert log.state(study).empty
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    assert len(log.state(study)) == 1


def test_a_log_locked_by_another_program_is_an_input_error(log, make_study, monkeypatch):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    with (
        store.writing(log.path),
        pytest.raises(InputError, match=r"another program .* nothing was written"),
    ):
        log.flag(study, [1], reviewer="Ada", **EXCLUDE)
    assert list(log.state(study).index) == [0]


def test_on_a_full_disk_nothing_is_written(log, make_study, monkeypatch):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    plain = store._connect

    def small(path, mode):
        connection = plain(path, mode)
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    monkeypatch.setattr(store, "_connect", small)
    with pytest.raises(InputError, match=r"No space left.*free some space"):
        log.flag(study, range(8), reviewer="Ada", note="n" * 4000, **EXCLUDE)
    monkeypatch.undo()
    assert list(log.state(study).index) == [0] and log.check() == []


@pytest.mark.parametrize(("free", "words"), [(0, "0 kB are free"), (1e9, "disk I/O error")])
def test_where_shared_memory_finds_no_room_the_disk_is_full(log, monkeypatch, free, words):
    def connect(path, mode):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(store, "_connect", connect)
    monkeypatch.setattr(
        store.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, free)
    )
    with pytest.raises(InputError, match=words), store.writing(log.path):
        pass


READER = """
import os, sys
from bnn_core.base.errors import InputError
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study
root = sys.argv[1]
study, log = open_study("S", root), ReviewLog(root)
study.row_of("P1/B02/1"), log.state(study)
os.chmod(root, 0o555)
os.chmod(log.path, 0o444)
if os.geteuid() == 0:  # root may write anywhere: go on as somebody else
    os.setgid(65534)
    os.setuid(65534)
print(len(log.state(study)))
try:
    log.flag(study, [1], reviewer="Ada", reason="other", decision="keep")
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="folders have no write bit")
def test_a_folder_that_cannot_be_written_is_read_and_named(log, make_study):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    with tempfile.TemporaryDirectory() as folder:  # tmp_path is closed to others
        shutil.copytree(log.path.parent, folder, dirs_exist_ok=True)
        try:
            found = subprocess.run(
                [sys.executable, "-c", READER, folder],
                text=True,
                cwd=ROOT,
                capture_output=True,
                check=True,
            )
        finally:
            os.chmod(folder, 0o755)
    count, message = found.stdout.splitlines()
    assert count == "1" and "make folder and file writable" in message
