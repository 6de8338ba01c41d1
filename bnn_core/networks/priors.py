"""Priors over weights and the KL divergence of a mean-field Gaussian to them, in nats."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnn_core.networks.layers import layer_scales, posterior

#: What a prior's standard deviations are multiples of, and where it is centred.
SCALES = ("fixed", "layer")
CENTRES = ("zero", "start")


@dataclass(frozen=True)
class GaussianPrior:
    """N(0, sigma²) on every weight; closed-form KL."""

    sigma: float = 1.0

    def log_prob(self, w: Tensor) -> Tensor:
        """Log density of each weight."""
        return _log_normal(w, self.sigma)

    def kl_divergence(self, mu: Tensor, sigma: Tensor) -> Tensor:
        """Sum over weights of KL(N(mu, sigma²) || N(0, prior sigma²)); scalar."""
        ratio = sigma / self.sigma
        return (0.5 * (ratio.square() + (mu / self.sigma).square() - 1) - ratio.log()).sum()


@dataclass(frozen=True)
class MixturePrior:
    """pi N(0, sigma1²) + (1 - pi) N(0, sigma2²), Blundell et al. (2015) eq. 7; KL by one draw."""

    pi: float = 0.5
    sigma1: float = 1.0
    sigma2: float = math.exp(-6)

    def log_prob(self, w: Tensor) -> Tensor:
        """Log density of each weight."""
        return torch.logaddexp(
            _log_normal(w, self.sigma1) + math.log(self.pi),
            _log_normal(w, self.sigma2) + math.log1p(-self.pi),
        )

    def kl_divergence(self, mu: Tensor, sigma: Tensor) -> Tensor:
        """One-draw Monte Carlo estimate of the summed KL, unbiased, as its gradient; scalar."""
        return _MixtureKL.apply(mu, sigma, torch.randn_like(mu), self)


Prior = GaussianPrior | MixturePrior


@dataclass(frozen=True)
class PlacedPrior:
    """A prior moved to `centre` and made `scale` times as wide, weight by weight.

    centre, scale: flat tensors (P,) in the order of `posterior`. A KL divergence is the same in any
    unit of the weights, so it is that of the standardised posterior to the prior itself.
    """

    prior: Prior
    centre: Tensor
    scale: Tensor

    def kl_divergence(self, mu: Tensor, sigma: Tensor) -> Tensor:
        """Summed KL to the prior so placed; scalar, in nats."""
        return self.prior.kl_divergence((mu - self.centre) / self.scale, sigma / self.scale)


def place_prior(prior: Prior, network: nn.Module, scale: str, centre: str) -> Prior | PlacedPrior:
    """The prior for a network as it is now, before its training.

    scale "layer": sigma1 and sigma2 count in root mean squares of each layer's weights, so that one
    number fits layers of any width. centre "start": the prior's mean is the initial mean of each
    weight (MOPED, Krishnan et al. 2020, where that is a trained standard network's weight).
    """
    if scale == "fixed" and centre == "zero":
        return prior
    mu = posterior(network)[0].detach().clone()
    return PlacedPrior(
        prior,
        mu if centre == "start" else torch.zeros_like(mu),
        layer_scales(network) if scale == "layer" else torch.ones_like(mu),
    )


class _MixtureKL(torch.autograd.Function):
    """log q(w) - log p(w) at w = mu + sigma eps, with its gradient written out.

    Half the time of autograd's graph: both densities and their derivative share one pass.
    """

    @staticmethod
    def forward(ctx, mu: Tensor, sigma: Tensor, eps: Tensor, prior: MixturePrior) -> Tensor:
        w = torch.addcmul(mu, sigma, eps)
        squared = w.square()
        precision1, precision2 = prior.sigma1**-2, prior.sigma2**-2
        offset = math.log(prior.pi / (1 - prior.pi)) + math.log(prior.sigma2 / prior.sigma1)
        logit = offset + 0.5 * (precision2 - precision1) * squared
        share1 = torch.sigmoid(logit)
        # log p = log of component 1 - log(share of component 1)
        log_p = (
            math.log(prior.pi / prior.sigma1)
            - 0.5 * precision1 * squared
            - torch.nn.functional.logsigmoid(logit)
        )
        ctx.save_for_backward(
            sigma,
            eps,
            w
            * torch.lerp(
                torch.full_like(share1, precision2), torch.full_like(share1, precision1), share1
            ),
        )
        # The constant -log(2 pi)/2 stands in both densities and cancels.
        return (-sigma.log() - 0.5 * eps.square() - log_p).sum()

    @staticmethod
    def backward(ctx, grad: Tensor):
        sigma, eps, minus_score = ctx.saved_tensors
        return grad * minus_score, grad * (minus_score * eps - 1 / sigma), None, None


def kl_divergence(network: nn.Module, prior: Prior | PlacedPrior) -> Tensor:
    """KL(q || prior) in nats, summed once over all Bayesian weights of a network; scalar."""
    return prior.kl_divergence(*posterior(network))


def _log_normal(w: Tensor, sigma: float) -> Tensor:
    return -0.5 * (w / sigma).square() - math.log(sigma) - 0.5 * math.log(2 * math.pi)
