"""Apply the networks of a finished study to more images, and add the images to the study.

IMAGES is a folder (sub-folders are labels), an .npz (images, labels), an idx file of images,
`emnist`, or `emnist:SPLIT` (byclass, bymerge, balanced, letters, digits, mnist; -train for the
training part); NAME=IMAGES names a set. Images with a label that the study knows get the role
"shifted", images with another label "new", images without one "unlabelled"; no accuracy counts
them. You can interrupt it at any time; the same command continues where it stopped.

  bnn predict mnist emnist                   # letters: how does it react to unknown kinds?
  bnn predict mnist letters.npz --out cache/mnist-letters
  bnn predict fields new-dyes/ --role new
"""

import argparse
from pathlib import Path

from bnn_core.commands.flags import add_cache_flag
from bnn_core.commands.training_flags import add_device_flags, chosen_device
from bnn_core.datasets.mnist import data_root
from bnn_core.recipes.adding import add_named_images
from bnn_core.study.catalogue import cache_root, study_path
from bnn_core.study.describing import with_notes
from bnn_core.study.folder import ROLES


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="name under the cache, or its folder")
    parser.add_argument("images", metavar="IMAGES", nargs="+", help="images to predict")
    parser.add_argument(
        "--out",
        metavar="STUDY2",
        help="name or folder of a new study (default: STUDY, which is replaced at the end)",
    )
    parser.add_argument(
        "--role", choices=ROLES[1:], help="role of all the images (default: by their labels)"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="folder of data sets (default: $BNN_DATA, else a per-user cache)",
    )
    add_cache_flag(parser)
    add_device_flags(parser)
    parser.add_argument("--force", action="store_true", help="replace STUDY2 if it exists")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="delete what an interrupted run left and begin again",
    )


def run(args: argparse.Namespace) -> str:
    root = cache_root(args.cache)
    made = add_named_images(
        study_path(args.study, root),
        args.images,
        data_root(args.data),
        out=study_path(args.out, root) if args.out else None,
        role=args.role,
        device=chosen_device(args),
        force=args.force,
        restart=args.restart,
    )
    return with_notes(made)
