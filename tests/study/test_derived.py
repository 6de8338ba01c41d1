import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from small_studies import parts
from study_writing import write_study

from bnn_core.measures.comparison import compare
from bnn_core.measures.prediction_sets import table_sets
from bnn_core.recipes import kept as recipes_kept
from bnn_core.recipes.imports import import_predictions
from bnn_core.recipes.kept import class_sets, comparison
from bnn_core.study import derived
from bnn_core.study.checking import check_study
from bnn_core.study.folder import open_study


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr(derived, "LARGE", 10)
    return write_study(tmp_path / "small", **parts())


def kept(study):
    return sorted(path.name for path in (study / "derived").glob("*.arrow"))


def test_a_kept_table_equals_the_one_that_was_read(study, monkeypatch):
    with monkeypatch.context() as small:
        small.setattr(derived, "LARGE", 10**9)
        slow = open_study(study).table("vi")
        assert kept(study) == []
    first, second = (open_study(study).table("vi") for _ in range(2))
    assert kept(study) == ["images.arrow", "summary_vi.arrow"]
    assert_frame_equal(first, slow)
    assert_frame_equal(second, slow)


@pytest.mark.parametrize(
    "column",
    [
        np.array([0.5, np.nan, -np.inf]),
        np.array([1, 2, 3]),
        pd.array([True, pd.NA, False], dtype="boolean"),
        pd.Series(["a", None, "ü"], dtype="str"),
        pd.Categorical.from_codes([1, -1, 0], ["a", "b"]),
    ],
)
def test_every_kind_of_column_is_kept_as_it_is(study, column):
    table = pd.DataFrame({"x": column})
    opened, calls = open_study(study), []
    for _ in range(2):
        found = opened.kept("more", "vi", lambda: calls.append(1) or table)
        assert_frame_equal(found, table)
    assert len(calls) == 1


def test_a_study_that_is_made_again_loses_what_was_kept(tmp_path, study):
    old = open_study(study)
    old.kept("mean", "vi", lambda: pd.DataFrame({"x": [1.0]}))
    stale = (study / "derived" / "mean_vi.arrow").read_bytes()
    write_study(study, force=True, **parts(seed=1))
    assert kept(study) == []
    (study / "derived").mkdir()
    (study / "derived" / "mean_vi.arrow").write_bytes(stale)
    new = open_study(study).kept("mean", "vi", lambda: pd.DataFrame({"x": [2.0]}))
    assert new["x"].tolist() == [2.0]


def test_a_study_deleted_while_a_table_is_made_does_not_come_back(study):
    opened, table = open_study(study), pd.DataFrame({"x": [1.0]})

    def make():
        shutil.rmtree(study, ignore_errors=True)
        return table

    for _ in range(2):  # before the table is made, too
        assert_frame_equal(opened.kept("more", "vi", make), table)
        assert not study.exists()


def test_a_damaged_file_is_made_again(study):
    """A flipped bit anywhere, a cut file, another file: never read, and written again."""
    table = pd.DataFrame({"x": [1.0, 2.0], "name": pd.Series(["a", None], dtype="str")})
    opened = open_study(study)
    opened.kept("more", "vi", lambda: table)
    file = study / "derived" / "more_vi.arrow"
    good = file.read_bytes()
    damaged = [
        good[:at] + bytes([good[at] ^ (1 << at % 8)]) + good[at + 1 :]
        for at in range(0, len(good), 101)
    ]
    for bad in (*damaged, good[:500], good[:-1], good[:3], b"", b"no arrow", good + b"\0"):
        file.write_bytes(bad)
        assert_frame_equal(opened.kept("more", "vi", lambda: table), table)
        assert file.read_bytes() == good


def test_a_server_that_only_shows_studies_keeps_nothing(study, monkeypatch):
    table = pd.DataFrame({"x": [1.0]})
    monkeypatch.setenv("BNN_READ_ONLY", "1")
    monkeypatch.delenv("BNN_DERIVED", raising=False)
    assert_frame_equal(open_study(study).kept("more", "vi", lambda: table), table)
    assert open_study(study).table("vi").shape[0] > 0
    assert not (study / "derived").exists()


