"""Reading microscope images: 8 or 16 bit PNG, JPEG, (OME-)TIFF, one file or one per channel.

Every image comes out as (C, H, W) uint8 or uint16. Everything that is wrong with a file is an
InputError that names it: a damaged image must never pass as a dark one. A choice that the file
leaves open is a remark, so that the reader of many such files can check it.
"""

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from bnn_core.base.errors import InputError
from bnn_core.base.roots import readable
from bnn_core.images.numbers import as_unsigned
from bnn_core.images.tiff import MAX_PIXELS, TIFF_STARTS, decode_tiff, without_alpha

_PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
#: Modes of Pillow whose numbers are no intensities of light in grey, red, green and blue.
_PRINT_MODES = {"CMYK": "CMYK", "YCCK": "CMYK", "LAB": "CIELAB", "HSV": "HSV", "YCbCr": "YCbCr"}


class Decoded(NamedTuple):
    """One field: pixels (C, H, W) uint8 or uint16, and how the file was read where it leaves a
    choice: predicates such as "has 3 pages without axes, read as 3 channels". A remark that may
    mean a mistake begins with "WARNING: ".
    """

    pixels: np.ndarray
    remarks: tuple[str, ...] = ()


def read_image(path: str | Path, intensities: tuple[float, float] | None = None) -> np.ndarray:
    """One file as (C, H, W) uint8 or uint16.

    Grey is one channel, RGB three; planes or pages of a TIFF are channels. An alpha channel is
    left out where it is constant. intensities: see `as_unsigned`. Raises InputError for a file that
    is missing, empty, damaged, truncated, no image, several images, a stack in depth or time, in
    colours for printing, or of numbers that do not fit 16 bit.
    """
    return decode_image(read_bytes(path), path, intensities).pixels


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


def channels_together(images: Sequence[Decoded], paths: Sequence[str | Path]) -> Decoded:
    """One field from the images of its channels; `paths` only name them in errors.

    Raises InputError where they differ in size or number type, or one has several channels.
    """
    planes: list[np.ndarray] = []
    for image, path in zip(images, paths, strict=True):
        plane = _one_plane(image.pixels, path)
        if planes and (plane.shape != planes[0].shape or plane.dtype != planes[0].dtype):
            raise InputError(
                f"{path} is {_describe(plane)}, {paths[0]} is {_describe(planes[0])}: "
                "the channels of one field must agree"
            )
        planes.append(plane)
    remarks = dict.fromkeys(remark for image in images for remark in image.remarks)
    return Decoded(np.concatenate(planes), tuple(remarks))


def decode_image(
    data: bytes, path: str | Path, intensities: tuple[float, float] | None = None
) -> Decoded:
    """As `read_image`, from the file's bytes, with remarks; `path` only names it in errors."""
    image, remarks = decode_raw(data, path)
    image, more = as_unsigned(image, path, intensities)
    return Decoded(np.ascontiguousarray(image), (*remarks, *more))


def decode_raw(data: bytes, path: str | Path) -> tuple[np.ndarray, list[str]]:
    """As `decode_image`, in the numbers that the file stores."""
    decode = decode_tiff if data[:4] in TIFF_STARTS else _decode_other
    image, remarks = decode(data, path)
    if 0 in image.shape:
        raise InputError(f"{path} has no pixels (shape {image.shape})")
    return image, remarks


def _decode_other(data: bytes, path: str | Path) -> tuple[np.ndarray, list[str]]:
    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise InputError(f"{path} is {opened.width} x {opened.height}: cut it into fields")
            if getattr(opened, "n_frames", 1) > 1:
                raise InputError(
                    f"{path} holds {opened.n_frames} images: save each as a separate file"
                )
            if opened.mode in _PRINT_MODES:
                raise InputError(
                    f"{path} is in {_PRINT_MODES[opened.mode]} colours: save it as grey or RGB"
                )
            if opened.format == "PNG" and data[24] == 16:
                # Pillow reads 16-bit colour as 8 bit without a word.
                return _planes_first(imagecodecs.png_decode(data))
            if opened.mode == "P":
                return _from_palette(opened)
            known = ("1", "L", "LA", "I;16", "I;16B", "RGB", "RGBA")
            return _planes_first(
                np.asarray(opened if opened.mode in known else opened.convert("RGBA"))
            )
    except UnidentifiedImageError as error:
        if data.startswith(b"version https://git-lfs"):
            raise InputError(
                f"{path} is a pointer of Git LFS: fetch it with git lfs pull"
            ) from error
        raise InputError(
            f"{path} is not a PNG, JPEG or TIFF, or its first bytes are damaged: export it as TIFF "
            "with the microscope's program or Bio-Formats, or copy it again"
        ) from error
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


def _from_palette(opened: Image.Image) -> tuple[np.ndarray, list[str]]:
    """A picture that numbers the colours of a palette; one channel where all of them are grey."""
    transparent = "transparency" in opened.info
    image, remarks = _planes_first(np.asarray(opened.convert("RGBA" if transparent else "RGB")))
    colours = np.array(opened.getpalette("RGB")).reshape(-1, 3)
    if (colours == colours[:, :1]).all():
        image = np.concatenate([image[:1], image[3:]])
    return image, remarks


def _planes_first(image: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(H, W) or (H, W, S) → (C, H, W); the last of 2 or 4 samples is alpha."""
    if image.ndim == 2:
        return image[None], []
    image = np.moveaxis(image, 2, 0)
    return without_alpha(image, [len(image) - 1] if len(image) in (2, 4) else [])


def _one_plane(image: np.ndarray, path: str | Path) -> np.ndarray:
    """A channel's file as (1, H, W): grey, grey saved as RGB, or a single pure colour."""
    if len(image) == 1:
        return image
    if len(image) == 3:
        # WebP has no grey: its colours come back equal but for rounding.
        if (image.max(axis=0) - image.min(axis=0)).max(initial=0) <= 1:
            return image[1:2]
        used = [plane for plane in image if plane.any()]
        if len(used) == 1:
            return used[0][None]
    raise InputError(
        f"{path} has {len(image)} channels and must have one, because every channel has its own path "
        "column; give a single path column for files of several channels"
    )


def _describe(image: np.ndarray) -> str:
    return f"{image.shape[2]} x {image.shape[1]} {image.dtype}"
