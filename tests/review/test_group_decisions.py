"""Decisions on compounds, from the decisions on their images."""

import pandas as pd
import pytest

from bnn_core.commands.cli import main
from bnn_core.review.exporting import table_bytes
from bnn_core.review.group_decisions import (
    decision_cell,
    decision_list,
    decision_text,
    group_decisions,
    next_undecided,
    progress_text,
    study_decision_list,
)

EXCLUDE = {"reason": "inactive dose", "decision": "exclude"}
#: Two compounds, four images each: alpha is rows 0, 1, 4, 5, beta is rows 2, 3, 6, 7.
ALPHA, BETA = [0, 1, 4, 5], [2, 3, 6, 7]


def ranking(study, level="compound"):
    keys = {"compound": ["compound"], "well": ["plate", "well", "compound"]}[level]
    groups = study.images[[*keys, "label"]].drop_duplicates().reset_index(drop=True)
    return groups.assign(rank=range(1, len(groups) + 1), score=0.5, suspected="DMSO-like")


def decided(study, log, level="compound"):
    return group_decisions(ranking(study, level), study.table("vi"), log.state(study), level)


def test_a_flag_on_all_images_decides_the_compound(log, make_study):
    study = make_study()
    log.flag(study, ALPHA, reviewer="Ada", note="no effect", **EXCLUDE)
    got = decided(study, log)
    first, second = got.to_dict("records")
    assert (first["n_scored"], first["n_flagged"], first["n_exclude"]) == (4, 4, 4)
    assert first["decided"] and not first["disputed"] and not second["decided"]
    assert (first["decision"], first["reason"], first["note"]) == (
        "exclude",
        "inactive dose",
        "no effect",
    )
    assert first["reviewers"] == "Ada" and first["time"].startswith("2024-05-31T12:0")
    assert decision_text(first) == "4 of 4 flagged: exclude (inactive dose), Ada"
    assert (second["n_flagged"], second["decision"], second["time"]) == (0, None, None)
    assert decision_text(second) == "not decided"
    assert (decision_cell(first), decision_cell(second)) == ("exclude", "")


def test_part_of_the_images_is_no_decision_and_undo_takes_it_back(log, make_study):
    study = make_study()
    log.flag(study, ALPHA, reviewer="Ada", **EXCLUDE)
    log.withdraw(study, [5], reviewer="Ben")
    got = decided(study, log).iloc[0]
    assert (got["n_flagged"], got["n_scored"], got["decided"]) == (3, 4, False)
    assert decision_text(got).startswith("3 of 4 flagged: exclude")
    assert decision_cell(got) == "exclude 3 of 4"
    log.undo(study, "Ben")
    assert decided(study, log)["decided"].to_list() == [True, False]
    log.undo(study, "Ada")
    assert decided(study, log)["n_flagged"].to_list() == [0, 0]


def test_images_that_differ_are_counted_by_decision(log, make_study):
    study = make_study()
    log.flag(study, BETA, reviewer="Ada", reason="label suspect", decision="unsure")
    log.flag(
        study, [7], reviewer="Ben", reason="label suspect", decision="relabel", new_label="Actin"
    )
    got = decided(study, log).iloc[1]
    assert got["decided"] and got["disputed"] and got["decision"] is None
    assert (got["n_unsure"], got["n_relabel"], got["n_keep"]) == (3, 1, 0)
    assert got["reason"] == "label suspect" and got["reviewers"] == "Ada and Ben"
    text = decision_text(got)
    assert "1 relabel, 3 unsure" in text and "disagree" in text
    assert decision_cell(got) == "disputed"


def test_a_new_label_is_named(log, make_study):
    study = make_study()
    log.flag(study, ALPHA, reviewer="Ada", reason="other", decision="relabel", new_label="Tubulin")
    got = decided(study, log).iloc[0]
    assert got["new_label"] == "Tubulin" and "relabel to Tubulin (other)" in decision_text(got)
    assert decision_cell(got) == "→ Tubulin"


