"""The names that `import bnn_core as bnn` gives, each tried as a user would."""

import inspect
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from page_studies import write_animals, write_compounds, write_screen

import bnn_core as bnn
from bnn_core.commands import cli
from bnn_core.measures.evaluation import auroc, brier, ece, nll
from bnn_core.measures.judged_units import accuracy_by_level
from bnn_core.review.exporting import export_bytes
from bnn_core.review.log import ReviewLog
from bnn_core.study.checking import check_study
from bnn_core.study.fields import read_original

TINY = {
    "preset": "quick",
    "epochs": 1,
    "head_width": 8,
    "pathways": 1,
    "crop": 8,
    "size": 16,
    "folds": 2,
    "num_samples": 3,
}


@pytest.fixture(scope="module")
def arrays():
    """36 images of six compounds of two mechanisms, bright and dark; the last has no label."""
    rng = np.random.default_rng(0)
    compounds = np.repeat(list("abcdef"), 6)
    labels = np.where(compounds < "d", "bright", "dark").astype(object)
    images = rng.integers(0, 90, (36, 2, 16, 16), dtype=np.uint8)
    images[labels == "bright"] += 150
    labels[-1] = None
    return images, labels, compounds


@pytest.fixture(scope="module")
def trained(arrays, tmp_path_factory):
    images, labels, compounds = arrays
    out = tmp_path_factory.mktemp("door") / "trained"
    return bnn.study_from_arrays(images, labels, compounds, out=out, **TINY)


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    return bnn.open_study(write_screen(tmp_path_factory.mktemp("door")))


@pytest.fixture
def table():
    """Mean probabilities (40, 3) of images with labels, and the samples (5, 40, 3) behind them."""
    rng = np.random.default_rng(1)
    samples = rng.dirichlet([1, 1, 1], size=(5, 40))
    frame = pd.DataFrame(samples.mean(axis=0), columns=["p_ant", "p_bee", "p_cat"])
    frame.insert(0, "image_id", [f"i{row}" for row in range(40)])
    frame["label"] = np.array(["ant", "bee", "cat"])[np.arange(40) % 3]
    return frame, samples


