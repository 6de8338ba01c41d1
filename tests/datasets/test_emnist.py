"""EMNIST from a tiny set written here: upright, readable names, its own name only when genuine."""

import gzip
import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bnn_core.base.errors import InputError
from bnn_core.datasets import emnist
from bnn_core.datasets.emnist import COUNTS, SPLITS, load_emnist, open_any
from bnn_core.datasets.image_sets import fit

#: An upright F: a stem on the left, bars at the top and the middle.
LETTER_F = np.zeros((28, 28), np.uint8)
LETTER_F[4:24, 8], LETTER_F[4, 8:20], LETTER_F[12, 8:16] = 255, 255, 255


def write_emnist(folder, codes, split="byclass", part="test", pack=True):
    """The F once per label, stored transposed as EMNIST stores everything."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = np.stack([LETTER_F.T] * len(codes))
    for kind, array in (("images-idx3", stored), ("labels-idx1", np.array(codes, np.uint8))):
        name = f"emnist-{split}-{part}-{kind}-ubyte"
        head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        data = head + array.tobytes()
        (folder / (name + ".gz" * pack)).write_bytes(gzip.compress(data) if pack else data)


@pytest.mark.parametrize(
    ("layout", "pack"),
    [(".", True), ("emnist", True), ("EMNIST/raw", False), ("EMNIST/raw/gzip", True)],
)
def test_upright_and_named_in_every_layout(tmp_path, layout, pack):
    write_emnist(tmp_path / layout, [0, 9, 10, 35, 36, 61], pack=pack)
    found = load_emnist(tmp_path, tmp_path / "scratch")
    assert found.labels.tolist() == ["0", "9", "A", "Z", "a", "z"]
    np.testing.assert_array_equal(found.read(slice(2, 4))[:, 0], [LETTER_F, LETTER_F])


def test_capital_and_lower_case_are_two_classes_where_the_split_has_two():
    assert len(SPLITS["byclass"]) == 62 and len(set(SPLITS["byclass"])) == 62
    assert len(SPLITS["balanced"]) == 47
    assert SPLITS["byclass"][24] == "O" and SPLITS["byclass"][50] == "o"
    # Merged: one class for O and o, two for A and a; "letters" merges all and counts from 1.
    assert "O/o" in SPLITS["bymerge"] and "o" not in SPLITS["bymerge"]
    assert {"A", "a"} <= set(SPLITS["bymerge"])
    assert SPLITS["letters"][1] == "A/a" and SPLITS["letters"][26] == "Z/z"


def test_torchvision_has_the_same_classes():
    classes = pytest.importorskip("torchvision.datasets").EMNIST.classes_split_dict
    assert SPLITS["byclass"] == classes["byclass"]
    assert [name[0] for name in SPLITS["bymerge"]] == classes["bymerge"]
    assert [name[-1] for name in SPLITS["letters"][1:]] == classes["letters"][1:]


def test_only_the_genuine_number_of_images_is_called_emnist(tmp_path, monkeypatch):
    write_emnist(tmp_path, [10, 11, 12])
    found = load_emnist(tmp_path, tmp_path)
    assert "EMNIST" not in found.title and "emnist" not in found.name
    assert "not the genuine set" in found.title
    assert COUNTS["byclass", "test"] == 116_323
    monkeypatch.setitem(emnist.COUNTS, ("byclass", "test"), 3)
    assert load_emnist(tmp_path, tmp_path).title == "EMNIST byclass, test"


def test_words_and_paths_on_the_command_line(tmp_path):
    write_emnist(tmp_path, [1, 26], "letters", "train")
    file = tmp_path / "emnist-letters-train-images-idx3-ubyte.gz"
    for text in ("emnist:letters-train", str(file), "mine=emnist:letters-train"):
        found = open_any(text, tmp_path, tmp_path / "scratch")
        assert found.labels.tolist() == ["A/a", "Z/z"]
    assert found.name == "mine"
    for text, message in (
        ("emnist", "run 'bnn data emnist'"),
        ("emnist:words", "byclass"),
        ("nowhere", "does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            open_any(text, tmp_path, tmp_path)


def test_damaged_files_are_named(tmp_path):
    write_emnist(tmp_path, [62])
    with pytest.raises(InputError, match="label 62; the split byclass has 62 classes"):
        load_emnist(tmp_path, tmp_path / "s")
    file = tmp_path / "emnist-byclass-test-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"images-idx3-ubyte.gz is damaged or truncated"):
        load_emnist(tmp_path, tmp_path / "s")


def test_a_folder_with_labels_and_colours_and_an_npz(tmp_path):
    (tmp_path / "set" / "cat").mkdir(parents=True)
    Image.fromarray(np.full((56, 28, 3), 90, np.uint8)).save(tmp_path / "set" / "cat" / "a.png")
    Image.fromarray(np.full((28, 28), 7, np.uint8)).save(tmp_path / "set" / "b.png")
    found = open_any(str(tmp_path / "set"), tmp_path, tmp_path)
    assert found.labels.tolist() == [None, "cat"] and found.ids.tolist() == ["b.png", "cat/a.png"]
    fitted = found.fitted(slice(0, 2), (1, 28, 28))
    assert (fitted[0] == 7).all()
    # Half as large, black at both sides.
    np.testing.assert_array_equal(fitted[1, 0, 14], [0] * 7 + [90] * 14 + [0] * 7)
    images = np.random.default_rng(0).random((3, 28, 28, 3))
    np.savez_compressed(tmp_path / "x.npz", images=images, labels=np.array([3, 4, 5]))
    found = open_any(f"mine={tmp_path / 'x.npz'}", tmp_path, tmp_path)
    assert found.name == "mine" and found.labels.tolist() == ["3", "4", "5"]
    np.testing.assert_allclose(
        found.fitted(slice(1, 3), (3, 28, 28)) / 255, images[1:].transpose(0, 3, 1, 2), atol=0.002
    )
    np.savez(tmp_path / "x.npz", images=2 * images)
    with pytest.raises(InputError, match="outside of"):
        open_any(str(tmp_path / "x.npz"), tmp_path, tmp_path).read(slice(0, 1))


def test_labels_of_any_type_are_names(tmp_path):
    for given, names in (
        ([b"cat", b"ox"], ["cat", "ox"]),
        ([1234567.0, 2.5], ["1234567", "2.5"]),
        ([np.nan, 3.0], [None, "3"]),
        (["a", "b"], ["a", "b"]),
    ):
        np.savez(tmp_path / "x.npz", images=np.zeros((2, 8, 8), np.uint8), labels=given)
        assert open_any(str(tmp_path / "x.npz"), tmp_path, tmp_path).labels.tolist() == names


def test_few_originals_are_in_memory_at_a_time(tmp_path):
    images = np.arange(200, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    np.savez(tmp_path / "x.npz", images=images)
    found = open_any(str(tmp_path / "x.npz"), tmp_path, tmp_path)
    asked = []

    def read(rows):
        asked.append(rows.stop - rows.start)
        return found.read(rows)

    fitted = replace(found, read=read).fitted(slice(3, 180), (1, 8, 8))
    np.testing.assert_array_equal(fitted[:, 0, 0, 0], np.arange(3, 180))
    assert sum(asked) == 177 and max(asked) <= 64


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="1 channels; the study's networks take 3"):
        fit(np.zeros((1, 8, 8), np.uint8), (3, 8, 8))
    with pytest.raises(InputError, match="8-bit"):
        fit(np.zeros((3, 8, 8), np.uint16), (3, 8, 8))