def test_only_scored_images_of_the_label_count(log, make_study, fields):
    images = fields()
    images.loc[5, "role"] = "unlabelled"
    images.loc[5, "label"] = None
    study = make_study(images=images)
    log.flag(study, ALPHA, reviewer="Ada", **EXCLUDE)
    got = group_decisions(
        ranking(study).dropna(), study.table("vi"), log.state(study), "compound"
    ).iloc[0]
    assert (got["n_scored"], got["n_flagged"], got["decided"]) == (3, 3, True)


def test_wells_are_decided_by_their_images(log, make_study):
    study = make_study()
    log.flag(study, [0, 1, 2], reviewer="Ada", **EXCLUDE)
    got = decided(study, log, "well")
    assert got["n_flagged"].to_list() == [2, 1, 0, 0]
    assert got["decided"].to_list() == [True, False, False, False]


def test_progress_and_the_next_undecided():
    decisions = pd.DataFrame({"decided": [True, False, True, False], "n_unsure": [0, 0, 2, 0]})
    assert progress_text(decisions, "compound") == "2 of 4 compounds decided (1 unsure)"
    assert [next_undecided(decisions, at) for at in range(4)] == [1, 3, 3, 1]
    one = decisions.assign(decided=[True, False, True, True])
    assert next_undecided(one, 0) == 1 and next_undecided(one, 1) is None
    everything = decisions.assign(decided=True, n_unsure=0)
    assert next_undecided(everything, 2) is None
    assert progress_text(everything, "well") == "4 of 4 wells decided"


def test_the_decision_list_has_one_row_per_compound(log, make_study):
    study = make_study()
    log.flag(study, ALPHA, reviewer="Ada", note="=weak", **EXCLUDE)
    ranked = ranking(study)
    got = decision_list(ranked, study.table("vi"), log.state(study))
    assert got["compound"].to_list() == ["alpha", "beta"]
    assert got["decided"].to_list() == ["yes", "no"]
    assert list(got)[:4] == ["compound", "label", "decided", "decision"]
    assert {"reviewers", "n_flagged", "rank", "score", "suspected"} <= set(got)
    lines = table_bytes(got, "csv").decode("utf-8-sig").splitlines()
    assert len(lines) == 3 and ",'=weak," in lines[1] and ",,," in lines[2]


def test_the_command_writes_one_row_per_ranked_compound(log, make_study, tmp_path, capsys):
    study = make_study()
    log.flag(study, ALPHA, reviewer="Ada", **EXCLUDE)
    out, cache = tmp_path / "decisions.csv", ["--cache", str(tmp_path)]
    assert main(["export", "S", "--table", "compounds", "--out", str(out), *cache]) == 0
    assert "2 compounds" in capsys.readouterr().out
    assert out.read_bytes() == table_bytes(study_decision_list(study, log), "csv")
    got = pd.read_csv(out).set_index("compound")
    assert got.loc["alpha", ["decision", "reviewers", "n_flagged"]].tolist() == [
        "exclude",
        "Ada",
        4,
    ]
    assert got["score"].is_monotonic_decreasing and pd.isna(got.loc["beta", "decision"])
    images = study.images.drop(columns=["compound", "concentration"])
    make_study("plain", images=images)
    assert main(["export", "plain", "--table", "compounds", "--out", str(out), *cache]) == 2
    assert "no compounds to rank" in capsys.readouterr().err


def test_no_group_and_no_flag(log, make_study):
    study = make_study()
    none = group_decisions(ranking(study).iloc[:0], study.table("vi"), log.state(study), "compound")
    assert none.empty and progress_text(none, "compound") == "0 of 0 compounds decided"
    assert next_undecided(none, 0) is None


@pytest.mark.parametrize("level", ["compound", "well"])
def test_a_decision_survives_export_and_import(log, make_study, tmp_path, level):
    from bnn_core.review.exporting import export_bytes
    from bnn_core.review.importing import import_flags
    from bnn_core.review.log import ReviewLog

    study = make_study()
    log.flag(study, ALPHA, reviewer="Ada", **EXCLUDE)
    file = tmp_path / "list.csv"
    file.write_bytes(export_bytes(study, log))
    other = ReviewLog(tmp_path / "other")
    other.record(study, import_flags(file, study, other, "Cleo").events, reviewer="Cleo")
    before, after = decided(study, log, level), decided(study, other, level)
    pd.testing.assert_frame_equal(before, after)
