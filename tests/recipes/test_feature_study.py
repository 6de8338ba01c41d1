"""A study of measured features, from the table to the pages' folder and to new rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from PIL import Image

import bnn_core as bnn
from bnn_core.base.errors import InputError
from bnn_core.commands import cli
from bnn_core.datasets.features import read_features
from bnn_core.networks.saved import read_weights
from bnn_core.recipes.baselines import study_baselines
from bnn_core.recipes.feature_presets import FEATURE_PRESETS, suited
from bnn_core.recipes.method_choice import changes_of, choose_methods
from bnn_core.recipes.new_features import features_like, predict_features
from bnn_core.recipes.plate_study import prepared_folder
from bnn_core.study.checking import check_study
from bnn_core.study.describing import one_line
from bnn_core.study.fields import read_original
from bnn_core.study.folder import open_study
from bnn_core.study.methods_text import methods_paragraph


def screen(seed=0, wells=4):
    """Wells of nine compounds of three mechanisms, 12 features of which six tell the mechanism, and
    two untreated wells on each of two plates."""
    rng = np.random.default_rng(seed)
    compounds = np.array([f"c{i}" for i in range(9)])
    rows = []
    for k, compound in enumerate(compounds):
        for well in range(wells):
            x = rng.normal(size=12)
            x[:6] += 4 * np.tile([np.cos(k % 3 * 2.1), np.sin(k % 3 * 2.1)], 3)
            rows.append(
                [f"P{well % 2}", f"{'BCD'[k % 3]}{k // 3 * 4 + well + 1:02d}", compound, *x]
            )
    for well in range(4):
        rows.append([f"P{well % 2}", f"H{well + 1:02d}", "DMSO", *rng.normal(size=12)])
    table = pd.DataFrame(rows, columns=["plate", "well", "compound", *(f"f{i}" for i in range(12))])
    mechanisms = {c: f"m{i % 3}" for i, c in enumerate(compounds)}
    table.insert(3, "moa", table["compound"].map(mechanisms))
    table["f1"] = table["f1"].mask(table.index % 7 == 3)
    return table


SMALL = {
    "control": "DMSO",
    "folds": 3,
    "num_samples": 5,
    "epochs": 20,
    "hidden": 16,
    "batch_size": 8,
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "profiles.csv"
    screen().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def study(table):
    return bnn.study_from_features(table, table.parent / "study", **SMALL)


def test_it_finds_the_mechanism_and_needs_no_pictures(study):
    assert check_study(study.path) == []
    assert study.images["role"].value_counts().to_dict() == {"scored": 36, "control": 4}
    for method in ("vi", "standard"):
        assert bnn.evaluate(study, method)["accuracy"].value > 0.9
    assert study.meta["features"] == [f"f{i}" for i in range(12)]
    assert not study.has_thumbnail(0) and "path" not in study.images
    assert study_baselines(study).accuracies["features"]["image"]["accuracy"] > 0.9
    assert len(bnn.rank_suspects(study)) == 9
    assert study.noun == "row" and "40 rows" in one_line(study.path)
    methods = methods_paragraph(study)
    assert "40 rows" in methods and "image" not in methods
    report = bnn.write_report(study, study.path.parent / "report.html").read_text()
    assert study.about_rows and study.about_rows in report


def test_every_fold_is_scaled_by_its_training_rows(study, table):
    values = pd.read_csv(table)[study.meta["features"]].to_numpy()
    scored = (study.images["role"] == "scored").to_numpy()
    for fold in range(3):
        train = values[scored & (study.images["fold"] != fold).to_numpy()]
        for method in ("vi", "standard"):
            state = read_weights(study.path / "folds" / str(fold) / method)
            assert_allclose(state["scaling.fill"], np.nanmedian(train, axis=0), rtol=1e-5)


def test_values_of_a_held_out_compound_change_nothing_of_its_fold(study, table, tmp_path):
    rows = pd.read_csv(table)
    group = study.images["group"][study.images["fold"] == 0].iat[0]
    rows.loc[rows["compound"] == group, "f5"] *= 1000
    rows.to_csv(tmp_path / "profiles.csv", index=False)
    other = bnn.study_from_features(tmp_path / "profiles.csv", tmp_path / "study", **SMALL)
    fold = int(other.images["fold"][other.images["group"] == group].iat[0])
    for name, value in read_weights(study.path / "folds" / str(fold) / "vi").items():
        assert (read_weights(other.path / "folds" / str(fold) / "vi")[name] == value).all(), name


def test_the_command_makes_the_same_study(study, table, tmp_path, capsys):
    flags = "--control DMSO --folds 3 --num-samples 5 --epochs 20 --hidden 16 --batch-size 8"
    out = tmp_path / "again"
    assert cli.main(["study", "features", str(table), *flags.split(), "--out", str(out)]) == 0
    assert "12 features" in capsys.readouterr().err
    again = open_study(out)
    for method in study.methods:
        columns = [f"p_{name}" for name in study.classes]
        assert_allclose(again.summary(method)[columns], study.summary(method)[columns], atol=1e-6)


def test_rows_predicted_again_have_the_numbers_of_the_study(study, table, tmp_path, capsys):
    out = tmp_path / "more"
    new = screen(seed=5).drop(columns="moa").assign(extra=1.0)
    new = new[["f11", *new.columns.drop("f11")]]  # in another order
    new.to_csv(tmp_path / "new.csv", index=False)
    flags = ["--control", "DMSO", "--cache", str(tmp_path), "--out", str(out)]
    assert cli.main(["predict", str(study.path), str(table), *flags]) == 0
    more = open_study(out)
    own = study.images["role"] == "scored"
    again = more.images["image_id"].str.startswith("profiles/") & (more.images["role"] == "shifted")
    for method in study.methods:
        columns = [f"p_{name}" for name in study.classes]
        before, after = study.summary(method)[columns][own], more.summary(method)[columns][again]
        assert_allclose(after, before, atol=1e-6)
        assert_allclose(more.summary(method)[columns][: len(own)], study.summary(method)[columns])
    # Rows of another day: no labels, one compound a control.
    assert cli.main(["predict", str(out), str(tmp_path / "new.csv"), "--control", "DMSO"]) == 0
    both = open_study(out)
    rows = both.images["image_id"].str.startswith("new/")
    assert both.images["role"][rows].value_counts().to_dict() == {"unlabelled": 36, "control": 4}
    predicted = both.summary("vi")["predicted"][rows].to_numpy()[:36]
    assert (predicted == screen()["moa"].to_numpy()[:36]).mean() > 0.9
    rows_before = len(both.images)
    assert cli.main(["predict", str(out), str(tmp_path / "new.csv"), "--control", "DMSO"]) == 0
    assert len(open_study(out).images) == rows_before
    capsys.readouterr()
    new.drop(columns="f3").to_csv(tmp_path / "less.csv", index=False)
    assert cli.main(["predict", str(out), str(tmp_path / "less.csv")]) == 2
    assert "lacks 1 of the study's 12 features: f3" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 201])
def test_a_set_of_rows_has_the_name_of_a_folder(study, table, name):
    with pytest.raises(InputError, match="name"):
        predict_features(study.path, features_like(study, table), name)


def test_one_network_on_all_compounds_is_trained_afterwards(study, table, tmp_path, capsys):
    out = tmp_path / "deployed"
    new = screen(seed=5).drop(columns="moa")
    new.to_csv(tmp_path / "new.csv", index=False)
    command = ["predict", str(study.path), str(tmp_path / "new.csv"), "--control", "DMSO"]
    assert cli.main([*command, "--deploy", "--cache", str(tmp_path), "--out", str(out)]) == 0
    made = open_study(out)
    assert check_study(out) == [] and made.meta["deployed"]["training_images"] == 36
    fill = read_weights(out / "deploy" / "vi")["scaling.fill"]
    values = pd.read_csv(table)[study.meta["features"]].to_numpy()[:36]
    assert_allclose(fill, np.nanmedian(values, axis=0), rtol=1e-5)  # of all compounds, no controls
    rows = made.images["image_id"].str.startswith("new/").to_numpy()
    predicted = made.summary("vi")["predicted"][rows].to_numpy()[:36]
    assert (predicted == screen()["moa"].to_numpy()[:36]).mean() > 0.9
    prepared = prepared_folder(study.path)
    moved = prepared.rename(tmp_path / "gone")
    assert cli.main(["predict", str(study.path), "--deploy"]) == 2
    assert "--deploy: the features of study" in capsys.readouterr().err
    moved.rename(prepared)


def test_rows_are_looked_at_without_a_change_to_the_study(study, table, tmp_path, capsys):
    before = sorted((p, p.stat().st_mtime_ns) for p in study.path.rglob("*"))
    pd.read_csv(table).assign(f3=np.inf).to_csv(tmp_path / "odd.csv", index=False)
    command = ["predict", str(study.path), str(tmp_path / "odd.csv")]
    assert cli.main([*command, "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert "40 rows (--dry-run)" in printed.out and "(f3)" in printed.err
    for flag in ("--layout", "--pattern", "--planes", "--time"):
        assert cli.main([*command, flag, "1"]) == 2
        assert f"{flag} goes with images" in capsys.readouterr().err
    assert sorted((p, p.stat().st_mtime_ns) for p in study.path.rglob("*")) == before


def test_new_plates_are_anchored_in_the_units_of_the_study(table, tmp_path):
    several = pd.read_csv(table)
    controls = several[several["compound"] == "DMSO"]
    several = pd.concat([several, controls.assign(well=[f"G{i:02d}" for i in range(1, 5)])])
    several.to_csv(tmp_path / "several.csv", index=False)
    study = bnn.study_from_features(
        tmp_path / "several.csv", tmp_path / "s", anchor="controls", methods=["standard"], **SMALL
    )
    features = features_like(study, tmp_path / "several.csv", control="DMSO")
    assert study.meta["anchor_spread"] == features.spread
    one = several[several["plate"] == "P1"]
    one.to_csv(tmp_path / "one.csv", index=False)
    new = features_like(study, tmp_path / "one.csv", control="DMSO")
    assert_allclose(new.values, features.values[(several["plate"] == "P1").to_numpy()], rtol=1e-5)


def test_rows_show_the_pictures_of_their_wells(table, tmp_path):
    rows = pd.read_csv(table)
    wells = rows[["plate", "well"]].iloc[:30].assign(path=[f"{i}.png" for i in range(30)], site=1)
    for i in range(29):  # the last is lost
        Image.fromarray(np.full((16, 16), 8 * i, np.uint8)).save(tmp_path / f"{i}.png")
    pd.concat([wells, wells.assign(site=2)]).drop_duplicates("path").to_csv(
        tmp_path / "images.csv", index=False
    )
    made = bnn.study_from_features(
        table,
        tmp_path / "study",
        pictures=tmp_path / "images.csv",
        methods=["standard"],
        **SMALL | {"epochs": 1},
    )
    assert check_study(made.path) == [] and len(made.images) == 40
    assert [made.has_thumbnail(row) for row in range(40)] == [True] * 29 + [False] * 11
    assert read_original(made, 5).mean() == 40
    assert made.meta["channels"] == ["grey"]
    # The table itself may name them, in a column of its own.
    rows.assign(image=wells["path"].reindex(rows.index)).to_csv(tmp_path / "own.csv", index=False)
    own = read_features(tmp_path / "own.csv", control="DMSO")
    assert own.table["path"].notna().sum() == 30 and own.names == tuple(made.meta["features"])


@pytest.mark.parametrize(("rows", "size"), [(20, 8), (302, 32), (5000, 512), (100_000, 512)])
def test_batches_suit_the_number_of_rows(rows, size):
    choice = choose_methods(
        FEATURE_PRESETS, changes=changes_of({"batch_size": {"vi": 7}}), device="cpu"
    )
    sizes = {m: c.batch_size for m, c in suited(choice, rows).configs.items()}
    assert sizes == {"vi": 7, "standard": size}
