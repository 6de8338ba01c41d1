"""The folds of a planned study of cells: each is one job, idempotent and resumable.

Any machine that shares the folder can run one.
"""

import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import torch
from tqdm import tqdm

from bnn_core.base.errors import RESTORE, InputError
from bnn_core.base.files import TakenError, alone, read_json
from bnn_core.base.schema import Rule
from bnn_core.datasets.folds import Fold, make_folds
from bnn_core.datasets.sources import (
    PlateSource,
    inverse_frequency_weights,
    open_source,
    read_source_table,
    source_key,
)
from bnn_core.networks.methods import training_order
from bnn_core.networks.saved import Settings, config_of
from bnn_core.networks.training import TrainingSet
from bnn_core.recipes.fold import run_method
from bnn_core.study.description import Name

PLAN = "plan.json"
#: The rows of the study, with corrected labels.
TABLE = "table.parquet"


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
    if len(plan.get("without") or plan["parts"]) != len(plan["parts"]):
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


def run_fold(making: Path, index: int, device: str = "cpu", quiet: bool = False) -> None:
    """Run one fold of a planned study: train each method and predict. Finished parts are kept."""
    plan, source, folds = read_plan(making)
    if not 0 <= index < len(folds):
        raise InputError(f"fold {index} does not exist: {making} has folds 0 to {len(folds) - 1}")
    (making / "folds").mkdir(exist_ok=True)
    with alone(
        making / "folds" / f"{index}.lock",
        f"another process runs fold {index} of {making}; wait for it, or stop it",
    ):
        if index in missing_folds(making):
            _run_fold(making, plan, source, folds[index], device, quiet)


def _run_fold(
    making: Path, plan: Plan, source: PlateSource, fold: Fold, device: str, quiet: bool
) -> None:
    index, targets = fold.index, source.targets()
    train_images, train_targets = source.pixels(fold.train), targets[fold.train]
    training = TrainingSet(
        train_images,
        train_targets,
        len(source.classes),
        class_weights=inverse_frequency_weights(train_targets, len(source.classes)),
        groups=source.table["group"].to_numpy()[fold.train],
    )
    configs = {m: config_of(c) for m, c in plan["configs"].items()}
    for method in training_order(configs):
        config = configs[method]
        run_method(
            making / "folds" / str(index) / method,
            replace(config, seed=config.seed + index),
            training,
            source.pixels(fold.predict),
            fold.predict,
            num_samples=plan["num_samples"],
            sample_seed=plan["sample_seed"] + index,
            training_rows=fold.train,
            device=device,
            quiet=quiet,
        )


def missing_folds(making: Path) -> list[int]:
    """Numbers of the unfinished folds."""
    plan = read_json(making / PLAN, Plan)
    return [
        k
        for k in range(len(plan["parts"]))
        if not all(
            (making / "folds" / str(k) / m / "prediction.npz").is_file() for m in plan["configs"]
        )
    ]


def run_folds(making: Path, device: str = "cpu", jobs: int = 1) -> None:
    """Run all missing folds, `jobs` at a time in separate processes."""
    missing, busy = missing_folds(making), []
    if jobs == 1:
        for index in missing:
            try:
                run_fold(making, index, device)
            except TakenError:
                busy.append(str(index))
        _demand_none(busy, making)
        return
    threads = torch.get_num_threads()
    with (
        tqdm(total=len(missing), desc="folds", unit="fold") as bar,
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool,
    ):
        running = [
            pool.submit(_run_fold_quietly, making, index, device, threads) for index in missing
        ]
        for done in as_completed(running):
            try:
                done.result()
            except TakenError:
                busy.append(str(missing[running.index(done)]))
            bar.update()
    _demand_none(busy, making)


def _demand_none(busy: list[str], making: Path) -> None:
    if busy:
        raise TakenError(
            f"{making}: another process runs fold {', '.join(busy)}, the others are finished; run "
            "the same command again when that process has ended"
        )


def _run_fold_quietly(making: Path, index: int, device: str, threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)
    run_fold(making, index, device, quiet=True)
