"""A whole study of plate images: read the table, plan the folds, train, predict, assemble."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.datasets.extra_rows import corrupted_copies
from bnn_core.datasets.folds import grouped_folds, leave_label_out, leave_one_group_out
from bnn_core.datasets.image_folders import FolderScan
from bnn_core.datasets.plates import prepare_plates, read_plate, source_name
from bnn_core.datasets.sources import PlateSource
from bnn_core.images.faults import read_corruptions
from bnn_core.recipes.method_choice import MethodChoice, changes_of, choose_methods
from bnn_core.recipes.plate import assemble_study, plan_plate_study, planned_warnings
from bnn_core.recipes.plate_folds import run_folds
from bnn_core.recipes.plate_presets import PLATE_PRESETS
from bnn_core.review.corrected_labels import corrected_rows
from bnn_core.study.catalogue import MAKING, cache_root
from bnn_core.study.folder import Study, open_study
from bnn_core.study.lock import study_lock
from bnn_core.study.working_folder import as_json, demand_room, demand_same

LEAVE_OUT = ("group", "batch", "label")
DEFAULT_FOLDS = 6
#: What is done with a warning in words.
Tell = Callable[[str], object]


def to_stderr(warning: str) -> None:
    """Print a warning for the person who waits."""
    print(warning, file=sys.stderr)


@dataclass(frozen=True)
class Division:
    """How the images are divided into folds, and how their rows are changed before training.

    folds: number of folds of whole groups, "each" to leave one group out at a time, None for 6 (or
    one per group where there are fewer). seed: of the random assignment of groups to folds.
    leave_out: "group"; "batch", each group with its whole batch; "label", one whole class per fold.
    corrupt: kinds of damage, with commas; a damaged copy of each scored image is predicted too.
    exclude, relabel: reviewed lists (`bnn export`) of images to leave out or to give new labels.
    deploy: train each method once more, on all groups, for new plates.

    Raises InputError for values outside of these.
    """

    folds: int | str | None = None
    seed: int = 0
    leave_out: str = "group"
    corrupt: str | None = None
    exclude: str | os.PathLike | None = None
    relabel: str | os.PathLike | None = None
    deploy: bool = False

    def __post_init__(self):
        if self.leave_out not in LEAVE_OUT:
            raise InputError(
                f"--leave-out {self.leave_out} is unknown; choose one of {', '.join(LEAVE_OUT)}"
            )
        if self.folds not in (None, "each") and not _at_least_two(self.folds):
            raise InputError(f"--folds {self.folds}: give a whole number of at least 2, or 'each'")
        if self.leave_out == "label" and self.folds:
            raise InputError("--folds does not go with --leave-out label: each label is one fold")

    def parts(self, table: pd.DataFrame) -> list[tuple[str, ...]]:
        """The groups that each fold holds out; InputError for more folds than groups."""
        if self.folds == "each":
            return leave_one_group_out(table)
        groups = table["group"][table["role"] == "scored"].nunique()
        return grouped_folds(table, int(self.folds or min(DEFAULT_FOLDS, groups)), self.seed)


def study_from_plate(
    table: str | os.PathLike,
    out: str | os.PathLike | None = None,
    *,
    label: str | None = None,
    group: str | None = None,
    batch: str | None = None,
    control: str | None = None,
    unlabelled: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    images: str | os.PathLike | None = None,
    channels: Sequence[str] | None = None,
    layout: Sequence[str | os.PathLike] = (),
    metadata: Sequence[str | os.PathLike] = (),
    pattern: str | None = None,
    planes: str | None = None,
    time: str | None = None,
    size: int = 128,
    normalise: str = "auto",
    intensities: tuple[float, float] | None = None,
    pixel_size_um: float | None = None,
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
    "quick", "default" or "paper". folds, leave_out, deploy: see `Division`. num_samples: networks drawn per
    image. jobs: folds at a time. training: settings of `TrainConfig`, for all methods
    (`epochs=10`) or some (`epochs={"vi": 20}`).

    Progress and warnings are printed. An interrupted call continues where it stopped when it is
    repeated. Returns the finished study. Raises InputError for bad input, and where `out` holds a
    study already (unless `force`).
    """
    table = Path(table)
    choice = choose_methods(
        PLATE_PRESETS,
        methods=methods,
        preset=preset,
        changes=changes_of(training),
        num_samples=num_samples,
        device=device,
    )
    made = make_table_study(
        table,
        cache_root() / source_name(table) if out is None else Path(out),
        choice,
        Division(folds=folds, leave_out=leave_out, deploy=deploy),
        label=label,
        group=group,
        batch=batch,
        control=control,
        unlabelled=unlabelled,
        columns=columns,
        images=None if images is None else Path(images),
        channels=channels,
        layout=[Path(path) for path in layout],
        metadata=[Path(path) for path in metadata],
        pattern=pattern,
        planes=planes,
        time=time,
        size=size,
        normalise=normalise,
        intensities=intensities,
        pixel_size_um=pixel_size_um,
        title=title,
        jobs=jobs,
        force=force,
    )
    return open_study(made.absolute())


