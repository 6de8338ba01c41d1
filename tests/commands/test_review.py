"""The review list through Excel: exported short, edited, taken back; decisions applied to imports."""

import numpy as np
import openpyxl
import pandas as pd
import pytest
from page_studies import write_animals

from bnn_core.commands import cli
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study


@pytest.fixture
def study(tmp_path):
    study = open_study(write_animals(tmp_path, n=12))
    ReviewLog(tmp_path).flag(
        study, [0, 3], reviewer="Ann", reason="label suspect", decision="unsure", note="=1+1"
    )
    return study


def run(*words):
    return cli.main([*map(str, words)])


def test_a_short_list_goes_through_excel_and_back(study, tmp_path, capsys):
    file, root = tmp_path / "flags.xlsx", ["--cache", tmp_path]
    assert run("export", study.name, "--short", "--out", file, *root) == 0
    book = openpyxl.load_workbook(file)
    heads, *rows = book["images"].iter_rows(values_only=True)
    assert len(heads) == 12 and len(rows) == 2
    place = {head: number for number, head in enumerate(heads)}
    assert {row[place["note"]] for row in rows} == {"'=1+1"}
    assert {cell.value for cell in book["legend"]["A"]} >= set(heads)
    assert all(cell.data_type != "f" for line in book["images"].iter_rows() for cell in line)
    other = next(name for name in study.classes if name != rows[0][place["label"]])
    book["images"].cell(2, place["decision"] + 1, "relabel")
    book["images"].cell(2, place["new_label"] + 1, other)
    book.save(file)
    assert run("review", study.name, file, "--dry-run", "--reviewer", "Bo", *root) == 0
    assert ReviewLog(tmp_path).state(study)["reviewer"].tolist() == ["Ann", "Ann"]
    assert run("review", study.name, file, "--reviewer", "Bo", *root) == 0
    state = ReviewLog(tmp_path).state(study)
    assert state[["reviewer", "decision", "new_label"]].iloc[0].tolist() == ["Bo", "relabel", other]
    assert state["note"].tolist() == ["=1+1", "=1+1"]
    # Once more: everything is known.
    capsys.readouterr()
    assert run("review", study.name, file, "--reviewer", "Bo", *root) == 0
    assert capsys.readouterr().out.startswith("0 decisions")
    book["images"].cell(3, place["decision"] + 1, "perhaps")
    book.save(file)
    assert run("review", study.name, file, "--reviewer", "Bo", *root) == 2
    assert f"{file} row 3" in capsys.readouterr().err


def test_a_note_with_a_control_character_is_exported(study, tmp_path):
    ReviewLog(tmp_path).flag(
        study, [5], reviewer="Ann", reason="other", decision="keep", note="a\x0bb"
    )
    file = tmp_path / "flags.xlsx"
    assert run("export", study.name, "--short", "--out", file, "--cache", tmp_path) == 0
    notes = {cell.value for line in openpyxl.load_workbook(file)["images"] for cell in line}
    assert "a b" in notes


def test_the_short_list_as_csv_and_its_refusals(study, tmp_path, capsys):
    file = tmp_path / "flags.csv"
    assert run("export", study.name, "--short", "--out", file, "--cache", tmp_path) == 0
    table = pd.read_csv(file)
    assert table.shape == (2, 12)
    score = table.filter(like="(-1 to 1)").squeeze("columns")
    whole = study.summary(study.reading_method)["signed_confidence"].iloc[[0, 3]]
    np.testing.assert_allclose(score, whole, atol=6e-4)
    for more in (["--out", tmp_path / "f.parquet"], ["--out", file, "--table", "labels"]):
        assert run("export", study.name, "--short", *more, "--cache", tmp_path) == 2
    assert "--short" in capsys.readouterr().err
    none = ["--filter", "compound = nothing of this name"]
    assert run("export", study.name, "--short", "--out", file, *none, "--cache", tmp_path) == 0
    assert "0 images; none fits" in capsys.readouterr().out


def test_decisions_apply_to_an_import(tmp_path, capsys):
    table = pd.DataFrame({"image_id": list("abcd"), "label": ["up", "up", "down", "down"]})
    table["p_up"] = [0.9, 0.2, 0.1, 0.3]
    table["p_down"] = 1 - table["p_up"]
    table.to_csv(tmp_path / "t.csv", index=False)
    flags = pd.DataFrame(
        {"image_id": ["b", "d"], "decision": ["relabel", "exclude"], "new_label": ["down", ""]}
    )
    flags.to_csv(tmp_path / "flags.csv", index=False)
    flags = ["--relabel", tmp_path / "flags.csv", "--exclude", tmp_path / "flags.csv"]
    assert run("import", tmp_path / "t.csv", "--out", tmp_path / "s", *flags) == 0
    images = open_study(tmp_path / "s").images.set_index("image_id")
    assert images["label"].fillna("").to_dict() == {"a": "up", "b": "down", "c": "down", "d": ""}
    assert images["role"].to_dict() == dict.fromkeys("abc", "scored") | {"d": "unlabelled"}
    assert images["label_given"].tolist() == ["up", "up", "down", "down"]
    assert open_study(tmp_path / "s").summary("vi")["correct"].iloc[:3].eq(1).all()
    capsys.readouterr()
    pd.DataFrame({"image_id": ["z"], "decision": ["exclude"], "new_label": [""]}).to_csv(
        tmp_path / "flags.csv", index=False
    )
    assert run("import", tmp_path / "t.csv", "--out", tmp_path / "s2", *flags) == 2
    assert "image 'z' is not in the data" in capsys.readouterr().err
    assert not (tmp_path / "s2").exists()


def test_completion_knows_every_command(capsys):
    assert run("completion", "bash") == 0
    script = capsys.readouterr().out
    assert all(word in script for word in [*cli.COMMANDS, "--kl-weight", "--short", "--anchor"])
    assert run("completion", "fish") == 0
    assert "complete -c bnn" in (fish := capsys.readouterr().out) and "kl-weight" in fish
