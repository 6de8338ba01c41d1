"""Commands of `bnn` that run in the background, one at a time for each cache folder.

A job is the folder <cache>/.jobs/<number>/ with

  job.json    its words, the study that it makes, and when it was added
  log.txt     what its command printed, once it has started
  ended.json  how it ended
  given/      files that were uploaded for it, until it is done or removed

One runner process per cache folder runs the jobs in order. It needs neither the app nor a page: it
goes on when both are closed. A job whose runner died, for example when the machine was switched
off, is interrupted; `resume` runs its command again, which continues where it stopped. `again`
does so for a job that failed or was cancelled.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypedDict

from filelock import FileLock, Timeout

import bnn_core
from bnn_core.base.errors import InputError
from bnn_core.base.files import (
    TakenError,
    alone,
    copy_folder,
    read_json,
    unwritable,
    write_bytes,
    write_json,
)
from bnn_core.base.roots import CACHE, JOBS_FOLDER, demand_training
from bnn_core.base.schema import Rule, problem_of

JOBS_LOCK, LOG, GIVEN = ".lock", "log.txt", "given"
JOB, ENDED, CANCEL = "job.json", "ended.json", "cancel"
WAITING, RUNNING, INTERRUPTED = "waiting", "running", "interrupted"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"
#: States of a job that has ended.
FINAL = (DONE, FAILED, CANCELLED)
#: The runner looks so often for a request to cancel, and a new job waits so long for its runner.
_POLL_SECONDS, _RUNNER_SECONDS = 0.2, 20.0
#: A cancelled command that has not ended after this time is killed. Studies survive that.
_KILL_SECONDS = 15.0
_TAIL_BYTES = 8192
_ELSEWHERE = "choose another folder of studies (--cache)"
#: A line of tqdm: what is done, percent, then numbers.
_BAR = re.compile(r"(.*?):? *(\d+)%\|.*?\| *(.*)")
_NUMBERS = re.compile(r"(\S+)/(\S+) \[[^<]*<([\d:]+|\?)")
#: Between two lines; a bar within a bar moves the cursor up again.
_LINE_ENDS = re.compile(r"(?:[\r\n]|\x1b\[A)+")
#: Runners started by this process; kept so that their exit status is collected.
_runners: list[subprocess.Popen] = []


class JobFile(TypedDict):
    """job.json: the words of the command without "bnn", the study that it makes, an ISO time."""

    words: list[str]
    study: str
    added: str


class EndedFile(TypedDict):
    """ended.json: one of FINAL."""

    state: Annotated[str, Rule("an end of a job", FINAL.__contains__)]


@dataclass(frozen=True)
class Job:
    """One job. words: of the command, without "bnn"; study: name of the study it makes; state: one
    of those above; problem: its last line where it failed."""

    folder: Path
    words: tuple[str, ...]
    study: str
    state: str
    problem: str = ""

    def progress(self) -> tuple[float | None, str]:
        """(share done from 0 to 1 or None, text with the time left) of its current step."""
        return progress_of(last_line(self.folder / LOG))


def submit(root: Path, words: Sequence[str], study: str, given: Sequence[Path] = ()) -> Path:
    """Add a job to the cache folder `root` and start the runner; returns the job's folder.

    words: of the command, without "bnn"; paths in them are absolute. study: name of the study that
    it makes. given: uploaded files or folders that the words name (or files in them); copies are kept
    with the job until it is done or removed. Raises InputError where training is not allowed, the
    folder cannot be written, or another job that has not ended makes the same study.
    """
    demand_training()
    jobs = Path(root) / JOBS_FOLDER
    added = datetime.now().astimezone().isoformat(timespec="seconds")
    job: JobFile = {"words": list(words), "study": study, "added": added}
    if problem := problem_of(job, JobFile):  # else nobody could read the job
        raise InputError(f"this command cannot be queued ({problem})")
    if any(job.study == study and job.state not in FINAL for job in list_jobs(root)):
        raise InputError(f"a job that makes the study {study} is already in the queue")
    try:
        folder = _new_folder(jobs)
    except OSError as error:
        raise unwritable(error, jobs, _ELSEWHERE) from error
    try:
        for path in given:
            job["words"] = [_kept(word, path, folder / GIVEN) for word in job["words"]]
            if path.is_dir():
                copy_folder(path, folder / GIVEN / path.name, _ELSEWHERE)
            else:
                write_bytes(folder / GIVEN / path.name, path.read_bytes())
        write_json(folder / JOB, job)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)  # nobody would delete what was copied
        if isinstance(error, OSError):
            raise unwritable(error, jobs, _ELSEWHERE) from error
        raise
    resume(root)
    return folder


def _new_folder(jobs: Path) -> Path:
    """The folder of a new job, numbered after the last one."""
    jobs.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name) for path in _folders(jobs.parent)), default=0)
    while True:
        number += 1
        with suppress(FileExistsError):
            (folder := jobs / f"{number:06d}").mkdir()
            return folder


def _kept(word: str, given: Path, folder: Path) -> str:
    """A word of a command; where it is `given` or a path in it, the path of the copy in `folder`.

    A path may have a name before it: "may=/folder/table.csv".
    """
    start = word.find(f"={given}") + 1
    path = Path(word[start:])
    inside = path.is_absolute() and path.is_relative_to(given)
    return (
        word[:start] + str((folder / path.relative_to(given.parent)).resolve()) if inside else word
    )


def resume(root: Path) -> None:
    """Start a runner for the jobs of a cache folder; it ends at once where one is running."""
    demand_training()
    _runners[:] = [runner for runner in _runners if runner.poll() is None]
    _runners.append(
        subprocess.Popen(
            [sys.executable, "-m", "bnn_core.recipes.jobs", str(Path(root).resolve())],
            cwd=Path(bnn_core.__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    )


def again(root: Path, folder: Path) -> None:
    """Put a job that failed or was cancelled back into the queue: its command continues."""
    demand_training()
    with suppress(OSError):  # another user has just removed it
        for name in (LOG, CANCEL, ENDED):  # its end last: until then no runner takes it
            (folder / name).unlink(missing_ok=True)
    resume(root)


def list_jobs(root: Path) -> list[Job]:
    """The jobs of a cache folder, the oldest first; unreadable ones are left out."""
    jobs, runs, first = [], _runner_lives(root), True
    for folder, job, state in _readable(root):
        problem = ""
        if state == FAILED:
            share, text = progress_of(last_line(folder / LOG))
            killed = share is not None  # a command that refuses ends with its reason
            problem = f"it was killed at {text}" if killed else text.removeprefix("bnn: ")
        elif not state:
            state = _open_state(folder, first, runs)
            first = first and state != RUNNING
        jobs.append(Job(folder, tuple(job["words"]), job["study"], state, problem))
    return jobs


def _open_state(folder: Path, first: bool, runs: bool) -> str:
    """State of a job that has not ended. first: no older one runs. runs: whether a runner lives."""
    started = (folder / LOG).is_file()
    if runs:
        return RUNNING if first and started else WAITING
    age = time.time() - (folder / JOB).stat().st_mtime
    return INTERRUPTED if started or age > _RUNNER_SECONDS else WAITING


def cancel(root: Path, folder: Path) -> None:
    """Cancel a job, or end it if it runs. What it made is kept: its command continues from there."""
    with suppress(InputError, OSError):  # another user has just removed it
        (folder / CANCEL).touch()
        if not (folder / LOG).is_file():
            # It waits. A runner that starts it in this moment sees the request.
            _end(folder, CANCELLED)
            return
        with alone(Path(root) / JOBS_FOLDER / JOBS_LOCK, ""):
            _end(folder, CANCELLED)


def remove(folder: Path) -> None:
    """Remove a job that has ended from the list."""
    if (folder / ENDED).is_file():
        shutil.rmtree(folder, ignore_errors=True)


def last_line(log: Path) -> str:
    """The last line that a command printed, progress bars included; "" where there is none."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = _LINE_ENDS.split(file.read().decode(errors="replace"))
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def progress_of(line: str) -> tuple[float | None, str]:
    """(share done or None, text) of a line: "train 3: 40%|...| 4/10 [00:08<00:12, 2s/it]" gives
    (0.4, "train 3: 4 of 10, 00:12 left")."""
    bar = _BAR.fullmatch(line)
    if not bar:
        return None, line
    numbers = _NUMBERS.match(bar[3])
    text = f"{numbers[1]} of {numbers[2]}, {numbers[3]} left" if numbers else bar[3]
    text = text.removesuffix(", ? left")  # nothing is done yet
    return min(int(bar[2]), 100) / 100, f"{bar[1]}: {text}"


