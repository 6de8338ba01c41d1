"""Apply the networks of a finished study to more images, and add the images to the study.

IMAGES is one of these:
  a table of plates, one row per image, as for 'bnn study plate'; labels are not needed
  a folder of an instrument, as for 'bnn study plate'
  another folder, whose sub-folders are the labels
  an .npz file (images, labels) or an idx file of images
  emnist or emnist:SPLIT (byclass, bymerge, balanced, letters, digits, mnist; -train for training)
  for a study of measured features: a table with the same features
NAME=IMAGES names the set. Images of plates are scaled as in training. Plates that the study already
has are skipped. Images get the role "shifted" if the study has their label, "new" if it does not, and
"unlabelled" without a label. They do not count for accuracy. You can interrupt the command at any
time; run it again to continue.

  bnn predict mnist emnist                   # letters: how does it react to unknown kinds?
  bnn predict mnist letters.npz --out cache/mnist-letters
  bnn predict fields new-dyes/ --role new
  bnn predict screen 2024-06-plate7/ --layout platemap.xlsx   # a folder of the microscope
  bnn predict screen may.csv --deploy        # new plates: which mechanism, how sure, how unlike?
  bnn predict screen june.csv --ray          # plates beside one another on a Ray cluster
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.commands.flags import add_cache_flag, add_study_argument
from bnn_core.commands.table_flags import add_table_flags, dry_run, plate_options, scanned
from bnn_core.commands.training_flags import (
    add_device_flags,
    add_ray_flags,
    chosen_cluster,
    chosen_device,
)
from bnn_core.datasets.anchoring import ANCHORS
from bnn_core.datasets.image_folders import is_plate_folder
from bnn_core.datasets.image_sets import split_name
from bnn_core.datasets.mnist import data_root
from bnn_core.datasets.plates import read_plate, source_name
from bnn_core.recipes.adding import add_named_images
from bnn_core.recipes.new_features import features_like, predict_features
from bnn_core.recipes.new_plates import predict_plates
from bnn_core.study.catalogue import cache_root, study_path
from bnn_core.study.describing import one_line, with_notes
from bnn_core.study.folder import ROLES, open_study
from bnn_core.tables.reading import TABLE_ENDINGS

#: Flags that only tables and folders of plates can follow.
_OF_PLATES = (
    *("layout", "metadata", "pattern", "planes", "time", "images", "channels", "intensities"),
    *("label", "batch", "control", "unlabelled", "map", "anchor"),
)
_UNSET = (None, [], ANCHORS[0])


def arguments(parser: argparse.ArgumentParser) -> None:
    add_study_argument(parser)
    parser.add_argument(
        "given", metavar="IMAGES", nargs="*", help="what to predict (none with --deploy alone)"
    )
    parser.add_argument(
        "--deploy",
        action="store_true",
        help="first train each method once more, on all compounds of the study. Without it, new images "
        "are predicted by the mean over the folds",
    )
    parser.add_argument(
        "--anchor",
        choices=ANCHORS,
        default=ANCHORS[0],
        help="controls: scale each new plate so that its untreated images (--control) are as bright "
        "as the study's (default: none, scaled as in training)",
    )
    parser.add_argument(
        "--out",
        metavar="STUDY2",
        help="name or folder of a new study (default: STUDY, which is replaced at the end)",
    )
    parser.add_argument(
        "--role", choices=ROLES[1:], help="role of all images (default: by their labels)"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="folder of data sets (default: $BNN_DATA, else a per-user cache)",
    )
    add_table_flags(parser)
    add_cache_flag(parser)
    add_device_flags(parser)
    add_ray_flags(parser)
    parser.add_argument("--force", action="store_true", help="replace STUDY2 if it exists")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="delete the files of an interrupted run and start from the beginning",
    )


def run(args: argparse.Namespace) -> str:
    root = cache_root(args.cache)
    study = study_path(args.study, root)
    out = study_path(args.out, root) if args.out else None
    if open_study(study).meta.get("features"):
        return _add_features(args, study, out)
    tables = [text for text in args.given if _is_plates(text, args)]
    if args.dry_run:
        return (
            "\n".join(_dry_run(text, args) for text in tables)
            or "no tables or folders of plates are given"
        )
    if tables and len(tables) < len(args.given):
        raise InputError("give plates (tables, folders) and other images in two commands")
    if tables or (args.deploy and not args.given):
        return _add_plates(args, study, tables, out)
    if not args.given:
        raise InputError("name the images to predict: a table, a folder, an .npz or an idx file")
    _demand_no_flags_of_plates(args)
    if args.deploy:
        study = _add_plates_to(args, study, None, out)
    made = add_named_images(
        study,
        args.given,
        data_root(args.data),
        out=out,
        role=args.role,
        **_how(args),
    )
    return with_notes(made)


def _demand_no_flags_of_plates(args: argparse.Namespace) -> None:
    """InputError for a flag that only a table or a folder of plates can follow."""
    for flag in _OF_PLATES:
        if getattr(args, flag) not in _UNSET:
            raise InputError(
                f"--{flag} goes with a table or a folder of an instrument, and {args.given[0]} is "
                "neither; leave the flag out"
            )


def _add_features(args: argparse.Namespace, study: Path, out: Path | None) -> str:
    """Add the rows of each table to a study of measured features."""
    if args.anchor != ANCHORS[0]:
        raise InputError(
            f"--anchor goes with images; study {study.name} is of measured features, and new rows are "
            "always measured as its own were ('bnn study features … --anchor')"
        )
    for flag in ("layout", "pattern", "planes", "time", "intensities", "images", "channels"):
        if getattr(args, flag):
            raise InputError(f"--{flag} goes with images; {study.name} is of measured features")
    if not args.given and not args.deploy:
        raise InputError("name the tables of features to predict")
    if len(args.metadata) > 1:
        raise InputError("--metadata: give one file for a table of features")
    metadata = next(iter(args.metadata), None)
    options = plate_options(args)
    known = ("label", "batch", "control", "unlabelled", "columns")
    looked_at = []
    if args.deploy and not args.given:
        study = predict_features(study, None, "", out=out, deploy=True, **_how(args))
    for text in args.given:
        given, path = split_name(text)
        features = features_like(
            open_study(study), path, metadata=metadata, **{key: options[key] for key in known}
        )
        for doubt in features.doubts:
            print(doubt, file=sys.stderr)
        if args.dry_run:
            looked_at += [*features.notes, f"{count(len(features.table), 'row')} (--dry-run)"]
            continue
        study = predict_features(
            study,
            features,
            given or path.name.split(".")[0],
            out=out,
            role=args.role,
            deploy=args.deploy,
            **_how(args),
        )
    return "\n".join(looked_at) or with_notes(study)


def _how(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that say how a command runs."""
    return {
        "device": chosen_device(args),
        "cluster": chosen_cluster(args),
        "force": args.force,
        "restart": args.restart,
    }


