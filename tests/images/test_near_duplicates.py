"""Copies of a picture are found, however they were saved; other pictures are not."""

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from bnn_core.images.near_duplicates import near_duplicates


def encoded(pixels, file_format="png", **options):
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, file_format, **options)
    return out.getvalue()


def cells(seed, side=96):
    noise = np.random.default_rng(seed).normal(size=(side, side))
    smooth = gaussian_filter(noise, side / 16)
    return np.repeat((60 + 40 * smooth / smooth.std())[..., None], 3, axis=2)


def test_copies_are_found_and_nothing_else():
    pictures = [encoded(cells(seed)) for seed in range(60)]
    darker = encoded(0.6 * cells(7) + 10)
    saved_again = encoded(cells(20), "webp", quality=60)
    smaller = encoded(cells(33)[::2, ::2])
    turned = encoded(cells(40)[::-1])
    pictures += [darker, saved_again, smaller, turned, None]
    pairs = {tuple(pair) for pair in near_duplicates(pictures).tolist()}
    assert pairs == {(7, 60), (20, 61), (33, 62)}


def test_the_most_alike_come_first():
    one = cells(1)
    noise = np.random.default_rng(0).normal(0, 8, one.shape)
    pairs = near_duplicates([encoded(one + noise), None, encoded(one), encoded(one)])
    assert pairs.tolist()[0] == [2, 3]


def test_empty_fields_are_no_pair():
    rng = np.random.default_rng(0)
    empty = [encoded(rng.normal(12, 2, (96, 96, 3))) for _ in range(30)]
    blank = [encoded(np.zeros((96, 96, 3)))] * 3
    assert near_duplicates(empty + blank).shape == (0, 2)
    assert near_duplicates([]).shape == near_duplicates([None]).shape == (0, 2)
