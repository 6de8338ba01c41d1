"""Decoding TIFF: which of its pages are the channels of one image, and which are none."""

import io
import logging
import math
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from bnn_core.base.errors import InputError

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_PIXELS = 400_000_000
#: Values of ExtraSamples that mean alpha (associated, unassociated); 0 is a channel of data.
_ALPHA = (1, 2)
_CHANNEL_AXES = "CS"
#: What a program writes that knows no axes: tifffile's "sequence", "other" and "plane".
_UNKNOWN_AXES = "IQP"
_AXES = {"Z": "planes in depth", "T": "points in time", "R": "positions", "M": "tiles"}
_PHOTOMETRIC = tifffile.PHOTOMETRIC
_JPEG = (6, 7, 33003, 33005, 33007, 34712)

# Damage that tifffile only logs is checked here and raised.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def decode_tiff(data: bytes, path: str | Path) -> tuple[np.ndarray, list[str]]:
    """A TIFF's pixels (C, H, W) as stored, and remarks on what the file leaves open.

    Raises InputError for damage, several images, stacks, and colours that are no intensities.
    """
    try:
        _demand_complete_page_chain(data)
        with tifffile.TiffFile(io.BytesIO(data)) as tif:
            series, pages, axes, remarks = _one_image(tif, path)
            first = series.keyframe
            _demand_intensities(first, path)
            size = first.imagewidth * first.imagelength * first.samplesperpixel * len(pages)
            if size > MAX_PIXELS:
                raise InputError(
                    f"{path} has {first.imagewidth} x {first.imagelength} pixels in "
                    f"{len(pages)} pages: cut it into fields"
                )
            for page in pages:
                _demand_complete_page(page, len(data))
            if len(pages) == len(series.pages):
                image = series.asarray(maxworkers=1)
            else:
                image = np.stack([page.asarray(maxworkers=1) for page in pages])
            image, more = _channels_first(image, axes, path)
            remarks += more
            if "S" in axes and first.samplesperpixel > 1:
                extra = first.extrasamples
                start = len(image) - len(extra)
                image, more = without_alpha(
                    image, [start + i for i, kind in enumerate(extra) if kind in _ALPHA]
                )
                remarks += more
            return _as_light(image, first, path), remarks
    except InputError:
        raise
    except Exception as error:
        # Damaged bytes make tifffile and the codecs raise many kinds of error (struct, key, zlib).
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is damaged or truncated ({reason}): copy it again") from error


def without_alpha(image: np.ndarray, alpha: Sequence[int]) -> tuple[np.ndarray, list[str]]:
    """An image (C, H, W) without those of its channels `alpha` that are constant, and remarks."""
    constant = [c for c in alpha if image[c].min() == image[c].max()]
    kept = [c for c in range(len(image)) if c not in constant]
    remarks = ["has a constant alpha channel, which was left out"] if constant else []
    if len(constant) < len(alpha):
        remarks.append(
            f"WARNING: has {len(kept)} channels, one of which is stored as alpha; it was kept "
            "because it is not constant"
        )
    return image[kept] if constant else image, remarks


def _one_image(
    tif: tifffile.TiffFile, path: str | Path
) -> tuple[tifffile.TiffPageSeries, list, str, list[str]]:
    """The only image of a file: its series, the pages that are in this file, axes, remarks."""
    if any(page is None for series in tif.series for page in series.pages):
        return _part_of_set(tif, path)
    whole = [s for s in tif.series if not _is_side_image(s)] or list(tif.series)
    if len(whole) > 1:
        sizes = ", ".join(f"{s.axes} {' x '.join(map(str, s.shape))}" for s in whole[:3])
        raise InputError(
            f"{path} holds {len(whole)} images ({sizes}{', ...' if len(whole) > 3 else ''}): save "
            "each as a separate file"
        )
    aside = len(tif.series) - len(whole)
    remarks = [f"has {aside} thumbnail or mask beside the image, ignored"] if aside else []
    if tif.is_ome and whole[0].kind != "ome":
        remarks.append(
            "WARNING: has OME metadata that do not fit its pages; they were not used: check its channels"
        )
    return whole[0], list(whole[0].pages), whole[0].axes, remarks


def _is_side_image(series: tifffile.TiffPageSeries) -> bool:
    """Whether a series is a smaller copy or a mask of another, as its pages say."""
    return bool(series.keyframe.is_reduced or series.keyframe.is_mask)


