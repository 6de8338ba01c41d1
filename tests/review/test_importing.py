"""An exported list comes back: unchanged, edited in a spreadsheet, or broken row by row."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnn_core.base.errors import InputError
from bnn_core.review.exporting import export_bytes
from bnn_core.review.importing import import_flags
from bnn_core.review.log import DECISIONS, REASONS, ReviewLog

RELABEL = {"reason": "label suspect", "decision": "relabel", "new_label": "Tubulin"}
EXCLUDE = {"reason": "corrupted", "decision": "exclude"}
WHAT_HOLDS = [
    "image_id",
    "reason",
    "decision",
    "new_label",
    "note",
    "reviewer",
    "time",
    "filter",
    "label_then",
    "content_hash",
]


def edited(data, change):
    """The exported rows after `change(list of dicts)`, written as a spreadsheet would."""
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    columns = list(rows[0])
    change(rows)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


@pytest.fixture
def flagged(log, make_study, tmp_path):
    study = make_study()
    log.flag(study, [0, 1], reviewer="Ada", note="='tis", filter="lasso", **EXCLUDE)
    log.flag(study, [2], reviewer="Ben", **RELABEL)
    return study, log, tmp_path / "list.csv"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_list_restores_a_lost_log(flagged, make_study, fields, tmp_path, kind):
    study, log, _ = flagged
    file = tmp_path / f"list.{kind}"
    make_study(images=fields().iloc[1:].reset_index(drop=True))  # image 0 has left since
    study = make_study(images=fields().iloc[1:].reset_index(drop=True))
    file.write_bytes(export_bytes(study, log, format=kind))
    new = ReviewLog(tmp_path / "elsewhere")
    found = import_flags(file, study, new, "Cleo")
    assert (len(found.events), found.known, found.older, found.problems) == (3, 0, 0, [])
    assert new.record(study, found.events, reviewer="Cleo").text == "3 images imported"
    for part in ("state", "absent"):
        before, after = getattr(log, part)(study), getattr(new, part)(study)
        assert before[WHAT_HOLDS].astype(object).equals(after[WHAT_HOLDS].astype(object))
    assert new.history(study)["reviewer"].tolist() == ["Cleo"]
    new.undo(study, "Cleo")
    assert new.state(study).empty


def test_importing_an_unchanged_list_changes_nothing(flagged):
    study, log, file = flagged
    file.write_bytes(export_bytes(study, log, rows=range(8)))
    found = import_flags(file, study, log, "Cleo")
    assert (found.events, found.known, found.older, found.problems) == ([], 3, 0, [])


def test_an_edited_row_is_the_importers_decision(flagged):
    study, log, file = flagged

    def edit(rows):
        rows[1]["decision"] = "keep"

    file.write_bytes(edited(export_bytes(study, log), edit))
    found = import_flags(file, study, log, "Cleo")
    assert found.known == 2 and [e.image_id for e in found.events] == ["P1/B02/2"]
    log.record(study, found.events, reviewer="Cleo")
    row = log.state(study).loc[1]
    assert (row["decision"], row["reviewer"], row["disputed"]) == ("keep", "Cleo", True)
    assert row["time"] > log.state(study).loc[0, "time"]
    assert row["note"] == "='tis"


def test_an_old_list_does_not_override_a_newer_decision(flagged):
    study, log, file = flagged
    file.write_bytes(export_bytes(study, log))
    log.flag(study, [0], reviewer="Dan", reason="other", decision="keep")
    found = import_flags(file, study, log, "Cleo")
    assert (found.events, found.known, found.older) == ([], 2, 1)


def test_an_edited_row_does_not_override_a_newer_decision_unasked(flagged):
    study, log, file = flagged

    def edit(rows):
        for row in rows:
            row.update(decision="keep", new_label="")

    file.write_bytes(edited(export_bytes(study, log), edit))
    log.flag(study, [0], reviewer="Dan", **RELABEL)
    log.withdraw(study, [1], reviewer="Eve")
    found = import_flags(file, study, log, "Cleo")
    assert [e.image_id for e in found.events] == ["P1/B03/1"]
    assert (found.known, found.older, found.problems) == (0, 0, [])
    assert [
        (r.event.image_id, r.event.decision, r.reviewer, r.decision, r.new_label)
        for r in found.replacing
    ] == [
        ("P1/B02/1", "keep", "Dan", "relabel", "Tubulin"),
        ("P1/B02/2", "keep", "Eve", None, None),
    ]
    assert found.replacing[0].time == log.state(study).loc[0, "time"]


def test_an_old_list_does_not_restore_removed_images(flagged):
    study, log, file = flagged
    file.write_bytes(export_bytes(study, log))
    log.withdraw(study, [0], reviewer="Dan")
    found = import_flags(file, study, log, "Cleo")
    assert (found.events, found.replacing, found.known, found.older) == ([], [], 2, 1)


@pytest.mark.parametrize("who", ["Cleo", "Dan"])
def test_an_edited_list_imported_twice_changes_nothing(flagged, who):
    study, log, file = flagged

    def edit(rows):
        rows[1]["decision"] = "keep"
        rows.append(dict(rows[0], image_id="P1/B05/1", reviewer="", time=""))

    file.write_bytes(edited(export_bytes(study, log), edit))
    log.record(study, import_flags(file, study, log, "Cleo").events, reviewer="Cleo")
    found = import_flags(file, study, log, who)
    assert (found.events, found.replacing, found.known) == ([], [], 4)


def test_a_row_without_time_replaces_nothing_unasked(flagged):
    study, log, file = flagged
    file.write_text("image_id,reason,decision\nP1/B02/1,other,unsure\nP1/B05/1,other,unsure\n")
    found = import_flags(file, study, log, "Cleo")
    assert [e.image_id for e in found.events] == ["P1/B05/1"]
    assert [(r.event.reviewer, r.reviewer) for r in found.replacing] == [("Cleo", "Ada")]


def test_a_list_restores_what_was_undone(flagged):
    study, log, file = flagged
    file.write_bytes(export_bytes(study, log))
    log.undo(study, "Ada")
    found = import_flags(file, study, log, "Ada")
    assert len(found.events) == 2 and found.known == 1


def test_a_list_made_by_hand(flagged):
    study, log, file = flagged
    file.write_text("image_id,reason,decision\nP1/B05/1,other,unsure\nP1/B05/2,,\n")
    found = import_flags(file, study, log, " Cleo ")
    (event,) = found.events
    assert (event.image_id, event.reviewer, event.label) == ("P1/B05/1", "Cleo", "Tubulin")
    assert event.content_hash == f"{6:016x}" and event.time


def test_names_in_other_capitals_are_those_of_the_study(flagged):
    study, log, file = flagged
    file.write_text("image_id,reason,decision,new_label\nP1/B05/1,Other,RELABEL,dmso-LIKE\n")
    (event,) = import_flags(file, study, log, "Cleo").events
    assert (event.reason, event.decision, event.new_label) == ("other", "relabel", "DMSO-like")


def test_wrong_rows_are_named_one_by_one(flagged):
    study, log, file = flagged

    def spoil(rows):
        rows.append(dict(rows[0]))
        rows[0]["decision"] = "exlude"
        rows[1]["time"] = "31.05.2024 12:00"
        rows[2]["new_label"] = "Tubulins"
        rows.append(dict(rows[3], image_id="P9/A01/1"))
        rows.append(dict(rows[3], reason="why not"))
        rows.append(dict(rows[3]))

    file.write_bytes(edited(export_bytes(study, log), spoil))
    found = import_flags(file, study, log, "Cleo")
    assert [problem.removeprefix(f"{file} ") for problem in found.problems] == [
        "row 2: decision 'exlude' is not one of keep, relabel, exclude, unsure",
        "row 3: time '31.05.2024 12:00' is not a UTC time like 2024-05-31T12:00:00.000Z",
        "row 4: new label 'Tubulins' is not one of the classes Actin, Tubulin, DMSO-like",
        "row 6: study S has no image 'P9/A01/1'",
        "row 7: reason 'why not' is not one of label suspect, corrupted, out of distribution, "
        "wrong compound, inactive dose, other",
        "row 8: image 'P1/B02/1' is already in row 5",
    ]
    assert found.known == 1


def test_a_time_in_the_future_would_never_be_replaced(flagged):
    study, log, file = flagged
    row = "P1/B05/1,other,unsure,Bob,2999-01-01T00:00:00.000Z"
    file.write_text(f"image_id,reason,decision,reviewer,time\n{row}\n")
    found = import_flags(file, study, log, "Cleo")
    assert found.problems == [f"{file} row 2: time '2999-01-01T00:00:00.000Z' is in the future"]
    assert found.events == []


def test_a_file_that_is_no_list(flagged):
    study, log, file = flagged
    file.write_text("image_id,verdict\nP1/B02/1,bad\n")
    with pytest.raises(
        InputError,
        match=r"column reason and decision, .*; it has image_id, ver",
    ):
        import_flags(file, study, log, "Cleo")
    with pytest.raises(InputError, match=r"none\.csv does not exist"):
        import_flags(file.with_name("none.csv"), study, log, "Cleo")


@pytest.fixture
def one_study(make_study):
    return make_study()


def what_holds(log, study):
    state = log.state(study)[WHAT_HOLDS].astype(object)
    return state.where(state.notna(), None).values.tolist()


notes = st.tuples(
    st.text("'=+-@\t\r\n", max_size=3),
    st.text(max_size=20).filter(
        lambda text: "\0" not in text and not any(0xD800 <= ord(c) < 0xE000 for c in text)
    ),
).map("".join)
names = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=9)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    decisions=st.lists(
        st.tuples(st.sampled_from(REASONS), st.sampled_from(DECISIONS), notes, names, notes),
        min_size=1,
        max_size=3,
    ),
    kind=st.sampled_from(["csv", "parquet"]),
)
def test_every_decision_survives_export_and_import(one_study, tmp_path, decisions, kind):
    study = one_study
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    log = ReviewLog(folder)
    for row, (reason, decision, note, reviewer, words) in enumerate(decisions):
        log.flag(
            study,
            [row],
            reviewer=reviewer,
            reason=reason,
            decision=decision,
            note=note,
            new_label="Actin" if decision == "relabel" else None,
            filter=words,
        )
    file = folder / f"list.{kind}"
    file.write_bytes(export_bytes(study, log, format=kind))
    new = ReviewLog(folder / "new")
    found = import_flags(file, study, new, "Cleo")
    assert not found.problems
    new.record(study, found.events, reviewer="Cleo")
    assert what_holds(log, study) == what_holds(new, study)
    assert import_flags(file, study, log, "Cleo").events == []


def test_times_of_other_zones_and_hashes_marked_for_a_spreadsheet(flagged):
    study, log, file = flagged
    rows = ["P1/B05/1,other,unsure,Bob,2024-05-31T14:30:00+02:00,#000000000000abcd"]
    rows.append("P1/B05/2,other,unsure,Bob,2024-05-31T12:30:00,")
    heads = "image_id,reason,decision,reviewer,time,content_hash"
    file.write_text("\n".join([heads, *rows]) + "\n")
    found = import_flags(file, study, log, "Cleo")
    (event,) = found.events
    assert event.time == "2024-05-31T12:30:00.000Z" and event.content_hash == "000000000000abcd"
    assert len(found.problems) == 1 and "row 3: time" in found.problems[0]


def test_clocks_may_differ_by_a_day(flagged):
    study, log, file = flagged
    heads = "image_id,reason,decision,reviewer,time"
    rows = [
        "P1/B05/1,other,unsure,Bob,2024-06-01T11:00:00Z",
        "P1/B05/2,other,unsure,Bob,2024-06-02T12:00:00Z",
    ]
    file.write_text("\n".join([heads, *rows]) + "\n")
    found = import_flags(file, study, log, "Cleo")
    assert [e.image_id for e in found.events] == ["P1/B05/1"] and len(found.problems) == 1
