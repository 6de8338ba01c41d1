"""The demo: a synthetic screen with planted faults, drawn by code, trained with compounds left out.

No download; 15 to 30 minutes of a core, divided among those there are. The study's truth.parquet
lists the planted faults. You can interrupt it at any time; the same command continues where it stopped.

  bnn study demo --out cache/demo --force     # the study that a fresh clone shows first
  bnn study demo --data-seed 7 --out cache/demo7   # another screen: other compounds, other faults
"""

import argparse

from bnn_core.commands import study_plate
from bnn_core.commands.flags import out_folder, whole_number
from bnn_core.commands.training_flags import add_study_flags, add_train_flags, chosen_methods
from bnn_core.recipes.screens import DEMO_PRESETS, make_demo_study

NAME = "demo"
DEMO_METHODS = "vi,standard,ensemble,laplace"
HELP = "a synthetic screen with planted faults: no download"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-seed",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="seed of the screen: compounds, faults, pictures (default: 0)",
    )
    parser.add_argument(
        "--keep-weights",
        action="store_true",
        help="keep the folds' networks (about 50 MB); nothing in the app needs them",
    )
    study_plate.add_fold_flags(parser)
    add_study_flags(parser)
    add_train_flags(parser, DEMO_PRESETS, DEMO_METHODS)


def run(args: argparse.Namespace) -> str:
    out = out_folder(args, NAME)
    made = make_demo_study(
        out,
        chosen_methods(args, DEMO_PRESETS),
        study_plate.division(args),
        study_plate.running(args),
        data_seed=args.data_seed,
        title=args.title,
        keep_weights=args.keep_weights,
    )
    return study_plate.report(args, out, made)
