"""A whole study of plate images: read the table, plan the folds, train, predict, assemble."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bnn_core.base.errors import InputError
from bnn_core.datasets.extra_rows import corrupted_copies
from bnn_core.datasets.folds import leave_label_out
from bnn_core.datasets.image_folders import FolderScan
from bnn_core.datasets.labelled_rows import RowOptions
from bnn_core.datasets.plate_options import PlateOptions
from bnn_core.datasets.plates import prepare_plates, read_plate, source_name
from bnn_core.datasets.preparation import ImageOptions
from bnn_core.datasets.sources import PlateSource
from bnn_core.images.faults import read_corruptions
from bnn_core.recipes.division import Division, RunOptions
from bnn_core.recipes.method_choice import MethodChoice, with_precision
from bnn_core.recipes.plate import assemble_study, plan_plate_study, planned_warnings
from bnn_core.recipes.plate_folds import run_folds
from bnn_core.recipes.plate_presets import PLATE_PRESETS
from bnn_core.recipes.study_options import StudyOptions, with_options
from bnn_core.review.corrected_labels import corrected_rows
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import Study, open_study
from bnn_core.study.lock import MAKING, study_lock
from bnn_core.study.working_folder import as_json, demand_room, demand_same


def tell(warning: str) -> None:
    """Print a warning for the person who waits."""
    print(warning, file=sys.stderr)


@with_options(read=PlateOptions, scaling=ImageOptions, options=StudyOptions)
def study_from_plate(
    table: str | os.PathLike,
    out: str | os.PathLike | None = None,
    *,
    read: PlateOptions,
    scaling: ImageOptions,
    options: StudyOptions,
) -> Study:
    """Train on the images of a table with whole groups left out, and predict what was left out.

    table: a table with one row per image: a column `path`, or `path_<channel>` for each channel, and
    what is known of each image; or a folder of an instrument. out: the study's folder (default: the
    name of the table or folder in the cache).
    label, group, batch: columns of the classes, of what is left out together (default: compound),
    of what was made together. control: compound or label of untreated images. unlabelled:
    labels that mean "no label" (default: the usual ones, with a warning). columns: name ->
    column of the table, for others (plate, well, site, ...). images: folder that relative paths
    start from. channels: names in the order of the images. layout, metadata, pattern, planes, time:
    see `PlateOptions`. size: pixels of the shorter side for
    training. normalise: "auto", "plate", "image" or "none". intensities: values that become black
    and white in files of other numbers than 8 or 16 bit. methods: keys of `METHODS`. preset:
    "quick", "default" or "paper". folds, leave_out, deploy: see `Division`. num_samples: networks
    drawn per image. jobs: trainings at a time here. ray, ray_gpus: on a cluster, see `Cluster`.
    Further keywords are settings of `TrainConfig`, for all methods (`epochs=10`) or some
    (`epochs={"vi": 20}`).

    Progress and warnings are printed. An interrupted call continues where it stopped when it is
    repeated. Returns the finished study. Raises InputError for bad input, and where `out` holds a
    study already (unless `force`).
    """
    table = Path(table)
    made = make_table_study(
        table,
        cache_root() / source_name(table) if out is None else Path(out),
        options.choice(PLATE_PRESETS),
        options.division,
        read,
        scaling,
        options.running,
        title=options.title,
    )
    return open_study(made.absolute())


def make_table_study(
    source: Path | FolderScan,
    out: Path,
    choice: MethodChoice,
    division: Division,
    read: PlateOptions,
    scaling: ImageOptions,
    running: RunOptions,
    *,
    title: str | None = None,
) -> Path:
    """`study_from_plate` with options that are known to be right.

    Returns the study's folder; with `prepare_only` the working folder, in which `bnn fold` runs.
    """
    plates = read_plate(source, **vars(read))
    for doubt in plates.doubts:
        tell(doubt)
    if division.by_number:
        division.parts(plates.table)
    left_out = "labels" if division.leave_out == "label" else "compounds"
    return make_plate_study(
        out,
        lambda: prepare_plates(plates, prepared_folder(out), scaling),
        choice,
        division,
        running,
        kind="plate",
        title=title or f"{source_name(source)}, {left_out} left out",
        size=scaling.size,
        asked={
            **as_asked(read),
            "channels": read.channels and ",".join(read.channels),
            "size": scaling.size,
            "normalise": scaling.normalise,
            "intensities": scaling.intensities,
        },
    )


def as_asked(read: RowOptions) -> dict[str, object]:
    """How a table is to be read, as an unfinished study keeps it: `columns` as pairs of --map."""
    columns = read.columns or {}
    return {
        **vars(read),
        "columns": None,
        "map": [f"{name}={column}" for name, column in columns.items()],
    }


def make_plate_study(
    out: Path,
    read: Callable[[], PlateSource],
    choice: MethodChoice,
    division: Division,
    running: RunOptions,
    *,
    kind: str,
    title: str,
    size: int | None = None,
    asked: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | None = None,
    keep_weights: bool = True,
) -> Path:
    """Plan, run and assemble a study of plate images; returns its folder.

    read: prepares the images; it is called once the settings are known to be right, for it may take
    hours. size: pixels of the shorter side that it was asked for. asked: how the images are to be
    read; an unfinished study that was started with other values is refused. settings: more settings
    for study.json. With `prepare_only` the folds are planned and the working folder is returned.
    """
    if size is not None:
        _demand_crops(choice, size)
    with study_lock(out):
        demand_room(out, running.force)
        wanted = {
            name: as_json(value)
            for name, value in (asked or {}).items()
            if value not in (None, [], ())
        }
        demand_same(out, {"kind": kind, "asked": wanted}, running.restart)
        choice = with_precision(choice, out, running.restart)
        source = read()
        smaller = min(source.images.shape[2:])
        if smaller != size:
            _demand_crops(choice, smaller)
        source, parts, without = _divided(source, division)
        making = plan_plate_study(
            out,
            source,
            parts,
            choice.configs,
            kind=kind,
            title=title,
            num_samples=choice.num_samples,
            sample_seed=choice.sample_seed,
            leave_batch_out=division.leave_out == "batch",
            without=without,
            keep_weights=keep_weights,
            deploy=division.deploy,
            settings={
                "preset": choice.preset,
                "size": smaller if source.features is None else None,
                "folds": str(division.folds) if division.folds else len(parts),
                "fold_seed": division.seed,
                "leave_out": division.leave_out,
                "corrupt": division.corrupt,
                "exclude": str(division.exclude or ""),
                "relabel": str(division.relabel or ""),
                **(settings or {}),
            },
            asked=wanted,
            force=running.force,
            restart=running.restart,
        )
        for warning in planned_warnings(making):
            tell(warning)
        if running.prepare_only:
            return making
        run_folds(making, choice.device, running.jobs, running.cluster)
        return assemble_study(making, choice.device, running.cluster)


def prepared_folder(out: Path) -> Path:
    """Where the small images for training are kept while a study is made, and for the next one."""
    return out.with_name(f"{out.name}.prepared")


def unfinished_folder(study: Path) -> Path:
    """The working folder of a started study; InputError if there is none."""
    making = study.with_name(study.name + MAKING)
    if not making.is_dir():
        raise InputError(
            f"no unfinished study at {making}; start it with 'bnn study ... --prepare-only'"
        )
    return making


def _divided(
    source: PlateSource, division: Division
) -> tuple[PlateSource, list[tuple[str, ...]], list[tuple[str, ...]] | None]:
    """The source with its rows changed, the groups of each fold, and what it does not train on.

    Folds are those of the labels as given, so that a study before and after can be compared.
    """
    by_label = division.leave_out == "label"
    parts, without = [] if by_label else division.parts(source.table), None
    source = _corrected(source, division)
    if by_label:
        table, parts, without = leave_label_out(source.table, division.seed)
        source = replace(source, table=table)
    if division.corrupt:
        kinds = read_corruptions(division.corrupt, len(source.channels))
        source = replace(source, table=corrupted_copies(source.table, kinds))
    return source, parts, without


def _corrected(source: PlateSource, division: Division) -> PlateSource:
    """The source with reviewed images left out of training and scoring, or under new labels."""
    table = corrected_rows(source.table, source.classes, division.exclude, division.relabel)
    return source if table is source.table else replace(source, table=table)


def _demand_crops(choice: MethodChoice, size: int) -> None:
    """InputError for a --crop larger than the images; a warning where the preset's is.

    Called before the images are read, and once more if their true size is another.
    """
    larger = {m: config.crop for m, config in choice.configs.items() if config.crop > size}
    for method, crop in larger.items():
        if crop != choice.preset_crops[method]:
            raise InputError(
                f"--crop {method}={crop} is more than the images' {size} pixels; give "
                f"at most {size}, or 0 for whole images"
            )
    if larger:
        tell(
            f"WARNING: images of {size} pixels are smaller than the preset's crops of "
            f"{max(larger.values())}: training uses whole images, and cells may be too small to "
            "distinguish (--size)"
        )
