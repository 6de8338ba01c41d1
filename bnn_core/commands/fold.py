"""Run one fold of a study that 'bnn study ... --prepare-only' planned, as a job of a cluster.

A finished fold is skipped, an interrupted one continues. The job that finishes the last fold
assembles the study.

  bnn fold cache/fields 0
"""

import argparse
from pathlib import Path

from bnn_core.base.errors import InputError
from bnn_core.base.files import TakenError
from bnn_core.commands.flags import add_cache_flag, add_study_argument, whole_number
from bnn_core.commands.training_flags import add_device_flags, chosen_device
from bnn_core.recipes.plate import assemble_study
from bnn_core.recipes.plate_folds import PLAN, missing_folds, run_fold
from bnn_core.recipes.plate_study import unfinished_folder
from bnn_core.study.catalogue import cache_root, study_path
from bnn_core.study.describing import one_line, with_notes
from bnn_core.study.folder import open_study
from bnn_core.study.lock import MAKING


def arguments(parser: argparse.ArgumentParser) -> None:
    add_study_argument(parser)
    parser.add_argument(
        "fold", metavar="K", type=whole_number(0), help="number of the fold, from 0"
    )
    add_cache_flag(parser)
    add_device_flags(parser)


def run(args: argparse.Namespace) -> str:
    study = study_path(args.study, cache_root(args.cache))
    if _is_finished(study):
        return _done_before(study, args.fold)
    try:
        making = unfinished_folder(study)
        run_fold(making, args.fold, chosen_device(args))
        missing = missing_folds(making)
        if missing:
            return f"fold {args.fold} done; missing: {', '.join(map(str, missing))}"
        return _assembled(making, args.fold, chosen_device(args))
    except (InputError, FileNotFoundError):
        if _is_finished(study):  # by another job in the meantime
            return with_notes(study)
        raise


def _assembled(making: Path, fold: int, device: str) -> str:
    try:
        return with_notes(assemble_study(making, device))
    except TakenError:
        return (
            f"fold {fold} done; another job assembles the study (if it fails, run this command "
            "again)"
        )


def _done_before(study: Path, fold: int) -> str:
    folds = open_study(study).meta.get("folds") or []
    if fold >= len(folds):
        has = f"folds 0 to {len(folds) - 1}" if folds else "no folds"
        raise InputError(f"fold {fold} does not exist: the study {study} has {has}")
    return f"all folds were finished before: {one_line(study)}"


def _is_finished(study: Path) -> bool:
    plan = study.with_name(study.name + MAKING) / PLAN
    return (study / "study.json").is_file() and not plan.is_file()
