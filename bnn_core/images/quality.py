"""Image quality per field: focus, saturation, foreground share, nuclei count, and robust z.

Evidence for artefacts and toxic doses, not a segmentation: every number is only compared with those
of the same plate. Thresholds are the plate's, so an empty field has no foreground instead of half.
"""

import numpy as np
import pandas as pd
from scipy import ndimage

from bnn_core.images.compiled import kernels
from bnn_core.images.contrast import otsu_threshold, shrunk

_WORKING_SIDE = 640
_LEAST_IMAGES = 5
#: Differences smaller than these do not matter; they keep z finite where all images are alike.
#: focus: decades; saturation, foreground: share of pixels; nuclei: nuclei; nuclei_area: % of the
#: field.
SCALE_FLOORS = {
    "focus": 0.02,
    "saturation": 0.005,
    "foreground": 0.01,
    "nuclei": 1.0,
    "nuclei_area": 0.01,
}


#: A Gaussian of 1 pixel, cut at 2: in the middle, 1 and 2 pixels away.
_WEIGHTS = np.exp(-0.5 * np.arange(-2, 3) ** 2)
_WEIGHTS = (_WEIGHTS / _WEIGHTS.sum())[2:]


def working_size(shape: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a field (H, W) divided by the whole number that leaves at most
    `_WORKING_SIDE` pixels a side."""
    factor = -(-max(shape) // _WORKING_SIDE)
    return max(1, shape[0] // factor), max(1, shape[1] // factor)


def measure(
    image: np.ndarray, thresholds: np.ndarray, ceilings: np.ndarray, dna: int | None
) -> dict[str, float | np.ndarray]:
    """Quality of one field (C, H, W), before any contrast.

    thresholds: (C,) intensities above which a pixel belongs to a cell; ceilings: (C,) intensities
    at which the camera saturates; both of the plate. dna: index of the channel of nuclei or None.

    Returns "focus" (C,): log10 of the share of fine detail (a Laplacian of Gaussian of 1 pixel, on
    at most 640 pixels a side) in the variance, lower is blurred; "saturation" (C,): share of pixels
    at the ceiling; "foreground": share of the field above the threshold in at least half of the
    channels (haze in one alone is no cell); "nuclei": a count, and "nuclei_area": the median area
    of a nucleus in % of the field; both NaN without a DNA channel.
    """
    small = shrunk(image, working_size(image.shape[1:]))
    saturated = [
        np.count_nonzero(plane >= int(np.ceil(ceiling)))
        for plane, ceiling in zip(image, ceilings, strict=True)
    ]
    smooth = [_smooth(plane) for plane in small]
    detail = np.array([_laplacian(plane).var() for plane in smooth])
    focus = np.log10((detail + 1e-9) / (small.var(axis=(1, 2)) + 1e-6))
    above = small > thresholds[:, None, None]
    count, area = (
        (np.nan, np.nan)
        if dna is None
        else measure_nuclei(small[dna], thresholds[dna], smooth[dna])
    )
    return {
        "focus": focus,
        "saturation": np.array(saturated) / image[0].size,
        "foreground": float((2 * above.sum(axis=0, dtype=np.int16) >= len(image)).mean()),
        "nuclei": count,
        "nuclei_area": 100 * area / small[0].size,
    }


def measure_nuclei(
    plane: np.ndarray, threshold: float, smooth: np.ndarray | None = None
) -> tuple[float, float]:
    """Number of nuclei in a DNA image (H, W) and their median area in pixels (0 without nuclei).

    Nuclei are objects above the threshold. Touching ones are counted separately, but the area is
    that of whole objects.

    The threshold is the plate's or, where haze lifts the whole image above that, the image's own
    (Otsu). A nucleus is a peak of the distance to the background, with no higher peak nearer than
    three quarters of the typical inner radius; specks of less than a tenth of the median area are
    left out. smooth: `_smooth` of the plane, where it is known.
    """
    smooth = _smooth(plane) if smooth is None else smooth
    counts = np.bincount(smooth.astype(np.uint16).ravel())
    threshold = max(threshold, otsu_threshold(counts, int(smooth.min()), len(counts) - 1))
    mask = _opened(smooth > threshold)
    objects, n = ndimage.label(mask)
    if not n:
        return 0.0, 0.0
    areas = np.bincount(objects.ravel())[1:]
    kept = np.flatnonzero(areas >= max(8, 0.1 * np.median(areas))) + 1
    if not len(kept):
        return 0.0, 0.0
    is_kept = np.zeros(n + 1, bool)
    is_kept[kept] = True
    mask = is_kept[objects]
    distance, deepest = _distances(mask, objects, n)
    inner_radius = np.median(deepest[kept])
    distance = _smooth(distance)
    peaks = _peaks(distance, mask, int(np.ceil(0.75 * inner_radius)))
    _, count = ndimage.label(peaks, np.ones((3, 3)))
    shadowed = len(kept) - len(np.unique(objects[peaks]))
    return float(count + shadowed), float(np.median(areas[kept - 1]))


def _smooth(plane: np.ndarray) -> np.ndarray:
    compiled = kernels()
    if compiled is None or min(plane.shape) < 2 or plane.dtype not in (np.float32, np.float64):
        return ndimage.gaussian_filter(plane, 1.0, truncate=2.0)
    between, out = np.empty_like(plane), np.empty_like(plane)
    compiled.smooth(np.ascontiguousarray(plane), _WEIGHTS, between, out)
    return out


def _distances(mask: np.ndarray, objects: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) distance of each pixel of a mask to the background, and (n + 1,) the largest of each of
    the objects, numbered from 1."""
    compiled, deepest = kernels(), np.zeros(n + 1)
    if compiled is not None and not mask.all():
        distance = np.empty(mask.shape)
        compiled.distances(mask, objects, distance, deepest)
        return distance, deepest
    distance = ndimage.distance_transform_edt(mask)
    np.maximum.at(deepest, objects[mask], distance[mask])
    return distance, deepest


def _peaks(values: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray:
    """(H, W): the pixels of a mask that no pixel at most `reach` rows and columns away exceeds."""
    if (compiled := kernels()) is None:
        return mask & (values == ndimage.maximum_filter(values, 2 * reach + 1))
    peaks = np.empty(mask.shape, bool)
    compiled.peaks(values, mask, reach, peaks)
    return peaks


def _opened(mask: np.ndarray) -> np.ndarray:
    """`ndimage.binary_opening` of a mask (H, W), twenty times faster."""
    for combine in (np.logical_and, np.logical_or):
        edged = np.pad(mask, 1)
        around = (edged[:-2, 1:-1], edged[2:, 1:-1], edged[1:-1, :-2], edged[1:-1, 2:])
        mask = combine.reduce([mask, *around])
    return mask


def _laplacian(plane: np.ndarray) -> np.ndarray:
    inner = plane[1:-1, 1:-1]
    compiled = kernels()
    if compiled is not None and inner.size and plane.dtype == np.float32:
        out = np.empty(inner.shape, np.float32)
        compiled.laplacian(plane, out)
        return out
    return plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:] - 4 * inner


def robust_z(values: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """(x - median) / max(1.4826 median |x - median|, floor); NaN for fewer than 5 known values.

    NaN stays NaN. Where more than half of the values are equal and there is no floor, those are 0
    and the others ±inf.
    """
    values = np.asarray(values, dtype=np.float64)
    known = np.isfinite(values)
    if known.sum() < _LEAST_IMAGES:
        return np.full(values.shape, np.nan)
    from_median = values - np.median(values[known])
    scale = max(1.4826 * np.median(np.abs(from_median[known])), floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = from_median / scale
    return np.where(from_median == 0, 0.0, z)


def quality_columns(measured: list[dict[str, float | np.ndarray]]) -> pd.DataFrame:
    """Quality columns of the images of one plate, one row per image, in the order given.

    `quality_<measure>` and `quality_<measure>_z`, z within the plate (and channel). Of several
    channels, focus is that of the channel furthest below its plate, saturation that of the most
    saturated channel.
    """
    columns = {}
    for name, floor in SCALE_FLOORS.items():
        values = np.array([row[name] for row in measured], dtype=np.float64)
        values = values.reshape(len(measured), -1)
        z = np.stack([robust_z(channel, floor) for channel in values.T], axis=1)
        if name == "focus":
            worst = np.where(np.isnan(z), values, z).argmin(axis=1)
        else:
            worst = values.argmax(axis=1)
        rows = np.arange(len(measured))
        columns[f"quality_{name}"] = values[rows, worst]
        columns[f"quality_{name}_z"] = z[rows, worst]
    return pd.DataFrame(columns)
