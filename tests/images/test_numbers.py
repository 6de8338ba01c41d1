"""Number types: kept, scaled by a rule for the whole set, or refused with the flag."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bnn_core.base.errors import InputError
from bnn_core.images.numbers import as_unsigned


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "int64", "f2", "f4", "f8"])
def test_whole_numbers_stay_as_they_are(dtype):
    values = np.array([[0, 7], [100, 2]]).astype(dtype)
    image, remarks = as_unsigned(values, "x.tif")
    assert image.dtype == np.uint16 and image.tolist() == [[0, 7], [100, 2]]
    assert "kept as they are" in remarks[0]


def test_eight_and_sixteen_bit_are_not_remarked():
    for dtype in (np.uint8, np.uint16, ">u2"):
        image, remarks = as_unsigned(np.array([[3, 200]], dtype), "x.tif")
        assert image.dtype in (np.uint8, np.uint16) and image.dtype.isnative
        assert image.tolist() == [[3, 200]] and remarks == []
    assert as_unsigned(np.array([[True, False]]), "x")[0].tolist() == [[255, 0]]


def test_fractions_are_of_full_scale():
    image, remarks = as_unsigned(np.array([[0, 0.5, 1]], np.float32), "x.tif")
    assert image.tolist() == [[0, 32768, 65535]] and "multiplied by 65,535" in remarks[0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([-5, 300], np.int16), "int16 numbers from -5 to 300.*--intensities"),
        (np.array([0, 70_000], np.uint32), "--intensities LOW,HIGH, such as 0,70000"),
        (np.array([0, 1.5], np.float32), "float32 numbers from 0 to 1.5.*--intensities"),
        (np.array([0, np.nan], np.float32), "not numbers"),
        (np.array([1j]), "complex128 numbers"),
    ],
)
def test_other_values_are_refused_with_the_flag(values, words):
    with pytest.raises(InputError, match=f"x.tif .*{words}"):
        as_unsigned(values, "x.tif")


@given(
    arrays(np.float64, 5, elements=st.floats(-1e6, 1e6)),
    st.floats(-1e4, 1e4),
    st.floats(1.0, 1e4),
)
def test_a_given_range_maps_every_image_by_the_same_line(values, low, span):
    image, _ = as_unsigned(values, "x", (low, low + span))
    expected = np.clip((values - low) / span, 0, 1) * 65_535
    assert np.abs(image - expected).max() <= 0.5 + 1e-6


def test_a_given_range_leaves_eight_bit_alone():
    assert as_unsigned(np.array([9], np.uint8), "x", (0, 20))[0].tolist() == [9]
    assert as_unsigned(np.array([10], np.uint16), "x", (0, 20))[0].tolist() == [32768]
