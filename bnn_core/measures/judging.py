"""What the pages Overview and Confidence show, as tables: accuracy by level, cut-offs, first looks.

Tables in (`Study.table`), tables out; every figure comes from `evaluation`, `levels`, `intervals`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bnn_core.measures.evaluation import Selective, certainty, evaluate
from bnn_core.measures.intervals import Bands, Interval, selective_bands, share_interval, wilson
from bnn_core.measures.levels import (
    LEVEL_COLUMNS,
    LEVEL_RULES,
    RULES,
    aggregate,
    available_levels,
    own_images,
    scored_rows,
)
from bnn_core.measures.selection import bin_index


def independent_groups(table: pd.DataFrame) -> np.ndarray | None:
    """(N,) what is not independent of one another, or None where every row stands for itself.

    The column `group`, else `compound`; rows that lack it stand for themselves.
    """
    for name in ("group", "compound"):
        if name in table and table[name].notna().any():
            missing = table[name].isna().to_numpy()
            if table[name].nunique() == (~missing).sum():
                return None
            groups = table[name].astype(object).to_numpy(copy=True)
            groups[missing] = [f"\x00{i}" for i in np.flatnonzero(missing)]
            return groups
    return None


def judged_units(
    table: pd.DataFrame, level: str, classes: Sequence[str], rule: str = "mean"
) -> pd.DataFrame:
    """The units of a level that an accuracy counts: scored images, or what they make together.

    At the level "image" the rows of `table` with their index (the study's row numbers), without
    the columns of probabilities.
    """
    if level == "image":
        # Without the probabilities: a selection of a million rows stays small.
        table = table[[c for c in table if not c.startswith("p_") or c == "p_label"]]
    rows = table[scored_rows(table)]
    return rows if level == "image" else aggregate(rows, level, classes, rule)


def rows_of_units(table: pd.DataFrame, units: pd.DataFrame, level: str) -> np.ndarray:
    """Index values of the scored images in `table` that make up `units` of a level, ascending."""
    if level == "image":
        return np.sort(units.index.to_numpy())
    keys = [*LEVEL_COLUMNS[level], "label"]
    rows = table.loc[scored_rows(table), keys]
    wanted = pd.MultiIndex.from_frame(units[keys])
    return np.sort(rows.index[pd.MultiIndex.from_frame(rows).isin(wanted)].to_numpy())


def accuracy_by_level(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Accuracy of one method at every level that the columns allow, with 95 % intervals.

    Returns level, rule ("mean" or "vote"), how (the rule in words), n, right, accuracy, low, high,
    by ("compounds": whole groups were resampled; "": Wilson).
    """
    found = []
    for level in available_levels(table):
        for rule in RULES if level != "image" else RULES[:1]:
            units = judged_units(table, level, classes, rule)
            if not len(units):
                continue
            correct = units["correct"].to_numpy(dtype=bool)
            groups = independent_groups(units)
            interval = share_interval(correct, np.ones(len(correct), bool), groups)
            how = LEVEL_RULES[level] if rule == "mean" else "majority of the images' predictions"
            found.append(
                {
                    "level": level,
                    "rule": rule,
                    "how": how,
                    "n": len(units),
                    "right": int(correct.sum()),
                    "accuracy": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                    "by": "" if groups is None else "groups",
                }
            )
    return pd.DataFrame(found)


def quality(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """`evaluation.evaluate` over the scored rows of one method's table."""
    rows = table[scored_rows(table)]
    p = rows[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    return evaluate(p, pd.Index(list(classes)).get_indexer(rows["label"]))


@dataclass(frozen=True)
class CutoffFigures:
    """What one cut-off does to one method: counts, and shares in [0, 1] with 95 % intervals.

    accuracy is None when nothing is kept.
    """

    kept: int
    right: int
    total: int
    accuracy: Interval | None
    coverage: Interval

    @property
    def wrong(self) -> int:
        """Units kept though wrong."""
        return self.kept - self.right


class Judged:
    """One method's judged units with one score: sorted once, asked for many cut-offs.

    units: from `judged_units`; score: a key of `base.scores.SCORES`. Units without that score are
    left out and counted in `without`. Thresholds are certainties (`evaluation.certainty`).
    """

    def __init__(self, units: pd.DataFrame, score: str):
        values = units[score].to_numpy(dtype=np.float64)
        known = ~np.isnan(values)
        self.units = units[known]
        self.score = score
        self.values = values[known]
        self.certainty = certainty(score, self.values)
        self.correct = self.units["correct"].to_numpy(dtype=bool)
        self.without = int((~known).sum())
        self.groups = independent_groups(self.units)

    def __len__(self) -> int:
        return len(self.units)

    @cached_property
    def selective(self) -> Selective:
        """The sorted scores."""
        return Selective(self.certainty, self.correct)

    def at(self, threshold: float) -> CutoffFigures:
        """What the cut-off keeps."""
        kept = self.selective.at(threshold)
        n, right = int(kept.kept), int(kept.right)
        above = self.certainty >= threshold
        accuracy = share_interval(self.correct, above, self.groups) if n else None
        coverage = share_interval(above, np.ones(len(above), bool), self.groups)
        return CutoffFigures(n, right, len(self), accuracy, coverage)

    def curves(self, thresholds: np.ndarray) -> Bands:
        """Accuracy and coverage with pointwise 95 % intervals at ascending thresholds."""
        if self.groups is not None:
            return selective_bands(self.certainty, self.correct, thresholds, self.groups)
        at = self.selective.at(thresholds)
        return Bands(
            at, *wilson(at.right, at.kept), *wilson(at.kept, np.full(len(thresholds), at.total))
        )

    def histogram(self, low: float, high: float, bins: int) -> pd.DataFrame:
        """Right and wrong units in equal bins of the score: columns left, right_edge, right, wrong.

        Values outside of [low, high] count in the bins at the ends.
        """
        place = bin_index(self.values, low, high, bins)
        right = np.bincount(place[self.correct], minlength=bins)
        wrong = np.bincount(place[~self.correct], minlength=bins)
        edges = np.linspace(low, high, bins + 1)
        return pd.DataFrame(
            {"left": edges[:-1], "right_edge": edges[1:], "right": right, "wrong": wrong}
        )

    def in_bin(self, place: int, low: float, high: float, bins: int) -> pd.DataFrame:
        """The units counted in one bin of `histogram`."""
        return self.units[bin_index(self.values, low, high, bins) == place]


#: What to look at first: name -> what it means.
FIRST_LOOKS = {
    "Confident mistakes": "predicted wrong, the surest first: model errors or wrong labels",
    "Unlikely labels": "the label's own probability is lowest: labels to check first",
    "Least sure": "the lowest certainty, right or wrong: hard or unusual images",
    "Networks disagree": "the two networks predict different classes, first where both are surest",
    "Unlike training": "the farthest from all training images: spoilt, or something new",
}


def first_looks(
    tables: Mapping[str, pd.DataFrame],
    rows: np.ndarray,
    bayes: str,
    standard: str | None,
    score: str,
) -> dict[str, np.ndarray]:
    """Rows worth a look before all others, most telling first; keys of FIRST_LOOKS.

    tables: method -> table with RangeIndex; rows: those to choose among; bayes: the method whose
    predictions count. Kinds with no row are left out.
    """
    rows = rows[own_images(tables[bayes].iloc[rows])]
    table = tables[bayes].iloc[rows]
    sure = certainty(score, table[score])
    counted = scored_rows(table)
    wrong = counted & ~table["correct"].fillna(True).to_numpy(dtype=bool)
    found = {"Confident mistakes": rows[wrong][np.argsort(-sure[wrong], kind="stable")]}
    p_label = table["p_label"].to_numpy(dtype=np.float64)
    found["Unlikely labels"] = rows[counted][np.argsort(p_label[counted], kind="stable")]
    known = ~np.isnan(sure)
    found["Least sure"] = rows[known][np.argsort(sure[known], kind="stable")]
    if standard is not None:
        other = tables[standard].iloc[rows]
        differ = table["predicted"].to_numpy() != other["predicted"].to_numpy()
        both = np.minimum(table["top_softmax"].to_numpy(), other["top_softmax"].to_numpy())
        found["Networks disagree"] = rows[differ][np.argsort(-both[differ], kind="stable")]
    if "distance" in table:
        far = table["distance"].to_numpy(dtype=np.float64)
        known = ~np.isnan(far)
        found["Unlike training"] = rows[known][np.argsort(-far[known], kind="stable")]
    return {name: found[name] for name in FIRST_LOOKS if len(found.get(name, ()))}


def undecided(table: pd.DataFrame) -> int:
    """Rows whose likeliest class has a mean softmax below one half, where c folds back."""
    return int((table["top_softmax"] < 0.5).sum())
