"""Write flagged images, a selection or corrected labels of a study, as CSV (for Excel) or Parquet.

The file is the same as that of the button in the app.

  bnn export demo --out flagged.csv
  bnn export demo --out unsure.parquet --filter "vi_confidence < 0.2; label != DMSO"
  bnn export demo --out labels.csv --table labels
  bnn export demo --out decisions.csv --table compounds
  bnn export demo --out flagged.xlsx --short     # 12 columns and a legend; 'bnn review' reads it

A filter selects among all images, flagged or not, by the columns of the exported list. Conditions
are separated by ";", values by ",". To train again on the reviewed labels:
bnn study ... --exclude flagged.csv --relabel flagged.csv
"""

import argparse
from pathlib import Path

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.files import write_bytes
from bnn_core.base.wording import count
from bnn_core.commands.flags import add_cache_flag, add_study_argument
from bnn_core.measures.prediction_sets import LEVEL
from bnn_core.review.corrected_labels import corrected_labels
from bnn_core.review.exporting import (
    TABLE_FORMATS,
    csv_bytes,
    export_flagged,
    format_of,
    write_exported,
)
from bnn_core.review.group_decisions import study_decision_list
from bnn_core.review.log import ReviewLog
from bnn_core.review.short_list import short_list, workbook_bytes
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import Study, open_study


def arguments(parser: argparse.ArgumentParser) -> None:
    add_study_argument(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        required=True,
        help="file to write: .csv or .parquet; with --short .csv or .xlsx",
    )
    parser.add_argument("--format", choices=TABLE_FORMATS, help="default: by the file's ending")
    parser.add_argument(
        "--table",
        choices=("flagged", "labels", "compounds"),
        default="flagged",
        help="flagged: one row per flagged image with its decision and scores; "
        "labels: the original and the corrected label of every labelled image; "
        "compounds: one row per ranked compound with its decision (default: flagged)",
    )
    parser.add_argument(
        "--filter",
        metavar="TEXT",
        help='all images that match, e.g. "compound = colchicine; decision != keep" '
        "(default: the flagged images)",
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="12 columns with units in their heads, for Excel; an .xlsx has a sheet that explains "
        "them",
    )
    parser.add_argument(
        "--chance",
        metavar="P",
        type=float,
        default=LEVEL,
        help="chance of an image's set of classes to hold its label, the column classes_90 "
        f"(default: {LEVEL:g})",
    )
    add_cache_flag(parser)


def run(args: argparse.Namespace) -> str:
    root = cache_root(args.cache)
    study = open_study(args.study, root)
    if args.short:
        return _short(args, study, root)
    if args.table == "flagged":
        if not 0 < args.chance < 1:
            raise InputError(
                f"--chance {args.chance:g}: give a number between 0 and 1, such as 0.9"
            )
        table = export_flagged(
            study,
            args.out,
            filter=args.filter,
            format=args.format,
            chance=args.chance,
            reviews=root,
        )
        return f"{args.out}: {count(len(table), 'image')}{_why_none(args, table)}"
    if args.filter is not None:
        raise InputError(f"--filter works only with --table flagged, not {args.table}")
    kind, log = format_of(args.out, args.format), ReviewLog(root)
    labels = args.table == "labels"
    table = corrected_labels(study, log) if labels else study_decision_list(study, log)
    write_exported(table, args.out, kind)
    return f"{args.out}: {count(len(table), 'image' if labels else 'compound')}"


def _short(args: argparse.Namespace, study: Study, root: Path) -> str:
    if args.table != "flagged":
        raise InputError(f"--short works only with --table flagged, not {args.table}")
    kind = args.out.suffix.lower()
    if kind not in (".csv", ".xlsx") or args.format not in (None, "csv"):
        raise InputError(f"--out {args.out} must end in .csv or .xlsx with --short")
    short = short_list(study, export_flagged(study, filter=args.filter, reviews=root))
    content = csv_bytes(short) if kind == ".csv" else workbook_bytes(study, short)
    write_bytes(args.out, content)
    return f"{args.out}: {count(len(short), 'image')}{_why_none(args, short)}"


def _why_none(args: argparse.Namespace, table: pd.DataFrame) -> str:
    """What to do where a list has only its heads; else ""."""
    if len(table):
        return ""
    if args.filter is not None:
        return "; none fits the filter"
    return (
        "; none is flagged: flag some in the app, import a list with 'bnn review', or choose images "
        "with --filter"
    )
