"""Training networks: a loop that can be killed and resumed, several trainings side by side."""

import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from bnn_core.base.array_files import write_array
from bnn_core.base.errors import InputError, decoding
from bnn_core.base.files import write_bytes, write_json
from bnn_core.networks import noise
from bnn_core.networks.batchnorm import settle_batchnorm
from bnn_core.networks.building import demand_same_config, network_input, new_network
from bnn_core.networks.layers import median_sigmas, start_sigma
from bnn_core.networks.memory import keep_freed_memory
from bnn_core.networks.mlp import MLP
from bnn_core.networks.precision import autocast
from bnn_core.networks.saved import read_weights
from bnn_core.networks.schedules import schedule
from bnn_core.networks.settings import TrainConfig, settings_of
from bnn_core.networks.stepping import TrainingStep

#: File of the mean margins of the training images, beside the weights.
MARGINS = "margins.npy"
#: Snapshots of a sampler are written here, name -> (K, *shape).
SNAPSHOTS = "snapshots.safetensors"
#: Epochs at the end of a sampler's cycle that leave a network.
SNAPSHOTS_PER_CYCLE = 3
_SECONDS_BETWEEN_CHECKPOINTS = 0.2
#: Batches over which BatchNorm's statistics are gathered: of the result, of a snapshot.
_SETTLING, _SETTLING_SNAPSHOT = 100, 20

#: Called after each epoch with its number and its row of the history.
AfterEpoch = Callable[[int, dict[str, float]], object]


@dataclass(frozen=True)
class TrainingSet:
    """Images and what the loss needs of them.

    images: (N, channels, H, W) uint8, or (N, 1, 1, F) float32 features for an MLP. targets: (N,)
    class numbers. num_classes: C. class_weights: (C,) loss weights with mean 1 over the images, or
    None. groups: (N,) of what may not be split between training and validation (compounds), or
    None.
    """

    images: np.ndarray
    targets: np.ndarray
    num_classes: int
    class_weights: np.ndarray | None = None
    groups: np.ndarray | None = None


