"""Nearest images in the network's own space."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bnn_core.measures import neighbours

IMAGES = pd.DataFrame({"label": ["a", "a", "b", "b", None, "b"], "fold": [0, 0, 0, 0, 0, 1]})
PREDICTED = pd.Series(["a", "a", "b", "a", "b", "b"])


@pytest.mark.parametrize(
    ("row", "kind", "expected"),
    [
        (0, neighbours.ANOTHER_LABEL, [2, 3]),
        (0, neighbours.SAME_LABEL, [1]),
        (0, neighbours.ANY_LABEL, [1, 2, 3, 4]),
        # Without a label the predicted class, b, stands for it.
        (4, neighbours.ANOTHER_LABEL, [0, 1]),
        (4, neighbours.SAME_LABEL, [2, 3]),
        # Alone in its fold: no other network's embedding can be compared.
        (5, neighbours.ANY_LABEL, []),
    ],
)
def test_candidates(row, kind, expected):
    assert neighbours.candidates(IMAGES, PREDICTED, row, kind).tolist() == expected


def test_candidates_of_all_folds():
    every = neighbours.candidates(IMAGES, PREDICTED, 5, neighbours.ANY_LABEL, all_folds=True)
    assert every.tolist() == [0, 1, 2, 3, 4]
    same = neighbours.candidates(IMAGES, PREDICTED, 5, neighbours.SAME_LABEL, all_folds=True)
    assert same.tolist() == [2, 3]


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="another label"):
        neighbours.candidates(IMAGES, PREDICTED, 0, "friends")


@pytest.mark.parametrize("count", [1, 3, 9, 50])
def test_nearest_equals_sorting_all(count):
    embedding = np.random.default_rng(1).normal(size=(40, 5)).astype(np.float16)
    candidates = np.arange(1, 40, 2)
    rows, distances = neighbours.nearest(embedding, embedding[0], candidates, count)
    plain = np.linalg.norm(
        embedding[candidates].astype(np.float32) - embedding[0].astype(np.float32), axis=1
    )
    assert rows.tolist() == candidates[np.argsort(plain)][:count].tolist()
    assert_allclose(distances, np.sort(plain)[:count], rtol=1e-6)


def test_nearest_without_candidates():
    rows, distances = neighbours.nearest(
        np.zeros((3, 2)), np.zeros(2), np.array([], dtype=np.int64), 5
    )
    assert len(rows) == len(distances) == 0


def test_the_mean_of_rows_ranks_by_their_mean_squared_distance():
    embedding = np.random.default_rng(2).normal(size=(40, 5))
    group, candidates = np.arange(6), np.arange(6, 40)
    rows, _ = neighbours.nearest(embedding, embedding[group].mean(axis=0), candidates, 34)
    squared = ((embedding[candidates, None] - embedding[None, group]) ** 2).sum(axis=2).mean(axis=1)
    assert rows.tolist() == candidates[np.argsort(squared)].tolist()
