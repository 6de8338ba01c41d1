"""The optimisers and samplers of the benchmark `posterior.py`, for M networks at once.

All state is (M, P), every setting (M, 1), so that variants of one method train in one run. Each
optimiser has `point()`, the weights at which the next gradient is wanted, `step(gradient, t)`, and
`centre()`, the weights that stand for it.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from posterior_nets import Body
from torch import Tensor


@dataclass(frozen=True)
class Variant:
    """One way to train, and how its predictions are drawn.

    family: adam, vi, ivon or sghmc. start: the variant whose averaged weights it starts from.
    schedule: one-cycle, swa (one cycle down to `tail` times the rate, then constant), flat or
    cycles. average: share of the steps, at the end, whose weights are averaged. cost: epochs of
    all training it needs, those of its start included.
    """

    name: str
    family: str
    epochs: float
    start: str = ""
    rate: float = 3e-3
    schedule: str = "one-cycle"
    tail: float = 0.3
    average: float = 0.0
    decay: float = 1e-2
    drop: float = 0.0
    prior: str = "layer"  # layer: 0 with the layer's scale; moped: the start; fixed: 0 and 0.1
    prior_scale: float = 1.0
    width: float = 0.1  # first sigma, times the layer's scale (fixed: itself)
    kl: float = 1.0
    warm_up: float = 0.0
    rho_rate: float = 10.0
    only_head: bool = False
    hess: float = 1.0
    samples_of: float = 1.0  # ivon: effective number of images, times N
    temperature: float = 0.01
    cycles: int = 3
    delta: float = 1e-3  # ivon: prior precision per image
    swag: bool = False
    cost: float = 0.0


def factors(v: Variant, steps: int) -> Tensor:
    """(steps,) of the learning rate, times its maximum."""
    t = torch.arange(steps, dtype=torch.float64)

    def half_cosine(first: float, last: float, a: float, b: float) -> Tensor:
        part = ((t - a) / max(b - a, 1)).clamp(0, 1)
        return last + (first - last) * (1 + torch.cos(math.pi * part)) / 2

    if v.schedule == "cycles":
        length = steps / v.cycles
        return (1 + torch.cos(math.pi * (t % length) / length)) / 2
    up = half_cosine(0.04, 1.0, 0, 0.3 * steps)
    if v.schedule == "flat":
        return half_cosine(0.04, 1.0, 0, 0.05 * steps)
    if v.schedule == "swa":
        down = half_cosine(1.0, v.tail, 0.3 * steps, (1 - v.average) * steps)
    else:
        down = half_cosine(1.0, 4e-6, 0.3 * steps, steps - 1)
    return torch.where(t < 0.3 * steps, up, down)


class Setting:
    """The settings of the networks of one run: `setting("rate")` is (M, 1)."""

    def __init__(self, variants: list[Variant], steps: int, sizes: Tensor, device: str):
        self.variants, self.steps, self.device = variants, steps, device
        self.sizes = sizes.to(device)[:, None]
        table = {v: factors(v, steps) for v in dict.fromkeys(variants)}
        self.factor = torch.stack([table[v] for v in variants], dim=1).float().to(device)[..., None]

    def __call__(self, name: str) -> Tensor:
        return torch.tensor([float(getattr(v, name)) for v in self.variants], device=self.device)[
            :, None
        ]


class Adam:
    """AdamW; its first momentum runs against the learning rate, as torch's one-cycle has it."""

    def __init__(self, body: Body, setting: Setting, start: Tensor):
        self.w, self.setting = start.clone(), setting
        self.rate, self.decay = setting("rate"), setting("decay")
        self.first, self.second = torch.zeros_like(start), torch.zeros_like(start)
        self.product = torch.ones(len(start), 1, device=start.device)

    def point(self) -> Tensor:
        return self.w

    def centre(self) -> Tensor:
        return self.w

    def kept(self) -> Tensor:
        """(M, k P): what is averaged over the end of training."""
        return self.w

    def step(self, gradient: Tensor, t: int) -> None:
        rate = self.rate * self.setting.factor[t]
        self.w.mul_(1 - rate * self.decay).sub_(rate * self._direction(gradient, t))

    def _direction(self, gradient: Tensor, t: int) -> Tensor:
        beta = 0.95 - 0.10 * self.setting.factor[t]
        self.product.mul_(beta)
        self.first.mul_(beta).add_((1 - beta) * gradient)
        self.second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        root = self.second.div(1 - 0.999 ** (t + 1)).sqrt_().add_(1e-8)
        return self.first / (1 - self.product) / root


