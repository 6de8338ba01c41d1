"""Reading microscope images: 8 or 16 bit PNG, JPEG, (OME-)TIFF, one file or one per channel.

Every image comes out as (C, H, W) uint8 or uint16, and everything that is wrong with a file is an
InputError that names it: a damaged image must never pass as a dark one.
"""

import io
import logging
import struct
from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from bnn_core.base.errors import InputError
from bnn_core.base.roots import readable

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_MAX_PIXELS = 400_000_000

# Damage that tifffile only logs is checked here and raised.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def read_image(path: str | Path) -> np.ndarray:
    """One file as (C, H, W) uint8 or uint16, values as stored.

    Grey is one channel, RGB three; an alpha channel is dropped; planes or pages of a TIFF are
    channels. Raises InputError for a file that is missing, empty, damaged, truncated, no image, a
    stack in depth or time, or of another number type.
    """
    return decode_image(read_bytes(path), path)


def read_field(paths: Sequence[str | Path]) -> np.ndarray:
    """One field from one file of all channels or one file per channel: (C, H, W).

    Raises InputError as `read_image`, and when the files differ in size or number type.
    """
    return decode_field([read_bytes(path) for path in paths], paths)


def read_bytes(path: str | Path) -> bytes:
    """All bytes of a file; InputError when it is missing, unreadable or empty."""
    try:
        data = readable(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if not data:
        raise InputError(f"{path} is empty (0 bytes): copy it again")
    return data


def decode_field(blobs: Sequence[bytes], paths: Sequence[str | Path]) -> np.ndarray:
    """As `read_field`, from the files' bytes; `paths` only name them in errors."""
    if len(blobs) == 1:
        return decode_image(blobs[0], paths[0])
    planes = []
    for blob, path in zip(blobs, paths, strict=True):
        plane = _one_plane(decode_image(blob, path), path)
        if planes and (plane.shape != planes[0].shape or plane.dtype != planes[0].dtype):
            raise InputError(
                f"{path} is {_describe(plane)}, {paths[0]} is {_describe(planes[0])}: "
                "the channels of one field must agree"
            )
        planes.append(plane)
    return np.concatenate(planes)


def decode_image(data: bytes, path: str | Path) -> np.ndarray:
    """As `read_image`, from the file's bytes; `path` only names it in errors."""
    decode = _decode_tiff if data[:4] in _TIFF_STARTS else _decode_other
    image = decode(data, path)
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{path} stores {image.dtype} numbers; 8 or 16 bit whole numbers (uint8, uint16) "
            "expected: convert it first"
        )
    if 0 in image.shape:
        raise InputError(f"{path} has no pixels (shape {image.shape})")
    return np.ascontiguousarray(image.astype(image.dtype.newbyteorder("="), copy=False))


def _decode_other(data: bytes, path: str | Path) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise InputError(f"{path} is {opened.width} x {opened.height}: cut it in fields")
            if opened.format == "PNG" and data[24] == 16:
                # Pillow reads 16-bit colour as 8 bit without a word.
                return _planes_first(imagecodecs.png_decode(data))
            if opened.mode in ("1", "L", "I;16", "I;16B", "RGB"):
                loaded = opened
            elif opened.mode in ("LA", "La"):
                loaded = opened.convert("L")
            else:
                loaded = opened.convert("RGB")
            return _planes_first(np.asarray(loaded))
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is no PNG, JPEG or TIFF, or its start is damaged") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        IndexError,
        struct.error,
        imagecodecs.PngError,
        Image.DecompressionBombError,
    ) as error:
        raise InputError(f"{path} is damaged or truncated ({error}): copy it again") from error