def run_jobs(root: Path) -> None:
    """Run the jobs of a cache folder until none is left; returns at once where another process
    does so. The runner's process calls it."""
    while _waiting(root):  # once more after the lock: a job may have come just before its release
        try:
            with alone(Path(root) / JOBS_FOLDER / JOBS_LOCK, ""):
                while jobs := _waiting(root):
                    _run(root, jobs[0])
        except TakenError:
            return


def _run(root: Path, folder: Path) -> None:
    if (folder / CANCEL).exists():
        _end(folder, CANCELLED)
        return
    words = read_json(folder / JOB, JobFile)["words"]
    try:
        log = open(folder / LOG, "ab")  # noqa: SIM115
    except OSError:  # this job cannot run; the others can
        _end(folder, FAILED)
        return
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bnn_core", *words],
            cwd=Path(bnn_core.__file__).parents[1],
            env=os.environ | {CACHE: str(root)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        asked = None
        while process.poll() is None:
            time.sleep(_POLL_SECONDS)
            if asked is None and (folder / CANCEL).exists():
                asked = time.monotonic()
                _stop(process, signal.SIGTERM)
            elif asked and time.monotonic() - asked > _KILL_SECONDS:
                _stop(process, signal.SIGKILL)
    state = CANCELLED if asked and process.returncode else FAILED if process.returncode else DONE
    _end(folder, state)


def _stop(process: subprocess.Popen, how: int) -> None:
    """Stop a command together with the folds that it runs in processes of their own."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
    else:
        process.kill()


def _end(folder: Path, state: str) -> None:
    if not (folder / ENDED).is_file():
        write_json(folder / ENDED, {"state": state})
    if state == DONE:
        shutil.rmtree(folder / GIVEN, ignore_errors=True)


def _readable(root: Path) -> Iterator[tuple[Path, JobFile, str]]:
    """(folder, job.json, one of FINAL or "") of the jobs, the oldest first, without damaged ones."""
    for folder in _folders(root):
        with suppress(InputError):
            job, ended = read_json(folder / JOB, JobFile), folder / ENDED
            yield folder, job, read_json(ended, EndedFile)["state"] if ended.is_file() else ""


def _folders(root: Path) -> list[Path]:
    jobs = Path(root) / JOBS_FOLDER
    return sorted(path for path in jobs.glob("[0-9]*") if path.name.isdecimal())


def _waiting(root: Path) -> list[Path]:
    """The jobs that have not ended, the oldest first."""
    return [folder for folder, _, ended in _readable(root) if not ended]


def _runner_lives(root: Path) -> bool:
    lock = Path(root) / JOBS_FOLDER / JOBS_LOCK
    if not lock.is_file():
        return False
    try:
        with FileLock(lock.absolute(), timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


if __name__ == "__main__":
    run_jobs(Path(sys.argv[1]))