def _part_of_set(
    tif: tifffile.TiffFile, path: str | Path
) -> tuple[tifffile.TiffPageSeries, list, str, list[str]]:
    """One file of an OME set: the rest of the set is in other files, each with a separate row."""
    with_planes = [s for s in tif.series if any(page is not None for page in s.pages)]
    if len(with_planes) != 1:
        raise InputError(
            f"{path} holds planes of {len(with_planes)} images: save each as a separate file"
        )
    (series,) = with_planes
    present = [i for i, page in enumerate(series.pages) if page is not None]
    lead = series.shape[: len(series.shape) - series.keyframe.ndim]
    index = np.array(np.unravel_index(present, lead or (1,)))
    varying = [
        axis for axis, values in zip(series.axes, index, strict=False) if len(set(values)) > 1
    ]
    if any(axis not in _CHANNEL_AXES for axis in varying):
        kind = _AXES.get(varying[0], f"planes along the axis {varying[0]}")
        raise InputError(
            f"{path} has {len(present)} {kind} and must have one plane per channel; project or split "
            "it first"
        )
    pages = [series.pages[i] for i in present]
    channels = math.prod(n for axis, n in zip(series.axes, lead, strict=False) if axis == "C")
    remark = f"is one file of a set, with {len(pages)} of {channels} channels: the others are in other files"
    remarks = [remark] if len(pages) < channels else []
    return series, pages, "C" + series.keyframe.axes, remarks


def _channels_first(image: np.ndarray, axes: str, path: str | Path) -> tuple[np.ndarray, list[str]]:
    """Bring the axes of a TIFF series to (C, H, W), and say where channels are only supposed."""
    for axis, size in zip(axes, image.shape, strict=True):
        if size > 1 and axis not in f"YX{_CHANNEL_AXES}{_UNKNOWN_AXES}":
            kind = _AXES.get(axis, f"planes along the axis {axis}")
            raise InputError(
                f"{path} has {size} {kind} and must have one plane per channel; project or split it "
                "first"
            )
    keep = [i for i, axis in enumerate(axes) if axis in "YX" or image.shape[i] > 1]
    image = image.reshape([image.shape[i] for i in keep])
    axes = "".join(axes[i] for i in keep)
    if sorted(axes)[-2:] != ["X", "Y"] or len(axes) > 3:
        raise InputError(
            f"{path} has the axes {axes} {image.shape} and must have height, width and one axis of "
            "channels"
        )
    if len(axes) == 2:
        image, axes = image[None], "C" + axes
    channel = next(axis for axis in axes if axis not in "YX")
    image = image.transpose([axes.index(channel), axes.index("Y"), axes.index("X")])
    if channel not in _UNKNOWN_AXES:
        return image, []
    return image, [
        f"WARNING: has {len(image)} pages without axes, read as {len(image)} channels; if they are "
        "planes in depth or time, project or split them first"
    ]


def _demand_intensities(page: tifffile.TiffPage, path: str | Path) -> None:
    """Refuse colours that are no intensities of light: for printing, for the eye, of a sensor."""
    if "PhotometricInterpretation" not in page.tags:
        return
    kind = page.photometric
    if kind in (_PHOTOMETRIC.MINISBLACK, _PHOTOMETRIC.MINISWHITE, _PHOTOMETRIC.RGB):
        return
    if kind == _PHOTOMETRIC.PALETTE:
        return  # judged by its colours
    if kind == _PHOTOMETRIC.YCBCR and page.compression in _JPEG:
        return  # the codec gives red, green and blue
    name = {"SEPARATED": "CMYK", "YCBCR": "YCbCr"}.get(getattr(kind, "name", ""), kind)
    name = getattr(name, "name", name)
    raise InputError(f"{path} is in {name} colours: save it as grey or RGB")


def _as_light(image: np.ndarray, page: tifffile.TiffPage, path: str | Path) -> np.ndarray:
    """Numbers that grow with the light: palettes of greys looked up, white-is-zero turned round."""
    if "PhotometricInterpretation" not in page.tags:
        return image
    if page.photometric == _PHOTOMETRIC.PALETTE:
        colours = np.asarray(page.colormap)
        if not (colours == colours[:1]).all():
            raise InputError(f"{path} is a palette TIFF: save it as grey or RGB")
        return (colours[0] >> 8).astype(np.uint8)[image]
    if page.photometric == _PHOTOMETRIC.MINISWHITE:
        if image.dtype == bool:
            return ~image
        if image.dtype.kind == "u":
            return ((1 << page.bitspersample) - 1 - image).astype(image.dtype)
    return image


def _demand_complete_page(page: tifffile.TiffPage | tifffile.TiffFrame, size: int) -> None:
    """tifffile fills strips that the file lacks with zeros; such an image is not to be trusted."""
    if math.prod(page.keyframe.chunked) > len(page.dataoffsets):
        raise ValueError("pixels are missing")
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
