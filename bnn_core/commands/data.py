"""Download a data set. An interrupted download of BBBC021 continues, others begin again.

bnn data mnist
bnn data emnist
bnn data bbbc021 --plates Week1_22123,Week1_22361    # 840 MB to fetch, 1.9 GB on disk per plate
bnn data bbbc021 --labelled                          # 43 GB to fetch, 49 GB on disk
bnn data bbbc021 --all                               # 43 GB to fetch, 104 GB on disk
"""

import argparse
import os
from pathlib import Path

from bnn_core.base.errors import InputError
from bnn_core.commands.flags import whole_number
from bnn_core.datasets.bbbc021_download import BASE_URL, download_bbbc021
from bnn_core.datasets.mnist import data_root, download_torchvision_set

NAMES = ("mnist", "emnist", "bbbc021")
MIRROR = "BNN_BBBC021_URL"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", choices=NAMES, help=", ".join(NAMES))
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="folder of data sets (default: $BNN_DATA, else a per-user cache)",
    )
    cells = parser.add_argument_group("bbbc021")
    cells.add_argument("--plates", metavar="NAME,NAME", help="plates to fetch, such as Week1_22123")
    extent = cells.add_mutually_exclusive_group()
    extent.add_argument(
        "--labelled",
        action="store_true",
        help="keep only DMSO and all doses of compounds with a known mechanism; of "
        "all plates, or of those in --plates",
    )
    extent.add_argument("--all", action="store_true", help="everything of all 55 plates")
    cells.add_argument(
        "--connections",
        metavar="N",
        type=whole_number(1),
        default=4,
        help="plates fetched at a time (default: 4)",
    )
    cells.add_argument(
        "--keep-archives", action="store_true", help="keep the zip files after unpacking them"
    )
    cells.add_argument(
        "--base-url",
        metavar="URL",
        default=os.environ.get(MIRROR) or BASE_URL,
        help=f"folder of the archives, for a mirror (default: ${MIRROR}, else {BASE_URL})",
    )


def run(args: argparse.Namespace) -> str:
    root = data_root(args.data)
    if args.name != "bbbc021":
        return download_torchvision_set(args.name, root)
    if args.plates is None and not (args.labelled or args.all):
        raise InputError(
            "BBBC021 is large: choose --plates NAME,NAME (840 MB each), --labelled or --all "
            "(43 GB); 'bnn data --help' has examples"
        )
    plates = [name.strip() for name in (args.plates or "").split(",") if name.strip()] or None
    if args.plates is not None and plates is None:
        raise InputError(
            f"--plates '{args.plates}' names no plate; give plates separated by commas, such as "
            "Week1_22123,Week1_22361; leave the flag out for all plates"
        )
    return download_bbbc021(
        root / "bbbc021",
        plates=plates,
        labelled=args.labelled,
        base_url=args.base_url,
        connections=args.connections,
        keep_archives=args.keep_archives,
    )
