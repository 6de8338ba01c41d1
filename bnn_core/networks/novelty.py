"""How unlike its training images an image is to a network: what is kept of them, what it gives.

Four parts, each a score of `base.scores`, all from the last hidden layer of the network at the
posterior's centre:

distance: Mahalanobis, see `distance`. normalised_distance: the same on features of length 1.
neighbour_distance: one minus the cosine to the NEIGHBOURS-th nearest training image (Sun et al.
2022, "Out-of-Distribution Detection with Deep Nearest Neighbors"). energy: log-sum-exp of the logits
(Liu et al. 2020, "Energy-based Out-of-distribution Detection"), low for unlike images.

`measures.unlikeness` joins them. Of an ensemble they are its first member's; Laplace and temperature
have the standard network's.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from bnn_core.base.errors import RESTORE, InputError
from bnn_core.base.files import atomic_path
from bnn_core.base.reading import demand_array, read_arrays
from bnn_core.networks.distance import TrainingCloud, training_cloud

#: Which of the nearest training images counts.
NEIGHBOURS = 5
#: Training images that the clouds are fitted to, and that are kept as neighbours, evenly chosen of more.
MOST_IMAGES, MOST_NEIGHBOURS = 20_000, 10_000
NOVELTY_FILE = "novelty.npz"
_NORMALISED = "normalised_"
#: Images compared with all neighbours at a time.
_BLOCK = 1000


class TrainingImages(NamedTuple):
    """The training images in the last hidden layer of D features.

    cloud: of the features. normalised, neighbours: the cloud and the features (M, D) float16 of
    length 1; None for networks of older versions.
    """

    cloud: TrainingCloud
    normalised: TrainingCloud | None = None
    neighbours: np.ndarray | None = None

    def measure(self, features: np.ndarray, logits: np.ndarray) -> dict[str, np.ndarray]:
        """Score -> (N,) float64 of images with features (N, D) and logits (N, C)."""
        parts = {"distance": self.cloud.distance(features)}
        if self.normalised is None or self.neighbours is None:
            return parts
        unit = _unit_length(features)
        return parts | {
            "normalised_distance": self.normalised.distance(unit),
            "neighbour_distance": _neighbour_distance(unit, self.neighbours),
            "energy": logsumexp(np.asarray(logits, dtype=np.float64), axis=1),
        }


def training_images(features: np.ndarray, targets: np.ndarray) -> TrainingImages:
    """What is kept of training images: features (N, D), class numbers `targets` (N,), N at least 1."""
    unit = _unit_length(features)
    kept = np.linspace(0, len(unit) - 1, min(len(unit), MOST_NEIGHBOURS)).astype(int)
    return TrainingImages(
        training_cloud(features, targets),
        training_cloud(unit, targets),
        unit[kept].astype(np.float16),
    )


def save_training_images(folder: Path, kept: TrainingImages) -> None:
    """Keep them beside the weights of their network."""
    arrays = kept.cloud._asdict()
    if kept.normalised is not None and kept.neighbours is not None:
        arrays |= {_NORMALISED + name: part for name, part in kept.normalised._asdict().items()}
        arrays["neighbours"] = kept.neighbours
    with atomic_path(folder / NOVELTY_FILE) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def read_training_images(folder: Path) -> TrainingImages | None:
    """Those of a trained network; None for networks of older versions, which kept none.

    Raises InputError where the file is damaged.
    """
    path = folder / NOVELTY_FILE
    if not path.is_file():
        return None
    arrays = read_arrays(path)
    cloud = _cloud(path, arrays, "")
    if "neighbours" not in arrays:
        return TrainingImages(cloud)
    normalised = _cloud(path, arrays, _NORMALISED)
    neighbours = demand_array(path, arrays, "neighbours", 2, "f")
    size = cloud.means.shape[1]
    if normalised.means.shape[1] != size or neighbours.shape[1] != size or not len(neighbours):
        raise InputError(f"{path}: the shapes of its arrays disagree; {RESTORE}")
    if not np.isfinite(neighbours).all():
        raise InputError(f"{path}: its numbers are not finite; {RESTORE}")
    return TrainingImages(cloud, normalised, neighbours)


def _cloud(path: Path, arrays: dict[str, np.ndarray], prefix: str) -> TrainingCloud:
    cloud = TrainingCloud(
        *(
            demand_array(path, arrays, prefix + name, dimensions, "f").astype(
                np.float32, copy=False
            )
            for name, dimensions in (("means", 2), ("axes", 2), ("variances", 1), ("rest", 0))
        )
    )
    (classes, size), components = cloud.means.shape, len(cloud.variances)
    if not classes or not size or cloud.axes.shape != (size, components):
        raise InputError(f"{path}: the shapes of its arrays disagree; {RESTORE}")
    if not all(np.isfinite(array).all() for array in cloud) or cloud.rest <= 0:
        raise InputError(f"{path}: its numbers are not finite; {RESTORE}")
    return cloud


def _unit_length(features: np.ndarray) -> np.ndarray:
    """(N, D) float32 features of length 1; of a network that is silent, 0."""
    features = np.asarray(features, dtype=np.float32)
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(length, np.finfo(np.float32).tiny)


def _neighbour_distance(unit: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """(N,) one minus the cosine to the NEIGHBOURS-th nearest of the neighbours, 0 to 2."""
    bank = neighbours.astype(np.float32).T
    count = min(NEIGHBOURS, bank.shape[1])
    distance = np.empty(len(unit))
    for start in range(0, len(unit), _BLOCK):
        cosines = unit[start : start + _BLOCK] @ bank
        distance[start : start + _BLOCK] = 1 - np.partition(cosines, -count, axis=1)[:, -count]
    return distance
