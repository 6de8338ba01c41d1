"""Wrong labels of single images: three kinds, planted on features that a small network learns.

uniform: any image gets any other class. class: a class's images get the class most like it, some
classes more often than others. feature: an image gets the class that is next likely for it, the
more probably the closer it is; no method can find all of these.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

KINDS = ("uniform", "class", "feature")
RATES = (0.02, 0.05, 0.1)
FEATURES = 16
FOLDS = 5


@dataclass(frozen=True)
class World:
    """Images as points; lengths are in units of an image's mean noise. Defaults: the chosen-on one."""

    images: int = 1000
    classes: int = 8
    clusters: int = 3  # per class
    separation: float = 4.0
    cluster_spread: float = 0.45


WORLDS = {"ordinary": World(), "close": World(classes=12, separation=3.2, clusters=5)}


@dataclass(frozen=True)
class Truth:
    """features: (N, FEATURES) float32. classes: (N,) true. posterior: (N, C), of the generator.
    nearest: (C,) the class most like each class."""

    features: np.ndarray
    classes: np.ndarray
    posterior: np.ndarray
    nearest: np.ndarray


def make_truth(world: World, seed: int) -> Truth:
    """The same world and seed give the same images."""
    rng = np.random.default_rng(seed)
    n, c = world.images, world.classes
    axes = rng.normal(size=(c, FEATURES))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    centres = axes[:, None] * world.separation * rng.uniform(0.6, 1.3, (c, 1, 1))
    centres = centres + world.cluster_spread * rng.standard_t(4, (c, world.clusters, FEATURES))
    true, cluster = rng.integers(0, c, n), rng.integers(0, world.clusters, n)
    noise = rng.normal(size=(n, FEATURES)) * rng.uniform(0.6, 1.4, (n, 1))
    features = centres[true, cluster] + noise
    squares = ((features[:, None, None] - centres) ** 2).sum(axis=-1)
    log_p = np.logaddexp.reduce(-squares / 2, axis=2)
    posterior = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    likeness = axes @ axes.T - 2 * np.eye(c)
    return Truth(features.astype(np.float32), true, posterior, likeness.argmax(axis=1))


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
    """Out-of-fold logits (N, C) and features (N, D) of the last hidden layer; margins (N, E) in
    every epoch, mean over the folds that trained on the image; neighbours (N, C): share of each
    label among the 20 training images of closest direction; squares (N, C): Mahalanobis distances
    from the training classes."""

    logits: np.ndarray
    features: np.ndarray
    margins: np.ndarray
    neighbours: np.ndarray
    squares: np.ndarray


def cross_validate(
    features: np.ndarray, labels: np.ndarray, classes: int, seed: int, epochs: int = 30
) -> Predictions:
    """Five folds at random, each predicted by a network of two hidden layers."""
    n = len(labels)
    fold = np.random.default_rng(seed).permutation(n) % FOLDS
    logits, hidden = np.zeros((n, classes)), np.zeros((n, 96))
    margins = np.zeros((n, epochs))
    neighbours, squares = np.zeros((n, classes)), np.zeros((n, classes))
    for k in range(FOLDS):
        test, train = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        network, history = _fit(features[train], labels[train], classes, 10 * seed + k, epochs)
        with torch.no_grad():
            seen = network[:-1](torch.from_numpy(features[train])).numpy()
            new = network[:-1](torch.from_numpy(features[test]))
            logits[test] = network[-1](new).numpy()
        hidden[test] = new.numpy()
        margins[train] += history / (FOLDS - 1)
        neighbours[test] = _neighbours(seen, labels[train], hidden[test], classes)
        squares[test] = _squares(seen, labels[train], hidden[test], classes)
    return Predictions(logits, hidden, margins, neighbours, squares)


def _fit(x: np.ndarray, y: np.ndarray, classes: int, seed: int, epochs: int, batch: int = 128):
    """A trained network, and (N, epochs) margins of its training images."""
    torch.manual_seed(seed)
    width = 96
    network = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, classes),
    )
    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    steps = -(-len(x) // batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps * epochs + 1)
    margins = np.zeros((len(x), epochs))
    for epoch in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            logits, target = network(images[rows]), labels[rows]
            optimizer.zero_grad()
            F.cross_entropy(logits, target).backward()
            optimizer.step()
            schedule.step()
            margins[rows, epoch] = _margin(logits.detach().numpy(), target.numpy())
    return network, margins


def _margin(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    rows = np.arange(len(labels))
    others = values.copy()
    others[rows, labels] = -np.inf
    return values[rows, labels] - others.max(axis=1)


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
