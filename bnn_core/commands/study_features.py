"""Train small networks on measured features with whole groups (compounds) left out: a minute's work.

TABLE has one row per well, field or cell and a column per feature, such as profiles of CellProfiler
and pycytominer or embeddings of any model (CSV, Parquet, Excel, ...); or it is an array of features
(.npy) and --metadata names the table of its rows. Features are all columns of numbers that are no
metadata. You can interrupt it at any time; the same command continues where it stopped.

  bnn study features profiles.csv --label moa --group compound --folds each
  bnn study features embedding.npy --metadata wells.csv --label moa
  bnn study features profiles.parquet --control DMSO --anchor controls --features 'Cells_*' 'Nuclei_*'
"""

import argparse
from pathlib import Path

from bnn_core.commands.flags import out_folder
from bnn_core.commands.study_plate import add_fold_flags, division, report, running
from bnn_core.commands.table_flags import add_row_flags, table_options
from bnn_core.commands.training_flags import add_study_flags, add_train_flags, chosen_methods
from bnn_core.datasets.anchoring import ANCHORS
from bnn_core.datasets.features import FeatureOptions
from bnn_core.recipes.feature_presets import FEATURE_PRESETS
from bnn_core.recipes.feature_study import make_feature_study

NAME = "features"
HELP = "measured features or embeddings, with compounds left out"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "table", metavar="TABLE", type=Path, help="one row per well, field or cell; or an .npy"
    )
    add_row_flags(parser)
    group = parser.add_argument_group("features")
    group.add_argument(
        "--metadata",
        metavar="FILE",
        type=Path,
        help="the table of an array's rows, in the array's order",
    )
    group.add_argument(
        "--features",
        metavar="PATTERN",
        nargs="+",
        action="extend",
        help="columns to use, such as 'Cells_*' (default: all numeric columns except metadata)",
    )
    group.add_argument(
        "--anchor",
        choices=ANCHORS,
        default="none",
        help="controls: measure each plate from the middle of its --control rows, in units of the "
        "controls' spread (default: none)",
    )
    group.add_argument(
        "--pictures",
        metavar="FILE",
        type=Path,
        help="a table of images (as for 'bnn study plate'), to be shown for the rows of the same plate, "
        "well and site (default: the files that TABLE itself names, if any)",
    )
    group.add_argument(
        "--group", metavar="COLUMN", help="rows left out together (default: of a compound)"
    )
    add_fold_flags(parser, copies=False)
    add_study_flags(parser, "the table's name")
    add_train_flags(parser, FEATURE_PRESETS)


def run(args: argparse.Namespace) -> str:
    out = out_folder(args, args.table.stem)
    made = make_feature_study(
        args.table,
        out,
        chosen_methods(args, FEATURE_PRESETS),
        division(args),
        FeatureOptions(
            **table_options(args),
            metadata=args.metadata,
            features=args.features,
            anchor=args.anchor,
            pictures=args.pictures,
            group=args.group,
        ),
        running(args),
        title=args.title,
    )
    return report(args, out, made)