def test_the_import_is_lazy_and_every_name_is_there():
    script = (
        "import sys, bnn_core as bnn; assert not {'numpy', 'torch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert all(getattr(bnn, name).__doc__ for name in bnn.__all__)
    assert set(bnn.__all__) <= set(dir(bnn))
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        bnn.train  # noqa: B018


def test_keywords_of_a_new_study_are_shown_and_checked(tmp_path):
    shown = inspect.signature(bnn.study_from_plate).parameters
    assert {"table", "out", "label", "layout", "size", "methods", "force"} <= set(shown)
    assert shown["folds"].default is None and shown["size"].default == 128
    assert set(inspect.signature(bnn.study_from_arrays).parameters) >= {"images", "out", "size"}
    for keyword, meant in (("contrl", "control"), ("epoch", "epochs"), ("settings", "")):
        with pytest.raises(bnn.InputError, match=rf"'{keyword}'.*{meant}"):
            bnn.study_from_plate(tmp_path / "t.csv", tmp_path / "s", **{keyword: 1})


def test_studies_are_listed_and_opened(trained, monkeypatch):
    monkeypatch.setenv("BNN_CACHE", str(trained.path.parent))
    (entry,) = bnn.list_studies()
    assert (entry.name, entry.rows, entry.problem) == ("trained", 36, None)
    assert bnn.open_study("trained").fingerprint == trained.fingerprint
    with pytest.raises(bnn.InputError, match=r"did you mean 'trained'"):
        bnn.open_study("traned")


def test_arrays_become_a_study_that_holds_its_images(trained, arrays):
    images, _, compounds = arrays
    assert check_study(trained.path) == []
    assert trained.classes == ["bright", "dark"] and trained.methods == ["vi", "standard"]
    assert trained.images["role"].value_counts().to_dict() == {"scored": 35, "unlabelled": 1}
    for row in (0, 20, 35):
        assert_allclose(read_original(trained, row), images[row])
    assert list(trained.images["compound"]) == list(compounds)
    assert trained.has_thumbnail(0)
    # No group is on both sides: each is held out by exactly one fold.
    assert trained.images.groupby("group")["fold"].nunique().eq(1).all()
    assert not trained.meta["synthetic"]


def test_arrays_of_other_numbers_and_shapes(arrays, tmp_path):
    images, labels, compounds = arrays
    grey = np.asarray(images[:, 0] / 255, dtype=np.float32)
    metadata = {"well": ["B02"] * 36, "plate": ["P1"] * 36, "compound": compounds}
    study = bnn.study_from_arrays(
        grey, labels, metadata=metadata, out=tmp_path / "grey", methods=["standard"], **TINY
    )
    assert read_original(study, 3).dtype == np.uint16
    assert_allclose(read_original(study, 3)[0] / 65535, grey[3], atol=1e-5)
    assert study.meta["levels"] == ["image", "well", "compound"]
    assert set(study.images["group"]) == set("abcdef")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((36, 16))}, "shape"),
        ({"images": np.zeros((36, 16, 16, 3), np.uint8)}, "transpose"),
        ({"images": np.full((36, 16, 16), 2.5)}, "from 0 to 1"),
        ({"images": np.full((36, 16, 16), np.nan)}, "from 0 to 1"),
        ({"labels": ["bright"] * 35}, "label: 35 values for 36 images"),
        ({"labels": ["bright"] * 36}, "at least two classes"),
        ({"groups": list("ab")}, "2 values for 36 images"),
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"epochs": {"dropout": 3}}, "no method 'dropout'"),
        ({"epochs": 1.5}, "not a whole number"),
        ({"methods": "vi"}, "list of methods"),
        ({"preset": "quik"}, "did you mean 'quick'"),
        ({"folds": 1}, "^folds=1: "),
        ({"leave_out": "label", "folds": None}, "at least 3 labels"),
    ],
)
def test_arrays_that_cannot_be_used(arrays, tmp_path, change, message):
    images, labels, compounds = arrays
    given = {"images": images, "labels": labels, "groups": compounds, **TINY} | change
    with pytest.raises(bnn.InputError, match=message):
        bnn.study_from_arrays(given.pop("images"), given.pop("labels"), out=tmp_path / "s", **given)
    assert not (tmp_path / "s").exists()


def test_a_table_of_plates_becomes_the_same_study(trained, tmp_path):
    table = trained.images[["image_id", "path", "label", "compound"]]
    table.to_csv(tmp_path / "fields.csv", index=False)
    study = bnn.study_from_plate(
        tmp_path / "fields.csv",
        tmp_path / "plate",
        group="compound",
        images=trained.path / "pictures",
        **TINY,
    )
    assert_allclose(study.summary("vi")["confidence"], trained.summary("vi")["confidence"])
    with pytest.raises(bnn.InputError, match="force"):
        bnn.study_from_plate(
            tmp_path / "fields.csv",
            tmp_path / "plate",
            group="compound",
            images=trained.path / "pictures",
            **TINY,
        )


