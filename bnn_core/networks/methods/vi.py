"""Mean-field variational inference (Blundell et al. 2015), also with another prior."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from bnn_core.networks.building import load_network, plain_twin
from bnn_core.networks.method_parts import standard_network, train_one, trained_mean
from bnn_core.networks.prediction import Networks, draw_networks
from bnn_core.networks.procedures import Procedure, ProgressBar
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet


def means_from(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A standard network's state as the means (`*_mu`) of its Bayesian twin, where they differ."""
    both = dict(state)
    both |= {
        f"{name}_mu": value for name, value in state.items() if name.endswith(("weight", "bias"))
    }
    return both


def _train(
    folder: Path, config: TrainConfig, data: TrainingSet, device: str, bar: ProgressBar
) -> None:
    start = None
    if config.start == "standard":
        start = means_from(standard_network(folder, "cpu").state_dict())
    train_one(folder, config, data, device, bar, start)


def _draw(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    network, _ = load_network(folder)
    return draw_networks(network.to(device), plain_twin(folder), num_samples, seed)


PROCEDURE = Procedure(_train, _draw, trained_mean)
