"""All weights of a network in one tensor, Adam over it, and an average of it.

A training step then does a handful of long vector operations on the weights instead of hundreds of
short ones, which counts for small networks on a CPU and for every network on a GPU.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from bnn_core.networks.layers import bayes_layers

#: Every tensor begins at a multiple of so many floats (256 bytes): GPU kernels read whole lines.
ALIGNMENT = 64


class FlatWeights:
    """Moves the parameters of `network` into one tensor, in place; they become views of it.

    values, gradient: (P,) float32. First all means, then the plain weights (BatchNorm's; of a
    standard network all), then all rho. mu, rho: (M,) views in the same order; `counts` (M,) is 1
    where they are weights and 0 in the gaps between tensors. `decayed`: the part that weight decay
    applies to, all but rho.
    """

    def __init__(self, network: nn.Module):
        layers = bayes_layers(network)
        self.means = [
            p for layer in layers for p in (layer.weight_mu, layer.bias_mu) if p is not None
        ]
        rhos = [p for layer in layers for p in (layer.weight_rho, layer.bias_rho) if p is not None]
        bayesian = {id(p) for p in (*self.means, *rhos)}
        self.plain = [p for p in network.parameters() if id(p) not in bayesian]
        ordered = [*self.means, *self.plain, *rhos]
        self.parameters = ordered
        self.values = ordered[0].new_zeros(sum(map(_room, ordered)))
        self.gradient = torch.zeros_like(self.values)
        with torch.no_grad():
            for p, value, gradient in zip(
                ordered, views(self.values, ordered), views(self.gradient, ordered), strict=True
            ):
                value.copy_(p)
                p.data, p.grad = value, gradient
        size = sum(map(_room, rhos))
        self.mu, self.rho = self.values[:size], self.values[len(self.values) - size :]
        self.mu_gradient = self.gradient[:size]
        self.rho_gradient = self.gradient[len(self.values) - size :]
        self.decayed = slice(0, len(self.values) - size)
        self.counts = torch.zeros_like(self.mu)
        for part in views(self.counts, self.means):
            part.fill_(1.0)


def views(flat: Tensor, shapes: Sequence[Tensor]) -> list[Tensor]:
    """Consecutive aligned parts of `flat` in the shapes of given tensors."""
    starts = np.cumsum([0, *map(_room, shapes)])
    return [
        flat[start : start + p.numel()].view(p.shape)
        for start, p in zip(starts.tolist(), shapes, strict=False)
    ]


def _room(p: Tensor) -> int:
    """Floats that a tensor takes with the gap behind it."""
    return -(-p.numel() // ALIGNMENT) * ALIGNMENT


class FlatAdam:
    """torch.optim.Adam, or AdamW, on FlatWeights. rho_factor: the learning rate of rho over that of
    all else.

    The numbers that change from step to step come as a tensor on the device, so that a CUDA graph
    can hold the whole step.
    """

    BETA2, EPSILON = 0.999, 1e-8
    #: Numbers of a step.
    WIDTH = 4

    def __init__(
        self, flat: FlatWeights, weight_decay: float, decoupled: bool, rho_factor: float = 1.0
    ):
        self.flat, self.weight_decay, self.decoupled = flat, weight_decay, decoupled
        self.rho_factor = rho_factor
        self.mean, self.square = torch.zeros_like(flat.values), torch.zeros_like(flat.values)

    def numbers(self, rates: np.ndarray, first: int) -> np.ndarray:
        """(n, 4) float32 numbers of steps first + 1 .. first + n with learning rates and beta1 of
        `rates` (n, 2): what `step` needs of them, Kingma & Ba (2015).
        """
        rate, momentum = rates.T
        number = np.arange(first + 1, first + 1 + len(rates))
        # values -= rate / bias1 * mean / (sqrt(square / bias2) + epsilon)
        scale = -(1 - momentum**number) / rate
        root = scale / np.sqrt(1 - self.BETA2**number)
        columns = (1 - rate * self.weight_decay, 1 - momentum, root, scale * self.EPSILON)
        return np.stack(columns, axis=1).astype(np.float32)

    def step(self, numbers: Tensor) -> None:
        """One step with a row of `numbers`, (4,) on the device."""
        values, gradient = self.flat.values, self.flat.gradient
        kept, fresh, root, epsilon = numbers.unbind()
        if self.weight_decay:
            decayed = values[self.flat.decayed]
            if self.decoupled:
                decayed.mul_(kept)
            else:
                gradient[self.flat.decayed].add_(decayed, alpha=self.weight_decay)
        self.mean.lerp_(gradient, fresh)
        self.square.mul_(self.BETA2).addcmul_(gradient, gradient, value=1 - self.BETA2)
        divisor = self.square.sqrt().mul_(root).add_(epsilon)
        if self.rho_factor != 1:
            divisor[self.flat.decayed.stop :].div_(self.rho_factor)
        values.addcdiv_(self.mean, divisor)

    @property
    def state(self) -> list[Tensor]:
        """Tensors of a checkpoint, to be copied into."""
        return [self.mean, self.square]


class FlatAverage:
    """Stochastic weight averaging (Izmailov et al. 2018): the mean of the values of the last steps.

    first: number of steps that are not averaged. BatchNorm's statistics are no weights: they are
    gathered afterwards, for the averaged weights (`batchnorm.settle_batchnorm`).
    """

    def __init__(self, flat: FlatWeights, first: int):
        self.flat, self.first, self.mean = flat, first, torch.zeros_like(flat.values)

    def numbers(self, first: int, count: int) -> np.ndarray:
        """(count,) weights of the new values in the running mean, after `first` steps: 0 for those
        that are not averaged, then 1, 1/2, 1/3 ..."""
        position = np.arange(first + 1, first + 1 + count) - self.first
        return np.where(position > 0, 1 / np.maximum(position, 1), 0.0)

    def step(self, weight: Tensor) -> None:
        """Add the values after a step to the average; `weight` from `numbers`, a scalar on the device."""
        self.mean.lerp_(self.flat.values, weight)

    def apply(self) -> None:
        """Give the network its averaged weights."""
        self.flat.values.copy_(self.mean)
