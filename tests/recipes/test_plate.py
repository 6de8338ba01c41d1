"""Studies of plate images, from a table of tiny pictures to the study; folds as separate jobs."""

import fcntl
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from loaded_plates import load_plate
from numpy.testing import assert_allclose
from page_studies import ROOT
from PIL import Image

from bnn_core.base.files import TakenError, alone, read_json
from bnn_core.commands import cli
from bnn_core.datasets.sources import open_source
from bnn_core.networks import precision
from bnn_core.networks.building import network_input
from bnn_core.networks.prediction import predictive_samples
from bnn_core.networks.procedures import networks_of
from bnn_core.recipes import plate_study, workers
from bnn_core.recipes.baselines import BASELINES_FILE, study_baselines
from bnn_core.study import writing
from bnn_core.study.checking import check_study
from bnn_core.study.folder import open_study
from bnn_core.study.lock import study_lock

SMALL = [
    "--preset",
    "quick",
    "--epochs",
    "1",
    "--head-width",
    "8",
    "--pathways",
    "1",
    "--crop",
    "8",
    "--num-samples",
    "4",
    "--folds",
    "2",
    "--size",
    "16",
]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Four compounds of two mechanisms, one other dose each, and DMSO; one file is broken."""
    folder = tmp_path_factory.mktemp("plate")
    rng = np.random.default_rng(0)
    rows = []
    for compound, moa in (("a", "X"), ("b", "X"), ("c", "Y"), ("d", "Y"), ("DMSO", "")):
        for site in range(3):
            name = f"{compound}{site}.png"
            picture = rng.integers(0, 200, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / name)
            rows.append(
                (
                    name,
                    compound,
                    "" if site == 2 else moa,
                    0.1 * 10 ** (site == 2),
                    "P1",
                    f"B{ord(compound[0]) % 9 + 1:02d}",
                    site + 1,
                )
            )
    (folder / "c1.png").write_bytes(b"no picture")
    frame = pd.DataFrame(
        rows, columns=["path", "compound", "moa", "concentration", "plate", "well", "site"]
    )
    frame.to_csv(folder / "fields.csv", index=False)
    return folder / "fields.csv"


@pytest.fixture(scope="module")
def study(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("studies") / "tiny"
    argv = ["study", "plate", str(table), "--label", "moa", "--control", "DMSO", "--out", str(out)]
    assert cli.main([*argv, *SMALL]) == 0
    return open_study(out)


def test_who_is_trained_on_who_is_predicted_and_who_counts(study):
    images = study.images
    assert check_study(study.path) == []
    assert dict(images["role"].value_counts()) == {"scored": 7, "unlabelled": 4, "control": 3}
    assert study.meta["quarantined"] == 1
    assert "c1.png" in (study.path / "quarantine.csv").read_text()
    # DMSO is predicted by every fold, everything else by the fold that left its compound out.
    assert (images["fold"][images["role"] == "control"] == -1).all()
    for fold, part in enumerate(study.meta["folds"]):
        held = images["group"].isin(part["held_out"])
        assert (images["fold"][held] == fold).all()
        assert not held[images["role"] == "control"].any()
    assert study.summary("vi")["correct"].notna().sum() == 7
    assert study.samples("vi").shape == (14, 4, 2)
    # Who is scored in one fold is trained on in another, and nobody else is.
    for method in study.methods:
        margins = study.summary(method)["training_margin"]
        assert (margins.notna() == (images["role"] == "scored")).all()
    assert study.meta["metrics"]["vi"]["image"]["n"] == 7
    kept = study_baselines(study)
    assert BASELINES_FILE.as_posix() in study.meta["files"] and kept.source != "thumbnails"
    assert kept.accuracies["intensities"]["image"]["n"] == 7
    assert study.meta["levels"] == ["image", "well", "treatment", "compound"]


def test_the_bayesian_means_began_as_the_standard_network(study):
    config = json.loads((study.path / "folds/1/vi/config.json").read_text())
    assert (config["bayesian"], config["start"]) == (True, "standard")
    assert (study.path / "folds/1/standard/weights.safetensors").is_file()


def test_more_folds_than_compounds_are_refused_before_any_image_is_read(table, tmp_path, capsys):
    out = tmp_path / "many"
    argv = ["study", "plate", str(table), "--label", "moa", "--control", "DMSO", "--out", str(out)]
    assert cli.main([*argv, *SMALL, "--folds", "9"]) == 2
    assert "--folds 9: give 2 to 4" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("began", "words"), [(True, "trained in float32"), (False, "--restart")])
def test_a_study_goes_on_as_it_began_on_another_kind_of_processor(
    table, tmp_path, capsys, monkeypatch, began, words
):
    def plan(has, *more):
        monkeypatch.setattr(precision, "_has_bfloat16", lambda kind: has)
        argv = ["study", "plate", str(table), "--label", "moa", "--out", str(tmp_path / "s")]
        assert cli.main([*argv, *SMALL, "--prepare-only", *more]) == 0
        configs = read_json(tmp_path / "s.making" / "plan.json")["configs"]
        (used,) = {config["precision"] for config in configs.values()}
        told = [line for line in capsys.readouterr().err.splitlines() if "was started in" in line]
        return used == "bfloat16", told

    assert plan(began) == (began, [])
    used, (told,) = plan(not began)
    assert used == began and words in told
    assert plan(not began, "--restart") == (not began, [])


def test_images_in_a_separate_folder_are_planned_and_resumed(table, tmp_path):
    moved = tmp_path / "tables" / "fields.csv"
    moved.parent.mkdir()
    moved.write_bytes(table.read_bytes())
    argv = [
        "study",
        "plate",
        str(moved),
        "--images",
        str(table.parent),
        "--label",
        "moa",
        "--control",
        "DMSO",
        "--out",
        str(tmp_path / "apart"),
        *SMALL,
    ]
    assert cli.main([*argv, "--prepare-only"]) == 0
    assert cli.main(argv) == 0
    assert len(open_study(tmp_path / "apart").images) == 14


def test_the_slurm_script_runs_every_fold_and_the_last_assembles(table, tmp_path, capsys):
    out = tmp_path / "a study's name"
    argv = ["study", "plate", str(table), "--label", "moa", "--control", "DMSO", *SMALL]
    assert cli.main([*argv, "--out", str(out), "--slurm"]) == 0
    script = out.with_name(f"{out.name}.sbatch")
    assert str(script) in capsys.readouterr().out.replace("'\"'\"'", "'")
    (array,) = [x for x in script.read_text().splitlines() if x.startswith("#SBATCH --array=0-")]
    last = int(array.rpartition("-")[2])
    for fold in range(last):
        assert cli.main(["fold", str(out), str(fold)]) == 0
    job = os.environ | {"SLURM_ARRAY_TASK_ID": str(last), "PYTHONPATH": str(ROOT)}
    subprocess.run(["sh", str(script)], env=job, check=True)
    assert len(open_study(out).images) == 14


def test_images_left_out_are_counted_and_listed_at_once(table, tmp_path, capsys, monkeypatch):
    out = tmp_path / "s"
    argv = [
        "study",
        "plate",
        str(table),
        "--label",
        "moa",
        "--control",
        "DMSO",
        "--out",
        str(out),
        *SMALL,
    ]
    assert cli.main([*argv, "--prepare-only"]) == 0
    said = capsys.readouterr().err
    assert "1 of 15 images could not be used" in said and "the first: row 9, " in said
    listed = out.with_name("s.making") / "quarantine.csv"
    assert f"listed in {listed}" in said
    assert pd.read_csv(listed)[["file", "row"]].to_numpy().tolist() == [["c1.png", 9]]

    def training(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(plate_study, "run_folds", training)
    cli.main(argv)
    assert "1 of 15 images could not be used" in capsys.readouterr().err


def test_images_of_the_study_are_distinguished_from_new_ones(study, table, tmp_path, capsys):
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "copy.png").write_bytes((table.parent / "a0.png").read_bytes())
    Image.fromarray(np.full((16, 16, 3), 9, np.uint8)).save(shown / "new.png")
    out = tmp_path / "both"
    assert cli.main(["predict", str(study.path), str(shown), "--out", str(out)]) == 0
    result = open_study(out)
    images = result.images.set_index("image_id")
    assert images.loc["shown/copy.png", "content_hash"] in set(study.images["content_hash"])
    assert images.loc["shown/new.png", "content_hash"] not in set(study.images["content_hash"])
    assert any("1 added image is also in the study" in note for note in result.meta["notes"])
    own = study.images.index[study.images["path"] == "a0.png"][0]
    copy = result.images.index[result.images["image_id"] == "shown/copy.png"][0]
    p = ["p_X", "p_Y", "epistemic"]
    assert_allclose(result.summary("vi")[p].loc[copy], study.summary("vi")[p].loc[own], atol=1e-6)


def test_folds_as_separate_jobs_give_the_same_study(study, table, tmp_path, capsys):
    out = tmp_path / "jobs"
    argv = ["study", "plate", str(table), "--label", "moa", "--control", "DMSO", "--out", str(out)]
    assert cli.main([*argv, *SMALL, "--prepare-only"]) == 0
    assert "2 folds planned" in capsys.readouterr().out
    assert not out.exists()
    assert cli.main(["fold", str(out), "2"]) == 2
    assert "folds 0 to 1" in capsys.readouterr().err
    assert cli.main(["fold", str(out), "1"]) == 0
    assert "missing: 0" in capsys.readouterr().out
    assert cli.main(["fold", str(out), "0"]) == 0
    for method in ("vi", "standard"):
        columns = ["p_X", "p_Y", "confidence", "epistemic"]
        assert_allclose(open_study(out).summary(method)[columns], study.summary(method)[columns])


def test_trainings_side_by_side_are_the_default_and_give_the_same_study(
    study, table, tmp_path, monkeypatch
):
    out, started = tmp_path / "beside", []
    pool = workers.ProcessPoolExecutor
    monkeypatch.setattr(workers, "processors", lambda: 2)
    monkeypatch.setattr(
        workers, "ProcessPoolExecutor", lambda jobs, **kw: started.append(jobs) or pool(jobs, **kw)
    )
    argv = ["study", "plate", str(table), "--label", "moa", "--control", "DMSO", "--out", str(out)]
    assert cli.main([*argv, *SMALL]) == 0
    assert started == [2]
    same = [*study.path.glob("folds/*/*/weights.safetensors"), *study.path.glob("samples/*")]
    assert len(same) == 2 * 2 + 2
    for path in same:
        assert (out / path.relative_to(study.path)).read_bytes() == path.read_bytes()


def test_a_fold_runs_once_at_a_time_and_only_on_the_images_it_was_planned_with(
    table, tmp_path, capsys
):
    out, making = tmp_path / "s", tmp_path / "s.making"
    argv = [
        "study",
        "plate",
        str(table),
        "--label",
        "moa",
        "--out",
        str(out),
        *SMALL,
        "--methods",
        "standard",
        "--prepare-only",
    ]
    assert cli.main(argv) == 0
    (making / "folds").mkdir()
    with alone(making / "folds" / "0.standard.lock", ""):
        assert cli.main(["fold", str(out), "0"]) == 2
    assert "fold 0 of" in (err := capsys.readouterr().err) and "another process" in err
    # Another size is refused before the small images of this one are made anew.
    prepared = (tmp_path / "s.prepared" / "source.json").read_bytes()
    assert cli.main([*argv, "--size", "12"]) == 2
    assert "other settings (asked.size)" in capsys.readouterr().err
    assert (tmp_path / "s.prepared" / "source.json").read_bytes() == prepared
    # Touched files are prepared again; a fold says so, and the same command continues.
    first = next(table.parent.rglob("*.png"), None) or next(table.parent.rglob("*.tif"))
    os.utime(first, (1, 1))
    load_plate(table, tmp_path / "s.prepared", label="moa", size=16)
    assert cli.main(["fold", str(out), "0"]) == 2
    assert "prepared again" in capsys.readouterr().err
    assert cli.main(argv) == 0
    assert cli.main(["fold", str(out), "0"]) == 0
    trained = (making / "folds" / "0" / "standard" / "weights.safetensors").stat().st_mtime_ns
    assert cli.main(["fold", str(out), "0"]) == 0  # queued again: nothing is done twice
    assert (
        making / "folds" / "0" / "standard" / "weights.safetensors"
    ).stat().st_mtime_ns == trained
    # A thread may take its own lock again, so another one holds it.
    with ThreadPoolExecutor(1) as other:
        held = study_lock(out)
        other.submit(held.__enter__).result()
        assert cli.main(["fold", str(out), "1"]) == 0
        other.submit(held.__exit__, None, None, None).result()
    assert "another job assembles" in capsys.readouterr().out
    for words in ("accuracy on", "all folds were finished before"):
        assert cli.main(["fold", str(out), "1"]) == 0
        assert words in capsys.readouterr().out
    assert cli.main(["fold", str(out), "99"]) == 2
    assert "folds 0 to 1" in capsys.readouterr().err
    assert check_study(out) == [] and not list(out.rglob("*.lock"))


def test_a_run_killed_while_the_study_is_put_in_place_loses_nothing(table, tmp_path, monkeypatch):
    out = tmp_path / "s"
    argv = [
        "study",
        "plate",
        str(table),
        "--label",
        "moa",
        "--out",
        str(out),
        *SMALL,
        "--methods",
        "standard",
    ]

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "swap_in", killed)
    assert cli.main(argv) == 130
    monkeypatch.undo()
    weights = tmp_path / "s.making" / "folds" / "0" / "standard" / "weights.safetensors"
    trained = weights.stat().st_mtime_ns
    assert cli.main(argv) == 0
    assert (out / weights.relative_to(tmp_path / "s.making")).stat().st_mtime_ns == trained
    assert check_study(out) == [] and not (out / "plan.json").exists()


def test_a_lock_that_was_waited_for_and_removed_is_asked_for_again(tmp_path, monkeypatch):
    lock, flock, first = tmp_path / "x.lock", fcntl.flock, [True]

    def late(file, how):
        if first.pop() if first else False:
            lock.unlink()  # the holder ended between this one's open and its lock
        return flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with alone(lock, "taken"), pytest.raises(TakenError, match="taken"), alone(lock, "taken"):
        pass
    assert not lock.exists()


def test_reviewed_images_are_left_out_or_relabelled_in_the_same_folds(
    study, table, tmp_path, capsys
):
    ids = study.images["image_id"][study.images["role"] == "scored"].to_numpy()
    reviewed = tmp_path / "reviewed.csv"
    reviewed.write_text(f"image_id,decision,new_label\n{ids[0]},exclude,\n{ids[2]},relabel,Y\n")
    out = tmp_path / "cleaned"
    argv = [
        "study",
        "plate",
        str(table),
        "--label",
        "moa",
        "--control",
        "DMSO",
        "--out",
        str(out),
        *SMALL,
        "--exclude",
        str(reviewed),
        "--relabel",
        str(reviewed),
    ]
    assert cli.main(argv) == 0
    cleaned = open_study(out)
    images = cleaned.images.set_index("image_id")
    assert images.loc[ids[0], "role"] == "unlabelled"
    assert images.loc[ids[2], "label"] == "Y"
    assert images.loc[ids[2], "label_given"] == "X"
    assert cleaned.meta["metrics"]["vi"]["image"]["n"] == 6
    assert [f["held_out"] for f in cleaned.meta["folds"]] == [
        f["held_out"] for f in study.meta["folds"]
    ]
    reviewed.write_text("image_id,decision,new_label\nnobody,exclude,\n")
    capsys.readouterr()
    assert cli.main([*argv[:-1], str(reviewed), "--restart", "--force"]) == 2
    assert "'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--folds", "9"], "--folds 9: give 2 to 4"),
        (["--folds", "3", "--leave-out", "label"], "--folds does not go with --leave-out label"),
        (["--folds", "some"], "--folds some: give a whole number of at least 2, or 'each'"),
        (["--label", "verdict"], "verdict"),
        (["--folds", "1"], "--folds 1: give a whole number of at least 2"),
        (["--leave-out", "batch"], "--batch"),
        (["--leave-out", "batch", "--prepare-only"], "--batch"),
        (["--group", "plate", "--folds", "each"], "group 'P1'"),
        (["--map", "well"], "--map well is not NAME=COLUMN"),
        (["--crop", "0", "--network", "lenet5", "--pathways", "0"], "lenet5 takes 28x28"),
    ],
)
def test_bad_input_is_one_line(table, tmp_path, capsys, change, message):
    argv = [
        "study",
        "plate",
        str(table),
        "--label",
        "moa",
        "--control",
        "DMSO",
        "--out",
        str(tmp_path / "s"),
        *SMALL,
        *change,
    ]
    assert cli.main(argv) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("bnn: ")]
    assert len(err) == 1
    assert message in err[0]


def test_wrong_flags_are_found_before_the_images_are_read(table, study, tmp_path, capsys):
    for change, words in (
        (["--epochs", "x"], "--epochs"),
        (["--folds", "1"], "--folds"),
        (["--device", "cuda:77"], "--device"),
        (["--out", str(study.path)], "--force"),
    ):
        argv = ["study", "plate", str(table), "--out", str(tmp_path / "s"), *change]
        assert cli.main(argv) == 2
        assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    for size in ("nan", "-1", "0", "inf"):
        assert cli.main([*argv[:3], "--pixel-size", size]) == 2
        assert "no number above 0" in capsys.readouterr().err


def test_crops_larger_than_the_images_are_an_error_or_a_warning(table, tmp_path, capsys):
    argv = [
        "study",
        "plate",
        str(table),
        "--label",
        "moa",
        "--control",
        "DMSO",
        "--out",
        str(tmp_path / "s"),
        "--prepare-only",
        "--folds",
        "2",
    ]
    assert cli.main([*argv, "--size", "16", "--crop", "999"]) == 2
    assert "--crop vi=999 is more than the images' 16 pixels" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert cli.main([*argv, "--crop", "32"]) == 2  # of --size 128, but the files are smaller
    assert "--crop vi=32 is more than the images' 16 pixels" in capsys.readouterr().err
    # One network's crops fit; the other's are the preset's, of which a word is enough, once.
    assert cli.main([*argv, "--size", "8", "--crop", "vi=8"]) == 0
    said = capsys.readouterr().err
    assert said.count("images of 8 pixels are smaller than the preset's crops of 64") == 1


def test_typing_mistakes_give_a_warning_before_the_images_are_read(table, tmp_path, capsys):
    rows = pd.read_csv(table)
    rows.loc[0, "moa"] = "x"
    rows.to_csv(table.with_name("slip.csv"), index=False)
    argv = [
        "study",
        "plate",
        str(table.with_name("slip.csv")),
        "--label",
        "moa",
        "--out",
        str(tmp_path / "s"),
        *SMALL,
        "--prepare-only",
    ]
    assert cli.main(argv) == 0
    assert "WARNING: 'X' and 'x' are different classes" in capsys.readouterr().err


def test_help_says_where_the_study_goes(capsys):
    with pytest.raises(SystemExit):
        cli.main(["study", "plate", "--help"])
    help_text = " ".join(capsys.readouterr().out.split())
    assert "name of the table or folder under --cache" in help_text


def test_the_command_ends_with_what_was_left_out_and_how_many_count(table, tmp_path, capsys):
    """A label of one compound alone cannot be learnt when that is left out: it is not counted."""
    rows = pd.read_csv(table).fillna("")
    rows["moa"] = rows["moa"].where(rows["compound"] != "d", "Z")
    rows.to_csv(table.with_name("lone.csv"), index=False)
    argv = ["study", "plate", str(table.with_name("lone.csv")), "--out", str(tmp_path / "s")]
    assert (
        cli.main([*argv, *SMALL, "--label", "moa", "--folds", "each", "--methods", "standard"]) == 0
    )
    *notes, last = capsys.readouterr().out.splitlines()
    assert any("1 of 15 images could not be used" in note and "c1.png" in note for note in notes)
    assert any("cannot be" in note or "could not learn" in note for note in notes)
    assert "accuracy on 4 scored images" in last


def test_rivals_train_in_every_fold_and_their_times_are_summed(table, tmp_path, capsys):
    argv = [
        "study",
        "plate",
        str(table),
        "--label",
        "moa",
        "--control",
        "DMSO",
        "--out",
        str(tmp_path / "s"),
        *SMALL,
        "--members",
        "2",
    ]
    assert cli.main([*argv, "--methods", "ensemble,temperature"]) == 2
    assert "--methods; add standard" in capsys.readouterr().err
    assert cli.main([*argv, "--methods", "dropout,standard,ensemble,laplace"]) == 0
    study = open_study(tmp_path / "s")
    assert study.methods == ["dropout", "standard", "ensemble", "laplace"]
    assert check_study(study.path) == []
    assert study.samples("ensemble").shape[1] == 2
    fitted = study.meta["methods"]["laplace"]
    assert len(fitted["fitted"]["prior_precision"]) == 2 and fitted["builds_on"] == "standard"
    folds = [
        json.loads((study.path / f"folds/{k}/laplace/seconds.json").read_text()) for k in (0, 1)
    ]
    assert_allclose(
        fitted["seconds"]["training"]["wall"], sum(f["training"]["wall"] for f in folds), atol=0.01
    )


def test_a_label_that_no_fold_could_learn_is_refused_at_planning(table, tmp_path, capsys):
    rows = pd.read_csv(table)
    rows["alone"] = rows["compound"]
    rows.to_csv(table.with_name("alone.csv"), index=False)
    argv = [
        "study",
        "plate",
        str(table.with_name("alone.csv")),
        "--label",
        "alone",
        "--out",
        str(tmp_path / "s"),
        *SMALL,
        "--folds",
        "each",
        "--prepare-only",
    ]
    assert cli.main(argv) == 2
    assert "name another --label or --group" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []  # refused before any image is read


def test_calibrated_folds_predict_later_as_they_did_in_the_study(table, tmp_path):
    argv = ["study", "plate", str(table), "--label", "moa", "--control", "DMSO"]
    argv += [*SMALL, "--out", str(tmp_path / "s"), "--tta", "dihedral", "--num-samples", "8"]
    assert cli.main([*argv, "--calibrate", "folds"]) == 0
    study = open_study(tmp_path / "s")
    assert check_study(study.path) == []
    for method in ("vi", "standard"):
        temperatures = study.meta["methods"][method]["fitted"]["calibration_temperature"]
        assert len(temperatures) == 2
        # The samples and the summary are those of the networks as they stand in the study.
        samples = np.asarray(study.samples(method), dtype=np.float64)
        once = study.images["fold"] >= 0
        columns = [f"p_{name}" for name in study.classes]
        summary = study.summary(method)[columns].to_numpy()
        assert_allclose(samples[once].mean(axis=1), summary[once], atol=2e-3)
        source = open_source(tmp_path / "s.prepared")
        for fold, temperature in enumerate(temperatures):
            networks = networks_of(study.path / "folds" / str(fold) / method, 8, fold)
            assert networks.temperature == temperature
            rows = np.flatnonzero(study.images["fold"] == fold)
            p = predictive_samples(networks, network_input(source.pixels(rows), "sqrt")).mean(dim=0)
            assert_allclose(p, summary[rows], atol=2e-3)
