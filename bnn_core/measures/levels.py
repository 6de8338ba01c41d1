"""From images to wells, treatments and compounds.

Two rules. "mean": the prediction of a unit is the class with the largest mean softmax over its
images. "vote": every image votes for its predicted class. A tie goes to the class with the larger
mean softmax, then to the first class.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bnn_core.base.scores import NOVELTY, UNLIKENESS
from bnn_core.measures.uncertainty import Moments, class_numbers, summarise

#: Columns that identify a unit. A well belongs to one plate; a treatment is a compound at a dose.
LEVEL_COLUMNS: dict[str, tuple[str, ...]] = {
    "image": (),
    "well": ("plate", "well"),
    "treatment": ("compound", "concentration"),
    "compound": ("compound",),
}
LEVEL_RULES = {
    "image": "each image alone",
    "well": "mean softmax over the images of one well of one plate",
    "treatment": "mean softmax over the images of one compound at one concentration",
    "compound": "mean softmax over the images of one compound at all its concentrations",
}
RULES = ("mean", "vote")
#: So many possible numbers of units per row are looked up in a table, more by hashing.
_MOST_NUMBERS = 4
_CARRIED = (
    "plate",
    "well",
    "compound",
    "concentration",
    "moa",
    "batch",
    "group",
    "replicate",
    "fold",
    "role",
)


def available_levels(images: pd.DataFrame) -> list[str]:
    """Levels whose columns `images` has with at least one value; image first."""
    return [
        level
        for level, columns in LEVEL_COLUMNS.items()
        if all(c in images and images[c].notna().any() for c in columns)
    ]


def scored_rows(table: pd.DataFrame) -> np.ndarray:
    """(N,) bool: the rows that an accuracy counts.

    They have role "scored", a known label, and a class that their fold was trained on (a row
    without such a class is `unpredictable` and is counted separately).
    """
    counted = (table["role"] == "scored").to_numpy() & table["correct"].notna().to_numpy()
    return counted & ~unlearned_rows(table)


def unlearned_rows(table: pd.DataFrame) -> np.ndarray:
    """(N,) bool: the label is a class that the predicting network was not trained on."""
    if "unpredictable" not in table:
        return np.zeros(len(table), bool)
    return table["unpredictable"].fillna(False).to_numpy(dtype=bool)


def wrong_rows(table: pd.DataFrame) -> np.ndarray:
    """(N,) bool: predicted wrongly although the network was trained on the class of the label."""
    wrong = (table["correct"] == False).fillna(False)  # noqa: E712
    return wrong.to_numpy(dtype=bool) & ~unlearned_rows(table)


def original_images(table: pd.DataFrame) -> np.ndarray:
    """(N,) bool: images of the study itself, not images added later to test the networks.

    Wells, doses and the lists of images to look at first use only these rows.
    """
    original = ~table["role"].isin(["shifted", "new"]).to_numpy(dtype=bool)
    return original & table["source"].isna().to_numpy() if "source" in table else original


def known_images(table: pd.DataFrame) -> np.ndarray:
    """(N,) bool: the study's own scored images, which their network was not trained on: what new
    images are compared with."""
    return scored_rows(table) & original_images(table)


def aggregate(
    table: pd.DataFrame, level: str, classes: Sequence[str], rule: str = "mean"
) -> pd.DataFrame:
    """One row per unit of `level`, in the order in which units first appear.

    table: images joined with a summary (`Study.table`), any rows. Rows without a value in one of
    the level's columns are left out. A unit whose images have different labels is split by label.

    Returns the level's columns, `label`, `n_images`, the other metadata columns (None or nan if
    the images of the unit differ), the columns of a summary computed from the unit's mean softmax,
    the means of NOVELTY and UNLIKENESS over its images, and `vote_share`, the share of its images
    that predict `predicted`. With rule "vote" `predicted` and `correct` follow the vote. `aleatoric`,
    `epistemic` and `mutual_information` are defined for single images and are nan at other levels.
    Raises ValueError for an unknown rule.
    """
    return aggregate_by_rules(table, level, classes, (rule,))[rule]


def aggregate_by_rules(
    table: pd.DataFrame, level: str, classes: Sequence[str], rules: Sequence[str] = RULES
) -> dict[str, pd.DataFrame]:
    """Rule -> `aggregate`; what the rules share is computed once."""
    unknown = [rule for rule in rules if rule not in RULES]
    if unknown:
        raise ValueError(f"rule {unknown[0]!r} is not one of {RULES}")
    classes = list(classes)
    keys = list(LEVEL_COLUMNS[level])
    table = table[unit_columns(table, level, classes)]
    known = np.logical_and.reduce([table[key].notna() for key in keys]) if keys else np.True_
    table = table if known.all() else table[known]
    p = [table[f"p_{name}"].to_numpy(np.float64) for name in classes]
    codes = _units(table, [*keys, "label"]) if keys else np.arange(len(table))
    count = int(codes.max(initial=-1)) + 1
    sizes = np.bincount(codes, minlength=count)
    first = np.empty(count, np.intp)
    first[codes[::-1]] = np.arange(len(table))[::-1]  # the last assignment remains
    sums = np.stack([np.bincount(codes, column, count) for column in p], axis=1)
    mean_p = sums / np.maximum(sizes, 1)[:, None]
    votes = _votes(table, p, classes, codes, count)

    out = {
        c: table[c].iloc[first].reset_index(drop=True)
        if c in keys
        else _same_or_missing(table[c], codes, first)
        for c in dict.fromkeys((*keys, *_CARRIED))
        if c in table
    }
    label = table["label"].iloc[first].reset_index(drop=True)
    out |= {"label": label, "n_images": sizes}
    summary = summarise(Moments(mean_p), classes, label.to_numpy(dtype=object))
    for score in (*NOVELTY, UNLIKENESS):
        if score in table:
            summary[score] = np.bincount(codes, table[score], count) / np.maximum(sizes, 1)
    units = {}
    for rule in rules:
        figures = summary.copy()
        if rule == "vote":
            _follow_votes(figures, votes, mean_p, classes, label)
        chosen = pd.Index(classes).get_indexer(figures["predicted"])
        figures["vote_share"] = votes[np.arange(count), chosen] / np.maximum(sizes, 1)
        units[rule] = pd.concat([pd.DataFrame(out), figures], axis=1)
    return units


def unit_columns(table: pd.DataFrame, level: str, classes: Sequence[str]) -> list[str]:
    """The columns of a table that `aggregate` reads: a selection of fewer columns is quicker."""
    wanted = {*LEVEL_COLUMNS[level], *_CARRIED, "label", "predicted", *NOVELTY, UNLIKENESS}
    wanted |= {f"p_{name}" for name in classes}
    return [column for column in table if column in wanted]


def level_metrics(
    table: pd.DataFrame, classes: Sequence[str], levels: Sequence[str] | None = None
) -> dict[str, dict[str, float]]:
    """Accuracy at each level over the rows that count (`scored_rows`).

    Returns level -> {n, right, accuracy}. Levels above the image add {vote_right, vote_accuracy};
    the image level adds the number of `unpredictable` rows if there are any. Levels without a
    scored unit are left out.
    """
    counted = scored_rows(table)
    levels = list(levels or available_levels(table))
    used = {column for level in levels for column in LEVEL_COLUMNS[level]}
    used |= {"label", "predicted", "correct", *(f"p_{name}" for name in classes)}
    rows = table[[c for c in table if c in used]]
    rows = rows if counted.all() else rows[counted]
    if "predicted" in rows:  # looked up once for all levels
        numbers = class_numbers(rows["predicted"], classes)
        rows = rows.assign(predicted=pd.Categorical.from_codes(numbers, list(classes)))
    by_level: dict[str, dict[str, float]] = {}
    for level in levels:
        if level == "image":
            right, n = int(rows["correct"].sum()), len(rows)
            figures = {"n": n, "right": right, "accuracy": right / max(n, 1)}
            if "unpredictable" in table and table["unpredictable"].any():
                figures["unpredictable"] = int(table["unpredictable"].fillna(False).sum())
        else:
            used = {*LEVEL_COLUMNS[level], "label", "predicted", *(f"p_{name}" for name in classes)}
            counted_rows = rows[[c for c in rows if c in used]]
            units, votes = aggregate_by_rules(counted_rows, level, classes).values()
            n, right = len(units), int(units["correct"].sum())
            vote_right = int(votes["correct"].sum())
            figures = {
                "n": n,
                "right": right,
                "accuracy": right / max(n, 1),
                "vote_right": vote_right,
                "vote_accuracy": vote_right / max(n, 1),
            }
        if n:
            by_level[level] = figures
    return by_level


def _units(table: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """(N,) number of each row's unit, by first appearance; a missing value counts as a value."""
    codes, most = np.zeros(len(table), np.int64), 1
    for column in columns:
        kinds, values = pd.factorize(table[column], use_na_sentinel=True)
        if most * (len(values) + 1) > _MOST_NUMBERS * len(table):
            codes = _by_appearance(codes)
            most = int(codes.max(initial=0)) + 1
        codes = codes * (len(values) + 1) + kinds + 1
        most *= len(values) + 1
    return _by_appearance(codes)


