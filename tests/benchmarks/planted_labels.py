"""Wrong labels of single images: three kinds, planted on data that a small network learns.

uniform: any image gets any other class. class: a class's images get the class most like it, some
classes more often than others. feature: an image gets the class that is next likely for it, the
more probably the closer it is; no method can find all of these.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import softmax
from sklearn.datasets import load_digits, make_classification

from bnn_core.datasets.mnist import data_root, load_mnist

KINDS = ("uniform", "class", "feature")
RATES = (0.02, 0.05, 0.1)


@dataclass(frozen=True)
class World:
    """Where images come from, and how a network learns them.

    source: clusters (points; lengths are in units of an image's mean noise), classification
    (scikit-learn's generator), pairs (two clusters a class, no tails), digits (8 x 8 pixels, of
    scikit-learn) or mnist (of the files in the folder $BNN_DATA). compounds: of that many images each,
    which differ by a shift of their own and share a fold, in wells of four; 0 without.
    """

    source: str = "clusters"
    images: int = 1000
    classes: int = 8
    clusters: int = 3  # per class
    separation: float = 4.0
    cluster_spread: float = 0.45
    dimensions: int = 16
    epochs: int = 30
    learning_rate: float = 5e-3
    one_cycle: bool = True
    hidden: tuple[int, ...] = (96, 96)
    batch: int = 128
    folds: int = 5
    compounds: int = 0


#: The score was chosen on these, seeds below 1000.
CHOSEN_ON = {
    "ordinary": World(),
    "slow": World(epochs=15, learning_rate=1e-3),
    "long": World(epochs=120),
    "classification": World("classification", separation=2.0),
    "digits": World("digits", classes=10),
    "compounds": World(images=960, compounds=16),
    "compounds, slow": World(images=960, compounds=16, epochs=15, learning_rate=1e-3),
}
#: Reported on these, seeds from 1000 on.
REPORTED = {
    "ordinary": World(),
    "close": World(classes=12, separation=3.2, clusters=5),
    "pairs": World("pairs", 700, 6, 2, 1.1, dimensions=12, learning_rate=3e-3, one_cycle=False,
                   hidden=(48,), batch=44, folds=4),
    "compounds, close": World(images=960, classes=12, separation=3.2, clusters=5, compounds=12),
    "mnist": World("mnist", classes=10, epochs=20, hidden=(128, 64)),
}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """features: (N, D) float32. classes: (N,) true. posterior: (N, C), of the generator, or of a
    network that learnt the true classes. nearest: (C,) the class most like each class. compounds: (N,)
    number of each image's compound, or None."""

    features: np.ndarray
    classes: np.ndarray
    posterior: np.ndarray
    nearest: np.ndarray
    compounds: np.ndarray | None = None


def make_truth(world: World, seed: int) -> Truth:
    """The same world and seed give the same images."""
    rng = np.random.default_rng(seed)
    if world.source in ("clusters", "pairs"):
        return (_clusters if world.source == "clusters" else _pairs)(world, rng)
    features, true = _SOURCES[world.source](world, seed)
    rows = rng.permutation(len(true))[: world.images]
    features, true = features[rows], true[rows]
    p = softmax(cross_validate(features, true, world, seed).logits, axis=1)
    return Truth(features, true, p, nearest_classes(p, true))


def _clusters(world: World, rng: np.random.Generator) -> Truth:
    n, c, d = world.images, world.classes, world.dimensions
    axes = rng.normal(size=(c, d))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    centres = axes[:, None] * world.separation * rng.uniform(0.6, 1.3, (c, 1, 1))
    centres = centres + world.cluster_spread * rng.standard_t(4, (c, world.clusters, d))
    true, cluster = rng.integers(0, c, n), rng.integers(0, world.clusters, n)
    noise = rng.normal(size=(n, d)) * rng.uniform(0.6, 1.4, (n, 1))
    likeness = axes @ axes.T - 2 * np.eye(c)
    if not world.compounds:
        return _of_centres(centres, true, cluster, noise, likeness.argmax(axis=1))
    compound = np.arange(n) // world.compounds
    true, cluster = (compound % c)[:n], cluster[compound]
    noise = noise + rng.normal(0, 0.5, (n, d))[compound]
    truth = _of_centres(centres, true, cluster, noise, likeness.argmax(axis=1))
    return replace(truth, compounds=compound)


def _pairs(world: World, rng: np.random.Generator) -> Truth:
    n, c, d = world.images, world.classes, world.dimensions
    centres = rng.normal(0, world.separation, (c, world.clusters, d))
    true, cluster = rng.integers(0, c, n), rng.integers(0, world.clusters, n)
    between = ((centres[:, :, None, None] - centres) ** 2).sum(axis=-1).min(axis=(1, 3))
    np.fill_diagonal(between, np.inf)
    return _of_centres(centres, true, cluster, rng.normal(size=(n, d)), between.argmin(axis=1))


def _of_centres(centres, true, cluster, noise, nearest) -> Truth:
    features = centres[true, cluster] + noise
    squares = ((features[:, None, None] - centres) ** 2).sum(axis=-1)
    posterior = softmax(np.logaddexp.reduce(-squares / 2, axis=2), axis=1)
    return Truth(features.astype(np.float32), true, posterior, nearest)


def _classification(world: World, seed: int) -> tuple[np.ndarray, np.ndarray]:
    features, true = make_classification(
        world.images, 20, n_informative=10, n_redundant=4, n_classes=world.classes, flip_y=0,
        n_clusters_per_class=world.clusters, class_sep=world.separation, random_state=seed,
    )  # fmt: skip
    return (features / features.std(axis=0)).astype(np.float32), true


def _digits(world: World, seed: int) -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    return (digits.data / 16).astype(np.float32), digits.target


def _mnist(world: World, seed: int) -> tuple[np.ndarray, np.ndarray]:
    digits = load_mnist(data_root(), train=True)
    return digits.images.reshape(len(digits.images), -1).astype(np.float32) / 255, digits.targets


_SOURCES = {"classification": _classification, "digits": _digits, "mnist": _mnist}


def nearest_classes(p: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(C,) the class that most of each class's wrong probability goes to."""
    wrong = np.zeros((p.shape[1], p.shape[1]))
    np.add.at(wrong, true, p)
    np.fill_diagonal(wrong, -1)
    return wrong.argmax(axis=1)


def plant_compounds(rate: float, truth: Truth, rng: np.random.Generator) -> np.ndarray:
    """(N,) labels, about `rate` of them wrong: all those of some compounds."""
    names = np.unique(truth.compounds)
    wrong = np.isin(truth.compounds, rng.choice(names, max(1, round(rate * len(names))), False))
    shift = rng.integers(1, truth.posterior.shape[1], len(names))[truth.compounds]
    return np.where(wrong, (truth.classes + shift) % truth.posterior.shape[1], truth.classes)


def plant(
    kind: str,
    rate: float,
    true: np.ndarray,
    posterior: np.ndarray,
    nearest: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """(N,) labels, exactly round(rate N) of them wrong. Arguments as in `Truth`."""
    n, c = posterior.shape
    rows, given = np.arange(n), true.copy()
    other = posterior.copy()
    other[rows, true] = 0
    weights = {
        "uniform": np.ones(n),
        "class": rng.dirichlet(np.ones(c))[true] + 0.02,
        "feature": np.sqrt(other.max(axis=1) + 1e-6),
    }[kind]
    wrong = rng.choice(n, round(rate * n), replace=False, p=weights / weights.sum())
    label = {
        "uniform": (true + rng.integers(1, c, n)) % c,
        "class": nearest[true],
        "feature": other.argmax(axis=1),
    }[kind]
    given[wrong] = label[wrong]
    return given


@dataclass(frozen=True)
class Predictions:
    """Out-of-fold logits (N, C) and features (N, D) of the last hidden layer.

    margins, log_p: (N, E) of the label in every epoch, mean over the folds that trained on the
    image. held_out: (N,) margin, mean over the epochs, of the network that did not train on it.
    neighbours (N, C): share of each label among the 20 training images of closest direction.
    squares (N, C): Mahalanobis distances from the training classes.
    """

    logits: np.ndarray
    features: np.ndarray
    margins: np.ndarray
    log_p: np.ndarray
    held_out: np.ndarray
    neighbours: np.ndarray
    squares: np.ndarray


def cross_validate(
    features: np.ndarray, labels: np.ndarray, world: World, seed: int
) -> Predictions:
    """Folds at random and of one size, each predicted by a network that was trained on the others.

    Images of one compound follow each other and share a fold.
    """
    n, classes, size = len(labels), world.classes, max(1, world.compounds)
    order = np.random.default_rng(seed).permutation(n // size)
    folds = (order[:, None] * size + np.arange(size)).reshape(world.folds, -1)
    rest = np.stack([np.concatenate(np.delete(folds, k, axis=0)) for k in range(world.folds)])
    network, history = _fit(features, labels, rest, folds, world, seed)
    with torch.no_grad():
        seen = network[:-1](torch.from_numpy(features[rest])).numpy()
        new = network[:-1](torch.from_numpy(features[folds]))
        out = network[-1](new).numpy()
    logits, hidden = np.zeros((n, classes)), np.zeros((n, world.hidden[-1]))
    margins, log_p = np.zeros((2, n, world.epochs))
    held_out, neighbours, squares = np.zeros(n), np.zeros((n, classes)), np.zeros((n, classes))
    for k, (train, test) in enumerate(zip(rest, folds, strict=True)):
        logits[test], hidden[test] = out[k], new[k].numpy()
        margins[train] += history[0][k] / (world.folds - 1)
        log_p[train] += history[1][k] / (world.folds - 1)
        held_out[test] = history[2][k]
        neighbours[test] = _neighbours(seen[k], labels[train], hidden[test], classes)
        squares[test] = _squares(seen[k], labels[train], hidden[test], classes)
    return Predictions(logits, hidden, margins, log_p, held_out, neighbours, squares)


class _Linears(torch.nn.Module):
    """The same linear layer of K networks: (K, N, in) -> (K, N, out)."""

    def __init__(self, networks: int, size: int, after: int):
        super().__init__()
        parts = [torch.nn.Linear(size, after) for _ in range(networks)]
        self.weight = torch.nn.Parameter(torch.stack([part.weight.T for part in parts]).detach())
        self.bias = torch.nn.Parameter(torch.stack([part.bias[None] for part in parts]).detach())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


def _fit(features, labels, train, test, world: World, seed: int):
    """K trained networks as one; margins and log p of their training images (K, n, E); mean margins
    of the others (K, m). train, test: (K, n) and (K, m) rows."""
    torch.manual_seed(10 * seed)
    parts = []
    for size, after in pairwise((features.shape[1], *world.hidden)):
        parts += [_Linears(len(train), size, after), torch.nn.ReLU()]
    network = torch.nn.Sequential(*parts, _Linears(len(train), world.hidden[-1], world.classes))
    images, targets = torch.from_numpy(features[train]), torch.from_numpy(labels[train])
    others, each = torch.from_numpy(features[test]), torch.arange(len(train))[:, None]
    steps = -(-train.shape[1] // world.batch) * world.epochs
    rate = world.learning_rate
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    if not world.one_cycle:
        schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1)
    margins, log_p = np.zeros((2, *train.shape, world.epochs))
    held_out = np.zeros(test.shape)
    for epoch in range(world.epochs):
        order = torch.stack([torch.randperm(train.shape[1]) for _ in train])
        for rows in order.split(world.batch, dim=1):
            logits, target = network(images[each, rows]), targets[each, rows]
            loss = F.cross_entropy(logits.transpose(1, 2), target, reduction="none")
            optimizer.zero_grad()
            loss.mean(dim=1).sum().backward()
            optimizer.step()
            schedule.step()
            margins[each, rows, epoch] = margin(logits.detach().numpy(), target.numpy())
            log_p[each, rows, epoch] = -loss.detach().numpy()
        with torch.no_grad():
            held_out += margin(network(others).numpy(), labels[test]) / world.epochs
    return network, (margins, log_p, held_out)


def margin(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(..., N) value (..., N, C) of the label (..., N) less the highest of the others."""
    given = np.take_along_axis(values, labels[..., None], axis=-1)
    others = values.copy()
    np.put_along_axis(others, labels[..., None], -np.inf, axis=-1)
    return given[..., 0] - others.max(axis=-1)


def _neighbours(seen: np.ndarray, labels: np.ndarray, new: np.ndarray, classes: int, k: int = 20):
    seen, new = (a / (np.linalg.norm(a, axis=1, keepdims=True) + 1e-9) for a in (seen, new))
    closest = np.argpartition(-(new @ seen.T), k, axis=1)[:, :k]
    return np.stack([(labels[closest] == c).mean(axis=1) for c in range(classes)], axis=1)


def _squares(seen: np.ndarray, labels: np.ndarray, new: np.ndarray, classes: int) -> np.ndarray:
    means = np.stack([seen[labels == c].mean(axis=0) for c in range(classes)])
    within = seen - means[labels]
    covariance = within.T @ within / len(within)
    size = len(covariance)
    covariance = 0.9 * covariance + 0.1 * np.trace(covariance) / size * np.eye(size)
    inverse = np.linalg.inv(covariance)
    away = new[:, None] - means
    return np.einsum("ncd,de,nce->nc", away, inverse, away)
