"""Images of kinds that no network was trained on: does a score separate them, what are they called?

table: images joined with a summary (`Study.table`), any rows. Four groups: "same", the images that
an accuracy counts; "shifted", known kinds from another source or damaged; "new", unknown kinds;
"added", images added without a label. Scores have the sign that makes higher surer.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.scores import SCORES
from bnn_core.measures.bimodality import CRITICAL, MOST_IN_DIP_TEST, dip, looks_bimodal
from bnn_core.measures.evaluation import certainty, varies
from bnn_core.measures.intervals import Interval, share_interval
from bnn_core.measures.judged_units import independent_groups
from bnn_core.measures.levels import scored_rows, unlearned_rows
from bnn_core.measures.mechanisms import Bins

SAME, SHIFTED, NEW, ADDED = GROUPS = ("same", "shifted", "new", "added")
#: Groups that are compared with the known images.
OTHERS = (NEW, SHIFTED, ADDED)
#: Characters that a person could confuse.
LOOK_ALIKES = ("0Oo", "1Ili", "5Ss", "2Zz", "9gq")
#: Sets of kinds that are counted together: name -> its members in words.
SUBSETS = {
    "all": "every kind",
    "without look-alikes": "without O o, I l i, S s, Z z, g q, which look like digits",
    "look-alikes": "O o, I l i, S s, Z z, g q only",
    "capitals": "capital letters",
    "lower case": "lower-case letters",
}
KNOWN_SHARE = 0.95
#: Kinds of damage (`images/faults.py`) in words; the others are words already.
DAMAGE_WORDS = {
    "blur": "out of focus",
    "saturate": "overexposed",
    "wrong-channel": "channels swapped",
}


def groups(table: pd.DataFrame) -> np.ndarray:
    """(N,) object: one of GROUPS, or "" for other rows (controls, unlabelled rows of the study).

    Scored rows whose class was absent from their fold's training data are "new" too.
    """
    # Compared as a column: an array of a million texts would be made of as many Python objects.
    scored, shifted, new, unlabelled = (
        (table["role"] == role).to_numpy(dtype=bool)
        for role in ("scored", "shifted", "new", "unlabelled")
    )
    group = np.full(len(table), "", dtype=object)
    group[scored_rows(table)] = SAME
    group[shifted] = SHIFTED
    group[new | (scored & unlearned_rows(table))] = NEW
    if "source" in table:
        group[unlabelled & table["source"].notna().to_numpy()] = ADDED
    return group


def kinds(table: pd.DataFrame) -> np.ndarray:
    """(N,) object: the damage of an image, else its label, else the set that it was added with,
    else "no label"."""
    kind = table["label"].astype(object)
    if "corruption" in table:
        damage = table["corruption"].astype(object)
        kind = damage.replace(DAMAGE_WORDS).where(damage.notna(), kind)
    if "source" in table:
        kind = kind.where(kind.notna(), table["source"].astype(object))
    return kind.where(kind.notna(), "no label").astype(str).to_numpy(dtype=object)


def look_alike(kind: str, classes: Sequence[str]) -> str | None:
    """The digit among the classes that a letter looks like, or None."""
    for group in LOOK_ALIKES:
        if (
            group[0] in classes
            and kind not in classes
            and any(len(part) == 1 and part in group for part in kind.split("/"))
        ):
            return group[0]
    return None


def subsets(names: Sequence[str], classes: Sequence[str]) -> dict[str, list[str]]:
    """SUBSETS of these kinds, without empty ones and ones with all kinds (except "all")."""
    alike = {name for name in names if look_alike(name, classes)}
    members = {
        "all": list(names),
        "without look-alikes": [n for n in names if n not in alike],
        "look-alikes": [n for n in names if n in alike],
        "capitals": [n for n in names if len(n) == 1 and n.isupper()],
        "lower case": [n for n in names if len(n) == 1 and n.islower()],
    }
    return {
        name: part for name, part in members.items() if name == "all" or 0 < len(part) < len(names)
    }


class Separation(NamedTuple):
    """How well a score separates known images from others; in [0, 1], nan if undefined."""

    auroc: float
    fpr95: float
    detection: float


def separation(known: np.ndarray, other: np.ndarray, false_alarm: float = 0.05) -> Separation:
    """Separation of one kind from the known images, quick enough for many kinds and scores.

    known: (N,) ascending scores of known images. other: (M,) scores of the kind. auroc: chance that
    a known image scores above another; ties count half. fpr95: share of the others at or above the
    highest cut-off that keeps 95 % of the known. detection: share of the others below the highest
    cut-off that removes at most `false_alarm` of the known.
    """
    n = len(known)
    if not n or not len(other):
        return Separation(np.nan, np.nan, np.nan)
    below = np.searchsorted(known, other, side="left")
    not_above = np.searchsorted(known, other, side="right")
    return Separation(
        1 - float((below + not_above).mean()) / (2 * n),
        float((other >= cut_keeping(known, KNOWN_SHARE)).mean()),
        float((other < cut_keeping(known, 1 - false_alarm)).mean()),
    )


def cut_keeping(known: np.ndarray, share: float) -> float:
    """The highest cut-off that keeps at least this share of ascending scores (score >= cut)."""
    return float(known[min(int(len(known) * (1 - share) + 1e-9), len(known) - 1)])


def false_alarms(table: pd.DataFrame, score: str, threshold: float) -> tuple[Interval, int]:
    """Share of the known images below a threshold (a certainty), with its 95 % interval over their
    compounds, and the number of known images; nan without any.

    Known images are those that an accuracy counts, each predicted by a network that was not trained
    on it, nor on its compound.
    """
    known = table[groups(table) == SAME]
    below = certainty(score, known[score].to_numpy(dtype=np.float64)) < threshold
    every = np.ones(len(known), dtype=bool)
    return share_interval(below, every, independent_groups(known)), len(known)


def threshold_of(table: pd.DataFrame, score: str, false_alarm: float) -> float:
    """The highest threshold (a certainty) that sets aside at most this share of the known images;
    nan without any."""
    known = table.loc[groups(table) == SAME, score].to_numpy(dtype=np.float64)
    sure = np.sort(certainty(score, known[~np.isnan(known)]))
    return cut_keeping(sure, 1 - false_alarm) if len(sure) else np.nan


def by_kind(table: pd.DataFrame, score: str, group: str, false_alarm: float = 0.05) -> pd.DataFrame:
    """How well a score separates each kind of a group from the known images.

    A kind is compared with the known images that the same networks predicted: those of its folds,
    or all if every fold predicted it. Returns kind, n, n_known, auroc, fpr95, detection, by name;
    kinds without any score are left out.
    """
    sure = certainty(score, table[score].to_numpy(dtype=np.float64))
    group_of, kind = groups(table), kinds(table)
    fold = table["fold"].to_numpy()
    known = (group_of == SAME) & ~np.isnan(sure)
    others = (group_of == group) & ~np.isnan(sure)
    sorted_known: dict[tuple[int, ...], np.ndarray] = {}
    lines = []
    for name in sorted(set(kind[others])):
        rows = others & (kind == name)
        folds = tuple(sorted(set(fold[rows])))
        if folds not in sorted_known:
            same_folds = known if -1 in folds else known & np.isin(fold, folds)  # -1: every fold
            sorted_known[folds] = np.sort(sure[same_folds if same_folds.any() else known])
        reference = sorted_known[folds]
        lines.append(
            (name, int(rows.sum()), len(reference), *separation(reference, sure[rows], false_alarm))
        )
    return pd.DataFrame(lines, columns=["kind", "n", "n_known", *Separation._fields])


def balanced(of_kinds: pd.DataFrame, names: Sequence[str] | None = None) -> Separation:
    """The mean over kinds: each kind has the same weight, whatever its number of images."""
    part = of_kinds if names is None else of_kinds[of_kinds["kind"].isin(list(names))]
    return Separation(*(float(part[c].mean()) for c in Separation._fields))


def which_score(
    tables: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    group: str = NEW,
    false_alarm: float = 0.05,
) -> pd.DataFrame:
    """Every score of every method, the best first.

    Returns method, score, auroc, fpr95, detection (means over kinds), then the AUROC of each of
    `subsets` under its name. A score that a method lacks, or that is equal for all its images, is
    left out.
    """
    lines = []
    for method, table in tables.items():
        for score in SCORES:
            if score not in table or not varies(table[score]):
                continue
            of_kinds = by_kind(table, score, group, false_alarm)
            parts = subsets(list(of_kinds["kind"]), classes)
            lines.append(
                {
                    "method": method,
                    "score": score,
                    **balanced(of_kinds)._asdict(),
                    **{
                        name: balanced(of_kinds, names).auroc
                        for name, names in parts.items()
                        if name != "all"
                    },
                }
            )
    columns = ["method", "score", *Separation._fields]
    return pd.DataFrame(lines, columns=None if lines else columns).sort_values(
        "auroc", ascending=False, kind="stable", ignore_index=True
    )


#: Orders of the kinds: name -> (column of `kind_table`, ascending).
ORDERS = {
    "surest first": ("median_certainty", False),
    "share above the cut-off": ("above", False),
    "bimodal first": ("dip_ratio", False),
    "by name": ("kind", True),
}


def kind_table(table: pd.DataFrame, score: str, threshold: float) -> pd.DataFrame:
    """One line per kind and group.

    threshold: a certainty, higher means surer. Returns group, kind, n, median (in the score's
    units), median_certainty, above (share at or above the threshold), dip (`bimodality.dip` of the
    score), dip_ratio (dip over the critical one; bimodal above about 1), bimodal, called (the most
    common prediction), called_share.
    """
    values = table[score].to_numpy(dtype=np.float64)
    group_of, kind = groups(table), kinds(table)
    predicted = table["predicted"].to_numpy(dtype=object)
    lines = []
    for group in GROUPS:
        for name in sorted(set(kind[group_of == group])):
            rows = np.flatnonzero((group_of == group) & (kind == name) & ~np.isnan(values))
            if not len(rows):
                continue
            part, n = values[rows], len(rows)
            sure = certainty(score, part)
            calls = pd.Series(predicted[rows]).value_counts()
            statistic = dip(part)
            critical = CRITICAL / np.sqrt(min(n, MOST_IN_DIP_TEST))
            lines.append(
                {
                    "group": group,
                    "kind": name,
                    "n": n,
                    "median": float(np.median(part)),
                    "median_certainty": float(np.median(sure)),
                    "above": float((sure >= threshold).mean()),
                    "dip": statistic,
                    "dip_ratio": statistic / critical,
                    "bimodal": looks_bimodal(statistic, n),
                    "called": str(calls.index[0]),
                    "called_share": float(calls.iloc[0] / n),
                }
            )
    return pd.DataFrame(lines, columns=None if lines else ["group", "kind", "n"])


def predicted_shares(table: pd.DataFrame, score: str, group: str = NEW) -> pd.DataFrame:
    """Predictions of each kind: kind, predicted, n, share of the kind, median of the score."""
    rows = groups(table) == group
    part = pd.DataFrame(
        {
            "kind": kinds(table)[rows],
            "predicted": table["predicted"].to_numpy(dtype=object)[rows],
            "score": table[score].to_numpy(dtype=np.float64)[rows],
        }
    )
    lines = part.groupby(["kind", "predicted"])["score"].agg(["size", "median"]).reset_index()
    lines.columns = ["kind", "predicted", "n", "median"]
    lines["share"] = lines["n"] / lines.groupby("kind")["n"].transform("sum")
    return lines


def shares(table: pd.DataFrame, bins: Bins) -> pd.DataFrame:
    """Share of each group's images in each bin of a score: group, bin, n, share.

    Every kind of a group has the same weight, whatever its number of images. n counts images.
    """
    index, group_of, kind = bins.of(table), groups(table), kinds(table)
    rows = (index >= 0) & (group_of != "")
    part = pd.DataFrame({"group": group_of[rows], "kind": kind[rows], "bin": index[rows]})
    sizes = part.groupby(["group", "kind"])["bin"].transform("size")
    counts = part.groupby("group")["kind"].transform("nunique")
    part["share"] = 1 / (sizes * counts)
    return (
        part.groupby(["group", "bin"]).agg(n=("kind", "size"), share=("share", "sum")).reset_index()
    )


def kind_shares(table: pd.DataFrame, bins: Bins) -> pd.DataFrame:
    """Share of each kind's images in each bin: group, kind, bin, n, share."""
    index, group_of = bins.of(table), groups(table)
    rows = (index >= 0) & (group_of != "")
    part = pd.DataFrame({"group": group_of[rows], "kind": kinds(table)[rows], "bin": index[rows]})
    lines = part.groupby(["group", "kind", "bin"]).size().rename("n").reset_index()
    lines["share"] = lines["n"] / lines.groupby(["group", "kind"])["n"].transform("sum")
    return lines


def folded_back(table: pd.DataFrame) -> dict[str, float]:
    """Group -> share of its images with a top mean softmax below one half, where c rises again."""
    group_of = groups(table)
    low = table["top_softmax"].to_numpy(dtype=np.float64) < 0.5
    return {
        group: float(low[group_of == group].mean()) for group in GROUPS if (group_of == group).any()
    }
