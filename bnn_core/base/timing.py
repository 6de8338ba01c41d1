"""Wall-clock and CPU seconds of the parts of a job, kept in the folder of its results."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from bnn_core.base.files import read_json, write_json

SECONDS = "seconds.json"


@contextmanager
def timed(folder: Path, part: str, *, resumed: bool = False) -> Iterator[None]:
    """Record the seconds of the block as `part` in <folder>/seconds.json.

    resumed: an interrupted block counts too, and the seconds of its next run are added; otherwise
    only a block that succeeds is recorded. CPU seconds are those of this process, all threads
    together.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    succeeded = False
    try:
        yield
        succeeded = True
    finally:
        if (succeeded or resumed) and folder.is_dir():
            seconds = seconds_of(folder)
            before = seconds.get(part, {}) if resumed else {}
            seconds[part] = {
                "wall": before.get("wall", 0.0) + time.perf_counter() - wall,
                "cpu": before.get("cpu", 0.0) + time.process_time() - cpu,
            }
            write_json(folder / SECONDS, seconds)


def parsed_time(text: str) -> datetime | None:
    """The moment that an ISO 8601 text names; None where it names none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def seconds_of(folder: Path) -> dict[str, dict[str, float]]:
    """part -> {"wall", "cpu"} seconds; empty where nothing was recorded."""
    path = folder / SECONDS
    return read_json(path) if path.is_file() else {}


def summed_seconds(folders: list[Path]) -> dict[str, dict[str, float]]:
    """The sums over the folders of several folds, rounded to milliseconds."""
    total: dict[str, dict[str, float]] = {}
    for folder in folders:
        for part, seconds in seconds_of(folder).items():
            sums = total.setdefault(part, {"wall": 0.0, "cpu": 0.0})
            for clock in sums:
                sums[clock] = round(sums[clock] + seconds[clock], 3)
    return total
