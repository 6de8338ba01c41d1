"""From a table of predictions to a study: read, look at the images if there are any, write."""

import os
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import is_file, readable
from bnn_core.datasets.plate_files import find_files, spread_evenly
from bnn_core.datasets.preparation import prepare_source
from bnn_core.datasets.sources import PlateSource
from bnn_core.measures.uncertainty import summarise
from bnn_core.study.lock import study_lock
from bnn_core.study.working_folder import demand_no_training, demand_room, open_making
from bnn_core.study.writing import finish_study
from bnn_core.tables.predictions import Predictions, read_predictions
from bnn_core.tables.sources import ImportOptions

_LOOKED_AT = 20


def make_import_study(
    table: Path,
    out: Path,
    options: ImportOptions | None = None,
    *,
    image_root: Path | None = None,
    pixel_size_um: float | None = None,
    title: str | None = None,
    force: bool = False,
) -> tuple[Path, Predictions]:
    """Make a study of somebody's predictions; returns its folder and what was read.

    image_root: folder that the table's image paths start from; by default the table's own, where
    the images lie there. With images the study gets thumbnails, quality measures and paths; an
    image that cannot be read is counted and named, never fatal.
    Raises InputError as `read_predictions`, and when none of the images is under `image_root`;
    TakenError while another process makes a study of that name.
    """
    with study_lock(out):
        demand_room(Path(out), force)
        demand_no_training(Path(out))
        return _make(
            Path(table),
            Path(out),
            options or ImportOptions(),
            image_root,
            pixel_size_um,
            title,
            force,
        )


def _make(
    table: Path,
    out: Path,
    options: ImportOptions,
    image_root: Path | None,
    pixel_size_um: float | None,
    title: str | None,
    force: bool,
) -> tuple[Path, Predictions]:
    predictions = read_predictions(table, options)
    settings = {
        "table": str(table),
        "image_root": image_root and str(image_root),
        "pixel_size_um": pixel_size_um,
        **asdict(options),
    }
    making = open_making(out, settings, force=force, restart=True)
    try:
        images, notes, extra, thumbnails = _pictures(
            predictions, table, image_root, making, pixel_size_um
        )
        labels = images["label"].where(images["role"] == "scored", None).to_numpy(dtype=object)
        finish_study(
            making,
            title=title or table.name.split(".")[0],
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
            | {"notes": [*predictions.notes, *notes], "columns": predictions.understood},
        )
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return out, predictions


def _pictures(
    predictions: Predictions,
    table: Path,
    image_root: Path | None,
    making: Path,
    pixel_size_um: float | None,
):
    """The images' rows with what their files show, notes, keys of study.json, and thumbnails."""
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
    given = images.drop(columns=["fold", "content_hash"]).set_index(predictions.images.index)
    source = prepare_source(
        given,
        channels=predictions.channels or None,
        image_root=root,
        folder=making / "pictures",
        classes=[],
        size=8,
        pixel_size_um=pixel_size_um,
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
    """The folder where the table's images lie; None where there are none.

    Looks for the first of them under `image_root`, or beside the table. InputError when
    `image_root` is no folder or does not hold them, or the table names none.
    """
    known = predictions.images[_path_columns(predictions)[0]].dropna()
    root = readable(image_root or table.parent).resolve()
    if image_root is not None and not os.path.isdir(root):
        raise InputError(f"--image-root {root} is no folder")
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
    place = pd.Index(source.table["image_id"]).get_indexer(images["image_id"])
    read = place >= 0
    pictures = list(source.thumbnails())
    for column in source.table:
        if column == "content_hash" or column.startswith("quality_"):
            values = source.table[column].to_numpy()[place]
            images[column] = np.where(read, values, None if values.dtype == object else np.nan)
    return images, [pictures[i] if i >= 0 else None for i in place]
