"""One fold is one job: train each method, predict, leave the result in the fold's folder.

A study with one fixed split (MNIST) has one fold. A finished job is skipped when run again; an
interrupted one goes on. `assemble` puts the folds' rows together once all are there.
"""

import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path
from bnn_core.base.timing import timed
from bnn_core.measures.uncertainty import Moments
from bnn_core.networks.building import prepare
from bnn_core.networks.distance import MOST_IMAGES, save_cloud, training_cloud
from bnn_core.networks.methods import networks_of, procedure_of
from bnn_core.networks.prediction import embed, predict
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet


@dataclass(frozen=True)
class FoldResult:
    """What one method says of the images that one fold predicts.

    rows: (M,) row numbers in the study. moments: of M images. samples: (M, T, C) float16 or None.
    embedding: (M, D) float16. distance: (M,) from the training images, see `novelty`; None of folds
    that were run before there was one.
    """

    rows: np.ndarray
    moments: Moments
    samples: np.ndarray | None
    embedding: np.ndarray
    distance: np.ndarray | None = None


def run_method(
    folder: Path,
    config: TrainConfig,
    training: TrainingSet,
    images: np.ndarray,
    rows: np.ndarray,
    *,
    num_samples: int,
    sample_seed: int,
    keep_samples: bool = True,
    device: str = "cpu",
    quiet: bool = False,
) -> None:
    """Train one method of one fold in `folder` and predict `images`, (M, channels, H, W) uint8.

    `rows` (M,) are the images' row numbers in the study. The folder is named after the method; what
    it builds on lies in the folder beside, `standard`. Idempotent: what is done is kept.
    """
    if (folder / "prediction.npz").is_file():
        return
    name = " ".join(folder.parts[-2:])
    bar = partial(tqdm, desc=f"train fold {name}", disable=quiet)
    with timed(folder, "training", resumed=True):
        procedure_of(folder).train(folder, config, training, device, bar)
    ready = partial(prepare, intensity=config.intensity)
    samples = None
    with (
        timed(folder, "prediction"),
        tqdm(total=len(images), desc=f"predict fold {name}", unit="image", disable=quiet) as bar,
    ):
        networks = networks_of(folder, num_samples, sample_seed, device)
        if keep_samples:
            samples = np.empty(
                (len(images), networks.num_samples, training.num_classes), np.float16
            )
        moments = predict(
            networks,
            images,
            ready,
            samples=samples,
            batch_size=batch_size(images),
            progress=bar.update,
        )
    mean = networks_of(folder, None, sample_seed, device)
    some = np.linspace(0, len(training.images) - 1, min(len(training.images), MOST_IMAGES))
    some = some.astype(int)
    learned, embedding, distance = [], [], []
    size = batch_size(images)
    with tqdm(
        total=len(some) + len(images), desc=f"embed fold {name}", unit="image", disable=quiet
    ) as bar:
        for features in embed(mean, training.images, ready, size, some):
            learned.append(features)
            bar.update(len(features))
        cloud = training_cloud(np.concatenate(learned), training.targets[some])
        save_cloud(folder, cloud)
        for features in embed(mean, images, ready, size):
            embedding.append(features.astype(np.float16))
            distance.append(cloud.distance(features))
            bar.update(len(features))
    if samples is not None:
        with atomic_path(folder / "samples.npy") as temporary, open(temporary, "wb") as file:
            np.save(file, samples)
    with atomic_path(folder / "prediction.npz") as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            rows=rows,
            mean_p=moments.mean_p,
            mean_p2=moments.mean_p2,
            mean_entropy=moments.mean_entropy,
            embedding=np.concatenate(embedding),
            distance=np.concatenate(distance),
        )


def read_result(folder: Path) -> FoldResult:
    """A finished method's predictions; InputError when they are not there or damaged."""
    path = folder / "prediction.npz"
    try:
        with open(path, "rb") as file, np.load(file) as arrays:
            moments = Moments(arrays["mean_p"], arrays["mean_p2"], arrays["mean_entropy"])
            rows, embedding = arrays["rows"], arrays["embedding"]
            distance = arrays.get("distance")
        samples = folder / "samples.npy"
        return FoldResult(
            rows,
            moments,
            np.load(samples, mmap_mode="r") if samples.is_file() else None,
            embedding,
            distance,
        )
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there yet: run this fold first") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged; delete it and run the same command again") from error


def assemble(results: list[FoldResult], num_rows: int) -> FoldResult:
    """One result over all rows of a study; rows that several folds predict get their mean.

    Samples are kept where every fold kept them; a row that K folds predict takes its T samples from
    them in turn. Raises InputError when some row is predicted by no fold.
    """
    counts = np.zeros(num_rows)
    for result in results:
        counts[result.rows] += 1
    if (counts == 0).any():
        raise InputError(
            f"{int((counts == 0).sum()):,} images are predicted by no finished fold "
            f"(first: row {int(np.argmin(counts))}); run the missing folds"
        )

    def mean_of(arrays: list[np.ndarray]) -> np.ndarray:
        total = np.zeros((num_rows, *arrays[0].shape[1:]))
        for result, array in zip(results, arrays, strict=True):
            total[result.rows] += array
        return total / counts.reshape(-1, *[1] * (total.ndim - 1))

    moments = Moments(
        mean_of([r.moments.mean_p for r in results]),
        mean_of([r.moments.mean_p2 for r in results]),
        mean_of([r.moments.mean_entropy for r in results]),
    )
    samples = None
    if all(r.samples is not None for r in results):
        samples = np.empty((num_rows, *results[0].samples.shape[1:]), np.float16)
        seen = np.zeros(num_rows, dtype=int)
        for result in results:
            # Fold number s of the K that predict a row gives it the samples s, s + K, s + 2K, ...
            first, step = seen[result.rows], counts[result.rows].astype(int)
            for t in range(samples.shape[1]):
                mine = t % step == first
                samples[result.rows[mine], t] = result.samples[mine, t]
            seen[result.rows] += 1
    embedding = mean_of([r.embedding for r in results]).astype(np.float16)
    distance = None
    if all(r.distance is not None for r in results):
        distance = mean_of([r.distance for r in results])
    return FoldResult(np.arange(num_rows), moments, samples, embedding, distance)


def batch_size(images: np.ndarray) -> int:
    """100 digits or 8 fields at a time: activations that fit a cache, and progress that moves."""
    return int(np.clip(100_000 // max(images[0].size, 1), 8, 100)) if len(images) else 1
