"""What a reading of the evidence is: one explanation, how well it fits, its numbers, a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bnn_core.base.wording import be, count
from bnn_core.measures.levels import LEVEL_COLUMNS, own_images, scored_rows

FITS, PARTLY, AGAINST, UNKNOWN = "fits", "fits in part", "does not fit", "cannot tell"
VERDICTS = (FITS, PARTLY, AGAINST, UNKNOWN)


@dataclass(frozen=True)
class Reading:
    """One explanation of a disagreement, set against the data. Several may fit, or none.

    name: key. explanation: what would be the matter. verdict: one of VERDICTS. sentence: for a
    biologist, with the counts. numbers: what the sentence says, as numbers. n of `counted`: how
    many images, wells or compounds it rests on. missing: columns or tables that are not there.
    """

    name: str
    explanation: str
    verdict: str
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    n: int = 0
    counted: str = "images"
    missing: tuple[str, ...] = ()

    @property
    def units(self) -> str:
        """`counted` in the number that `n` asks for."""
        return self.counted.removesuffix("s") if self.n == 1 else self.counted


@dataclass(frozen=True)
class Suspect:
    """What is looked at: keys name it at its level, label is what it is called by.

    suspected: the one wrong class it is compared with.
    """

    level: str
    keys: Mapping[str, Any]
    label: str
    suspected: str

    @classmethod
    def of(cls, row: pd.Series | Mapping[str, Any], level: str) -> "Suspect":
        """From a row of `suspects.rank` or `suspects.rank_images` of that level.

        An image's suspected class is what it is predicted as.
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


#: Why the class that a suspect looks like need not be the commonest among its predictions.
LOOKS_LIKE = (
    "What looks most like it is judged by all probabilities together, the network's "
    "usual errors allowed for, so it need not be what most images are called."
)


def heading(row: Mapping[str, Any], who: Suspect) -> str:
    """One line on a row of `suspects.rank`, the same on the page and in the report.

    "Called" is said of most images only; the class that fits best may be another one.
    """
    said = ", and no other class in particular"
    if 2 * row["n_suspected"] > row["n_images"]:
        said = f" → called {who.suspected}"
    elif row["score"] > 0:
        said = f", looks most like {who.suspected}"
    elif not row["n_wrong"]:
        said = ", and called so"
    return f"{who.title}: given {who.label}{said}"


def interval_of(row: Mapping[str, Any]) -> str:
    """The 95 % interval of a row of `suspects.rank`, or that there are too few units for one.

    From two units Student's t (12.7 at one degree of freedom) often spans the whole scale. That is
    no error, but it says nothing either.
    """
    units = count(row["n_units"], row["unit"])
    if not has_interval(row):
        return f"{units} {be(row['n_units'])} too few for an interval"
    return f"95 % interval {two_digits(row['low'])} to {two_digits(row['high'])}, from {units}"


def has_interval(row: Mapping[str, Any]) -> bool:
    """Whether the interval of a row of `suspects.rank` leaves out any score at all."""
    return bool(np.isfinite(row["low"]) and (row["low"] > -1 or row["high"] < 1))


def two_digits(value: float) -> str:
    """A score as text; what rounds to zero has no sign."""
    return f"{round(value, 2) + 0.0:.2f}"


class Case:
    """A suspect in its table: which rows are its own, its compound's, its label's.

    table: images joined with a summary, RangeIndex. All masks are (N,) bool over its rows.
    """

    def __init__(self, table: pd.DataFrame, classes: Sequence[str], suspect: Suspect):
        self.table = table
        self.classes = list(classes)
        self.suspect = suspect
        self.scored = scored_rows(table)
        self.own = matching(table, suspect.keys) & (table["label"] == suspect.label).to_numpy()
        self.rows = table[self.own & self.scored]
        self.wrong = (self.rows["predicted"] != suspect.label).to_numpy()

    def has(self, *columns: str) -> bool:
        """Whether the suspect's rows have all these columns, somewhere filled."""
        return all(c in self.rows and self.rows[c].notna().any() for c in columns)

    @cached_property
    def compound(self) -> np.ndarray:
        """The study's own images of the suspect's compound, at all doses; its own rows without one."""
        if not self.has("compound"):
            return self.own
        mine = self.table["compound"].isin(self.rows["compound"].dropna().unique()).to_numpy()
        return mine & own_images(self.table)

    def mean_p(self, rows: pd.DataFrame) -> np.ndarray:
        """(C,) mean softmax of some rows."""
        return rows[[f"p_{name}" for name in self.classes]].to_numpy(np.float64).mean(axis=0)

    def called(self, rows: pd.DataFrame) -> str:
        """The class of the largest mean softmax."""
        return self.classes[int(self.mean_p(rows).argmax())]


def matching(table: pd.DataFrame, keys: Mapping[str, Any]) -> np.ndarray:
    """(N,) bool: rows that have these values."""
    found = np.ones(len(table), bool)
    for column, value in keys.items():
        found &= (table[column] == value).to_numpy(dtype=bool, na_value=False)
    return found


def cannot_tell(name: str, explanation: str, sentence: str, missing: Sequence[str] = ()) -> Reading:
    """A reading that the data do not allow, saying why."""
    return Reading(name, explanation, UNKNOWN, sentence, missing=tuple(missing))
