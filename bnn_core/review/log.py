"""The review log: reviewers' decisions about images, never overwritten.

An *action* is one press of a button by one reviewer: a flag, a withdrawal, an import, an undo or a
redo. A flag on hundreds of images is one action with hundreds of *events*, written in one
transaction. The current decision about an image is that of its last action that is not undone. Undo
reverses the reviewer's last action in this study; redo restores what was undone last, until the
reviewer does something new in the study.

An event names an image by `image_id` and the hash of its content. It counts in

- every study with the same id and the same content (for example another model on the same images),
- the study in which it was made, also after that study was made again. If content or label differ
  by then, `changed` says so. A decision on the same content comes before one on earlier content of
  the same id.

Without a hash (a table of predictions without images) a decision counts only in its study.
"""

import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.review import state, store
from bnn_core.review.state import cells
from bnn_core.study.folder import Study

REASONS = (
    "label suspect",
    "corrupted",
    "out of distribution",
    "wrong compound",
    "inactive dose",
    "other",
)
DECISIONS = ("keep", "relabel", "exclude", "unsure")
LONGEST_NOTE = 4000
LONGEST_REVIEWER = 100


@dataclass(frozen=True)
class Event:
    """One decision about one image.

    content_hash: "" where the content is unknown. label: the label at the time of the decision.
    reason, decision: None in a withdrawal. time: UTC, ISO 8601. filter: the filter at that time.
    """

    image_id: str
    content_hash: str
    label: str | None
    reason: str | None
    decision: str | None
    new_label: str | None
    note: str
    filter: str
    reviewer: str
    time: str


@dataclass(frozen=True)
class Action:
    """A flag, withdrawal or import in the log. images: their number. text: the action in words."""

    action_id: int
    kind: str
    reviewer: str
    time: str
    images: int
    text: str


