"""The files of one field, however they are kept, as one image and a hash of what was read."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bnn_core.base.errors import InputError
from bnn_core.images.addresses import Address, address_of, is_zarr
from bnn_core.images.decoding import (
    Decoded,
    channels_together,
    decode_image,
    decode_raw,
    read_bytes,
)
from bnn_core.images.numbers import as_unsigned
from bnn_core.images.ome_zarr import read_ome_zarr

Range = tuple[float, float] | None


def read_field_files(paths: Sequence[str | Path], intensities: Range = None) -> tuple[Decoded, str]:
    """One field from one address of all channels or one per channel (`addresses`), and 16 hex
    digits over the bytes that were read.

    Raises InputError as `decoding.read_image`, and where the channels differ in size or number type.
    """
    digest = hashlib.sha256()
    images = [_read(address_of(path), digest, intensities) for path in paths]
    field = images[0] if len(images) == 1 else channels_together(images, paths)
    return field, digest.hexdigest()[:16]


def field_digest(paths: Sequence[str | Path]) -> str:
    """The 16 hex digits of `read_field_files`; the files are read and not decoded."""
    digest = hashlib.sha256()
    for path in paths:
        address = address_of(path)
        for file in address.files:
            if is_zarr(file):
                image = read_ome_zarr(file, address.plane, address.time)
                digest.update(np.ascontiguousarray(image))
            else:
                digest.update(read_bytes(file))
    return digest.hexdigest()[:16]


def raw_images(path: str | Path) -> Iterator[np.ndarray]:
    """The images (C, H, W) of an address in the numbers that their files store."""
    address = address_of(path)
    for file in address.files:
        if is_zarr(file):
            yield read_ome_zarr(file, address.plane, address.time)
        else:
            yield decode_raw(read_bytes(file), file)[0]


def _read(address: Address, digest, intensities: Range) -> Decoded:
    """The image of one address; of several planes the brightest value of each pixel."""
    first = address.files[0]
    if len(address.files) == 1 and is_zarr(first):
        image = read_ome_zarr(first, address.plane, address.time)
        digest.update(np.ascontiguousarray(image))
        image, remarks = as_unsigned(image, first, intensities)
        return Decoded(np.ascontiguousarray(image), tuple(remarks))
    brightest, remarks = None, {}
    for file in address.files:
        data = read_bytes(file)
        digest.update(data)
        plane = decode_image(data, file, intensities)
        remarks |= dict.fromkeys(plane.remarks)
        if brightest is None:
            brightest = plane.pixels.copy() if len(address.files) > 1 else plane.pixels
        elif (plane.pixels.shape, plane.pixels.dtype) != (brightest.shape, brightest.dtype):
            raise InputError(
                f"{file} is {_kind(plane.pixels)}, {first} is {_kind(brightest)}: the planes of one "
                "stack must agree"
            )
        else:
            np.maximum(brightest, plane.pixels, out=brightest)
    return Decoded(brightest, tuple(remarks))


def _kind(image: np.ndarray) -> str:
    return f"{' x '.join(map(str, image.shape))} {image.dtype}"
