"""Probabilities of a table: checked row by row, logits converted."""

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.tables.reading import rows_text

#: How far the probabilities of a row may be from summing to 1; further where they are rounded.
SUM_TOLERANCE = 0.01
#: Decimals that a table may be rounded to, fewest first.
_DECIMALS = (2, 3, 4)


def checked_probabilities(
    values: np.ndarray,
    rows: Sequence[int],
    columns: Sequence[str],
    *,
    logits: bool,
    where: str,
    lacking: str = "",
) -> tuple[np.ndarray, list[str]]:
    """Rows of probabilities (N, C) float64 that sum to 1, and notes on what was done to them.

    values: as read, nan where empty. rows: their numbers, for messages. logits: values are logits
    and are put through a softmax. lacking: what to say where rows sum to less than 1 and none to
    more. Rows that sum to 1 within 0.01, or within what rounding to two or more decimals can do to
    C numbers (C / 2 of the last decimal), are scaled to 1 exactly.
    Raises InputError that lists every kind of problem with its rows.
    """
    numbers = np.asarray(rows)
    problems = []

    def report(bad: np.ndarray, what: str) -> None:
        if bad.any():  # a row of many samples is named once
            problems.append(f"{rows_text(dict.fromkeys(numbers[bad].tolist()))}: {what}")

    empty = _rows_with(np.isnan(values))
    report(empty, "a probability is missing or nan")
    infinite = _rows_with(np.isinf(values))
    report(infinite, "a value is infinite")
    sound = ~(empty | infinite)
    if logits:
        if problems:
            raise InputError(f"{where}{'; '.join(problems)}")
        p = softmax(np.asarray(values, np.float64), axis=-1)
        return p, ["Logits were converted to probabilities by a softmax."]
    outside = sound & _rows_with((values < -1e-6) | (values > 1 + 1e-6))
    sums = values.sum(axis=1)
    decimals, tolerance = _rounding(values if sound.all() else values[sound])
    percent = sound & (np.abs(sums - 100) < 1)
    if percent.any() and percent.sum() == sound.sum():
        raise InputError(
            f"{where}the columns {columns[0]} ... sum to 100 in every row; divide the "
            "percentages by 100"
        )
    if outside.any():
        row, column = np.argwhere((values < -1e-6) | (values > 1 + 1e-6))[0]
        report(
            outside,
            f"{columns[column]} is {values[row, column]:g}, which is no probability between 0 and 1 "
            "(for logits add --logits)",
        )
    off = sound & ~outside & ((np.abs(sums - 1) > tolerance) | (sums <= 0))
    if off.any():
        hint = lacking if (sums[off] < 1).all() and not outside.any() else ""
        if not hint and off.mean() > 0.8:  # a few such rows are damaged
            hint = _other_sums(values[sound], sums[off], columns)
        few = f" ({hint})" if hint else ""
        report(off, f"the probabilities sum to {sums[np.flatnonzero(off)[0]]:.4g}, not to 1{few}")
    if problems:
        raise InputError(f"{where}{'; '.join(problems)}")
    notes = []
    scaled = np.abs(sums - 1) > 1e-6
    if (np.abs(sums - 1) > 1e-4).any():
        notes.append(
            f"{count(n := int(scaled.sum()), 'row')} {'was' if n == 1 else 'were'} "
            f"scaled to sum to 1 (off by up to {np.abs(sums - 1).max():.2g}"
            + (f"; the probabilities are rounded to {decimals} decimals)." if decimals else ").")
        )
    p = np.clip(values, 0, 1)
    p /= np.where(scaled, p.sum(axis=1), 1)[:, None]
    return p, notes


def _other_sums(values: np.ndarray, off: np.ndarray, columns: Sequence[str]) -> str:
    """What may be meant by values (N, C) whose rows sum to `off`."""
    if len(values) > 1 and (np.abs(values.sum(axis=0) - 1) < SUM_TOLERANCE).all():
        return "each column does: rows and columns are exchanged"
    sets = round(float(np.median(off)))
    if sets > 1 and (np.abs(off - sets) < 0.05).all():
        return (
            f"if {columns[0]} ... are {sets} networks or samples, choose one set with --prefix, or give "
            "all as --samples"
        )
    if np.ptp(off) < SUM_TOLERANCE or (off < 1).all():
        return "a class may be missing; if all are there, divide each row by its sum"
    return "scores of one class against all others do not; if a column is no class, rename or remove it"


def _rows_with(bad: np.ndarray) -> np.ndarray:
    """(N,) bool: rows with any of bad (N, C). Most tables have none, which is seen at once."""
    return np.asarray(bad.any(axis=1)) if bad.any() else np.zeros(len(bad), bool)


def _rounding(values: np.ndarray) -> tuple[int | None, float]:
    """Decimals that all values (N, C) are rounded to, None for more than four, and how far the sum
    of a row may be from 1."""

    def rounded(values: np.ndarray, decimals: int) -> bool:
        scaled = values * 10.0**decimals
        # A float32 table holds 0.33 with an error of 1e-8.
        return bool((np.abs(scaled - np.rint(scaled)) < 1e-3 * 10.0 ** (decimals - 4)).all())

    for decimals in _DECIMALS:
        if rounded(values[:1000], decimals) and rounded(values, decimals):
            return decimals, max(SUM_TOLERANCE, values.shape[1] * 0.5 * 10.0**-decimals) + 1e-9
    return None, SUM_TOLERANCE + 1e-9
