"""A study from images in memory: they are written as files, and trained on like a table of files."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from bnn_core.base.errors import InputError
from bnn_core.base.files import unwritable, write_unless_same
from bnn_core.datasets.plates import read_plate
from bnn_core.datasets.preparation import ImageOptions, prepare_source
from bnn_core.recipes.plate_presets import PLATE_PRESETS
from bnn_core.recipes.plate_study import make_plate_study, prepared_folder, tell
from bnn_core.recipes.study_options import StudyOptions, with_options
from bnn_core.study.folder import Study, open_study

_TABLE = "images.csv"
_FILE = "{:06d}.tif"


@with_options(scaling=ImageOptions, options=StudyOptions)
def study_from_arrays(
    images: np.ndarray,
    labels: Sequence[object],
    groups: Sequence[object] | None = None,
    *,
    out: str | os.PathLike,
    metadata: pd.DataFrame | Mapping[str, Sequence[object]] | None = None,
    channels: Sequence[str] | None = None,
    scaling: ImageOptions,
    options: StudyOptions,
) -> Study:
    """Train on images in memory with whole groups left out, and predict what was left out.

    images: (N, H, W) or (N, channels, H, W), uint8, uint16, or floating point from 0 to 1. labels:
    (N,) the class of each image; None, nan or "" for images that are predicted and never counted.
    groups: (N,) what is left out together, such as the compound (default: the compounds of
    `metadata`, else each image alone); the app shows groups as compounds where `metadata` names
    none. out: the study's folder. metadata: columns of N values: image_id, plate, well, site,
    replicate, batch, compound, concentration, moa. The other arguments are those of
    `study_from_plate`.

    The images are kept in the study. Progress and warnings are printed, and an interrupted call
    continues where it stopped when it is repeated. Returns the finished study. Raises InputError
    for arrays of other shapes, numbers or lengths, and as `study_from_plate`.
    """
    out, pixels = Path(out), _as_pixels(images)
    table = _table(len(pixels), labels, groups, metadata)
    choice, division = options.choice(PLATE_PRESETS), options.division
    pictures = prepared_folder(out) / "pictures"
    _write_pictures(pictures, pixels, table)
    read = read_plate(
        pictures / _TABLE,
        label="label",
        group="group" if groups is not None else None,
        channels=channels,
    )
    for doubt in read.doubts:
        tell(doubt)
    if division.by_number:
        division.parts(read.table)
    made = make_plate_study(
        out,
        lambda: prepare_source(
            read.table,
            scaling,
            channels=read.channels,
            image_root=read.root,
            folder=prepared_folder(out) / "prepared",
            classes=read.classes,
            notes=read.notes,
            travels=True,
        ),
        choice,
        division,
        options.running,
        kind="arrays",
        title=options.title or out.name,
        size=scaling.size,
        asked={
            "size": scaling.size,
            "normalise": scaling.normalise,
            "intensities": scaling.intensities,
            "channels": channels and ",".join(channels),
        },
    )
    return open_study(made.absolute())


def _as_pixels(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) uint8 or uint16; InputError for other shapes and numbers."""
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(
            f"images have the shape {images.shape} and must be (images, height, width) or (images, "
            "channels, height, width)"
        )
    if images.shape[3] <= 4 < images.shape[1]:
        raise InputError(
            f"images have the shape {images.shape}: the channels seem to be the last axis; give "
            "images.transpose(0, 3, 1, 2)"
        )
    if images.dtype in (np.uint8, np.uint16):
        return images
    if images.dtype == bool:
        return images.astype(np.uint8) * 255
    low, high = images.min(), images.max()
    if images.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.round(images * 65535).astype(np.uint16)
    if images.dtype.kind in "iu" and low >= 0 and high <= 65535:
        return images.astype(np.uint8 if high <= 255 else np.uint16)
    raise InputError(
        f"images are {images.dtype} from {low:g} to {high:g}; give uint8, uint16, or floating "
        "point from 0 to 1"
    )


def _table(
    count: int,
    labels: Sequence[object],
    groups: Sequence[object] | None,
    metadata: pd.DataFrame | Mapping[str, Sequence[object]] | None,
) -> pd.DataFrame:
    """One row per image: path, label, group, and what else is known."""
    columns = {} if metadata is None else {name: metadata[name] for name in metadata}
    columns["label"] = labels
    if groups is not None:
        columns = {"compound": groups} | columns | {"group": groups}
    for name, values in columns.items():
        if len(values) != count:
            raise InputError(
                f"{name}: {len(values):,} values for {count:,} images; give one for each image"
            )
    columns["path"] = [_FILE.format(row) for row in range(count)]
    return pd.DataFrame({name: list(values) for name, values in columns.items()})


def _write_pictures(folder: Path, pixels: np.ndarray, table: pd.DataFrame) -> None:
    """A TIFF per image and the table; files that are there with the same content stay untouched,
    so that what was read from them is not read again."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in zip(table["path"], pixels, strict=True):
            content = io.BytesIO()
            tifffile.imwrite(
                content,
                image[0] if len(image) == 1 else image,
                photometric="minisblack",
                compression="zlib",
                metadata={"axes": "YX" if len(image) == 1 else "CYX"},
            )
            write_unless_same(folder / name, content.getvalue())
        write_unless_same(folder / _TABLE, table.to_csv(index=False).encode())
    except OSError as error:
        raise unwritable(error, folder, "choose another out=") from error