class Filling:
    """A process that does nothing, in the place of one that fills `derived/`."""

    def __init__(self, commands):
        self.commands = commands

    def __call__(self, command, **options):
        self.commands.append(command)
        return self

    def wait(self):
        return 0


def test_what_may_not_be_written_in_a_study_is_kept_in_a_spare_folder(study, tmp_path, monkeypatch):
    calls, table = [], pd.DataFrame({"x": [1.0]})
    other = open_study(write_study(tmp_path / "other", **parts()))
    monkeypatch.setenv("BNN_READ_ONLY", "1")
    monkeypatch.setenv("BNN_DERIVED", str(tmp_path / "spare"))
    for name in ("vi", "standard", "vi"):
        opened = open_study(study)
        assert_frame_equal(opened.kept("more", name, lambda: calls.append(1) or table), table)
    other.kept("more", "vi", lambda: calls.append(1) or table)
    # The process that makes a table for a server writes the address out.
    open_study(other.path / ".." / "other").kept("more", "vi", lambda: calls.append(1) or table)
    assert len(calls) == 3 and kept(study) == []


def test_an_imported_study_has_what_its_pages_need(tmp_path, monkeypatch):
    monkeypatch.setattr(derived, "LARGE", 10)
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1], 24)
    table = pd.DataFrame({"p_a": p[:, 0], "p_b": p[:, 1], "label": ["a", "b"] * 12})
    table["compound"] = [f"c{i // 2}{'ab'[i % 2]}" for i in range(24)]
    commands = []
    monkeypatch.setattr(recipes_kept.subprocess, "Popen", Filling(commands))
    study = import_predictions(table, tmp_path / "s")
    assert commands[0][-3:] == ["bnn_core.recipes.kept", str(study.path), "all"]
    assert kept(study.path) == []  # the import does not wait
    monkeypatch.setattr(os, "nice", lambda level: None)
    recipes_kept.keep_one(*commands[0][-2:])
    files = kept(study.path)
    assert {"suspect_compounds_vi.arrow", "accuracies_vi.arrow", "sets_0.9_vi.arrow"} <= set(files)
    quick, slow = (class_sets(study, "vi", 0.9), table_sets(study.table("vi"), study.classes, 0.9))
    for part in vars(slow):
        np.testing.assert_array_equal(getattr(quick, part), getattr(slow, part))


def test_a_kept_comparison_is_the_one_that_is_computed(study):
    opened = open_study(study)
    tables = {method: opened.table(method) for method in opened.methods}
    slow = compare(tables, opened.classes, "signed_confidence")
    for quick in (comparison(opened, "signed_confidence") for _ in range(2)):
        assert vars(quick).keys() == vars(slow).keys()
        for part in ("values", "draws"):
            for criterion, figures in getattr(slow, part).items():
                np.testing.assert_array_equal(getattr(quick, part)[criterion], figures)
        rest = ("methods", "n", "groups", "others", "accuracy")
        assert all(getattr(quick, part) == getattr(slow, part) for part in rest)
    assert "comparison_signed_confidence.arrow" in kept(study)


def test_a_folder_that_cannot_be_written_is_no_error(study):
    (study / "derived").write_text("a file where the folder should be")
    table = pd.DataFrame({"x": [1.0]})
    assert_frame_equal(open_study(study).kept("more", "vi", lambda: table), table)


def test_the_check_looks_at_the_original_tables(study):
    open_study(study).table("vi")
    assert check_study(study) == [] and kept(study) != []  # made again from them
    with open(study / "summary" / "vi.parquet", "r+b") as file:
        file.seek(200)
        file.write(b"\xff")
    assert check_study(study) != []


