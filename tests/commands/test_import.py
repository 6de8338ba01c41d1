"""`bnn import`: from a file to a study that opens, is sound, and holds the published figures."""

import argparse
import json

import numpy as np
import pandas as pd
from PIL import Image

from bnn_core.base.scores import SCORES
from bnn_core.commands import import_
from bnn_core.commands.cli import main
from bnn_core.measures.evaluation import Selective, augrc, aurc, auroc, brier, ece, nll
from bnn_core.measures.levels import level_metrics
from bnn_core.study.checking import check_study
from bnn_core.study.folder import open_study


def run(*arguments):
    parser = argparse.ArgumentParser()
    import_.arguments(parser)
    return import_.run(parser.parse_args([str(a) for a in arguments]))


def write_table(folder, **columns):
    table = pd.DataFrame(
        {
            "image": [f"im/{i}.png" for i in range(4)],
            "p_a": [0.9, 0.6, 0.2, 0.1],
            "p_b": [0.1, 0.4, 0.8, 0.9],
            "label": ["a", "b", "b", "b"],
            "compound": list("wxyz"),
        }
        | columns
    )
    table.to_csv(folder / "mine.csv", index=False)
    return folder / "mine.csv"


def test_the_published_table_with_one_command(shared_data, authors, tmp_path):
    out = tmp_path / "study"
    said = run(shared_data / "bbbc021" / "deodato2020_leave_one_compound_out.csv", "--out", out)
    assert "the MoA is the label" in said
    assert said.splitlines()[-1].endswith("74.58 %")
    assert check_study(out) == []
    study = open_study(out)
    table = study.table("vi")
    found = level_metrics(table, study.classes)
    assert found == study.meta["metrics"]["vi"]
    assert (
        found["image"]["right"],
        found["treatment"]["right"],
        found["compound"]["right"],
        found["compound"]["vote_right"],
    ) == (892, 81, 28, 29)
    correct = table["correct"].to_numpy(bool)
    c = table["confidence"]
    figures = [
        auroc(c, correct),
        auroc(table["top_softmax"], correct),
        aurc(c, correct),
        augrc(c, correct),
        ece(table["top_softmax"], correct),
        nll(table["p_label"]),
        brier(table[[f"p_{name}" for name in study.classes]], authors.y),
    ]
    assert [f"{f:.4f}" for f in figures[:5]] + [f"{f:.3f}" for f in figures[5:]] == [
        "0.7886",
        "0.7935",
        "0.0997",
        "0.0724",
        "0.0990",
        "1.295",
        "0.385",
    ]
    kept = Selective(c, correct).at(np.arange(1, 10) / 10)
    assert [f"{100 * a:.1f}" for a in kept.accuracy] == [
        "82.9",
        "85.7",
        "87.5",
        "88.4",
        "90.5",
        "92.8",
        "94.6",
        "97.0",
        "97.9",
    ]
    assert [f"{100 * a:.1f}" for a in kept.coverage] == [
        "76.3",
        "68.4",
        "61.5",
        "55.4",
        "50.1",
        "44.2",
        "37.0",
        "30.4",
        "20.2",
    ]
    np.testing.assert_allclose(c, authors.c, atol=1e-6)
    assert (
        table[[key for key, score in SCORES.items() if score.needs_samples]].isna().all(axis=None)
    )
    assert any("no samples" in note for note in study.meta["notes"])
    assert study.samples("vi") is None
    assert study.thumbnail(0) is None
    assert study.image_file(0) is None


def test_a_study_with_samples_and_a_standard_network(tmp_path):
    table = write_table(tmp_path)
    p = pd.read_csv(table)[["p_a", "p_b"]].to_numpy()
    np.save(tmp_path / "s.npy", np.stack([p + 0.01 * s * np.array([1, -1]) for s in (-1, 0, 1)]))
    run(
        table,
        "--samples",
        tmp_path / "s.npy",
        "--standard",
        table,
        "--method",
        "dropout",
        "--cache",
        tmp_path / "cache",
    )
    study = open_study(tmp_path / "cache" / "mine")
    assert check_study(study.path) == []
    assert study.methods == ["dropout", "standard"]
    assert study.meta["methods"]["dropout"]["num_samples"] == 3
    assert study.samples("dropout").shape == (4, 3, 2)
    summary = study.summary("dropout")
    np.testing.assert_allclose(summary["epistemic"], 2 / 3 * 1e-4, rtol=1e-6)
    u = summary["aleatoric"] + summary["epistemic"]
    np.testing.assert_allclose(summary["confidence"], 1 - 2 * np.sqrt(u), rtol=1e-6)
    assert study.summary("standard")["epistemic"].isna().all()


