"""From intensities to a picture: colours per channel, composites, crops, PNG and WebP.

Convention of BBBC021: DNA blue, tubulin green, actin red; a single channel is grey. For
colour-blind readers two channels are magenta and green, three cyan, yellow and magenta. Contrast is
whatever limits the caller gives; fixed per plate and channel when phenotypes are compared.
"""

import io
import re
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from bnn_core.base.errors import InputError, decoding
from bnn_core.base.limits import LONGEST_SIDE, MOST_DRAWN_PIXELS
from bnn_core.images.contrast import HIGH_PERCENTILE, LOW_PERCENTILE, area_resize, stretch

PALETTES = ("set", "colour-blind")
PICTURE_FORMATS = {"webp": "image/webp", "png": "image/png"}
THUMBNAIL_SIDE, LARGEST_THUMBNAIL = 96, 2048
#: Rows of an image that are drawn together.
_STRIP = 256
GREY = "#ffffff"

_STAINS = {
    "dna": re.compile(r"dna|dapi|hoechst|draq|nuc|blue|h2b", re.I),
    "tubulin": re.compile(r"tub|green|gfp|fitc|alexa ?_?488|yfp", re.I),
    "actin": re.compile(r"actin|phalloidin|red|rfp|tritc|cy3|texas|mcherry|alexa ?_?5[469]", re.I),
}
_SET = {"dna": "#0000ff", "tubulin": "#00ff00", "actin": "#ff0000"}
_SPARE = ("#00ff00", "#ff0000", "#0000ff", "#ff00ff", "#00ffff", "#ffff00")
_SAFE_TWO = ("#ff00ff", "#00ff00")
_SAFE_THREE = {"dna": "#00ffff", "tubulin": "#ffff00", "actin": "#ff00ff"}
_SAFE_SPARE = ("#00ffff", "#ffff00", "#ff00ff", "#ffffff")


def default_channels(count: int) -> list[str]:
    """Names for the channels of images that come without: grey; red, green, blue; else numbers."""
    return {1: ["grey"], 3: ["red", "green", "blue"]}.get(count) or [
        f"channel {i + 1}" for i in range(count)
    ]


def stain_of(channel: str) -> str | None:
    """What a channel's name says it shows: "dna", "tubulin" (any green), "actin" (any red)."""
    return next((stain for stain, words in _STAINS.items() if words.search(channel)), None)


def dna_channel(channels: Sequence[str]) -> int | None:
    """Index of the channel that shows nuclei, judged by its name; None when no name does."""
    return next((i for i, name in enumerate(channels) if stain_of(name) == "dna"), None)


def channel_colours(channels: Sequence[str], palette: str = "set") -> list[str]:
    """A colour "#rrggbb" for each channel of an image set, by stain and then by order.

    palette: "set" or "colour-blind". Colours do not change as channels are switched on and off.
    Raises InputError for another palette.
    """
    if palette not in PALETTES:
        raise InputError(f"colours '{palette}' are unknown; choose {' or '.join(PALETTES)}")
    if len(channels) == 1:
        return [GREY]
    if palette == "colour-blind" and len(channels) == 2:
        return list(_SAFE_TWO)
    known, spare = (_SET, _SPARE) if palette == "set" else (_SAFE_THREE, _SAFE_SPARE)
    colours: list[str | None] = []
    for name in channels:
        colour = known.get(stain_of(name) or "")
        colours.append(None if colour in colours else colour)
    free = [colour for colour in spare if colour not in colours]
    return [colour or (free.pop(0) if free else GREY) for colour in colours]


def image_limits(image: np.ndarray) -> np.ndarray:
    """(C, 2) black and white points of one image alone: its 0.03 and 99.97 percentiles."""
    black, white = np.percentile(image, [LOW_PERCENTILE, HIGH_PERCENTILE], axis=(1, 2))
    return np.stack([black, np.maximum(white, black + 1)], axis=1)


