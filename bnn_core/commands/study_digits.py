"""A small study of digits drawn by code: no download, about two minutes on a CPU.

bnn study digits --out cache/digits
"""

import argparse

from bnn_core.commands.flags import out_folder, whole_number
from bnn_core.commands.study_mnist import add_figure6_flags
from bnn_core.commands.training_flags import (
    add_study_flags,
    add_train_flags,
    train_configs,
    use_device,
)
from bnn_core.datasets.digits import generate
from bnn_core.datasets.mnist import CLASSES, LabelledImages
from bnn_core.networks.settings import TrainConfig
from bnn_core.recipes.digits import DigitStudy, make_digit_study
from bnn_core.recipes.rivals import with_rivals
from bnn_core.study.describing import one_line

NAME = "digits"
HELP = "digits drawn by code: small, no download"
PRESETS = {
    "default": with_rivals(
        {
            "standard": TrainConfig(bayesian=False, epochs=10),
            "vi": TrainConfig(epochs=20, batch_size=64, kl_weight=0.1, rho_init=-4.0),
        }
    )
}


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
    add_train_flags(parser, PRESETS)


def run(args: argparse.Namespace) -> str:
    device, configs = use_device(args), train_configs(args, PRESETS)
    drawn = []
    for n, seed in (
        (args.train_images, 2 * args.data_seed),
        (args.test_images, 2 * args.data_seed + 1),
    ):
        images, targets = generate(n, seed)
        drawn.append(LabelledImages(images[:, None], targets))
    source = DigitStudy(
        "digits",
        args.title or "Synthetic digits, drawn by code",
        CLASSES,
        *drawn,
        prefix="digit",
        synthetic=True,
        notes=("Synthetic: every image is drawn by code; nothing here is a measurement.",),
    )
    out = make_digit_study(
        out_folder(args, NAME),
        source,
        configs,
        num_samples=args.num_samples,
        sample_seed=args.sample_seed,
        device=device,
        force=args.force,
        restart=args.restart,
        settings={
            "train_images": args.train_images,
            "test_images": args.test_images,
            "data_seed": args.data_seed,
        },
        pool=200 if args.pool is None else args.pool,
        pool_images=args.pool_images or 500,
    )
    return one_line(out)