def _by_appearance(codes: np.ndarray) -> np.ndarray:
    """(N,) numbers >= 0 renumbered from 0 in the order of their first appearance."""
    n, most = len(codes), int(codes.max(initial=0))
    if most > _MOST_NUMBERS * n:
        return pd.factorize(codes)[0]
    first = np.full(most + 1, n)
    first[codes[::-1]] = np.arange(n)[::-1]  # the last assignment remains
    occurring = np.flatnonzero(first < n)
    number = np.empty(most + 1, np.int64)
    number[occurring[np.argsort(first[occurring])]] = np.arange(len(occurring))
    return number[codes]


def _votes(
    table: pd.DataFrame, p: list[np.ndarray], classes: list[str], codes: np.ndarray, count: int
) -> np.ndarray:
    """(units, C) number of images that predict each class."""
    if "predicted" in table:
        predicted = class_numbers(table["predicted"], classes)
    else:
        predicted = np.argmax(p, axis=0)
    cells = np.bincount(codes * len(classes) + predicted, minlength=count * len(classes))
    return cells.reshape(count, len(classes))


def _follow_votes(
    summary: pd.DataFrame,
    votes: np.ndarray,
    mean_p: np.ndarray,
    classes: list[str],
    label: pd.Series,
) -> None:
    tied = votes == votes.max(axis=1, keepdims=True)
    chosen = np.where(tied, mean_p, -1.0).argmax(axis=1)
    summary["predicted"] = np.asarray(classes, dtype=object)[chosen]
    right = pd.array((summary["predicted"] == label).to_numpy(dtype=bool), dtype="boolean")
    right[summary["correct"].isna().to_numpy()] = pd.NA
    summary["correct"] = right


def _same_or_missing(values: pd.Series, codes: np.ndarray, first: np.ndarray) -> pd.Series:
    """Each unit's value if all its images agree, else missing."""
    kinds, _ = pd.factorize(values, use_na_sentinel=True)
    differs = np.zeros(len(first), dtype=bool)
    differs[codes[kinds != kinds[first][codes]]] = True
    of_first = values.iloc[first].reset_index(drop=True)
    return of_first.mask(pd.Series(differs)) if differs.any() else of_first
