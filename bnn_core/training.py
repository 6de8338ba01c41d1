"""Training one network: settings, objective, and a loop that can be killed and resumed."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from bnn_core.augmentation import AUGMENTATIONS, augment, random_crop
from bnn_core.batchnorm import settle_batchnorm
from bnn_core.dropout import add_dropout
from bnn_core.errors import InputError
from bnn_core.files import atomic_path, read_json, write_json
from bnn_core.layers import ESTIMATORS, set_estimator
from bnn_core.networks import NETWORKS, build_network
from bnn_core.priors import GaussianPrior, MixturePrior, Prior, kl_divergence

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
SCHEDULES = ("one-cycle", "step", "constant")
PRIORS = ("mixture", "gaussian")
INTENSITIES = ("linear", "sqrt")
STARTS = ("random", "standard")


def _setting(default, help, choices=None, minimum=None, above=None, only=None):
    return field(
        default=default,
        metadata={
            "help": help,
            "choices": choices,
            "minimum": minimum,
            "above": above,
            "only": only,
        },
    )


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of one network's training; saved beside what it made.

    The command's flags come from these fields, their help and limits from the metadata; `only`
    names the one method that has the setting.
    """

    network: str = _setting("lenet5", "body of the network", choices=tuple(NETWORKS))
    bayesian: bool = _setting(True, "distributions over the weights instead of numbers")
    pathways: int = _setting(
        0, "mscnn: scales from the finest, 1 to 6 (0: as many as fit)", minimum=0
    )
    head_width: int = _setting(1024, "mscnn: maps of the 1x1 convolution", minimum=1)
    intensity: str = _setting("linear", "how pixel values enter the network", choices=INTENSITIES)
    epochs: int = _setting(30, "passes over the training images", minimum=1)
    batch_size: int = _setting(128, "images per training step", minimum=1)
    learning_rate: float = _setting(3e-3, "Adam's learning rate (its maximum)", above=0)
    optimizer: str = _setting(
        "adam",
        "adam adds weight decay to the gradient, adamw decouples it",
        choices=tuple(OPTIMIZERS),
    )
    schedule: str = _setting("one-cycle", "how the learning rate changes", choices=SCHEDULES)
    step_epoch: int = _setting(0, "epoch after which 'step' divides the rate by 10", minimum=0)
    weight_decay: float = _setting(0.0, "L2 penalty on weights (never on rho)", minimum=0)
    prior: str = _setting("mixture", "prior over the weights", choices=PRIORS)
    prior_pi: float = _setting(0.5, "mixture prior: share of the wide component", above=0)
    prior_sigma1: float = _setting(1.0, "prior standard deviation (mixture: the wide one)", above=0)
    prior_sigma2: float = _setting(math.exp(-6), "mixture prior: the narrow one", above=0)
    kl_weight: float = _setting(
        1.0, "factor on KL/N; 1 is the evidence lower bound, less a tempered posterior", minimum=0
    )
    start: str = _setting(
        "random",
        "initial means: random, or the weights of the standard network trained on the same images",
        choices=STARTS,
    )
    rho_init: float = _setting(-3.0, "start of rho; sigma = softplus(rho)")
    estimator: str = _setting(
        "local", "noise of a training step: on activations or on weights", choices=ESTIMATORS
    )
    dropout: float = _setting(
        0.0, "share of units and maps that a drawn network lacks", minimum=0, only="dropout"
    )
    members: int = _setting(1, "networks of an ensemble", minimum=1, only="ensemble")
    augmentation: str = _setting(
        "none", "random changes of training images", choices=tuple(AUGMENTATIONS)
    )
    crop: int = _setting(
        0,
        "train on random squares of this many pixels, predict on whole images (0: whole)",
        minimum=0,
    )
    validation: float = _setting(
        1 / 12, "share of the training images held back to watch the training", minimum=0
    )
    seed: int = _setting(0, "seed of initial weights, batches and noise", minimum=0)

    def __post_init__(self):
        for f in fields(self):
            value, rule = getattr(self, f.name), f.metadata
            flag = "--" + f.name.replace("_", "-")
            if rule["choices"] and value not in rule["choices"]:
                raise InputError(
                    f"{flag} {value} is unknown; choose one of {', '.join(rule['choices'])}"
                )
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{flag} {value} is not a finite number")
            if rule["minimum"] is not None and value < rule["minimum"]:
                raise InputError(f"{flag} {value} is too small; give at least {rule['minimum']}")
            if rule["above"] is not None and value <= rule["above"]:
                raise InputError(f"{flag} {value} is too small; give more than {rule['above']}")
        if self.network == "lenet5" and self.crop:
            raise InputError("--crop needs a network that takes any size: --network mscnn")
        if self.start == "standard" and not self.bayesian:
            raise InputError(
                "--start standard is for Bayesian networks; give it as --start vi=standard"
            )
        if self.dropout >= 1:
            raise InputError(
                f"--dropout {self.dropout} leaves no units; give a share from 0 to below 1"
            )
        if self.dropout and self.bayesian:
            raise InputError("--dropout is for networks without distributions over their weights")
        if self.network == "mscnn" and self.batch_size == 1:
            raise InputError("--batch-size 1 leaves BatchNorm nothing to compare; give at least 2")
        if self.schedule == "step" and self.step_epoch < 1:
            raise InputError("--schedule step needs --step-epoch, at least 1")
        if self.pathways > 6:
            raise InputError(f"--pathways {self.pathways} is too many; give at most 6")
        if self.validation >= 0.9:
            raise InputError(
                f"--validation {self.validation} leaves too little to train on; give less than 0.9"
            )
        if self.prior_pi >= 1:
            raise InputError(
                f"--prior-pi {self.prior_pi} is a share; give a number between 0 and 1"
            )

    def make_prior(self) -> Prior:
        """The prior these settings name."""
        if self.prior == "gaussian":
            return GaussianPrior(self.prior_sigma1)
        return MixturePrior(self.prior_pi, self.prior_sigma1, self.prior_sigma2)


