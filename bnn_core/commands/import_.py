"""Make a study from a table of predictions by any program.

FILE is a table (text, Parquet, Feather, JSON or a workbook; text also as .gz) with one row per image
and one column per class (softmax_0 ..., p_<class>, prob_<class>, or called as the classes), or one
row per image and class; or an array (.npy, .npz) of probabilities or samples. Columns of labels,
compounds, plates and so on are found by their usual names. The class of each column is read from
its name or from the column of predicted classes, and checked on every row.

  bnn import predictions.csv --out cache/mine
  bnn import predictions.csv --standard plain_network.csv --image-root images/
  bnn import labels.csv --samples samples.npy          # (images, samples, classes) or (T, N, C)
  bnn import table.csv --metadata image.csv.gz --batch week
  bnn import softmax.npy --labels labels.csv --classes cell debris    # labels in its order, or by name
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bnn_core.base.methods import METHODS
from bnn_core.commands.flags import add_cache_flag, micrometres, read_map
from bnn_core.recipes.imports import import_predictions
from bnn_core.study.catalogue import cache_root
from bnn_core.study.describing import describe
from bnn_core.tables.aliases import CANONICAL


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="table or array of predictions")
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="the study's folder (default: the file's name under --cache, which the app lists)",
    )
    add_cache_flag(parser)
    parser.add_argument("--title", help="name shown in the app (default: the file's name)")
    parser.add_argument("--force", action="store_true", help="replace a study that exists")
    meaning = parser.add_argument_group("meaning of the columns")
    _add_columns(meaning)
    _add_tables(meaning)
    _add_probabilities(parser.add_argument_group("probabilities"))
    _add_images(parser.add_argument_group("images"))


def _add_columns(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--label", metavar="COLUMN", help="the class of each image (default: label, else moa)"
    )
    group.add_argument(
        "--group",
        metavar="COLUMN",
        help="groups of images that are not independent, for intervals (default: the compound)",
    )
    group.add_argument(
        "--batch",
        metavar="COLUMN",
        help="images made together (week, run)",
    )
    group.add_argument(
        "--map",
        metavar="NAME=COLUMN",
        action="append",
        default=[],
        dest="columns",
        help=f"COLUMN contains NAME, one of {', '.join(CANONICAL)}; an empty COLUMN ignores NAME; "
        "repeatable",
    )
    group.add_argument(
        "--control",
        metavar="NAME",
        action="append",
        default=[],
        help="compound or label of untreated images: shown, not counted for accuracy",
    )
    group.add_argument(
        "--unlabelled",
        metavar="VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="values that mean no label, such as -1 or unknown",
    )
    group.add_argument(
        "--new",
        metavar="LABEL",
        nargs="+",
        action="extend",
        default=[],
        help="labels absent from training: shown as new kinds, not scored",
    )


def _add_tables(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--labels",
        metavar="FILE",
        type=Path,
        help="the labels of an array or a table without any: one per image in its order (.npy, "
        ".npz, .txt, .csv), or a table that names the images",
    )
    group.add_argument(
        "--ids",
        metavar="FILE",
        type=Path,
        help="the images' names, one per image in its order (.npy, .txt, .csv)",
    )
    group.add_argument(
        "--metadata",
        metavar="FILE",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        help="tables with more columns (labels, plate maps, lists of compounds), joined on those "
        "that both have (image, plate and well, or compound and concentration)",
    )
    group.add_argument(
        "--on",
        metavar="NAMES",
        default="",
        help="columns to join on, such as compound or plate,well (default: the best shared ones)",
    )
    group.add_argument(
        "--exclude",
        metavar="FILE",
        type=Path,
        help="do not score the images that this reviewed list (bnn export) excludes",
    )
    group.add_argument(
        "--relabel",
        metavar="FILE",
        type=Path,
        help="score by the new labels of this reviewed list (bnn export)",
    )


def _add_probabilities(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--prefix", help="beginning of the names of class probabilities")
    group.add_argument(
        "--classes",
        metavar="NAME",
        nargs="+",
        default=[],
        help="class names in the order of the columns",
    )
    group.add_argument(
        "--ignore-predicted",
        action="store_true",
        help="do not check against the column of predicted classes",
    )
    group.add_argument(
        "--logits", action="store_true", help="the columns are logits: apply a softmax"
    )
    group.add_argument(
        "--method",
        choices=list(METHODS),
        default="vi",
        help="method of the predictions (default: vi, a Bayesian network)",
    )
    group.add_argument(
        "--samples",
        metavar="FILE",
        type=Path,
        help="per-sample probabilities: .npy, .npz (may hold classes and "
        "image_id), or a table of one row per image and sample",
    )
    group.add_argument(
        "--axes",
        choices=("NTC", "TNC"),
        help="axes of --samples where its shape is ambiguous: N images, T samples, C classes",
    )
    group.add_argument(
        "--standard",
        metavar="FILE",
        type=Path,
        help="table of a standard network on the same images",
    )


def _add_images(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--image-root",
        metavar="DIR",
        type=Path,
        help="folder that the image paths start from (default: the folder of FILE)",
    )
    group.add_argument(
        "--pixel-size",
        "--pixel-size-um",
        metavar="UM",
        type=micrometres,
        help="micrometres per pixel of the originals, for the scale bar",
    )


def run(args: argparse.Namespace) -> str:
    study = import_predictions(
        args.file,
        args.out or cache_root(args.cache) / args.file.name.split(".")[0],
        args.samples,
        image_root=args.image_root,
        pixel_size_um=args.pixel_size,
        title=args.title,
        force=args.force,
        method=args.method,
        label=args.label,
        group=args.group,
        batch=args.batch,
        columns=read_map(args.columns),
        classes=_names(args.classes),
        prefix=args.prefix,
        ignore_predicted=args.ignore_predicted,
        logits=args.logits,
        axes=args.axes,
        standard=args.standard,
        metadata=tuple(args.metadata),
        on=tuple(n.strip() for n in args.on.split(",") if n.strip()),
        control=tuple(args.control),
        unlabelled=tuple(args.unlabelled),
        new=tuple(args.new),
        labels=args.labels,
        ids=args.ids,
        exclude=args.exclude,
        relabel=args.relabel,
    )
    return "\n".join([f"columns: {study.meta['columns']}", *study.meta["notes"], describe(study)])


def _names(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a flag; those between commas where there is one word."""
    return tuple(words) if len(words) != 1 else tuple(w.strip() for w in words[0].split(","))
