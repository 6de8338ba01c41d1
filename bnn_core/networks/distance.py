"""How far an image is from the training images of a network, in its last hidden layer.

The softmax says which known class an image looks most like, not whether it looks like any: a new
mechanism may be predicted as a known one with confidence. The distance to the nearest class of the
training images (Mahalanobis; Lee et al. 2018, "A Simple Unified Framework for Detecting
Out-of-Distribution Samples") asks that. Their covariance within classes is that of probabilistic
PCA (Tipping & Bishop 1999): the strongest CLOUD_COMPONENTS directions and one variance for the rest, as
there are more features than training images. Of an ensemble it is its first member's; Laplace and
temperature have the standard network's.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

CLOUD_COMPONENTS = 32


class TrainingCloud(NamedTuple):
    """The training images in the last hidden layer of D features.

    means: (C, D) of the classes that were there. axes: (D, K) the strongest directions within
    classes. variances: (K,) along them. rest: variance in every other direction.
    """

    means: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    rest: np.ndarray

    def distance(self, features: np.ndarray) -> np.ndarray:
        """(N,) float64 distance of features (N, D) from the nearest class, 0 and more.

        In units of the training images' own spread: their (quadratic) mean is 1.
        """
        features = np.asarray(features, dtype=np.float64)
        return np.sqrt(np.min([self._squared(features - mean) for mean in self.means], axis=0))

    def _squared(self, away: np.ndarray) -> np.ndarray:
        along = away @ self.axes
        other = np.maximum((away**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        return ((along**2 / self.variances).sum(axis=1) + other / self.rest) / away.shape[1]


def training_cloud(
    features: np.ndarray, targets: np.ndarray, components: int = CLOUD_COMPONENTS
) -> TrainingCloud:
    """Fit to features (N, D) of training images with class numbers `targets` (N,), N at least 1."""
    features = np.asarray(features, dtype=np.float64)
    classes, codes = np.unique(targets, return_inverse=True)
    means = np.stack([features[codes == c].mean(axis=0) for c in range(len(classes))])
    within = features - means[codes]
    size = within.shape[1]
    # At most a third of the directions that so many images span: the others give the rest.
    count = max(0, min(components, size - 1, (len(within) - len(classes)) // 3))
    covariance = within.T @ within / len(within)
    # A network may leave units dead and classes without spread; distances stay finite.
    floor = np.trace(covariance) / size * 1e-6 or 1.0
    variances, axes = (
        eigh(covariance, subset_by_index=[size - count, size - 1])
        if count
        else (np.empty(0), np.empty((size, 0)))
    )
    rest = (np.trace(covariance) - variances.sum()) / (size - count)
    cloud = TrainingCloud(means, axes, np.maximum(variances, floor), np.array(max(rest, floor)))
    # As it is kept: images that are added later get the same numbers.
    return TrainingCloud(*(array.astype(np.float32) for array in cloud))