def settings_of(config: TrainConfig) -> dict[str, object]:
    """The settings as they are recorded: without those of other methods."""
    return {
        f.name: getattr(config, f.name)
        for f in fields(config)
        if not f.metadata["only"] or getattr(config, f.name) != f.default
    }


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


def prepare(images: np.ndarray | Tensor, intensity: str = "linear") -> Tensor:
    """uint8 images as a network takes them: float32 in [0, 1], or "sqrt": centred square roots.

    Square roots even out the noise of counted photons. They are centred because a drawn first
    layer would shift all-positive inputs as a whole, by as much as their signal.
    """
    if isinstance(images, np.ndarray):
        images = torch.tensor(images)
    x = images.float().div_(255)
    return x.sqrt_().sub_(0.4).div_(0.2) if intensity == "sqrt" else x


def new_network(
    config: TrainConfig, num_classes: int, shape: tuple[int, int, int], bayesian: bool | None = None
) -> nn.Module:
    """A fresh network for images of shape (channels, H, W); `bayesian` overrides the config."""
    channels, height, width = shape
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        size = (config.crop, config.crop) if config.crop else (height, width)
        body = {"pathways": config.pathways or None, "head_width": config.head_width}
        network = build_network(
            config.network,
            in_channels=channels,
            num_classes=num_classes,
            image_size=size,
            rho_init=config.rho_init,
            bayesian=config.bayesian if bayesian is None else bayesian,
            **(body if config.network == "mscnn" else {}),
        )
    set_estimator(network, config.estimator)
    if config.dropout:
        add_dropout(network, config.dropout)
    return network


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
    done = folder / "weights.safetensors"
    if done.is_file():
        demand_same_config(folder, config)
        network.load_state_dict(load_file(done))
        return network.to(device)
    run = _Run(folder, config, data, network.to(device), device)
    while run.epoch < config.epochs:
        run.train_epoch()
        progress(run.epoch, run.history[-1])
    if config.bayesian or config.dropout:
        run.settle()
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
        },
    )
    with atomic_path(done) as temporary:
        # As bytes: a full disk is then an OSError, which names the file.
        temporary.write_bytes(
            save({k: v.cpu().contiguous() for k, v in network.state_dict().items()})
        )
    run.checkpoint.unlink(missing_ok=True)
    return network


