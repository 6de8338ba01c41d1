"""Probabilities and samples checked by row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.base.errors import InputError
from bnn_core.measures.uncertainty import moments
from bnn_core.tables.probabilities import checked_probabilities
from bnn_core.tables.samples import (
    images_first,
    load_samples,
    sample_moments,
    samples_from_table,
)


def check(values, logits=False):
    values = np.asarray(values, dtype=float)
    return checked_probabilities(
        values, range(2, 2 + len(values)), ["p_a", "p_b"], logits=logits, where="t.csv "
    )


def test_exact_rows_stay_as_they_are():
    p, notes = check([[0.25, 0.75], [1, 0]])
    np.testing.assert_array_equal(p, [[0.25, 0.75], [1, 0]])
    assert notes == []


def test_rounded_rows_are_scaled_with_a_note():
    p, notes = check([[0.25, 0.746], [0.5, 0.5]])
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert notes == [
        "1 row was scaled to sum to 1 (off by up to 0.004; the probabilities are rounded to 3 "
        "decimals)."
    ]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("decimals", [2, 3])
@given(st.integers(2, 200), st.integers(0, 2**32 - 1))
def test_rounded_tables_of_any_number_of_classes_are_scaled(dtype, decimals, classes, seed):
    p = np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), 6)
    rounded = np.round(p, decimals)
    rounded = rounded[rounded.sum(axis=1) > 0].astype(dtype)
    scaled, _ = check(rounded)
    np.testing.assert_allclose(scaled.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(scaled.argmax(axis=1), rounded.argmax(axis=1))


def test_the_tolerance_is_that_of_the_rounding():
    p, notes = check([[0.33, 0.33, 0.33], [0.2, 0.6, 0.2]])
    np.testing.assert_allclose(p[0], 1 / 3)
    assert "off by up to 0.01; the probabilities are rounded to 2 decimals" in notes[0]
    with pytest.raises(InputError, match=r"row 2: the probabilities sum to 0\.98"):
        check([[0.33, 0.33, 0.32]])
    with pytest.raises(InputError, match=r"row 2: the probabilities sum to 0\.985"):
        check([[0.33, 0.33, 0.32501]])
    with pytest.raises(InputError, match="row 2: the probabilities sum to 0, not"):
        check([np.zeros(300), np.r_[1.0, np.zeros(299)]])


def test_all_problems_are_listed_with_their_rows():
    with pytest.raises(InputError) as error:
        check([[0.5, 0.5], [np.nan, 1], [0.5, 0.3], [-1.5, 2.5], [0.9, 0.3], [np.inf, 0]])
    assert str(error.value) == (
        "t.csv row 3: a probability is missing or nan; row 7: a value is infinite; row 5: p_a is "
        "-1.5, which is no probability between 0 and 1 (for logits add --logits); rows 4, 6: the "
        "probabilities sum to 0.8, not to 1"
    )


def test_percentages_are_recognised():
    with pytest.raises(InputError, match="divide the percentages by 100"):
        check([[40, 60], [99, 1]])


def test_logits():
    p, notes = check([[np.log(3), 0], [1000, -1000]], logits=True)
    np.testing.assert_allclose(p, [[0.75, 0.25], [1, 0]])
    assert notes == ["Logits were converted to probabilities by a softmax."]
    with pytest.raises(InputError, match="row 2: a probability is missing"):
        check([[np.nan, 0]], logits=True)


@pytest.fixture
def cube():
    return np.random.default_rng(1).dirichlet(np.ones(3), size=(6, 4))


def test_axes_are_recognised_by_the_number_of_images(cube, tmp_path):
    np.testing.assert_array_equal(images_first(cube, 6, None, tmp_path), cube)
    np.testing.assert_array_equal(images_first(cube.transpose(1, 0, 2), 6, None, tmp_path), cube)
    with pytest.raises(InputError, match=r"shape \(6, 4, 3\) and the table has 5 rows"):
        images_first(cube, 5, None, tmp_path)
    square = cube[:4]
    with pytest.raises(InputError, match="--axes NTC"):
        images_first(square, 4, None, tmp_path)
    assert images_first(square, 4, "TNC", tmp_path)[1, 0, 0] == square[0, 1, 0]
    with pytest.raises(InputError, match="--axes TNC would make 4 images"):
        images_first(cube, 6, "TNC", tmp_path)


def test_moments_of_samples_in_small_batches(cube, monkeypatch):
    whole = moments(cube.transpose(1, 0, 2))
    monkeypatch.setattr("bnn_core.tables.samples._BATCH", 24)
    kept, streamed, notes = sample_moments(cube, range(2, 8), "abc", logits=False, where="")
    np.testing.assert_allclose(kept, cube, atol=5e-4)
    assert kept.dtype == np.float16
    for name in ("mean_p", "mean_p2", "mean_entropy"):
        np.testing.assert_allclose(getattr(streamed, name), getattr(whole, name))
    assert notes == []


def test_a_bad_sample_names_its_image_once(cube):
    cube[3, 1:] = 0.9
    with pytest.raises(InputError, match=r"^s\.npy row 5: the probabilities sum to 2\.7, not "):
        sample_moments(cube, range(2, 8), "abc", logits=False, where="s.npy ")


def test_files_of_samples(cube, tmp_path):
    np.save(tmp_path / "a.npy", cube)
    array, classes, ids = load_samples(tmp_path / "a.npy")
    assert (array.shape, classes, ids) == ((6, 4, 3), None, None)
    np.savez(tmp_path / "b.npz", anything=cube, classes=["x", "y", "z"], image_id=list("abcdef"))
    array, classes, ids = load_samples(tmp_path / "b.npz")
    np.testing.assert_array_equal(array, cube)
    assert (classes, ids) == (["x", "y", "z"], list("abcdef"))


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (lambda path: path.write_bytes(b"\x93NUMPY\x01"), "damaged or truncated"),
        (lambda path: path.write_bytes(b""), "damaged or truncated"),
        (lambda path: np.save(path, np.ones((2, 3))), r"array \(2, 3\); .*three axes"),
        (lambda path: np.save(path, np.ones((2, 0, 3))), r"array \(2, 0, 3\); .*three axes"),
        (lambda path: np.save(path, np.array([{}], dtype=object)), "damaged or truncated"),
        (lambda path: None, "does not exist"),
    ],
)
def test_broken_files_of_samples(tmp_path, save, message):
    save(tmp_path / "s.npy")
    with pytest.raises(InputError, match=r"s\.npy.*" + message):
        load_samples(tmp_path / "s.npy")


def test_samples_from_rows(cube, tmp_path):
    n, draws, classes = cube.shape
    table = pd.DataFrame(
        {"image": np.repeat(list("abcdef"), draws), "sample": list(map(str, range(draws))) * n}
    )
    values = cube.reshape(-1, classes)
    order = np.random.default_rng(2).permutation(len(table))
    shuffled = table.iloc[order].reset_index(drop=True)
    ids = pd.Series(list("fedcba"), dtype=object)
    built = samples_from_table(
        shuffled, values[order], shuffled["image"], shuffled["sample"], ids, tmp_path
    )
    np.testing.assert_array_equal(built, cube[::-1])

    def problem(rows, wanted=ids):
        with pytest.raises(InputError) as error:
            samples_from_table(
                table.loc[rows],
                values[rows],
                table["image"].loc[rows],
                table["sample"].loc[rows],
                wanted,
                tmp_path,
            )
        return str(error.value)

    assert "6 images have fewer" not in problem([*range(24), 3])
    assert "row 3: the same image and sample" in problem([*range(24), 3])
    assert "1 image has fewer than 4 samples, the first is 'a'" in problem(range(1, 24))
    assert "image 'a' is not in the metadata table" in problem(range(24), ids[:5])