def split_validation(data: TrainingSet, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(training rows, validation rows): whole groups where there are groups, else single images."""
    rng = np.random.default_rng(seed)
    units = np.arange(len(data.images)) if data.groups is None else np.asarray(data.groups)
    names = np.unique(units)
    held = rng.permutation(names)[: round(share * len(names))]
    mask = np.isin(units, held)
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def train(
    folder: Path,
    config: TrainConfig,
    data: TrainingSet,
    *,
    device: str = "cpu",
    start_from: dict[str, Tensor] | None = None,
    progress: AfterEpoch = lambda epoch, row: None,
) -> nn.Module:
    """Train one network, or continue where an earlier call was killed, or load it when done.

    Leaves `weights.safetensors`, `config.json`, `history.csv` (per epoch: nll, kl, accuracy on the
    training batches; validation_nll and validation_accuracy at the posterior mean) and `margins.npy`
    ((N,) float32, the mean `label_margin` of each image over the epochs, nan for validation images)
    in `folder`. The margins are the area under the margin of Pleiss et al. (2020).
    `sigma` in config.json has the median sigma of each Bayesian layer before and after. A sampler
    also leaves `snapshots.safetensors`.
    On a CPU an interrupted and resumed run gives bit for bit the network of an uninterrupted one
    on the same machine. `start_from` gives initial values by state name (means from a standard
    network). `progress` is called after each epoch with its number and history row. Nothing is
    selected by validation: the last epoch's weights are the result, or the mean of the last steps'
    (`swa`).
    Raises InputError when the loss is no longer finite.
    """
    training = Training(folder, config, data, device=device, start_from=start_from)
    train_side_by_side([training], [progress])
    return training.network


def train_side_by_side(
    trainings: Sequence["Training"], progress: Sequence[AfterEpoch] | None = None
) -> None:
    """Train several networks step by step in turn; on a GPU their steps run at the same time."""
    callbacks = progress or [lambda epoch, row: None] * len(trainings)
    while running := [k for k, training in enumerate(trainings) if not training.finished]:
        for _ in zip_longest(*(trainings[k].steps() for k in running)):
            pass
        for k in running:
            trainings[k].end_epoch()
            callbacks[k](trainings[k].epoch, trainings[k].history[-1])
    for training in trainings:
        training.finish()


class Training:
    """State of one training between epochs, saved after each. Arguments as `train`."""

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        data: TrainingSet,
        *,
        device: str = "cpu",
        start_from: dict[str, Tensor] | None = None,
    ):
        keep_freed_memory()
        self.folder, self.config, self.data, self.device = folder, config, data, device
        self.network = new_network(config, data.num_classes, data.images.shape[1:])
        self.checkpoint, self.weights = folder / "training.pt", folder / "weights.safetensors"
        self.epoch, self.history = 0, []
        self.snapshots: list[dict[str, Tensor]] = []
        self.margins = torch.zeros(len(data.images))
        self.saved = -math.inf
        self.loaded = self.weights.is_file()
        if self.loaded:
            demand_same_config(folder, config)
            state = read_weights(folder)
            with decoding(self.weights):
                self.network.load_state_dict(state)
            self.network.to(device)
            return
        if start_from:
            self.network.load_state_dict(start_from, strict=False)
        if config.bayesian and config.sigma_init:
            start_sigma(self.network, config.sigma_init)
        self.first_sigmas = median_sigmas(self.network)
        self.network.to(device)
        self.rows, self.validation = split_validation(data, config.validation, config.seed)
        if isinstance(self.network, MLP):
            self.network.fit_scaling(data.images, self.rows, np.asarray(data.targets))
        self.images = _Images(data.images, device)
        self.targets = torch.tensor(data.targets, dtype=torch.int64, device=device)
        class_weights = (
            None
            if data.class_weights is None
            else torch.as_tensor(data.class_weights, dtype=torch.float32, device=device)
        )
        self.batches = len(_batches(torch.as_tensor(self.rows), config.batch_size))
        self.step = TrainingStep(
            self.network, config, len(self.rows), self.batches, class_weights, device
        )
        if self.checkpoint.is_file():
            with self.step.on_stream():
                self._resume()

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.loaded or self.epoch >= self.config.epochs

    def _resume(self) -> None:
        remedy = "delete it and run the same command again to train this network from the start"
        with decoding(self.checkpoint, remedy):
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            # A setting that an older version did not record has its default.
            same = TrainConfig(**state["config"]) == self.config and "step" in state
        if not same:
            raise InputError(
                f"{self.checkpoint} was written with other settings or by an older version; "
                "--restart trains from the start"
            )
        with decoding(self.checkpoint, remedy):
            self.network.load_state_dict(state["network"])
            for tensor, saved in zip(self.step.state, state["step"], strict=True):
                tensor.copy_(saved)
            self.epoch, self.history = int(state["epoch"]), [dict(row) for row in state["history"]]
            shapes = {name: value.shape for name, value in self.network.state_dict().items()}
            self.snapshots = [
                {name: one[name].reshape(shape) for name, shape in shapes.items()}
                for one in state["snapshots"]
            ]
            # Unknown in a checkpoint of an older version.
            margins = state.get("margins", torch.full_like(self.margins, torch.nan)).cpu()
            self.margins = margins.reshape(self.margins.shape)
            if not 0 < self.epoch <= self.config.epochs or len(self.history) != self.epoch:
                raise ValueError(f"epoch {self.epoch} of {self.config.epochs}")

    def steps(self) -> Iterator[None]:
        """One epoch: queues a step on the device for every item that is asked for."""
        config, first = self.config, self.epoch * self.batches
        # Each epoch has its own seeds, so that a resumed run equals an uninterrupted one.
        seed = 2 * (config.seed * 100_003 + self.epoch + 1)
        shuffled = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(seed))
        self.order = torch.as_tensor(self.rows)[shuffled]
        order = self.images.rows(self.order)
        with self.step.on_stream():
            rates = schedule(config, first, first + self.batches, self.batches * config.epochs)
            self.step.begin_epoch(rates, first, seed + 1)
        for rows in _batches(order, config.batch_size):
            with self.step.on_stream():
                images = self.images.take(rows)
                self.step(images, self.targets[rows.to(self.device, non_blocking=True)])
            yield

    def end_epoch(self) -> None:
        """Read the epoch's sums from the device, validate, write the checkpoint."""
        with self.step.on_stream():
            sums, failed = self.step.epoch_sums()
            if failed:
                raise InputError(
                    f"training diverged: the loss is not finite in epoch {self.epoch + 1}, step "
                    f"{failed}; try a --learning-rate below {self.config.learning_rate:g}"
                )
            self.margins[self.order] += self.step.margins.cpu()
            self.epoch += 1
            n = len(self.rows)
            row = {"nll": sums["nll"] / n, "kl": sums["kl"] / n, "accuracy": sums["right"] / n}
            self.history.append({"epoch": self.epoch, **row, **self._validate()})
            if self._ends_with_snapshot():
                self._snapshot()
            # Where epochs take milliseconds, a lost second costs less than a file for each of them.
            if time.monotonic() - self.saved >= _SECONDS_BETWEEN_CHECKPOINTS:
                self._save()
                self.saved = time.monotonic()
            else:
                self._demand_finite()

    def _ends_with_snapshot(self) -> bool:
        """Whether the epoch just done is one of the last of its cycle."""
        if not self.config.cycles:
            return False
        length = self.config.epochs / self.config.cycles
        left = length - (self.epoch - 1e-9) % length
        return left < min(SNAPSHOTS_PER_CYCLE, length)

    def _snapshot(self) -> None:
        """Keep the weights, with BatchNorm's statistics for them; training continues untouched."""
        before = {name: value.clone() for name, value in self.network.named_buffers()}
        self._settle(_SETTLING_SNAPSHOT)
        self.snapshots.append({k: v.cpu().clone() for k, v in self.network.state_dict().items()})
        for name, value in self.network.named_buffers():
            value.copy_(before[name])

    def _demand_finite(self) -> None:
        if not self.step.flat.values.isfinite().all():
            raise InputError(
                f"training diverged: weights are no longer finite after epoch {self.epoch}; try a "
                f"--learning-rate below {self.config.learning_rate:g}"
            )

    def _save(self) -> None:
        self._demand_finite()
        state = {
            "network": self.network.state_dict(),
            "step": self.step.state,
            "snapshots": self.snapshots,
            "epoch": self.epoch,
            "history": self.history,
            "margins": self.margins,
            "config": settings_of(self.config),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_bytes(self.checkpoint, buffer.getbuffer())

    def finish(self) -> None:
        """Settle BatchNorm and write the network, its settings and its history."""
        if self.loaded:
            return
        self.step.release()
        if self.config.bayesian or self.config.dropout or self.config.swa:
            self._settle(_SETTLING)
        write_bytes(
            self.folder / "history.csv", pd.DataFrame(self.history).to_csv(index=False).encode()
        )
        write_array(self.folder / MARGINS, self.mean_margins())
        write_json(
            self.folder / "config.json",
            settings_of(self.config)
            | {
                "num_classes": self.data.num_classes,
                "image_shape": list(self.data.images.shape[1:]),
                "training_images": len(self.rows),
                "validation_images": len(self.validation),
                "sigma": {
                    name: [self.first_sigmas[name], last]
                    for name, last in median_sigmas(self.network).items()
                },
            },
        )
        if self.snapshots:
            names = self.snapshots[0]
            stacked = {name: torch.stack([s[name] for s in self.snapshots]) for name in names}
            write_bytes(self.folder / SNAPSHOTS, save(stacked))
        # As bytes: a full disk is then an OSError, which names the file.
        weights = {k: v.cpu().clone() for k, v in self.network.state_dict().items()}
        write_bytes(self.weights, save(weights))
        self.checkpoint.unlink(missing_ok=True)

    def mean_margins(self) -> np.ndarray:
        """(N,) float32 mean margins over the epochs, nan for validation images."""
        margins = (self.margins / max(1, self.epoch)).numpy()
        margins[self.validation] = np.nan
        return margins

    def _settle(self, batches: int) -> None:
        """BatchNorm's statistics (where there is any) over training batches, weights as they are."""
        generator = torch.Generator().manual_seed(self.config.seed)
        self.step.generator.manual_seed(self.config.seed + 1)
        rows = torch.as_tensor(self.rows)
        draws = (
            rows[torch.randperm(len(rows), generator=generator)[: self.config.batch_size]]
            for _ in range(batches)
        )
        precision = autocast(self.device, self.config.precision)
        with noise.drawing_from(self.step.generator), precision:
            settle_batchnorm(
                self.network, (self.step.batch(self.images.take(draw)) for draw in draws)
            )

    def _validate(self) -> dict[str, float]:
        if not len(self.validation):
            return {}
        self.network.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        with torch.inference_mode():
            for rows in self.images.rows(torch.as_tensor(self.validation)).split(
                self.config.batch_size
            ):
                logits = self.network(network_input(self.images.take(rows), self.config.intensity))
                y = self.targets[rows.to(self.device)]
                nll = F.cross_entropy(logits, y, reduction="sum")
                sums += torch.stack([nll, (logits.argmax(1) == y).sum()])
        nll, right = (sums / len(self.validation)).tolist()
        return {"validation_nll": nll, "validation_accuracy": right}


class _Images:
    """uint8 images on the device where they fit, else in pinned memory of the host."""

    def __init__(self, images: np.ndarray, device: str):
        self.device = torch.device(device)
        self.images = torch.from_numpy(images) if images.flags.writeable else torch.tensor(images)
        self.resident = self.device.type == "cpu"
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            self.resident = self.images.nbytes < free / 2
        if self.resident:
            self.images = self.images.to(self.device)

    def rows(self, rows: Tensor) -> Tensor:
        """Row numbers where the images are."""
        return rows.to(self.images.device)

    def take(self, rows: Tensor) -> Tensor:
        """Images of these rows on the device."""
        images = self.images[self.rows(rows)]
        return images if self.resident else images.pin_memory().to(self.device, non_blocking=True)


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Batches of `size`; a last one of a single image, which has no variance for BatchNorm, joins
    the one before."""
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches
