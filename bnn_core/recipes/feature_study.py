"""A whole study of measured features: read the table, train small networks, predict, assemble."""

import os
from pathlib import Path

from bnn_core.datasets.feature_source import prepare_features
from bnn_core.datasets.features import FeatureOptions, read_features
from bnn_core.recipes.division import Division, RunOptions
from bnn_core.recipes.feature_presets import FEATURE_PRESETS, suited
from bnn_core.recipes.method_choice import MethodChoice
from bnn_core.recipes.plate_study import as_asked, make_plate_study, prepared_folder, tell
from bnn_core.recipes.study_options import StudyOptions, with_options
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import Study, open_study


@with_options(read=FeatureOptions, options=StudyOptions)
def study_from_features(
    table: str | os.PathLike,
    out: str | os.PathLike | None = None,
    *,
    read: FeatureOptions,
    options: StudyOptions,
) -> Study:
    """Train small networks on rows of measured features with whole groups left out.

    table: one row per well, field or cell, such as CellProfiler profiles or embeddings, in any format
    that `bnn import` reads; or an array (N, F), .npy, with the table `metadata` of its N rows.
    features: patterns of column names (`Cells_*`); by default every column of numbers that is no
    metadata, not constant, and missing in at most 20 % of the rows. pictures: a table of images, shown
    for the rows of their plate, well and site. anchor: "controls" measures each
    plate from its own controls. Every fold fills gaps and scales the features by its training rows.
    The other arguments, the output and the errors are those of `study_from_plate`.
    """
    table = Path(table)
    made = make_feature_study(
        table,
        cache_root() / table.stem if out is None else Path(out),
        options.choice(FEATURE_PRESETS),
        options.division,
        read,
        options.running,
        title=options.title,
    )
    return open_study(made.absolute())


def make_feature_study(
    table: Path,
    out: Path,
    choice: MethodChoice,
    division: Division,
    read: FeatureOptions,
    running: RunOptions,
    *,
    title: str | None = None,
) -> Path:
    """`study_from_features` with options that are known to be right.

    Returns the study's folder; with `prepare_only` the working folder, in which `bnn fold` runs.
    """
    rows = read_features(table, **vars(read))
    tell(rows.note)
    for doubt in rows.doubts:
        tell(doubt)
    if division.by_number:
        division.parts(rows.table)
    labelled, pending = int((rows.table["role"] == "scored").sum()), [rows]
    del rows  # the values are not in memory while networks are trained
    left_out = "labels" if division.leave_out == "label" else "compounds"
    return make_plate_study(
        out,
        lambda: prepare_features(pending.pop(), prepared_folder(out)),
        suited(choice, labelled),
        division,
        running,
        kind="features",
        title=title or f"{table.stem}, {left_out} left out",
        asked=as_asked(read),
    )
