"""The folds of a planned study of cells: each is one job, idempotent and resumable.

Any machine that shares the folder can run one.
"""

from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from tqdm import tqdm

from bnn_core.base.errors import RESTORE, InputError
from bnn_core.base.files import WAIT, TakenError, alone, read_json
from bnn_core.base.schema import Rule
from bnn_core.datasets.folds import Fold, make_folds
from bnn_core.datasets.sources import (
    PlateSource,
    inverse_frequency_weights,
    open_source,
    read_source_table,
    source_key,
)
from bnn_core.networks.procedures import builds_on, training_order
from bnn_core.networks.saved import Settings, config_of
from bnn_core.networks.training import TrainingSet
from bnn_core.recipes.fold import run_method
from bnn_core.recipes.jobs import last_line, progress_of
from bnn_core.recipes.workers import Cluster, parts_at_once, workers
from bnn_core.study.description import Name

PLAN = "plan.json"
#: The rows of the study, with corrected labels.
TABLE = "table.parquet"
#: Seconds between two looks at what runs beside one another, and how many of these are shown.
_LOOK_SECONDS, _MOST_SHOWN = 2.0, 3
#: Share of a training that has come to its end, but has not predicted.
_TRAINED = 0.9
#: Seconds for which a training that another process runs is waited for.
_PATIENCE_SECONDS = 60.0


class Plan(TypedDict):
    """plan.json of a study over plates: what its folds train and how they are combined.

    source: folder of the prepared images. images: what they were prepared from (`source_key`).
    parts: the groups that each fold holds out. without: more groups that it does not train on.
    configs: method -> its settings. extra: more keys of study.json. settings: those that it shows.
    """

    title: str
    kind: str
    source: str
    images: NotRequired[str | None]
    parts: list[list[str]]
    leave_batch_out: bool
    without: NotRequired[list[list[str]] | None]
    keep_weights: bool
    configs: dict[Name, Settings]
    num_samples: Annotated[int, Rule("1 or more", lambda n: n >= 1)]
    sample_seed: Annotated[int, Rule("0 or more", lambda n: n >= 0)]
    extra: dict[str, Any]
    settings: dict[str, Any]


def read_plan(making: Path) -> tuple[Plan, PlateSource, list[Fold]]:
    """The plan in a study's working folder, its images, and its folds.

    Raises InputError without a plan, and where the images were prepared again since.
    """
    if not (making / PLAN).is_file():
        raise InputError(f"{making} has no {PLAN}: start the study with 'bnn study ...' first")
    plan = read_json(making / PLAN, Plan)
    without = plan.get("without")
    if without is not None and len(without) != len(plan["parts"]):
        raise InputError(f"{making / PLAN}: 'without' and 'parts' differ in length; {RESTORE}")
    folder = Path(plan["source"])
    source = replace(open_source(folder), table=read_source_table(making / TABLE))
    if plan.get("images") not in (None, source_key(folder)):
        raise InputError(
            f"the images in {folder} were prepared again with a different table or settings than "
            f"the plan of {making}; run its 'bnn study' command again, or with --restart"
        )
    folds = make_folds(
        source.table,
        [tuple(part) for part in plan["parts"]],
        source.classes,
        plan["leave_batch_out"],
        plan.get("without"),
    )
    return plan, source, folds


def run_fold(
    making: Path,
    index: int,
    device: str = "cpu",
    quiet: bool = False,
    methods: Collection[str] | None = None,
    patience: float = WAIT,
) -> None:
    """Run one fold of a planned study: train each method and predict. Finished parts are kept.

    methods: some of the plan's (None: all); what they build on is finished. patience: seconds for
    which a method that another process runs is waited for. Raises TakenError after that.
    """
    plan, source, folds = read_plan(making)
    if not 0 <= index < len(folds):
        raise InputError(f"fold {index} does not exist: {making} has folds 0 to {len(folds) - 1}")
    (making / "folds").mkdir(exist_ok=True)
    configs = {m: config_of(c) for m, c in plan["configs"].items()}
    todo = [m for m in training_order(configs) if (index, m) in _missing(making, plan)]
    todo = [m for m in todo if methods is None or m in methods]
    training = _training_set(source, folds[index]) if todo else None
    for method in todo:
        with alone(
            making / "folds" / f"{index}.{method}.lock",
            f"another process runs fold {index} of {making}; wait for it, or stop it",
            patience=patience,
        ):
            run_method(
                making / "folds" / str(index) / method,
                replace(configs[method], seed=configs[method].seed + index),
                training,
                source.pixels(folds[index].predict),
                folds[index].predict,
                num_samples=plan["num_samples"],
                sample_seed=plan["sample_seed"] + index,
                training_rows=folds[index].train,
                device=device,
                quiet=quiet,
            )


