"""The demo: a synthetic screen with planted faults, drawn by code, trained with compounds left out.

No download; about 20 minutes on one core. What was planted stands in the study's truth.parquet.
Interrupt it at any time; the same command goes on where it stopped.

  bnn study demo --out cache/demo --force     # the study that a fresh clone opens on
  bnn study demo --data-seed 7 --out cache/demo7   # another screen: other compounds, other faults
"""

import argparse
from dataclasses import replace

from bnn_core.commands import study_plate
from bnn_core.commands.flags import out_folder, whole_number
from bnn_core.commands.training_flags import add_study_flags, add_train_flags
from bnn_core.datasets.demo.synthetic_screen import prepare
from bnn_core.recipes import plate_presets

NAME = "demo"
HELP = "a synthetic screen with planted faults: no download"
_EPOCHS = {"quick": (8, 4), "default": (16, 10)}
#: Less than for real plates: the pictures are small and drawn, and so shall the study be; its
#: batches are stained nearly alike.
_DRAWN = {"head_width": 256, "augmentation": "dihedral"}
_PLATES = plate_presets.PRESETS["default"]
PRESETS = {
    name: {
        "standard": replace(_PLATES["standard"], epochs=standard, **_DRAWN),
        "vi": replace(_PLATES["vi"], epochs=vi, kl_weight=0.1, **_DRAWN),
    }
    for name, (standard, vi) in _EPOCHS.items()
}


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
        help="keep the folds' networks (about 15 MB); nothing in the app needs them",
    )
    study_plate.add_fold_flags(parser)
    add_study_flags(parser)
    add_train_flags(parser, PRESETS)


def run(args: argparse.Namespace) -> str:
    out = out_folder(args, NAME)
    return study_plate.make(
        args,
        out,
        lambda: prepare(study_plate.prepared_folder(out), args.data_seed),
        NAME,
        args.title or "A synthetic screen with planted faults",
        presets=PRESETS,
        settings={"data_seed": args.data_seed},
        keep_weights=args.keep_weights,
    )
