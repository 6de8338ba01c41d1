"""How long a part of a job took, beside what it made: wall-clock and CPU seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bnn_core.base.files import read_json, write_json

SECONDS = "seconds.json"


@contextmanager
def timed(folder: Path, part: str, *, resumed: bool = False) -> Iterator[None]:
    """Record in <folder>/seconds.json what the block took as `part`.

    `resumed`: an interrupted block counts too, and its next run is added to it; otherwise only a
    block that ends well is recorded. CPU seconds are those of this process, all threads together.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    ended = False
    try:
        yield
        ended = True
    finally:
        if (ended or resumed) and folder.is_dir():
            known = seconds_of(folder)
            before = known.get(part, {}) if resumed else {}
            known[part] = {
                "wall": before.get("wall", 0.0) + time.perf_counter() - wall,
                "cpu": before.get("cpu", 0.0) + time.process_time() - cpu,
            }
            write_json(folder / SECONDS, known)


def seconds_of(folder: Path) -> dict[str, dict[str, float]]:
    """part -> {"wall", "cpu"} seconds; empty where nothing was recorded."""
    path = folder / SECONDS
    return read_json(path) if path.is_file() else {}


def summed_seconds(folders: list[Path]) -> dict[str, dict[str, float]]:
    """The seconds of several folds' folders added up, rounded to milliseconds."""
    total: dict[str, dict[str, float]] = {}
    for folder in folders:
        for part, seconds in seconds_of(folder).items():
            sums = total.setdefault(part, {"wall": 0.0, "cpu": 0.0})
            for clock in sums:
                sums[clock] = round(sums[clock] + seconds[clock], 3)
    return total
