"""Explanations from other predictions of the same compound: another network, or other data."""

from dataclasses import dataclass

import pandas as pd

from bnn_core.base.wording import be, count, percent
from bnn_core.measures.levels import scored_rows
from bnn_core.suspects.explanation import AGAINST, FITS, PARTLY, Explanation, not_checked
from bnn_core.suspects.label_explanations import MAJORITY
from bnn_core.suspects.suspect import Case

#: How much larger the share of rows predicted as labelled must be than this network's.
CLEARLY = 1 / 4


def other_network(case: Case, standard: pd.DataFrame | None) -> Explanation:
    """Does the standard network predict the same images as labelled?

    standard: its predictions, row by row those of the case's table; None: there is no such network.
    """
    key = "other_network"
    if standard is None:
        return not_checked(key, "The study has no standard network.", ["a standard network"])
    rows = standard[case.images & case.scored]
    return _compared(case, rows, key, "The standard network", _Rows("image", ""))


def other_data(case: Case, second: pd.DataFrame | None) -> Explanation:
    """Do other data on the same compound (and dose) agree: measured features, another study?"""
    key = "other_data"
    if second is None:
        return not_checked(
            key,
            "There is no second opinion. 'bnn second-opinion STUDY FEATURES' makes one from a "
            "table of measured features.",
            ["a second opinion"],
        )
    if not case.has("compound"):
        return not_checked(
            key, "A second opinion is matched by compound; the study has none.", ["compound"]
        )
    names = {str(c).strip().casefold() for c in case.rows["compound"].dropna()}
    same = second["compound"].astype(str).str.strip().str.casefold().isin(names).to_numpy()
    rows = second[same & scored_rows(second)]
    if rows.empty:
        return not_checked(key, "The second opinion has no labelled row of this compound.")
    if case.suspect.level == "treatment" and "concentration" in rows:
        same_dose = rows[rows["concentration"] == case.suspect.keys["concentration"]]
        rows = rows if same_dose.empty else same_dose
    return _compared(case, rows, key, "The second opinion", _Rows.of(rows))


@dataclass(frozen=True)
class _Rows:
    """noun: what a row of an opinion is. where: " on 3 plates", or nothing."""

    noun: str
    where: str

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "_Rows":
        plates = "plate" in rows and rows["plate"].notna().all()
        wells = plates and "well" in rows and rows["well"].notna().all()
        one_each = wells and not rows[["plate", "well"]].duplicated().any()
        return cls(
            "well" if one_each else "row",
            f" on {count(rows['plate'].nunique(), 'plate')}" if plates else "",
        )


def _compared(case: Case, rows: pd.DataFrame, key: str, name: str, kind: _Rows) -> Explanation:
    """Does another opinion agree with the label, with the suspected class, or with neither?"""
    label, suspected, n = case.suspect.label, case.suspect.suspected, len(rows)
    predicted = rows["predicted"]
    as_label, as_suspected = int((predicted == label).sum()), int((predicted == suspected).sum())
    absent = {f"p_{c}": 0.0 for c in case.classes if f"p_{c}" not in rows}
    means = dict(zip(case.classes, case.mean_p(rows.assign(**absent)), strict=True))
    by_this_network = (case.rows["predicted"] == label).mean()
    if as_suspected / n >= MAJORITY and means[suspected] > means[label]:
        verdict, agreement = AGAINST, f"agrees with {suspected}"
    elif as_label / n >= MAJORITY and means[label] > means[suspected]:
        verdict, agreement = FITS, "agrees with the label"
        if as_label / n < by_this_network + CLEARLY:
            verdict, agreement = AGAINST, "agrees with the label about as often as this network"
    elif as_label / n < MAJORITY and means[label] < max(means.values()) / 2:
        verdict, agreement = PARTLY, "agrees with neither class"
    else:
        verdict, agreement = PARTLY, "is divided"
    others = predicted[~predicted.isin([label, suspected])].value_counts()
    third = f", {int(others.iloc[0]):,} as {others.index[0]}" if len(others) else ""
    return Explanation(
        key,
        verdict,
        f"{name} {agreement}: {as_label:,} of {count(n, kind.noun)}{kind.where} "
        f"{be(as_label)} predicted as {label}, {as_suspected:,} as {suspected}{third} "
        f"(mean probability {percent(means[label])} and {percent(means[suspected])}).",
        {
            "as_label": as_label / n,
            "as_suspected": as_suspected / n,
            "p_label": means[label],
            "p_suspected": means[suspected],
        },
        n,
        kind.noun + "s",
    )
