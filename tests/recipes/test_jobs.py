"""Jobs in the background, with real processes."""

import os
import shutil
import threading
import time

import numpy as np
import pandas as pd
import pytest

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.recipes import jobs
from bnn_core.study.folder import open_study


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def states(root):
    return [job.state for job in jobs.list_jobs(root)]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "predictions.csv"
    p = np.linspace(0.05, 0.95, 20)
    label = np.where(p > 0.5, "up", "down")
    pd.DataFrame({"label": label, "p_up": p, "p_down": 1 - p}).to_csv(path, index=False)
    return path


def test_jobs_run_one_after_the_other_and_say_how_they_ended(tmp_path, table):
    root = tmp_path / "cache"
    assert jobs.list_jobs(root) == []
    given = tmp_path / "upload"
    given.mkdir()
    uploaded = table.rename(given / table.name)
    folder = jobs.submit(
        root, ["import", str(uploaded), "--out", str(root / "mine")], "mine", [given]
    )
    shutil.rmtree(given)  # the job has a copy
    assert (folder / jobs.GIVEN / "upload" / table.name).is_file()
    jobs.submit(root, ["import", str(tmp_path / "none.csv"), "--out", str(root / "no")], "no")
    until(lambda: states(root) == [jobs.DONE, jobs.FAILED])
    assert len(open_study(root / "mine").images) == 20
    assert not (folder / jobs.GIVEN).exists()
    done, failed = jobs.list_jobs(root)
    assert "none.csv" in failed.problem and "\n" not in failed.problem
    assert not (root / "no").exists()
    jobs.remove(done.folder)
    assert [job.study for job in jobs.list_jobs(root)] == ["no"]
    # The runners leave when nothing waits.
    until(lambda: all(runner.poll() is not None for runner in jobs._runners))


@pytest.fixture
def slow(monkeypatch):
    """The command of every job sleeps and prints a progress bar; its seconds are its words."""
    program = (
        "import sys, time\n"
        "print('train vi:  40%|####      | 4/10 [00:08<00:12, 2.0s/it]', flush=True)\n"
        "time.sleep(float(sys.argv[1]))\n"
    )
    real = jobs.subprocess.Popen

    def popen(command, **options):
        return real([command[0], "-c", program, *command[3:]], **options)

    monkeypatch.setattr(jobs.subprocess, "Popen", popen)


def write_job(root, number, seconds):
    folder = root / jobs.JOBS_FOLDER / f"{number:06d}"
    folder.mkdir(parents=True)
    job = {"words": [str(seconds)], "study": f"s{number}", "added": "2026-01-01"}
    jobs.write_json(folder / jobs.JOB, job)
    return folder


def test_progress_waiting_and_cancel(tmp_path, slow):
    root = tmp_path.resolve()
    first, second = write_job(root, 1, 60), write_job(root, 2, 60)
    assert states(root) == [jobs.WAITING, jobs.WAITING]
    runner = threading.Thread(target=jobs.run_jobs, args=(root,))
    runner.start()
    until(lambda: jobs.last_line(first / jobs.LOG))
    assert states(root) == [jobs.RUNNING, jobs.WAITING]
    assert jobs.list_jobs(root)[0].progress() == (0.4, "train vi: 4 of 10, 00:12 left")
    jobs.run_jobs(root)  # another runner leaves the queue to the first
    jobs.cancel(root, second)
    assert states(root) == [jobs.RUNNING, jobs.CANCELLED]  # at once, although another one runs
    jobs.cancel(root, first)
    runner.join(60)
    assert states(root) == [jobs.CANCELLED, jobs.CANCELLED]
    assert not (second / jobs.LOG).exists()


def test_a_job_with_a_dead_runner_is_interrupted_and_continues(tmp_path, slow):
    root = tmp_path.resolve()
    folder = write_job(root, 1, 0)
    (folder / jobs.LOG).write_text("reading\n")  # started, not ended, and no runner lives
    assert states(root) == [jobs.INTERRUPTED]
    jobs.run_jobs(root)
    assert states(root) == [jobs.DONE]
    assert (folder / jobs.LOG).read_text().startswith("reading\ntrain vi")
    lost = write_job(root, 2, 0)  # added long ago, and its runner never came
    os.utime(lost / jobs.JOB, (0, 0))
    assert states(root) == [jobs.DONE, jobs.INTERRUPTED]
    jobs.cancel(root, lost)
    assert states(root) == [jobs.DONE, jobs.CANCELLED]


