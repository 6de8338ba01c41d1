"""One image of a study at full resolution, drawn on demand from its original files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bnn_core.base.errors import InputError
from bnn_core.images.addresses import is_there
from bnn_core.images.field_files import read_field_files
from bnn_core.images.rendering import channel_colours, default_channels, image_limits, render
from bnn_core.study.folder import Study
from bnn_core.study.tables import shown_columns

CONTRASTS = ("plate", "full", "image")
MOST_GAIN = 8.0


def field_files(study: Study, row: int) -> list[Path]:
    """The original files of an image, one or one per channel; empty where the study knows none."""
    one = study.image_file(row)
    if one is not None:
        return [one]
    channels = study.meta.get("channels") or []
    files = [file for c in channels if (file := study.image_file(row, c)) is not None]
    return files if len(files) == len(channels) else []


def read_original(study: Study, row: int) -> np.ndarray:
    """The image as stored, (C, H, W) uint8 or uint16.

    Raises InputError where the study knows no file, or a file is gone or damaged.
    """
    files = field_files(study, row)
    if not files:
        raise InputError(
            f"study {study.name} does not know the file of image "
            f"'{study.images['image_id'].iat[row]}'"
        )
    for file in files:
        if file.is_relative_to(study.path):  # pictures that travel with the study
            study.demand_intact(file.relative_to(study.path).as_posix())
    try:
        return read_field_files(files, study.meta.get("intensities"))[0].pixels
    except InputError as error:
        if all(map(is_there, files)):
            raise
        raise InputError(
            f"{error}: if the images were moved, correct image_root in {study.path / 'study.json'}"
        ) from error


def channels_of(study: Study, image: np.ndarray) -> list[str]:
    """Names of an image's channels, by the study where it has as many."""
    named = study.meta.get("channels") or []
    return list(named) if len(named) == len(image) else default_channels(len(image))


def fixed_limits(study: Study, row: int, image: np.ndarray) -> np.ndarray:
    """(C, 2) black and white points of the image's plate and channels, equal for all its images.

    Without a contrast table: the full range of 8-bit images (they come scaled), else the image's
    own percentiles, for nothing better is known.
    """
    table = study.contrast
    if table is not None:
        limits = _of_plate(study, row, image, shown_columns(table))
        if not np.isnan(limits).any():
            return limits
    return full_scale(study, row, image) if image.dtype == np.uint8 else image_limits(image)


def full_scale(study: Study, row: int, image: np.ndarray) -> np.ndarray:
    """(C, 2) from 0 to the highest number that the camera can write, as far as that is known."""
    white = np.full(len(image), np.iinfo(image.dtype).max, dtype=np.float64)
    if study.contrast is not None and "ceiling" in study.contrast:
        ceiling = _of_plate(study, row, image, ["ceiling"])[:, 0]
        white = np.where(np.isnan(ceiling), white, ceiling)
    return np.stack([np.zeros(len(image)), white], axis=1)


def _of_plate(study: Study, row: int, image: np.ndarray, columns: list[str]) -> np.ndarray:
    """(C, columns) of the contrast table for the image's plate and channels; nan if not there."""
    table = study.contrast
    plate = study.images["plate"].iat[row] if "plate" in study.images else None
    known = table[table["plate"] == (plate if isinstance(plate, str) else "")]
    known = known.set_index("channel").reindex(channels_of(study, image))
    return known[columns].to_numpy(dtype=np.float64)


def render_image(
    study: Study,
    row: int,
    *,
    channels: Sequence[str] | None = None,
    palette: str = "set",
    contrast: str = "plate",
    gain: float = 1.0,
    crop: tuple[float, float, float, float] | None = None,
    long_side: int | None = None,
    image_format: str = "webp",
) -> bytes:
    """Draw an image of a study from its original files (see `rendering.render`).

    channels: names of those switched on, all by default. palette: "set" or "colour-blind".
    contrast: "plate", equal for all images of a plate, "full", the camera's full scale, or "image",
    the image's own percentiles. gain: what intensities above
    black are multiplied by, from 1 to MOST_GAIN; brighter than white is white. Raises InputError
    for an unknown channel, contrast or gain, and as `read_original`.
    """
    if contrast not in CONTRASTS:
        raise InputError(f"contrast '{contrast}' is unknown; choose one of {', '.join(CONTRASTS)}")
    if not 1 <= gain <= MOST_GAIN:
        raise InputError(f"gain {gain:g} is out of range; give 1 to {MOST_GAIN:g}")
    image = read_original(study, row)
    names = channels_of(study, image)
    unknown = [name for name in channels or () if name not in names]
    if unknown or (channels is not None and not channels):
        raise InputError(
            f"channel '{', '.join(unknown)}' requested; the image has {', '.join(names)}"
        )
    if contrast == "image":
        black, white = image_limits(image).T
    else:
        black, white = (fixed_limits if contrast == "plate" else full_scale)(study, row, image).T
    return render(
        image,
        channel_colours(names, palette),
        limits=np.stack([black, black + (white - black) / gain], axis=1),
        shown=None if channels is None else [i for i, name in enumerate(names) if name in channels],
        crop=crop,
        long_side=long_side,
        image_format=image_format,
    )
