"""Positions of images in two dimensions: images that a network represents alike lie together."""

import numpy as np

#: Images laid out by t-SNE; further ones take the mean position of their nearest among these.
MOST_LAID_OUT = 2000
#: Least probability, so that its logarithm exists.
_LEAST = 1e-4
_DIMENSIONS, _PERPLEXITY, _STEPS, _NEAREST, _CHUNK = 50, 30.0, 500, 5, 4096


def log_ratios(p: np.ndarray) -> np.ndarray:
    """(N, C) probabilities as centred log ratios: a space that networks of all folds share."""
    logs = np.log(np.clip(np.asarray(p, np.float64), _LEAST, None))
    return logs - logs.mean(axis=1, keepdims=True)


def layout(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N, 2) float32 positions of (N, D) features, each axis within [-1, 1].

    t-SNE (van der Maaten & Hinton, 2008) of at most MOST_LAID_OUT rows, evenly chosen, from their
    first principal components. Distances between far groups mean little. The same features and
    seed give the same positions. Rows with a missing value get nan.
    """
    features = np.asarray(features, np.float32)
    positions = np.full((len(features), 2), np.nan, np.float32)
    known = np.flatnonzero(np.isfinite(features).all(axis=1))
    if not len(known):
        return positions
    if (features[known] == features[known[0]]).all():
        positions[known] = 0
        return positions
    reduced = _components(features[known])
    chosen = np.arange(len(known))
    if len(known) > MOST_LAID_OUT:
        chosen = np.linspace(0, len(known) - 1, MOST_LAID_OUT).astype(int)
    placed = _t_sne(reduced[chosen], seed)
    if len(chosen) < len(known):
        placed = _beside(reduced, reduced[chosen], placed)
    placed = placed - (placed.min(axis=0) + placed.max(axis=0)) / 2
    positions[known] = placed / max(float(np.abs(placed).max()), 1e-12)
    return positions


def _components(features: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import PCA

    most = min(_DIMENSIONS, *features.shape)
    return PCA(most, svd_solver="covariance_eigh").fit_transform(features).astype(np.float32)


def _t_sne(features: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    if len(features) < 5:
        return np.hstack([features, np.zeros((len(features), 2), np.float32)])[:, :2]
    # Equal rows have no direction away from each other.
    noise = np.random.default_rng(seed).normal(0, 1e-6, features.shape)
    features = features + noise * (1e-12 + features.std())
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    start = features[:, :2] / (1e4 * max(float(features[:, 0].std()), 1e-12))
    if start.shape[1] < 2:
        start = np.hstack([start, np.zeros_like(start)])
    return TSNE(
        perplexity=perplexity,
        init=start.astype(np.float32),
        max_iter=_STEPS,
        random_state=seed,
        n_jobs=1,
    ).fit_transform(features.astype(np.float32))


def _beside(features: np.ndarray, known: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """The mean position of the nearest of `known`, by weights that fall with the distance."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=_NEAREST, algorithm="brute").fit(known)
    out = np.empty((len(features), 2), np.float32)
    for start in range(0, len(features), _CHUNK):
        part = slice(start, start + _CHUNK)
        distance, nearest = search.kneighbors(features[part])
        weights = 1 / (distance + 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        out[part] = (placed[nearest] * weights[:, :, None]).sum(axis=1)
    return out
