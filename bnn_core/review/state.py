"""The current decisions of the review log, by SQL and one join with the study.

The last action about an image that is not undone counts. Only current decisions leave the database;
matching them with the rows of a study is one look-up per flagged image.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.review.store import checked_rows
from bnn_core.study.folder import Study

STATE_COLUMNS = [
    "image_id",
    "reason",
    "decision",
    "new_label",
    "note",
    "reviewer",
    "time",
    "filter",
    "changed",
    "disputed",
    "label_then",
    "content_hash",
    "study",
    "action_id",
]
HISTORY_COLUMNS = [
    "action_id",
    "kind",
    "target",
    "study",
    "reviewer",
    "time",
    "images",
    "reason",
    "decision",
    "new_label",
    "note",
    "decided_by",
    "undone",
]

#: Per action its last undo or redo (SQLite takes `kind` from the row with the maximum).
TOGGLES = """WITH toggles AS (
    SELECT target, kind, max(action_id) AS action_id FROM actions
    WHERE target IS NOT NULL GROUP BY target)"""

UNDOABLE = f"""{TOGGLES}
    SELECT a.action_id FROM actions a LEFT JOIN toggles t ON t.target = a.action_id
    WHERE a.target IS NULL AND a.study = :study AND a.reviewer = :reviewer
        AND coalesce(t.kind, 'redo') = 'redo'
    ORDER BY a.action_id DESC LIMIT 1"""

REDOABLE = f"""{TOGGLES}
    SELECT a.action_id FROM toggles t JOIN actions a ON a.action_id = t.target
    WHERE t.kind = 'undo' AND a.study = :study AND a.reviewer = :reviewer AND t.action_id > (
        SELECT max(action_id) FROM actions
        WHERE target IS NULL AND study = :study AND reviewer = :reviewer)
    ORDER BY t.action_id DESC LIMIT 1"""

#: Each reviewer's last event that is not undone, per image and content, in this study and elsewhere.
CURRENT = f"""{TOGGLES}
    SELECT e.image_id, e.content_hash, e.reviewer, e.label, e.reason, e.decision, e.new_label,
        e.note, e.time, e.filter, a.study, a.study = :study AS here, max(e.action_id) AS action_id
    FROM events e JOIN actions a USING (action_id) LEFT JOIN toggles t ON t.target = a.action_id
    WHERE coalesce(t.kind, 'redo') = 'redo' AND (a.study = :study OR e.content_hash <> '')
    GROUP BY e.image_id, e.content_hash, here, e.reviewer"""


def current(
    connection: sqlite3.Connection | None,
    study: Study,
    removed: bool = False,
    reviewer: str | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Current decisions on images of the study (index = its row), and those on absent images.

    Both have STATE_COLUMNS. Absent images were in the study when it was decided on them; they are
    ordered by image_id. removed: also images that were removed from the list, without a decision.
    reviewer: whose decisions alone count; None: everybody's.
    """
    present, absent = _decisions(connection, study)
    if reviewer is not None:
        present, absent = (part[part["reviewer"] == reviewer] for part in (present, absent))
    absent = _latest(absent, "image_id", removed).sort_values("image_id")
    return _latest(present, "row", removed).sort_index(), absent.reset_index(drop=True)


def opinions(connection: sqlite3.Connection | None, study: Study) -> pd.DataFrame:
    """The current decision of each reviewer about each image of the study: row, reviewer, decision,
    new_label. Removals from the list are left out."""
    each = _each_reviewer(_decisions(connection, study)[0], "row")
    return each[["row", "reviewer", "decision", "new_label"]].reset_index(drop=True)


