"""A small study of digits drawn by code: no download, about two minutes on a CPU.

bnn study digits --out cache/digits
"""

import argparse

from bnn_core.commands.flags import out_folder, whole_number
from bnn_core.commands.study_mnist import add_figure6_flags
from bnn_core.commands.training_flags import add_study_flags, add_train_flags, chosen_methods
from bnn_core.recipes.digits import DRAWN_PRESETS, drawn_digits, make_digit_study
from bnn_core.study.describing import one_line

NAME = "digits"
HELP = "digits drawn by code: small, no download"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--train-images",
        metavar="N",
        type=whole_number(100),
        default=4000,
        help="digits to draw for training (default: 4000)",
    )
    parser.add_argument(
        "--test-images",
        metavar="N",
        type=whole_number(10),
        default=1000,
        help="digits to draw for testing (default: 1000)",
    )
    parser.add_argument(
        "--data-seed",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="seed of the drawing (default: 0)",
    )
    add_study_flags(parser)
    add_figure6_flags(parser)
    add_train_flags(parser, DRAWN_PRESETS)


def run(args: argparse.Namespace) -> str:
    choice = chosen_methods(args, DRAWN_PRESETS)
    made = make_digit_study(
        out_folder(args, NAME),
        drawn_digits(args.train_images, args.test_images, args.data_seed, args.title),
        choice,
        pool=200 if args.pool is None else args.pool,
        pool_images=args.pool_images or 500,
        settings={
            "train_images": args.train_images,
            "test_images": args.test_images,
            "data_seed": args.data_seed,
        },
        force=args.force,
        restart=args.restart,
    )
    return one_line(made)
