"""Network bodies, each written once: Bayesian or standard by the kind of layer."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from bnn_core.base.errors import InputError
from bnn_core.networks.layers import BayesConv2d, BayesLinear
from bnn_core.networks.mlp import MLP
from bnn_core.networks.mscnn import MultiScaleCNN
from bnn_core.networks.pooling import relu_halve


class LayerKind:
    """The constructors of one kind of layer: `kind.conv(...)`, `kind.linear(...)`."""

    def __init__(self, bayesian: bool, rho_init: float = -3.0):
        self.conv = partial(BayesConv2d, rho_init=rho_init) if bayesian else nn.Conv2d
        self.linear = partial(BayesLinear, rho_init=rho_init) if bayesian else nn.Linear


class LeNet5(nn.Module):
    """LeNet5 as in Deodato et al. (2020): 61,706 weights for 28x28 images and 10 classes.

    Input (B, channels, 28, 28) in [0, 1]; output logits (B, classes).
    """

    image_size = (28, 28)

    def __init__(self, kind: LayerKind, in_channels: int = 1, num_classes: int = 10):
        super().__init__()
        self.conv1 = kind.conv(in_channels, 6, 5, padding=2)
        self.conv2 = kind.conv(6, 16, 5)
        self.conv3 = kind.conv(16, 120, 5)
        self.linear = kind.linear(120, 84)
        self.head = kind.linear(84, num_classes)

    def features(self, x: Tensor, see: Callable[[Tensor], None] | None = None) -> Tensor:
        """Penultimate layer (B, 84). see: gets the maps of every convolution, (B, K, rows, columns)."""
        # Pooling first is the same function, with ReLU on a quarter of the values.
        first = relu_halve(self.conv1(x))
        second = relu_halve(self.conv2(first))
        third = F.relu(self.conv3(second))
        for maps in (first, second, third) if see else ():
            see(maps)
        return F.relu(self.linear(third.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


NETWORKS = {"lenet5": LeNet5, "mscnn": MultiScaleCNN, "mlp": MLP}


def build_network(
    name: str,
    *,
    in_channels: int,
    num_classes: int,
    image_size: tuple[int, int],
    bayesian: bool,
    rho_init: float = -3.0,
    **shape: Any,
) -> nn.Module:
    """A freshly initialised network; InputError when its input size does not fit.

    `shape`: what the body takes beyond that (MultiScaleCNN's pathways and head_width, MLP's hidden,
    whiten and row_scale).
    """
    if name not in NETWORKS:
        raise InputError(f"--network {name} is unknown; choose one of {', '.join(NETWORKS)}")
    kind = LayerKind(bayesian, rho_init)
    if name == "mlp":
        return MLP(kind.linear, in_channels * image_size[0] * image_size[1], num_classes, **shape)
    if name == "mscnn":
        return MultiScaleCNN(kind, in_channels, num_classes, image_size, **shape)
    if tuple(image_size) != LeNet5.image_size:
        raise InputError(
            f"images are {image_size[0]}x{image_size[1]} pixels (rows x columns); {name} takes "
            f"{LeNet5.image_size[0]}x{LeNet5.image_size[1]}: resize them or choose --network mscnn"
        )
    return LeNet5(kind, in_channels, num_classes)
