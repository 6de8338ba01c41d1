"""Flags of commands that read a table of images or features."""

import argparse
from pathlib import Path

from bnn_core.commands.flags import intensity_range, read_map


def add_table_flags(parser: argparse.ArgumentParser) -> None:
    """How a table of images is read; see `datasets.plates.read_plate`."""
    group = add_row_flags(parser)
    group.add_argument(
        "--intensities",
        metavar="LOW,HIGH",
        type=intensity_range,
        help="values that become black and white in files of other numbers than 8 or 16 bit "
        "(float, int32); the same for all images",
    )


def add_row_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """What the rows of a table are and where their pictures lie."""
    group = parser.add_argument_group("the table")
    group.add_argument("--label", metavar="COLUMN", help="the classes (default: label, else moa)")
    group.add_argument("--batch", metavar="COLUMN", help="what was made together (week, run)")
    group.add_argument(
        "--control",
        metavar="NAME",
        help="compound or label of untreated rows: predicted, never counted",
    )
    group.add_argument(
        "--unlabelled",
        metavar="VALUE",
        nargs="+",
        action="extend",
        help="labels that mean no label; all others are classes (default: na, none, null and the "
        "like, and with a warning unknown, ?, -)",
    )
    group.add_argument(
        "--map",
        metavar="NAME=COLUMN",
        action="append",
        default=[],
        help="say which column is the plate, well, site, compound, ...; repeatable",
    )
    group.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        help="folder that relative paths start from (default: the table's)",
    )
    group.add_argument("--channels", metavar="NAME,NAME", help="names of the channels, in order")
    return group


def table_options(args: argparse.Namespace) -> dict[str, object]:
    """The keywords of `read_plate` and `read_features` that these flags give."""
    return {
        "label": args.label,
        "batch": args.batch,
        "control": args.control,
        "unlabelled": args.unlabelled,
        "columns": read_map(args.map),
        "images": args.images,
        "channels": None if args.channels is None else args.channels.split(","),
    }