class Variational(Adam):
    """Mean-field VI, one draw of weights per step, Adam on the means and, faster, on rho."""

    def __init__(self, body: Body, setting: Setting, start: Tensor):
        device, variants = start.device, setting.variants
        scale = body.layer_scale(start)
        fixed = torch.tensor([v.prior == "fixed" for v in variants], device=device)[:, None]
        moped = torch.tensor([v.prior == "moped" for v in variants], device=device)[:, None]
        whole, head = body.drawn(device), body.drawn(device, only_head=True)
        only = torch.tensor([v.only_head for v in variants], device=device)[:, None]
        self.mask = torch.where(only, head, whole)
        self.prior_sigma = torch.where(fixed, 0.1, scale) * setting("prior_scale")
        self.prior_mean = torch.where(moped, start, 0.0)
        sigma = torch.where(fixed, 1.0, scale) * setting("width")
        rho = sigma + torch.log(-torch.expm1(-sigma))
        super().__init__(body, setting, torch.cat([start, rho], dim=1))
        size = start.shape[1]
        self.rates = torch.ones_like(self.w)
        self.rates[:, size:] = setting("rho_rate")
        self.kl, self.warm_up, self.size = setting("kl"), setting("warm_up"), size

    def point(self) -> Tensor:
        mu, rho = self.w.split(self.size, dim=1)
        self.sigma = F.softplus(rho) * self.mask
        self.noise = torch.randn_like(mu)
        return mu + self.sigma * self.noise

    def centre(self) -> Tensor:
        return self.w[:, : self.size]

    def kept(self) -> Tensor:
        return torch.cat([self.centre(), F.softplus(self.w[:, self.size :]) * self.mask], dim=1)

    def step(self, gradient: Tensor, t: int) -> None:
        part = ((t + 1) / (self.warm_up * self.setting.steps).clamp(min=1)).clamp(max=1)
        weight = self.kl * part / self.setting.sizes * self.mask
        mu, rho = self.w.split(self.size, dim=1)
        sigma = self.sigma.clamp(min=1e-12)
        of_mu = gradient + weight * (mu - self.prior_mean) / self.prior_sigma**2
        of_sigma = gradient * self.noise + weight * (sigma / self.prior_sigma**2 - 1 / sigma)
        both = torch.cat([of_mu, of_sigma * self.mask * torch.sigmoid(rho)], dim=1)
        rate = self.rate * self.setting.factor[t] * self.rates
        self.w.sub_(rate * self._direction(both, t))


class Ivon:
    """Improved variational online Newton (Shen et al. 2024), with its learning rate rescaled."""

    def __init__(self, body: Body, setting: Setting, start: Tensor):
        self.w, self.setting = start.clone(), setting
        self.h = setting("hess").expand_as(start).clone()
        self.momentum = torch.zeros_like(start)
        self.delta = setting("delta")
        self.count = setting("samples_of") * setting.sizes
        self.rate = setting("rate") * (setting("hess") + self.delta)
        self.beta2 = 1 - 1 / setting.steps

    def point(self) -> Tensor:
        self.sigma = (self.count * (self.h + self.delta)).rsqrt()
        self.noise = torch.randn_like(self.w)
        return self.w + self.sigma * self.noise

    def centre(self) -> Tensor:
        return self.w

    def kept(self) -> Tensor:
        return torch.cat([self.w, (self.count * (self.h + self.delta)).rsqrt()], dim=1)

    def step(self, gradient: Tensor, t: int) -> None:
        beta2 = self.beta2
        estimate = gradient * self.noise / self.sigma
        self.momentum.mul_(0.9).add_(gradient, alpha=0.1)
        change = (self.h - estimate).square() / (self.h + self.delta)
        self.h = beta2 * self.h + (1 - beta2) * estimate + 0.5 * (1 - beta2) ** 2 * change
        mean = self.momentum / (1 - 0.9 ** (t + 1))
        rate = self.rate * self.setting.factor[t]
        self.w.sub_(rate * (mean + self.delta * self.w) / (self.h + self.delta))


class Sghmc:
    """Stochastic-gradient Hamiltonian Monte Carlo (Chen et al. 2014; Zhang et al. 2020 for the
    cycles; Wenzel et al. 2020 for one preconditioner per layer), prior N(0, 1)."""

    def __init__(self, body: Body, setting: Setting, start: Tensor):
        self.w, self.setting, self.body = start.clone(), setting, body
        self.rate, self.temperature = setting("rate"), setting("temperature")
        self.momentum = torch.zeros_like(start)
        self.second = torch.zeros_like(start)
        self.mass = torch.ones_like(start)

    def point(self) -> Tensor:
        return self.w

    def centre(self) -> Tensor:
        return self.w

    def kept(self) -> Tensor:
        return self.w

    def step(self, gradient: Tensor, t: int) -> None:
        n = self.setting.sizes
        self.second.lerp_(gradient.square(), 0.02)
        if t % 20 == 5:
            for _, _, _, a, b in self.body.parts:
                self.mass[:, a:b] = self.second[:, a:b].mean(dim=1, keepdim=True)
            self.mass = (self.mass + 1e-7 * self.mass.mean(dim=1, keepdim=True)).sqrt_()
            # The geometric mean over the weights is 1: a rate is that of an ordinary network.
            self.mass = self.mass / self.mass.log().mean(dim=1, keepdim=True).exp()
        h = (self.rate * self.setting.factor[t] / n).sqrt()
        noise = torch.randn_like(self.w) * (2 * 0.1 * self.temperature * self.mass).sqrt()
        self.momentum.mul_(0.9).sub_(h * n * (gradient + self.w / n)).add_(noise)
        self.w.add_(h * self.momentum / self.mass)


OPTIMISERS = {"adam": Adam, "vi": Variational, "ivon": Ivon, "sghmc": Sghmc}


def swag_draw(snapshots: Tensor, generator: torch.Generator, scale: float = 1.0) -> Tensor:
    """One draw (M, P) of SWAG (Maddox et al. 2019) from K snapshots (K, M, P) of the weights."""
    mean = snapshots.mean(dim=0)
    off = snapshots - mean
    k, m, p = off.shape
    spread = off.square().mean(dim=0).sqrt()
    device = snapshots.device
    z1 = torch.randn(m, p, generator=generator, device=device)
    z2 = torch.randn(k, m, 1, generator=generator, device=device)
    low_rank = (off * z2).sum(dim=0) / math.sqrt(max(k - 1, 1))
    return mean + scale * (spread * z1 + low_rank) / math.sqrt(2)
