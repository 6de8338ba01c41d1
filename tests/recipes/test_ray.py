"""Parts on a Ray cluster of one machine: fractions of a graphics card, what runs after an error.

Only where Ray is installed. tests/benchmarks/ray_cluster.py kills machines of a larger cluster.
"""

import time
from pathlib import Path

import pytest

from bnn_core.base.errors import InputError
from bnn_core.recipes.workers import Cluster, run_once, workers

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Four processors and one graphics card, which is only said to be there."""
    ray.init(num_cpus=4, num_gpus=1, include_dashboard=False, logging_level="ERROR")
    yield
    ray.shutdown()


def note(folder: Path, number: int, most: int) -> None:
    """A part that writes when it began and ended, and which cards it may use. `most` parts wait for one
    another."""
    import os

    begun = time.time()
    (folder / f"begun{number}").touch()
    together = most * -(-len(list(folder.glob("begun*"))) // most)
    while len(list(folder.glob("begun*"))) < together:
        time.sleep(0.05)
    time.sleep(0.2)
    cards = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    (folder / f"ended{number}").write_text(f"{begun} {time.time()} {cards}")


@pytest.mark.parametrize(("gpus", "most"), [(0.5, 2), (1.0, 1)])
def test_parts_share_a_graphics_card_as_asked(tmp_path, gpus, most):
    with workers(1, Cluster(gpus=gpus), tmp_path) as submit:
        futures = [submit(note, number, most) for number in range(4)]
        assert [future.result() for future in futures] == [None] * 4
    noted = [path.read_text().split() for path in tmp_path.glob("ended*")]
    assert len(noted) == 4 and {cards for _, _, cards in noted} == {"0"}
    spans = [(float(begun), float(end)) for begun, end, _ in noted]
    assert max(sum(a <= begun < b for a, b in spans) for begun, _ in spans) == most


def test_more_cards_than_any_machine_has_are_refused(tmp_path):
    with (
        pytest.raises(InputError, match="--ray-gpus"),
        workers(1, Cluster(gpus=2), tmp_path),
    ):
        pass


def wait_or_fail(folder: Path, number: int) -> None:
    (folder / f"begun{number}").touch()
    if number == 0:
        while not (folder / "begun1").exists():
            time.sleep(0.05)
        raise InputError("no")
    try:
        for _ in range(3000):  # Ray interrupts between two lines
            time.sleep(0.1)
        (folder / f"ended{number}").touch()
    finally:
        (folder / f"stopped{number}").touch()


def test_after_an_error_nothing_runs_on_in_the_callers_cluster(tmp_path):
    with (
        pytest.raises(InputError, match=r"^no$"),
        workers(1, Cluster(), tmp_path) as submit,
    ):
        parts = [submit(wait_or_fail, number) for number in range(8)]
        raise parts[0].result()
    assert ray.is_initialized()
    for _ in range(200):
        begun, stopped = (len(list(tmp_path.glob(f"{word}*"))) for word in ("begun", "stopped"))
        if stopped == begun - 1:
            break
        time.sleep(0.5)
    assert stopped == begun - 1 and begun < 8
    assert not list(tmp_path.glob("ended*"))


def leave_mark(path: Path) -> None:
    if path.exists():
        raise InputError(f"{path} is there")
    path.touch()


def test_one_function_runs_on_the_cluster_and_its_error_comes_back(tmp_path):
    for cluster in (None, Cluster()):
        path = tmp_path / str(cluster)[:4]
        run_once(cluster, leave_mark, path)
        with pytest.raises(InputError, match="is there"):
            run_once(cluster, leave_mark, path)