def test_a_data_frame_and_its_file_become_the_same_study(table, tmp_path):
    frame, samples = table
    study = bnn.import_predictions(frame, tmp_path / "mine", samples, method="dropout")
    assert study.methods == ["dropout"] and study.samples("dropout").shape == (40, 5, 3)
    assert check_study(study.path) == []
    frame.to_parquet(tmp_path / "t.parquet")
    np.save(tmp_path / "s.npy", samples)
    other = bnn.import_predictions(
        str(tmp_path / "t.parquet"),
        tmp_path / "file",
        str(tmp_path / "s.npy"),
        method="dropout",
    )
    pd.testing.assert_frame_equal(study.summary("dropout"), other.summary("dropout"))
    assert study.meta["settings"]["samples"] == "samples"
    plates = pd.DataFrame({"image_id": frame["image_id"], "plate": ["P1", "P2"] * 20})
    plates.to_csv(tmp_path / "plates.csv", index=False)
    joined = bnn.import_predictions(
        frame, tmp_path / "joined", metadata=tmp_path / "plates.csv", control="cat"
    )
    assert list(joined.images["plate"]) == ["P1", "P2"] * 20
    assert joined.meta["roles"]["control"] == 13
    frame_before = frame.copy()
    bnn.import_predictions(frame, tmp_path / "again")
    pd.testing.assert_frame_equal(frame, frame_before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": None}, "out="),
        ({"lable": "moa"}, r"no option 'lable' \(did you mean 'label'\?\)"),
        ({"method": "magic"}, "^method=magic is unknown"),
        ({"samples": np.zeros((5, 5))}, "^samples holds .* three axes"),
        ({"samples": np.full((5, 39, 3), 1 / 3)}, "^samples has the shape"),
    ],
)
def test_predictions_that_cannot_be_used(table, tmp_path, change, message):
    given = {"out": tmp_path / "s"} | change
    with pytest.raises(bnn.InputError, match=message):
        bnn.import_predictions(table[0], **given)
    assert not (tmp_path / "s").exists()


def test_summarise_is_the_formulas_of_the_paper(table):
    frame, samples = table
    classes = ["ant", "bee", "cat"]
    summary = bnn.summarise(samples, classes, frame["label"])
    mean, top = samples.mean(axis=0), samples.mean(axis=0).argmax(axis=1)
    rows = np.arange(40)
    assert list(summary["predicted"]) == [classes[k] for k in top]
    p = samples[:, rows, top]
    assert_allclose(summary["epistemic"], p.var(axis=0), atol=1e-12)
    assert_allclose(summary["aleatoric"], (p * (1 - p)).mean(axis=0), atol=1e-12)
    assert_allclose(summary["top_softmax"], mean.max(axis=1))
    assert_allclose(summary["p_label"], mean[rows, rows % 3])
    assert bnn.summarise(samples, classes)["correct"].isna().all()


@pytest.mark.parametrize(
    ("samples", "labels", "message"),
    [
        (np.ones((40, 3)) / 3, None, "shape"),
        (np.ones((2, 40, 4)) / 4, None, "shape"),
        (np.ones((0, 40, 3)), None, "shape"),
        (np.full((2, 40, 3), 0.5), None, "sample 0 of image 0 .* softmax"),
        (np.tile([1.5, -0.5, 0.0], (2, 40, 1)), None, "not a set of probabilities"),
        (np.full((2, 40, 3), np.nan), None, "not a set of probabilities"),
        (np.ones((2, 40, 3)) / 3, ["ant"] * 39, "39 labels for 40 images"),
    ],
)
def test_samples_that_are_no_probabilities(samples, labels, message):
    with pytest.raises(bnn.InputError, match=message):
        bnn.summarise(samples, ["ant", "bee", "cat"], labels)


def test_figures_of_merit_are_those_of_the_engine(tmp_path):
    animals = bnn.open_study(write_animals(tmp_path))
    table = animals.table("vi")
    p = table[[f"p_{name}" for name in animals.classes]].to_numpy(np.float64)
    y = pd.Index(animals.classes).get_indexer(table["label"])
    correct = (p.argmax(axis=1) == y).astype(bool)
    figures = bnn.evaluate(animals)
    assert figures["nll"].value == pytest.approx(nll(p[np.arange(len(y)), y]))
    assert figures["brier"].value == pytest.approx(brier(p, y))
    assert figures["ece"].value == pytest.approx(ece(p.max(axis=1), correct))
    assert figures["auroc"].value == pytest.approx(auroc(table["signed_confidence"], correct))
    assert {f.n for f in figures.values()} == {len(y)}
    for name, figure in figures.items():
        assert figure.low <= figure.value <= figure.high, name
        assert figure.low < figure.high, name


