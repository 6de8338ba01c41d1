"""Train on your own images with whole groups (compounds) left out, and predict what was left out.

IMAGES is a table or a folder. A table has a column of paths, or one per channel, and metadata of each
image; column names of BBBC and CellProfiler are recognised. A folder comes from an instrument
(ImageXpress, Opera Phenix, Operetta, Columbus, Yokogawa, IN Cell, Incucyte, ArrayScan, Cytation, Nikon,
Leica, Zeiss, ScanR, Acquifer, OME-Zarr); a plate map says what is in its wells. Rows without a label are
predicted, but do not count for accuracy. You can interrupt the command at any time; run it again to
continue.

  bnn study plate fields.csv --label moa --group compound --preset quick
  bnn study plate fields.csv --label moa --group compound --folds 6 --jobs 1
  bnn study plate fields.csv --label moa --leave-out label   # unseen mechanisms
  bnn study plate 2024-05-plate1/ --layout platemap.xlsx --metadata compounds.csv   # no table
  bnn study plate 2024-05-plate1/ --layout platemap.xlsx --planes max --dry-run     # look first
  bnn study plate fields.csv --label moa --prepare-only    # then 'bnn fold STUDY K' on a cluster
  bnn study plate fields.csv --label moa --slurm           # then 'sbatch fields.sbatch'
  bnn study plate fields.csv --label moa --ray head:6379 --ray-gpus 0.5    # on a Ray cluster
"""

import argparse
import re
import shlex
import sys
from pathlib import Path

from bnn_core.base.files import read_json, write_bytes
from bnn_core.commands.flags import micrometres, out_folder, whole_number
from bnn_core.commands.table_flags import add_table_flags, dry_run, plate_options, scanned
from bnn_core.commands.training_flags import (
    add_ray_flags,
    add_study_flags,
    add_train_flags,
    chosen_cluster,
    chosen_methods,
)
from bnn_core.datasets.plate_options import PlateOptions
from bnn_core.datasets.plates import source_name
from bnn_core.datasets.preparation import ImageOptions
from bnn_core.images.faults import CORRUPTIONS
from bnn_core.recipes.division import LEAVE_OUT, Division, RunOptions
from bnn_core.recipes.plate_folds import PLAN
from bnn_core.recipes.plate_presets import PLATE_PRESETS
from bnn_core.recipes.plate_study import make_table_study
from bnn_core.study.describing import with_notes

NAME = "plate"
HELP = "your own images, with compounds left out"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "table", metavar="IMAGES", type=Path, help="a table with one row per image, or a folder"
    )
    add_table_flags(parser)
    group = parser.add_argument_group("labels and scaling")
    group.add_argument(
        "--group",
        metavar="COLUMN",
        help="column of groups; a group is left out as a whole (default: the compound)",
    )
    group.add_argument(
        "--normalise",
        default="auto",
        choices=("auto", "plate", "image", "none"),
        help="intensity scaling: by percentiles of the plate and channel, by those of the "
        "image, or none (default: auto, which is plate for 16 bit and none for 8 bit)",
    )
    add_plate_flags(parser)
    add_study_flags(parser, "the name of the table or folder")
    add_train_flags(parser, PLATE_PRESETS)


