"""A whole study of measured features: read the table, train small networks, predict, assemble."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnn_core.datasets.feature_source import prepare_features
from bnn_core.datasets.features import read_features
from bnn_core.recipes.feature_presets import FEATURE_PRESETS, suited
from bnn_core.recipes.method_choice import MethodChoice, changes_of, choose_methods
from bnn_core.recipes.plate_study import (
    Division,
    Tell,
    make_plate_study,
    prepared_folder,
    to_stderr,
)
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import Study, open_study


def study_from_features(
    table: str | os.PathLike,
    out: str | os.PathLike | None = None,
    *,
    metadata: str | os.PathLike | None = None,
    features: Sequence[str] | None = None,
    label: str | None = None,
    group: str | None = None,
    batch: str | None = None,
    control: str | None = None,
    unlabelled: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    images: str | os.PathLike | None = None,
    pictures: str | os.PathLike | None = None,
    anchor: str = "none",
    methods: Sequence[str] = ("vi", "standard"),
    preset: str = "default",
    folds: int | str | None = None,
    leave_out: str = "group",
    deploy: bool = False,
    num_samples: int | str = 100,
    jobs: int = 1,
    device: str = "auto",
    title: str | None = None,
    force: bool = False,
    **training: object,
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
    choice = choose_methods(
        FEATURE_PRESETS,
        methods=methods,
        preset=preset,
        changes=changes_of(training),
        num_samples=num_samples,
        device=device,
    )
    made = make_feature_study(
        table,
        cache_root() / table.stem if out is None else Path(out),
        choice,
        Division(folds=folds, leave_out=leave_out, deploy=deploy),
        metadata=None if metadata is None else Path(metadata),
        features=features,
        label=label,
        group=group,
        batch=batch,
        control=control,
        unlabelled=unlabelled,
        columns=columns,
        images=None if images is None else Path(images),
        pictures=None if pictures is None else Path(pictures),
        anchor=anchor,
        title=title,
        jobs=jobs,
        force=force,
    )
    return open_study(made.absolute())


def make_feature_study(
    table: Path,
    out: Path,
    choice: MethodChoice,
    division: Division,
    *,
    title: str | None = None,
    jobs: int = 1,
    prepare_only: bool = False,
    force: bool = False,
    restart: bool = False,
    tell: Tell = to_stderr,
    columns: Mapping[str, str] | None = None,
    **read: Any,
) -> Path:
    """`study_from_features` with a choice of methods and a division that are known to be right.

    columns, read: the keywords of `read_features`. Returns the study's folder; with `prepare_only` the
    working folder, in which `bnn fold` runs.
    """
    rows = read_features(table, columns=columns, **read)
    tell(rows.note)
    for doubt in rows.doubts:
        tell(doubt)
    if division.folds not in (None, "each"):
        division.parts(rows.table)
    labelled, pending = int((rows.table["role"] == "scored").sum()), [rows]
    del rows  # the values are not in memory while networks are trained
    left_out = "labels" if division.leave_out == "label" else "compounds"
    return make_plate_study(
        out,
        lambda: prepare_features(pending.pop(), prepared_folder(out)),
        suited(choice, labelled),
        division,
        kind="features",
        title=title or f"{table.stem}, {left_out} left out",
        asked={
            **read,
            "map": [f"{name}={column}" for name, column in (columns or {}).items()],
        },
        jobs=jobs,
        prepare_only=prepare_only,
        force=force,
        restart=restart,
        tell=tell,
    )
