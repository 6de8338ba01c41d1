"""Bayesian layers: a mean-field Gaussian over every weight.

w = mu + softplus(rho) * eps, eps ~ N(0, 1). In training mode a layer draws its activations
(local reparameterization, Kingma et al. 2015: one independent draw per image, little gradient
noise) or one set of weights per batch; in evaluation mode it applies the posterior mean.
Whole networks are drawn for prediction by `bnn_core.networks.prediction.draw_networks`.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnn_core.networks import noise

#: How a training step is made random.
ESTIMATORS = ("local", "weights")
#: Added to variances, so that the square root of those that vanish has a slope.
SMALLEST_VARIANCE = 1e-30


def softplus(rho: Tensor) -> Tensor:
    """log(1 + exp(rho)) without a gradient, four times as fast as torch's on a CPU.

    log1p(x) is log(u) x / (u - 1) with u = 1 + x rounded, which cancels the rounding (Goldberg
    1991, theorem 4).
    """
    if rho.is_cuda:
        return F.softplus(rho)
    x = rho.clamp(max=20).exp_()
    u = x + 1
    log1p = u.log().mul_(x).div_(u.sub_(1))
    # u == 1: x is its logarithm. Above 20, exp(-rho) is below the precision.
    return torch.where(u == 0, x, log1p).where(rho < 20, rho)


class DrawnWeights(NamedTuple):
    """The weights of one layer in one training step.

    "weights": drawn weights, no variances. "local": means and variances of the weights.
    """

    weight: Tensor
    bias: Tensor | None
    weight_variance: Tensor | None = None
    bias_variance: Tensor | None = None


class BayesLayer(nn.Module):
    """What BayesLinear and BayesConv2d share: the posterior and the choice of estimator.

    Parameters `weight_mu`, `weight_rho` and, unless bias=False, `bias_mu`, `bias_rho`. They begin
    as the plain layer's initialisation (Kaiming uniform) and rho = `rho_init`.
    """

    estimator = "local"
    #: Set by a training step that draws for all layers at once (`TrainingStep`); None: by itself.
    drawn: DrawnWeights | None = None

    def __init__(self, plain: nn.Linear | nn.Conv2d, rho_init: float = -3.0):
        super().__init__()
        self.weight_mu = nn.Parameter(plain.weight.detach().clone())
        self.weight_rho = nn.Parameter(torch.full_like(plain.weight, rho_init))
        if plain.bias is None:
            self.bias_mu = self.bias_rho = None
        else:
            self.bias_mu = nn.Parameter(plain.bias.detach().clone())
            self.bias_rho = nn.Parameter(torch.full_like(plain.bias, rho_init))

    def apply_weights(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The plain layer's function with given weights."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """x as the plain layer takes it; see the module's docstring for what is drawn when."""
        if not self.training:
            return self.apply_weights(x, self.weight_mu, self.bias_mu)
        weight, bias, weight_variance, bias_variance = self.drawn or self._draw()
        mean = self.apply_weights(x, weight, bias)
        if weight_variance is None:
            return mean
        variance = self.apply_weights(x.square(), weight_variance, bias_variance)
        if bias is None:
            variance = variance + SMALLEST_VARIANCE
        return _AddNoise.apply(mean, variance, noise.normal_like(mean, std=0.5))

    def _draw(self) -> DrawnWeights:
        """What the estimator needs of this layer's posterior, differentiable by mu and rho."""
        parts = [(self.weight_mu, F.softplus(self.weight_rho))]
        if self.bias_mu is not None:
            parts.append((self.bias_mu, F.softplus(self.bias_rho)))
        if self.estimator == "weights":
            drawn = [mu + sigma * noise.normal_like(sigma) for mu, sigma in parts]
            return DrawnWeights(drawn[0], drawn[1] if len(drawn) > 1 else None)
        means, variances = zip(
            *((mu, sigma.square() + SMALLEST_VARIANCE) for mu, sigma in parts), strict=True
        )
        if len(parts) == 1:
            return DrawnWeights(means[0], None, variances[0])
        return DrawnWeights(*means, *variances)


class _AddNoise(torch.autograd.Function):
    """mean + sqrt(variance) * 2 * half_eps; the gradient needs one tensor and one pass."""

    @staticmethod
    def forward(ctx, mean: Tensor, variance: Tensor, half_eps: Tensor) -> Tensor:
        by_variance = half_eps.mul_(variance.rsqrt())
        ctx.save_for_backward(by_variance)
        return torch.addcmul(mean, variance, by_variance, value=2)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (by_variance,) = ctx.saved_tensors
        return grad, grad * by_variance, None


class BayesLinear(BayesLayer):
    """nn.Linear with a distribution over its weights. Input (..., in), output (..., out)."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, rho_init: float = -3.0
    ):
        super().__init__(nn.Linear(in_features, out_features, bias), rho_init)

    def apply_weights(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)


class BayesConv2d(BayesLayer):
    """nn.Conv2d (zero padding) with a distribution over its weights. (B, C, H, W) in and out."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        rho_init: float = -3.0,
    ):
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
            ),
            rho_init,
        )
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def apply_weights(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


def bayes_layers(network: nn.Module) -> list[BayesLayer]:
    """All Bayesian layers of a network, each once however the modules nest."""
    return [module for module in network.modules() if isinstance(module, BayesLayer)]


def set_estimator(network: nn.Module, estimator: str) -> None:
    """Choose "local" or "weights" for every Bayesian layer."""
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator is one of {', '.join(ESTIMATORS)}, not {estimator!r}")
    for layer in bayes_layers(network):
        layer.estimator = estimator


def posterior(network: nn.Module) -> tuple[Tensor, Tensor]:
    """(mu, sigma): every Bayesian weight of a network in two flat tensors (P,), with gradient."""
    layers = bayes_layers(network)
    mu = [p for layer in layers for p in (layer.weight_mu, layer.bias_mu) if p is not None]
    rho = [p for layer in layers for p in (layer.weight_rho, layer.bias_rho) if p is not None]
    return (
        torch.cat([p.reshape(-1) for p in mu]),
        F.softplus(torch.cat([p.reshape(-1) for p in rho])),
    )


def layer_scales(network: nn.Module) -> list[float]:
    """Root mean square of the weights of each Bayesian layer: one number per tensor of means.

    In the order of `posterior`: a layer's biases have the scale of its weights. A layer whose
    weights are all 0 has the scale 1.
    """
    scales = []
    for layer in bayes_layers(network):
        scale = float(layer.weight_mu.detach().square().mean().sqrt()) or 1.0
        scales += [scale] * (1 if layer.bias_mu is None else 2)
    return scales


def start_sigma(network: nn.Module, share: float) -> None:
    """Set sigma to `share` times the root mean square of each layer's weights, in place."""
    for layer in bayes_layers(network):
        scale = float(layer.weight_mu.detach().square().mean().sqrt()) or 1.0
        for rho in (layer.weight_rho, layer.bias_rho):
            if rho is not None:
                rho.data.fill_(math.log(math.expm1(share * scale)))


def median_sigmas(network: nn.Module) -> dict[str, float]:
    """Median sigma of the weights of each Bayesian layer, by the layer's name."""
    return {
        name: float(softplus(layer.weight_rho.detach()).median())
        for name, layer in network.named_modules()
        if isinstance(layer, BayesLayer)
    }
