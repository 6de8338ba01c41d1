"""Training one network: the objective, and a loop that can be killed and resumed."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path, write_json
from bnn_core.networks.augmentation import augment, random_crop
from bnn_core.networks.averaging import WeightAverage
from bnn_core.networks.batchnorm import settle_batchnorm
from bnn_core.networks.building import demand_same_config, new_network, prepare
from bnn_core.networks.layers import median_sigmas, start_sigma
from bnn_core.networks.priors import kl_divergence, place_prior
from bnn_core.networks.schedules import make_schedule
from bnn_core.networks.settings import TrainConfig, settings_of
from bnn_core.networks.sghmc import SGHMC

#: Snapshots of a sampler are written here, name -> (K, *shape).
SNAPSHOTS = "snapshots.safetensors"
#: Weights kept at the end of each cycle of a sampler, one per epoch.
SNAPSHOTS_PER_CYCLE = 3
#: Batches over which BatchNorm's statistics are gathered: of the result, and of each snapshot.
_SETTLING, _SETTLING_SNAPSHOT = 100, 20


def negative_elbo(
    logits: Tensor,
    targets: Tensor,
    kl: Tensor | float,
    num_images: int,
    kl_weight: float = 1.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy + kl_weight * KL / N; scalar, in nats per image.

    logits (B, C); targets (B,) class numbers; `kl` in nats; `num_images` N, the training set's
    size; class_weights (C,), with mean 1 over the training images so that the balance with the KL
    stays. Blundell et al. (2015) eq. 8, divided by N.
    """
    nll = F.cross_entropy(logits, targets, reduction="none")
    if class_weights is not None:
        nll = nll * class_weights[targets]
    return nll.mean() + kl_weight * kl / num_images


