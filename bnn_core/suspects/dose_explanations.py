"""Explanations from the dose: it has no effect, or it kills the cells."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.wording import percent
from bnn_core.suspects.explanation import AGAINST, FITS, PARTLY, Explanation, not_checked
from bnn_core.suspects.suspect import Case

#: Shares of all treatments, from the weakest, that count as weak and as perhaps weak phenotypes.
WEAK_DOSE, PERHAPS_WEAK_DOSE = 0.1, 0.25
#: Likeness of predictions to those of untreated cells, in [0, 1], that counts as weak and as
#: perhaps weak. Used where the strength of the phenotype is unknown.
ALIKE, PERHAPS_ALIKE = 0.8, 0.5
#: Nuclei relative to the plate's controls: toxic, perhaps toxic.
TOXIC, PERHAPS_TOXIC = 0.5, 0.75


def inactive_dose(case: Case, strengths: pd.DataFrame | None) -> Explanation:
    """Does the dose have an effect, and are other doses of the compound predicted as labelled?

    strengths: `phenotype.treatment_strengths` of this study or of the second opinion's features.
    """
    key = "inactive_dose"
    if not case.has("compound", "concentration"):
        return not_checked(
            key, "The study does not name compounds and doses.", ["compound and concentration"]
        )
    doses = sorted(case.rows["concentration"].dropna().unique())
    strength = _by_strength(case, doses, strengths)
    likeness = _by_likeness(case)
    others = _by_other_doses(case, doses)
    evidence = [part for part in (strength, likeness, others) if part is not None]
    if not evidence:
        return not_checked(
            key,
            "There are no untreated wells to compare with"
            + (
                f". Its {len(doses)} doses are compared with each other at the level of treatments."
                if len(doses) > 1
                else " and no other doses of the compound."
            ),
            ["untreated wells"] if len(doses) > 1 else ["untreated wells", "other doses"],
        )
    # How like untreated cells it is predicted counts only where the phenotype is not measured.
    measured = strength or likeness
    weak = bool((measured and measured.weak) or (others and others.weak))
    verdict = FITS if weak else PARTLY if measured and measured.perhaps_weak else AGAINST
    meaning = {
        FITS: "A correct label may not show at this dose.",
        PARTLY: "The effect may be weak.",
        AGAINST: "The cells respond to the dose.",
    }[verdict]
    if measured is None and not weak:
        verdict, meaning = PARTLY, "There are no untreated cells to compare with."
    sentences = [sentence for part in evidence for sentence in part.sentences]
    numbers = {name: value for part in evidence for name, value in part.numbers.items()}
    return Explanation(key, verdict, " ".join([*sentences, meaning]), numbers, len(case.rows))


class _Evidence(NamedTuple):
    """What one look at a dose says: in sentences and numbers, and whether its effect is weak."""

    sentences: list[str]
    numbers: dict[str, float]
    weak: bool = False
    perhaps_weak: bool = False


def _by_strength(
    case: Case, doses: Sequence[float], strengths: pd.DataFrame | None
) -> _Evidence | None:
    """From the strength of the phenotype among all treatments; None where it is unknown."""
    ranked = _suspect_strengths(case, doses, strengths)
    if not len(ranked):
        return None
    n, weakest = len(strengths), ranked.iloc[0]
    limit = max(1, WEAK_DOSE * n)
    numbers = {
        "strength": float(weakest["strength"]),
        "strength_rank": float(weakest["strength_rank"]),
        "treatments": float(n),
    }
    return _Evidence(
        [_strength_sentence(weakest, n, len(ranked) > 1)],
        numbers,
        weak=bool((ranked["strength_rank"] <= limit).all()),
        perhaps_weak=bool(
            (ranked["strength_rank"] <= limit).any()
            or ranked["strength_rank"].median() <= PERHAPS_WEAK_DOSE * n
        ),
    )


def _by_likeness(case: Case) -> _Evidence | None:
    """From predictions like those of untreated cells; None where there are none."""
    likeness = _like_controls(case)
    if likeness is None:
        return None
    sentence = f"Its predictions overlap by {percent(likeness)} with those of untreated cells of its plates."
    return _Evidence(
        [sentence], {"like_controls": likeness}, likeness >= ALIKE, likeness >= PERHAPS_ALIKE
    )


def _by_other_doses(case: Case, doses: Sequence[float]) -> _Evidence | None:
    """From predictions at other doses of the compound; None where there are none."""
    others = _other_doses(case, doses)
    if not others:
        return None
    label, weak = case.suspect.label, False
    higher = [dose for dose, c in others.items() if dose > max(doses) and c == label]
    listed = ", ".join(f"{dose:g} µM {c}" for dose, c in others.items())
    sentences = [f"Predictions at other doses: {listed}."]
    # A swapped well is no inactive dose: the other wells of the dose show the label.
    same_dose = case.table[case.compound & ~case.images & case.table["concentration"].isin(doses)]
    if len(same_dose) and case.predicted(same_dose) == label:
        sentences.append(f"Other wells of this dose are predicted as {label}.")
    elif higher and case.predicted(case.rows) != label:
        weak = True
    numbers = {"other_doses": float(len(others)), "higher_doses_as_label": float(len(higher))}
    return _Evidence(sentences, numbers, weak)


def toxic(case: Case) -> Explanation:
    """Are there few nuclei compared with the controls of its plates (or all other images)?"""
    key = "toxic"
    if not case.has("quality_nuclei"):
        return not_checked(
            key,
            "Nuclei were not counted. They are counted when images with a DNA channel are "
            "imported.",
            ["counts of nuclei"],
        )
    nuclei = case.rows["quality_nuclei"].dropna()
    reference, name = _reference_nuclei(case)
    if reference is None or reference.median() <= 0:
        return not_checked(
            key, "No other images of its plates have counts of nuclei.", ["untreated wells"]
        )
    ratio = float(nuclei.median() / reference.median())
    verdict = FITS if ratio <= TOXIC else PARTLY if ratio <= PERHAPS_TOXIC else AGAINST
    return Explanation(
        key,
        verdict,
        f"Median {nuclei.median():.0f} nuclei per image, {reference.median():.0f} on {name} "
        f"({percent(ratio)}).",
        {"nuclei": float(nuclei.median()), "ratio": ratio},
        len(nuclei),
    )


def _suspect_strengths(
    case: Case, doses: Sequence[float], strengths: pd.DataFrame | None
) -> pd.DataFrame:
    """The rows of `strengths` for the suspect's doses, weakest first; empty where there is none."""
    if strengths is None:
        return pd.DataFrame()
    names = strengths["compound"].astype(str).str.strip().str.casefold()
    compound = str(case.rows["compound"].iloc[0]).strip().casefold()
    return strengths[(names == compound) & strengths["concentration"].isin(doses)]


