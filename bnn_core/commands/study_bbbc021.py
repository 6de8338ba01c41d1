"""Train on BBBC021 (human MCF-7 cells, 12 mechanisms of action) with compounds left out.

Uses the plates that are on disk (see 'bnn data bbbc021'). DMSO and other doses are predicted and
never counted; the microtubule stabilizers are reduced to the median class size. You can interrupt
it at any time; the same command continues where it stopped.

  bnn study bbbc021 --folds each                # leave one compound out, as in the paper
  bnn study bbbc021 --leave-out batch           # and its whole week
"""

import argparse
from pathlib import Path

from bnn_core.commands import study_plate
from bnn_core.commands.flags import out_folder, whole_number
from bnn_core.commands.training_flags import add_study_flags, add_train_flags, chosen_methods
from bnn_core.datasets.mnist import data_root
from bnn_core.datasets.preparation import ImageOptions
from bnn_core.recipes.plate_presets import PLATE_PRESETS
from bnn_core.recipes.screens import make_bbbc021_study

NAME = "bbbc021"
HELP = "BBBC021, compounds left out"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="folder of data sets (default: $BNN_DATA, else a per-user cache)",
    )
    parser.add_argument(
        "--plates", metavar="NAME,NAME", help="plates to use (default: all that are on disk)"
    )
    parser.add_argument(
        "--everything", action="store_true", help="also predict compounds without any label"
    )
    parser.add_argument(
        "--taxol-seed",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="seed of the taxol fields that count (default: 0)",
    )
    study_plate.add_plate_flags(parser)
    add_study_flags(parser)
    add_train_flags(parser, PLATE_PRESETS)


def run(args: argparse.Namespace) -> str:
    out = out_folder(args, NAME)
    made = make_bbbc021_study(
        out,
        data_root(args.data),
        chosen_methods(args, PLATE_PRESETS),
        study_plate.division(args),
        study_plate.running(args),
        plates=[name.strip() for name in (args.plates or "").split(",") if name.strip()] or None,
        everything=args.everything,
        taxol_seed=args.taxol_seed,
        scaling=ImageOptions(size=args.size, pixel_size_um=args.pixel_size),
        title=args.title,
    )
    return study_plate.report(args, out, made)