class ReviewLog:
    """The reviews of all studies under one cache root, in `<root>/reviews.sqlite`.

    It keeps no connection, so threads can share it and several processes can write at once. The
    first action creates the file. Every method raises InputError when the file is damaged, from a
    newer version or not writable.
    """

    def __init__(self, root: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self.path = Path(root) / "reviews.sqlite"
        self._clock = clock

    def flag(
        self,
        study: Study,
        rows: Iterable[int],
        *,
        reviewer: str,
        reason: str,
        decision: str,
        new_label: str | None = None,
        note: str = "",
        filter: str = "",
    ) -> Action:
        """Flag the images at `rows` of the study, all in one action.

        reason: one of REASONS. decision: one of DECISIONS; "relabel" needs `new_label`, one of the
        study's classes. filter: the current filter as text, for the record.
        """
        problem = decision_problem(reason, decision, new_label, note, study.classes)
        if problem:
            raise InputError(problem)
        return self._decide(
            study, rows, "flag", reviewer, reason, decision, new_label, line_feeds(note), filter
        )

    def withdraw(
        self, study: Study, rows: Iterable[int], *, reviewer: str, filter: str = ""
    ) -> Action:
        """Remove images from the list, whoever flagged them; one action, like `flag`."""
        return self._decide(study, rows, "withdraw", reviewer, None, None, None, "", filter)

    def record(self, study: Study, events: Iterable[Event], *, reviewer: str) -> Action:
        """Append finished events (an import) as one action of `reviewer`."""
        return self._append(study, "import", clean_reviewer(reviewer), list(events), self.now())

    def undo(self, study: Study, reviewer: str) -> Action | None:
        """Undo this reviewer's last action in this study; None when there is none.

        Returns the undone action. Decisions of others remain: for an image that two reviewers
        flagged, the other decision becomes current again.
        """
        return self._toggle(study, reviewer, "undo", state.UNDOABLE)

    def redo(self, study: Study, reviewer: str) -> Action | None:
        """Redo the action that this reviewer undid last in this study; None when there is none.

        After a new action of the reviewer in the study there is nothing to redo.
        """
        return self._toggle(study, reviewer, "redo", state.REDOABLE)

    def undoable(self, study: Study, reviewer: str) -> Action | None:
        """The action that `undo` would reverse, for the button's text."""
        return self._next(study, reviewer, state.UNDOABLE)

    def redoable(self, study: Study, reviewer: str) -> Action | None:
        """The action that `redo` would restore, for the button's text."""
        return self._next(study, reviewer, state.REDOABLE)

    def last_action(self) -> int:
        """Number of the last action, 0 when there is none: a key for caches of the log."""
        with store.reading(self.path) as connection:
            if connection is None:
                return 0
            query = "SELECT coalesce(max(action_id), 0) FROM actions"
            return connection.execute(query).fetchone()[0]

    def decided_since(self, study: Study, rows: Iterable[int], action_id: int) -> list[Action]:
        """Standing actions after `action_id` that decided any of the images at `rows`, by number.

        Of each reviewer only the last decision about an image counts.
        """
        with store.reading(self.path) as connection:
            numbers = state.since(connection, study, rows, action_id)
            return [_action(connection, number) for number in numbers]

    def state(self, study: Study, reviewer: str | None = None) -> pd.DataFrame:
        """Current decisions: one row per flagged image of the study, index = row of the study.

        Columns `state.STATE_COLUMNS`. changed: "" or what differs from the time of the decision:
        "image", "label", "image and label"; "relabelled as decided" or "excluded as decided" in a
        study made with these decisions. disputed: the latest decision of another reviewer differs.
        reviewer: whose decisions alone count; None: everybody's.
        """
        with store.reading(self.path) as connection:
            return state.current(connection, study, reviewer=reviewer)[0]

    def opinions(self, study: Study) -> pd.DataFrame:
        """The current decision of each reviewer about each image: row, reviewer, decision,
        new_label."""
        with store.reading(self.path) as connection:
            return state.opinions(connection, study)

    def absent(self, study: Study) -> pd.DataFrame:
        """Current decisions made in this study on images that are no longer in it, by image_id.

        An exported list keeps them.
        """
        with store.reading(self.path) as connection:
            return state.current(connection, study)[1]

    def history(self, study: Study, image_id: str | None = None) -> pd.DataFrame:
        """The log of this study, newest first; with `image_id`, the actions about that image.

        Columns `state.HISTORY_COLUMNS`. images: their number. decided_by differs from reviewer in
        an import. "several" where the events differ. For one image, decisions from other studies
        with the same content are included.
        """
        with store.reading(self.path) as connection:
            return state.history(connection, study, image_id)

    def check(self) -> list[str]:
        """Problems of the file, one line each; empty when there are none."""
        return store.check(self.path)

    def now(self) -> str:
        """The current time as written into the log: UTC to the millisecond."""
        return iso_time(self._clock())

    def _decide(
        self,
        study: Study,
        rows: Iterable[int],
        kind: str,
        reviewer: str,
        reason: str | None,
        decision: str | None,
        new_label: str | None,
        note: str,
        filter: str,
    ) -> Action:
        reviewer = clean_reviewer(reviewer)
        rows = np.unique(np.fromiter(rows, dtype=np.int64))
        if not len(rows):
            raise InputError("no image is selected; select at least one, then flag")
        if rows[0] < 0 or rows[-1] >= len(study.images):
            raise InputError(
                f"row {rows[0] if rows[0] < 0 else rows[-1]} is outside study {study.name}, which "
                f"has {len(study.images):,} images"
            )
        filter = _UNWRITABLE.sub("", line_feeds(filter))
        now = self.now()
        events = [
            Event(
                image_id,
                content or "",
                label,
                reason,
                decision,
                new_label,
                note,
                filter,
                reviewer,
                now,
            )
            for image_id, content, label in zip(
                *(cells(study, name, rows) for name in ("image_id", "content_hash", "label")),
                strict=True,
            )
        ]
        return self._append(study, kind, reviewer, events, now)

    def _append(
        self, study: Study, kind: str, reviewer: str, events: list[Event], now: str
    ) -> Action:
        with store.writing(self.path) as connection:
            number = connection.execute(
                "INSERT INTO actions (kind, study, fingerprint, reviewer, time) VALUES (?,?,?,?,?)",
                (kind, study.name, study.fingerprint, reviewer, now),
            ).lastrowid
            connection.executemany(
                "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (
                    (
                        number,
                        e.image_id,
                        e.content_hash,
                        e.label,
                        e.reason,
                        e.decision,
                        e.new_label,
                        e.note,
                        e.filter,
                        e.reviewer,
                        e.time,
                    )
                    for e in events
                ),
            )
            return _action(connection, number)

    def _toggle(self, study: Study, reviewer: str, kind: str, query: str) -> Action | None:
        reviewer = clean_reviewer(reviewer)
        who = {"study": study.name, "reviewer": reviewer}
        if self._next(study, reviewer, query) is None:
            return None
        with store.writing(self.path) as connection:
            # Read again inside the transaction: another process may have been faster.
            target = connection.execute(query, who).fetchone()
            if target is None:
                return None
            connection.execute(
                "INSERT INTO actions (kind, target, study, fingerprint, reviewer, time) VALUES "
                "(?,?,?,?,?,?)",
                (kind, target[0], study.name, study.fingerprint, reviewer, self.now()),
            )
            return _action(connection, target[0])

    def _next(self, study: Study, reviewer: str, query: str) -> Action | None:
        who = {"study": study.name, "reviewer": clean_reviewer(reviewer)}
        with store.reading(self.path) as connection:
            if connection is None:
                return None
            target = connection.execute(query, who).fetchone()
            return _action(connection, target[0]) if target else None


