"""Apply the networks of a finished study to more images, and add these to the study.

IMAGES is a folder (sub-folders are labels), an .npz (images, labels), an idx file of images,
`emnist`, or `emnist:SPLIT` (byclass, bymerge, balanced, letters, digits, mnist; -train for the
training part); NAME=IMAGES gives a set a name of your own. Images with a label that the study knows
get the role "shifted", those with another "new", those without "unlabelled"; no accuracy counts
them. Interrupt it at any time; the same command goes on where it stopped.

  bnn predict mnist emnist                   # letters: what does it make of things it never saw?
  bnn predict mnist letters.npz --out cache/mnist-letters
  bnn predict fields new-dyes/ --role new
"""

import argparse
import tempfile
from pathlib import Path

from bnn_core.commands.flags import add_cache_flag
from bnn_core.commands.training_flags import add_device_flags, chosen_device
from bnn_core.datasets.emnist import open_any
from bnn_core.datasets.mnist import data_root
from bnn_core.recipes.adding import add_images
from bnn_core.study.catalogue import cache_root, study_path
from bnn_core.study.describing import one_line
from bnn_core.study.folder import ROLES, open_study


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="name under the cache, or its folder")
    parser.add_argument("images", metavar="IMAGES", nargs="+", help="what to predict")
    parser.add_argument(
        "--out",
        metavar="STUDY2",
        help="name or folder of a new study; default: STUDY itself is made anew "
        "with the images added, swapped in when all is done",
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
    parser.add_argument("--force", action="store_true", help="re-make STUDY2 if it exists already")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="throw away what an interrupted run left and begin anew",
    )


def run(args: argparse.Namespace) -> str:
    root = cache_root(args.cache)
    return add(
        args,
        study_path(args.study, root),
        args.images,
        out=study_path(args.out, root) if args.out else None,
        role=args.role,
    )


def add(
    args: argparse.Namespace,
    study: Path,
    images: list[str],
    *,
    out: Path | None = None,
    role: str | None = None,
) -> str:
    """Add the images that the command line names to a study; one line on the result."""
    open_study(study)  # refuses what is no study before a folder is made beside it
    # Beside the studies: what is unpacked may be larger than the system's folder for such things.
    with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=study.parent) as scratch:
        sets = [open_any(text, data_root(args.data), Path(scratch)) for text in images]
        made = add_images(
            study,
            sets,
            out=out,
            role=role,
            device=chosen_device(args),
            force=args.force,
            restart=args.restart,
        )
    return "\n".join([*(note for s in sets for note in s.notes), one_line(made)])
