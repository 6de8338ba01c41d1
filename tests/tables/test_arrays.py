"""Predictions as arrays with lists beside them."""

import numpy as np
import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.commands import cli
from bnn_core.study.folder import open_study
from bnn_core.tables.arrays import read_array_table
from bnn_core.tables.predictions import read_predictions
from bnn_core.tables.sources import ImportOptions

P = np.array([[0.8, 0.2], [0.3, 0.7], [0.1, 0.9], [0.6, 0.4], [0.45, 0.55]])
TRUTH = ["x", "y", "y", "y", "x"]


def read(path, **options):
    return read_predictions(path, ImportOptions(**options))


@pytest.fixture
def array(tmp_path):
    np.save(tmp_path / "p.npy", P)
    return tmp_path / "p.npy"


LABEL_FILES = {
    "labels.npy": lambda path: np.save(path, np.array([0, 1, 1, 1, 0])),
    "labels.npz": lambda path: np.savez(path, images=np.zeros((5, 2, 2)), labels=[0, 1, 1, 1, 0]),
    "labels.txt": lambda path: path.write_text("0\n1\n1\n1\n0\n"),
    "labels.csv": lambda path: path.write_text("label\n0\n1\n1\n1\n0\n"),
}


@pytest.mark.parametrize("name", LABEL_FILES)
def test_labels_from_any_list(array, tmp_path, name):
    LABEL_FILES[name](tmp_path / name)
    found = read(array, labels=tmp_path / name, classes=("x", "y"))
    np.testing.assert_allclose(found.moments["vi"].mean_p, P)
    assert found.classes == ["x", "y"] and found.images["label"].tolist() == TRUTH
    numbered = read(array, labels=tmp_path / name)
    assert numbered.images["label"].tolist() == ["0", "1", "1", "1", "0"]


@pytest.mark.parametrize(
    "labels", [[[0], [1], [1], [1], [0]], np.eye(2, dtype=int)[[0, 1, 1, 1, 0]]]
)
def test_labels_in_a_column_or_of_0_and_1_per_class(tmp_path, labels):
    np.savez(tmp_path / "t.npz", softmax=P, labels=labels, classes=["x", "y"])
    assert read(tmp_path / "t.npz").images["label"].tolist() == ["x", "y", "y", "y", "x"]


def test_an_npz_that_names_everything_needs_no_flag(tmp_path):
    ids = [f"im/{i}.png" for i in range(5)]
    np.savez(tmp_path / "t.npz", softmax=P, labels=[0, 1, 1, 1, 0], classes=["x", "y"], ids=ids)
    found = read(tmp_path / "t.npz")
    assert found.classes == ["x", "y"] and found.images["label"].tolist() == TRUTH
    assert found.images["image_id"].tolist() == ids


def test_ids_and_a_table_of_labels_by_name(array, tmp_path):
    (tmp_path / "ids.txt").write_text("a.png\nb.png\nc.png\nd.png\ne.png\n")
    pd.DataFrame({"image": list("edcba"), "label": TRUTH[::-1]}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    found = read(
        array, ids=tmp_path / "ids.txt", labels=tmp_path / "labels.csv", classes=("x", "y")
    )
    assert found.images["label"].tolist() == TRUTH


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2)])
def test_samples_need_no_table(tmp_path, axes):
    samples = np.random.default_rng(0).dirichlet([2, 3], (5, 4))
    np.savez(tmp_path / "s.npz", samples=samples.transpose(axes), labels=[0, 1, 1, 1, 0])
    found = read(tmp_path / "s.npz")
    np.testing.assert_allclose(found.samples["vi"], samples, atol=1e-3)
    assert found.images["role"].eq("scored").all()
    np.save(tmp_path / "s.npy", samples)
    with pytest.raises(InputError, match="--axes NTC"):
        read(tmp_path / "s.npy")
    assert read(tmp_path / "s.npy", axes="NTC", classes=("x", "y")).samples["vi"].shape == (5, 4, 2)


