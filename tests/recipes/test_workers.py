"""Trainings beside one another: their order, folds that others run, and a cluster that is not there.

tests/benchmarks/ray_cluster.py runs a real cluster, and kills parts of it.
"""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from page_studies import ROOT
from tqdm import tqdm

from bnn_core.base.errors import InputError
from bnn_core.base.files import TakenError, read_json, write_json
from bnn_core.commands import cli
from bnn_core.networks.settings import TrainConfig, settings_of
from bnn_core.recipes import plate_folds
from bnn_core.recipes import workers as running
from bnn_core.recipes.jobs import progress_of
from bnn_core.recipes.plate_folds import PLAN, run_folds
from bnn_core.recipes.workers import Cluster, workers

CONFIGS = {
    "vi": TrainConfig(start="standard"),
    "ensemble": TrainConfig(bayesian=False),
    "standard": TrainConfig(bayesian=False),
}


@pytest.fixture
def making(tmp_path):
    plan = {
        "title": "t", "kind": "plate", "source": "s", "parts": [["a"], ["b"], ["c"]],
        "leave_batch_out": False, "keep_weights": True, "num_samples": 4, "sample_seed": 0,
        "extra": {}, "settings": {}, "configs": {m: settings_of(c) for m, c in CONFIGS.items()},
    }  # fmt: skip
    write_json(tmp_path / PLAN, plan)
    return tmp_path


@pytest.fixture
def begun(making, monkeypatch):
    """What is trained, in order; every part ends as soon as somebody waits for it."""
    steps, problems = [], {}

    def train(folder, index, device, methods, patience):
        (method,) = methods
        steps.append((index, method))
        if (index, method) in problems:
            raise problems[index, method]
        done = folder / "folds" / str(index) / method
        done.mkdir(parents=True)
        (done / "prediction.npz").touch()

    @contextmanager
    def at_once(jobs, cluster, *shared):
        def submit(function, *arguments):
            future = Future()
            try:
                function(*shared, *arguments)
                future.set_result(None)
            except InputError as error:
                future.set_result(error)
            return future

        yield submit

    monkeypatch.setattr(plate_folds, "run_fold", train)
    monkeypatch.setattr(plate_folds, "workers", at_once)
    return steps, problems


@pytest.mark.parametrize(
    ("parts", "processors", "threads", "gigabytes", "jobs"),
    [
        (12, 8, 1, 99, 8),
        (3, 8, 1, 99, 3),
        (12, 8, 3, 99, 2),
        (12, 2, 4, 99, 1),
        (12, 8, 1, 7, 4),
        (12, 8, 1, 0, 1),
    ],
)
def test_as_many_trainings_at_once_as_processors_and_memory_allow(
    parts, processors, threads, gigabytes, jobs, monkeypatch
):
    monkeypatch.setattr(running, "processors", lambda: processors)
    monkeypatch.setattr(running, "free_memory", lambda: gigabytes << 30)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert running.parts_at_once(parts, image_bytes=1 << 26) == jobs


def test_a_graphics_card_trains_one_network_at_a_time(making, monkeypatch):
    monkeypatch.setattr(plate_folds, "_run_beside", lambda *_: pytest.fail("beside one another"))
    monkeypatch.setattr(plate_folds, "run_fold", lambda *_: None)
    run_folds(making, "cuda", jobs=None)


def test_what_builds_on_a_network_waits_for_it_and_nothing_else_does(making, begun):
    run_folds(making, jobs=6)
    steps = begun[0]
    assert sorted(steps) == sorted((k, m) for k in range(3) for m in CONFIGS)
    for fold in range(3):
        assert steps.index((fold, "standard")) < steps.index((fold, "vi"))
    assert {method for _, method in steps[:6]} == {"standard", "ensemble"}
    steps.clear()
    run_folds(making, jobs=2)
    assert steps == []


def test_a_fold_of_another_process_is_left_to_it_and_the_others_are_finished(making, begun):
    steps, problems = begun
    problems[1, "standard"] = TakenError("taken")
    with pytest.raises(TakenError, match="another process runs fold 1, "):
        run_folds(making, jobs=2)
    assert plate_folds.missing_folds(making) == [1]
    assert (1, "vi") not in steps and len(steps) == 8
    problems[1, "standard"] = InputError("the loss is not finite")
    with pytest.raises(InputError, match="not finite"):
        run_folds(making, jobs=2)
    problems.clear()
    run_folds(making, jobs=2)
    assert plate_folds.missing_folds(making) == []


def test_a_pool_gets_no_more_than_it_runs(making, begun):
    steps, problems = begun
    problems[0, "ensemble"] = InputError("the loss is not finite")
    with pytest.raises(InputError, match="not finite"):
        run_folds(making, jobs=2)
    assert len(steps) <= 4  # parts that would have run for hours after the error


@pytest.mark.parametrize("without", [[], [["a"]], [["a"]] * 4])
def test_a_plan_that_leaves_out_for_other_folds_than_it_has_is_refused(making, without):
    write_json(making / PLAN, read_json(making / PLAN) | {"without": without})
    with pytest.raises(InputError, match="differ in length"):
        plate_folds.read_plan(making)


