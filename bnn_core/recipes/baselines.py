"""Baselines and shortcuts of a study of cells, from nuclei and the brightness of the channels.

They are computed when the study is made, from the pixels that the networks see and in their folds,
and kept in its folder under `derived/`. A study without them gets them from its thumbnails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json, write_json
from bnn_core.base.wording import listed, percent
from bnn_core.images.rendering import open_thumbnail
from bnn_core.images.statistics import intensity_statistics
from bnn_core.measures.baselines import Shortcut, predict_in_folds
from bnn_core.measures.levels import level_metrics
from bnn_core.measures.uncertainty import Moments, summarise
from bnn_core.recipes.batch_baselines import EASY, BeyondBatch, beyond_batch, shortcuts
from bnn_core.study.folder import Study

BASELINES_FILE = Path("derived") / "baselines.json"
#: Key -> words, from the least to the most that a baseline knows.
BASELINES = {
    "majority": "the most frequent class",
    "nuclei": "the number and size of nuclei",
    "intensities": "nuclei and brightness",
    "features": "a logistic regression on the same features",
}
NUCLEI = ("quality_nuclei", "quality_nuclei_area")
PLURALS = {"batch": "batches", "plate": "plates"}
_SIDE = 64


@dataclass(frozen=True)
class Baselines:
    """accuracies: key of BASELINES -> level -> figures as of `levels.level_metrics`. shortcuts:
    property -> `Shortcut`. source: which pictures the intensity statistics are of. beyond_batch: of
    the baseline that knows most; None where batches are not known."""

    accuracies: dict[str, dict[str, dict[str, float]]]
    shortcuts: dict[str, Shortcut]
    source: str
    beyond_batch: BeyondBatch | None = None

    def sentence(self, accuracy: float | None = None) -> str:
        """One line: accuracies per image, and beside them a network's `accuracy` in [0, 1].

        The most frequent class is named only where nothing else is known of the images.
        """
        keys = [key for key in self.accuracies if key != "majority"] or list(self.accuracies)
        parts = [
            f"{percent(self.accuracies[key]['image']['accuracy'])} by {BASELINES[key]}"
            for key in keys
        ]
        text = f"Images that a simple rule without a network gets right: {listed(parts)}"
        text += f". The network: {percent(accuracy)}." if accuracy is not None else "."
        return text if self.beyond_batch is None else f"{text} {self.beyond_batch.sentence()}"

    @property
    def easy(self) -> list[str]:
        """Properties that controls give away, so that a network could use them as a shortcut."""
        return [name for name, s in self.shortcuts.items() if s.controls and s.score >= EASY]

    @property
    def numbers(self) -> str:
        """What the shortcuts use, in words."""
        features = "features" in self.accuracies
        return "The features" if features else "Nuclei and brightness"

    @property
    def batch_sentence(self) -> str:
        """That simple numbers give the batch of controls away; empty where they do not."""
        if "batch" not in self.easy:
            return ""
        share = percent(self.shortcuts["batch"].accuracy)
        return f"{self.numbers} alone identify the batch of {share} of control images."

    def shortcut_sentence(self) -> str:
        """One line on how well simple numbers tell batch and plate; empty where neither is known."""
        parts = [
            f"the {name} of {percent(s.accuracy)} of {'control ' if s.controls else ''}images "
            f"(chance: {percent(s.chance)})"
            for name, s in self.shortcuts.items()
        ]
        if not parts:
            return ""
        text = f"{self.numbers} alone identify {listed(parts)}."
        treated = [PLURALS[name] for name, s in self.shortcuts.items() if not s.controls]
        if treated:
            text += (
                f" Treatments differ between {listed(treated)} too, so this may be their effect."
            )
        if self.easy:
            text += f" A network could use the {' and the '.join(self.easy)} as a shortcut."
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
            "beyond_batch": measured.beyond_batch and vars(measured.beyond_batch),
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
    folds = _folds(study.images, bool((study.meta.get("settings") or {}).get("leave_batch_out")))
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
    richest = features[key]
    return Baselines(
        accuracies,
        shortcuts(images, richest),
        source,
        beyond_batch(images, classes, richest),
    )


def _folds(
    images: pd.DataFrame, leave_batch_out: bool = False
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The folds of a study by its columns fold and role; by compound where it has no folds.

    leave_batch_out: a fold trains on nothing from the batches that it predicts.
    """
    scored = (images["role"] == "scored").to_numpy() & images["label"].notna().to_numpy()
    for column in ("fold", "compound"):
        if column not in images:
            continue
        values = images[column]
        names = [v for v in values[scored].dropna().unique() if v != -1]
        if len(names) > 1:
            parts = [
                scored & (values == name).to_numpy(dtype=bool, na_value=False) for name in names
            ]
            return [
                (np.flatnonzero(scored & ~_with_batches(images, part, leave_batch_out)),
                 np.flatnonzero(part))
                for part in parts
            ]  # fmt: skip
    return []


def _with_batches(images: pd.DataFrame, part: np.ndarray, batches: bool) -> np.ndarray:
    """(N,) bool: the part, and all images of its batches."""
    return (
        part | images["batch"].isin(images["batch"][part].dropna()).to_numpy() if batches else part
    )


def _thumbnails(study: Study) -> np.ndarray:
    """(N, 3, 64, 64) uint8; black where an image has none."""
    out = np.zeros((len(study.images), 3, _SIDE, _SIDE), np.uint8)
    for row in range(len(out)):
        if data := study.thumbnail(row):
            picture = open_thumbnail(data).convert("RGB")
            small = picture.resize((_SIDE, _SIDE), Image.Resampling.BOX)
            out[row] = np.asarray(small).transpose(2, 0, 1)
    return out


def _read(path: Path) -> Baselines:
    try:
        kept: Mapping = read_json(path)
        return Baselines(
            {key: kept["accuracies"][key] for key in BASELINES if key in kept["accuracies"]},
            {name: Shortcut(**values) for name, values in kept["shortcuts"].items()},
            kept["source"],
            BeyondBatch(**beyond) if (beyond := kept.get("beyond_batch")) else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged ({error!r}); delete it, and the figures are computed again"
        ) from error
