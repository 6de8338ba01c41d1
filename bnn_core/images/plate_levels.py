"""Plates that differ as a whole: darker, blurred or emptier than the other plates of a study.

Image quality is compared within a plate (`images.quality`), where a plate that is dark from edge to
edge looks normal. Here each plate is one value, its typical image, and is compared with the other plates by
a robust z.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.wording import listed
from bnn_core.images.quality import robust_z
from bnn_core.measures.levels import original_images

#: A plate is unusual from this robust z on; with fewer plates than FEWEST_PLATES nothing is known.
UNUSUAL_Z, FEWEST_PLATES = 3.5, 5
#: Least spread over plates: smaller differences do not matter. Brightness in factors of 2, focus in
#: decades, foreground in shares of the field.
BRIGHTNESS_FLOOR = 0.15
QUALITY_FLOORS = {"quality_focus": 0.05, "quality_foreground": 0.04}


class UnusualPlate(NamedTuple):
    """A plate and how it differs. differences: measure -> its value minus the median plate's in
    the units of the floors."""

    plate: str
    differences: dict[str, float]

    def sentence(self) -> str:
        """The differences from the median plate in words."""
        return f"{self.plate}: {listed([_words(*d) for d in self.differences.items()])}"


def unusual_plates(images: pd.DataFrame, contrast: pd.DataFrame | None) -> list[UnusualPlate]:
    """The plates that differ from the study's other plates, the most different first.

    images: plate and quality_* of the study's images. contrast: threshold between background and
    cells per plate and channel (contrast.parquet), or None.
    """
    gaps: dict[str, dict[str, float]] = {}
    worst: dict[str, float] = {}
    for measure, values, floor in _measures(images, contrast):
        if values.notna().sum() < FEWEST_PLATES:
            continue
        z = robust_z(values.to_numpy(np.float64), floor)
        gap = values - values.median()
        for plate in values.index[np.abs(z) >= UNUSUAL_Z]:
            gaps.setdefault(plate, {})[measure] = float(gap[plate])
        for plate, value in zip(values.index, np.abs(z), strict=True):
            worst[plate] = max(worst.get(plate, 0.0), value)
    order = sorted(gaps, key=lambda plate: (-worst[plate], plate))
    return [UnusualPlate(str(plate), gaps[plate]) for plate in order]


def _measures(
    images: pd.DataFrame, contrast: pd.DataFrame | None
) -> Iterator[tuple[str, pd.Series, float]]:
    """Measure, its value for each plate, and the least spread that counts."""
    of_study = images[original_images(images)]
    if contrast is not None and "plate" in images:
        plates = of_study["plate"].dropna().unique()  # contrast has those of added images too
        levels = contrast[contrast["plate"].isin(plates) & (contrast["threshold"] > 0)]
        for channel, rows in levels.groupby("channel", sort=False, observed=True):
            values = np.log2(rows.groupby("plate", observed=True)["threshold"].median())
            yield f"brightness of {channel}", values, BRIGHTNESS_FLOOR
    if "plate" not in images:
        return
    for column, floor in QUALITY_FLOORS.items():
        if column in of_study:
            medians = of_study.groupby("plate", observed=True)[column].median()
            yield column, medians, floor


def _words(measure: str, gap: float) -> str:
    more = "more" if gap > 0 else "less"
    if measure == "quality_focus":
        return f"{10 ** abs(gap):.1f} times {more} fine detail"
    if measure == "quality_foreground":
        return f"{100 * abs(gap):.0f} % of the field {more} covered by cells"
    side = "brighter" if gap > 0 else "darker"
    return f"{2 ** abs(gap):.1f} times {side} in {measure.removeprefix('brightness of ')}"