def composite(unit: np.ndarray, colours: Sequence[str]) -> np.ndarray:
    """Channels (C, H, W) in [0, 1], each in its colour, added up: (H, W, 3) uint8, clipped."""
    rgb = np.array([_rgb(colour) for colour in colours], dtype=np.float32)
    mixed = rgb.T @ unit.reshape(len(unit), -1).astype(np.float32, copy=False)
    planes = (np.clip(mixed, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(planes.reshape(3, *unit.shape[1:]).transpose(1, 2, 0))


def render(
    image: np.ndarray,
    colours: Sequence[str],
    *,
    limits: np.ndarray | None = None,
    shown: Sequence[int] | None = None,
    crop: tuple[float, float, float, float] | None = None,
    long_side: int | None = None,
    image_format: str = "webp",
) -> bytes:
    """A field as the bytes of a PNG or WebP picture.

    image: (C, H, W) uint8 or uint16. colours: one "#rrggbb" per channel. limits: (C, 2) black and
    white points; None takes those of this whole image (never judge a phenotype by that).
    shown: indices of the channels switched on, all by default; one alone is drawn in grey.
    crop: left, top, right, bottom as shares in [0, 1]. long_side: pixels of the longer side; larger
    images are averaged down, smaller ones (a zoomed crop) enlarged by a whole factor, unsmoothed;
    None: every pixel, up to LONGEST_SIDE.
    Raises InputError for an empty crop, an unknown channel, format or size.
    """
    channels, height, width = image.shape
    shown = list(range(channels)) if shown is None else list(shown)
    if not shown or not all(0 <= c < channels for c in shown):
        raise InputError(f"channels {shown} requested; the image has channels 0 to {channels - 1}")
    if image_format not in PICTURE_FORMATS:
        raise InputError(
            f"image format '{image_format}' is unknown; choose {' or '.join(PICTURE_FORMATS)}"
        )
    if long_side is not None and not 1 <= long_side <= LONGEST_SIDE:
        raise InputError(
            f"a picture of {long_side} pixels was requested; choose 1 to {LONGEST_SIDE} pixels"
        )
    limits = image_limits(image) if limits is None else np.asarray(limits, dtype=np.float64)
    top, bottom, left, right = _crop_box(crop, height, width)
    seen = slice(None) if shown == list(range(channels)) else shown  # a slice copies nothing
    strips = _strips(image[seen, top:bottom, left:right], limits[shown], long_side)
    mixed = [GREY] if len(shown) == 1 else [colours[c] for c in shown]
    if long_side is None:
        return encode(np.concatenate([composite(s, mixed) for s in strips]), image_format)
    unit = _resize(np.concatenate(list(strips), axis=1), long_side)
    return encode(composite(unit, mixed), image_format)


def _strips(image: np.ndarray, limits: np.ndarray, long_side: int | None) -> Iterator[np.ndarray]:
    """An image (C, H, W), `stretch`ed, some rows at a time; one too large for a picture, or much
    larger than `long_side`, averaged over whole blocks of pixels (fewer than a block at the right
    and lower border are left out)."""
    longest, factor = max(image.shape[1:]), 1
    if long_side is None:
        factor = -(-longest // LONGEST_SIDE)
    elif image.size > MOST_DRAWN_PIXELS:
        factor = max(1, longest // (2 * long_side))
    height, width = (max(1, side // factor) for side in image.shape[1:])
    image = image[:, : height * factor, : width * factor]
    rows = max(1, _STRIP // factor)
    for top in range(0, height, rows):
        strip = stretch(image[:, top * factor : (top + rows) * factor], limits)
        yield strip if factor == 1 else area_resize(strip, (min(rows, height - top), width))


def open_thumbnail(data: bytes) -> Image.Image:
    """A study's thumbnail, decoded. InputError for other formats and large ones: a study of somebody
    else may hold anything."""
    with decoding("the thumbnail", "make the study again"):
        picture = Image.open(io.BytesIO(data), formats=("WEBP", "PNG"))
        if max(picture.size) > LARGEST_THUMBNAIL:
            raise InputError(
                f"the thumbnail has {picture.width} x {picture.height} pixels, more than "
                f"{LARGEST_THUMBNAIL} on a side; make the study again"
            )
        picture.load()
        return picture


def thumbnail(unit: np.ndarray, colours: Sequence[str], long_side: int = THUMBNAIL_SIDE) -> bytes:
    """WebP bytes of channels (C, H, W) in [0, 1], the longer side at most `long_side` pixels."""
    scale = min(1.0, long_side / max(unit.shape[1:]))
    size = (max(1, round(unit.shape[1] * scale)), max(1, round(unit.shape[2] * scale)))
    return encode(composite(area_resize(unit, size), colours), "webp", quality=80)


def encode(rgb: np.ndarray, image_format: str, quality: int = 92) -> bytes:
    """(H, W, 3) uint8 as the bytes of a "png" (exact) or "webp" file."""
    buffer = io.BytesIO()
    options = {"quality": quality, "method": 2} if image_format == "webp" else {"compress_level": 3}
    Image.fromarray(rgb).save(buffer, image_format, **options)
    return buffer.getvalue()


def _crop_box(
    crop: tuple[float, float, float, float] | None, height: int, width: int
) -> tuple[int, int, int, int]:
    """Rows and columns (top, bottom, left, right) of a crop, at least one pixel."""
    left, top, right, bottom = crop or (0.0, 0.0, 1.0, 1.0)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise InputError(
            f"crop {crop} is no part of an image; give left, top, right, bottom from 0 to 1, left before "
            "right and top above bottom"
        )
    first_row = min(int(top * height), height - 1)
    first_column = min(int(left * width), width - 1)
    return (
        first_row,
        max(first_row + 1, round(bottom * height)),
        first_column,
        max(first_column + 1, round(right * width)),
    )


def _resize(unit: np.ndarray, long_side: int) -> np.ndarray:
    height, width = unit.shape[1:]
    scale = long_side / max(height, width)
    if scale >= 2:
        factor = int(scale)
        return unit.repeat(factor, axis=1).repeat(factor, axis=2)
    return area_resize(unit, (max(1, round(height * scale)), max(1, round(width * scale))))


def _rgb(colour: str) -> tuple[float, float, float]:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise InputError(f"'{colour}' is no colour; give #rrggbb, such as #00ff00")
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue
