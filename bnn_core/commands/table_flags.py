"""Flags of commands that read a table of images or features."""

import argparse
import sys
from pathlib import Path

from bnn_core.base.wording import WARNING, count
from bnn_core.commands.flags import intensity_range, read_map
from bnn_core.datasets.image_folders import FolderScan
from bnn_core.datasets.plate_options import PlateOptions, as_source
from bnn_core.datasets.plates import read_plate

#: Files that a dry run looks for, spread over the table.
_LOOKED_FOR = 200


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
    add_folder_flags(parser)


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
        help="name the column of the plate, well, site, compound, ...; repeatable",
    )
    group.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        help="folder that relative paths start from (default: the table's)",
    )
    group.add_argument(
        "--channels",
        metavar="NAME,NAME",
        help="names of the channels in their order; with a file per channel, which to use, and "
        "NAME=CHANNEL to call it so",
    )
    return group


def add_folder_flags(parser: argparse.ArgumentParser) -> None:
    """How a folder is read, and what else is known of its wells."""
    group = parser.add_argument_group("wells and compounds")
    group.add_argument(
        "--layout",
        metavar="FILE",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="plate maps: compound, dose, mechanism per well, as a table or laid out as a plate grid "
        "(.csv, .xlsx); a map named after a plate is that plate's",
    )
    group.add_argument(
        "--metadata",
        metavar="FILE",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="more tables: joined by plate and well, or by compound; contradictions are listed",
    )
    group = parser.add_argument_group("a folder of an instrument")
    group.add_argument(
        "--pattern",
        metavar="REGEX",
        help="how files are named, with groups such as (?P<well>[A-P]\\d+)_(?P<channel>\\w+): "
        "plate, well (or row, column), site, channel, plane, time, compound, ...; "
        'with a "/" it is of the path',
    )
    group.add_argument(
        "--planes",
        metavar="max|N",
        help="of several planes in depth the brightest value of each pixel, or the N-th plane",
    )
    group.add_argument("--time", metavar="N", help="which of several points in time, from 1")
    group.add_argument(
        "--dry-run", action="store_true", help="show what the file names mean, and read no image"
    )


def table_options(args: argparse.Namespace) -> dict[str, object]:
    """The keywords of `read_plate` and `read_features` that the flags of `add_row_flags` give."""
    return {
        "label": args.label,
        "batch": args.batch,
        "control": args.control,
        "unlabelled": args.unlabelled,
        "columns": read_map(args.map),
        "images": args.images,
        "channels": None if args.channels is None else args.channels.split(","),
    }


def plate_options(args: argparse.Namespace) -> dict[str, object]:
    """The keywords of `read_plate` that the flags of `add_table_flags` give."""
    return table_options(args) | {
        "layout": args.layout,
        "metadata": args.metadata,
        "pattern": args.pattern,
        "planes": args.planes,
        "time": args.time,
    }


def scanned(path: Path, args: argparse.Namespace) -> Path | FolderScan:
    """The table, or what the names in a folder say, which is printed before anything is read."""
    source = as_source(path, PlateOptions(pattern=args.pattern, planes=args.planes, time=args.time))
    if isinstance(source, FolderScan):
        print("\n".join(source.preview()), file=sys.stderr)
    return source


def dry_run(source: Path | FolderScan, args: argparse.Namespace, to_learn: bool) -> str:
    """What would be read, in lines."""
    options = plate_options(args) | ({"group": args.group} if to_learn else {})
    plates = read_plate(source, **options, to_learn=to_learn)
    missing, looked = plates.missing_files(_LOOKED_FOR)
    roles = plates.table["role"].value_counts()
    return "\n".join(
        [
            *plates.notes,
            *(
                [
                    f"{WARNING}{len(missing):,} of {looked:,} files looked for are missing, such as "
                    f"{missing[0][1]} (row {missing[0][0]}); --images names the folder that paths start "
                    "from"
                ]
                if missing
                else []
            ),
            f"{count(len(plates.table), 'image')} ("
            + ", ".join(f"{n:,} {role}" for role, n in roles.items())
            + f"), {count(len(plates.classes), 'label')}; nothing was read (--dry-run)",
        ]
    )
