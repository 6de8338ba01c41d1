"""Priors over weights and the KL divergence of a mean-field Gaussian to them, in nats.

Each prior writes out the gradient of its KL: value and gradient together cost half of what
autograd's graph costs, and a training step needs no graph over the weights at all.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnn_core.networks import noise
from bnn_core.networks.layers import posterior

#: What a prior's standard deviations are multiples of, and where it is centred.
SCALES = ("fixed", "layer")
CENTRES = ("zero", "start")


@dataclass(frozen=True)
class GaussianPrior:
    """N(0, sigma²) on every weight; closed-form KL."""

    sigma: float = 1.0

    def kl_and_gradient(
        self, mu: Tensor, sigma: Tensor, eps: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """KL(N(mu, sigma²) || N(0, prior sigma²)), its gradients by mu and sigma. See `Prior`."""
        precision = self.sigma**-2
        kl = sigma.square().addcmul_(mu, mu).mul_(0.5 * precision).sub_(sigma.log())
        kl.sub_(0.5 - math.log(self.sigma))
        return kl, mu * precision, sigma * precision - 1 / sigma

    def kl_divergence(self, mu: Tensor, sigma: Tensor) -> Tensor:
        """The KL summed over all weights, differentiable; scalar."""
        return _KL.apply(mu, sigma, self)


@dataclass(frozen=True)
class MixturePrior:
    """pi N(0, sigma1²) + (1 - pi) N(0, sigma2²), Blundell et al. (2015) eq. 7; KL by one draw."""

    pi: float = 0.5
    sigma1: float = 1.0
    sigma2: float = math.exp(-6)

    def kl_and_gradient(
        self, mu: Tensor, sigma: Tensor, eps: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log q(w) - log p(w) at w = mu + sigma eps and its gradients by mu and sigma. See `Prior`.

        Unbiased, as its gradients are. With s the share of component 1 in the density at w,
        log p(w) = log(component 1) - log s, and its slope is -w (s/sigma1² + (1 - s)/sigma2²).
        """
        eps = noise.normal_like(mu) if eps is None else eps
        pi, sigma1, sigma2 = self.pi, self.sigma1, self.sigma2
        if sigma1 < sigma2:  # so that the share of component 1 is nowhere too small for a float
            pi, sigma1, sigma2 = 1 - pi, sigma2, sigma1
        w = torch.addcmul(mu, sigma, eps)
        squared = w.square()
        precision1, precision2 = sigma1**-2, sigma2**-2
        offset = math.log(pi / (1 - pi)) + math.log(sigma2 / sigma1)
        share = (squared * (0.5 * (precision2 - precision1))).add_(offset).sigmoid_()
        by_mu = (share * (precision1 - precision2)).add_(precision2).mul_(w)
        # The constant -log(2 pi)/2 is part of both densities and cancels.
        kl = share.log_().add_(squared, alpha=0.5 * precision1)
        kl.addcmul_(eps, eps, value=-0.5).sub_(sigma.log()).sub_(math.log(pi / sigma1))
        return kl, by_mu, by_mu * eps - 1 / sigma

    def kl_divergence(self, mu: Tensor, sigma: Tensor) -> Tensor:
        """One-draw estimate of the KL summed over all weights, differentiable; scalar."""
        return _KL.apply(mu, sigma, self)


#: `kl_and_gradient(mu, sigma, eps)` takes three tensors of one shape and returns three of that
#: shape: every weight's KL in nats and the sum's gradients by mu and sigma. `eps` are the standard
#: normal numbers of a draw that was made already; None draws new ones where the estimate needs them.
Prior = GaussianPrior | MixturePrior


@dataclass(frozen=True)
class PlacedPrior:
    """A prior moved to `centre` and made `scale` times as wide, weight by weight.

    centre, scale: (P,). A KL divergence is the same in any unit of the weights, so it is that of
    the standardised posterior to the prior itself. With the scale of each layer's weights
    (`layers.layer_scales`) one number fits layers of any width; with the weights of a trained
    standard network as centre it is MOPED (Krishnan et al. 2020).
    """

    prior: Prior
    centre: Tensor
    scale: Tensor

    def kl_and_gradient(
        self, mu: Tensor, sigma: Tensor, eps: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The KL to the prior so placed, and its gradients by mu and sigma. See `Prior`."""
        kl, by_mu, by_sigma = self.prior.kl_and_gradient(
            (mu - self.centre) / self.scale, sigma / self.scale, eps
        )
        return kl, by_mu / self.scale, by_sigma / self.scale

    def kl_divergence(self, mu: Tensor, sigma: Tensor) -> Tensor:
        """The KL summed over all weights, differentiable; scalar."""
        return _KL.apply(mu, sigma, self)


class _KL(torch.autograd.Function):
    """A prior's KL with the gradient that the prior writes out."""

    @staticmethod
    def forward(ctx, mu: Tensor, sigma: Tensor, prior: Prior | PlacedPrior) -> Tensor:
        kl, by_mu, by_sigma = prior.kl_and_gradient(mu, sigma)
        ctx.save_for_backward(by_mu, by_sigma)
        return kl.sum()

    @staticmethod
    def backward(ctx, grad: Tensor):
        by_mu, by_sigma = ctx.saved_tensors
        return grad * by_mu, grad * by_sigma, None


def kl_divergence(network: nn.Module, prior: Prior | PlacedPrior) -> Tensor:
    """KL(q || prior) in nats, summed once over all Bayesian weights of a network; scalar."""
    return prior.kl_divergence(*posterior(network))
