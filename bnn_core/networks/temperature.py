"""Temperature scaling (Guo et al. 2017): softmax(z / tau), tau fitted to images held back.

It changes how sure a network is, never what it says or which image it is surest of within a class
pair. Dividing the logits is dividing the last layer: the scaled network is a plain network.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax
from torch import nn

from bnn_core.networks.prediction import SMALLEST, Networks

#: Where the search ends: with every held-back image right, no temperature is cold enough.
LIMITS = (0.01, 100.0)


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The tau with the least mean cross-entropy of softmax(logits / tau), within LIMITS.

    logits (N, C), targets (N,) class numbers. The loss is convex in 1/tau, so its slope has one
    root.
    """
    logits = np.asarray(logits, dtype=np.float64)
    given = logits[np.arange(len(logits)), targets]

    def slope(log_tau: float) -> float:
        """Derivative of the loss by 1/tau."""
        p = softmax(logits * np.exp(-log_tau), axis=1)
        return float(np.mean((p * logits).sum(axis=1) - given))

    cold, hot = np.log(LIMITS)
    if slope(cold) <= 0:
        return LIMITS[0]
    if slope(hot) >= 0:
        return LIMITS[1]
    return float(np.exp(brentq(slope, cold, hot, xtol=1e-10)))


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
