"""Stochastic-gradient Hamiltonian Monte Carlo: training steps that draw from the posterior.

Chen et al. (2014), with the cyclical step size of Zhang et al. (2020) and one mass per tensor as in
Wenzel et al. (2020). With step size h = sqrt(rate / N), friction 1 - beta and mass M,

    m <- beta m - h N grad + sqrt(2 (1 - beta) temperature M) noise,    w <- w + h m / M,

where grad is that of the batch's mean loss plus that of the Gaussian prior, w / (N prior_sigma²).
Without noise this is SGD with momentum at the learning rate `rate`.
"""

import numpy as np
import torch
from torch import Tensor

from bnn_core.networks import noise
from bnn_core.networks.flat import FlatWeights, views

BETA = 0.9
#: How fast the mean of squared gradients follows, and every how many steps the masses are renewed.
_FOLLOW, RENEWED_EVERY = 0.02, 20


class FlatSGHMC:
    """The sampler on FlatWeights, with the interface of FlatAdam.

    num_images: N. temperature: 1 is the posterior, below 1 a colder one, 0 plain SGD with momentum.
    prior_sigma: of the prior N(0, prior_sigma²) on every weight.
    """

    #: Numbers of a step.
    WIDTH = 1

    def __init__(
        self, flat: FlatWeights, num_images: int, temperature: float, prior_sigma: float = 1.0
    ):
        self.flat, self.num_images, self.temperature = flat, num_images, temperature
        self.prior_precision = prior_sigma**-2
        self.momentum, self.square = torch.zeros_like(flat.values), torch.zeros_like(flat.values)
        self.mass = torch.ones_like(flat.values)

    def numbers(self, rates: np.ndarray, first: int) -> np.ndarray:
        """(n, 1) float32 step sizes h of `rates` (n, 2); the friction is constant."""
        return np.sqrt(rates[:, :1] / self.num_images).astype(np.float32)

    def step(self, numbers: Tensor) -> None:
        """One step with a row of `numbers`, (1,) on the device."""
        values, gradient, n = self.flat.values, self.flat.gradient, self.num_images
        self.square.lerp_(gradient.square(), _FOLLOW)
        h = numbers[0]
        gradient.add_(values, alpha=self.prior_precision / n)
        self.momentum.mul_(BETA).addcmul_(gradient, -h * n)
        if self.temperature:
            width = (2 * (1 - BETA) * self.temperature * self.mass).sqrt_()
            self.momentum.addcmul_(width, noise.normal_like(width))
        values.addcmul_(self.momentum / self.mass, h)

    def renew(self) -> None:
        """Masses from now on: each tensor's root mean squared gradient, over their geometric mean.

        A rate is then that of a network with gradients of one size in all layers.
        """
        parameters = self.flat.parameters
        squares = [part.mean() for part in views(self.square, parameters)]
        sizes = torch.tensor([p.numel() for p in parameters], device=self.square.device)
        squared = torch.stack(squares)
        mean = (squared * sizes).sum() / sizes.sum()
        if not mean > 0:
            return
        root = (squared + 1e-7 * mean).sqrt()
        root = root / torch.exp((root.log() * sizes).sum() / sizes.sum())
        for part, value in zip(views(self.mass, parameters), root, strict=True):
            part.fill_(value)

    @property
    def state(self) -> list[Tensor]:
        """Tensors of a checkpoint, to be copied into."""
        return [self.momentum, self.square, self.mass]