def _training_set(source: PlateSource, fold: Fold) -> TrainingSet:
    targets, classes = source.targets()[fold.train], len(source.classes)
    return TrainingSet(
        source.pixels(fold.train),
        targets,
        classes,
        class_weights=inverse_frequency_weights(targets, classes),
        groups=source.table["group"].to_numpy()[fold.train],
    )


def _missing(making: Path, plan: Plan) -> list[tuple[int, str]]:
    """(fold, method) of what is not finished."""
    return [
        (k, method)
        for method in plan["configs"]
        for k in range(len(plan["parts"]))
        if not (making / "folds" / str(k) / method / "prediction.npz").is_file()
    ]


def missing_folds(making: Path) -> list[int]:
    """Numbers of the unfinished folds."""
    return sorted({k for k, _ in _missing(making, read_json(making / PLAN, Plan))})


def run_folds(
    making: Path, device: str = "cpu", jobs: int | None = 1, cluster: Cluster | None = None
) -> None:
    """Run all missing folds: here one after another, or `jobs` trainings at a time in processes of
    their own (None: see `_jobs_here`), or on a cluster. Raises TakenError for folds that another
    process runs."""
    jobs = _jobs_here(making, device) if jobs is None else jobs
    if jobs > 1 or cluster is not None:
        busy = _run_beside(making, cluster.device if cluster else device, jobs, cluster)
    else:
        busy = set()
        for index in missing_folds(making):
            try:
                run_fold(making, index, device)
            except TakenError:
                busy.add(index)
    if busy:
        raise TakenError(
            f"{making}: another process runs fold {', '.join(map(str, sorted(busy)))}, the others "
            "are finished; run the same command again when that process has ended"
        )


def _jobs_here(making: Path, device: str) -> int:
    """How many trainings of a study run at a time: as many as processors and free memory allow; on a
    graphics card one."""
    if device != "cpu" or not (parts := len(_missing(making, read_json(making / PLAN, Plan)))):
        return 1
    _, source, _ = read_plan(making)
    return parts_at_once(parts, len(source.table) * source.images[0].nbytes)


def _run_beside(making: Path, device: str, jobs: int, cluster: Cluster | None) -> set[int]:
    """Run what is missing, each method of a fold by itself; the folds that others run."""
    plan = read_json(making / PLAN, Plan)
    bases = {m: builds_on(m, config_of(c)) for m, c in plan["configs"].items()}
    waiting, busy = _missing(making, plan), set[int]()
    running: dict[Future, tuple[int, str]] = {}
    (making / "folds").mkdir(exist_ok=True)
    with (
        tqdm(total=len(waiting), desc="folds", unit="training") as bar,
        workers(jobs, cluster, making, device) as submit,
    ):
        while waiting or running:
            unfinished = {*waiting, *running.values()}
            ready = [s for s in waiting if (s[0], bases[s[1]]) not in unfinished]
            if cluster is None:  # a pool starts what it has, even after an error; Ray queues
                ready = ready[: max(jobs - len(running), 0)]
            for step in ready:
                waiting.remove(step)
                _log(making, *step).unlink(missing_ok=True)  # of a run that was cancelled
                running[submit(_run_step, *step)] = step
            for future in wait(running, _LOOK_SECONDS, FIRST_COMPLETED).done:
                index, _ = running.pop(future)
                problem = future.result()
                if isinstance(problem, TakenError):
                    busy.add(index)
                    waiting = [step for step in waiting if step[0] != index]
                elif problem is not None:
                    raise problem
            _show(bar, making, running.values(), len(waiting))
    return busy


def _show(bar: tqdm, making: Path, running: Collection[tuple[int, str]], waiting: int) -> None:
    """Count the finished trainings and the shares of those that run beside one another, so that the
    time left is known after minutes; say how far each is.

    waiting: trainings that have not started.
    """
    lines = [last_line(_log(making, *step)) for step in sorted(running)]
    shares = [min(progress_of(line)[0] or 0.0, _TRAINED) for line in lines]
    texts = [progress_of(line)[1] for line in lines if line]
    finished = bar.total - waiting - len(running)
    # A training that predicts counts its images from 0 again: nothing is taken back.
    bar.n = max(bar.n, round(finished + sum(shares), 1))
    more = f"; {len(texts) - _MOST_SHOWN} more" if len(texts) > _MOST_SHOWN else ""
    bar.set_postfix_str("; ".join(texts[:_MOST_SHOWN]) + more)


def _log(making: Path, index: int, method: str) -> Path:
    return making / "folds" / f"{index}.{method}.log"


def _run_step(making: Path, device: str, index: int, method: str) -> None:
    """In a worker: one method of one fold. Its progress goes to a file that `run_folds` reads."""
    with open(_log(making, index, method), "w") as log, redirect_stderr(log):
        # A worker of a lost machine or of a killed run may still end.
        run_fold(making, index, device, methods=[method], patience=_PATIENCE_SECONDS)
