"""How unlike its training images an image is to a network: what is kept of them, what it gives.

Five parts, each a score of `base.scores`, of the network at the posterior's centre. Four are of its
last hidden layer:

distance: Mahalanobis, see `distance`. normalised_distance: the same on features of length 1.
neighbour_distance: one minus the cosine to the NEIGHBOURS-th nearest training image (Sun et al.
2022, "Out-of-Distribution Detection with Deep Nearest Neighbors"). energy: log-sum-exp of the logits
(Liu et al. 2020, "Energy-based Out-of-distribution Detection"), low for unlike images.

texture_distance is of all convolutions: Mahalanobis on the means and standard deviations of their
maps, each scaled by its spread in the training images. The last layer keeps what tells the classes
apart; these also see dirt, blur and cells that no class has. Networks of features have none.

`measures.unlikeness` joins them. Of an ensemble they are its first member's; Laplace and temperature
have the standard network's.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from bnn_core.base.array_files import write_arrays
from bnn_core.base.errors import RESTORE, InputError
from bnn_core.base.reading import demand_array, read_arrays
from bnn_core.networks.distance import TrainingCloud, training_cloud
from bnn_core.networks.prediction import Embedded

#: Which of the nearest training images counts.
NEIGHBOURS = 5
#: Training images that the clouds are fitted to, and that are kept as neighbours, evenly chosen of more.
MOST_IMAGES, MOST_NEIGHBOURS = 20_000, 10_000
NOVELTY_FILE = "novelty.npz"
_NORMALISED, _TEXTURE = "normalised_", "texture_"
#: Strongest directions of the textures: there are more of them, and small damage is in weak ones.
TEXTURE_COMPONENTS = 100
#: Images compared with all neighbours at a time.
_BLOCK = 1000


class Textures(NamedTuple):
    """Textures of the training images: what each of S is multiplied by, (S,), and their cloud then."""

    factor: np.ndarray
    cloud: TrainingCloud

    def distance(self, textures: np.ndarray) -> np.ndarray:
        """(N,) of textures (N, S), as `TrainingCloud.distance`."""
        return self.cloud.distance(textures * self.factor)


class TrainingImages(NamedTuple):
    """The training images in the layers of a network, the last hidden one with D features.

    cloud: of the features. normalised, neighbours: the cloud and the features (M, D) float16 of
    length 1; None for networks of older versions. textures: None for these too, and for networks
    without convolutions.
    """

    cloud: TrainingCloud
    normalised: TrainingCloud | None = None
    neighbours: np.ndarray | None = None
    textures: Textures | None = None

    def measure(self, images: Embedded) -> dict[str, np.ndarray]:
        """Score -> (N,) float64 of images."""
        features, logits, textures = images
        parts = {"distance": self.cloud.distance(features)}
        if self.textures is not None:
            parts["texture_distance"] = self.textures.distance(textures)
        if self.normalised is None or self.neighbours is None:
            return parts
        unit = _unit_length(features)
        return parts | {
            "normalised_distance": self.normalised.distance(unit),
            "neighbour_distance": _neighbour_distance(unit, self.neighbours),
            "energy": logsumexp(np.asarray(logits, dtype=np.float64), axis=1),
        }


def training_images(images: Embedded, targets: np.ndarray) -> TrainingImages:
    """What is kept of N training images, at least 1, with class numbers `targets` (N,)."""
    features, textures = images.features, images.textures
    unit = _unit_length(features)
    kept = np.linspace(0, len(unit) - 1, min(len(unit), MOST_NEIGHBOURS)).astype(int)
    return TrainingImages(
        training_cloud(features, targets),
        training_cloud(unit, targets),
        unit[kept].astype(np.float16),
        _textures(textures, targets) if textures.shape[1] else None,
    )


def _textures(textures: np.ndarray, targets: np.ndarray) -> Textures:
    spread = textures.std(axis=0, dtype=np.float64)
    # A map that is the same everywhere says nothing.
    seen = spread > 1e-6 * spread.max()
    factor = np.divide(1, spread, out=np.zeros_like(spread), where=seen).astype(np.float32)
    return Textures(factor, training_cloud(textures * factor, targets, TEXTURE_COMPONENTS))


def save_training_images(folder: Path, kept: TrainingImages) -> None:
    """Keep them beside the weights of their network."""
    arrays = kept.cloud._asdict()
    if kept.normalised is not None and kept.neighbours is not None:
        arrays |= {_NORMALISED + name: part for name, part in kept.normalised._asdict().items()}
        arrays["neighbours"] = kept.neighbours
    if kept.textures is not None:
        arrays |= {_TEXTURE + name: part for name, part in kept.textures.cloud._asdict().items()}
        arrays[_TEXTURE + "factor"] = kept.textures.factor
    write_arrays(folder / NOVELTY_FILE, **arrays)


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
    return TrainingImages(cloud, normalised, neighbours, _read_textures(path, arrays))


def _read_textures(path: Path, arrays: dict[str, np.ndarray]) -> Textures | None:
    if _TEXTURE + "factor" not in arrays:
        return None
    factor = demand_array(path, arrays, _TEXTURE + "factor", 1, "f")
    cloud = _cloud(path, arrays, _TEXTURE)
    if len(factor) != cloud.means.shape[1]:
        raise InputError(f"{path}: the shapes of its arrays disagree; {RESTORE}")
    if not np.isfinite(factor).all():
        raise InputError(f"{path}: its numbers are not finite; {RESTORE}")
    return Textures(factor, cloud)


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
