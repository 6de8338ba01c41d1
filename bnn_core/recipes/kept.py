"""Tables of whole studies that pages show, computed once for a large study (`Study.kept`).

    python -m bnn_core.recipes.kept STUDY accuracies vi      # keep one of them
    python -m bnn_core.recipes.kept STUDY all

A server lets this process compute them (`make_elsewhere`).
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

import bnn_core
from bnn_core.base import roots
from bnn_core.base.scores import DEFAULT_SCORE
from bnn_core.measures.comparison import Comparison, compare
from bnn_core.measures.intervals import Interval
from bnn_core.measures.judged_units import accuracy_by_level
from bnn_core.measures.levels import available_levels, scored_rows
from bnn_core.measures.prediction_sets import LEVEL, PredictionSets, table_sets
from bnn_core.measures.sample_size import NUM_SAMPLES, accuracy_by_samples
from bnn_core.measures.selection import drawing_order
from bnn_core.recipes.image_map import study_map
from bnn_core.study import derived
from bnn_core.study.folder import Study, open_study
from bnn_core.suspects.batches import compound_means
from bnn_core.suspects.ranking import rank, rank_images
from bnn_core.tables.plate_map import well_table

#: So long another process may take for a table; then it is stopped.
MOST_SECONDS = 600.0
#: The folder that `python -m bnn_core` works in.
_HOME = Path(bnn_core.__file__).parents[1]
#: Images on which the effect of the number of networks is measured.
MOST_REPEATED = 1000


def suspects(study: Study, level: str) -> pd.DataFrame:
    """`ranking.rank` of the reading method, without a second opinion; of images, `rank_images`."""
    method = study.reading_method

    def make() -> pd.DataFrame:
        table = study.table(method)
        return rank_images(table) if level == "image" else rank(table, study.classes, level)

    return study.kept(f"suspect_{level}s", method, make, "suspects", level)


def accuracies(study: Study, method: str) -> pd.DataFrame:
    """`judged_units.accuracy_by_level` of a method."""
    return study.kept(
        "accuracies",
        method,
        lambda: accuracy_by_level(study.table(method), study.classes),
        "accuracies",
        method,
    )


def wells(study: Study, method: str) -> pd.DataFrame:
    """`plate_map.well_table` of the study's own images."""
    return study.kept(
        "wells", method, lambda: well_table(study.table(method), study.classes), "wells", method
    )


def compounds(study: Study) -> pd.DataFrame:
    """`batches.compound_means` of the reading method."""
    method = study.reading_method
    return study.kept(
        "compounds", method, lambda: compound_means(study.table(method), study.classes), "compounds"
    )


def class_sets(study: Study, method: str, level: float) -> PredictionSets:
    """`prediction_sets.table_sets` of a method at a level."""

    def make() -> pd.DataFrame:
        sets = table_sets(study.table(method), study.classes, level)
        columns = {str(k): member for k, member in enumerate(sets.member.T)}
        table = pd.DataFrame({**columns, "unusual": sets.unusual})
        table.attrs = {"by_class": sets.by_class.tolist(), "enough": sets.enough}
        return table

    words = ("class_sets", method, repr(level))
    table = study.kept(f"sets_{level:g}", method, make, *words)
    return PredictionSets(
        table.drop(columns="unusual").to_numpy(),
        np.array(table.attrs["by_class"]),
        table.attrs["enough"],
        level,
        table["unusual"].to_numpy(),
    )


def comparison(study: Study, score: str) -> Comparison:
    """`comparison.compare` of all methods of a study on all images, ranked by a score."""

    def make() -> pd.DataFrame:
        made = compare({m: study.table(m) for m in study.methods}, study.classes, score)
        table = pd.DataFrame(
            {
                f"{criterion} {method}": np.append(made.values[criterion][i], draws)
                for criterion in made.values
                for i, (method, draws) in enumerate(
                    zip(made.methods, made.draws[criterion], strict=True)
                )
            }
        )
        accuracy = [list(map(float, interval)) for interval in made.accuracy]
        table.attrs = {"n": made.n, "groups": made.groups, "others": made.others}
        table.attrs["accuracy"] = accuracy
        return table

    sources = ["images.parquet", *(f"summary/{method}.parquet" for method in study.methods)]
    words = ("comparison", score)
    table = derived.kept(study.path, study.meta, f"comparison_{score}", sources, make, words)
    figures = {
        criterion: table[[f"{criterion} {method}" for method in study.methods]].to_numpy().T
        for criterion in dict.fromkeys(name.split(" ")[0] for name in table)
    }
    return Comparison(
        list(study.methods),
        {criterion: rows[:, 0] for criterion, rows in figures.items()},
        {criterion: rows[:, 1:] for criterion, rows in figures.items()},
        table.attrs["n"],
        table.attrs["groups"],
        table.attrs["others"],
        [Interval(v, low, high, bool(few)) for v, low, high, few in table.attrs["accuracy"]],
    )


