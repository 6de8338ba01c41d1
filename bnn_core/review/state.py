"""What the review log says now: the fold over its actions, by SQL and one join with the study.

Of the actions that are not undone, the last one about an image counts. Only what holds now leaves
the database; matching it with the rows of a study is one look-up per flagged image.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.review.store import typed
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

#: Each reviewer's last standing event per image and content, within this study and elsewhere.
STANDING = f"""{TOGGLES}
    SELECT e.image_id, e.content_hash, e.reviewer, e.label, e.reason, e.decision, e.new_label,
        e.note, e.time, e.filter, a.study, a.study = :study AS own, max(e.action_id) AS action_id
    FROM events e JOIN actions a USING (action_id) LEFT JOIN toggles t ON t.target = a.action_id
    WHERE coalesce(t.kind, 'redo') = 'redo' AND (a.study = :study OR e.content_hash <> '')
    GROUP BY e.image_id, e.content_hash, own, e.reviewer"""


def standing(
    connection: sqlite3.Connection | None, study: Study, taken_off: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decisions that hold: on images of the study (index = its row), and made in it on others.

    Both with STATE_COLUMNS; the second is ordered by image_id. taken_off: also the images that were
    taken off the list last, with no decision.
    """
    rows = connection.execute(STANDING, {"study": study.name}).fetchall() if connection else []
    rows = typed(rows, "tttTTTTtdttnn")
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
            "own",
            "action_id",
        ],
        dtype=object,
    )
    table["row"] = [_row(study, image_id) for image_id in table["image_id"]]
    table["different"] = False
    table["changed"] = ""
    own = table["own"] == 1
    absent = _latest(table[(table["row"] < 0) & own], "image_id", taken_off)
    absent = absent.sort_values("image_id")
    here = table[table["row"] >= 0].copy()
    at = here["row"].to_numpy()
    content = pd.Series(cells(study, "content_hash", at), index=here.index).fillna("")
    known = (content != "") & (here["content_hash"] != "")
    here["different"] = known & (content != here["content_hash"])
    label = cells(study, "label", at)
    here["changed"] = [
        _changed(*cell)
        for cell in zip(
            here["different"],
            here["label_then"],
            label,
            here["decision"],
            here["new_label"],
            strict=True,
        )
    ]
    here = here[own[here.index] | (known & ~here["different"])]
    return _latest(here, "row", taken_off).sort_index(), absent.reset_index(drop=True)


def since(
    connection: sqlite3.Connection | None, study: Study, rows: Iterable[int], action_id: int
) -> list[int]:
    """Numbers above `action_id` of the actions with a standing decision on any of the `rows`."""
    if connection is None:
        return []
    rows = list(rows)
    content = dict(
        zip(cells(study, "image_id", rows), cells(study, "content_hash", rows), strict=True)
    )
    return sorted(
        {
            number
            for image_id, content_hash, *_, own, number in connection.execute(
                STANDING, {"study": study.name}
            )
            if number > action_id
            and image_id in content
            and (own or content_hash == content[image_id])
        }
    )


def history(
    connection: sqlite3.Connection | None, study: Study, image_id: str | None
) -> pd.DataFrame:
    """HISTORY_COLUMNS of the study's actions, or of those about one image, newest first."""
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
    table = pd.DataFrame(typed(rows, "ntNttdnTTTTTn"), columns=HISTORY_COLUMNS)
    return table.astype({"undone": bool, "target": "Int64"})


def _latest(table: pd.DataFrame, key: str, taken_off: bool) -> pd.DataFrame:
    """The deciding line per image: on this very picture before an earlier one, then the last."""
    table = table.sort_values(["different", "action_id"], ascending=[False, True], kind="stable")
    # Each reviewer's own last word, to see who differs.
    words = table.drop_duplicates([key, "reviewer"], keep="last")
    words = words[words["decision"].notna()]
    views = words["decision"] + "\t" + words["new_label"].fillna("")
    disputed = views.groupby(words[key]).nunique() > 1
    last = table.drop_duplicates(key, keep="last").set_index(key, drop=key == "row")
    last["disputed"] = last.index.isin(disputed.index[disputed])
    last.index.name = None
    return last.loc[last["decision"].notna() | taken_off, STATE_COLUMNS]


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
    """Text cells of some rows of the images; None where empty or where the column is missing."""
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
