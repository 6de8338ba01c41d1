"""Accuracy of repeated predictions at several numbers of samples T (figure 6)."""

import numpy as np
import pandas as pd

NUM_SAMPLES = (1, 5, 10, 50, 100)


def accuracy_by_samples(
    samples: np.ndarray,
    targets: np.ndarray,
    num_samples: tuple[int, ...] = NUM_SAMPLES,
    repeats: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """Accuracy of `repeats` predictions at each T, with networks drawn from one pool.

    samples: (pool, N, C) softmax of each network of the pool; targets: (N,) class numbers.
    Each repeat draws T networks without replacement; the whole pool is used once. Repeats share
    networks, so their spread is smaller than that of independent runs if T is near the pool size.
    Returns columns num_samples, repeat, accuracy (in [0, 1]), n_images, pool.
    """
    pool, n, _ = samples.shape
    rng = np.random.default_rng(seed)
    rows = []
    for t in [t for t in num_samples if t < pool]:
        for repeat in range(repeats):
            drawn = rng.choice(pool, t, replace=False)
            right = samples[drawn].mean(axis=0).argmax(axis=1) == targets
            rows.append((t, repeat, right.mean()))
    rows.append((pool, 0, (samples.mean(axis=0).argmax(axis=1) == targets).mean()))
    table = pd.DataFrame(rows, columns=["num_samples", "repeat", "accuracy"])
    return table.assign(n_images=n, pool=pool)
