"""From a table of predictions to a study: read the table, read its images, write the study."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import is_file, readable
from bnn_core.base.wording import WARNING, did_you_mean
from bnn_core.datasets.plate_checks import imported_contradictions
from bnn_core.datasets.plate_files import find_files, spread_evenly
from bnn_core.datasets.preparation import ImageOptions, prepare_source
from bnn_core.datasets.sources import PlateSource
from bnn_core.measures.uncertainty import summarise
from bnn_core.recipes import kept
from bnn_core.review.corrected_labels import corrected_rows
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import Study, open_study
from bnn_core.study.lock import study_lock
from bnn_core.study.working_folder import demand_no_training, demand_room, open_making
from bnn_core.study.writing import finish_study
from bnn_core.tables.predictions import Predictions, read_predictions
from bnn_core.tables.reading import name_of
from bnn_core.tables.sources import ImportOptions
from bnn_core.tables.values import none_where

_LOOKED_AT = 20
_OPTIONS = tuple(f.name for f in fields(ImportOptions) if f.name != "samples")
#: Options of several values; one alone will do.
_SEVERAL = tuple(f.name for f in fields(ImportOptions) if f.default == ())


def import_predictions(
    table: str | os.PathLike | pd.DataFrame,
    out: str | os.PathLike | None = None,
    samples: str | os.PathLike | np.ndarray | None = None,
    *,
    image_root: str | os.PathLike | None = None,
    pixel_size_um: float | None = None,
    title: str | None = None,
    force: bool = False,
    exclude: str | os.PathLike | None = None,
    relabel: str | os.PathLike | None = None,
    **options: object,
) -> Study:
    """Make a study of somebody's predictions.

    table: a file or DataFrame with one row per image, its class probabilities and its metadata
    (see `read_predictions`). out: the study's folder (default: the file's name in the cache).
    samples: the probabilities of single networks, a file or an array (images, samples, classes) or
    (samples, images, classes). image_root: folder that the table's image paths start from; by
    default that of the table, where the images are there. With images the study gets thumbnails,
    quality measures and paths; an image that cannot be read is counted and named, never fatal.
    pixel_size_um: micrometres per pixel, for the scale bar. exclude, relabel: reviewed lists
    (`bnn export`) of images that are not to be scored, and of new labels. options: fields of `ImportOptions`,
    such as label="moa", batch="week", classes=[...], method="dropout".

    Returns the study; `study.meta["columns"]` says how the columns were understood. Raises
    InputError as `read_predictions`, for an unknown option, when no image is under `image_root`,
    and where `out` holds a study (unless `force`); TakenError while another process
    makes a study of that name.
    """
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        raise InputError(
            f"no option '{unknown[0]}'{did_you_mean(unknown[0], _OPTIONS)}; there are "
            f"{', '.join(_OPTIONS)}"
        )
    options = {
        name: ((value,) if isinstance(value, str | os.PathLike | pd.DataFrame) else tuple(value))
        if name in _SEVERAL
        else value
        for name, value in options.items()
    }
    if not isinstance(table, pd.DataFrame):
        table = Path(table)
    elif out is None:
        raise InputError("a table in memory has no name: give out=, the folder of the study")
    name = name_of(table).name.split(".")[0]
    out = cache_root() / name if out is None else Path(out)
    with study_lock(out):
        demand_room(out, force)
        demand_no_training(out)
        _make(
            table,
            out,
            ImportOptions(**options, samples=samples),
            None if image_root is None else Path(image_root),
            pixel_size_um,
            title or (out.name if isinstance(table, pd.DataFrame) else name),
            force,
            {"exclude": exclude, "relabel": relabel},
        )
    study = open_study(out.absolute())
    kept.fill_later(study)
    return study


def _make(
    table: Path | pd.DataFrame,
    out: Path,
    options: ImportOptions,
    image_root: Path | None,
    pixel_size_um: float | None,
    title: str,
    force: bool,
    reviewed: Mapping[str, str | os.PathLike | None],
) -> None:
    predictions = read_predictions(table, options)
    predictions = replace(
        predictions, images=corrected_rows(predictions.images, predictions.classes, **reviewed)
    )
    settings = {
        "table": str(name_of(table)),
        "image_root": image_root and str(image_root),
        "pixel_size_um": pixel_size_um,
        **vars(options),
        "samples": None if options.samples is None else str(name_of(options.samples)),
        **{name: str(file) for name, file in reviewed.items() if file is not None},
    }
    doubts = [WARNING + doubt for doubt in imported_contradictions(predictions.images)]
    making = open_making(out, settings, force=force, restart=True)
    try:
        images, notes, extra, thumbnails = _pictures(
            predictions, name_of(table), image_root, making, pixel_size_um
        )
        labels = none_where(images["label"], images["role"] != "scored")
        finish_study(
            making,
            title=title,
            kind="import",
            classes=predictions.classes,
            images=images,
            summaries={
                method: summarise(m, predictions.classes, labels)
                for method, m in predictions.moments.items()
            },
            samples=predictions.samples,
            thumbnails=thumbnails,
            methods={
                method: {
                    "num_samples": predictions.samples[method].shape[1]
                    if method in predictions.samples
                    else None,
                    "imported": True,
                }
                for method in predictions.moments
            },
            settings=settings,
            extra=extra
            | {
                "notes": [*predictions.notes, *doubts, *notes],
                "columns": predictions.understood,
            },
        )
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise


def _pictures(
    predictions: Predictions,
    table: Path,
    image_root: Path | None,
    making: Path,
    pixel_size_um: float | None,
):
    """The rows with what the image files add, notes, keys of study.json, and thumbnails."""
    images = predictions.images.reset_index(drop=True)
    columns = _path_columns(predictions)
    root = image_folder(predictions, table, image_root)
    if root is None:
        paths = [c for c in images if c.startswith("path_")]
        return images.drop(columns=paths).assign(path=None), [], {"image_root": None}, None
    for column in columns:
        images[column] = find_files(images[column], root)
    if columns != ["path"]:
        images = images.drop(columns="path")
    source = prepare_source(
        images.drop(columns=["fold", "content_hash"]).set_index(predictions.images.index),
        ImageOptions(size=8, pixel_size_um=pixel_size_um),
        channels=predictions.channels or None,
        image_root=root,
        folder=making / "pictures",
        classes=[],
    )
    images, thumbnails = _with_pictures(images, source)
    source.keep_with_study(making)
    keys = source.study_keys()
    notes = keys.pop("notes")
    keys.pop("training_size")
    shutil.rmtree(source.folder)
    return images, notes, keys, thumbnails


def _path_columns(predictions: Predictions) -> list[str]:
    return [f"path_{c}" for c in predictions.channels] or ["path"]


def image_folder(predictions: Predictions, table: Path, image_root: Path | None) -> Path | None:
    """The folder of the table's images; None where no image is found.

    Looks for the first 20 images under `image_root`, or beside the table. Raises InputError when
    `image_root` is not a folder or does not hold them, or the table has no column of images.
    """
    known = predictions.images[_path_columns(predictions)[0]].dropna()
    root = readable(image_root or table.parent).resolve()
    if image_root is not None and not os.path.isdir(root):
        raise InputError(f"--image-root {root} is not a folder")
    if image_root is not None and not len(known):
        raise InputError(f"{table} has no column of image files; name it with --map path=COLUMN")
    tried = find_files(known.iloc[:_LOOKED_AT], root)
    if any(is_file(root / path) for path in tried):
        return root
    if image_root is not None:
        raise InputError(
            f"--image-root {root} does not hold the first {len(tried)} images of "
            f"{table}, such as {tried.iloc[0]}"
        )
    return None


def images_found(predictions: Predictions, root: Path, most: int) -> tuple[int, int]:
    """(images that are there, images looked for): at most `most`, spread evenly over the table."""
    known = predictions.images[_path_columns(predictions)[0]].dropna()
    tried = find_files(known.iloc[spread_evenly(len(known), most)], root)
    return sum(is_file(root / path) for path in tried), len(tried)


def _with_pictures(
    images: pd.DataFrame, source: PlateSource
) -> tuple[pd.DataFrame, list[bytes | None]]:
    """Content hash and quality of the images that could be read, and all rows' thumbnails."""
    source_rows = pd.Index(source.table["image_id"]).get_indexer(images["image_id"])
    read = source_rows >= 0
    pictures = list(source.thumbnails())
    for column in source.table:
        if column == "content_hash" or column.startswith("quality_"):
            values = source.table[column].to_numpy()[source_rows]
            images[column] = np.where(read, values, None if values.dtype == object else np.nan)
    return images, [pictures[row] if row >= 0 else None for row in source_rows]