def test_accuracies_and_their_intervals_are_those_of_the_app(screen):
    for row in accuracy_by_level(screen.table("vi"), screen.classes).itertuples():
        if row.rule == "mean":
            found = bnn.evaluate(screen, level=row.level)["accuracy"]
            assert found == (row.accuracy, row.low, row.high, row.n)


def test_metrics_in_json_are_the_same_figures(screen, capsys):
    assert cli.main(["metrics", str(screen.path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["methods"]
    assert list(printed) == screen.methods
    assert list(printed["vi"]) == screen.meta["levels"]
    for method, levels in printed.items():
        for level, figures in levels.items():
            expected = bnn.evaluate(screen, method, level)
            assert figures.pop("n") == expected["accuracy"].n
            assert set(figures) == set(expected)
            for name, figure in figures.items():
                value, low, high, _ = expected[name]
                assert figure == pytest.approx({"value": value, "low": low, "high": high})
    assert cli.main(["metrics", str(screen.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + sum(map(len, printed.values()))


def test_a_study_without_labels_has_no_figures(table, tmp_path, capsys):
    frame, _ = table
    study = bnn.import_predictions(frame.drop(columns="label"), tmp_path / "blind")
    with pytest.raises(bnn.InputError, match="no image with a label that counts"):
        bnn.evaluate(study)
    assert cli.main(["metrics", str(study.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["methods"] == {"vi": {}}


@pytest.mark.parametrize("function", [bnn.evaluate, bnn.rank_suspects])
def test_a_method_or_level_that_is_not_there(screen, function):
    with pytest.raises(bnn.InputError, match=r"did you mean 'compound'"):
        function(screen, level="compuond")
    with pytest.raises(bnn.InputError, match=r"did you mean 'vi'"):
        function(screen, method="vii", level="image")


def test_suspects_at_every_level(screen):
    for level, columns in (
        ("compound", ["compound"]),
        ("treatment", ["compound", "concentration"]),
        ("well", ["plate", "well"]),
    ):
        ranked = bnn.rank_suspects(screen, level)
        assert list(ranked["rank"]) == list(range(1, len(ranked) + 1))
        assert (ranked["score"].diff().dropna() <= 0).all()
        assert not ranked[[*columns, "label"]].duplicated().any()
    images = bnn.rank_suspects(screen, "image")
    assert list(images["rank"]) == list(range(1, len(images) + 1))
    assert images["label_quality"].is_monotonic_increasing and images["image_id"].is_unique


def test_flagged_images_and_report_are_those_of_the_app(tmp_path):
    study = bnn.open_study(write_compounds(tmp_path))
    log = ReviewLog(tmp_path)
    log.flag(study, [4, 9], reviewer="Ada", reason="other", decision="exclude")
    table = bnn.export_flagged(study, tmp_path / "flagged.csv")
    assert list(table["image_id"]) == list(study.images["image_id"].iloc[[4, 9]])
    assert (tmp_path / "flagged.csv").read_bytes() == export_bytes(study, log)
    chosen = bnn.export_flagged(study, filter='compound = "cpd A"')
    assert set(chosen["compound"]) == {"cpd A"} and len(chosen) == 14
    path = bnn.write_report(study, tmp_path / "r.html")
    assert path.read_bytes().count(b"<td>Ada</td>") == 2
    with pytest.raises(bnn.InputError, match="filter"):
        bnn.export_flagged(study, filter="what")
    with pytest.raises(bnn.InputError, match=r"\.csv or \.parquet"):
        bnn.export_flagged(study, tmp_path / "flagged.txt")
    with pytest.raises(bnn.InputError, match="cannot write"):
        bnn.write_report(study, tmp_path / "flagged.csv" / "r.html")
