"""Monte Carlo dropout (Gal & Ghahramani 2016): a sample is one network that lacks some units.

A mask on what a layer puts out is a scaling of the layer's own rows, m * (W x + b) = (m W) x + m b,
and ReLU and max-pooling let a factor of at least 0 through. So a drawn network is a plain network:
the same units are gone for every image, as the same weights are for a drawn Bayesian network.
"""

from functools import partial

import torch
from torch import Tensor, nn

from bnn_core.networks import noise
from bnn_core.networks.prediction import Networks


def dropped_layers(network: nn.Module) -> dict[str, nn.Module]:
    """The layers whose output is dropped: every linear and convolution but the last, `head`."""
    return {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer is not network.head
    }


def add_dropout(network: nn.Module, rate: float) -> None:
    """Drop units (linear) and whole maps (convolution) in training mode, independently for each image.

    What stays is scaled by 1 / (1 - rate), so that in evaluation mode the network is as it is. The
    layers' names and states do not change.
    """
    for layer in dropped_layers(network).values():
        layer.register_forward_hook(partial(_drop, rate))


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


def _drop(rate: float, layer: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    if not layer.training:
        return output
    units = output[:, :, :1, :1] if output.dim() == 4 else output
    return output * noise.kept_like(units, 1 - rate).div_(1 - rate)