def decision_problem(
    reason: str | None, decision: str | None, new_label: str | None, note: str, classes: list[str]
) -> str | None:
    """The problem of a decision as one line, or None."""
    if reason not in REASONS:
        return f"reason '{reason or ''}' is not one of {', '.join(REASONS)}"
    if decision not in DECISIONS:
        return f"decision '{decision or ''}' is not one of {', '.join(DECISIONS)}"
    if decision == "relabel" and new_label not in classes:
        problem = (
            f"new label '{new_label}' is not one of the classes"
            if new_label
            else "relabel needs a new label, one of"
        )
        return f"{problem} {', '.join(classes)}"
    if decision != "relabel" and new_label:
        return f"a new label ('{new_label}') needs the decision relabel, not '{decision}'"
    if len(note) > LONGEST_NOTE:
        return f"the note has {len(note):,} characters; at most {LONGEST_NOTE:,} are allowed"
    if _UNWRITABLE.search(note):
        return "the note has a character that no text file can store (NUL or half a character)"
    return None


def line_feeds(text: str) -> str:
    """A text with "\\n" as line ends, which every spreadsheet keeps."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def clean_reviewer(name: str) -> str:
    """A reviewer's name without outer and double spaces (Unicode NFC). InputError when empty."""
    name = " ".join(unicodedata.normalize("NFC", name or "").split())
    if not name or len(name) > LONGEST_REVIEWER or _UNWRITABLE.search(name):
        given = f"reviewer '{name[:20]}' is not usable" if name else "the reviewer has no name"
        raise InputError(f"{given}; give a name of 1 to {LONGEST_REVIEWER} characters")
    return name


def iso_time(time: datetime) -> str:
    """A time as in the log: 2024-05-31T12:00:00.123Z. The time must have a zone."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def _action(connection: sqlite3.Connection, number: int) -> Action:
    kind, reviewer, time, count, decision, reason, new_label = connection.execute(
        """
        SELECT a.kind, a.reviewer, a.time, count(e.image_id), min(e.decision), min(e.reason),
            min(e.new_label)
        FROM actions a LEFT JOIN events e USING (action_id) WHERE a.action_id = ?""",
        (number,),
    ).fetchone()
    text = f"{count:,} image" + ("" if count == 1 else "s")
    if kind == "withdraw":
        text += " removed from the list"
    elif kind == "import":
        text += " imported"
    else:
        text += f": {decision}" + (f" to {new_label}" if new_label else "") + f" ({reason})"
    return Action(number, kind, reviewer, time, count, text)