def _decisions(
    connection: sqlite3.Connection | None, study: Study
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each reviewer's last events on images of the study (column `row`), and on absent images."""
    rows = connection.execute(CURRENT, {"study": study.name}).fetchall() if connection else []
    rows = checked_rows(rows, "tttTTTTtdttnn")
    table = pd.DataFrame(
        rows,
        columns=[
            "image_id",
            "content_hash",
            "reviewer",
            "label_then",
            "reason",
            "decision",
            "new_label",
            "note",
            "time",
            "filter",
            "study",
            "here",
            "action_id",
        ],
        dtype=object,
    )
    table["row"] = [_row(study, image_id) for image_id in table["image_id"]]
    table["different"] = False
    table["changed"] = ""
    made_here = table["here"] == 1
    absent = table[(table["row"] < 0) & made_here]
    present = table[table["row"] >= 0].copy()
    at = present["row"].to_numpy()
    content = pd.Series(cells(study, "content_hash", at), index=present.index).fillna("")
    known = (content != "") & (present["content_hash"] != "")
    present["different"] = known & (content != present["content_hash"])
    label = cells(study, "label", at)
    present["changed"] = [
        _changed(*cell)
        for cell in zip(
            present["different"],
            present["label_then"],
            label,
            present["decision"],
            present["new_label"],
            strict=True,
        )
    ]
    return present[made_here[present.index] | (known & ~present["different"])], absent


def since(
    connection: sqlite3.Connection | None, study: Study, rows: Iterable[int], action_id: int
) -> list[int]:
    """Numbers above `action_id` of the actions with a current decision on any of the `rows`."""
    if connection is None:
        return []
    rows = list(rows)
    content = dict(
        zip(cells(study, "image_id", rows), cells(study, "content_hash", rows), strict=True)
    )
    return sorted(
        {
            number
            for image_id, content_hash, *_, here, number in connection.execute(
                CURRENT, {"study": study.name}
            )
            if number > action_id
            and image_id in content
            and (here or content_hash == content[image_id])
        }
    )


def history(
    connection: sqlite3.Connection | None, study: Study, image_id: str | None
) -> pd.DataFrame:
    """The study's actions, or those about one image, newest first; HISTORY_COLUMNS."""
    if connection is None:
        return pd.DataFrame(columns=HISTORY_COLUMNS)
    if image_id is None:
        where, picked, values = "WHERE a.study = :study", "", {"study": study.name}
    else:
        content = cells(study, "content_hash", [study.row_of(image_id)])[0] or ""
        values = {"study": study.name, "image_id": image_id, "hash": content}
        picked = "AND e.image_id = :image_id"
        where = """WHERE coalesce(a.target, a.action_id) IN (
            SELECT e.action_id FROM events e JOIN actions b USING (action_id)
            WHERE e.image_id = :image_id
                AND (b.study = :study OR (:hash <> '' AND e.content_hash = :hash)))"""
    same = ", ".join(
        f"CASE WHEN min(e.{name}) IS max(e.{name}) THEN min(e.{name}) ELSE 'several' END"
        for name in ("reason", "decision", "new_label", "note", "reviewer")
    )
    rows = connection.execute(
        f"""
        {TOGGLES}
        SELECT a.action_id, a.kind, a.target, a.study, a.reviewer, a.time, count(e.image_id),
            {same}, coalesce(t.kind = 'undo', 0)
        FROM actions a
        LEFT JOIN toggles t ON t.target = a.action_id
        LEFT JOIN events e ON e.action_id = coalesce(a.target, a.action_id) {picked}
        {where}
        GROUP BY a.action_id ORDER BY a.action_id DESC""",
        values,
    ).fetchall()
    table = pd.DataFrame(checked_rows(rows, "ntNttdnTTTTTn"), columns=HISTORY_COLUMNS)
    return table.astype({"undone": bool, "target": "Int64"})


def _latest(table: pd.DataFrame, key: str, removed: bool) -> pd.DataFrame:
    """The decision that counts per image: on the same content first, then the latest."""
    each = _each_reviewer(table, key)
    decisions = each["decision"] + "\t" + each["new_label"].fillna("")
    disputed = decisions.groupby(each[key]).nunique() > 1
    table = _in_order(table)
    last = table.drop_duplicates(key, keep="last").set_index(key, drop=key == "row")
    last["disputed"] = last.index.isin(disputed.index[disputed])
    last.index.name = None
    return last.loc[last["decision"].notna() | removed, STATE_COLUMNS]


def _each_reviewer(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """The latest decision of each reviewer per image; removals from the list are left out."""
    each = _in_order(table).drop_duplicates([key, "reviewer"], keep="last")
    return each[each["decision"].notna()]


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """The decision that counts last: on the same content, then by time."""
    return table.sort_values(["different", "action_id"], ascending=[False, True], kind="stable")


def _changed(
    different: bool, then: str | None, now: str | None, decision: str | None, new_label: str | None
) -> str:
    if then != now and not different:
        if decision == "relabel" and now == new_label:
            return "relabelled as decided"
        if decision == "exclude" and now is None:
            return "excluded as decided"
    parts = (["image"] if different else []) + (["label"] if then != now else [])
    return " and ".join(parts)


def cells(study: Study, name: str, rows: Sequence[int] | np.ndarray) -> list[str | None]:
    """Cells of one column at `rows` of the images as text; None for empty and missing ones."""
    if name not in study.images:
        return [None] * len(rows)
    column = study.images[name].iloc[rows].to_numpy(dtype=object)
    return [
        None if missing else str(value)
        for value, missing in zip(column, pd.isna(column), strict=True)
    ]


def _row(study: Study, image_id: str) -> int:
    try:
        return study.row_of(image_id)
    except InputError:
        return -1
