"""Train a standard and a Bayesian LeNet5 on MNIST and predict its 10,000 test images.

You can interrupt it at any time; the same command continues where it stopped.

  bnn study mnist --preset quick          # about 3 minutes on two CPU cores
  bnn study mnist                         # about 20 minutes; the figures of the README
  bnn study mnist --ood emnist            # and letters, an unknown kind
  bnn study mnist --methods vi,standard,dropout,ensemble,laplace    # other methods too
  bnn study mnist --preset paper          # Table 1 of Deodato et al. (2020); hours on a CPU
"""

import argparse
import sys
from pathlib import Path

from bnn_core.commands.flags import out_folder, whole_number
from bnn_core.commands.training_flags import add_study_flags, add_train_flags, chosen_methods
from bnn_core.datasets.mnist import data_root, download_torchvision_set, has_mnist
from bnn_core.recipes.adding import add_named_images, adding_to
from bnn_core.recipes.digits import DIGIT_PRESETS, make_digit_study, mnist_digits
from bnn_core.study.describing import one_line, with_notes

NAME = "mnist"
HELP = "MNIST digits, standard and Bayesian LeNet5"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="folder with the MNIST files (default: $BNN_DATA, else a per-user "
        "cache, downloading when needed)",
    )
    parser.add_argument(
        "--ood",
        metavar="IMAGES",
        action="append",
        default=[],
        help="also predict images of other kinds: emnist, a folder, an .npz or an idx file (as "
        "in 'bnn predict'); repeatable",
    )
    add_study_flags(parser)
    add_figure6_flags(parser)
    add_train_flags(parser, DIGIT_PRESETS)


def add_figure6_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pool",
        metavar="N",
        type=whole_number(0),
        default=None,
        help="networks drawn for figure 6 (accuracy against T); 0 leaves it out (default: 1000; quick: 200)",
    )
    parser.add_argument(
        "--pool-images",
        metavar="N",
        type=whole_number(1),
        default=None,
        help="test images for figure 6 (default: 2000; quick: 500; all: 10000)",
    )


def figure6_settings(args: argparse.Namespace) -> dict[str, int]:
    quick = args.preset == "quick"
    return {
        "pool": args.pool if args.pool is not None else 200 if quick else 1000,
        "pool_images": args.pool_images or (500 if quick else 2000),
    }


def run(args: argparse.Namespace) -> str:
    choice, out = chosen_methods(args, DIGIT_PRESETS), out_folder(args, NAME)
    root = data_root(args.data)
    if not (args.ood and adding_to(out)):
        if not args.data and not has_mnist(root):
            print(download_torchvision_set("mnist", root), file=sys.stderr)
        made = make_digit_study(
            out,
            mnist_digits(root, args.title or f"MNIST, LeNet5 ({args.preset})"),
            choice,
            settings={"preset": args.preset},
            force=args.force,
            restart=args.restart,
            **figure6_settings(args),
        )
        if not args.ood:
            return one_line(made)
    return with_notes(
        add_named_images(
            out, args.ood, root, device=choice.device, force=args.force, restart=args.restart
        )
    )
