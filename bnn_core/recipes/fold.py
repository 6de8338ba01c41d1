"""One fold is one job: train each method, predict, leave the result in the fold's folder.

A study with one fixed split (MNIST) has one fold. A finished job is skipped when it is run again;
an interrupted one continues. `assemble` joins the rows of all folds.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from bnn_core.base.array_files import ArrayWriter
from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path
from bnn_core.base.mapped import reserve
from bnn_core.base.reading import demand_array, read_array, read_arrays
from bnn_core.base.scores import NOVELTY
from bnn_core.base.timing import timed
from bnn_core.measures.uncertainty import Moments
from bnn_core.measures.uncertainty import moments as moments_of
from bnn_core.networks.adaptive import AUTO, STAGES
from bnn_core.networks.building import network_input
from bnn_core.networks.novelty import (
    MOST_IMAGES,
    TrainingImages,
    read_training_images,
    save_training_images,
    training_images,
)
from bnn_core.networks.prediction import Networks, concatenated, embed, predict_batches
from bnn_core.networks.procedures import builds_on, networks_of, procedure_of
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import MARGINS, TrainingSet


@dataclass(frozen=True)
class FoldResult:
    """The predictions of one method for the images that one fold predicts.

    rows: (M,) row numbers in the study. moments: of M images. samples: (M, T, C) float16 or None.
    embedding: (M, D) float16. novelty: score -> (M,), see `networks.novelty`; folds of older versions
    have fewer or none. training_rows, margins: (K,) rows that the fold trained on and
    their mean margins in training; None where they are unknown. After `assemble`
    margins are (N,), one per row of the study. used: (M,) networks that an image needed, None where
    all had the same number.
    """

    rows: np.ndarray
    moments: Moments
    samples: np.ndarray | None
    embedding: np.ndarray
    novelty: Mapping[str, np.ndarray] = field(default_factory=dict)
    training_rows: np.ndarray | None = None
    margins: np.ndarray | None = None
    used: np.ndarray | None = None


def run_method(
    folder: Path,
    config: TrainConfig,
    training: TrainingSet,
    images: np.ndarray,
    rows: np.ndarray,
    *,
    num_samples: int | str,
    sample_seed: int,
    keep_samples: bool = True,
    training_rows: np.ndarray | None = None,
    device: str = "cpu",
    quiet: bool = False,
) -> None:
    """Train one method of one fold in `folder` and predict `images`, (M, channels, H, W) uint8.

    rows: (M,) row numbers of the images in the study. The folder is named after the method; a
    standard network that it builds on is in the folder `standard` beside it. Idempotent: finished
    parts are kept. num_samples: networks drawn; "auto" draws 100 and uses as many of them as an image
    needs, see `networks.adaptive`. training_rows: (N,) row numbers of the training images, if they are in the
    study; their margins during training are kept then.
    """
    if (folder / "prediction.npz").is_file():
        return
    name = " ".join(folder.parts[-2:])
    train_method(folder, config, training, device, quiet)
    ready = partial(network_input, intensity=config.intensity)
    # Everything is written as it is computed: memory does not grow with the number of images.
    parts = _Parts(folder, len(images))
    with atomic_path(folder / "prediction.npz", parts.size) as temporary, parts:
        with (
            timed(folder, "prediction"),
            tqdm(
                total=len(images), desc=f"predict fold {name}", unit="image", disable=quiet
            ) as bar,
        ):
            adaptive = num_samples == AUTO
            count = STAGES[-1] if adaptive else num_samples
            networks = networks_of(folder, count, sample_seed, device)
            keep = torch.float16 if keep_samples else None
            for batch in predict_batches(networks, images, ready, keep=keep, adaptive=adaptive):
                parts.append(**vars(batch.moments))
                if batch.used is not None:
                    parts.append(used=batch.used.astype(np.int16))
                if keep_samples:
                    parts.append(samples=batch.samples)
                bar.update(len(batch.moments.mean_p))
        mean = networks_of(folder, None, sample_seed, device)
        with tqdm(total=len(images), desc=f"embed fold {name}", unit="image", disable=quiet) as bar:
            known = read_training_images(folder)
            for layers in embed(mean, images, ready):
                parts.append(embedding=layers.features.astype(np.float16))
                parts.append(**known.measure(layers))
                bar.update(len(layers.features))
        arrays = parts.arrays()
        if keep_samples:
            del arrays["samples"]
            with atomic_path(folder / "samples.npy") as samples:
                os.replace(parts.folder / "samples.npy", samples)
        with open(temporary, "wb") as file:
            np.savez(file, rows=rows, **arrays, **_margins(folder, config, training_rows))


def train_method(
    folder: Path,
    config: TrainConfig,
    training: TrainingSet,
    device: str = "cpu",
    quiet: bool = False,
) -> None:
    """Train one method in `folder`, which is named after it, and keep where its training images lie
    in the last hidden layer. Idempotent; an interrupted training continues."""
    part = folder.parent.name
    name = f"{f'fold {part}' if part.isdigit() else 'all compounds'} {folder.name}"
    bar = partial(tqdm, desc=f"train {name}", disable=quiet)
    with timed(folder, "training", resumed=True):
        procedure_of(folder).train(folder, config, training, device, bar)
    if read_training_images(folder) is None:
        mean = networks_of(folder, None, 0, device)
        save_training_images(
            folder,
            _training_images(mean, training, partial(network_input, intensity=config.intensity)),
        )


def _training_images(
    mean: Networks, training: TrainingSet, ready: Callable[[np.ndarray], Tensor]
) -> TrainingImages:
    """The training images in the last hidden layer; evenly spaced ones where there are many."""
    chosen = np.linspace(0, len(training.images) - 1, min(len(training.images), MOST_IMAGES))
    chosen = chosen.astype(int)
    embedded = concatenated(embed(mean, training.images, ready, rows=chosen))
    return training_images(embedded, training.targets[chosen])


class _Parts:
    """Arrays of a fold's result while they are made: files in a hidden folder, deleted at the end.

    Every array has `count` rows, one per image.
    """

    def __init__(self, folder: Path, count: int):
        self.folder, self.count = folder / ".prediction", count
        self.writers: dict[str, ArrayWriter] = {}

    def __enter__(self) -> "_Parts":
        shutil.rmtree(self.folder, ignore_errors=True)  # of an interrupted run
        self.folder.mkdir()
        return self

    def __exit__(self, *error: object) -> None:
        for writer in self.writers.values():
            writer.file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def append(self, **rows: np.ndarray) -> None:
        """The next rows of some arrays."""
        for name, array in rows.items():
            if name not in self.writers:
                path, shape = self.folder / f"{name}.npy", (self.count, *array.shape[1:])
                self.writers[name] = ArrayWriter(path, shape, array.dtype)
            self.writers[name].append(array)

    def size(self) -> int:
        """Bytes of all arrays that were begun."""
        return sum(prod(w.shape) * w.dtype.itemsize for w in self.writers.values())

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays, complete, as memory maps."""
        for writer in self.writers.values():
            writer.close()
        return {name: np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in self.writers}


