"""Predict the labels of a study's compounds from a table of measured features.

A logistic regression, each compound predicted by a model that was trained without it. The app then
shows it as a second opinion on *Suspect labels*.

  bnn second-opinion fields profiles.csv
"""

import argparse
import sys
from pathlib import Path

from bnn_core.base.wording import percent
from bnn_core.commands.flags import add_cache_flag, add_study_argument, read_map
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import open_study
from bnn_core.suspects.second_opinion import read_profiles, save_opinion


def arguments(parser: argparse.ArgumentParser) -> None:
    add_study_argument(parser)
    parser.add_argument(
        "features",
        metavar="FEATURES",
        type=Path,
        help="table (.csv, .tsv, .parquet) of compound, mechanism of action and "
        "measured features, one row per well or image, such as CellProfiler's",
    )
    parser.add_argument(
        "--control",
        metavar="NAME",
        default="DMSO",
        help="compound name of the untreated rows (default: DMSO)",
    )
    parser.add_argument(
        "--map",
        metavar="NAME=COLUMN",
        action="append",
        default=[],
        help="COLUMN holds NAME: compound, moa, concentration, plate or well; repeatable",
    )
    add_cache_flag(parser)


def run(args: argparse.Namespace) -> str:
    study = open_study(args.study, cache_root(args.cache))
    features = read_profiles(args.features, read_map(args.map))
    for note in features.notes:
        print(note, file=sys.stderr)
    saved = save_opinion(study, features, args.control or None)
    dropped = f", {len(features.dropped)} incomplete ones left out" if features.dropped else ""
    return (
        f"{saved.path}: {saved.right} of {saved.rows} rows right "
        f"({percent(saved.right / saved.rows, 1)}), each compound left out; {saved.shared} of the study's "
        f"{saved.compounds} compounds; {len(features.names)} features{dropped}"
    )
