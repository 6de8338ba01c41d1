"""Pictures that show the same: a field that was saved twice, rescaled, or brightened.

Candidates are found by difference hashes (64 bits: is each pixel of a 9 x 8 picture brighter than its
left neighbour?) and confirmed by the correlation of two small grey pictures. A shifted or turned
copy is not found.
"""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from bnn_core.images.rendering import open_thumbnail

#: Sides of the hashed and of the compared picture, most different bits, least correlation.
_HASHED, _COMPARED = (9, 8), 24
MOST_BITS, LEAST_CORRELATION = 4, 0.97
#: Most pictures with one equal quarter of the hash that are compared with each other.
_MOST_ALIKE = 400


def difference_hash(picture: Image.Image) -> np.uint64:
    """64 bits of a picture, row by row; similar pictures differ in few of them."""
    small = np.asarray(picture.convert("L").resize(_HASHED, Image.Resampling.BOX), dtype=np.int16)
    bits = small[:, 1:] > small[:, :-1]
    return np.packbits(bits).view(">u8")[0].astype(np.uint64)


def near_duplicates(pictures: Iterable[bytes | None]) -> np.ndarray:
    """(P, 2) pairs i < j of pictures that show the same, the most alike first.

    pictures: encoded, None where there is none. Pictures of one value are no pair.
    """
    hashes, small, known = [], [], []
    for number, data in enumerate(pictures):
        if data is not None:
            picture = open_thumbnail(data).convert("L")
            tiny = picture.resize((_COMPARED, _COMPARED), Image.Resampling.BOX)
            hashes.append(difference_hash(picture))
            small.append(np.asarray(tiny, dtype=np.float32).ravel())
            known.append(number)
    if len(known) < 2:
        return np.empty((0, 2), dtype=np.int64)
    values = np.stack(small)
    values -= values.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    values /= np.maximum(norm, 1e-6)
    pairs = _close_hashes(np.array(hashes, dtype=np.uint64))
    correlation = np.einsum("pd,pd->p", values[pairs[:, 0]], values[pairs[:, 1]])
    keep = correlation >= LEAST_CORRELATION
    order = np.argsort(-correlation[keep], kind="stable")
    return np.array(known)[pairs[keep][order]]


def _close_hashes(hashes: np.ndarray) -> np.ndarray:
    """Pairs of hashes that share a quarter and differ in at most MOST_BITS bits: all that differ in
    up to 3 bits, most of those that differ in 4."""
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for shift in (0, 16, 32, 48):
        quarter = (hashes >> np.uint64(shift)) & np.uint64(0xFFFF)
        order = np.argsort(quarter, kind="stable")
        starts = np.flatnonzero(np.diff(quarter[order], prepend=-1.0))
        for group in np.split(order, starts[1:]):
            # A quarter that very many share says nothing, such as that of empty fields.
            if 1 < len(group) <= _MOST_ALIKE:
                i, j = np.triu_indices(len(group), 1)
                close = np.bitwise_count(hashes[group[i]] ^ hashes[group[j]]) <= MOST_BITS
                pairs.append(np.sort(np.stack([group[i[close]], group[j[close]]], axis=1)))
    return np.unique(np.concatenate(pairs), axis=0)
