"""The pictures behind image addresses: a thumbnail, or a full-size picture drawn on request."""

import hashlib
import io
import threading
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from PIL import Image

from bnn_core.base.errors import InputError
from bnn_core.base.limits import MOST_DRAWINGS
from bnn_core.base.roots import is_file
from bnn_core.images.rendering import open_thumbnail
from bnn_core.study import fields
from bnn_core.study.folder import Study
from pages.shared.studies import identity

#: A thumbnail shown large is enlarged to about this many pixels.
FULL_SIDE = 560
#: Pixels of the longer side of an original shown in a panel.
PANEL_SIDE = 840
#: Images at most this wide are shown with hard pixels: smoothing would invent detail.
PIXEL_ART = 64
_DRAWING = threading.BoundedSemaphore(MOST_DRAWINGS)


def version(study: Study, row: int) -> str:
    """A digest of the picture at an image address; it changes with the image and the study."""
    return hashlib.sha256(f"{identity(study)}/{_contents(study)[row]}".encode()).hexdigest()[:12]


@lru_cache(maxsize=16)
def _contents(study: Study) -> np.ndarray:
    images = study.images
    if "content_hash" not in images:
        return np.full(len(images), "", dtype=object)
    return images["content_hash"].to_numpy(dtype=object)


def thumbnail_file(study: Study, row: int) -> tuple[bytes, str] | None:
    """Bytes and media type of a thumbnail, or None where the study has none."""
    data = study.thumbnail(row)
    return None if data is None else (data, "image/webp")


def full(study: Study, row: int, options: Mapping[str, str]) -> tuple[bytes, str] | None:
    """Bytes and media type of the large picture, or None where there is nothing to draw.

    From the original files where they exist, else the enlarged thumbnail. Files are always decoded
    and encoded again, so that only pixels leave the server. options: "channels"
    (names of those shown, comma-separated), "palette", "contrast" and "gain" (as
    `fields.render_image`), "side" ("all": every pixel of the original). Raises InputError for a
    damaged file or bad options.
    """
    if has_original(study, row):
        channels = options.get("channels")
        try:
            gain = float(options.get("gain", 1))
        except ValueError as error:
            raise InputError(f"gain '{options['gain']}' is no number") from error
        with _DRAWING:
            return fields.render_image(
                study,
                row,
                channels=channels.split(",") if channels else None,
                palette=options.get("palette", "set"),
                contrast=options.get("contrast", "plate"),
                gain=gain,
                long_side=None if options.get("side") == "all" else PANEL_SIDE,
            ), "image/webp"
    data = study.thumbnail(row)
    return None if data is None else (enlarged(data), "image/webp")


def has_original(study: Study, row: int) -> bool:
    """Whether all files of the image exist in the study's image folder."""
    files = fields.field_files(study, row)
    return bool(files) and all(map(is_file, files))


def enlarged(data: bytes, side: int = FULL_SIDE) -> bytes:
    """A small picture at about `side` pixels: whole pixels for tiny ones, else smooth."""
    picture = open_thumbnail(data)
    longest = max(picture.size)
    if longest < side:
        if longest <= PIXEL_ART:
            factor, filtering = side // longest, Image.Resampling.NEAREST
        else:
            factor, filtering = side / longest, Image.Resampling.LANCZOS
        size = (round(picture.width * factor), round(picture.height * factor))
        picture = picture.resize(size, filtering)
    out = io.BytesIO()
    picture.save(out, "WEBP", lossless=longest <= PIXEL_ART, quality=90, method=2)
    return out.getvalue()
