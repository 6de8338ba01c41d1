"""Decisions on compounds, treatments and wells, read from the decisions on their images.

A decision on a group is a flag on all its images, so the log, undo, import and export need nothing
more. A group is decided when each of its scored images has a decision.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count, listed
from bnn_core.measures.levels import LEVEL_COLUMNS, scored_rows
from bnn_core.review.log import DECISIONS, ReviewLog
from bnn_core.study.folder import Study
from bnn_core.suspects.ranking import rank
from bnn_core.suspects.second_opinion import read_opinion

#: Columns of a group's decision, each empty where its images differ or have none.
SHARED = ("decision", "new_label", "reason", "note")
#: Columns of the ranking that go into an export, before and after the decision.
_NAMES, _SCORES = (
    ("compound", "concentration", "plate", "well", "label"),
    (
        "rank",
        "suspected",
        "score",
        "low",
        "high",
        "p_label",
        "expected_label",
        "p_suspected",
        "expected_suspected",
        "mean_signed_confidence",
        "n_images",
        "n_wrong",
        "n_suspected",
    ),
)


def group_decisions(
    ranked: pd.DataFrame, table: pd.DataFrame, state: pd.DataFrame, level: str
) -> pd.DataFrame:
    """The decision on each row of a ranking; same length and order, RangeIndex.

    ranked: `ranking.rank` at this level. table: images joined with a summary, RangeIndex. state:
    `ReviewLog.state`.

    Returns n_scored, the group's scored images; n_flagged, those with a decision; n_keep,
    n_relabel, n_exclude and n_unsure; decision, new_label, reason and note, shared by all flagged
    images, else None; reviewers, their names in the order of their latest decision, else None;
    time, the latest (ISO 8601); disputed, whether reviewers disagree on an image; decided, whether
    every scored image has a decision.
    """
    keys = [*LEVEL_COLUMNS[level], "label"]
    scored = table.loc[scored_rows(table), keys]
    sizes = scored.groupby(keys).size().rename("n_scored")
    flagged = scored.join(state[[*SHARED, "reviewer", "time", "disputed"]], how="inner")
    groups = flagged.sort_values("time", kind="stable").groupby(keys)
    parts = [groups.size().rename("n_flagged")]
    for decision in DECISIONS:
        chosen = flagged["decision"].eq(decision).groupby([flagged[k] for k in keys]).sum()
        parts.append(chosen.rename(f"n_{decision}"))
    parts += [groups[name].agg(_shared).rename(name) for name in SHARED]
    parts.append(groups["reviewer"].agg(_names).rename("reviewers"))
    parts += [groups["time"].max(), groups["disputed"].any()]
    out = ranked[keys].join(sizes, on=keys).join(pd.concat(parts, axis=1), on=keys)
    out = out.drop(columns=keys).reset_index(drop=True)
    counts = [name for name in out if name.startswith("n_")]
    out[counts] = out[counts].fillna(0).astype(int)
    texts = [*SHARED, "reviewers", "time"]
    out[texts] = out[texts].astype(object).where(out[texts].notna(), None)
    out["disputed"] = out["disputed"].eq(True)
    return out.assign(decided=(out["n_flagged"] == out["n_scored"]) & (out["n_scored"] > 0))


def decision_text(row: Mapping[str, Any]) -> str:
    """A row of `group_decisions` in words: "9 of 9 flagged: exclude (inactive dose), Ada"."""
    if not row["n_flagged"]:
        return "not decided"
    if row["decision"]:
        decision = row["decision"]
        decision += f" to {row['new_label']}" if row["new_label"] else ""
        decision += f" ({row['reason']})" if row["reason"] else ""
    else:
        decision = ", ".join(f"{row[f'n_{d}']:,} {d}" for d in DECISIONS if row[f"n_{d}"])
    text = f"{row['n_flagged']:,} of {row['n_scored']:,} flagged: {decision}, {row['reviewers']}"
    return text + (". Reviewers disagree; the latest decision counts" if row["disputed"] else "")


def decision_cell(row: Mapping[str, Any]) -> str:
    """A row of `group_decisions` in a few letters: "exclude", "→ Y", "keep 3 of 9", "mixed", where
    reviewers disagree "disputed", or ""."""
    if not row["n_flagged"]:
        return ""
    if row["disputed"]:
        return "disputed"
    if not row["decision"]:
        return "mixed"
    text = f"→ {row['new_label']}" if row["new_label"] else row["decision"]
    if row["n_flagged"] < row["n_scored"]:
        text += f" {row['n_flagged']:,} of {row['n_scored']:,}"
    return text


def progress_text(decisions: pd.DataFrame, level: str) -> str:
    """ "4 of 38 compounds decided", and how many of them are unsure."""
    decided = decisions[decisions["decided"]]
    unsure = int((decided["n_unsure"] > 0).sum())
    text = f"{len(decided):,} of {count(len(decisions), level)} decided"
    return text + (f" ({unsure:,} unsure)" if unsure else "")


def next_undecided(decisions: pd.DataFrame, at: int) -> int | None:
    """Position of the first undecided row after `at`, from the start again; None if all are."""
    rows = np.flatnonzero(~decisions["decided"].to_numpy(dtype=bool))
    rows = rows[rows != at]
    return None if not len(rows) else int(rows[np.argmax(rows > at)])


def decision_list(
    ranked: pd.DataFrame, table: pd.DataFrame, state: pd.DataFrame, level: str = "compound"
) -> pd.DataFrame:
    """One row per group for a meeting: its name, the decision, the score; the ranking's order.

    Arguments as for `group_decisions`.
    """
    decisions = group_decisions(ranked, table, state, level)
    decisions["decided"] = np.where(decisions["decided"], "yes", "no")
    decisions["disputed"] = np.where(decisions["disputed"], "yes", "no")
    names = ranked[[name for name in _NAMES if name in ranked]].reset_index(drop=True)
    if level == "compound":
        names = names.drop(columns=["concentration", "plate", "well"], errors="ignore")
    scores = ranked[[name for name in _SCORES if name in ranked]].reset_index(drop=True)
    first = ["decided", *SHARED, "reviewers", "time", "disputed"]
    rest = [name for name in decisions if name not in first]
    return pd.concat([names, decisions[first], decisions[rest], scores], axis=1)


def study_decision_list(study: Study, log: ReviewLog, level: str = "compound") -> pd.DataFrame:
    """`decision_list` of a whole study by its reading method and its second opinion, if any.

    Raises InputError where the study has no such groups to rank.
    """
    table, second = study.table(study.reading_method), read_opinion(study.path)
    ranked = rank(table, study.classes, level, second=None if second is None else second[0])
    if ranked.empty:
        raise InputError(
            f"study {study.name} has no {level}s to rank; at least 2 labelled compounds are needed"
        )
    return decision_list(ranked, table, log.state(study), level)


def _shared(values: pd.Series) -> object:
    """The one value of a column, None where there are several."""
    distinct = values.where(values.notna(), None).drop_duplicates()
    return distinct.iat[0] if len(distinct) == 1 else None


def _names(values: pd.Series) -> str:
    return listed(list(dict.fromkeys(values)), most=len(values))
