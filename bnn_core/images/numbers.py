"""Number types of image files -> uint8 or uint16, by a rule that does not depend on the image."""

from pathlib import Path

import numpy as np

from bnn_core.base.errors import InputError

TOP = 65_535


def as_unsigned(
    image: np.ndarray, path: str | Path, intensities: tuple[float, float] | None = None
) -> tuple[np.ndarray, list[str]]:
    """An image of any real number type as uint8 or uint16 in native byte order, and remarks.

    uint8 and uint16 stay as stored, bits become 0 and 255. Other whole numbers from 0 to 65,535 are
    kept as uint16, fractions from 0 to 1 are multiplied by 65,535. intensities: the values (low,
    high) that become 0 and 65,535, for any type but 8 bit; values outside are clipped.
    Raises InputError for other values, naming the flag that gives their range.
    """
    if image.dtype == bool:
        return image.astype(np.uint8) * np.uint8(255), []
    if image.dtype.kind not in "uif":
        raise InputError(f"{path} stores {image.dtype} numbers: save real numbers, such as uint16")
    if intensities is not None and image.dtype != np.uint8:
        return _stretched(image, path, intensities)
    if image.dtype.kind == "u" and image.dtype.itemsize <= 2:
        return image.astype(image.dtype.newbyteorder("="), copy=False), []
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise InputError(f"{path} contains values that are not numbers (nan or infinite)")
    low, high = float(image.min()), float(image.max())
    name = image.dtype.name
    if low < 0 or high > TOP:
        raise _unfit(path, name, low, high)
    if image.dtype.kind == "f" and high <= 1:
        return np.rint(image.astype(np.float64) * TOP).astype(np.uint16), [
            f"stores {name} numbers from 0 to 1, multiplied by 65,535"
        ]
    if image.dtype.kind == "f" and (image != np.rint(image)).any():
        raise _unfit(path, name, low, high)
    return image.astype(np.uint16), [f"stores {name} numbers, kept as they are (all are whole)"]


def _stretched(
    image: np.ndarray, path: str | Path, intensities: tuple[float, float]
) -> tuple[np.ndarray, list[str]]:
    low, high = intensities
    values = image.astype(np.float64)
    if np.isnan(values).any():
        raise InputError(f"{path} contains values that are not numbers (nan)")
    unit = (np.clip(values, low, high) - low) / (high - low)
    remarks = [f"stores {image.dtype.name} numbers; {low:g} to {high:g} became 0 to 65,535"]
    if (values < low).any() or (values > high).any():
        remarks.append(f"has values outside {low:g} to {high:g}, which were cut off there")
    return np.rint(unit * TOP).astype(np.uint16), remarks


def _unfit(path: str | Path, name: str, low: float, high: float) -> InputError:
    return InputError(
        f"{path} stores {name} numbers from {low:g} to {high:g}, neither whole numbers from 0 to "
        "65,535 nor fractions from 0 to 1. Give the range of the whole set with --intensities "
        f"LOW,HIGH, such as {low:g},{high:g}"
    )
