"""Kills a maker of studies before each of its steps on the file system, one process per step.

    python killing.py FOLDER

Prints one line per kill: the step, and the title of the study that is there afterwards.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from study_writing import write_study

from bnn_core.base.files import read_json
from bnn_core.study.catalogue import list_studies
from bnn_core.study.folder import open_study

STEPS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "shutil.rmtree")


def write(out: Path, title: str) -> None:
    """A study of two images."""
    images = pd.DataFrame(
        {"image_id": ["a", "b"], "label": ["x", "y"], "role": "scored", "fold": 0}
    )
    summary = pd.DataFrame(
        {
            "p_x": [1.0, 0.0],
            "p_y": [0.0, 1.0],
            "predicted": ["x", "y"],
            "correct": [True, True],
            "confidence": [1.0, 1.0],
        }
    )
    write_study(
        out,
        title=title,
        kind="import",
        classes=["x", "y"],
        images=images,
        force=True,
        summaries={"vi": summary},
        samples={"vi": np.zeros((2, 3, 2))},
    )


def in_child(work, kill_before: int | None = None) -> bool:
    """Do `work` in a process of its own; True when it ended by itself. Threads do not survive a
    fork, so this process itself never writes a table."""
    if not (child := os.fork()):
        left, files = [kill_before], str(sys.argv[1])

        def count(event, args):
            if event in STEPS and any(files in str(a) for a in args):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1

        if kill_before is not None:
            sys.addaudithook(count)
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def main(root: Path) -> None:
    template = root / "template" / "s"
    assert in_child(lambda: write(template, "old"))
    step, ended = 0, False
    while not ended:
        out = root / f"round-{step}" / "s"
        shutil.copytree(template.parent, out.parent)
        ended = in_child(lambda out=out: write(out, "new"), step)
        study = open_study(out) if step % 2 else open_study(list_studies(out.parent)[0].path)
        for name, size in study.meta["files"].items():
            assert (out / name).stat().st_size == size, (step, name)
        assert in_child(lambda out=out: write(out, "again"))
        assert read_json(out / "study.json")["title"] == "again"
        assert [p.name for p in out.parent.iterdir()] == ["s"], step
        print(step, study.meta["title"], flush=True)
        shutil.rmtree(out.parent)
        step += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
