"""Importing an exported (and perhaps edited) review list into the log."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.spreadsheets import restore
from bnn_core.base.timing import parsed_time
from bnn_core.base.wording import listed
from bnn_core.review import state, store
from bnn_core.review.exporting import NOT_IN_STUDY
from bnn_core.review.log import (
    DECISIONS,
    REASONS,
    Event,
    ReviewLog,
    clean_reviewer,
    decision_problem,
    iso_time,
    line_feeds,
)
from bnn_core.study.folder import Study
from bnn_core.tables.reading import read_table
from bnn_core.tables.values import spelt_as


@dataclass(frozen=True)
class Replacing:
    """An edited row that would replace a decision newer than the row.

    event: the decision in the row. reviewer, time, decision, new_label: the current decision;
    decision None: the image was removed from the list.
    """

    event: Event
    reviewer: str
    time: str
    decision: str | None
    new_label: str | None


@dataclass(frozen=True)
class FlagImport:
    """The changes in a file: give `events` to `ReviewLog.record`.

    replacing: rows that would override a newer decision; they are not in `events`. known: number of
    rows equal to the current decision. older: number of unedited rows that are older than the
    current decision and are skipped. problems: one line per unusable row, with its number.
    """

    events: list[Event]
    replacing: list[Replacing]
    known: int
    older: int
    problems: list[str]


def import_flags(file: Path, study: Study, log: ReviewLog, reviewer: str) -> FlagImport:
    """Read a review list for this study; nothing is written.

    The file needs the columns image_id, reason and decision; new_label, note, reviewer, time,
    content_hash, label_when_decided and flagged_from are used if present. Rows without reason and
    decision (an exported selection) are skipped. A row without reviewer or time, or one that differs
    from the log for the same image, reviewer and time (edited in a spreadsheet), counts as decided
    now by `reviewer`, the person who imports, unless it equals the current decision. Raises
    InputError when the file is unreadable or lacks a column; problems of single rows are in
    `problems`.
    """
    file = Path(file)
    reviewer, now = clean_reviewer(reviewer), log.now()
    latest = iso_time(datetime.fromisoformat(now) + timedelta(days=1))  # clocks differ
    rows = read_review_table(file, ("image_id", "reason", "decision"))
    logged, current = _logged(log), _current(study, log)
    events, replacing, problems, seen = [], [], [], {}
    known = older = 0
    for number, row in rows.items():
        if not row.get("reason") and not row.get("decision"):
            continue
        event = _event(row, study, reviewer)
        if isinstance(event, Event) and event.image_id in seen:
            event = f"image '{event.image_id}' is already in row {seen[event.image_id]}"
        elif isinstance(event, Event) and event.time > latest:  # no decision could replace it
            event = f"time '{event.time}' is in the future"
        if isinstance(event, str):
            problems.append(f"{file} row {number}: {event}")
            continue
        seen[event.image_id] = number
        decided = (event.reason, event.decision, event.new_label, event.note)
        now_valid = current.get(event.image_id)
        before = logged.get((event.image_id, event.reviewer, event.time))
        edited = not row.get("reviewer") or not row.get("time") or before not in (None, decided)
        newer = bool(now_valid) and event.time < now_valid[1]
        same = now_valid and decided == now_valid[2:]
        if same and (edited or now_valid[:2] == (event.reviewer, event.time)):
            known += 1
            continue
        if newer and not edited:
            older += 1
            continue
        if edited:
            event = replace(event, reviewer=reviewer, time=now)
        if newer:
            replacing.append(Replacing(event, *now_valid[:2], *now_valid[3:5]))
        else:
            events.append(event)
    return FlagImport(events, replacing, known, older, problems)


def read_review_table(file: Path, needed: tuple[str, ...]) -> dict[int, dict[str, str]]:
    """Rows of an exported table (CSV or Parquet) by number as a spreadsheet counts them.

    needed: columns that must be there. All cells are text, empty ones "", formulas restored in text
    files. InputError when a column is missing or the file is not a table.
    """
    table = read_table(file)
    missing = [name for name in needed if name not in table]
    if missing:
        raise InputError(
            f"{file} has no column {listed(missing)}, which a flagged list has ('bnn export' writes "
            f"one); it has {', '.join(table.columns)}"
        )
    table = table.astype(object).where(table.notna(), "").map(str)
    rows = table.to_dict("index")
    if file.suffix.lower() in (".parquet", ".pq"):
        return rows
    return {
        number: {name: restore(cell) for name, cell in row.items()} for number, row in rows.items()
    }


def _event(row: Mapping[str, str], study: Study, reviewer: str) -> Event | str:
    """A row as an event, or its problem as one line. `time` is "" where the row has none."""
    note = line_feeds(row.get("note", ""))
    row = {
        **row,
        "reason": spelt_as(row["reason"], REASONS),
        "decision": spelt_as(row["decision"], DECISIONS),
    }
    new_label = spelt_as(row.get("new_label", ""), study.classes) or None
    problem = decision_problem(row["reason"], row["decision"], new_label, note, study.classes)
    if problem:
        return problem
    content = row.get("content_hash", "").removeprefix("#")
    label = row.get("label_when_decided") or None
    try:
        at = study.row_of(row["image_id"])
    except InputError as error:
        # A decision made in this study on an image that is no longer in it.
        if row.get("changed") != NOT_IN_STUDY or row.get("study") != study.name:
            return str(error)
    else:
        images = study.images
        if "content_hash" not in row and "content_hash" in images:
            content = images["content_hash"].iat[at]
        if "label_when_decided" not in row:
            label = images["label"].iat[at]
    try:
        by = clean_reviewer(row.get("reviewer") or reviewer)
        time = _time(row["time"]) if row.get("time") else ""
    except InputError as error:
        return str(error)
    return Event(
        row["image_id"],
        "" if pd.isna(content) else content,
        None if pd.isna(label) else label,
        row["reason"],
        row["decision"],
        new_label,
        note,
        line_feeds(row.get("flagged_from", "")),
        by,
        time,
    )


def _time(cell: str) -> str:
    time = parsed_time(cell)
    if time is None or time.tzinfo is None:
        raise InputError(f"time '{cell}' is not a UTC time like 2024-05-31T12:00:00.000Z")
    return iso_time(time)


def _logged(log: ReviewLog) -> dict[tuple[str, str, str], tuple]:
    """All decisions in the log: (image, reviewer, time) -> decision."""
    with store.reading(log.path) as connection:
        rows = (
            []
            if connection is None
            else connection.execute(
                "SELECT image_id, reviewer, time, reason, decision, new_label, note FROM events"
            ).fetchall()
        )
        return {row[:3]: row[3:] for row in store.checked_rows(rows, "ttdTTTt")}


def _current(study: Study, log: ReviewLog) -> dict[str, tuple]:
    """Current decisions: image -> (reviewer, time, decision; None: removed from the list)."""
    with store.reading(log.path) as connection:
        current = pd.concat(state.current(connection, study, removed=True)).astype(object)
    current = current.where(current.notna(), None)
    columns = ["reviewer", "time", "reason", "decision", "new_label", "note"]
    return {
        image_id: tuple(row)
        for image_id, row in zip(
            current["image_id"], current[columns].itertuples(index=False), strict=True
        )
    }