def _planes_first(image: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, S) → (C, H, W) without alpha."""
    if image.ndim == 2:
        return image[None]
    colours = image.shape[2] - (image.shape[2] in (2, 4))
    return np.moveaxis(image[..., :colours], 2, 0)


def _decode_tiff(data: bytes, path: str | Path) -> np.ndarray:
    try:
        _demand_complete_page_chain(data)
        with tifffile.TiffFile(io.BytesIO(data)) as tif:
            series = tif.series[0]
            pages = list(series.pages)
            if any(page is None for page in pages):
                # One file of an OME set: the rest of the set is in other files, named on their own.
                pages = list(tif.pages)
                image = np.stack([page.asarray(maxworkers=1) for page in pages])
                axes = "C" + pages[0].axes
            else:
                image = series.asarray(maxworkers=1)
                axes = series.axes
            for page in pages:
                _demand_complete_page(page, len(data))
            first = series.keyframe
            image = _channels_first(image, axes, path)
            alpha = first.extrasamples and first.samplesperpixel in (2, 4) and "S" in axes
            if alpha:
                image = image[:-1]
            if first.photometric == tifffile.PHOTOMETRIC.PALETTE:
                raise InputError(f"{path} is a palette TIFF: save it as grey or RGB")
            if first.photometric == tifffile.PHOTOMETRIC.MINISWHITE and image.dtype.kind == "u":
                image = np.iinfo(image.dtype).max - image
            return image
    except InputError:
        raise
    except Exception as error:
        # Damaged bytes make tifffile and the codecs raise many kinds of error (struct, key, zlib).
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is damaged or truncated ({reason}): copy it again") from error


def _channels_first(image: np.ndarray, axes: str, path: str | Path) -> np.ndarray:
    """Bring the axes of a TIFF series to (C, H, W)."""
    for axis, what in (("Z", "planes in depth"), ("T", "points in time"), ("R", "positions")):
        if axis in axes and image.shape[axes.index(axis)] > 1:
            raise InputError(
                f"{path} has {image.shape[axes.index(axis)]} {what}: one plane per channel "
                "expected; project or split it first"
            )
    keep = [i for i, axis in enumerate(axes) if axis in "YX" or image.shape[i] > 1]
    image = image.reshape([image.shape[i] for i in keep])
    axes = "".join(axes[i] for i in keep)
    if sorted(axes)[-2:] != ["X", "Y"] or len(axes) > 3:
        raise InputError(
            f"{path} has the axes {axes} {image.shape}: height, width and one axis of "
            "channels expected"
        )
    if len(axes) == 2:
        image, axes = image[None], "C" + axes
    channel = next(axis for axis in axes if axis not in "YX")
    return image.transpose([axes.index(channel), axes.index("Y"), axes.index("X")])


def _demand_complete_page(page: tifffile.TiffPage | tifffile.TiffFrame, size: int) -> None:
    """tifffile fills strips that the file lacks with zeros; such an image is not to be trusted."""
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset == 0 or count == 0 or offset + count > size:
            raise ValueError("pixels are missing")


def _demand_complete_page_chain(data: bytes) -> None:
    """Follow the pages from one to the next: tifffile drops those beyond the end of the file."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2 if order == "<" else 3] == 43
    start, count_code, entry, next_code = (8, "Q", 20, "Q") if big else (4, "H", 12, "I")
    (page,) = struct.unpack_from(order + next_code, data, start)
    seen = set()
    while page:
        if page in seen:
            raise ValueError("its pages form a circle")
        seen.add(page)
        (tags,) = struct.unpack_from(order + count_code, data, page)
        after = page + struct.calcsize(order + count_code) + tags * entry
        (page,) = struct.unpack_from(order + next_code, data, after)


def _one_plane(image: np.ndarray, path: str | Path) -> np.ndarray:
    """A channel's file as (1, H, W): grey, grey saved as RGB, or a single pure colour."""
    if len(image) == 1:
        return image
    if len(image) == 3:
        if np.array_equal(image[0], image[1]) and np.array_equal(image[0], image[2]):
            return image[:1]
        used = [plane for plane in image if plane.any()]
        if len(used) == 1:
            return used[0][None]
    raise InputError(
        f"{path} has {len(image)} channels, one expected where every channel has its own path "
        "column; give a single path column for files of several channels"
    )


def _describe(image: np.ndarray) -> str:
    return f"{image.shape[2]} x {image.shape[1]} {image.dtype}"
