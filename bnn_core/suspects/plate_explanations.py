"""Readings from the plate: swapped wells, artefacts, doses that do nothing or kill."""

import numpy as np
import pandas as pd

from bnn_core.base.wording import be, count, of_all
from bnn_core.suspects.explanations import (
    AGAINST,
    FITS,
    PARTLY,
    UNKNOWN,
    Case,
    Reading,
    cannot_tell,
)

#: Robust z beyond which an image is not like its plate (Iglewicz & Hoaglin 1993).
OUTLYING = 3.5
#: quality column -> (which side is bad, what it means)
_ARTEFACTS = {
    "quality_focus_z": (-1, "out of focus"),
    "quality_saturation_z": (1, "saturated"),
    "quality_foreground_z": (0, "unusually empty or full"),
}
#: Shares of all treatments, from the weakest, that count as weak and as perhaps weak phenotypes.
_WEAK, _PERHAPS_WEAK = 0.1, 0.25
#: The same where only predictions can be compared with those of untreated cells, in [0, 1].
_ALIKE, _PERHAPS_ALIKE = 0.8, 0.5
#: Nuclei relative to the plate's controls: toxic, perhaps toxic.
_TOXIC, _PERHAPS_TOXIC = 0.5, 0.75


def well_swap(case: Case) -> Reading:
    """Do all wells and plates of the compound disagree, or one only?

    Disagreement of some wells, while the same dose in other wells is called right, is not a label
    error of the compound. Looks at all scored wells of the suspect's compound under this label.
    """
    name, explanation = "well_swap", "Wells were swapped, or one plate went wrong"
    if case.has("plate", "well"):
        keys, noun = ["plate", "well"], "well"
    elif case.has("replicate"):
        keys, noun = ["replicate"], "replicate"
    else:
        return cannot_tell(
            name,
            explanation,
            "The study does not say which well or replicate an image is from.",
            ["plate", "well"],
        )
    mine = case.compound & case.scored & (case.table["label"] == case.suspect.label).to_numpy()
    rows = case.table[mine]
    called = {key: case.called(part) for key, part in rows.groupby(keys, sort=True)}
    n, wrong = len(called), [key for key, c in called.items() if c != case.suspect.label]
    plates = {key[0] for key in called}
    bad_plates = {p for p in plates if all(key in wrong for key in called if key[0] == p)}
    numbers = {
        "wells": float(n),
        "wrong": float(len(wrong)),
        "plates": float(len(plates)),
        "wrong_plates": float(len(bad_plates)),
    }
    on_plates = f" on {count(len(plates), 'plate')}" if noun == "well" else ""
    if n < 2:
        return Reading(
            name,
            explanation,
            UNKNOWN,
            f"There is one {noun} only: nothing to compare it with.",
            numbers,
            n,
            noun + "s",
        )
    if not wrong:
        verdict, says = AGAINST, "all are called right"
    elif len(wrong) == n:
        verdict = AGAINST
        says = "they agree with each other, against the label"
    elif len(wrong) <= n / 2 and _one_dose_disagrees(case, rows, keys, wrong):
        verdict, says = FITS, "other wells of the same dose are called right"
        if noun == "replicate":
            says = "the others are called right"
    else:
        verdict, says = PARTLY, "the wells disagree with each other"
    if verdict != AGAINST and noun == "well" and len(bad_plates) == 1 < len(plates):
        says = (
            f"all on plate {next(iter(bad_plates))}, while the other plates are called right"
            if set(wrong) <= {k for k in called if k[0] in bad_plates}
            else says
        )
    sentence = (
        f"{of_all(len(wrong), n, noun).capitalize()}{on_plates} "
        f"{be(len(wrong), n)} called something else than "
        f"{case.suspect.label}; {says}."
    )
    if n == 2 or len(plates) == 2:
        sentence += f" Only two {'plates' if noun == 'well' else noun + 's'}: weak evidence."
    partner = _partner(case, called, wrong) if noun == "well" and verdict != AGAINST else None
    if partner:
        here, there, compound = partner
        sentence += (
            f" Well {here[1]} looks like {called[here]}, and {there[1]} on the same plate "
            f"({compound}) looks like {case.suspect.label}: the two may be swapped."
        )
    return Reading(name, explanation, verdict, sentence, numbers, n, noun + "s")


