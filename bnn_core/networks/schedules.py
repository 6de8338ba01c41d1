"""How the learning rate changes over the steps of a training."""

import math

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiStepLR, OneCycleLR

from bnn_core.networks.settings import TrainConfig

#: Where a one-cycle ends whose last weights are averaged, as a share of the maximum. Chosen on
#: drawn screens (tests/benchmarks/RESULTS.md).
AVERAGED_RATE = 0.3
_WARM_UP, _FIRST = 0.3, 0.04


def make_schedule(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int) -> LRScheduler:
    """The learning rates of all steps, for each parameter group by its own maximum.

    steps: of one epoch.
    """
    total = steps * config.epochs
    if config.schedule == "one-cycle" and config.swa:
        return _AveragedOneCycle(optimizer, total, config.swa)
    if config.schedule == "one-cycle":
        rates = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, rates, total_steps=total + 1)
    if config.schedule == "cyclical":
        return LambdaLR(optimizer, lambda t: cyclical_factor(t, total, config.cycles))
    milestones = [steps * config.step_epoch] if config.schedule == "step" else []
    return MultiStepLR(optimizer, milestones, gamma=0.1)


def averaged_one_cycle_factor(step: int, total: int, share: float) -> float:
    """The learning rate of a step over its maximum, where the last `share` of steps is averaged.

    A rise from 0.04 over 30 % of the steps, a fall to AVERAGED_RATE, and that to the end. Both
    follow half a cosine, as in torch's one-cycle.
    """

    def half_cosine(first: float, last: float, begin: float, end: float) -> float:
        part = min(max((step - begin) / max(end - begin, 1), 0), 1)
        return last + (first - last) * (1 + math.cos(math.pi * part)) / 2

    top = min(_WARM_UP, 1 - share) * total
    if step < top:
        return half_cosine(_FIRST, 1.0, 0, top)
    return half_cosine(1.0, AVERAGED_RATE, top, (1 - share) * total)


def cyclical_factor(step: int, total: int, cycles: int) -> float:
    """Half a cosine from 1 to 0 in each of `cycles` equal parts (Zhang et al. 2020, eq. 1)."""
    length = total / cycles
    return (1 + math.cos(math.pi * (step % length) / length)) / 2


class _AveragedOneCycle(LambdaLR):
    """`averaged_one_cycle_factor`; Adam's first momentum falls from 0.95 to 0.85 where the rate
    rises, as in torch's one-cycle."""

    def __init__(self, optimizer: torch.optim.Optimizer, total: int, share: float):
        super().__init__(optimizer, lambda step: averaged_one_cycle_factor(step, total, share))

    def step(self, epoch: int | None = None) -> None:
        super().step(epoch)
        factor = self.lr_lambdas[0](self.last_epoch)
        for group in self.optimizer.param_groups:
            group["betas"] = (0.95 - 0.1 * factor, group["betas"][1])
