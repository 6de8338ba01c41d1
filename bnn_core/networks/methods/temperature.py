"""Temperature scaling (Guo et al. 2017): softmax(z / tau), tau fitted to images held back.

It changes how sure a network is, never what it says or which image it is surest of within a class
pair. Dividing the logits is dividing the last layer: the scaled network is a plain network.
"""

from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from torch import nn

from bnn_core.base.errors import InputError
from bnn_core.networks.building import demand_same_config, network_input
from bnn_core.networks.method_parts import standard_mean, standard_network, write_fitted
from bnn_core.networks.prediction import SMALLEST, Networks
from bnn_core.networks.procedures import Procedure, ProgressBar
from bnn_core.networks.saved import fitted_number
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet, split_validation

#: Where the search ends: with every held-back image right, no temperature is cold enough.
LIMITS = (0.01, 100.0)


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The tau with the least mean Brier score of softmax(logits / tau), within LIMITS.

    logits (N, C), targets (N,) class numbers. Not the likelihood: one mislabelled image costs any
    number of nats, but at most 2 in the Brier score. The score may have several minima, so a grid
    is searched first.
    """
    logits = np.asarray(logits, dtype=np.float64)
    onehot = np.eye(logits.shape[1])[targets]

    def brier(log_tau: float) -> float:
        return float(
            ((softmax(logits * np.exp(-log_tau), axis=1) - onehot) ** 2).sum(axis=1).mean()
        )

    coldest, hottest = np.log(LIMITS)
    grid = np.linspace(coldest, hottest, 93)  # steps of 10 %
    losses = [brier(x) for x in grid]
    # Of equal losses the one nearest to 1: saturated or equal logits show no temperature.
    best = min(range(len(grid)), key=lambda i: (losses[i], abs(grid[i])))
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    fine = minimize_scalar(brier, bounds=around, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(fine.x if fine.fun < losses[best] else grid[best]))


def tempered(p: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax probabilities (..., C) at a temperature: p ** (1 / temperature), normalised, float64.

    The same as dividing the logits. Zeros count as the least probability that float16 can hold.
    """
    logits = np.log(np.maximum(np.asarray(p, dtype=np.float64), SMALLEST)) / temperature
    return softmax(logits, axis=-1)


def scaled(network: nn.Module, temperature: float) -> Networks:
    """The one network whose logits are those of `network` divided by the temperature."""
    return Networks(
        network.eval(),
        {
            f"head.{part}": value.detach()[None] / temperature
            for part, value in network.head.named_parameters()
        },
    )


def _train(
    folder: Path, config: TrainConfig, data: TrainingSet, device: str, bar: ProgressBar
) -> None:
    if (folder / "config.json").is_file():
        demand_same_config(folder, config)
        return
    network = standard_network(folder, device)
    _, held = split_validation(data, config.validation, config.seed)
    if not len(held):
        raise InputError(
            f"--validation {config.validation:g} holds back no image to fit the temperature to; "
            "give a larger share"
        )
    logits = []
    with bar(total=len(held), unit="image") as shown, torch.no_grad():
        for part in np.split(held, range(config.batch_size, len(held), config.batch_size)):
            x = network_input(data.images[part], config.intensity).to(device)
            logits.append(network(x).cpu().numpy())
            shown.update(len(part))
    temperature = fit_temperature(np.concatenate(logits), data.targets[held])
    write_fitted(folder, temperature=temperature)


def _draw(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    temperature = fitted_number(folder, "temperature")
    return scaled(standard_network(folder, device), temperature)


PROCEDURE = Procedure(_train, _draw, standard_mean)
