"""The map of images of a study: computed when it is made, and kept under `derived/`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.array_files import write_array
from bnn_core.base.errors import InputError
from bnn_core.base.reading import read_array
from bnn_core.measures.layout import layout, log_ratios
from bnn_core.study import derived
from bnn_core.study.folder import Study

MAP_FILE = Path("derived") / "map.npy"
#: What the positions come from -> words.
EMBEDDING, PROBABILITIES = "embedding", "probabilities"
MAP_SOURCES = {
    EMBEDDING: "the last hidden layer of the network",
    PROBABILITIES: "the predicted probabilities, which the networks of all folds share",
}


def source_of(images: pd.DataFrame, has_embedding: bool) -> str:
    """EMBEDDING where one network embedded all images, else PROBABILITIES.

    Hidden layers of different networks cannot be compared.
    """
    folds = images["fold"][images["fold"] >= 0].nunique()
    return EMBEDDING if has_embedding and folds < 2 else PROBABILITIES


def write_map(
    folder: Path,
    images: pd.DataFrame,
    classes: Sequence[str],
    summary: pd.DataFrame,
    embedding: np.ndarray | None,
) -> None:
    """Compute and keep the map of a study that is being made in `folder`.

    summary: of the method that made the embedding (N, D), with its mean softmax.
    """
    positions = _positions(images, _mean_softmax(summary, classes), embedding)
    write_array(folder / MAP_FILE, positions)


def study_map(study: Study) -> np.ndarray:
    """(N, 2) float32 positions in [-1, 1]; nan where an image has no prediction.

    Read from the study's folder, or computed and kept there (`derived.kept`): about 5 s for 2,000
    images, 15 s for 1,000,000. Raises InputError where the kept file is damaged.
    """
    path = study.path / MAP_FILE
    if path.is_file():
        positions = read_array(path)
        if positions.shape != (len(study.images), 2):
            raise InputError(
                f"{path} has the shape {positions.shape} and must have ({len(study.images)}, 2); delete "
                "it, and the map is computed again"
            )
        return np.asarray(positions, np.float32)
    method = study.reading_method
    summary = f"summary/{method}.parquet"

    def make() -> pd.DataFrame:
        p = _mean_softmax(study.summary(method), study.classes)
        return pd.DataFrame(_positions(study.images, p, study.embedding), columns=["x", "y"])

    sources = ["images.parquet", summary, *({"embedding.npy"} & set(study.meta["checksums"]))]
    name, words = f"map_{method}", ("map",)
    table = derived.kept(study.path, study.meta, name, sources, make, words, always=True)
    return table.to_numpy()


def _mean_softmax(summary: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    return summary[[f"p_{name}" for name in classes]].to_numpy()


def _positions(images: pd.DataFrame, p: np.ndarray, embedding: np.ndarray | None) -> np.ndarray:
    source = source_of(images, embedding is not None)
    return layout(np.asarray(embedding) if source == EMBEDDING else log_ratios(p))
