"""Stochastic-gradient Hamiltonian Monte Carlo: training steps that draw from the posterior.

Chen et al. (2014), with the cyclical step size of Zhang et al. (2020) and one preconditioner per
tensor as in Wenzel et al. (2020). With step size h, friction 1 - beta and mass M per tensor,

    m <- beta m - h N grad + sqrt(2 (1 - beta) temperature M) noise,    w <- w + h m / M,

where grad is that of the mean loss of the batch plus that of the Gaussian prior over N images. h is
sqrt(rate / N): without noise this is SGD with momentum at that learning rate.
"""

import torch
from torch import Tensor

MOMENTUM = 0.9
#: How fast the mean of squared gradients follows, and every how many steps the masses are renewed.
_FOLLOW, _RENEWED = 0.02, 20


class SGHMC(torch.optim.Optimizer):
    """The sampler as an optimiser; its noise comes from torch's global generator.

    num_images: N. temperature: 1 is the posterior, below 1 a colder one, 0 plain SGD with momentum.
    prior_sigma: standard deviation of the prior N(0, prior_sigma^2) on every weight. precondition:
    masses from each tensor's squared gradients, their geometric mean over all weights 1; else 1.
    """

    def __init__(
        self,
        params,
        lr: float,
        num_images: int,
        temperature: float = 1.0,
        prior_sigma: float = 1.0,
        precondition: bool = True,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "num_images": num_images,
                "temperature": temperature,
                "prior_sigma": prior_sigma,
                "precondition": precondition,
            },
        )

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """One step; the gradients are in place."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            for p in params:
                state = self.state[p]
                if not state:
                    state |= {
                        "step": torch.zeros(()),
                        "momentum": torch.zeros_like(p),
                        "squared": torch.zeros(()),
                        "mass": torch.ones(()),
                    }
                state["squared"].lerp_(p.grad.square().mean().cpu(), _FOLLOW)
            if group["precondition"] and int(self.state[params[0]]["step"]) % _RENEWED == 5:
                self._renew_masses(params)
            n = group["num_images"]
            h = (group["lr"] / n) ** 0.5
            for p in params:
                state = self.state[p]
                mass, momentum = float(state["mass"]), state["momentum"]
                gradient = p.grad + p / (n * group["prior_sigma"] ** 2)
                momentum.mul_(MOMENTUM).add_(gradient, alpha=-h * n)
                width = (2 * (1 - MOMENTUM) * group["temperature"] * mass) ** 0.5
                if width:
                    momentum.add_(torch.randn_like(p), alpha=width)
                p.add_(momentum, alpha=h / mass)
                state["step"] += 1

    def _renew_masses(self, params: list[Tensor]) -> None:
        """Root mean squared gradients per tensor, divided by their geometric mean."""
        squared = torch.stack([self.state[p]["squared"] for p in params]).double()
        sizes = torch.tensor([p.numel() for p in params], dtype=torch.float64)
        mean = (squared * sizes).sum() / sizes.sum()
        root = (squared + 1e-7 * mean).sqrt()
        root = root / torch.exp((root.log() * sizes).sum() / sizes.sum())
        for p, mass in zip(params, root, strict=True):
            self.state[p]["mass"] = mass.float()
