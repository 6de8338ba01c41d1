"""Temperature scaling (Guo et al. 2017): softmax(z / tau), tau fitted to images held back.

It changes how sure a network is, never what it says or which image it is surest of within a class
pair. Dividing the logits is dividing the last layer: the scaled network is a plain network.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from torch import nn

from bnn_core.networks.prediction import SMALLEST, Networks

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
