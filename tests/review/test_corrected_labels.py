"""Corrected labels: what a decision changes, and how it comes back into training."""

import pytest

from bnn_core.base.errors import InputError
from bnn_core.review.corrected_labels import apply_corrections, corrected_labels, read_corrections
from bnn_core.review.exporting import csv_bytes, export_bytes, parquet_bytes

EXCLUDE = {"reason": "corrupted", "decision": "exclude"}
KEEP = {"reason": "label suspect", "decision": "keep"}
RELABEL = {"reason": "label suspect", "decision": "relabel", "new_label": "DMSO-like"}


def lines(table):
    return {row[0]: row[1:] for row in table.itertuples(index=False)}


def test_each_decision_in_the_label_table(log, make_study, fields):
    images = fields()
    images["label"] = images["label"].astype(object)
    images.loc[[6, 7], "label"] = None
    images.loc[[6, 7], "role"] = "unlabelled"
    study = make_study(images=images)
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    log.flag(study, [1, 6], reviewer="Ada", **RELABEL)
    log.flag(study, [2], reviewer="Ada", **KEEP)
    table = corrected_labels(study, log)
    assert lines(table.astype(object).where(table.notna(), None)) == {
        "P1/B02/1": ("Actin", "Actin", "yes"),
        "P1/B02/2": ("Actin", "DMSO-like", "no"),
        "P1/B03/1": ("Tubulin", "Tubulin", "no"),
        "P1/B03/2": ("Tubulin", "Tubulin", "no"),
        "P1/B04/1": ("Actin", "Actin", "no"),
        "P1/B04/2": ("Actin", "Actin", "no"),
        "P1/B05/1": (None, "DMSO-like", "no"),
    }


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_both_lists_are_read_as_the_same_corrections(log, make_study, tmp_path, kind):
    study = make_study()
    log.flag(study, [0, 3], reviewer="Ada", **EXCLUDE)
    log.flag(study, [1], reviewer="Ada", **RELABEL)
    log.flag(study, [2], reviewer="Ada", **KEEP)
    flagged, labels = tmp_path / f"flagged.{kind}", tmp_path / f"labels.{kind}"
    flagged.write_bytes(export_bytes(study, log, format=kind))
    as_bytes = {"csv": csv_bytes, "parquet": parquet_bytes}[kind]
    labels.write_bytes(as_bytes(corrected_labels(study, log)))
    known, classes = set(study.images["image_id"]), study.classes
    for file in (flagged, labels):
        found = read_corrections(file, known, classes)
        assert found.exclude == {"P1/B02/1", "P1/B03/2"}
        assert found.relabel == {"P1/B02/2": "DMSO-like"}


def test_cleaning_again_keeps_the_first_cleaning(log, make_study, fields, tmp_path):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    log.flag(study, [1], reviewer="Ada", **RELABEL)
    images = apply_corrections(fields(), ["P1/B02/1"], {"P1/B02/2": "DMSO-like"})
    cleaned = make_study("cleaned", images=images)
    assert log.state(cleaned)["changed"].tolist() == [
        "excluded as decided",
        "relabelled as decided",
    ]
    log.flag(cleaned, [1], reviewer="Ada", **KEEP)  # the corrected label is right
    log.flag(cleaned, [2], reviewer="Ada", **EXCLUDE)
    labels = tmp_path / "labels.csv"
    labels.write_bytes(csv_bytes(corrected_labels(cleaned, log)))
    found = read_corrections(labels)
    assert found.exclude == {"P1/B02/1", "P1/B03/1"}
    assert found.relabel == {"P1/B02/2": "DMSO-like"}


def test_what_left_the_study_stays_corrected(log, make_study, fields):
    study = make_study()
    log.flag(study, [0], reviewer="Ada", **EXCLUDE)
    log.flag(study, [1], reviewer="Ada", **RELABEL)
    rest = make_study(images=fields().iloc[2:].reset_index(drop=True))
    table = lines(corrected_labels(rest, log))
    assert table["P1/B02/1"] == ("Actin", "Actin", "yes")
    assert table["P1/B02/2"] == ("Actin", "DMSO-like", "no")
    assert len(table) == 8


def test_applied_corrections(fields):
    before = fields()
    before.loc[5, "role"] = "control"
    images = apply_corrections(before, {"P1/B02/1", "P1/B04/2"}, {"P1/B02/2": "Tubulin"})
    assert images["label"].isna().tolist() == [True, *[False] * 4, True, False, False]
    assert images["label"].iat[1] == "Tubulin" and images["label_given"].iat[1] == "Actin"
    assert images["role"].tolist() == ["unlabelled", *["scored"] * 4, "control", "scored", "scored"]
    assert images["label_given"].tolist() == before["label"].tolist()
    assert before.equals(fields().assign(role=before["role"]))
    again = apply_corrections(images, (), {"P1/B02/1": "Actin"})
    assert again.loc[0, ["label", "role", "label_given"]].tolist() == ["Actin", "scored", "Actin"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "image_id,decision,new_label\nP1/B02/1,exclude,\nP9,exclude,\n",
            "row 3: .*'P9'",
        ),
        (
            "image_id,decision,new_label\nP1/B02/1,relabel,Actins\n",
            "row 2: .*'Actins'.* Actin,",
        ),
        ("image_id,decision,new_label\nP1/B02/1,relabel,\n", "row 2: .* new_label is empty"),
        ("image_id,decision,new_label\nP1/B02/1,drop,\n", "row 2: .*'drop'.* keep, relabel"),
        (
            "image_id,decision,new_label\nP1/B02/1,exclude,\nP1/B02/1,relabel,Actin\n",
            "row 3: .*'P1/B02/1' .*row 2",
        ),
        (
            "image_id,label,corrected_label,excluded\nP1/B02/1,Actin,Actin,maybe\n",
            "row 2: excluded .*'maybe'.*yes or no",
        ),
        ("image_id,label\nP1/B02/1,Actin\n", r"columns decision and new_label \(a flagged list\)"),
        ("picture\nx\n", "no column image_id"),
    ],
)
def test_wrong_files_are_named_with_the_row(fields, tmp_path, text, named):
    file = tmp_path / "list.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=rf"list\.csv.*{named}"):
        read_corrections(file, set(fields()["image_id"]), ["Actin", "Tubulin"])


def test_rows_without_a_decision_and_repeated_ones_are_harmless(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text(
        "image_id,decision,new_label\na,,\nb,exclude,\nb,exclude,\nc,unsure,\nd,keep,\n"
        "e,relabel,X\n"
    )
    found = read_corrections(file)
    assert found.exclude == {"b"} and found.relabel == {"e": "X"}
    file.write_text("image_id,decision,new_label\nb,Exclude,\ne,relabel,actin\n")
    found = read_corrections(file, {"b", "e"}, ["Actin"])
    assert found.exclude == {"b"} and found.relabel == {"e": "Actin"}


def test_a_new_label_makes_only_unlabelled_images_count(fields):
    images = fields()
    images["role"] = ["scored", "control", "unlabelled", *images["role"][3:]]
    ids = images["image_id"].tolist()
    corrected = apply_corrections(images, [], dict.fromkeys(ids[:3], "DMSO-like"))
    assert corrected["role"][:3].tolist() == ["scored", "control", "scored"]
