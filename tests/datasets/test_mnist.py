"""Reading idx files: layouts, and every way in which a file can be bad."""

import gzip
import struct

import numpy as np
import pytest

from bnn_core.base.errors import InputError
from bnn_core.datasets.mnist import data_root, load_mnist, read_idx


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, n=5, pack=True, stem="t10k"):
    folder.mkdir(parents=True, exist_ok=True)
    images = np.arange(n * 784, dtype=np.uint8).reshape(n, 28, 28)
    labels = np.arange(n, dtype=np.uint8) % 10
    for name, array in (
        (f"{stem}-images-idx3-ubyte", images),
        (f"{stem}-labels-idx1-ubyte", labels),
    ):
        if pack:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))
    return images, labels


@pytest.mark.parametrize("layout", [".", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("pack", [True, False])
def test_found_in_the_usual_places(tmp_path, layout, pack):
    images, labels = write_mnist(tmp_path / layout, pack=pack)
    data = load_mnist(tmp_path, train=False)
    np.testing.assert_array_equal(data.images[:, 0], images)
    np.testing.assert_array_equal(data.targets, labels)


def test_the_real_files(shared_data):
    data = load_mnist(shared_data, train=False)
    assert data.images.shape == (10_000, 1, 28, 28)
    assert list(np.bincount(data.targets)) == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


def test_missing_data_says_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match=r"no train-images-idx3-ubyte.*'bnn data mnist'.*--data"):
        load_mnist(tmp_path, train=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: b[:100], "truncated"),
        (lambda b: gzip.compress(gzip.decompress(b)[:-5]), "truncated"),
        (lambda b: b"<html>not found</html>", "damaged or truncated"),
        (lambda b: gzip.compress(b"\0\0\x0d\x03" + bytes(12)), "not an idx file of bytes"),
        (lambda b: gzip.compress(b"\0\0\x08\x03\0"), "truncated"),
    ],
)
def test_bad_files_are_named(tmp_path, spoil, message):
    write_mnist(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=message) as caught:
        load_mnist(tmp_path, train=False)
    assert path.name in str(caught.value)


def test_images_and_labels_must_agree(tmp_path):
    write_mnist(tmp_path)
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx(np.zeros(4, np.uint8))))
    with pytest.raises(InputError, match="5 images but 4 labels"):
        load_mnist(tmp_path, train=False)
    path.write_bytes(gzip.compress(idx(np.full(5, 11, np.uint8))))
    with pytest.raises(InputError, match="label 11"):
        load_mnist(tmp_path, train=False)


def test_idx_of_one_dimension(tmp_path):
    (tmp_path / "x").write_bytes(idx(np.array([3, 1], np.uint8)))
    np.testing.assert_array_equal(read_idx(tmp_path / "x"), [3, 1])


def test_where_data_are_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("BNN_DATA", "/env")
    assert str(data_root(tmp_path)) == str(tmp_path)
    assert str(data_root()) == "/env"
    monkeypatch.delenv("BNN_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert str(data_root()) == "/xdg/bnn-cell-images"
