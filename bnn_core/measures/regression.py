"""Logistic regression on a few numbers per image: simple and independent of the networks."""

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

_MOST_STEPS = 5000


def fitted_regression(features: np.ndarray, targets: np.ndarray, penalty_c: float) -> "Pipeline":
    """A regression of targets (N,) on standardised features (N, D); all classes weigh the same.

    penalty_c: inverse strength of the ridge penalty. `predict_proba` has the columns of
    `result[-1].classes_`.
    """
    # Here, not above: they take a second to import, and most pages fit nothing.
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=penalty_c, class_weight="balanced", max_iter=_MOST_STEPS),
    )
    # Threads do not help with small matrices, and on a busy machine they are 100 times slower.
    with threadpool_limits(1):
        return model.fit(features, targets)
