"""Baselines and shortcuts of a study of cells, from nuclei and the brightness of the channels.

They are computed when the study is made, from the pixels that the networks see and in their folds,
and kept in its folder under `derived/`. A study without them gets them from its thumbnails.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json, write_json
from bnn_core.base.wording import listed, percent
from bnn_core.images.statistics import intensity_statistics
from bnn_core.measures.baselines import Shortcut, predict_in_folds, shortcut
from bnn_core.measures.levels import level_metrics
from bnn_core.measures.uncertainty import Moments, summarise
from bnn_core.study.folder import Study

BASELINES_FILE = Path("derived") / "baselines.json"
#: Key -> words, from the least to the most that a baseline knows.
BASELINES = {
    "majority": "the most frequent class",
    "nuclei": "the number and size of nuclei",
    "intensities": "nuclei and intensity statistics",
    "features": "a logistic regression on the same features",
}
NUCLEI = ("quality_nuclei", "quality_nuclei_area")
#: Property -> columns of images that may not be on both sides.
SHORTCUTS = {"batch": ("plate", "well"), "plate": ("plate", "well")}
#: Score from which on a batch or plate counts as easy to recognise.
EASY = 0.5
#: Images whose statistics the shortcuts use, evenly chosen of more.
MOST_COMPARED = 5000
_SIDE = 64


@dataclass(frozen=True)
class Baselines:
    """accuracies: key of BASELINES -> level -> figures as of `levels.level_metrics`. shortcuts:
    property -> `Shortcut`. source: which pictures the intensity statistics are of."""

    accuracies: dict[str, dict[str, dict[str, float]]]
    shortcuts: dict[str, Shortcut]
    source: str

    def sentence(self, accuracy: float | None = None) -> str:
        """One line: accuracies per image, and beside them a network's `accuracy` in [0, 1].

        The most frequent class is named only where nothing else is known of the images.
        """
        keys = [key for key in self.accuracies if key != "majority"] or list(self.accuracies)
        parts = [
            f"{percent(self.accuracies[key]['image']['accuracy'])} of images by {BASELINES[key]}"
            for key in keys
        ]
        text = f"Predicted correctly without a network: {listed(parts)}"
        return text + (f"; by the network: {percent(accuracy)}." if accuracy is not None else ".")

    def shortcut_sentence(self) -> str:
        """One line on how well simple numbers tell batch and plate; empty where neither is known."""
        parts = [
            f"the {name} of {percent(s.accuracy)} of images (chance: {percent(s.chance)})"
            for name, s in self.shortcuts.items()
        ]
        if not parts:
            return ""
        numbers = "Nuclei and intensity statistics"
        if "features" in self.accuracies:
            numbers = "The features"
        text = f"{numbers} alone identify {listed(parts)}."
        if easy := [name for name, s in self.shortcuts.items() if s.score >= EASY]:
            text += f" A network could use the {' and the '.join(easy)} as a shortcut."
        return text


def write_baselines(
    folder: Path,
    images: pd.DataFrame,
    classes: list[str],
    folds: list[tuple[np.ndarray, np.ndarray]],
    statistics: np.ndarray,
    key: str = "intensities",
) -> None:
    """Compute and keep the baselines of a study that is being made in `folder`.

    images: the study's images, with quality columns. folds: (training rows, predicted rows).
    statistics: (N, F), see `intensity_statistics`; or the "features" that the networks see, which
    is then the `key`.
    """
    measured = compute(images, classes, folds, statistics, "what the networks see", key)
    (folder / BASELINES_FILE).parent.mkdir(parents=True, exist_ok=True)
    write_json(
        folder / BASELINES_FILE,
        {
            "accuracies": measured.accuracies,
            "shortcuts": {name: vars(s) for name, s in measured.shortcuts.items()},
            "source": measured.source,
        },
    )


def study_baselines(study: Study) -> Baselines | None:
    """The baselines of a study; None where it has neither them nor what they are computed from.

    Computed from thumbnails they take some seconds per thousand images. Raises InputError where
    the kept file is damaged.
    """
    path = study.path / BASELINES_FILE
    if path.is_file():
        return _read(path)
    folds = _folds(study.images)
    if not folds or not study.has_thumbnail(0):
        return None
    statistics = intensity_statistics(_thumbnails(study))
    return compute(study.images, study.classes, folds, statistics, "thumbnails")


def compute(
    images: pd.DataFrame,
    classes: list[str],
    folds: list[tuple[np.ndarray, np.ndarray]],
    statistics: np.ndarray,
    source: str,
    key: str = "intensities",
) -> Baselines:
    """Arguments as `write_baselines`."""
    labels = images["label"].where(images["role"] == "scored").to_numpy(dtype=object)
    targets = pd.Index(classes).get_indexer(labels)
    nuclei = images[[c for c in NUCLEI if c in images and images[c].notna().any()]]
    nuclei = nuclei.to_numpy(np.float64)
    features = {"majority": np.empty((len(images), 0))}
    if nuclei.shape[1]:
        features["nuclei"] = nuclei
    features[key] = np.hstack([nuclei, statistics])
    accuracies = {}
    for name, numbers in features.items():
        p = predict_in_folds(numbers, targets, folds, len(classes))
        known = ~np.isnan(p).any(axis=1)
        summary = summarise(Moments(p[known]), classes, labels[known])
        table = pd.concat([images[known].reset_index(drop=True), summary], axis=1)
        accuracies[name] = level_metrics(table, classes)
    return Baselines(accuracies, _shortcuts(images, features[key]), source)


def _shortcuts(images: pd.DataFrame, features: np.ndarray) -> dict[str, Shortcut]:
    rows = np.flatnonzero(images["role"].isin(["scored", "unlabelled", "control"]))
    if len(rows) > MOST_COMPARED:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_COMPARED).astype(int)]
    shortcuts = {}
    for name, apart in SHORTCUTS.items():
        if name not in images or not set(apart) <= set(images):
            continue
        known = images.iloc[rows][[name, *apart]].notna().all(axis=1).to_numpy()
        part = images.iloc[rows[known]]
        groups = part[list(apart)].astype(str).agg("\x1f".join, axis=1).to_numpy()
        one = shortcut(features[rows[known]], part[name].to_numpy(dtype=object), groups)
        if one is not None:
            shortcuts[name] = one
    return shortcuts


def _folds(images: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """The folds of a study by its columns fold and role; by compound where it has no folds."""
    scored = (images["role"] == "scored").to_numpy() & images["label"].notna().to_numpy()
    for column in ("fold", "compound"):
        if column not in images:
            continue
        values = images[column]
        names = [v for v in values[scored].dropna().unique() if v != -1]
        if len(names) > 1:
            parts = [(values == name).to_numpy(dtype=bool, na_value=False) for name in names]
            return [(np.flatnonzero(scored & ~p), np.flatnonzero(scored & p)) for p in parts]
    return []


def _thumbnails(study: Study) -> np.ndarray:
    """(N, 3, 64, 64) uint8; black where an image has none."""
    out = np.zeros((len(study.images), 3, _SIDE, _SIDE), np.uint8)
    for row in range(len(out)):
        if data := study.thumbnail(row):
            with Image.open(io.BytesIO(data)) as picture:
                small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
                out[row] = np.asarray(small).transpose(2, 0, 1)
    return out


def _read(path: Path) -> Baselines:
    try:
        kept: Mapping = read_json(path)
        return Baselines(
            {key: kept["accuracies"][key] for key in BASELINES if key in kept["accuracies"]},
            {name: Shortcut(**values) for name, values in kept["shortcuts"].items()},
            kept["source"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged ({error!r}); delete it, and the figures are computed again"
        ) from error
