"""Exported lists: the same bytes every time, safe in a spreadsheet, nothing lost on the way."""

import csv
import io

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bnn_core.base.errors import InputError
from bnn_core.base.spreadsheets import neutralise, restore
from bnn_core.commands.cli import main
from bnn_core.review.exporting import (
    csv_bytes,
    export_bytes,
    export_table,
    parquet_bytes,
)
from bnn_core.review.importing import read_review_table

RELABEL = {"reason": "label suspect", "decision": "relabel", "new_label": "Tubulin"}
EXCLUDE = {"reason": "corrupted", "decision": "exclude"}

writable = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")
#: Texts that begin like formulas, or like what neutralising makes of them, more often than not.
texts = st.tuples(st.text("'=+-@\t\r\n", max_size=3), st.text(writable, max_size=12)).map("".join)


def read(data):
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@given(texts)
@example("'")
@example("''=1")
@example("'abc")
@example("\r=1")
def test_neutralising_is_reversed_exactly_and_leaves_no_formula(text):
    cell = neutralise(text)
    assert restore(cell) == text
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell in (text, "'" + text)


def test_texts_written_by_hand_keep_their_apostrophe():
    assert restore("'tis fine") == "'tis fine" == neutralise("'tis fine")
    assert neutralise("=SUM(A1)") == "'=SUM(A1)" and restore("'=SUM(A1)") == "=SUM(A1)"


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
@example([("", "'\t")])
@example([("1", "'odd'")])
def test_any_text_survives_a_file(tmp_path_factory, cells):
    # The reader takes every kind of line end for a line feed, as the log does with notes.
    cells = [[text.replace("\r\n", "\n").replace("\r", "\n") for text in row] for row in cells]
    table = pd.DataFrame(cells, columns=["image_id", "note"]).assign(decision="keep")
    folder = tmp_path_factory.mktemp("export", numbered=True)
    (folder / "list.csv").write_bytes(csv_bytes(table))
    (folder / "list.parquet").write_bytes(parquet_bytes(table))
    for name in ("list.csv", "list.parquet"):
        rows = read_review_table(folder / name, ("image_id",))
        assert [[row["image_id"], row["note"]] for row in rows.values()] == cells


def test_numbers_are_left_alone_and_texts_are_not():
    table = pd.DataFrame(
        {
            "label": ["-1", "+x", "@a", "'b", None],
            "vi_confidence": [-0.25, -0.0, 1 / 3, np.nan, 1e-9],
            "concentration": [0.03, 0.1, 1234567.891, 1e-5, np.nan],
            "site": [-1, 0, 1, 2, 3],
        }
    )
    lines = csv_bytes(table).decode("utf-8-sig").split("\r\n")
    assert lines == [
        "label,vi_confidence,concentration,site",
        "'-1,-0.25,0.03,-1",
        "'+x,0,0.1,0",
        "'@a,0.333333,1234567.891,1",
        "'b,,1e-05,2",
        ",1e-09,,3",
        "",
    ]


def test_quoting_follows_rfc_4180():
    notes = ['say "no"', "a,b", "two\nlines", "mevinolin/lovastatin", "µM ü"]
    table = pd.DataFrame({"note": notes})
    assert csv_bytes(table).decode("utf-8-sig") == (
        'note\r\n"say ""no"""\r\n"a,b"\r\n"two\nlines"\r\nmevinolin/lovastatin\r\nµM ü\r\n'
    )


def test_the_flagged_list_holds_everything_that_was_asked(log, make_study):
    study = make_study(methods=("standard", "vi"), extra={"image_root": "/data/screen"})
    log.flag(
        study, [6, 2], reviewer="Ada", note="=cmd|' /C calc'!A0", filter="plate = P1", **RELABEL
    )
    rows = read(export_bytes(study, log))
    assert [row["image_id"] for row in rows] == ["P1/B03/1", "P1/B05/1"]
    assert list(rows[0]).index("predicted") + 1 == list(rows[0]).index("reason")
    summary, other = study.summary("vi").loc[2], study.summary("standard").loc[2]
    assert rows[0] == {
        "image_id": "P1/B03/1",
        "path": "/data/screen/week1/2.tif",
        "plate": "P1",
        "well": "B03",
        "site": "1",
        "replicate": "",
        "batch": "",
        "compound": "beta",
        "concentration": "0.1",
        "role": "scored",
        "label": "Tubulin",
        "predicted": summary["predicted"],
        "classes_90": "",  # too few compounds
        "vi_predicted": summary["predicted"],
        "vi_correct": "yes" if summary["correct"] else "no",
        "vi_confidence": f"{summary['confidence']:.6g}",
        "vi_margin": f"{summary['margin']:.6g}",
        "standard_predicted": other["predicted"],
        "standard_correct": "yes" if other["correct"] else "no",
        "standard_confidence": f"{other['confidence']:.6g}",
        "standard_margin": f"{other['margin']:.6g}",
        "reason": "label suspect",
        "decision": "relabel",
        "new_label": "Tubulin",
        "note": "'=cmd|' /C calc'!A0",
        "reviewer": "Ada",
        "time": "2024-05-31T12:01:00.000Z",
        "changed": "",
        "disputed": "no",
        "label_when_decided": "Tubulin",
        "flagged_from": "plate = P1",
        "content_hash": "#0000000000000002",
        "filter": "flagged images",
        "study": "S",
        "fingerprint": study.fingerprint,
    }