def add_plate_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of all studies of plate images."""
    group = parser.add_argument_group("images")
    group.add_argument(
        "--size",
        metavar="PIXELS",
        type=whole_number(8),
        default=128,
        help="shorter side of the images for training; the files are not changed (default: 128)",
    )
    group.add_argument(
        "--pixel-size",
        metavar="UM",
        type=micrometres,
        help="micrometres per pixel of the originals, for the scale bar",
    )
    add_fold_flags(parser)


def add_fold_flags(parser: argparse.ArgumentParser, copies: bool = True) -> None:
    """The flags for folds, added copies and corrected labels. copies: of images, with damage."""
    group = parser.add_argument_group("folds")
    group.add_argument(
        "--folds",
        metavar="K",
        default=None,
        help="number of folds of whole groups, or 'each': leave one group out (default: 6)",
    )
    group.add_argument(
        "--fold-seed",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="seed of the random assignment of groups to folds (default: 0)",
    )
    group.add_argument(
        "--leave-out",
        choices=LEAVE_OUT,
        default="group",
        help="leave out groups, groups with their whole batch, or a whole label per fold, to see "
        "how unseen mechanisms look (default: group)",
    )
    if copies:
        group.add_argument(
            "--corrupt",
            metavar="KIND,KIND",
            help="also predict a damaged copy of every scored image, with these kinds of damage in "
            f"turn: {', '.join(CORRUPTIONS)}; the copies do not count for accuracy",
        )
    _add_running_flags(group)
    _add_reviewed_flags(group)


def _add_running_flags(group: argparse._ArgumentGroup) -> None:
    """How the folds are run, and whether networks for new plates are trained."""
    group.add_argument(
        "--deploy",
        action="store_true",
        help="train each method once more, on all compounds: the networks that 'bnn predict' uses "
        "for new plates",
    )
    group.add_argument(
        "--jobs",
        metavar="N",
        type=whole_number(1),
        help="trainings at a time, each a method of a fold in a separate process (default: as many as "
        "there are processors for their --threads, and free memory; on a graphics card 1)",
    )
    add_ray_flags(group)
    group.add_argument(
        "--prepare-only",
        action="store_true",
        help="read the table and plan the folds; run them with 'bnn fold'",
    )
    group.add_argument(
        "--slurm",
        action="store_true",
        help="as --prepare-only, and write a script for 'sbatch' beside the study: one job per fold",
    )


def _add_reviewed_flags(group: argparse._ArgumentGroup) -> None:
    """Reviewed lists that leave out or relabel images."""
    group.add_argument(
        "--exclude",
        metavar="FILE",
        type=Path,
        help="leave out the images that this reviewed list (bnn export) excludes",
    )
    group.add_argument(
        "--relabel",
        metavar="FILE",
        type=Path,
        help="train on the new labels of this reviewed list (bnn export)",
    )


def run(args: argparse.Namespace) -> str:
    out = out_folder(args, source_name(args.table))
    source = scanned(args.table, args)
    if args.dry_run:
        return dry_run(source, args, to_learn=True)
    made = make_table_study(
        source,
        out,
        chosen_methods(args, PLATE_PRESETS),
        division(args),
        PlateOptions(**plate_options(args), group=args.group),
        ImageOptions(args.size, args.normalise, args.intensities, args.pixel_size),
        running(args),
        title=args.title,
    )
    return report(args, out, made)


def division(args: argparse.Namespace) -> Division:
    """The flags of `add_fold_flags` that say what is left out."""
    return Division(
        folds=args.folds,
        seed=args.fold_seed,
        leave_out=args.leave_out,
        corrupt=getattr(args, "corrupt", None),
        exclude=args.exclude,
        relabel=args.relabel,
        deploy=args.deploy,
    )


def running(args: argparse.Namespace) -> RunOptions:
    """The flags that say how a study of plates is run."""
    return RunOptions(
        args.jobs,
        chosen_cluster(args),
        args.prepare_only or args.slurm,
        args.force,
        args.restart,
    )


def slurm_script(out: Path, folds: int) -> str:
    """A script for `sbatch` that runs each fold of a planned study as one job of an array."""
    study = out.resolve()
    name = re.sub(r"[^\w.-]+", "_", study.name)
    return f"""#!/bin/sh
#SBATCH --job-name=bnn-{name}
#SBATCH --array=0-{folds - 1}
#SBATCH --cpus-per-task=2
# A GPU: add #SBATCH --gres=gpu:1. The output of fold K is in slurm-JOB_K.out.
exec {shlex.quote(sys.executable)} -m bnn_core fold {shlex.quote(str(study))} "$SLURM_ARRAY_TASK_ID"
"""


def report(args: argparse.Namespace, out: Path, made: Path) -> str:
    """One line on the study that was made, or on the folds that were planned."""
    if not (args.prepare_only or args.slurm):
        return with_notes(made)
    folds = len(read_json(made / PLAN)["parts"])
    if args.slurm:
        script = out.with_name(f"{out.name}.sbatch")
        write_bytes(script, slurm_script(out, folds).encode())
        return (
            f"{made}: {folds} folds planned; run: sbatch {shlex.quote(str(script.resolve()))}; "
            "the last to finish assembles the study"
        )
    return (
        f"{made}: {folds} folds planned; run: bnn fold {shlex.quote(str(out.resolve()))} K, for "
        f"K = 0 to {folds - 1}; the last to finish assembles the study"
    )