def measured_sample_size(study: Study) -> pd.DataFrame | None:
    """`Study.sample_size`, else `accuracy_by_samples` of the kept samples of the Bayesian method on
    at most MOST_REPEATED of its images; None where it keeps none, or too few to repeat."""
    method = study.bayes_method
    if (table := study.sample_size()) is not None or method is None:
        return table
    samples = study.samples(method)
    if samples is None or samples.shape[1] <= NUM_SAMPLES[1]:
        return None
    table = study.table(method)
    codes = pd.Index(study.classes).get_indexer(table["label"].astype(object))
    rows = np.flatnonzero(scored_rows(table) & (codes >= 0))
    if not len(rows):
        return None
    rows = np.sort(rows[np.argsort(drawing_order(len(table))[rows])[:MOST_REPEATED]])
    pool = np.asarray(samples[rows], np.float32).transpose(1, 0, 2)
    return accuracy_by_samples(pool, codes[rows])


def fill_derived(study: Study) -> None:
    """Compute all of these tables of a large study, so that no visitor of a page waits for them."""
    if study.meta["rows"] < derived.LARGE:
        return
    levels = available_levels(study.images)
    for method in study.methods:
        accuracies(study, method)
        class_sets(study, method, LEVEL)
        if "well" in levels:
            wells(study, method)
    if len(study.methods) > 1:
        comparison(study, DEFAULT_SCORE)
    for level in ("compound", "treatment"):
        if level in levels:
            suspects(study, level)
    if {"compound", "batch"} <= set(study.images):
        compounds(study)
    if "compound" not in levels:
        suspects(study, "image")
    study_map(study)


def fill_later(study: Study) -> None:
    """Let another process `fill_derived`, which goes on when this one has ended. A page that is opened
    before it is done computes what it needs."""
    if study.meta["rows"] >= derived.LARGE and not roots.read_only():
        with suppress(OSError):
            filling = subprocess.Popen(
                _command(study.path, ("all",)),
                cwd=_HOME,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            threading.Thread(target=filling.wait, daemon=True).start()


#: Name -> what computes a table of a study from the words after its name.
_TABLES: dict[str, Callable[..., object]] = {
    "all": fill_derived,
    "images": lambda study: study.images,
    "summary": lambda study, method: study.summary(method),
    "suspects": suspects,
    "accuracies": accuracies,
    "wells": wells,
    "compounds": compounds,
    "class_sets": lambda study, method, level: class_sets(study, method, float(level)),
    "comparison": comparison,
    "map": study_map,
}


def _command(study: Path, words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", __name__, os.path.abspath(study), *words]


def make_elsewhere() -> None:
    """Let another process compute what this one would (`derived.elsewhere`), also of studies that
    this one may not write."""
    derived.elsewhere = _in_a_process
    os.environ.setdefault(roots.DERIVED, str(roots.uploads() / derived.DERIVED_FOLDER))


def _in_a_process(study: Path, words: Sequence[str]) -> None:
    # Where it fails, the table is computed here, and an error of the table itself is shown.
    try:
        made = subprocess.run(
            _command(study, words),
            cwd=_HOME,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=MOST_SECONDS,
        )
        reason = "".join(made.stderr.splitlines()[-1:]) or f"it ended with {made.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        made, reason = None, str(error)
    if made is None or made.returncode:
        logging.warning("%s: another process could not make %s: %s", study, words[0], reason)


def _end_with(server: int) -> None:
    while os.getppid() == server:
        time.sleep(1)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def keep_one(study: str, name: str, *words: str) -> None:
    """In the other process: keep one table, or "all". It leaves the processor to those who wait for a
    click, and ends with the server; not with an import, which is long over."""
    with suppress(AttributeError, OSError):  # Windows
        os.nice(5)
    if name != "all":
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _TABLES[name](open_study(Path(study)), *words)


if __name__ == "__main__":
    keep_one(*sys.argv[1:])
