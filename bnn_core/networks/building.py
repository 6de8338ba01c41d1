"""Networks by their settings: fresh ones, and trained ones from the folder that `train` left."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bnn_core.base.errors import InputError, decoding
from bnn_core.networks.bodies import build_network
from bnn_core.networks.dropout import add_dropout
from bnn_core.networks.layers import set_estimator
from bnn_core.networks.saved import CONFIG, WEIGHTS, config_of, read_config, read_weights
from bnn_core.networks.settings import TrainConfig


def network_input(images: np.ndarray | Tensor, intensity: str = "linear") -> Tensor:
    """Images of 0..255 as a network takes them: float32 in [0, 1], or "sqrt": centred square roots;
    "as-is": measured features, whose network scales them itself.

    Square roots even out the noise of counted photons. They are centred because a drawn first
    layer would shift all-positive inputs as a whole, by as much as their signal.
    """
    if isinstance(images, np.ndarray):
        images = torch.tensor(images)
    if intensity == "as-is":
        return images.float()
    x = (images / 255).float()
    return x.sqrt_().sub_(0.4).div_(0.2) if intensity == "sqrt" else x


def new_network(
    config: TrainConfig, num_classes: int, shape: tuple[int, int, int], bayesian: bool | None = None
) -> nn.Module:
    """A fresh network for images of shape (channels, H, W); `bayesian` overrides the config."""
    channels, height, width = shape
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        size = (config.crop, config.crop) if config.crop else (height, width)
        body = {
            "mscnn": {"pathways": config.pathways or None, "head_width": config.head_width},
            "mlp": {
                "hidden": config.hidden,
                "whiten": config.whiten,
                "row_scale": config.row_scale,
            },
        }
        network = build_network(
            config.network,
            in_channels=channels,
            num_classes=num_classes,
            image_size=size,
            rho_init=config.rho_init,
            bayesian=config.bayesian if bayesian is None else bayesian,
            **body.get(config.network, {}),
        )
    set_estimator(network, config.estimator)
    if config.dropout:
        add_dropout(network, config.dropout)
    return network


def demand_same_config(folder: Path, config: TrainConfig) -> None:
    """InputError when `folder` holds a network trained with other settings."""
    saved = read_config(folder)
    changed = [
        f.name for f in fields(config) if saved.get(f.name, f.default) != getattr(config, f.name)
    ]
    if changed:
        raise InputError(
            f"{folder} holds a network trained with another {', '.join(changed)}; "
            "--restart trains it from the start"
        )


def load_network(folder: Path) -> tuple[nn.Module, TrainConfig]:
    """A trained network from its folder. InputError when the folder holds none or a damaged one."""
    network, config = _untrained(folder)
    state = read_weights(folder)
    with decoding(folder / WEIGHTS):
        network.load_state_dict(state)
    return network.eval(), config


def plain_twin(folder: Path) -> nn.Module:
    """The standard network of the body trained in `folder`, into which drawn weights are put."""
    return _untrained(folder, bayesian=False)[0].eval()


def saved_config(folder: Path) -> TrainConfig:
    """The settings of whatever method was trained in a folder."""
    return config_of(read_config(folder))


def _untrained(folder: Path, bayesian: bool | None = None) -> tuple[nn.Module, TrainConfig]:
    saved = read_config(folder)
    config = config_of(saved)
    with decoding(folder / CONFIG):  # sizes that do not go together
        network = new_network(config, saved["num_classes"], tuple(saved["image_shape"]), bayesian)
    return network, config