def test_one_probability_and_logits(tmp_path):
    np.save(tmp_path / "one.npy", P[:, 1:])
    np.save(tmp_path / "y.npy", np.array([0, 1, 1, 1, 0]))
    np.testing.assert_allclose(
        read(tmp_path / "one.npy", labels=tmp_path / "y.npy").moments["vi"].mean_p, P
    )
    np.savez(tmp_path / "l.npz", logits=np.log(P), labels=[0, 1, 1, 1, 0])
    with pytest.raises(InputError, match=r"are logits.*--logits"):
        read(tmp_path / "l.npz")
    np.testing.assert_allclose(read(tmp_path / "l.npz", logits=True).moments["vi"].mean_p, P)


def test_labels_in_the_order_of_a_table(tmp_path):
    pd.DataFrame(P, columns=["p_x", "p_y"]).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "y.txt").write_text("\n".join(TRUTH))
    assert read(tmp_path / "t.csv", labels=tmp_path / "y.txt").images["label"].tolist() == TRUTH
    (tmp_path / "y.txt").write_text("\n".join(TRUTH[:4]))
    with pytest.raises(InputError, match=r"y\.txt has 4 values, .*t.csv 5 rows"):
        read(tmp_path / "t.csv", labels=tmp_path / "y.txt")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda p: np.savez(p, a=P, b=P), r"a \(5, 2\), b .*one array of predictions"),
        (lambda p: np.savez(p, a=np.zeros((2, 2, 2, 2))), "one array of predictions"),
        (lambda p: np.savez(p, a=P, labels=[0, 1, 1]), "3 values of label for 5 images"),
        (lambda p: np.savez(p, a=P.T, labels=[0, 1, 1, 1, 0]), "transpose it"),
        (lambda p: p.write_bytes(b"PK\3\4broken"), "is damaged"),
        (lambda p: np.savez(p, a=np.array([{}], dtype=object)), "'a' holds Python objects"),
        (lambda p: np.savez(p, a=np.zeros((0, 3))), "is empty"),
        (lambda p: np.savez(p, a=P, classes=["x", " "]), "a class has no name"),
        (lambda p: np.savez(p, a=P, classes=[0.0, np.nan]), "a class has no name"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, write, words):
    write(tmp_path / "t.npz")
    with pytest.raises(InputError, match=rf"t\.npz.*{words}"):
        read(tmp_path / "t.npz")


def test_a_damaged_header_of_an_array_is_named(tmp_path):
    np.save(tmp_path / "t.npy", P)
    data = bytearray((tmp_path / "t.npy").read_bytes())
    for place in range(10, 60, 7):
        damaged = bytearray(data)
        damaged[place] ^= 0x5A
        (tmp_path / "d.npy").write_bytes(damaged)
        try:
            read(tmp_path / "d.npy")
        except InputError as error:
            assert "d.npy" in str(error)


def test_the_command(array, tmp_path, capsys):
    (tmp_path / "y.txt").write_text("0\n1\n1\n1\n0\n")
    argv = ["import", str(array), "--labels", str(tmp_path / "y.txt"), "--classes", "x", "y"]
    assert cli.main([*argv, "--out", str(tmp_path / "s")]) == 0
    assert "accuracy on 5 scored images" in capsys.readouterr().out
    assert open_study(tmp_path / "s").classes == ["x", "y"]


def test_predicted_classes_and_label_ids_beside_the_probabilities(tmp_path):
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    path = tmp_path / "t.npz"
    np.savez(path, probabilities=p, predictions=[0, 1], label_ids=[0, 0])
    table = read_array_table(path, None, None, None).table
    assert table["predicted"].tolist() == ["0", "1"] and table["label"].tolist() == ["0", "0"]
    np.savez(path, predictions=[0.1, 0.8], labels=[0, 1])
    assert read_array_table(path, None, None, None).table["probability"].tolist() == [0.1, 0.8]
