"""Does any damaged or hostile file end in a traceback, a hang or too much memory?

    PYTHONPATH=.:tests/helpers python tests/benchmarks/fuzz.py --each 5000 --seconds 14
    PYTHONPATH=.:tests/helpers python tests/benchmarks/fuzz.py --only "image tiff" --case 12

Every format that the program reads (tests/helpers/hostile_formats.py) gets equally many damaged
files, within equal time. A file is good if it is read or refused with an InputError. One worker
process reads them all; it is watched from outside. A hang is over 20 s of CPU time for one file;
memory is more than 2 GB above what the worker had when it began. Prints a line for each kind of
failure and a table by format: tried, read, refused, failures, CPU seconds. Ctrl-C (or the end of
`timeout`) ends with the table of what was tried.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

from hostile_formats import Format, formats

from bnn_core.base.errors import InputError

HANG_SECONDS = 20
#: CPU seconds of one format before the next has its turn.
TURN_SECONDS = 0.2
MOST_BYTES = 2 << 30
#: The worker itself cannot have more, so that a bomb does not take the machine along.
LIMIT_BYTES = 12 << 30


def where_raised(error: BaseException) -> str:
    """The innermost line of the program's own code, and the error."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "bnn_core" in f.filename] or frames
    name = own[-1].filename.split("bnn_core/")[-1]
    text = (str(error).splitlines() or [""])[0][:100]
    return f"{name}:{own[-1].lineno} {type(error).__name__}: {text}"


def outcome(kind: Format, number: int) -> str:
    """ "read", "refused", or what went wrong with one damaged file."""
    try:
        kind.try_case(number)
    except InputError as error:
        return "refused" if "\n" not in str(error) else "an error of several lines"
    except Exception as error:
        return where_raised(error)
    return "read"


def work(
    folder: Path, only: list[str] | None, cases: range, budget: float, skip: Counter, pipe
) -> None:
    """In the worker: the cases of every format, each announced before it is tried.

    budget: CPU seconds of each format in this worker. skip: how many cases of each format are done.
    """
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    warnings.simplefilter("ignore")
    kinds = [kind for kind in formats(folder) if not only or kind.name in only]
    left = {kind.name: iter(cases[skip[kind.name] :]) for kind in kinds}
    used = Counter[str]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while left:  # in turns, so that a run that is stopped has tried every format
        for kind in kinds:
            end = used[kind.name] + TURN_SECONDS
            while kind.name in left and used[kind.name] < end:
                number = next(left[kind.name], None)
                if number is None or used[kind.name] > budget:
                    del left[kind.name]
                    break
                start = time.process_time()
                pipe.send((kind.name, number, None, 0.0))
                result = outcome(kind, number)
                grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
                if grown * 1024 > MOST_BYTES:
                    result = f"{grown / 1e6:.1f} GB of memory"
                seconds = time.process_time() - start
                used[kind.name] += seconds
                pipe.send((kind.name, number, result, seconds))
                if grown * 1024 > MOST_BYTES:
                    os._exit(3)  # the next worker begins with a small memory
    pipe.send(None)


def _hangs(pid: int, pipe, trying: bool) -> bool:
    """Wait for the worker's next word; True when it took too much CPU time for one file.

    The CPU's time, for the machine may be busy; asleep it may be for ten times as long. Between
    files it prepares the sound ones, which trains small networks.
    """
    begun, end = _cpu_seconds(pid), time.time() + (10 * HANG_SECONDS if trying else 3600)
    while not pipe.poll(2):
        if time.time() > end or (trying and _cpu_seconds(pid) - begun > HANG_SECONDS):
            return True
    return False


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(only: list[str] | None, cases: range, budget: float):
    """All (format, case, outcome, CPU seconds); the worker is begun again where it hangs or dies."""
    done: Counter[str] = Counter()
    context = multiprocessing.get_context("spawn")
    while True:
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        ours, theirs = context.Pipe(duplex=False)
        worker = context.Process(
            target=work, args=(folder / "f", only, cases, budget, done, theirs)
        )
        worker.start()
        theirs.close()
        current = None
        try:
            while True:
                if _hangs(worker.pid, ours, current is not None):
                    done[current[0]] += 1
                    yield (*current, f"hangs for {HANG_SECONDS} s", HANG_SECONDS)
                    break
                message = ours.recv()
                if message is None:
                    return
                name, number, result, _ = message
                current = (name, number) if result is None else None
                if result is not None:
                    done[name] += 1
                    yield message
        except EOFError:
            worker.join()
            if current is None and worker.exitcode != 3:
                raise
            if current:
                done[current[0]] += 1
                yield (*current, f"the process ends with {worker.exitcode}", 0.0)
        finally:
            worker.kill()
            worker.join()
            shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=100, help="most damaged files of each format")
    parser.add_argument("--seconds", type=float, default=600, help="CPU seconds of each format")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", nargs="+", help="some formats, by name")
    parser.add_argument("--case", type=int, help="one case, with its traceback")
    args = parser.parse_args()
    if args.case is not None:
        with tempfile.TemporaryDirectory() as folder:
            (kind,) = (k for k in formats(Path(folder) / "f") if k.name in args.only)
            kind.try_case(args.case)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # of a time limit: as Ctrl-C
    cases = range(args.first, args.first + args.each)
    tables, failures, seconds = defaultdict(Counter), {}, Counter()
    with suppress(KeyboardInterrupt):
        for name, number, result, used in watch(args.only, cases, args.seconds):
            good = result in ("read", "refused")
            tables[name][result if good else "failed"] += 1
            seconds[name] += used
            if not good:
                key = (name, result)
                failures.setdefault(key, []).append(number)
                if len(failures[key]) == 1:
                    print(f"{name} {number}: {result}", flush=True)
    print(f"\n{'format':<24}{'tried':>8}{'read':>8}{'refused':>9}{'failed':>8}{'CPU s':>8}")
    for name, counts in tables.items():
        print(
            f"{name:<24}{counts.total():>8,}{counts['read']:>8,}{counts['refused']:>9,}"
            f"{counts['failed']:>8,}{seconds[name]:>8.1f}"
        )
    whole = sum(tables.values(), Counter())
    print(
        f"{'all':<24}{whole.total():>8,}{whole['read']:>8,}{whole['refused']:>9,}"
        f"{whole['failed']:>8,}{seconds.total():>8.1f}"
    )
    for (name, result), numbers in failures.items():
        print(f"{len(numbers):>6} {name} {numbers[:5]}: {result}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
