"""Image quality: each planted fault moves its own measure, on drawn fields with known truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bnn_core.images import contrast, quality
from bnn_core.images.contrast import Histogram
from bnn_core.images.quality import _opened, measure, measure_nuclei, quality_columns, robust_z


def nuclei_plane(count, rng, size=(300, 400), radius=8, touching=0):
    """Discs on a background of 200 with shot noise; about `touching` of them in touching pairs."""
    background = np.ones(size)
    centres = []
    while len(centres) < count:
        if len(centres) < touching and len(centres) % 2:
            angle = rng.uniform(0, 2 * np.pi)
            y, x = np.add(centres[-1], 1.7 * radius * np.array([np.sin(angle), np.cos(angle)]))
            others = centres[:-1]
        else:
            y, x = rng.uniform(radius, np.subtract(size, radius))
            others = centres
        if all(np.hypot(y - a, x - b) > 4 * radius for a, b in others) and (
            radius < y < size[0] - radius and radius < x < size[1] - radius
        ):
            centres.append((y, x))
            background[int(y), int(x)] = 0
    discs = ndimage.distance_transform_edt(background) < radius if count else np.zeros(size)
    plane = 1500.0 * discs
    return rng.poisson(200 + ndimage.gaussian_filter(plane, 1.0)).astype(np.uint16)


@pytest.mark.parametrize("size", [(256, 384), (255, 383), (700, 1290)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_compiled_kernels_give_the_same_numbers(size, kind, monkeypatch):
    rng = np.random.default_rng(4)
    image = np.stack([nuclei_plane(30, rng, size, touching=8) for _ in range(2)])
    image = (image // (1 if kind == np.uint16 else 8)).clip(0, np.iinfo(kind).max).astype(kind)
    image[1, :3, :5] = np.iinfo(kind).max
    mask = image[0] > np.median(image[0])
    mask[:, :3] = True  # far from the background, too
    objects, n = ndimage.label(mask)
    sizes = [(size[0] // step, size[1] // step) for step in (1, 2, 5)]
    results = []
    for compiled in (quality.kernels, lambda: None):
        monkeypatch.setattr(quality, "kernels", compiled)
        monkeypatch.setattr(contrast, "kernels", compiled)
        histogram = Histogram(2)
        histogram.add(image)
        levels = histogram.foreground_thresholds(), histogram.ceilings()
        results.append(
            [
                histogram.counts,
                *measure(image, *levels, dna=0).values(),
                *quality._distances(mask, objects, n),
                quality._smooth(image[0].astype(np.float64)),
                quality._peaks(ndimage.uniform_filter(image[0], 9), mask, 5),
                *(contrast.shrunk(image, sides, histogram.limits(9, 91)) for sides in sizes),
            ]
        )
    for quick, slow in zip(*results, strict=True):
        np.testing.assert_array_equal(quick, slow)
    assert results[0][3] > 10 or results[0][4] > 10  # nuclei were counted


def plate(rng, n=12):
    return [np.stack([nuclei_plane(20, rng), nuclei_plane(20, rng)]) for _ in range(n)]


def qualities(images):
    histogram = Histogram(len(images[0]))
    for image in images:
        histogram.add(image)
    thresholds, ceilings = histogram.foreground_thresholds(), histogram.ceilings()
    return quality_columns([measure(image, thresholds, ceilings, 0) for image in images])


def test_a_sound_plate_has_no_outlier():
    table = qualities(plate(np.random.default_rng(0)))
    assert table.notna().all().all()
    assert (table[[c for c in table if c.endswith("_z")]].abs() < 4).all().all()
    np.testing.assert_array_equal(table["quality_nuclei"], 20)


def test_each_fault_moves_its_measure():
    rng = np.random.default_rng(1)
    images = plate(rng)
    blurred = np.stack([ndimage.gaussian_filter(p.astype(float), 3) for p in images[0]])
    images[0] = rng.poisson(blurred).astype(np.uint16)
    one_blurred = images[1].copy()
    one_blurred[1] = rng.poisson(ndimage.gaussian_filter(one_blurred[1].astype(float), 3))
    images[1] = one_blurred
    images[2] = rng.poisson(200, images[2].shape).astype(np.uint16)
    images[3] = images[3].copy()
    images[3][1, :60, :60] = 65535
    images[4] = np.stack([nuclei_plane(3, rng), nuclei_plane(3, rng)])
    table = qualities(images)
    assert (table["quality_focus_z"][:2] < -4).all()
    assert table["quality_foreground"][2] < 0.001 and table["quality_foreground_z"][2] < -3
    assert table["quality_nuclei"][2] == 0 and table["quality_nuclei"][4] == 3
    assert table["quality_saturation"][3] == pytest.approx(0.03) and (
        table["quality_saturation_z"][3] > 5
    )
    sound = table.iloc[5:]
    assert (sound[["quality_focus_z", "quality_saturation_z"]].abs() < 4).all().all()


@pytest.mark.parametrize(("count", "touching"), [(0, 0), (1, 0), (30, 0), (30, 12)])
def test_nuclei_are_counted(count, touching):
    plane = nuclei_plane(count, np.random.default_rng(count + touching), touching=touching)
    found, area = measure_nuclei(plane, 700)
    assert abs(found - count) <= 0.07 * count
    # Discs of radius 8; touching ones are one object, but fewer than the others.
    assert area == (0 if count == 0 else pytest.approx(np.pi * 8**2, rel=0.12))


def test_haze_over_one_field_does_not_hide_its_nuclei():
    plane = nuclei_plane(20, np.random.default_rng(2)).astype(float) + 1000
    assert measure_nuclei(plane, 700)[0] == 20


def test_no_dna_channel_means_no_count():
    image = plate(np.random.default_rng(0), 1)[0]
    measured = measure(image, np.array([700, 700]), np.array([4095, 4095]), None)
    assert np.isnan([measured["nuclei"], measured["nuclei_area"]]).all()
    assert measured["focus"].shape == (2,)


def test_twelve_bit_images_saturate_at_4095():
    histogram = Histogram(3)
    histogram.add(np.array([[[255]], [[300]], [[4095]]], dtype=np.uint16))
    np.testing.assert_array_equal(histogram.ceilings(), [255, 1023, 4095])


def test_robust_z_by_hand():
    np.testing.assert_allclose(robust_z([1, 2, 3, 4, 100]), np.array([-2, -1, 0, 1, 97]) / 1.4826)
    np.testing.assert_array_equal(robust_z([5, 5, 5, 5, 6], floor=0.5), [0, 0, 0, 0, 2])
    np.testing.assert_array_equal(robust_z([5, 5, 5, 5, 6]), [0, 0, 0, 0, np.inf])
    assert np.isnan(robust_z([1, 2, 3, np.nan, 4])).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-1000, 1000), min_size=5, max_size=30, unique=True),
    st.integers(1, 50),
    st.integers(-100, 100),
)
def test_robust_z_does_not_know_units(values, scale, shift):
    values = np.array(values, dtype=float)
    np.testing.assert_allclose(robust_z(values * scale + shift), robust_z(values), atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (40, 31)])
def test_the_quick_opening_is_that_of_scipy(shape):
    mask = np.random.default_rng(0).random(shape) < 0.8
    np.testing.assert_array_equal(_opened(mask), ndimage.binary_opening(mask))
