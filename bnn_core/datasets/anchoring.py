"""Features of each plate relative to the plate's own untreated rows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import listed

ANCHORS = ("none", "controls")
#: Controls that a plate needs at least.
FEWEST_CONTROLS = 3
#: Of a normal distribution the median absolute deviation is 1 / this of the standard deviation.
_MAD = 1.4826


def anchored(
    values: np.ndarray, rows: pd.DataFrame, path: Path, spread: Sequence[float] | None = None
) -> tuple[np.ndarray, list[float]]:
    """(N, F) float32: values minus the median of the plate's controls, over the controls' spread;
    and the spread (F,).

    The spread of a feature is its median absolute deviation, times 1.4826, from the plate medians
    over the controls of all plates: a handful of wells of one plate give the middle and not the
    spread. New plates therefore take the `spread` of the study. A feature whose controls do not vary
    stays in its own units, with spread 1. rows: role and plate of the rows. Raises InputError without
    plates or controls, and for a plate with fewer than FEWEST_CONTROLS.
    """
    control = (rows["role"] == "control").to_numpy()
    if not control.any():
        raise InputError("--anchor controls needs untreated rows: name them with --control NAME")
    if "plate" not in rows or rows["plate"].isna().any():
        raise InputError(
            f"{path}: --anchor controls needs the plate of every row: name its column with --map "
            "plate=COLUMN"
        )
    plates = rows["plate"].to_numpy(dtype=object)
    counts = pd.Series(control).groupby(plates).sum()
    few = [str(plate) for plate, number in counts.items() if number < FEWEST_CONTROLS]
    if few:
        raise InputError(
            f"{path}: --anchor controls needs at least {FEWEST_CONTROLS} controls on every plate; "
            f"{listed(few)} {'has' if len(few) == 1 else 'have'} fewer"
        )
    out = np.array(values, dtype=np.float32)
    for plate in counts.index:
        mine = plates == plate
        out[mine] -= _median(out[mine & control])
    if spread is None:
        deviations = _MAD * _median(np.abs(out[control]))
        spread = np.where(deviations > 0, deviations, 1).tolist()
    return out / np.array(spread, dtype=np.float32), list(spread)


def _median(values: np.ndarray) -> np.ndarray:
    """(F,) medians, nan taken as absent; 0 for a feature without a value."""
    known = ~np.isnan(values).all(axis=0)
    out = np.zeros(values.shape[1], np.float32)
    out[known] = np.nanmedian(values[:, known], axis=0)
    return out
