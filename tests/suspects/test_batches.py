import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bnn_core.suspects.batches import owned_classes


def plainly(table, compounds, labels, num_classes):
    """One image after the other: which classes its batch has in training."""
    owned = np.zeros((len(labels), num_classes))
    rows = list(zip(table["batch"], compounds, table["fold"], strict=True))
    for batch, compound, fold in rows:
        if batch is None:
            continue
        others = {c for b, c, f in rows if b == batch and c != compound and f != fold}
        owned[compound, [*{labels[c] for c in others}]] += 1 / np.sum(compounds == compound)
    return owned


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_equal_a_plain_search(seed):
    rng = np.random.default_rng(seed)
    n = 60
    compounds = rng.permutation(np.arange(n) % 9)
    table = pd.DataFrame(
        {
            "batch": rng.choice(np.array(["a", "b", "c", None], object), n),
            # Most compounds are in one fold; some are in several.
            "fold": np.where(rng.random(n) < 0.8, compounds % 3, rng.integers(0, 3, n)),
        }
    )
    labels = np.arange(9) % 4
    assert_allclose(
        owned_classes(table, compounds, 9, labels, 4), plainly(table, compounds, labels, 4)
    )
