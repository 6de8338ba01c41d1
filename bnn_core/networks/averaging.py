"""Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights of the last steps."""

import torch
from torch import Tensor, nn


class WeightAverage:
    """Running mean of a network's parameters, from step `first` (counted from 0) on.

    BatchNorm's statistics are not averaged: they are those of the averaged weights and are
    gathered afterwards (`batchnorm.settle_batchnorm`).
    """

    def __init__(self, network: nn.Module, first: int):
        self.first, self.count = first, 0
        self.mean = [torch.zeros_like(p) for p in network.parameters()]

    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step."""
        if step < self.first:
            return
        self.count += 1
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, list(network.parameters()), 1 / self.count)

    def apply(self, network: nn.Module) -> None:
        """Give the network the averaged weights, in place."""
        with torch.no_grad():
            for parameter, mean in zip(network.parameters(), self.mean, strict=True):
                parameter.copy_(mean)

    def state_dict(self) -> dict[str, object]:
        """What a checkpoint keeps."""
        return {"count": self.count, "mean": self.mean}

    def load_state_dict(self, state: dict[str, int | list[Tensor]]) -> None:
        """Go on from a checkpoint."""
        self.count, self.mean = state["count"], list(state["mean"])