def artefact(case: Case) -> Reading:
    """Are the wrong images technically bad, and more often so than the other images?"""
    name, explanation = "artefact", "The images are bad"
    columns = [c for c in _ARTEFACTS if case.has(c)]
    if not columns:
        few = any(c in case.table for c in _ARTEFACTS)
        return cannot_tell(
            name,
            explanation,
            "There are too few images of its plates to compare its image quality with."
            if few
            else "Image quality was not measured (it is when images are imported).",
            ["quality_focus_z"],
        )
    rows = case.rows[case.wrong] if case.wrong.any() else case.rows
    others = case.table[case.scored & ~case.own]
    shares = {c: _outlying(rows, c).mean() for c in columns}
    bad = np.any([_outlying(rows, c) for c in columns], axis=0)
    usual = (
        float(np.any([_outlying(others, c) for c in columns], axis=0).mean())
        if len(others)
        else 0.0
    )
    k, n, share = int(bad.sum()), len(rows), float(bad.mean())
    verdict = AGAINST
    if share > 2 * usual and share >= 0.2:
        verdict = FITS if share >= 0.5 else PARTLY
    worst = max(columns, key=lambda c: shares[c])
    what = f", mostly {_ARTEFACTS[worst][1]}" if k else ""
    kind = "wrongly called image" if case.wrong.any() else "image"
    return Reading(
        name,
        explanation,
        verdict,
        f"{of_all(k, n, kind).capitalize()} {be(k, n)} far from the plate in image quality{what}; "
        f"of all other images {usual:.0%} are.",
        {"outlying": share, "others": usual}
        | {c.removesuffix("_z"): float(s) for c, s in shares.items()},
        n,
    )


def inactive_dose(case: Case, strengths: pd.DataFrame | None) -> Reading:
    """Does the dose do anything, and are other doses of the compound called by the label?

    strengths: `phenotype.treatment_strengths` of this study or of the second opinion's features.
    """
    name, explanation = "inactive_dose", "The dose does nothing"
    if not case.has("compound", "concentration"):
        return cannot_tell(
            name,
            explanation,
            "The study does not name compounds and doses.",
            ["compound", "concentration"],
        )
    doses = sorted(case.rows["concentration"].dropna().unique())
    places = _places(case, doses, strengths)
    likeness = _like_controls(case)
    others = _other_doses(case, doses)
    parts, numbers = [], {}
    weak = perhaps = False
    if len(places):
        n = len(strengths)
        weak = bool((places["place"] <= max(1, _WEAK * n)).all())
        perhaps = bool(
            (places["place"] <= max(1, _WEAK * n)).any()
            or places["place"].median() <= _PERHAPS_WEAK * n
        )
        first = places.iloc[0]
        numbers |= {
            "strength": float(first["strength"]),
            "place": float(first["place"]),
            "treatments": float(n),
        }
        at = f" at its weakest dose, {first['concentration']:g} µM," if len(places) > 1 else ""
        parts.append(
            f"it differs from the untreated wells of its plates{at} "
            f"{first['strength']:.1f} times as much as they differ from each other, "
            f"{_place(int(first['place']), n)} of {n} treatments"
        )
    if likeness is not None:
        numbers["like_controls"] = likeness
        parts.append(f"its predictions are {likeness:.0%} those of untreated cells of its plates")
        if not len(places):
            weak, perhaps = likeness >= _ALIKE, likeness >= _PERHAPS_ALIKE
    if others:
        higher = [d for d, c in others.items() if d > max(doses) and c == case.suspect.label]
        numbers |= {"other_doses": float(len(others)), "higher_doses_as_label": float(len(higher))}
        parts.append("other doses: " + ", ".join(f"{d:g} µM {c}" for d, c in others.items()))
        # A swapped well is no inactive dose: the other wells of the dose show the label.
        beside = case.table[case.compound & ~case.own & case.table["concentration"].isin(doses)]
        shown = len(beside) > 0 and case.called(beside) == case.suspect.label
        if shown:
            parts.append(f"other wells of this dose are called {case.suspect.label}")
        elif higher and case.called(case.rows) != case.suspect.label:
            weak = True
    if not parts:
        doses_are = (
            f"its {len(doses)} doses are all part of it; one of them by itself is "
            "compared under “treatments”"
            if len(doses) > 1
            else "there are no other doses of the compound"
        )
        return cannot_tell(
            name,
            explanation,
            f"There are no untreated wells to compare with, and {doses_are}.",
            ["controls", "other doses"],
        )
    verdict = FITS if weak else PARTLY if perhaps else AGAINST
    says = {
        FITS: "a label that is right may not show at this dose",
        PARTLY: "perhaps a weak effect",
        AGAINST: "the cells do respond",
    }[verdict]
    if not len(places) and likeness is None and not weak:
        verdict, says = PARTLY, "no untreated cells to compare with"
    text = "; ".join(parts)
    return Reading(
        name, explanation, verdict, f"{text[0].upper()}{text[1:]}: {says}.", numbers, len(case.rows)
    )