def read_result(folder: Path) -> FoldResult:
    """The predictions of a finished method; InputError where they are missing or damaged."""
    path, samples = folder / "prediction.npz", folder / "samples.npy"
    if not path.is_file():
        raise InputError(f"{path} does not exist yet: run this fold first")
    remedy = "delete it and run the same command again"
    arrays = read_arrays(path, remedy, own=True)
    parts = {
        name: demand_array(path, arrays, name, dimensions, kinds, remedy)
        for name, dimensions, kinds in (
            ("rows", 1, "iu"),
            ("mean_p", 2, "f"),
            ("mean_p2", 2, "f"),
            ("mean_entropy", 1, "f"),
            ("embedding", 2, "f"),
            *((name, 1, "f") for name in NOVELTY if name in arrays),  # older folds have fewer
        )
    }
    kept = read_array(samples, "f", remedy) if samples.is_file() else None
    lengths = {len(array) for array in [*parts.values(), *([] if kept is None else [kept])]}
    if len(lengths) > 1 or parts["mean_p"].shape != parts["mean_p2"].shape:
        raise InputError(f"{path} and {samples.name} have different numbers of images; {remedy}")
    return FoldResult(
        parts["rows"],
        Moments(parts["mean_p"], parts["mean_p2"], parts["mean_entropy"]),
        kept,
        parts["embedding"],
        {name: parts[name] for name in NOVELTY if name in parts},
        arrays.get("training_rows"),
        arrays.get("margins"),
        arrays.get("used"),
    )