def test_nothing_is_written_through_a_link_out_of_the_folders(study, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (study / "derived").symlink_to(tmp_path / "out")
    monkeypatch.setenv("BNN_DATA_ROOTS", str(study))
    assert len(open_study(study).images) and not any((tmp_path / "out").iterdir())


def test_another_process_makes_what_a_server_needs(tmp_path, monkeypatch):
    rows = parts(n=derived.LARGE)
    study = open_study(write_study(tmp_path / "large", **rows))
    asked = []

    def make(path, words):
        asked.append(words[0])
        run_module(path, words)

    monkeypatch.setattr(derived, "elsewhere", None)  # as it was, at the end
    monkeypatch.setenv("BNN_DERIVED", str(tmp_path / "spare"))
    recipes_kept.make_elsewhere()
    run_module = derived.elsewhere
    monkeypatch.setattr(derived, "elsewhere", make)
    first = recipes_kept.accuracies(study, "vi")
    assert asked[0] == "accuracies" and kept(study.path)[0] == "accuracies_vi.arrow"
    again = recipes_kept.accuracies(open_study(study.path), "vi")
    assert_frame_equal(first, again)
    monkeypatch.setattr(derived, "elsewhere", None)
    derived.forget(study.path)
    assert_frame_equal(recipes_kept.accuracies(open_study(study.path), "vi"), first)
    derived.forget(study.path)
    monkeypatch.setattr(derived, "elsewhere", make)
    monkeypatch.setenv("BNN_READ_ONLY", "1")
    monkeypatch.setenv("BNN_DATA_ROOTS", str(tmp_path / "data"))
    monkeypatch.setenv("BNN_CACHE", str(tmp_path))
    with monkeypatch.context() as only_elsewhere:
        only_elsewhere.setattr(recipes_kept, "accuracy_by_level", None)
        assert_frame_equal(recipes_kept.accuracies(open_study(study.path), "vi"), first)
    assert kept(study.path) == [] and any((tmp_path / "spare").glob("*/accuracies_vi.arrow"))


def test_what_no_process_could_make_is_made_here(study, monkeypatch):
    monkeypatch.setattr(derived, "elsewhere", lambda path, words: None)
    assert recipes_kept.comparison(open_study(study), "top_softmax").methods == ["vi"]
    assert "comparison_top_softmax.arrow" in kept(study)


def test_no_process_is_asked_where_the_folder_cannot_be_written(study, monkeypatch):
    asked = []
    monkeypatch.setattr(derived, "elsewhere", lambda path, words: asked.append(words))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert recipes_kept.comparison(open_study(study), "top_softmax").methods == ["vi"]
    assert asked == [] and kept(study) == []


@pytest.mark.parametrize(
    ("program", "seconds", "reason"),
    [(sys.executable, 600, "KeyError: 'nothing'"), (sys.executable, 0.01, "timed out"), ("no", 1, "no")],
)  # fmt: skip
def test_the_log_says_why_a_process_made_nothing(
    study, monkeypatch, caplog, program, seconds, reason
):
    monkeypatch.setattr(recipes_kept, "MOST_SECONDS", seconds)
    monkeypatch.setattr(sys, "executable", program)
    recipes_kept._in_a_process(study, ("nothing",))
    ((_, level, line),) = caplog.record_tuples
    assert level == logging.WARNING and reason in line and "\n" not in line


MAKER = """
import sys, time
from bnn_core.recipes import kept

def make(study):
    print("begun", flush=True)
    time.sleep({"wells": 60, "all": 3}[sys.argv[2]])  # wells: it is ended long before
    print("made", flush=True)

kept._TABLES[sys.argv[2]] = make
kept.keep_one(*sys.argv[1:])
"""
SERVER = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"


@pytest.mark.parametrize(("name", "output"), [("wells", b"begun\n"), ("all", b"begun\nmade\n")])
def test_a_process_that_makes_one_table_ends_with_its_server(study, name, output):
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, MAKER, str(study), name],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    begun = server.stdout.readline()
    server.kill()
    assert begun + server.communicate()[0] == output


class SlowPath(type(Path())):
    """A path that other threads run while it is looked up."""

    def __hash__(self):
        time.sleep(0.05)
        return super().__hash__()


class Forgetful(dict):
    """As the locks of two processes, which do not know of one another."""

    def setdefault(self, path, lock):
        return lock


@pytest.mark.parametrize("locks", [dict, Forgetful])
def test_two_sessions_or_processes_make_a_table_once(study, monkeypatch, locks):
    monkeypatch.setattr(derived, "_making", locks())
    opened, made, start = open_study(study), [], threading.Barrier(2)

    def make():
        made.append(1)
        time.sleep(0.5)
        return pd.DataFrame({"x": [1.0]})

    def visit():
        start.wait(20)
        derived.kept(SlowPath(study), opened.meta, "once", ["images.parquet"], make)

    threads = [threading.Thread(target=visit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1] and not any((study / "derived").glob("*.lock"))