def toxic(case: Case) -> Reading:
    """Few nuclei beside the same plate's controls (or beside the plate, where there are none)."""
    name, explanation = "toxic", "The dose kills the cells"
    if not case.has("quality_nuclei"):
        return cannot_tell(
            name,
            explanation,
            "Nuclei were not counted (they are when images with a DNA channel are imported).",
            ["quality_nuclei"],
        )
    own = case.rows["quality_nuclei"].dropna()
    beside, who = _beside(case)
    if beside is None or beside.median() <= 0:
        return cannot_tell(
            name,
            explanation,
            "There are no other images on the plate to count nuclei on.",
            ["controls"],
        )
    ratio = float(own.median() / beside.median())
    verdict = FITS if ratio <= _TOXIC else PARTLY if ratio <= _PERHAPS_TOXIC else AGAINST
    return Reading(
        name,
        explanation,
        verdict,
        f"{own.median():.0f} nuclei per image against {beside.median():.0f} {who} ({ratio:.0%}).",
        {"nuclei": float(own.median()), "ratio": ratio},
        len(own),
    )


def _one_dose_disagrees(case: Case, rows: pd.DataFrame, keys: list[str], wrong: list) -> bool:
    """Whether each wrong well has a right one at its own dose (or doses are unknown)."""
    if "concentration" not in rows or rows["concentration"].isna().all():
        return True
    for _, dose in rows.groupby("concentration"):
        wells = {key for key, _ in dose.groupby(keys)}
        if wells & set(wrong) and wells <= set(wrong):
            return False
    return True


def _partner(case: Case, called: dict, wrong: list) -> tuple | None:
    """(this well, other well, its compound): wells of a plate that look like each other's label."""
    for here in wrong:
        on_plate = case.table[
            case.scored
            & ~case.compound
            & (case.table["plate"] == here[0]).to_numpy()
            & (case.table["label"] == called[here]).to_numpy()
        ]
        for well, rows in on_plate.groupby("well", sort=True):
            if case.called(rows) == case.suspect.label:
                compound = rows["compound"].iloc[0] if "compound" in rows else called[here]
                return here, (here[0], well), compound
    return None


def _outlying(rows: pd.DataFrame, column: str) -> np.ndarray:
    side, _ = _ARTEFACTS[column]
    z = rows[column].to_numpy(np.float64)
    z = np.where(np.isnan(z), 0.0, z)
    return np.abs(z) > OUTLYING if side == 0 else side * z > OUTLYING


def _places(case: Case, doses: list[float], strengths: pd.DataFrame | None) -> pd.DataFrame:
    """The suspect's doses among `strengths`, weakest first; empty where they are not there."""
    if strengths is None:
        return pd.DataFrame()
    names = strengths["compound"].astype(str).str.strip().str.casefold()
    compound = str(case.rows["compound"].iloc[0]).strip().casefold()
    return strengths[(names == compound) & strengths["concentration"].isin(doses)]


def _like_controls(case: Case) -> float | None:
    """1 - total variation between the mean predictions of the suspect and its plates' controls."""
    controls = (case.table["role"] == "control").to_numpy()
    if not controls.any():
        return None
    if case.has("plate"):
        plates = case.rows["plate"].dropna().unique()
        controls = controls & case.table["plate"].isin(plates).to_numpy()
        if not controls.any():
            return None
    apart = np.abs(case.mean_p(case.rows) - case.mean_p(case.table[controls]))
    return float(1 - apart.sum() / 2)


def _other_doses(case: Case, doses: list[float]) -> dict[float, str]:
    """Dose -> what it is called, of the compound's doses that are not the suspect's."""
    rows = case.table[case.compound]
    rows = rows[rows["concentration"].notna() & ~rows["concentration"].isin(doses)]
    return {float(d): case.called(part) for d, part in rows.groupby("concentration", sort=True)}


def _beside(case: Case) -> tuple[pd.Series | None, str]:
    plates = (
        case.table["plate"].isin(case.rows["plate"].dropna().unique()).to_numpy()
        if case.has("plate")
        else np.ones(len(case.table), bool)
    )
    where = "of the same plates" if case.has("plate") else "of the study"
    for mask, who in (
        ((case.table["role"] == "control").to_numpy(), f"on untreated ones {where}"),
        (~case.compound, f"on the other images {where}"),
    ):
        nuclei = case.table["quality_nuclei"][plates & mask].dropna()
        if len(nuclei):
            return nuclei, who
    return None, ""


def _place(place: int, n: int) -> str:
    return {1: "the weakest", n: "the strongest"}.get(place, f"number {place} from the weakest")
