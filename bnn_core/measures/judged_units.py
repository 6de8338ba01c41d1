"""The units that an accuracy counts (images, wells, treatments, compounds) and their figures.

The input is a table of predictions (`Study.table`). The figures come from `evaluation`, `levels`
and `intervals`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.base.once import once
from bnn_core.measures.evaluation import Selective, certainty, evaluate_probabilities
from bnn_core.measures.intervals import (
    Bands,
    Interval,
    group_codes,
    selective_bands,
    share_interval,
)
from bnn_core.measures.levels import (
    LEVEL_COLUMNS,
    LEVEL_RULES,
    RULES,
    aggregate,
    aggregate_by_rules,
    available_levels,
    scored_rows,
    unit_columns,
)
from bnn_core.measures.reliability import Reliability, reliability
from bnn_core.measures.selection import bin_index


def independent_groups(table: pd.DataFrame) -> np.ndarray | None:
    """(N,) group of each row, an array; rows of one group are not independent. None if all are.

    The group is the column `group`, else `compound`. A row without a value is its own group.
    """
    for name in ("group", "compound"):
        if name in table and table[name].notna().any():
            missing = table[name].isna().to_numpy()
            if table[name].nunique() == (~missing).sum():
                return None
            if not missing.any():
                return table[name].array
            groups = table[name].astype(object).to_numpy(copy=True)
            groups[missing] = [f"\x00{i}" for i in np.flatnonzero(missing)]
            return groups
    return None


def judged_units(
    table: pd.DataFrame, level: str, classes: Sequence[str], rule: str = "mean"
) -> pd.DataFrame:
    """The units of a level that an accuracy counts: scored images, or the units they form.

    At the level "image" these are the scored rows of `table` with their index (the study's row
    numbers), without probabilities, identities and paths.
    """
    rows = _judged_rows(table, level, classes)
    return rows if level == "image" else aggregate(rows, level, classes, rule)


def _judged_rows(table: pd.DataFrame, level: str, classes: Sequence[str]) -> pd.DataFrame:
    """The scored rows of a table with the columns that the units of a level need."""
    if level == "image":
        # So that a selection of a million rows stays small.
        bulky = ("p_", "path", "quality_", "image_id", "content_hash")
        table = table[[c for c in table if not c.startswith(bulky) or c == "p_label"]]
    else:
        counted = ("role", "correct", "unpredictable")
        used = {*unit_columns(table, level, classes), *counted}
        table = table[[c for c in table if c in used]]
    return table[scored_rows(table)]


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
    few (too few groups, see `Interval`), by ("groups": groups are the units of the interval; "":
    single units are).
    """
    lines = []
    carried = ("group", "compound", "label", "predicted", "role", "correct", "unpredictable")
    for level in available_levels(table):
        used = {*carried, *LEVEL_COLUMNS[level], *(f"p_{name}" for name in classes)}
        rows = _judged_rows(table[[c for c in table if c in used]], level, classes)
        by_rule = {RULES[0]: rows} if level == "image" else aggregate_by_rules(rows, level, classes)
        for rule, units in by_rule.items():
            if not len(units):
                continue
            correct = units["correct"].to_numpy(dtype=bool)
            groups = independent_groups(units)
            interval = share_interval(correct, np.ones(len(correct), bool), groups)
            how = (
                LEVEL_RULES[level]
                if rule == "mean"
                else "majority of the images' predictions; ties go to the larger mean softmax"
            )
            lines.append(
                {
                    "level": level,
                    "rule": rule,
                    "how": how,
                    "n": len(units),
                    "right": int(correct.sum()),
                    "accuracy": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                    "few": interval.few,
                    "by": "" if groups is None else "groups",
                }
            )
    return pd.DataFrame(lines)


def figures_of_merit(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """`evaluation.evaluate_probabilities` over the scored rows of one method's table."""
    rows = table[scored_rows(table)]
    p = rows[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    return evaluate_probabilities(p, pd.Index(list(classes)).get_indexer(rows["label"]))


@dataclass(frozen=True)
class CutoffFigures:
    """Counts and shares in [0, 1] with 95 % intervals, of one method at one cut-off.

    total: units in all. accuracy: None if nothing is kept.
    """

    kept: int
    right: int
    total: int
    accuracy: Interval | None
    coverage: Interval

    @property
    def wrong(self) -> int:
        """Units that are kept and wrong."""
        return self.kept - self.right


class Judged:
    """One method's scored units with one score, sorted once for any number of cut-offs.

    units: from `judged_units`. score: a key of `base.scores.SCORES`. Units without that score are
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
        groups = independent_groups(self.units)
        self.groups = None if groups is None else group_codes(groups)[0]

    def __len__(self) -> int:
        return len(self.units)

    @once
    def selective(self) -> Selective:
        """The sorted scores."""
        return Selective(self.certainty, self.correct)

    def at(self, threshold: float) -> CutoffFigures:
        """Figures of the units with certainty >= threshold."""
        counts = self.selective.at(threshold)
        n, right = int(counts.kept), int(counts.right)
        above = self.certainty >= threshold
        accuracy = share_interval(self.correct, above, self.groups) if n else None
        coverage = share_interval(above, np.ones(len(above), bool), self.groups)
        return CutoffFigures(n, right, len(self), accuracy, coverage)

    def curves(self, thresholds: np.ndarray) -> Bands:
        """Accuracy and coverage with pointwise 95 % intervals at ascending thresholds."""
        return selective_bands(self.certainty, self.correct, thresholds, self.groups)

    def reliability(self) -> Reliability:
        """The reliability diagram; the score must be top_softmax."""
        return reliability(self.values, self.correct, self.groups)

    def histogram(self, low: float, high: float, bins: int) -> pd.DataFrame:
        """Right and wrong units in equal bins of the score: columns left, right_edge, right, wrong.

        Values outside [low, high] count in the first or last bin.
        """
        index = bin_index(self.values, low, high, bins)
        right = np.bincount(index[self.correct], minlength=bins)
        wrong = np.bincount(index[~self.correct], minlength=bins)
        edges = np.linspace(low, high, bins + 1)
        return pd.DataFrame(
            {"left": edges[:-1], "right_edge": edges[1:], "right": right, "wrong": wrong}
        )

    def in_bin(self, index: int, low: float, high: float, bins: int) -> pd.DataFrame:
        """The units counted in one bin of `histogram`."""
        return self.units[bin_index(self.values, low, high, bins) == index]


def undecided(table: pd.DataFrame) -> int:
    """Rows with a top mean softmax below one half, where c rises again and is too high."""
    return int((table["top_softmax"] < 0.5).sum())