def test_a_selection_is_exactly_the_rows_in_the_studys_order(log, make_study):
    study = make_study()
    log.flag(study, [3], reviewer="Ada", **EXCLUDE)
    rows = read(export_bytes(study, log, rows=[5, 3, 5], filter="lasso"))
    assert [(r["image_id"], r["decision"], r["filter"]) for r in rows] == [
        ("P1/B03/2", "exclude", "lasso"),
        ("P1/B04/2", "", "lasso"),
    ]
    assert read(export_bytes(study, log, rows=[])) == []
    with pytest.raises(InputError, match=r"outside study S.* 8 images"):
        export_bytes(study, log, rows=[8])
    with pytest.raises(InputError, match=r"'xlsx'.* csv, parquet"):
        export_bytes(study, log, format="xlsx")


def test_what_left_the_study_stays_on_the_list(log, make_study, fields):
    study = make_study()
    log.flag(study, [0, 2], reviewer="Ada", **EXCLUDE)
    rest = make_study(images=fields().iloc[1:].reset_index(drop=True))
    rows = read(export_bytes(rest, log))
    assert [(r["image_id"], r["changed"], r["label"], r["content_hash"]) for r in rows] == [
        ("P1/B03/1", "", "Tubulin", "#0000000000000002"),
        ("P1/B02/1", "not in the study", "Actin", "#0000000000000000"),
    ]


def test_parquet_holds_the_same_cells_as_they_are(log, make_study):
    study = make_study()
    log.flag(study, [2], reviewer="Ada", note="=1", **RELABEL)
    table = pq.read_table(io.BytesIO(export_bytes(study, log, format="parquet")))
    assert table.column_names == list(read(export_bytes(study, log))[0])
    row = table.to_pylist()[0]
    assert row["note"] == "=1" and row["replicate"] is None and row["concentration"] == 0.1
    assert row["vi_confidence"] == pytest.approx(study.summary("vi")["confidence"][2])


def test_the_command_writes_the_bytes_of_the_button(log, make_study, tmp_path, capsys):
    study = make_study()
    log.flag(study, [2, 6], reviewer="Ada", note="two\nlines", **RELABEL)
    cache = ["--cache", str(tmp_path)]
    for kind in ("csv", "parquet"):
        out = tmp_path / f"list.{kind}"
        assert main(["export", "S", "--out", str(out), *cache]) == 0
        assert capsys.readouterr().out == f"{out}: 2 images\n"
        assert out.read_bytes() == export_bytes(study, log, format=kind)
    out = tmp_path / "some.txt"
    asked = "compound=alpha;   decision != keep"
    assert (
        main(["export", "S", "--out", str(out), "--format", "csv", "--filter", asked, *cache]) == 0
    )
    assert out.read_bytes() == export_bytes(
        study, log, rows=[0, 1, 4, 5], filter="compound = alpha; decision != keep"
    )
    capsys.readouterr()
    for wrong, named in (
        (["S", "--out", "list.txt"], "list.txt must end in .csv or .parquet"),
        (["nope", "--out", "x.csv"], "no study at"),
        (["S", "--out", "x.csv", "--filter", "dose = 1"], "'dose'"),
        (
            ["S", "--out", "x.csv", "--table", "labels", "--filter", "a = 1"],
            "--filter works only with",
        ),
    ):
        assert main(["export", *wrong, *cache]) == 2
        assert named in capsys.readouterr().err


def test_no_flag_no_rows_but_all_columns(log, make_study):
    table = export_table(make_study(), log)
    assert table.empty and {"image_id", "vi_confidence", "decision", "fingerprint"} <= set(table)
    assert csv_bytes(table).count(b"\r\n") == 1


def test_the_sets_of_classes_are_exported_where_there_are_enough(log, make_study):
    study = make_study()
    few = export_table(study, log, rows=[0])
    assert few["classes_90"].isna().all() and few.columns.get_loc("classes_90") > 0
    assert "classes_50" in export_table(study, log, rows=[0], chance=0.5)
