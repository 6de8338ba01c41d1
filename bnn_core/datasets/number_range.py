"""Files of other numbers than 8 or 16 bit: the range of a whole set, so that all are scaled alike."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bnn_core.base.errors import InputError
from bnn_core.images.field_files import raw_images
from bnn_core.images.numbers import TOP

#: So many files, spread over the set, tell whether its numbers need a look at all of them.
_LOOKED_AT = 8


def set_range(
    files: Sequence[Path], workers: int = 4
) -> tuple[tuple[float, float] | None, list[str]]:
    """The smallest and largest value of all files where they do not fit 16 bit as they are, else
    None; and a note on the scale.

    Numbers that fit are whole from 0 to 65,535, or fractions from 0 to 1 (`numbers.as_unsigned`).
    Files that cannot be read are passed over: the reader of the set names them.
    """
    spread = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, _LOOKED_AT).astype(int))]
    kinds = {kind for file in spread if (kind := _kind(file)) is not None}
    if not any(kind.kind == "f" or kind.kind == "i" or kind.itemsize > 2 for kind in kinds):
        return None, []
    low, high, whole = np.inf, -np.inf, True
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(files), desc="range of numbers", unit="file") as bar,
    ):
        for extremes in pool.map(_extremes, files):
            bar.update()
            if extremes is not None:
                low, high, whole = (
                    min(low, extremes[0]),
                    max(high, extremes[1]),
                    whole and extremes[2],
                )
    fits = low >= 0 and (high <= 1 or (whole and high <= TOP))
    if fits or not low < high:
        return None, []
    names = ", ".join(sorted(kind.name for kind in kinds))
    return (low, high), [
        f"the files store {names} numbers from {low:g} to {high:g}: in all of them {low:g} became 0 and "
        f"{high:g} became 65,535 (--intensities {low:g},{high:g}; another range cuts values off)"
    ]


def _kind(file: Path) -> np.dtype | None:
    try:
        return next(raw_images(file)).dtype
    except InputError:
        return None


def _extremes(file: Path) -> tuple[float, float, bool] | None:
    """Smallest and largest value of a file, and whether all are whole numbers."""
    try:
        images = list(raw_images(file))
    except InputError:
        return None
    values = np.concatenate([image.ravel() for image in images])
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not len(values) or values.dtype.kind not in "uif":
        return None
    whole = values.dtype.kind != "f" or bool((values == np.rint(values)).all())
    return float(values.min()), float(values.max()), whole