def _is_plates(text: str, args: argparse.Namespace) -> bool:
    """Whether IMAGES is a table of plates or a folder of an instrument."""
    path = split_name(text)[1]
    if path.is_dir():
        return bool(args.pattern or args.layout or args.metadata) or is_plate_folder(path)
    return path.name.lower().removesuffix(".gz").endswith(TABLE_ENDINGS)


def _dry_run(text: str, args: argparse.Namespace) -> str:
    return dry_run(scanned(split_name(text)[1], args), args, to_learn=False)


def _add_plates(args: argparse.Namespace, study: Path, tables: list[str], out: Path | None) -> str:
    """Add the plates of each table; the notes of the last one and one line on the result."""
    before = open_study(study).meta
    for text in list[str | None](tables) or [None]:
        study = _add_plates_to(args, study, text, out)
    after = open_study(study).meta
    notes = after.get("notes", [])[len(before.get("notes", [])) :]
    if all(after.get(key) == before.get(key) for key in ("rows", "deployed")):
        notes = ["nothing new: the study has all of these plates already"]
    return "\n".join([*notes, one_line(study)])


def _add_plates_to(
    args: argparse.Namespace, study: Path, text: str | None, out: Path | None
) -> Path:
    plates, name = None, ""
    if text is not None:
        given, path = split_name(text)
        name = given or source_name(path).split(".")[0]
        plates = read_plate(scanned(path, args), **plate_options(args), to_learn=False)
        for doubt in plates.doubts:
            print(doubt, file=sys.stderr)
    return predict_plates(
        study,
        plates,
        name,
        out=out,
        role=args.role,
        deploy=args.deploy,
        anchor=args.anchor,
        intensities=args.intensities,
        **_how(args),
    )
