"""Dropout in training: units (linear) and maps (convolution) that an image does not see."""

from functools import partial

from torch import Tensor, nn

from bnn_core.networks import noise


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


def _drop(rate: float, layer: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    if not layer.training:
        return output
    units = output[:, :, :1, :1] if output.dim() == 4 else output
    return output * noise.kept_like(units, 1 - rate).div_(1 - rate)