@dataclass(frozen=True)
class TrainingSet:
    """Images and what the loss needs of them.

    images: (N, channels, H, W) uint8. targets: (N,) class numbers. num_classes: C.
    class_weights: (C,) loss weights with mean 1 over the images, or None. groups: (N,) of what may
    not be split between training and validation (compounds), or None.
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
    progress: Callable[[int, dict[str, float]], object] = lambda epoch, row: None,
) -> nn.Module:
    """Train one network, or go on where an earlier call was killed, or load it when done.

    Leaves `weights.safetensors`, `config.json` and `history.csv` (per epoch: nll, kl, accuracy on
    the training batches; validation_nll and validation_accuracy at the posterior mean) in `folder`.
    `sigma` in config.json has the median sigma of each Bayesian layer before and after. A sampler
    also leaves `snapshots.safetensors`.
    An interrupted and resumed run gives bit for bit the network of an uninterrupted one on the
    same machine. `start_from` gives initial values by state name (means from a standard network).
    `progress` is called after each epoch with its number and history row. Nothing is selected
    by validation: the last epoch's weights are the result.
    Raises InputError when the loss is no longer finite.
    """
    shape = data.images.shape[1:]
    network = new_network(config, data.num_classes, shape)
    if start_from:
        network.load_state_dict(start_from, strict=False)
    if config.bayesian and config.sigma_init:
        start_sigma(network, config.sigma_init)
    first_sigmas = median_sigmas(network)
    done = folder / "weights.safetensors"
    if done.is_file():
        demand_same_config(folder, config)
        network.load_state_dict(load_file(done))
        return network.to(device)
    run = _Run(folder, config, data, network.to(device), device)
    while run.epoch < config.epochs:
        run.train_epoch()
        progress(run.epoch, run.history[-1])
    run.finish()
    with atomic_path(folder / "history.csv") as temporary:
        pd.DataFrame(run.history).to_csv(temporary, index=False)
    write_json(
        folder / "config.json",
        settings_of(config)
        | {
            "num_classes": data.num_classes,
            "image_shape": list(shape),
            "training_images": len(run.rows),
            "validation_images": len(run.validation),
            "sigma": {
                name: [first_sigmas[name], last] for name, last in median_sigmas(network).items()
            },
        },
    )
    if run.snapshots:
        stacked = {
            name: torch.stack([state[name] for state in run.snapshots]) for name in run.snapshots[0]
        }
        with atomic_path(folder / SNAPSHOTS) as temporary:
            temporary.write_bytes(save(stacked))
    with atomic_path(done) as temporary:
        # As bytes: a full disk is then an OSError, which names the file.
        temporary.write_bytes(
            save({k: v.cpu().contiguous() for k, v in network.state_dict().items()})
        )
    run.checkpoint.unlink(missing_ok=True)
    return network


class _Run:
    """State of a training between epochs, saved after each."""

    def __init__(
        self, folder: Path, config: TrainConfig, data: TrainingSet, network: nn.Module, device: str
    ):
        self.config, self.data, self.network, self.device = config, data, network, device
        self.prior = (
            place_prior(config.make_prior(), network, config.prior_scale, config.prior_centre)
            if config.bayesian
            else None
        )
        self.rows, self.validation = split_validation(data, config.validation, config.seed)
        self.images = torch.tensor(data.images, device=device)
        self.targets = torch.tensor(data.targets, dtype=torch.int64, device=device)
        self.class_weights = (
            None
            if data.class_weights is None
            else torch.as_tensor(data.class_weights, dtype=torch.float32, device=device)
        )
        self.optimizer = _optimizer(network, config, len(self.rows))
        self.steps = len(_batches(torch.as_tensor(self.rows), config.batch_size))
        self.scheduler = make_schedule(self.optimizer, config, self.steps)
        total = self.steps * config.epochs
        self.average = (
            WeightAverage(network, math.floor((1 - config.swa) * total)) if config.swa else None
        )
        self.snapshots: list[dict[str, Tensor]] = []
        self.checkpoint = folder / "training.pt"
        self.epoch, self.history = 0, []
        if self.checkpoint.is_file():
            self._resume()

    def _resume(self) -> None:
        try:
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        except Exception as error:
            raise InputError(
                f"{self.checkpoint} is damaged; delete it and run the same command "
                "again to train this network anew"
            ) from error
        # What an older version of the program did not record is taken to be the default.
        if TrainConfig(**state["config"]) != self.config:
            raise InputError(
                f"{self.checkpoint} was written with other settings; --restart trains anew"
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.epoch, self.history = state["epoch"], state["history"]
        self.snapshots = state.get("snapshots", [])
        if self.average:
            self.average.load_state_dict(state["average"])

    def train_epoch(self) -> None:
        """One pass over the training rows, then the checkpoint."""
        config, network = self.config, self.network
        network.train()
        sums = dict.fromkeys(("nll", "kl", "right"), 0.0)
        # Seeding each epoch anew makes a resumed run equal to an uninterrupted one.
        with torch.random.fork_rng():
            torch.manual_seed(config.seed * 100_003 + self.epoch + 1)
            order = torch.as_tensor(self.rows)[torch.randperm(len(self.rows))]
            for step, rows in enumerate(_batches(order, config.batch_size)):
                rows = rows.to(self.device)
                y = self.targets[rows]
                with self._precision():
                    logits = network(self._batch(rows)).float()
                kl = kl_divergence(network, self.prior) if self.prior else 0.0
                kl_weight = config.kl_weight * self._warmth(self.epoch * self.steps + step)
                loss = negative_elbo(logits, y, kl, len(self.rows), kl_weight, self.class_weights)
                if not math.isfinite(loss.item()):
                    raise InputError(
                        f"training diverged: the loss is {loss.item()} in epoch {self.epoch + 1}, "
                        f"step {step + 1}; try a --learning-rate below {config.learning_rate:g}"
                    )
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
                if self.average:
                    self.average.update(network, self.epoch * self.steps + step)
                kl = float(kl.detach()) if self.prior else 0.0
                sums["nll"] += (loss.item() - kl_weight / len(self.rows) * kl) * len(rows)
                sums["kl"] += kl * len(rows)
                sums["right"] += (logits.argmax(1) == y).sum().item()
        self.epoch += 1
        n = len(self.rows)
        self.history.append(
            {
                "epoch": self.epoch,
                "nll": sums["nll"] / n,
                "kl": sums["kl"] / n,
                "accuracy": sums["right"] / n,
                **self._validate(),
            }
        )
        if self._ends_with_snapshot():
            self._snapshot()
        self._save()

    def _warmth(self, step: int) -> float:
        """The share of the KL's weight that counts in a step."""
        rise = self.config.kl_warmup * self.steps * self.config.epochs
        return min((step + 1) / rise, 1.0) if rise else 1.0

    def _ends_with_snapshot(self) -> bool:
        """Whether the epoch just done is one of the last of its cycle."""
        if not self.config.cycles:
            return False
        length = self.config.epochs / self.config.cycles
        left = length - (self.epoch - 1e-9) % length
        return left < min(SNAPSHOTS_PER_CYCLE, length)

    def _snapshot(self) -> None:
        """Keep the weights, with BatchNorm's statistics for them; training goes on untouched."""
        before = {k: v.clone() for k, v in self.network.state_dict().items()}
        self._settle(_SETTLING_SNAPSHOT)
        self.snapshots.append(
            {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}
        )
        self.network.load_state_dict(before)

    def _save(self) -> None:
        if not all(p.isfinite().all() for p in self.network.parameters()):
            raise InputError(
                f"training diverged: weights are no longer finite after epoch {self.epoch}; try a "
                f"--learning-rate below {self.config.learning_rate:g}"
            )
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "epoch": self.epoch,
            "history": self.history,
            "config": settings_of(self.config),
            "snapshots": self.snapshots,
        }
        if self.average:
            state["average"] = self.average.state_dict()
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with atomic_path(self.checkpoint) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def finish(self) -> None:
        """The result's weights, and BatchNorm's statistics (where there is any) for them."""
        config = self.config
        if self.average:
            self.average.apply(self.network)
        if config.bayesian or config.dropout or self.average:
            self._settle(_SETTLING)

    def _settle(self, batches: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            draws = (
                torch.randperm(len(self.rows))[: self.config.batch_size] for _ in range(batches)
            )
            settle_batchnorm(
                self.network,
                (self._batch(torch.as_tensor(self.rows)[draw].to(self.device)) for draw in draws),
            )

    def _precision(self) -> torch.autocast:
        """Convolutions and products in bfloat16 where that was asked for; weights stay float32."""
        return torch.autocast(
            torch.device(self.device).type,
            torch.bfloat16,
            enabled=self.config.precision == "bfloat16",
        )

    def _batch(self, rows: Tensor) -> Tensor:
        """Training images of these rows, cropped and augmented."""
        x = augment(random_crop(self.images[rows], self.config.crop), self.config.augmentation)
        return prepare(x, self.config.intensity)

    def _validate(self) -> dict[str, float]:
        if not len(self.validation):
            return {}
        self.network.eval()
        nll = right = 0.0
        with torch.inference_mode():
            for rows in torch.as_tensor(self.validation).split(self.config.batch_size):
                rows = rows.to(self.device)
                logits, y = (
                    self.network(prepare(self.images[rows], self.config.intensity)),
                    self.targets[rows],
                )
                nll += F.cross_entropy(logits, y, reduction="sum").item()
                right += (logits.argmax(1) == y).sum().item()
        n = len(self.validation)
        return {"validation_nll": nll / n, "validation_accuracy": right / n}


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Batches of `size`; a last one of a single image, of which BatchNorm has no variance, joins
    the one before."""
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _optimizer(network: nn.Module, config: TrainConfig, num_images: int) -> torch.optim.Optimizer:
    """Weight decay never acts on rho, which may have a learning rate of its own."""
    if config.optimizer == "sghmc":
        return SGHMC(
            network.parameters(), config.learning_rate, num_images, config.sampling_temperature
        )
    named = list(network.named_parameters())
    groups = [
        {
            "params": [p for name, p in named if not name.endswith("_rho")],
            "weight_decay": config.weight_decay,
        }
    ]
    if rho := [p for name, p in named if name.endswith("_rho")]:
        rate = config.rho_learning_rate or config.learning_rate
        groups.append({"params": rho, "weight_decay": 0.0, "lr": rate})
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate, fused=True)
