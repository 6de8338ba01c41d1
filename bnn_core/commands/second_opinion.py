"""`bnn second-opinion STUDY FEATURES`: what plain features say about the same compounds."""

import argparse
import sys
from pathlib import Path

from bnn_core.base.errors import InputError
from bnn_core.commands.flags import add_cache_flag, read_map
from bnn_core.measures.levels import scored_rows
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import open_study
from bnn_core.suspects.second_opinion import opinion, read_features, write_opinion


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="name under the cache, or a folder")
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
        help="column of the table that holds compound, moa, concentration, plate "
        "or well, where its name does not say so",
    )
    add_cache_flag(parser)


def run(args: argparse.Namespace) -> str:
    study = open_study(args.study, cache_root(args.cache))
    features = read_features(args.features, read_map(args.map))
    for note in features.notes:
        print(note, file=sys.stderr)
    table = opinion(features, study.classes, args.control or None)
    counted = scored_rows(table)
    ours = set(study.images["compound"].dropna()) if "compound" in study.images else set()
    shared = ours & set(table["compound"][counted])
    if not shared:
        raise InputError(
            f"{args.features} and study {study.name} have no compound in common; both "
            "need a column of compounds with the same names"
        )
    path = write_opinion(study.path, table, features.source)
    right = int(table["correct"][counted].sum())
    dropped = f", {len(features.dropped)} incomplete ones left out" if features.dropped else ""
    return (
        f"{path}: {right} of {counted.sum()} rows right ({right / counted.sum():.1%}), each "
        f"compound left out; {len(shared)} of the study's {len(ours)} compounds; "
        f"{len(features.names)} features{dropped}"
    )
