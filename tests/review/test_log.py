"""The log's meaning: batches, undo and redo, who sees what, and what changed since."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from bnn_core.base.errors import InputError
from bnn_core.review.log import DECISIONS, LONGEST_NOTE, REASONS, ReviewLog
from bnn_core.review.state import HISTORY_COLUMNS, STATE_COLUMNS

EXCLUDE = {"reason": "corrupted", "decision": "exclude"}
KEEP = {"reason": "label suspect", "decision": "keep"}


def decided(log, study):
    return log.state(study)["decision"].to_dict()


def test_empty_log_answers_without_making_a_file(log, make_study):
    study = make_study()
    assert list(log.state(study).columns) == STATE_COLUMNS and log.state(study).empty
    assert list(log.absent(study).columns) == STATE_COLUMNS and log.absent(study).empty
    assert list(log.history(study).columns) == HISTORY_COLUMNS
    assert log.undo(study, "Ada") is None and log.redo(study, "Ada") is None
    assert log.last_action() == 0 and log.check() == []
    assert not log.path.exists()


def test_a_flag_is_in_the_state_with_all_its_fields(log, make_study):
    study = make_study()
    action = log.flag(
        study,
        [2, 5, 2],  # an image that is named twice is flagged once
        reviewer="  Ada   Lovelace ",
        reason="wrong compound",
        decision="relabel",
        new_label="Tubulin",
        note="see\r\nslide 7",
        filter="plate = P1",
    )
    assert (action.images, action.kind) == (2, "flag")
    assert action.text == "2 images: relabel to Tubulin (wrong compound)"
    state = log.state(study)
    assert list(state.index) == [2, 5]
    first = state.loc[2].to_dict()
    assert first == {
        "image_id": "P1/B03/1",
        "reason": "wrong compound",
        "decision": "relabel",
        "new_label": "Tubulin",
        "note": "see\nslide 7",
        "reviewer": "Ada Lovelace",
        "time": "2024-05-31T12:01:00.000Z",
        "filter": "plate = P1",
        "changed": "",
        "disputed": False,
        "label_then": "Tubulin",
        "content_hash": "0000000000000002",
        "study": "S",
        "action_id": 1,
    }


def test_one_action_over_many_is_undone_and_redone_as_one(log, make_study):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **KEEP)
    log.flag(study, range(8), reviewer="Ada", **EXCLUDE)
    assert log.undoable(study, "Ada").images == 8
    assert log.undo(study, "Ada").images == 8
    assert decided(log, study) == {0: "keep"}
    assert log.redoable(study, "Ada").text == "8 images: exclude (corrupted)"
    assert log.redo(study, "Ada").images == 8
    assert decided(log, study) == dict.fromkeys(range(8), "exclude")
    assert log.redo(study, "Ada") is None


def test_undo_goes_back_step_by_step_and_redo_forward_in_the_same_order(log, make_study):
    study = make_study()
    for row in range(3):
        log.flag(study, [row], reviewer="Ada", **KEEP)
    back = [log.undo(study, "Ada").action_id for _ in range(3)]
    assert back == [3, 2, 1] and log.undo(study, "Ada") is None
    assert [log.redo(study, "Ada").action_id for _ in range(2)] == [1, 2]
    assert log.undo(study, "Ada").action_id == 2
    assert [log.redo(study, "Ada").action_id for _ in range(2)] == [2, 3]


def test_a_new_action_ends_redo_for_its_reviewer_only(log, make_study):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **KEEP)
    log.undo(study, "Ada")
    log.flag(study, [1], reviewer="Ben", **KEEP)
    assert log.redoable(study, "Ada").action_id == 1
    log.flag(study, [2], reviewer="Ada", **KEEP)
    assert log.redo(study, "Ada") is None


def test_undo_affects_only_the_same_reviewer(log, make_study):
    study = make_study()
    log.flag(study, [0, 1], reviewer="Ada", **EXCLUDE)
    log.flag(study, [1, 2], reviewer="Ben", **KEEP)
    assert decided(log, study) == {0: "exclude", 1: "keep", 2: "keep"}
    log.undo(study, "Ada")
    assert decided(log, study) == {1: "keep", 2: "keep"}
    log.redo(study, "Ada")
    log.undo(study, "Ben")
    assert decided(log, study) == {0: "exclude", 1: "exclude"}
    assert log.undo(study, "Ben") is None


def test_two_reviewers_who_differ_are_pointed_out(log, make_study):
    study = make_study()
    log.flag(study, [0, 1], reviewer="Ada", **EXCLUDE)
    log.flag(study, [0], reviewer="Ben", **KEEP)
    log.flag(study, [1], reviewer="Ben", reason="other", decision="exclude")
    assert log.state(study)["disputed"].to_dict() == {0: True, 1: False}
    log.flag(study, [0], reviewer="Ada", **KEEP)
    assert not log.state(study)["disputed"].any()


def test_withdrawing_removes_an_image_from_the_list_and_can_be_undone(log, make_study):
    study = make_study()
    log.flag(study, [0, 1], reviewer="Ada", **EXCLUDE)
    assert log.withdraw(study, [0], reviewer="Ben").text == "1 image removed from the list"
    assert decided(log, study) == {1: "exclude"}
    log.undo(study, "Ben")
    assert decided(log, study) == {0: "exclude", 1: "exclude"}


def test_undo_is_of_this_study(log, make_study):
    one, two = make_study("one"), make_study("two")
    log.flag(one, [0], reviewer="Ada", **KEEP)
    assert log.undo(two, "Ada") is None
    assert decided(log, two) == {0: "keep"}  # the same picture, so the review is offered there


def test_history_keeps_everything_newest_first(log, make_study):
    study = make_study()
    log.flag(study, [0, 1], reviewer="Ada", note="out of focus", **EXCLUDE)
    log.flag(study, [1], reviewer="Ben", **KEEP)
    log.undo(study, "Ada")
    history = log.history(study)
    assert list(history["kind"]) == ["undo", "flag", "flag"]
    assert list(history["images"]) == [2, 1, 2]
    assert list(history["undone"]) == [False, False, True]
    assert history["target"].iat[0] == 1 and history["note"].iat[2] == "out of focus"
    one = log.history(study, "P1/B02/1")
    assert list(one["kind"]) == ["undo", "flag"] and list(one["images"]) == [1, 1]
    assert log.last_action() == 3


def test_reviews_survive_remaking_and_say_what_changed(log, make_study, fields):
    study = make_study()
    log.flag(study, range(4), reviewer="Ada", **EXCLUDE)
    log.flag(
        study,
        [4, 5],
        reviewer="Ada",
        reason="label suspect",
        decision="relabel",
        new_label="Tubulin",
    )
    images = fields()
    images.loc[1, "content_hash"] = "f" * 16
    images.loc[2, "label"] = "DMSO-like"
    images.loc[3, ["content_hash", "label"]] = ["e" * 16, "DMSO-like"]
    images.loc[4, "label"] = "Tubulin"
    again = make_study(images=images.iloc[::-1].reset_index(drop=True))
    state = log.state(again).set_index("image_id")["changed"]
    assert state.to_dict() == {
        "P1/B02/1": "",
        "P1/B02/2": "image",
        "P1/B03/1": "label",
        "P1/B03/2": "image and label",
        "P1/B04/1": "relabelled as decided",
        "P1/B04/2": "",
    }


def test_another_study_sees_a_review_only_of_the_same_picture(log, make_study, fields):
    study = make_study()
    log.flag(study, [0, 1, 2], reviewer="Ada", **EXCLUDE)
    images = fields()
    images.loc[1, "content_hash"] = "f" * 16
    images.loc[2, "image_id"] = "elsewhere"
    other = make_study("other", images=images)
    state = log.state(other)
    assert list(state.index) == [0] and state["study"].iat[0] == "S"
    assert list(log.history(other, "P1/B02/1")["study"]) == ["S"]
    assert log.history(other).empty and log.absent(other).empty


def test_a_decision_on_this_picture_comes_before_a_later_one_on_another(log, make_study, fields):
    old = make_study()
    log.flag(old, [0], reviewer="Ada", **KEEP)
    changed = fields()
    changed.loc[0, "content_hash"] = "f" * 16
    log.flag(make_study(images=changed), [0], reviewer="Ada", **EXCLUDE)
    back = make_study()
    assert log.state(back).loc[0, ["decision", "changed"]].tolist() == ["keep", ""]


def test_without_hashes_the_study_name_ties(log, make_study, fields):
    bare = fields().drop(columns="content_hash")
    study = make_study(images=bare)
    log.flag(study, [0], reviewer="Ada", **KEEP)
    assert decided(log, make_study(images=bare)) == {0: "keep"}
    # Made again with hashes there is nothing to compare them with.
    assert log.state(make_study())["changed"].tolist() == [""]
    assert log.state(make_study("other", images=bare)).empty


def test_images_that_left_the_study_are_not_forgotten(log, make_study, fields):
    study = make_study()
    log.flag(study, [0, 7], reviewer="Ada", **EXCLUDE)
    rest = make_study(images=fields().iloc[1:7].reset_index(drop=True))
    assert log.state(rest).empty
    assert list(log.absent(rest)["image_id"]) == ["P1/B02/1", "P1/B05/2"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"reason": "ugly"}, "'ugly'.* label suspect, corrupted"),
        ({"decision": "maybe"}, "'maybe'.* keep, relabel, exclude, unsure"),
        ({"decision": "relabel"}, "relabel needs a new label, one of Actin, Tubulin, DMSO-like"),
        ({"new_label": "Actin"}, "needs the decision relabel"),
        ({"note": "x" * (LONGEST_NOTE + 1)}, "4,001 characters"),
        ({"note": "a\0b"}, "no text file can store"),
        ({"note": "\ud800"}, "no text file can store"),
        ({"reviewer": "  "}, "give a name"),
        ({"rows": []}, "no image is selected"),
        ({"rows": [-1]}, "row -1 is outside"),
        ({"rows": [0, 8]}, "row 8 is outside .* 8 images"),
    ],
)
def test_a_wrong_decision_is_refused_whole(log, make_study, wrong, named):
    study = make_study()
    given = {"rows": [0], "reviewer": "Ada", "reason": "other", "decision": "keep"} | wrong
    with pytest.raises(InputError, match=named):
        log.flag(study, **given)
    assert not log.path.exists()


WHO = {"study": st.sampled_from(["one", "two"]), "reviewer": st.sampled_from(["Ada", "Ben"])}


class AgainstPlainFold(RuleBasedStateMachine):
    """The SQL fold against the definition, written as a loop over everything that was done."""

    def __init__(self):
        super().__init__()
        memory = Path("/dev/shm")  # where there is one: hundreds of commits need no real disk here
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.log = ReviewLog(Path(self.folder.name), clock=lambda: datetime(2024, 1, 1, tzinfo=UTC))
        self.studies = {name: plain_study(name) for name in ("one", "two")}
        self.done = []  # [kind, study, reviewer, rows, decision, standing]
        self.undone = {}  # (study, reviewer) -> stack of indices into done

    def teardown(self):
        self.folder.cleanup()

    @rule(**WHO, rows=st.sets(st.integers(0, 3), min_size=1), decision=st.sampled_from(DECISIONS))
    def flag(self, study, reviewer, rows, decision):
        self.log.flag(
            self.studies[study],
            rows,
            reviewer=reviewer,
            reason=REASONS[0],
            decision=decision,
            new_label="A" if decision == "relabel" else None,
        )
        self.done.append([study, reviewer, rows, decision, True])
        self.undone[study, reviewer] = []

    @rule(**WHO, rows=st.sets(st.integers(0, 3), min_size=1))
    def withdraw(self, study, reviewer, rows):
        self.log.withdraw(self.studies[study], rows, reviewer=reviewer)
        self.done.append([study, reviewer, rows, None, True])
        self.undone[study, reviewer] = []

    @rule(**WHO)
    def undo(self, study, reviewer):
        mine = [i for i, d in enumerate(self.done) if d[:2] == [study, reviewer] and d[4]]
        undone = self.log.undo(self.studies[study], reviewer)
        assert (undone is None) == (not mine)
        if mine:
            self.done[mine[-1]][4] = False
            self.undone.setdefault((study, reviewer), []).append(mine[-1])

    @rule(**WHO)
    def redo(self, study, reviewer):
        stack = self.undone.get((study, reviewer), [])
        brought = self.log.redo(self.studies[study], reviewer)
        assert (brought is None) == (not stack)
        if stack:
            self.done[stack.pop()][4] = True

    @rule(study=st.sampled_from(["one", "two"]))
    def same_state(self, study):
        # Row 3 has no hash: its reviews stay in the study where they were made.
        state = {}
        for made_in, _, rows, decision, standing in self.done:
            for row in rows if standing else ():
                if row < 3 or made_in == study:
                    state[row] = decision
        state = {row: decision for row, decision in state.items() if decision}
        assert decided(self.log, self.studies[study]) == state


def plain_study(name):
    images = pd.DataFrame(
        {"image_id": list("wxyz"), "label": "A", "content_hash": ["1", "2", "3", None]}
    )
    rows = {image_id: row for row, image_id in enumerate(images["image_id"])}
    return SimpleNamespace(
        name=name, images=images, classes=["A", "B"], fingerprint="f", row_of=rows.__getitem__
    )


TestAgainstPlainFold = AgainstPlainFold.TestCase
TestAgainstPlainFold.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_newer_decisions_of_others_are_found_by_image_while_they_count(log, make_study, fields):
    study = make_study()
    log.flag(study, [0, 1], reviewer="Ada", **KEEP)
    seen = log.last_action()
    assert log.decided_since(study, [0, 1], seen) == []
    theirs = log.flag(study, [1, 2], reviewer="Zoe", **EXCLUDE)
    off = log.withdraw(study, [0], reviewer="Bo")
    assert log.decided_since(study, [1], seen) == [theirs]
    assert log.decided_since(study, [0, 1], seen) == [theirs, off]
    assert log.decided_since(study, [3], seen) == []
    # The same picture in another study is decided too; another picture of that name is not.
    assert log.decided_since(make_study("T"), [1], seen) == [theirs]
    other = fields()
    other.loc[1, "content_hash"] = "f" * 16
    assert log.decided_since(make_study("U", other), [1], seen) == []
    log.undo(study, "Zoe")
    assert log.decided_since(study, [1], seen) == []


def test_two_reviewers_who_relabel_differently_disagree(log, make_study):
    study = make_study()
    relabel = {"reason": "label suspect", "decision": "relabel"}
    log.flag(study, [0, 1], reviewer="Ada", new_label="Tubulin", **relabel)
    log.flag(study, [0], reviewer="Ben", new_label="DMSO-like", **relabel)
    log.flag(study, [1], reviewer="Ben", new_label="Tubulin", **relabel)
    state = log.state(study)
    assert state["disputed"].to_dict() == {0: True, 1: False}
    assert state.loc[0, ["reviewer", "new_label"]].tolist() == ["Ben", "DMSO-like"]