def assemble(results: list[FoldResult], num_rows: int, scratch: Path | None = None) -> FoldResult:
    """One result over all rows of a study; rows that several folds predict get the folds' mean.

    Samples are kept where every fold kept them; a row that K folds predict gets its T samples from
    these folds in turn, or, if T < K, the folds' mean of each sample, and its moments are those of
    these samples. They are a memory-mapped file in the folder `scratch` (None: the system's folder
    for temporary files), which the system deletes with the last reference.
    Raises InputError for a row that no fold predicts.
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
        # A file without a name: the system deletes it with its last user.
        with tempfile.TemporaryFile(dir=scratch) as file:
            shape = (num_rows, *results[0].samples.shape[1:])
            reserve(file.fileno(), 2 * prod(shape), Path(scratch or tempfile.gettempdir()))
            samples = np.memmap(file, np.float16, "r+", shape=shape)
        moments = join_samples([(r.rows, r.samples) for r in results], samples, moments)
    embedding = mean_of([r.embedding for r in results]).astype(np.float16)
    novelty = {
        name: mean_of([r.novelty[name] for r in results])
        for name in NOVELTY
        if all(name in r.novelty for r in results)
    }
    used = None
    if all(r.used is not None for r in results):
        used = mean_of([r.used for r in results])
    return FoldResult(
        np.arange(num_rows),
        moments,
        samples,
        embedding,
        novelty,
        margins=_mean_margins(results, num_rows),
        used=used,
    )


def join_samples(
    parts: Sequence[tuple[np.ndarray, np.ndarray]], out: np.ndarray, moments: Moments
) -> Moments:
    """Fill `out` (N, T, C) with the samples of networks that each predicted some rows; see
    `assemble` for rows that several predicted.

    parts: (rows, samples (n, T, C)) of each. moments: of N rows, means over the networks. Returns
    them with those of `out` in the rows that several predicted.
    """
    counts = np.bincount(np.concatenate([rows for rows, _ in parts]), minlength=len(out))
    seen, total = np.zeros(len(out), dtype=int), out.shape[1]
    averaged = np.flatnonzero(counts > total)
    means = np.zeros((len(averaged), *out.shape[1:]))
    for rows, samples in parts:
        # Number s of the K that predict a row gives it the samples s, s + K, s + 2K, ...
        for t in range(total):
            gives = t % counts[rows] == seen[rows]
            out[rows[gives], t] = samples[gives, t]
        seen[rows] += 1
        is_shared = np.isin(rows, averaged)
        shared = rows[is_shared]
        means[np.searchsorted(averaged, shared)] += samples[is_shared] / counts[shared, None, None]
    out[averaged] = means
    arrays = [np.array(array, np.float64) for array in vars(moments).values()]

    def put(rows: np.ndarray, samples: np.ndarray) -> None:
        of_rows = moments_of((samples / samples.sum(axis=2, keepdims=True)).transpose(1, 0, 2))
        for whole, part in zip(arrays, vars(of_rows).values(), strict=True):
            whole[rows] = part

    put(averaged, means)
    several = np.flatnonzero((counts > 1) & (counts <= total))
    for rows in np.array_split(several, len(several) // 1000 + 1):
        put(rows, out[rows].astype(np.float64))
    return Moments(*arrays)


def _margins(
    folder: Path, config: TrainConfig, training_rows: np.ndarray | None
) -> dict[str, np.ndarray]:
    """training_rows and margins of a trained method; nothing where they are unknown.

    A method that builds on the standard network began with that network's training; of an ensemble
    the first member counts.
    """
    if builds_on(folder.name, config):
        folder = folder.parent / "standard"
    elif (folder / "0").is_dir():
        folder = folder / "0"
    path = folder / MARGINS
    if training_rows is None or not path.is_file():
        return {}
    return {"training_rows": training_rows, "margins": np.load(path)}


def _mean_margins(results: list[FoldResult], num_rows: int) -> np.ndarray | None:
    """(num_rows,) mean margin over the folds that trained on an image, nan without one."""
    if any(r.margins is None for r in results):
        return None
    sums, counts = np.zeros(num_rows), np.zeros(num_rows)
    for result in results:
        known = ~np.isnan(result.margins)
        np.add.at(sums, result.training_rows[known], result.margins[known])
        np.add.at(counts, result.training_rows[known], 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
