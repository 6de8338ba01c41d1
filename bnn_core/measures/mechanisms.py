"""Tables of figures 4A-C, 5A and 5B: the compounds of a label and the predictions of their images.

table: images joined with a summary (`Study.table`), any rows. Rows are returned as values of its
index. The label is the column that the study predicts, in BBBC021 the mechanism of action.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.measures.evaluation import certainty
from bnn_core.measures.levels import scored_rows
from bnn_core.measures.selection import bin_index


class Bins(NamedTuple):
    """`count` equal bins of a score over [low, high]; outer values count in the end bins."""

    score: str
    low: float
    high: float
    count: int

    def of(self, table: pd.DataFrame) -> np.ndarray:
        """(N,) bin of each row, -1 if the score is unknown."""
        values = table[self.score].to_numpy(dtype=np.float64)
        known = ~np.isnan(values)
        index = bin_index(np.where(known, values, self.low), self.low, self.high, self.count)
        return np.where(known, index, -1)

    def edges(self, index: int) -> tuple[float, float]:
        """Lower and upper edge of one bin."""
        width = (self.high - self.low) / self.count
        return self.low + index * width, self.low + (index + 1) * width

    def edges_text(self, index: int) -> str:
        """The edges of one bin as text: "0.94 to 0.96"."""
        low, high = self.edges(int(index))
        return f"{low:.3g} to {high:.3g}"


class Dose(NamedTuple):
    """A compound at one concentration (nan: unknown): its rows and the scored and right ones."""

    concentration: float
    rows: np.ndarray
    scored: int
    right: int
    calls: dict[str, int]


def labelled_compounds(table: pd.DataFrame) -> dict[str, int]:
    """Label -> number of its compounds, by name; only images with a label and a compound count."""
    counts = table[["label", "compound"]].drop_duplicates().dropna()["label"].value_counts()
    return {str(label): int(n) for label, n in counts.sort_index().items()}


def compounds_of_label(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """The compounds with `label`, the lowest accuracy first, then by name.

    Returns compound, images (with the label), n (those that an accuracy counts, see
    `levels.scored_rows`), right, accuracy in [0, 1] (nan if n is 0), called (a tuple with the most
    common wrong prediction, several if equally common, empty if all images are right), called_n
    (images of each).
    """
    part = table[(table["label"] == label).fillna(False) & table["compound"].notna()]
    part = part.assign(_scored=scored_rows(part))
    lines = []
    for compound, images in part.groupby("compound", observed=True, sort=True):
        counted = images[images["_scored"]]
        right = int(counted["correct"].sum())
        wrong = images.loc[images["predicted"] != label, "predicted"].value_counts()
        lines.append(
            {
                "compound": compound,
                "images": len(images),
                "n": len(counted),
                "right": right,
                "accuracy": right / len(counted) if len(counted) else np.nan,
                "called": tuple(sorted(wrong.index[wrong == wrong.max()], key=str)),
                "called_n": int(wrong.max()) if len(wrong) else 0,
            }
        )
    columns = ["compound", "images", "n", "right", "accuracy", "called", "called_n"]
    return pd.DataFrame(lines, columns=columns).sort_values(
        "accuracy", kind="stable", na_position="last", ignore_index=True
    )


def calls(table: pd.DataFrame) -> dict[str, int]:
    """Predicted class -> number of rows, the most common first, then by name."""
    counts = table["predicted"].astype(str).value_counts()
    return {name: int(counts[name]) for name in sorted(counts.index, key=lambda c: (-counts[c], c))}


def score_counts(table: pd.DataFrame, bins: Bins) -> pd.DataFrame:
    """Number of images by bin of a score and predicted class: columns bin, predicted, n > 0.

    Images without the score are not counted.
    """
    index = bins.of(table)
    part = pd.DataFrame({"bin": index, "predicted": table["predicted"].astype(str).to_numpy()})
    counted = part[part["bin"] >= 0].groupby(["bin", "predicted"]).size()
    return counted.rename("n").reset_index()


def in_bar(table: pd.DataFrame, bins: Bins, index: int, predicted: str) -> np.ndarray:
    """The rows of one predicted class in one bin."""
    inside = (bins.of(table) == index) & (table["predicted"] == predicted).to_numpy(dtype=bool)
    return table.index.to_numpy()[inside]


def surest_first(table: pd.DataFrame, score: str) -> np.ndarray:
    """All rows, the surest first by `score`; rows without it last, ties in the given order."""
    sure = certainty(score, table[score].to_numpy(dtype=np.float64))
    return table.index.to_numpy()[np.argsort(-np.nan_to_num(sure, nan=-np.inf), kind="stable")]


def doses_of_compound(table: pd.DataFrame, compound: str) -> list[Dose]:
    """Every concentration of a compound, with or without a label, lowest first, unknown last."""
    images = table[(table["compound"] == compound).fillna(False)]
    dose = images["concentration"] if "concentration" in images else np.full(len(images), np.nan)
    by_dose = []
    for value, part in images.groupby(dose, dropna=False, sort=True):
        counted = part[scored_rows(part)]
        by_dose.append(
            Dose(
                float(value),
                part.index.to_numpy(),
                len(counted),
                int(counted["correct"].sum()),
                calls(part),
            )
        )
    return by_dose


def compound_rows(
    table: pd.DataFrame, names: Sequence[str], label: str | None = None
) -> pd.DataFrame:
    """The part of the table with one of these compounds, and with `label` if it is given."""
    keep = table["compound"].isin(list(names)).to_numpy()
    if label is not None:
        keep = keep & (table["label"] == label).fillna(False).to_numpy(dtype=bool)
    return table[keep]
