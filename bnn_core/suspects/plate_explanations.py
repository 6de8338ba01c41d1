"""Explanations from the plate: swapped wells, one plate at fault, poor images."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from bnn_core.base.wording import be, count, percent
from bnn_core.suspects.explanation import (
    AGAINST,
    FITS,
    NOT_CHECKED,
    PARTLY,
    Explanation,
    not_checked,
)
from bnn_core.suspects.suspect import Case

#: Robust z beyond which an image differs from its plate (Iglewicz & Hoaglin 1993).
OUTLYING = 3.5
#: Quality column -> (side that is bad: -1 low, 1 high, 0 both; meaning).
_QUALITY = {
    "quality_focus_z": (-1, "out of focus"),
    "quality_saturation_z": (1, "saturated"),
    "quality_foreground_z": (0, "unusually empty or full"),
}


def well_swap(case: Case) -> Explanation:
    """Do all wells and plates of the compound disagree with the label, or only some?

    Wells that disagree while others of the same dose agree are no label error of the compound.
    Uses all scored wells of the suspect's compound under its label.
    """
    key, label = "well_swap", case.suspect.label
    if case.has("plate", "well"):
        columns, noun = ["plate", "well"], "well"
    elif case.has("replicate"):
        columns, noun = ["replicate"], "replicate"
    else:
        return not_checked(
            key, "The study does not name the well or replicate of an image.", ["plate and well"]
        )
    rows = case.table[
        case.compound & case.scored & (case.table["label"] == case.suspect.label).to_numpy()
    ]
    called = _predicted(case, rows, columns)
    names = called.index if len(columns) > 1 else [(name,) for name in called.index]
    predicted = dict(zip(names, called, strict=True))
    wrong = [name for name, class_name in predicted.items() if class_name != label]
    n, plates = len(predicted), {name[0] for name in predicted}
    wrong_plates = plates - {name[0] for name in predicted.keys() - wrong}
    numbers = {
        "wells": float(n),
        "wrong": float(len(wrong)),
        "plates": float(len(plates)),
        "wrong_plates": float(len(wrong_plates)),
    }
    if n < 2:
        return Explanation(
            key,
            NOT_CHECKED,
            f"There is only one {noun}: nothing to compare it with.",
            numbers,
            n,
            noun + "s",
        )
    one_plate = noun == "well" and len(wrong_plates) == 1 < len(plates)
    if not wrong:
        verdict, meaning = AGAINST, f"All {noun}s agree with the label."
    elif len(wrong) == n:
        verdict, meaning = AGAINST, f"The {noun}s agree with each other and against the label."
    elif len(wrong) <= n / 2 and _dose_has_right_wells(rows, columns, wrong):
        verdict = FITS
        meaning = f"Other {noun}s{' of the same dose' * (noun == 'well')} are predicted correctly."
    else:
        verdict, meaning = PARTLY, f"The {noun}s disagree with each other."
    if verdict != AGAINST and one_plate and {name[0] for name in wrong} <= wrong_plates:
        plate = next(iter(wrong_plates))
        meaning = f"All of them are on plate {plate}; the other plates are predicted correctly."
    on_plates = f" on {count(len(plates), 'plate')}" if noun == "well" else ""
    sentence = f"{len(wrong):,} of {count(n, noun)}{on_plates} {be(len(wrong))} predicted wrongly. "
    sentence += meaning
    if n == 2 or len(plates) == 2:
        sentence += f" Two {'plates' if noun == 'well' else noun + 's'} are weak evidence."
    partner = _partner(case, predicted, wrong) if noun == "well" and verdict != AGAINST else None
    numbers["swap_partners"] = float(partner is not None)
    if partner:
        here, there, compound = partner
        sentence += (
            f" Well {here[1]} looks like {predicted[here]}, and {there[1]} on the same plate "
            f"({compound}) looks like {label}: the two may be swapped."
        )
    return Explanation(key, verdict, sentence, numbers, n, noun + "s")


def artefact(case: Case) -> Explanation:
    """Are the wrong images technically poor, and more often so than all other images?"""
    key = "artefact"
    columns = [c for c in _QUALITY if case.has(c)]
    if not columns:
        if any(c in case.table for c in _QUALITY):
            return not_checked(key, "Too few images of its plates have a measured quality.")
        return not_checked(
            key,
            "Image quality was not measured. It is measured when images are imported.",
            ["image quality"],
        )
    rows = case.rows[case.wrong] if case.wrong.any() else case.rows
    others = case.table[columns][case.scored & ~case.images]
    shares = {c: float(_outlying(rows, c).mean()) for c in columns}
    poor = np.any([_outlying(rows, c) for c in columns], axis=0)
    usual = (
        float(np.any([_outlying(others, c) for c in columns], axis=0).mean())
        if len(others)
        else 0.0
    )
    k, n, share = int(poor.sum()), len(rows), float(poor.mean())
    verdict = AGAINST
    if share > 2 * usual and share >= 0.2:
        verdict = FITS if share >= 0.5 else PARTLY
    worst = max(columns, key=lambda c: shares[c])
    kind = "wrongly predicted image" if case.wrong.any() else "image"
    return Explanation(
        key,
        verdict,
        f"{k:,} of {count(n, kind)} {be(k)} far from the rest of the plate in image quality"
        + (f", most often {_QUALITY[worst][1]}" if k else "")
        + f" ({percent(usual)} of all other images).",
        {"outlying": share, "others": usual}
        | {c.removesuffix("_z"): value for c, value in shares.items()},
        n,
    )


def _dose_has_right_wells(rows: pd.DataFrame, columns: list[str], wrong: list[Hashable]) -> bool:
    """Whether every wrong well has a well of its dose that is right (or doses are unknown)."""
    if "concentration" not in rows or rows["concentration"].isna().all():
        return True
    for _, dose in rows.groupby("concentration"):
        wells = {name for name, _ in dose.groupby(columns)}
        if wells & set(wrong) and wells <= set(wrong):
            return False
    return True


def _partner(
    case: Case, predicted: dict[Hashable, str], wrong: list[tuple[str, str]]
) -> tuple[tuple[str, str], tuple[str, str], str] | None:
    """(this well, other well, its compound): two wells of one plate that look like each other."""
    plates = {name[0] for name in wrong}
    others = case.table[
        case.scored & ~case.compound & case.table["plate"].isin(plates).to_numpy(dtype=bool)
    ]
    called = _predicted(case, others, ["plate", "label", "well"])
    looks_like = called.index[called == case.suspect.label]
    # Of several wells the first of the plate: later keys do not replace it.
    wells = {(plate, label): well for plate, label, well in reversed(list(looks_like))}
    for here in wrong:
        if (well := wells.get((here[0], predicted[here]))) is not None:
            there = others[(others["plate"] == here[0]) & (others["well"] == well)]
            compound = there["compound"].iloc[0] if "compound" in there else predicted[here]
            return here, (here[0], well), compound
    return None


def _predicted(case: Case, rows: pd.DataFrame, columns: list[str]) -> pd.Series:
    """The class with the largest mean softmax over each group of rows, sorted by `columns`."""
    p = rows[[f"p_{name}" for name in case.classes]].astype(np.float64)
    means = p.groupby([rows[c] for c in columns], sort=True).mean()
    return pd.Series(np.array(case.classes, object)[means.to_numpy().argmax(axis=1)], means.index)


def _outlying(rows: pd.DataFrame, column: str) -> np.ndarray:
    """(rows,) bool: z beyond OUTLYING on the bad side; an unknown z is not outlying."""
    side, _ = _QUALITY[column]
    z = np.nan_to_num(rows[column].to_numpy(np.float64), nan=0.0)
    return np.abs(z) > OUTLYING if side == 0 else side * z > OUTLYING