def make_table_study(
    source: Path | FolderScan,
    out: Path,
    choice: MethodChoice,
    division: Division,
    *,
    size: int = 128,
    normalise: str = "auto",
    intensities: tuple[float, float] | None = None,
    pixel_size_um: float | None = None,
    title: str | None = None,
    jobs: int = 1,
    prepare_only: bool = False,
    force: bool = False,
    restart: bool = False,
    tell: Tell = to_stderr,
    **read: Any,
) -> Path:
    """`study_from_plate` with a choice of methods and a division that are known to be right.

    read: fields of `PlateOptions`. Returns the study's folder; with `prepare_only` the working
    folder, in which `bnn fold` runs.
    """
    plates = read_plate(source, **read)
    for doubt in plates.doubts:
        tell(doubt)
    if division.folds not in (None, "each"):
        division.parts(plates.table)
    left_out = "labels" if division.leave_out == "label" else "compounds"
    columns, channels = read.get("columns") or {}, read.get("channels")
    return make_plate_study(
        out,
        lambda: prepare_plates(
            plates,
            prepared_folder(out),
            size=size,
            normalise=normalise,
            intensities=intensities,
            pixel_size_um=pixel_size_um,
        ),
        choice,
        division,
        kind="plate",
        title=title or f"{source_name(source)}, {left_out} left out",
        size=size,
        asked={
            **read,
            "columns": None,
            "map": [f"{name}={column}" for name, column in columns.items()],
            "channels": channels and ",".join(channels),
            "size": size,
            "normalise": normalise,
            "intensities": intensities,
        },
        jobs=jobs,
        prepare_only=prepare_only,
        force=force,
        restart=restart,
        tell=tell,
    )


def make_plate_study(
    out: Path,
    read: Callable[[], PlateSource],
    choice: MethodChoice,
    division: Division,
    *,
    kind: str,
    title: str,
    size: int | None = None,
    asked: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | None = None,
    keep_weights: bool = True,
    jobs: int = 1,
    prepare_only: bool = False,
    force: bool = False,
    restart: bool = False,
    tell: Tell = to_stderr,
) -> Path:
    """Plan, run and assemble a study of plate images; returns its folder.

    read: prepares the images; it is called once the settings are known to be right, for it may take
    hours. size: pixels of the shorter side that it was asked for. asked: how the images are to be
    read; an unfinished study that was started with other values is refused. settings: more settings
    for study.json. prepare_only: plan the folds and return the working folder.
    """
    if size is not None:
        _demand_crops(choice, size, tell)
    with study_lock(out):
        demand_room(out, force)
        wanted = {
            name: as_json(value)
            for name, value in (asked or {}).items()
            if value not in (None, [], ())
        }
        demand_same(out, {"kind": kind, "asked": wanted}, restart)
        source = read()
        smaller = min(source.images.shape[2:])
        if smaller != size:
            _demand_crops(choice, smaller, tell)
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
            force=force,
            restart=restart,
        )
        for warning in planned_warnings(making):
            tell(warning)
        if prepare_only:
            return making
        run_folds(making, choice.device, jobs)
        return assemble_study(making, choice.device)


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


def _demand_crops(choice: MethodChoice, size: int, tell: Tell) -> None:
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
            f"{max(larger.values())}: whole images are trained on, and cells may be too small to "
            "tell apart (--size)"
        )


def _at_least_two(folds: int | str) -> bool:
    try:
        return int(folds) >= 2
    except (TypeError, ValueError):
        return False
