"""Images that look alike to a network: the nearest ones in a space of features."""

import numpy as np
import pandas as pd

_CHUNK_VALUES = 20_000_000
#: Groups of images that an image can be compared with.
ANOTHER_LABEL, SAME_LABEL, ANY_LABEL = NEIGHBOUR_KINDS = (
    "another label",
    "the same label",
    "any label",
)


def candidates(
    images: pd.DataFrame, predicted: pd.Series, row: int, kind: str, all_folds: bool = False
) -> np.ndarray:
    """Rows that image `row` can be compared with, of one of NEIGHBOUR_KINDS.

    Only images of the same fold qualify in the hidden layer of its network, for distances between
    the layers of two networks mean nothing. With `all_folds` those of all folds do: predicted
    probabilities are a space that networks share. An image without a label is compared by its
    predicted class. Other images without a label qualify only for ANY_LABEL. Raises ValueError for an
    unknown kind.
    """
    keep = np.ones(len(images), dtype=bool)
    if not all_folds:
        keep = (images["fold"] == images["fold"].iat[row]).to_numpy(bool, copy=True)
    keep[row] = False
    label = images["label"].iat[row]
    label = predicted.iat[row] if pd.isna(label) else label
    same = (images["label"] == label).fillna(False).to_numpy(bool)
    if kind == SAME_LABEL:
        keep &= same
    elif kind == ANOTHER_LABEL:
        keep &= ~same & images["label"].notna().to_numpy()
    elif kind != ANY_LABEL:
        raise ValueError(f"kind {kind!r} is not one of {NEIGHBOUR_KINDS}")
    return np.flatnonzero(keep)


def nearest(
    embedding: np.ndarray, point: np.ndarray, candidates: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` of `candidates` (row numbers) closest to a point: (rows, Euclidean distances).

    embedding: (N, D), memory-mapped or not, read in chunks; closest first. point: (D,), such as one
    row of it. The mean of several rows ranks by the mean squared distance from these rows.
    """
    candidates = np.asarray(candidates)
    origin = np.asarray(point, dtype=np.float32)
    distance = np.empty(len(candidates), dtype=np.float32)
    step = max(1, _CHUNK_VALUES // embedding.shape[1])
    for start in range(0, len(candidates), step):
        part = np.asarray(embedding[candidates[start : start + step]], dtype=np.float32)
        distance[start : start + step] = np.linalg.norm(part - origin, axis=1)
    kept = np.arange(len(candidates))
    if count < len(candidates):
        kept = np.argpartition(distance, count - 1)[:count]
    kept = kept[np.lexsort((candidates[kept], distance[kept]))]
    return candidates[kept], distance[kept]