def _strength_sentence(weakest: pd.Series, n: int, several: bool) -> str:
    rank = int(weakest["strength_rank"])
    order = {1: "the weakest", n: "the strongest"}.get(rank, f"number {rank} from the weakest")
    start = f"At {weakest['concentration']:g} µM, its weakest dose, it" if several else "It"
    return (
        f"{start} differs from the untreated wells of its plates {weakest['strength']:.1f} times "
        f"as much as they differ from each other: {order} of {n} treatments."
    )


def _like_controls(case: Case) -> float | None:
    """1 - total variation between the mean predictions of the suspect and its plates' controls."""
    controls = (case.table["role"] == "control").to_numpy()
    if case.has("plate"):
        plates = case.rows["plate"].dropna().unique()
        controls = controls & case.table["plate"].isin(plates).to_numpy()
    if not controls.any():
        return None
    difference = np.abs(case.mean_p(case.rows) - case.mean_p(case.table[controls]))
    return float(1 - difference.sum() / 2)


def _other_doses(case: Case, doses: Sequence[float]) -> dict[float, str]:
    """Dose -> predicted class, for the compound's doses that are not the suspect's."""
    rows = case.table[case.compound]
    rows = rows[rows["concentration"].notna() & ~rows["concentration"].isin(doses)]
    return {
        float(dose): case.predicted(part) for dose, part in rows.groupby("concentration", sort=True)
    }


def _reference_nuclei(case: Case) -> tuple[pd.Series | None, str]:
    """Counts of nuclei to compare with, and what they are counted on."""
    plates = (
        case.table["plate"].isin(case.rows["plate"].dropna().unique()).to_numpy()
        if case.has("plate")
        else np.ones(len(case.table), bool)
    )
    scope = "of the same plates" if case.has("plate") else "of the study"
    for mask, name in (
        ((case.table["role"] == "control").to_numpy(), f"untreated images {scope}"),
        (~case.compound, f"the other images {scope}"),
    ):
        nuclei = case.table["quality_nuclei"][plates & mask].dropna()
        if len(nuclei):
            return nuclei, name
    return None, ""