def test_without_ray_one_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(InputError, match=r'pip install "\.\[cluster\]"'),
        workers(1, Cluster()),
    ):
        pass


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ray-gpus", "0.5"], "only with --ray"),
        (["--ray", "fields.csv"], "no address HOST:PORT"),
        (["--ray", "--ray-gpus", "1.5"], "whole number"),
        (["--ray", "--ray-gpus", "nan"], "whole number"),
        (["--ray", "--ray-gpus=-1"], "whole number"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused_before_anything_is_read(words, message, capsys):
    assert cli.main(["study", "plate", "no.csv", "--label", "x", *words]) == 2
    assert message in capsys.readouterr().err


def test_an_address_where_nobody_listens_is_refused_at_once(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"  # bound, but it does not listen
        for address in (nobody, "127.0.0.1:99999"):
            assert cli.main(["study", "plate", "no.csv", "--label", "x", "--ray", address]) == 2
            assert "ray start --head" in capsys.readouterr().err


def test_addresses_of_a_cluster():
    for address in ("", "auto", "head:6379", "10.0.0.1:6379", "ray://head:10001", "[::1]:6379"):
        assert Cluster(address).device == "cpu"
    assert Cluster("head:6379", gpus=0.5).device == "cuda"


def test_a_lost_cluster_does_not_hide_the_error_of_a_part(monkeypatch):
    ended = []

    def lost(part):
        raise ConnectionError("the cluster is lost")

    part = SimpleNamespace(remote=lambda *given: SimpleNamespace(future=Future))
    ray = SimpleNamespace(
        is_initialized=lambda: False,
        init=lambda **given: None,
        nodes=lambda: [{"Alive": True, "Resources": {"CPU": 1000}}],
        remote=lambda function: SimpleNamespace(options=lambda **given: part),
        cancel=lost,
        shutdown=lambda: ended.append(1),
        exceptions=SimpleNamespace(RayTaskError=MemoryError, RayError=MemoryError),
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(InputError, match=r"^no$"), workers(1, Cluster()) as submit:
        submit(print)
        raise InputError("no")
    assert ended == [1]


_SLEEPS = """
import os, sys, time
from contextlib import suppress
from pathlib import Path
from bnn_core.recipes.workers import workers

def sleep(folder):
    try:
        (folder / str(os.getpid())).touch()
        time.sleep(60)
    finally:
        (folder / "ended").touch()

if __name__ == "__main__":
    with suppress(KeyboardInterrupt), workers(1, None) as submit:
        submit(sleep, Path(sys.argv[1])).result()
"""


def until(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited in vain")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_parts_end_with_the_process_that_started_them(end, tmp_path):
    script, folder = tmp_path / "sleeps.py", tmp_path / "parts"
    script.write_text(_SLEEPS)
    folder.mkdir()
    command = [sys.executable, str(script), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        until(lambda: list(folder.iterdir()))
        (part,) = (int(path.name) for path in folder.iterdir())
        process.send_signal(end)
        assert process.communicate(timeout=20)[1] == b""  # also of the semaphores left behind
    until(lambda: not Path(f"/proc/{part}").exists())
    assert (folder / "ended").exists() == (end == signal.SIGINT)  # orderly, where it can be


def test_the_time_left_is_known_before_the_first_training_ends(tmp_path):
    (tmp_path / "folds").mkdir()
    log = tmp_path / "folds" / "{}.standard.log"
    Path(str(log).format(0)).write_text(
        "train fold 0:  50%|█████     | 6/12 [00:08<00:08, 1.3s/epoch]"
    )
    Path(str(log).format(1)).write_text(
        "train fold 1:  25%|██        | 3/12 [00:08<00:24, 2.6s/epoch]"
    )
    steps = [(0, "standard"), (1, "standard")]
    with tqdm(total=4, desc="folds", unit="training", file=io.StringIO()) as bar:
        bar.start_t -= 80
        plate_folds._show(bar, tmp_path, steps, waiting=2)
        share, text = progress_of(str(bar))
        assert share == 0.2 and text.startswith("folds: 0.8 of 4, 05:")
        # It predicts: a new bar from 0.
        Path(str(log).format(0)).write_text("predict fold 0:   0%|    | 0/90 [00:00<?, ?image/s]")
        plate_folds._show(bar, tmp_path, steps, waiting=2)
        assert bar.n == 0.8


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_process_that_is_started_gets_no_interrupt_and_this_one_gets_it_later():
    blocked = "import signal as s; print(s.SIGINT in s.pthread_sigmask(s.SIG_BLOCK, []))"
    process, after = None, False
    with pytest.raises(KeyboardInterrupt), running._interrupt_later():
        process = subprocess.Popen([sys.executable, "-c", blocked], stdout=subprocess.PIPE)
        signal.raise_signal(signal.SIGINT)
        after = True
    assert after and process.communicate(timeout=20)[0] == b"True\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
