"""Figures 4A-C, 5A, 5B as tables: the compounds of one label, what their images are predicted as.

table: images joined with a summary (`Study.table`) or any rows of it; what is returned as rows are
values of its index. A "label" is whatever the study is labelled by, in BBBC021 the mechanism.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.measures.evaluation import certainty
from bnn_core.measures.levels import scored_rows
from bnn_core.measures.selection import bin_index


class Bins(NamedTuple):
    """`count` equal bins of a score over [low, high]; outer values fall into the end bins."""

    score: str
    low: float
    high: float
    count: int

    def of(self, table: pd.DataFrame) -> np.ndarray:
        """(N,) bin of each row, -1 where the score is unknown."""
        values = table[self.score].to_numpy(dtype=np.float64)
        known = ~np.isnan(values)
        places = bin_index(np.where(known, values, self.low), self.low, self.high, self.count)
        return np.where(known, places, -1)

    def edges(self, place: int) -> tuple[float, float]:
        """Lower and upper end of one bin."""
        width = (self.high - self.low) / self.count
        return self.low + place * width, self.low + (place + 1) * width


class Dose(NamedTuple):
    """A compound at one concentration (nan: unknown): index values, and what an accuracy counts."""

    concentration: float
    rows: np.ndarray
    scored: int
    right: int
    calls: dict[str, int]


def labelled_compounds(table: pd.DataFrame) -> dict[str, int]:
    """Labels that some image with a compound has -> number of their compounds, in name order."""
    part = table[table["label"].notna() & table["compound"].notna()]
    found = part.groupby("label", observed=True)["compound"].nunique()
    return {str(label): int(n) for label, n in found.sort_index().items()}


def compounds(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """The compounds that carry `label`, the most wrong first, then by name.

    Returns compound, images (with the label), n (of them counted by an accuracy, see
    `levels.scored_rows`), right, accuracy in [0, 1] (nan where n is 0), called (a tuple: the
    commonest wrong prediction, all of them where several are equally common, none where all images
    are right), called_n (how often each).
    """
    part = table[(table["label"] == label).fillna(False) & table["compound"].notna()]
    part = part.assign(_scored=scored_rows(part))
    found = []
    for compound, own in part.groupby("compound", observed=True, sort=True):
        counted = own[own["_scored"]]
        right = int(counted["correct"].sum())
        wrong = own.loc[own["predicted"] != label, "predicted"].value_counts()
        found.append(
            {
                "compound": compound,
                "images": len(own),
                "n": len(counted),
                "right": right,
                "accuracy": right / len(counted) if len(counted) else np.nan,
                "called": tuple(sorted(wrong.index[wrong == wrong.max()], key=str)),
                "called_n": int(wrong.max()) if len(wrong) else 0,
            }
        )
    columns = ["compound", "images", "n", "right", "accuracy", "called", "called_n"]
    return pd.DataFrame(found, columns=columns).sort_values(
        "accuracy", kind="stable", na_position="last", ignore_index=True
    )


def calls(table: pd.DataFrame) -> dict[str, int]:
    """How many of the rows are predicted as each class, the commonest first, then by name."""
    counts = table["predicted"].astype(str).value_counts()
    return {name: int(counts[name]) for name in sorted(counts.index, key=lambda c: (-counts[c], c))}


def histogram(table: pd.DataFrame, bins: Bins) -> pd.DataFrame:
    """Images by bin of a score and predicted class: bin, predicted, n > 0, in that order.

    Images without the score are not counted.
    """
    places = bins.of(table)
    part = pd.DataFrame({"bin": places, "predicted": table["predicted"].astype(str).to_numpy()})
    counted = part[part["bin"] >= 0].groupby(["bin", "predicted"]).size()
    return counted.rename("n").reset_index()


def in_bar(table: pd.DataFrame, bins: Bins, place: int, predicted: str) -> np.ndarray:
    """The rows that one part of one bar counts."""
    inside = (bins.of(table) == place) & (table["predicted"] == predicted).to_numpy(dtype=bool)
    return table.index.to_numpy()[inside]


def surest_first(table: pd.DataFrame, score: str) -> np.ndarray:
    """All rows, the surest first by `score`; those without it last, ties as they stand."""
    sure = certainty(score, table[score].to_numpy(dtype=np.float64))
    return table.index.to_numpy()[np.argsort(-np.nan_to_num(sure, nan=-np.inf), kind="stable")]


def doses(table: pd.DataFrame, compound: str) -> list[Dose]:
    """Every concentration of a compound, labelled or not, the lowest first, unknown ones last."""
    own = table[(table["compound"] == compound).fillna(False)]
    dose = own["concentration"] if "concentration" in own else pd.Series(np.nan, own.index)
    found = []
    for value, part in own.groupby(dose, dropna=False, sort=True):
        counted = part[scored_rows(part)]
        found.append(
            Dose(
                float(value),
                part.index.to_numpy(),
                len(counted),
                int(counted["correct"].sum()),
                calls(part),
            )
        )
    return found


def compound_rows(
    table: pd.DataFrame, names: Sequence[str], label: str | None = None
) -> pd.DataFrame:
    """The part of the table with one of these compounds, and `label` where it is given."""
    keep = table["compound"].isin(list(names)).to_numpy()
    if label is not None:
        keep = keep & (table["label"] == label).fillna(False).to_numpy(dtype=bool)
    return table[keep]
