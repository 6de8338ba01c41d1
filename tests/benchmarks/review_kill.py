"""Kill two writers of one review log at random moments, hundreds of times, and look for losses.

    python tests/benchmarks/review_kill.py --rounds 400
    python tests/benchmarks/review_kill.py --rounds 400 --journal delete    # as on a network

Two processes flag (and now and then undo) as fast as they can; both get SIGKILL after 0 to 200 ms,
often while the file is being made, a commit is under way or the log is folded into the file. What a
writer was told is done must be there afterwards, every action whole. (A kill is not a power cut:
that the disk keeps what fsync returned from is taken on trust.) At the end: how long folding takes.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))
from bnn_core.review import store
from bnn_core.review.log import ReviewLog

IMAGES = 25
ROUNDS_PER_FILE = 8


def study_of(n):
    """As much of a study as the log looks at."""
    images = pd.DataFrame(
        {
            "image_id": [f"P1/{i}" for i in range(n)],
            "label": "A",
            "content_hash": [f"{i:016x}" for i in range(n)],
        }
    )
    rows = dict(zip(images["image_id"], range(n), strict=True))
    return SimpleNamespace(
        name="S", images=images, classes=["A", "B"], fingerprint="f", row_of=rows.__getitem__
    )


def write_for_ever(root, study, reviewer, heard):
    """What a writer does until it is killed; each finished action is noted in the file `heard`."""
    log = ReviewLog(root)
    number = 0
    while True:
        number += 1
        if number % 4:
            done = log.flag(
                study,
                range(IMAGES),
                reviewer=reviewer,
                reason="other",
                decision="unsure",
                note=str(number),
            )
        else:
            done = log.undo(study, reviewer)
        os.write(heard, f"{'flag' if number % 4 else 'undo'} {done.action_id}\n".encode())


def start_writer(root, study, reviewer):
    heard = os.open(root / f"{reviewer}.heard", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    child = os.fork()
    if child == 0:
        try:
            write_for_ever(root, study, reviewer, heard)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)  # only reached when writing failed, which the end of the run reports
    os.close(heard)
    return child


def losses(root, study):
    """What is wrong with a log after its writers died, and how many actions it holds."""
    log = ReviewLog(root)
    problems = log.check()
    heard = [
        line.split() for file in root.glob("*.heard") for line in file.read_text().splitlines()
    ]
    with store.reading(log.path) as connection:
        if connection is None:
            return problems + ["no log"] * bool(heard), 0
        kinds = dict(connection.execute("SELECT action_id, kind FROM actions"))
        undone = {
            target
            for (target,) in connection.execute("SELECT target FROM actions WHERE kind = 'undo'")
        }
        sizes = dict(connection.execute("SELECT action_id, count(*) FROM events GROUP BY 1"))
    for kind, number in heard:
        if int(number) not in (undone if kind == "undo" else kinds):
            problems.append(f"{kind} {number} was acknowledged and is gone")
    for number, kind in kinds.items():
        if sizes.get(number, 0) != (IMAGES if kind == "flag" else 0):
            problems.append(f"action {number} has {sizes.get(number, 0)} images")
    log.state(study)
    return problems, len(heard)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--within", type=float, default=0.2, help="seconds before the kill")
    parser.add_argument(
        "--journal", choices=("wal", "delete"), help="as on a local disk, or on a network"
    )
    args = parser.parse_args()
    if args.journal:
        store.journal_mode = lambda path: args.journal
    draw, study = random.Random(args.seed), study_of(IMAGES)
    acknowledged, problems, died = 0, [], 0
    for first in range(0, args.rounds, ROUNDS_PER_FILE):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for _ in range(min(ROUNDS_PER_FILE, args.rounds - first)):
                children = [start_writer(root, study, name) for name in ("Ada", "Ben")]
                time.sleep(draw.uniform(0, args.within))
                for child in children:
                    os.kill(child, signal.SIGKILL)
                ends = [os.waitpid(child, 0)[1] for child in children]
                died += sum(not os.WIFSIGNALED(end) for end in ends)
                found, count = losses(root, study)
                problems += found
            acknowledged += count
    print(
        f"{args.rounds} rounds, {2 * args.rounds} writers killed: {acknowledged} actions "
        f"acknowledged, {len(problems)} problems, {died} writers stopped by themselves"
    )
    for problem in problems[:10]:
        print(" ", problem)
    if args.rounds >= 100:
        time_fold()
    return 1 if problems or died else 0


def time_fold():
    study = study_of(10_000)
    with tempfile.TemporaryDirectory() as folder:
        log = ReviewLog(Path(folder))
        for name, act in (
            (
                "flag 10,000 images",
                lambda: log.flag(
                    study, range(10_000), reviewer="Ada", reason="other", decision="unsure"
                ),
            ),
            (
                "flag 1 image",
                lambda: log.flag(study, [0], reviewer="Ada", reason="other", decision="unsure"),
            ),
            ("what holds now, 10,000 flagged", lambda: log.state(study)),
        ):
            took = []
            for _ in range(5):
                start = time.perf_counter()
                act()
                took.append(time.perf_counter() - start)
            print(f"{name}: {1000 * sorted(took)[2]:.0f} ms (median of 5)")


if __name__ == "__main__":
    sys.exit(main())