def test_a_failed_job_keeps_its_upload_and_goes_on_behind_the_running_one(tmp_path, slow):
    root = tmp_path.resolve()
    failed, running = write_job(root, 1, "no number"), write_job(root, 2, 60)
    (failed / jobs.GIVEN).mkdir()
    runner = threading.Thread(target=jobs.run_jobs, args=(root,))
    runner.start()
    until(lambda: states(root) == [jobs.FAILED, jobs.RUNNING])
    assert (failed / jobs.GIVEN).is_dir()
    words = {"words": ["0"], "study": "s1", "added": "2026-01-01"}
    jobs.write_json(failed / jobs.JOB, words)
    jobs.again(root, failed)
    assert states(root) == [jobs.WAITING, jobs.RUNNING]
    jobs.cancel(root, running)
    runner.join(60)
    until(lambda: states(root) == [jobs.DONE, jobs.CANCELLED])
    assert not (failed / jobs.GIVEN).exists()


def test_a_named_path_is_that_of_the_copy_too(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "resume", lambda root: None)
    given = tmp_path / "upload"
    given.mkdir()
    (given / "t.csv").write_text("a\n")
    folder = jobs.submit(tmp_path, ["predict", "x", f"may={given}/t.csv"], "x", [given])
    words = jobs.list_jobs(tmp_path)[0].words
    assert words[-1] == f"may={folder.resolve()}/given/upload/t.csv"


def test_a_study_is_queued_once_and_only_where_training_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "resume", lambda root: None)
    jobs.submit(tmp_path, ["study", "demo"], "demo")
    with pytest.raises(InputError, match="demo is already in the queue"):
        jobs.submit(tmp_path, ["study", "demo"], "demo")
    monkeypatch.setenv(roots.DATA_ROOTS, str(tmp_path))
    with pytest.raises(InputError, match="--allow-training"):
        jobs.submit(tmp_path, ["study", "demo"], "other")
    monkeypatch.setenv(roots.TRAINING, "1")
    jobs.submit(tmp_path, ["study", "demo"], "other")
    monkeypatch.setenv(roots.READ_ONLY, "1")
    with pytest.raises(InputError, match="--read-only"):
        jobs.submit(tmp_path, ["study", "demo"], "third")
    assert [job.study for job in jobs.list_jobs(tmp_path)] == ["demo", "other"]


def test_a_damaged_job_neither_hides_nor_stops_the_others(tmp_path, slow):
    damaged = write_job(tmp_path, 1, 0)
    last = write_job(tmp_path, 2, 0)
    for text in ("", "{}", '{"words": 3, "study": "x", "added": ""}', "[1"):
        (damaged / jobs.JOB).write_text(text)
        assert [job.study for job in jobs.list_jobs(tmp_path)] == ["s2"]
    jobs.run_jobs(tmp_path)
    assert states(tmp_path) == [jobs.DONE]
    (damaged / jobs.JOB).write_text('{"words": ["0"], "study": "s1", "added": ""}')
    for text in ("{", '{"state": ""}', '{"state": "odd"}'):
        (damaged / jobs.ENDED).write_text(text)
        assert [job.study for job in jobs.list_jobs(tmp_path)] == ["s2"]
    # Another user has removed it.
    jobs.remove(last)
    jobs.cancel(tmp_path, last)
    assert states(tmp_path) == [] and not last.exists()


def test_a_job_that_cannot_be_kept_or_begun_stops_no_other(tmp_path, slow, monkeypatch):
    monkeypatch.setattr(jobs, "resume", lambda root: None)
    for words, study in ((["a\0b"], "s"), (["\ud800"], "s"), (["a"], "\ud800")):
        with pytest.raises(InputError, match="cannot be queued"):
            jobs.submit(tmp_path, words, study)
    assert not (tmp_path / jobs.JOBS_FOLDER).exists()
    first = write_job(tmp_path, 1, 0)
    (first / jobs.LOG).mkdir()
    write_job(tmp_path, 2, 0)
    jobs.run_jobs(tmp_path)
    assert states(tmp_path) == [jobs.FAILED, jobs.DONE]


def test_the_progress_of_a_bar_within_a_bar(tmp_path):
    log = tmp_path / jobs.LOG
    log.write_text(
        "predict: 3/32\n\rread B2:  50%|#  | 6/12 [00:01<00:01, 9image/s]\x1b[A\n\r   \x1b[A\r"
    )
    assert jobs.progress_of(jobs.last_line(log)) == (0.5, "read B2: 6 of 12, 00:01 left")


def test_a_killed_job_says_how_far_it_was(tmp_path):
    folder = tmp_path / jobs.JOBS_FOLDER / "000001"
    folder.mkdir(parents=True)
    jobs.write_json(folder / jobs.JOB, {"words": ["predict"], "study": "mine", "added": ""})
    jobs.write_json(folder / jobs.ENDED, {"state": jobs.FAILED})
    (folder / jobs.LOG).write_text("predict:  51%|█████     | 113/220 [05:57<04:41,  2.63s/image]")
    assert jobs.list_jobs(tmp_path)[0].problem == "it was killed at predict: 113 of 220, 04:41 left"
    assert jobs.progress_of("a:   0%|    | 0/108 [00:00<?, ?image/s]") == (0, "a: 0 of 108")
