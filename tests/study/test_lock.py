"""One maker at a time for each study, and a study whole whatever dies in the middle of the swap."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from page_studies import ROOT, write_animals
from study_writing import write_study

from bnn_core.base.errors import InputError
from bnn_core.base.files import TakenError, alone
from bnn_core.commands import cli
from bnn_core.recipes.adding import add_images
from bnn_core.recipes.digits import make_digit_study
from bnn_core.recipes.division import Division, RunOptions
from bnn_core.recipes.imports import import_predictions
from bnn_core.recipes.method_choice import MethodChoice
from bnn_core.recipes.plate import assemble_study
from bnn_core.recipes.plate_study import make_plate_study
from bnn_core.study import working_folder
from bnn_core.study.catalogue import list_studies
from bnn_core.study.checking import check_study
from bnn_core.study.folder import open_study
from bnn_core.study.lock import study_lock, swap_in
from bnn_core.study.working_folder import open_making
from bnn_core.suspects.second_opinion import write_opinion

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
HOLD = """
import sys
from pathlib import Path
from bnn_core.study.lock import study_lock, swap_in
with study_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(out: Path):
    """Another process that makes the study `out`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Predictions of 500 images of three classes."""
    p = np.random.default_rng(0).dirichlet(np.ones(3), 500)
    frame = pd.DataFrame(p, columns=["p_a", "p_b", "p_c"])
    frame.insert(0, "label", np.array(["a", "b", "c"])[p.argmax(axis=1)])
    path = tmp_path_factory.mktemp("table") / "table.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_second_process_gets_an_error_that_names_the_first(tmp_path, table, capsys):
    out = write_animals(tmp_path, n=20)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    command = ["import", str(table), "--out", str(out), "--force"]
    with held_by_another(out) as holder:
        taken = tmp_path / f".{out.name}.lock"
        assert cli.main(command) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and f"process {holder.pid} on {os.uname().nodename}" in said
        assert "since 2" in said and "-c" in said
        assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p != taken} == before
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert cli.main(command) == 0  # the lock went with its holder
    assert check_study(out) == []
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_two_imports_at_once_leave_one_whole_study(tmp_path, table):
    for number in range(2):
        out = tmp_path / f"s{number}"
        command = [sys.executable, "-m", "bnn_core", "import", str(table), "--out", str(out)]
        both = [
            subprocess.Popen(
                command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        said = [process.communicate()[1] for process in both]
        assert sorted(process.returncode for process in both) == [0, 2], said
        assert check_study(out) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s0", "s1"]


def test_every_maker_takes_the_lock(tmp_path, table):
    out = write_animals(tmp_path, n=20)
    held, free = threading.Event(), threading.Event()

    def hold():
        with study_lock(out):
            held.set()
            free.wait(60)

    makers = [
        lambda: import_predictions(table, out, force=True),
        lambda: write_study(out, force=True),
        lambda: make_digit_study(out, None, MethodChoice({}), force=True),
        lambda: make_plate_study(
            out, None, MethodChoice({}), Division(), RunOptions(force=True), kind="plate", title=""
        ),
        lambda: add_images(out, []),
        lambda: assemble_study(out.with_name(out.name + ".making")),
        lambda: write_opinion(out, pd.DataFrame({"a": [1]}), "x"),
    ]
    other = threading.Thread(target=hold)
    other.start()
    try:
        assert held.wait(60)
        for make in makers:
            with pytest.raises(TakenError, match=f"process {os.getpid()}"):
                make()
    finally:
        free.set()
        other.join()
    assert check_study(out) == []
    with study_lock(out), study_lock(out):  # a maker's own parts may ask again
        assert (tmp_path / f".{out.name}.lock").is_file()
    assert not (tmp_path / f".{out.name}.lock").exists()


def test_an_unfinished_training_is_not_lost_to_an_import(tmp_path, table):
    fold = tmp_path / "s.making" / "folds" / "0"
    fold.mkdir(parents=True)
    with pytest.raises(InputError, match="unfinished training"):
        import_predictions(table, tmp_path / "s")
    assert fold.is_dir()


def test_a_maker_killed_at_any_step_leaves_the_old_study_or_the_new_one(tmp_path):
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parents[1] / "helpers" / "killing.py"), str(tmp_path)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    titles = [line.split()[1] for line in done.stdout.splitlines()]
    swap = titles.index("new")
    assert swap > 10 and set(titles[:swap]) == {"old"} and set(titles[swap:]) == {"new"}


def test_a_study_lost_between_the_two_renames_is_put_back_by_who_looks_next(tmp_path, capsys):
    out = write_animals(tmp_path, n=20)
    for look in (
        lambda: open_study(out),
        lambda: list_studies(tmp_path)[0],
        lambda: cli.main(["list", "--cache", str(tmp_path)]),
    ):
        out.rename(tmp_path / f".{out.name}.replaced")
        look()
        assert check_study(out) == []
    # What was made there by hand meanwhile is no study, and nothing of either is lost.
    out.rename(tmp_path / f".{out.name}.replaced")
    out.mkdir()
    (out / "thesis.docx").write_text("mine")
    with study_lock(out):
        pass
    assert (out / "thesis.docx").is_file()
    assert check_study(tmp_path / f".{out.name}.replaced") == []


def test_who_reads_a_study_that_is_made_again_never_gets_parts_of_two(tmp_path):
    out = write_animals(tmp_path, n=20)
    read, late = open_study(out), open_study(out)
    samples, picture = read.samples("vi"), read.thumbnail(3)
    before = samples.copy()
    newer = write_animals(tmp_path, "newer", n=30, seed=5)
    with study_lock(out):
        swap_in(newer, out)
    np.testing.assert_array_equal(samples, before)
    assert read.thumbnail(3) == picture
    for look in (
        lambda: late.images,
        lambda: late.samples("vi"),
        lambda: late.thumbnail(3),
        lambda: late.summary("vi"),
    ):
        with pytest.raises(InputError, match="made again"):
            look()
    again = open_study(out)
    assert len(again.images) == 30 and again.thumbnail(3) != picture
    kept = again.samples("vi")
    before = kept.copy()
    shutil.rmtree(out)
    np.testing.assert_array_equal(kept, before)
    with pytest.raises(InputError, match="deleted"):
        _ = again.summary("vi")


def test_a_plate_study_takes_the_lock_before_its_images_are_read(tmp_path, capsys):
    rows = [(f"{c}{i}.png", c, moa) for c, moa in zip("abcd", "XXYY", strict=True) for i in (0, 1)]
    pd.DataFrame(rows, columns=["path", "compound", "moa"]).to_csv(tmp_path / "t.csv", index=False)
    with held_by_another(tmp_path / "s") as holder:
        assert (
            cli.main(
                [
                    "study",
                    "plate",
                    str(tmp_path / "t.csv"),
                    "--out",
                    str(tmp_path / "s"),
                    "--preset",
                    "quick",
                    "--folds",
                    "2",
                    "--size",
                    "16",
                ]
            )
            == 2
        )
    assert f"process {holder.pid} on" in capsys.readouterr().err
    assert not (tmp_path / "s.prepared").exists() and not (tmp_path / "s.making").exists()


def test_a_running_fold_is_not_deleted_by_a_restart(tmp_path):
    making = open_making(tmp_path / "s", {"epochs": 1})
    (making / "folds").mkdir()
    with alone(making / "folds" / "0.lock", ""), pytest.raises(TakenError, match="a fold of"):
        open_making(tmp_path / "s", {"epochs": 1}, restart=True)
    assert (making / "folds").is_dir()
    assert not (open_making(tmp_path / "s", {"epochs": 1}, restart=True) / "folds").exists()


def test_a_name_too_long_for_a_file_is_one_clear_error(tmp_path, capsys):
    table = tmp_path / "t.csv"
    pd.DataFrame({"label": ["a", "b"], "p_a": [0.9, 0.2], "p_b": [0.1, 0.8]}).to_csv(table)
    for name in ("n" * 300, "ü" * 101):
        with pytest.raises(InputError, match=r"has \d{3} bytes"), study_lock(tmp_path / name):
            pass
        assert cli.main(["import", str(table), "--out", str(tmp_path / name)]) == 2
        assert len(capsys.readouterr().err.splitlines()) <= 4
    assert cli.main(["import", str(table), "--out", str(tmp_path / ("n" * 200))]) == 0


@pytest.mark.parametrize(
    "name",
    [
        "a\nb",
        "a\0b",
        " a",
        "a ",
        ".a",
        "a\\b",
        "a.making",
        "a.old",
        "\udcff",
        "\u202ea",
        "x" * 201,
        "..",
    ],
)
def test_a_name_that_no_list_of_studies_shows_is_refused(tmp_path, name):
    with (
        pytest.raises(InputError, match=r"must not|no name|bytes"),
        study_lock(tmp_path / "new" / name),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="no text"), study_lock(tmp_path / "\udcff" / "a"):
        pass


def test_on_a_full_disk_the_lock_holds_and_goes(tmp_path, monkeypatch):
    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    lock = tmp_path / "lock"
    with alone(lock, "taken"), pytest.raises(TakenError, match=r"^taken$"), alone(lock, "taken"):
        pass
    assert not lock.exists()


def test_a_disk_that_is_full_at_once_leaves_no_unfinished_study(tmp_path, monkeypatch):
    def full(path, value):
        raise InputError("No space left on device")

    monkeypatch.setattr(working_folder, "write_json", full)
    with pytest.raises(InputError, match="No space left"):
        open_making(tmp_path / "x", {})
    assert not any(tmp_path.iterdir())
