"""Decisions that came with a study are loaded on request and replace nothing."""

import pandas as pd

from bnn_core.review.agreement import agreements
from bnn_core.review.examples import example_files, load_examples
from bnn_core.study.folder import REVIEWS


def write_lists(study, **lists):
    (study.path / REVIEWS).mkdir()
    for name, (decision, hour) in lists.items():
        ids = study.images["image_id"][:4]
        pd.DataFrame(
            {
                "image_id": ids,
                "reason": "label suspect",
                "decision": decision,
                "reviewer": name,
                "time": f"2024-05-01T{hour:02d}:00:00.000Z",
            }
        ).to_csv(study.path / REVIEWS / f"{name}.csv", index=False)


def test_both_reviewers_are_in_the_log_once(make_study, log):
    study = make_study()
    assert example_files(study) == [] and load_examples(study, log, "me") == 0
    write_lists(study, ada=("exclude", 9), ben=("keep", 10))
    assert load_examples(study, log, "me") == 8
    assert log.state(study)["decision"].tolist() == ["keep"] * 4
    (pair,) = agreements(log.opinions(study))
    assert (pair.reviewers, pair.images, pair.same) == (("ada", "ben"), 4, 0)
    assert load_examples(study, log, "me") == 0
    assert log.undoable(study, "me").images == 4  # one action per list


def test_a_users_own_decision_is_kept(make_study, log):
    study = make_study()
    write_lists(study, ada=("exclude", 9))
    log.flag(study, [1], reviewer="me", reason="other", decision="unsure")  # 31 May
    assert load_examples(study, log, "me") == 3
    assert log.state(study).loc[1, ["reviewer", "decision"]].tolist() == ["me", "unsure"]