def test_labels_that_mean_nothing_and_new_kinds_by_flag(tmp_path):
    table = write_table(tmp_path, label=["a", "-1", "tbd", "c"])
    said = run(table, "--out", tmp_path / "study", "--unlabelled", "-1", "tbd", "--new", "c")
    assert "'-1' on 1 row, 'tbd' on 1 row" in said
    study = open_study(tmp_path / "study")
    assert check_study(study.path) == []
    assert study.images["role"].tolist() == ["scored", "unlabelled", "unlabelled", "new"]
    assert study.images["label"].tolist()[3] == "c"
    assert study.meta["metrics"]["vi"]["image"]["n"] == 1


def make_images(folder, count=4):
    (folder / "im").mkdir()
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 255, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "im" / f"{i}.png")


def test_images_beside_the_table_are_found(tmp_path):
    make_images(tmp_path)
    run(write_table(tmp_path), "--out", tmp_path / "study", "--pixel-size", "0.65")
    study = open_study(tmp_path / "study")
    assert check_study(study.path) == []
    assert study.image_file(2) == (tmp_path / "im" / "2.png").resolve()
    assert study.thumbnail(3)[8:12] == b"WEBP"
    assert study.images["content_hash"].is_unique
    assert study.images["quality_focus"].notna().all()
    assert study.meta["pixel_size_um"] == 0.65
    assert not (study.path / "pictures").exists()


def test_a_damaged_image_is_counted_and_never_fatal(tmp_path):
    images = tmp_path / "elsewhere"
    images.mkdir()
    make_images(images)
    (images / "im" / "1.png").write_bytes((images / "im" / "1.png").read_bytes()[:200])
    said = run(write_table(tmp_path), "--out", tmp_path / "study", "--image-root", images)
    assert "74.58 %" not in said
    study = open_study(tmp_path / "study")
    assert check_study(study.path) == []
    assert len(study.images) == 4
    assert study.thumbnail(1) is None
    assert study.thumbnail(2) is not None
    assert study.images["content_hash"].isna().tolist() == [False, True, False, False]
    assert study.meta["quarantined"] == 1
    quarantine = pd.read_csv(study.path / "quarantine.csv")
    assert quarantine["row"].tolist() == [3]  # as the spreadsheet counts
    assert study.meta["metrics"]["vi"]["image"] == {"n": 4, "right": 3, "accuracy": 0.75}


def refused(capsys, *arguments):
    assert main(["import", *map(str, arguments)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("bnn: ")
    assert message.count("\n") == 1
    return message


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys):
    table, out = write_table(tmp_path), tmp_path / "out" / "study"
    assert "does not exist" in refused(capsys, tmp_path / "none.csv", "--out", out)
    assert "--map label is not NAME=COLUMN" in refused(
        capsys, table, "--out", out, "--map", "label"
    )
    assert "'tag' is not a column" in refused(capsys, table, "--out", out, "--map", "tag=x")
    assert "does not hold the first 4 images" in refused(
        capsys, table, "--out", out, "--image-root", tmp_path
    )
    assert "is not a folder" in refused(capsys, table, "--out", out, "--image-root", tmp_path / "x")
    bad = write_table(tmp_path, p_a=[0.9, 0.9, 0.2, 0.1])
    assert "row 3: the probabilities sum to 1.3" in refused(capsys, bad, "--out", out)
    named = write_table(tmp_path, label=["label", "b", "b", "b"])
    assert "row 2: label 'label' is not one of the classes (a, b)" in refused(
        capsys, named, "--out", out
    )
    assert not out.parent.exists() or not list(out.parent.iterdir())


def test_a_study_is_not_overwritten_without_force(tmp_path, capsys):
    table, out = write_table(tmp_path), tmp_path / "study"
    run(table, "--out", out)
    before = json.loads((out / "study.json").read_text())
    assert "--force" in refused(capsys, table, "--out", out)
    assert json.loads((out / "study.json").read_text()) == before
    run(table, "--out", out, "--force", "--title", "Second")
    assert open_study(out).meta["title"] == "Second"
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["study"]
