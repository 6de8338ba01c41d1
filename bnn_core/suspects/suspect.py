"""A suspect: one compound, treatment, well or image whose label is compared with another class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bnn_core.base.once import once
from bnn_core.measures.levels import LEVEL_COLUMNS, original_images, scored_rows


@dataclass(frozen=True)
class Suspect:
    """A group of images under one label.

    level: compound, treatment, well or image. keys: column -> value, which name the group at its
    level. label: its given class. suspected: the one other class that it is compared with.
    """

    level: str
    keys: Mapping[str, Any]
    label: str
    suspected: str

    @classmethod
    def of(cls, row: pd.Series | Mapping[str, Any], level: str) -> "Suspect":
        """From a row of `ranking.rank` or `ranking.rank_images` of that level.

        An image is compared with the class that it is predicted as.
        """
        columns = LEVEL_COLUMNS[level] or ("image_id",)
        return cls(
            level,
            {c: row[c] for c in columns},
            row["label"],
            row.get("suspected", row.get("predicted")),
        )

    @property
    def title(self) -> str:
        """ "colchicine", "colchicine 0.03 µM", "P1 B02"."""
        if self.level == "treatment":
            return f"{self.keys['compound']} {self.keys['concentration']:g} µM"
        return " ".join(str(value) for value in self.keys.values())


def titles(ranked: pd.DataFrame, level: str) -> list[str]:
    """Titles of the rows of a ranking, with the label where one name has two labels."""
    names = pd.Series(
        [Suspect.of(row, level).title for row in ranked.to_dict("records")], dtype=str
    )
    twice = names.duplicated(keep=False)
    labels = ranked["label"].astype(str).reset_index(drop=True)
    return names.where(~twice, names + " (" + labels + ")").to_list()


class Case:
    """A suspect within its table: which rows belong to it, to its compound, to its label.

    table: images joined with a summary, all roles, RangeIndex. All masks are (N,) bool over its
    rows. images: the suspect's images, scored or not. rows: its scored images. wrong: (rows,) bool.
    """

    def __init__(self, table: pd.DataFrame, classes: Sequence[str], suspect: Suspect):
        # Rows are selected again and again: without long texts that is much quicker.
        long = ("image_id", "content_hash", "path")
        self.table = table[[c for c in table if not c.startswith(long)]]
        self.classes = list(classes)
        self.suspect = suspect
        self.scored = scored_rows(table)
        self.images = suspect_images(table, suspect)
        self.rows = table[self.images & self.scored]
        self.wrong = (self.rows["predicted"] != suspect.label).to_numpy()

    def has(self, *columns: str) -> bool:
        """Whether the suspect's rows have a value in each of these columns."""
        return all(c in self.rows and self.rows[c].notna().any() for c in columns)

    @once
    def compound(self) -> np.ndarray:
        """(N,) bool: the study's own images of the suspect's compound at all doses.

        Without compounds these are the suspect's images.
        """
        if not self.has("compound"):
            return self.images
        names = self.rows["compound"].dropna().unique()
        return self.table["compound"].isin(names).to_numpy() & original_images(self.table)

    @once
    def others(self) -> np.ndarray:
        """(N,) bool: images of other compounds whose label counts."""
        return (self.table["role"] == "scored").to_numpy() & ~self.compound

    def mean_p(self, rows: pd.DataFrame) -> np.ndarray:
        """(C,) mean softmax of these rows."""
        return rows[[f"p_{name}" for name in self.classes]].to_numpy(np.float64).mean(axis=0)

    def predicted(self, rows: pd.DataFrame) -> str:
        """The class with the largest mean softmax over these rows."""
        return self.classes[int(self.mean_p(rows).argmax())]


def suspect_images(table: pd.DataFrame, suspect: Suspect) -> np.ndarray:
    """(N,) bool: the rows of the suspect's group that carry its label."""
    rows = (table["label"] == suspect.label).to_numpy(dtype=bool, na_value=False)
    for column, value in suspect.keys.items():
        rows = rows & (table[column] == value).to_numpy(dtype=bool, na_value=False)
    return rows