def demand_same_config(folder: Path, config: TrainConfig) -> None:
    """InputError when `folder` holds a network trained with other settings."""
    saved = read_json(folder / "config.json")
    changed = [
        f.name
        for f in fields(config)
        if saved.get(f.name, f.default) != getattr(config, f.name)
    ]
    if changed:
        raise InputError(
            f"{folder} holds a network trained with another {', '.join(changed)}; "
            "--restart trains anew"
        )


def load_network(folder: Path) -> tuple[nn.Module, TrainConfig]:
    """A trained network from its folder. InputError when the folder holds none or a damaged one."""
    network, config = _untrained(folder)
    try:
        network.load_state_dict(load_file(folder / "weights.safetensors"))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"{folder / 'weights.safetensors'} is damaged or of another network "
            f"({str(error).splitlines()[0]}); re-make the study"
        ) from error
    return network.eval(), config


def plain_twin(folder: Path) -> nn.Module:
    """The standard network of the body trained in `folder`, into which drawn weights are put."""
    return _untrained(folder, bayesian=False)[0].eval()


def saved_config(folder: Path) -> TrainConfig:
    """The settings of whatever method was trained in a folder."""
    saved = read_json(folder / "config.json")
    return TrainConfig(**{f.name: saved[f.name] for f in fields(TrainConfig) if f.name in saved})


def _untrained(folder: Path, bayesian: bool | None = None) -> tuple[nn.Module, TrainConfig]:
    saved, config = read_json(folder / "config.json"), saved_config(folder)
    return new_network(config, saved["num_classes"], tuple(saved["image_shape"]), bayesian), config


class _Run:
    """State of a training between epochs, saved after each."""

    def __init__(
        self, folder: Path, config: TrainConfig, data: TrainingSet, network: nn.Module, device: str
    ):
        self.config, self.data, self.network, self.device = config, data, network, device
        self.prior = config.make_prior() if config.bayesian else None
        self.rows, self.validation = split_validation(data, config.validation, config.seed)
        self.images = torch.tensor(data.images, device=device)
        self.targets = torch.tensor(data.targets, dtype=torch.int64, device=device)
        self.class_weights = (
            None
            if data.class_weights is None
            else torch.as_tensor(data.class_weights, dtype=torch.float32, device=device)
        )
        decayed = [p for n, p in network.named_parameters() if not n.endswith("_rho")]
        rho = [p for n, p in network.named_parameters() if n.endswith("_rho")]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}]
        if rho:
            groups.append({"params": rho, "weight_decay": 0.0})
        self.optimizer = OPTIMIZERS[config.optimizer](groups, lr=config.learning_rate, fused=True)
        self.steps = len(_batches(torch.as_tensor(self.rows), config.batch_size))
        self.scheduler = _scheduler(self.optimizer, config, self.steps)
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
        if state["config"] != settings_of(self.config):
            raise InputError(
                f"{self.checkpoint} was written with other settings; --restart trains anew"
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.epoch, self.history = state["epoch"], state["history"]

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
                logits = network(self._batch(rows))
                kl = kl_divergence(network, self.prior) if self.prior else 0.0
                loss = negative_elbo(
                    logits, y, kl, len(self.rows), config.kl_weight, self.class_weights
                )
                if not math.isfinite(loss.item()):
                    raise InputError(
                        f"training diverged: the loss is {loss.item()} in epoch {self.epoch + 1}, "
                        f"step {step + 1}; try a --learning-rate below {config.learning_rate:g}"
                    )
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
                kl = float(kl.detach()) if self.prior else 0.0
                sums["nll"] += (loss.item() - config.kl_weight / len(self.rows) * kl) * len(rows)
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
        self._save()

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
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with atomic_path(self.checkpoint) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def settle(self, batches: int = 100) -> None:
        """BatchNorm's statistics (where there is any) as the finished posterior has them."""
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            draws = (
                torch.randperm(len(self.rows))[: self.config.batch_size] for _ in range(batches)
            )
            settle_batchnorm(
                self.network,
                (self._batch(torch.as_tensor(self.rows)[draw].to(self.device)) for draw in draws),
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


def _scheduler(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int):
    lr = torch.optim.lr_scheduler
    if config.schedule == "one-cycle":
        return lr.OneCycleLR(optimizer, config.learning_rate, total_steps=steps * config.epochs + 1)
    milestones = [steps * config.step_epoch] if config.schedule == "step" else []
    return lr.MultiStepLR(optimizer, milestones, gamma=0.1)
