"""Images of kinds that no network was trained on: are they told apart, what are they taken for?

table: images joined with a summary (`Study.table`) or any rows of it. Four groups: "same", the
images that an accuracy counts; "shifted", kinds that the network knows from another source or
spoilt; "new", kinds that it does not know; "added", images added without a label, of which nobody
said what they show. Scores are turned so that higher means surer.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.scores import SCORES
from bnn_core.measures.bimodality import CRITICAL, MOST, dip, looks_bimodal
from bnn_core.measures.evaluation import certainty, varies
from bnn_core.measures.levels import scored_rows
from bnn_core.measures.mechanisms import Bins

SAME, SHIFTED, NEW, ADDED = GROUPS = ("same", "shifted", "new", "added")
#: Those that are told from the known images.
OTHERS = (NEW, SHIFTED, ADDED)
#: Characters that a person could take for one another.
LOOK_ALIKES = ("0Oo", "1Ili", "5Ss", "2Zz", "9gq")
#: Kinds that are counted together: name -> what belongs to it.
SUBSETS = {
    "all": "every kind",
    "without look-alikes": "without O o, I l i, S s, Z z, g q, which look like digits",
    "look-alikes": "O o, I l i, S s, Z z, g q only",
    "capitals": "capital letters",
    "lower case": "lower-case letters",
}
KNOWN_SHARE = 0.95


def groups(table: pd.DataFrame) -> np.ndarray:
    """(N,) object: one of GROUPS, or "" for rows of none (controls, a study's own unlabelled).

    Scored rows whose class was absent from their fold's training data are "new" too.
    """
    role = table["role"].to_numpy(dtype=object)
    found = np.full(len(table), "", dtype=object)
    found[scored_rows(table)] = SAME
    found[role == "shifted"] = SHIFTED
    new = role == "new"
    if "unpredictable" in table:
        new |= (role == "scored") & table["unpredictable"].fillna(False).to_numpy(dtype=bool)
    found[new] = NEW
    if "source" in table:
        found[(role == "unlabelled") & table["source"].notna().to_numpy()] = ADDED
    return found


def kinds(table: pd.DataFrame) -> np.ndarray:
    """(N,) object: what each image shows: its label, or how it was spoilt, or the set that it was
    added with; "no label" else."""
    kind = table["label"].astype(object)
    if "corruption" in table:
        kind = table["corruption"].astype(object).where(table["corruption"].notna(), kind)
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
    """SUBSETS of these kinds; those that are empty, or no smaller than all, are left out."""
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
    """How well a score tells known images from others; shares in [0, 1], nan where undefined."""

    auroc: float
    fpr95: float
    detection: float


def separation(known: np.ndarray, other: np.ndarray, false_alarm: float = 0.05) -> Separation:
    """`evaluation.out_of_distribution` of one kind, quick enough for many kinds and scores.

    known: (N,) ascending scores of known images. other: (M,) scores of the kind. auroc: chance that
    a known image scores above another; ties count half. fpr95: share of the others that pass the
    highest cut-off which keeps 95 % of the known. detection: share of the others stopped by the
    cut-off that stops at most `false_alarm` of the known.
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


def by_kind(table: pd.DataFrame, score: str, group: str, false_alarm: float = 0.05) -> pd.DataFrame:
    """How well a score tells each kind of a group from the known images.

    A kind is compared with the known images that the same networks predicted: those of its folds
    where it has folds of its own. Returns kind, n, n_known, auroc, fpr95, detection, in the order
    of the names; kinds without a single score are left out.
    """
    sure = certainty(score, table[score].to_numpy(dtype=np.float64))
    group_of, kind = groups(table), kinds(table)
    fold = table["fold"].to_numpy()
    known = (group_of == SAME) & ~np.isnan(sure)
    others = (group_of == group) & ~np.isnan(sure)
    sorted_known: dict[tuple[int, ...], np.ndarray] = {}
    found = []
    for name in sorted(set(kind[others])):
        rows = others & (kind == name)
        folds = tuple(sorted(set(fold[rows])))
        if folds not in sorted_known:
            own = known if -1 in folds else known & np.isin(fold, folds)  # -1: every fold's
            sorted_known[folds] = np.sort(sure[own if own.any() else known])
        reference = sorted_known[folds]
        found.append(
            (name, int(rows.sum()), len(reference), *separation(reference, sure[rows], false_alarm))
        )
    return pd.DataFrame(found, columns=["kind", "n", "n_known", *Separation._fields])


def balanced(of_kinds: pd.DataFrame, names: Sequence[str] | None = None) -> Separation:
    """The mean over kinds, so that each counts alike however many images it has."""
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
    `subsets` under its name. Scores that a method does not have, or that are the same for all its
    images, are left out.
    """
    found = []
    for method, table in tables.items():
        for score in SCORES:
            if score not in table or not varies(table[score]):
                continue
            of_kinds = by_kind(table, score, group, false_alarm)
            parts = subsets(list(of_kinds["kind"]), classes)
            found.append(
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
    return pd.DataFrame(found, columns=None if found else columns).sort_values(
        "auroc", ascending=False, kind="stable", ignore_index=True
    )


#: How kinds can be ordered: words -> (column of `kind_table`, ascending).
ORDERS = {
    "surest first": ("median_certainty", False),
    "share above the cut-off": ("above", False),
    "two hills first": ("dip_ratio", False),
    "by name": ("kind", True),
}


def kind_table(table: pd.DataFrame, score: str, threshold: float) -> pd.DataFrame:
    """One line per kind and group.

    threshold: as `scores.Cutoff.threshold`, higher means surer. Returns group, kind, n, median (in
    the score's units), median_certainty, above (share as sure as the threshold), dip
    (`bimodality.dip` of the score), dip_ratio (dip over that of a flat distribution, about 1 and
    more: two hills), bimodal, called (the commonest prediction), called_share.
    """
    values = table[score].to_numpy(dtype=np.float64)
    group_of, kind = groups(table), kinds(table)
    predicted = table["predicted"].to_numpy(dtype=object)
    found = []
    for group in GROUPS:
        for name in sorted(set(kind[group_of == group])):
            rows = np.flatnonzero((group_of == group) & (kind == name) & ~np.isnan(values))
            if not len(rows):
                continue
            part, n = values[rows], len(rows)
            sure = certainty(score, part)
            calls = pd.Series(predicted[rows]).value_counts()
            hill = dip(part)
            flat = CRITICAL / np.sqrt(min(n, MOST))
            found.append(
                {
                    "group": group,
                    "kind": name,
                    "n": n,
                    "median": float(np.median(part)),
                    "median_certainty": float(np.median(sure)),
                    "above": float((sure >= threshold).mean()),
                    "dip": hill,
                    "dip_ratio": hill / flat,
                    "bimodal": looks_bimodal(hill, n),
                    "called": str(calls.index[0]),
                    "called_share": float(calls.iloc[0] / n),
                }
            )
    return pd.DataFrame(found, columns=None if found else ["group", "kind", "n"])


def taken_for(table: pd.DataFrame, score: str, group: str = NEW) -> pd.DataFrame:
    """Who is taken for what: kind, predicted, n, share of the kind, median of the score."""
    rows = groups(table) == group
    part = pd.DataFrame(
        {
            "kind": kinds(table)[rows],
            "predicted": table["predicted"].to_numpy(dtype=object)[rows],
            "score": table[score].to_numpy(dtype=np.float64)[rows],
        }
    )
    found = part.groupby(["kind", "predicted"])["score"].agg(["size", "median"]).reset_index()
    found.columns = ["kind", "predicted", "n", "median"]
    found["share"] = found["n"] / found.groupby("kind")["n"].transform("sum")
    return found


def shares(table: pd.DataFrame, bins: Bins) -> pd.DataFrame:
    """Share of each group's images in each bin of a score: group, bin, n, share.

    Every kind of a group counts alike, whatever its number of images; n counts images.
    """
    place, group_of, kind = bins.of(table), groups(table), kinds(table)
    rows = (place >= 0) & (group_of != "")
    part = pd.DataFrame({"group": group_of[rows], "kind": kind[rows], "bin": place[rows]})
    sizes = part.groupby(["group", "kind"])["bin"].transform("size")
    counts = part.groupby("group")["kind"].transform("nunique")
    part["share"] = 1 / (sizes * counts)
    found = part.groupby(["group", "bin"]).agg(n=("kind", "size"), share=("share", "sum"))
    return found.reset_index()


def kind_shares(table: pd.DataFrame, bins: Bins) -> pd.DataFrame:
    """Share of each kind's images in each bin: group, kind, bin, n, share."""
    place, group_of = bins.of(table), groups(table)
    rows = (place >= 0) & (group_of != "")
    part = pd.DataFrame({"group": group_of[rows], "kind": kinds(table)[rows], "bin": place[rows]})
    found = part.groupby(["group", "kind", "bin"]).size().rename("n").reset_index()
    found["share"] = found["n"] / found.groupby(["group", "kind"])["n"].transform("sum")
    return found


def folded_back(table: pd.DataFrame) -> dict[str, float]:
    """Share of each group whose top mean softmax is below one half, where c rises again."""
    group_of = groups(table)
    low = table["top_softmax"].to_numpy(dtype=np.float64) < 0.5
    return {
        group: float(low[group_of == group].mean()) for group in GROUPS if (group_of == group).any()
    }
