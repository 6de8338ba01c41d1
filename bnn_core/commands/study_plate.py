"""Train on your own images with whole groups (compounds) left out, and predict what was left out.

TABLE is a CSV with a path column or one per channel, and what is known of each image, under BBBC,
CellProfiler or plain names. Rows without a label are predicted and never counted.
Interrupt it at any time; the same command goes on where it stopped.

  bnn study plate fields.csv --label moa --group compound --preset quick
  bnn study plate fields.csv --label moa --group compound --folds 6 --jobs 2
  bnn study plate fields.csv --label moa --leave-out label   # unseen mechanisms
  bnn study plate fields.csv --label moa --prepare-only    # then 'bnn fold STUDY K' on a cluster
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.commands.flags import intensity_range, micrometres, out_folder, read_map, whole_number
from bnn_core.commands.training_flags import (
    add_study_flags,
    add_train_flags,
    train_configs,
    use_device,
)
from bnn_core.datasets.extra_rows import corrupted_copies
from bnn_core.datasets.folds import grouped_folds, leave_label_out, leave_one_group_out
from bnn_core.datasets.plates import load_plate, read_plate
from bnn_core.datasets.sources import PlateSource
from bnn_core.images.faults import CORRUPTIONS, read_corruptions
from bnn_core.networks.settings import TrainConfig
from bnn_core.recipes.plate import assemble_study, plan_plate_study, planned_warnings
from bnn_core.recipes.plate_folds import run_folds
from bnn_core.recipes.plate_presets import PRESETS
from bnn_core.review.corrected_labels import apply_corrections, read_corrections
from bnn_core.study.describing import with_notes
from bnn_core.study.folder import MAKING
from bnn_core.study.lock import study_lock
from bnn_core.study.working_folder import as_json, demand_room, demand_same

NAME = "plate"
#: Flags that say how the images are read: another wish is refused before that.
ASKED = (
    "size",
    "normalise",
    "intensities",
    "channels",
    "images",
    "map",
    "label",
    "group",
    "batch",
    "control",
    "unlabelled",
    "plates",
    "everything",
    "taxol_seed",
    "data_seed",
)
HELP = "your own images, with compounds left out"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", type=Path, help="CSV with one row per image")
    group = parser.add_argument_group("the table")
    group.add_argument("--label", metavar="COLUMN", help="the classes (default: label, else moa)")
    group.add_argument(
        "--group", metavar="COLUMN", help="what is left out together (default: the compound)"
    )
    group.add_argument("--batch", metavar="COLUMN", help="what was made together (week, run)")
    group.add_argument(
        "--control",
        metavar="NAME",
        help="compound or label of untreated images: predicted, never counted",
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
    group.add_argument(
        "--normalise",
        default="auto",
        choices=("auto", "plate", "image", "none"),
        help="intensity scaling: by percentiles of plate and channel, of the image, "
        "or none (default: auto: plate for 16 bit, none for 8 bit)",
    )
    group.add_argument(
        "--intensities",
        metavar="LOW,HIGH",
        type=intensity_range,
        help="values that become black and white in files of other numbers than 8 or 16 bit "
        "(float, int32); the same for all images",
    )
    add_plate_flags(parser)
    add_study_flags(parser, "the table's name")
    add_train_flags(parser, PRESETS)


def add_plate_flags(parser: argparse.ArgumentParser) -> None:
    """What studies of plate images share."""
    group = parser.add_argument_group("images")
    group.add_argument(
        "--size",
        metavar="PIXELS",
        type=whole_number(8),
        default=128,
        help="shorter side for training; originals stay as they are (default: 128)",
    )
    group.add_argument(
        "--pixel-size",
        metavar="UM",
        type=micrometres,
        help="micrometres per pixel of the originals, for the scale bar",
    )
    add_fold_flags(parser)


def add_fold_flags(parser: argparse.ArgumentParser) -> None:
    """What is left out, and when."""
    group = parser.add_argument_group("folds")
    group.add_argument(
        "--folds",
        metavar="K",
        default=None,
        help="number of folds of whole groups, or 'each': leave one group out (default: 6)",
    )
    group.add_argument(
        "--fold-seed",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="seed of the dealing of groups (default: 0)",
    )
    group.add_argument(
        "--leave-out",
        choices=("group", "batch", "label"),
        default="group",
        help="leave out groups, groups with their whole batch, or, one fold per "
        "label, a whole label: how does an unseen mechanism look? (default: "
        "group)",
    )
    group.add_argument(
        "--corrupt",
        metavar="KIND,KIND",
        help="also predict a spoilt copy of every scored image, one of these kinds "
        f"in turn: {', '.join(CORRUPTIONS)}; never counted",
    )
    group.add_argument(
        "--jobs",
        metavar="N",
        type=whole_number(1),
        default=1,
        help="folds at a time, each in a process of its own (default: 1)",
    )
    group.add_argument(
        "--exclude",
        metavar="FILE",
        type=Path,
        help="leave out the images that this reviewed list (bnn export) excludes",
    )
    group.add_argument(
        "--relabel",
        metavar="FILE",
        type=Path,
        help="train on the new labels of this reviewed list (bnn export)",
    )
    group.add_argument(
        "--prepare-only",
        action="store_true",
        help="read the images and plan the folds; run them with 'bnn fold'",
    )


def run(args: argparse.Namespace) -> str:
    out = out_folder(args, args.table.stem)
    left_out = "labels" if args.leave_out == "label" else "compounds"
    columns = {
        "label": args.label,
        "group": args.group,
        "batch": args.batch,
        "control": args.control,
        "unlabelled": args.unlabelled,
        "columns": read_map(args.map),
        "images": args.images,
        "channels": None if args.channels is None else args.channels.split(","),
    }
    found = read_plate(args.table, **columns)
    for doubt in found.doubts:
        print(doubt, file=sys.stderr)
    demand_folds(args, found.table)
    return make(
        args,
        out,
        lambda: load_plate(
            args.table,
            prepared_folder(out),
            **columns,
            size=args.size,
            normalise=args.normalise,
            intensities=args.intensities,
            pixel_size_um=args.pixel_size,
        ),
        NAME,
        args.title or f"{args.table.stem}, {left_out} left out",
    )


def demand_folds(args: argparse.Namespace, table: pd.DataFrame) -> None:
    """InputError where the table has too few groups for --folds.

    To be called before the images are read, which may take hours.
    """
    if args.leave_out == "label" and args.folds:
        raise InputError("--folds does not go with --leave-out label: every label is a fold")
    if isinstance(count := _folds(args.folds), int):
        grouped_folds(table, count)


def demand_crops(
    configs: Mapping[str, TrainConfig], preset: Mapping[str, TrainConfig], size: int
) -> None:
    """InputError for a --crop larger than the images; a word where the preset's is.

    To be called before the images are read, and once more if their true size is another.
    """
    larger = {method: config.crop for method, config in configs.items() if config.crop > size}
    for method, crop in larger.items():
        if crop != preset[method].crop:
            raise InputError(
                f"--crop {method}={crop} is more than the images' {size} pixels; give "
                f"at most {size}, or 0 for whole images"
            )
    if larger:
        print(
            f"WARNING: images of {size} pixels are smaller than the preset's crops of "
            f"{max(larger.values())}: whole images are trained on, and cells may be too small to "
            "tell apart (--size)",
            file=sys.stderr,
        )


def prepared_folder(out: Path) -> Path:
    """Where the small images for training are kept while a study is made, and for the next one."""
    return out.with_name(f"{out.name}.prepared")


def make(
    args: argparse.Namespace,
    out: Path,
    read: Callable[[], PlateSource],
    kind: str,
    title: str,
    *,
    presets: Mapping[str, Mapping[str, TrainConfig]] = PRESETS,
    settings: Mapping[str, object] | None = None,
    keep_weights: bool = True,
) -> str:
    """Plan, run and assemble a study of plate images, as the flags say.

    read: prepares the images, called once the flags are known to be right: it may take hours.
    settings: more than those of the flags, for study.json.
    """
    device, configs, count = use_device(args), train_configs(args, presets), _folds(args.folds)
    preset, asked_size = presets[args.preset], getattr(args, "size", None)
    if asked_size is not None:
        demand_crops(configs, preset, asked_size)
    with study_lock(out):
        return _make(
            args,
            out,
            read,
            kind,
            title,
            device,
            configs,
            count,
            preset,
            settings or {},
            keep_weights,
        )


def _make(
    args: argparse.Namespace,
    out: Path,
    read: Callable[[], PlateSource],
    kind: str,
    title: str,
    device: str,
    configs: Mapping[str, TrainConfig],
    count: int | str | None,
    preset: Mapping[str, TrainConfig],
    settings: Mapping[str, object],
    keep_weights: bool,
) -> str:
    asked_size = getattr(args, "size", None)
    demand_room(out, args.force)
    asked = {
        name: as_json(value)
        for name in ASKED
        if (value := getattr(args, name, None)) not in (None, [])
    }
    demand_same(out, {"kind": kind, "asked": asked}, args.restart)
    source = read()
    if min(source.images.shape[2:]) != asked_size:
        demand_crops(configs, preset, min(source.images.shape[2:]))
    if args.leave_out == "label":
        parts = []
    elif count == "each":
        parts = leave_one_group_out(source.table)
    else:
        groups = source.table["group"][source.table["role"] == "scored"].nunique()
        parts = grouped_folds(source.table, count or min(6, groups), args.fold_seed)
    # Folds are those of the labels as given, so that a study before and after can be compared.
    source, without = corrected(source, args.exclude, args.relabel), None
    if args.leave_out == "label":
        table, parts, without = leave_label_out(source.table, args.fold_seed)
        source = replace(source, table=table)
    if args.corrupt:
        kinds = read_corruptions(args.corrupt, len(source.channels))
        source = replace(source, table=corrupted_copies(source.table, kinds))
    making = plan_plate_study(
        out,
        source,
        parts,
        configs,
        kind=kind,
        title=title,
        num_samples=args.num_samples,
        sample_seed=args.sample_seed,
        leave_batch_out=args.leave_out == "batch",
        without=without,
        keep_weights=keep_weights,
        settings={
            "preset": args.preset,
            "size": min(source.images.shape[2:]),
            "folds": args.folds or len(parts),
            "fold_seed": args.fold_seed,
            "leave_out": args.leave_out,
            "corrupt": args.corrupt,
            "exclude": str(args.exclude or ""),
            "relabel": str(args.relabel or ""),
            **settings,
        },
        asked=asked,
        force=args.force,
        restart=args.restart,
    )
    warnings = planned_warnings(making)
    if args.prepare_only:
        planned = (
            f"{making}: {len(parts)} folds planned; run: bnn fold "
            f"{shlex.quote(str(out.resolve()))} K, for K = 0 to {len(parts) - 1}; "
            "the last to finish assembles the study"
        )
        return "\n".join([*warnings, planned])
    for warning in warnings:
        print(warning, file=sys.stderr)
    run_folds(making, device, args.jobs)
    return with_notes(assemble_study(making))


def corrected(source: PlateSource, exclude: Path | None, relabel: Path | None) -> PlateSource:
    """The source with reviewed images left out of training and scoring, or under new labels."""
    ids = set(source.table["image_id"])
    left_out, renamed = set(), {}
    if exclude:
        left_out = set(read_corrections(exclude, ids, source.classes).exclude)
    if relabel:
        renamed = read_corrections(relabel, ids, source.classes).relabel
    if not left_out and not renamed:
        return source
    return replace(source, table=apply_corrections(source.table, left_out, renamed))


def making_of(study: Path) -> Path:
    """The working folder of a study being made."""
    making = study.with_name(study.name + MAKING)
    if not making.is_dir():
        raise InputError(
            f"no unfinished study at {making}; begin it with 'bnn study ... --prepare-only'"
        )
    return making


def _folds(text: str | None) -> int | str | None:
    """--folds as a number, "each", or None where it was not given."""
    if text is None or text == "each":
        return text
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 2:
        raise InputError(f"--folds {text}: give a whole number of at least 2, or 'each'")
    return count
