"""The networks for new plates: each method trained once more, on all compounds of a study."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.files import alone, write_json
from bnn_core.base.wording import count
from bnn_core.datasets.preparation import plate_jobs
from bnn_core.datasets.sources import PlateSource, inverse_frequency_weights, open_source
from bnn_core.images.plate_pixels import PlateReader
from bnn_core.networks.building import saved_config
from bnn_core.networks.procedures import keep_calibration, training_order
from bnn_core.networks.saved import read_config
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet
from bnn_core.recipes.adding_blocks import DEPLOY, block_rows
from bnn_core.recipes.fold import train_method
from bnn_core.recipes.plate_blocks import ImageScaling, PlateBlock
from bnn_core.study.folder import Study

ABOUT = "about.json"
_PATIENCE_SECONDS = 60.0


def train_on_source(
    folder: Path,
    source: PlateSource,
    configs: Mapping[str, TrainConfig],
    number: int,
    device: str = "cpu",
    quiet: bool = False,
) -> None:
    """Train every method on all scored images of `source` in `folder`/<method>; done ones are kept.

    number: of folds; the seeds are those of one fold more.
    """
    rows = np.flatnonzero((source.table["role"] == "scored").to_numpy())
    groups = source.table["group"].to_numpy()[rows]
    pixels, targets = source.pixels(rows), source.targets()[rows]
    _train(folder, pixels, targets, groups, len(source.classes), configs, number, device, quiet)


def train_deployed(study: Study, making: Path, scaling: ImageScaling, device: str) -> None:
    """Train the networks for new plates of a finished study, from its images as they are on disk.

    Nothing is done where the working folder has them. Raises InputError where an image of the
    study is gone or another one than it was.
    """
    folder = making / DEPLOY
    if (folder / ABOUT).is_file():
        return
    configs, number = _configs(study, making)
    images = study.images
    images = images[images["role"] == "scored"].rename_axis(None)
    jobs = plate_jobs(_with_files(study, images), scaling.channels, Path("/"), None)
    reader = PlateReader(intensities=study.meta.get("intensities"))
    pixels = np.empty((len(images), *scaling.shape), np.uint8)
    for i, job in enumerate(jobs):
        rows = images.iloc[job.positions]
        block = PlateBlock(rows, job, scaling, frozenset(), "", reader, f"{DEPLOY}-{i:05d}")
        block.look(making)
        read_rows = block_rows(making, block)
        if read_rows["content_hash"].tolist() != rows["content_hash"].tolist():
            lost = block.about(making)["quarantine"]
            reason = lost[0]["reason"] if lost else "a file has changed"
            raise InputError(
                f"{count(len(rows) - len(read_rows), 'image')} of study {study.name} cannot be read as "
                f"for its training: {reason}; restore the images to train on them"
            )
        pixels[job.positions] = block.pixels(making, np.arange(len(read_rows)))
    targets = images["label"].map({c: i for i, c in enumerate(study.classes)}).to_numpy(np.int64)
    groups = images["group"].to_numpy()
    _train(folder, pixels, targets, groups, len(study.classes), configs, number, device, False)
    for i, job in enumerate(jobs):
        PlateBlock(images, job, scaling, frozenset(), "", reader, f"{DEPLOY}-{i:05d}").done(making)


def train_deployed_features(study: Study, making: Path, prepared: Path, device: str) -> None:
    """`train_deployed` for a study of measured features. prepared: the folder of its features.

    Raises InputError where the features are gone or others than they were.
    """
    folder = making / DEPLOY
    if (folder / ABOUT).is_file():
        return
    rows = study.images
    rows = rows[rows["role"] == "scored"]
    remedy = "run its 'bnn study features' command again, with --deploy and --force"
    try:
        source = open_source(prepared)
    except InputError as error:
        raise InputError(
            f"--deploy: the features of study {study.name} are no longer in {prepared}; {remedy}"
        ) from error
    known = source.table.drop_duplicates("image_id").set_index("image_id")["content_hash"]
    if known.reindex(rows["image_id"]).tolist() != rows["content_hash"].tolist():
        raise InputError(f"--deploy: {prepared} has other features than {study.name}; {remedy}")
    at = pd.Index(source.table["image_id"]).get_indexer(rows["image_id"])
    targets = pd.Index(study.classes).get_indexer(rows["label"])
    configs, number = _configs(study, making)
    groups = rows["group"].to_numpy()
    pixels = source.images[at]
    _train(folder, pixels, targets, groups, len(study.classes), configs, number, device, False)


def _configs(study: Study, making: Path) -> tuple[dict[str, TrainConfig], int]:
    """The settings of each method as they were before the first fold, and how many folds there are."""
    folds = sorted((making / "folds").glob("[0-9]*"), key=lambda p: int(p.name))
    configs = {}
    for method in study.methods:
        config = saved_config(folds[0] / method)
        configs[method] = replace(config, seed=config.seed - int(folds[0].name))
    return configs, len(folds)


def _train(
    folder: Path,
    pixels: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    classes: int,
    configs: Mapping[str, TrainConfig],
    number: int,
    device: str,
    quiet: bool,
) -> None:
    training = TrainingSet(
        pixels,
        targets,
        classes,
        class_weights=inverse_frequency_weights(targets, classes),
        groups=groups,
    )
    folder.mkdir(exist_ok=True)
    # A worker of a lost machine of a cluster may still end.
    taken = f"another process trains the networks for new plates in {folder}"
    with alone(folder / ".lock", taken, patience=_PATIENCE_SECONDS):
        for method in training_order(configs):
            config = replace(configs[method], seed=configs[method].seed + number)
            train_method(folder / method, config, training, device, quiet)
            if config.calibrate != "none":
                folds = folder.parent / "folds"
                keep_calibration(folder / method, _mean_temperature(folds, method))
        about = {"training_images": len(targets), "groups": len(set(groups.tolist()))}
        write_json(folder / ABOUT, about)


def _mean_temperature(folds: Path, method: str) -> float:
    """The geometric mean of the folds' temperatures: no image is held out of the training on all."""
    fitted = [
        read_config(p.parent).get("fitted", {}).get("calibration_temperature", 1.0)
        for p in folds.glob(f"*/{method}/config.json")
    ]
    return float(np.exp(np.mean(np.log(fitted))))


def _with_files(study: Study, images):
    """The rows with whole paths of their files."""
    columns = ["path"] if "path" in images else [f"path_{c}" for c in study.meta["channels"]]
    root = study.path / (study.meta.get("image_root") or ".")
    return images.assign(
        **{c: images[c].map(lambda file: str((root / file).absolute()), "ignore") for c in columns}
    )
