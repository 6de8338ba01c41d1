"""Monte Carlo dropout (Gal & Ghahramani 2016): a sample is one network that lacks some units.

A mask on what a layer puts out is a scaling of the layer's own rows, m * (W x + b) = (m W) x + m b,
and ReLU and max-pooling let a factor of at least 0 through. So a drawn network is a plain network:
the same units are gone for every image, as the same weights are for a drawn Bayesian network.
"""

from pathlib import Path

import torch
from torch import nn

from bnn_core.networks.building import load_network
from bnn_core.networks.dropout import dropped_layers
from bnn_core.networks.method_parts import train_one, trained_mean
from bnn_core.networks.prediction import Networks
from bnn_core.networks.procedures import Procedure


def draw_masked(network: nn.Module, rate: float, num_samples: int, seed: int) -> Networks:
    """T networks of a plain network; each unit is dropped with probability `rate` in each of them.

    One mask per network, from a CPU generator, network by network: the first T of a longer draw
    are the same networks. `rate` 0 gives the network itself, T times.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = dropped_layers(network)
    sizes = [len(layer.weight) for layer in layers.values()]
    kept = torch.stack(
        [torch.rand(sum(sizes), generator=generator) >= rate for _ in range(num_samples)]
    )
    masks = (kept / (1 - rate)).to(next(network.parameters()).device)
    weights = {}
    for (name, layer), mask in zip(layers.items(), masks.split(sizes, dim=1), strict=True):
        for part, value in layer.named_parameters():
            w = value.detach()
            weights[f"{name}.{part}"] = w * mask.reshape(*mask.shape, *[1] * (w.dim() - 1))
    return Networks(network.eval(), weights)


def _draw(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    network, config = load_network(folder)
    return draw_masked(network.to(device), config.dropout, num_samples, seed)


PROCEDURE = Procedure(train_one, _draw, trained_mean)
