"""What the modules of `networks/methods` have in common: one training, and the standard network."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from torch import Tensor, nn
from tqdm import tqdm

from bnn_core.base.files import write_json
from bnn_core.networks.building import load_network, plain_twin
from bnn_core.networks.prediction import Networks, posterior_mean
from bnn_core.networks.procedures import ProgressBar
from bnn_core.networks.saved import read_config
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet, train


def train_one(
    folder: Path,
    config: TrainConfig,
    data: TrainingSet,
    device: str,
    bar: ProgressBar,
    start_from: Mapping[str, Tensor] | None = None,
) -> None:
    """Train one network in a method's folder. start_from: its initial weights, see `train`."""
    with bar(total=config.epochs, unit="epoch") as shown:
        show = partial(show_epoch, shown, 0)
        train(folder, config, data, device=device, start_from=start_from, progress=show)


def show_epoch(bar: tqdm, before: int, epoch: int, row: Mapping[str, float]) -> None:
    """Set a progress bar to an epoch, of a network before which `before` epochs were trained."""
    bar.update(before + epoch - bar.n)
    bar.set_postfix({k: f"{v:.4g}" for k, v in row.items() if k != "epoch"})


def trained_mean(folder: Path, device: str) -> Networks:
    """The one network at the mean of what was trained in a folder."""
    network, _ = load_network(folder)
    return posterior_mean(network.to(device), plain_twin(folder))


def standard_network(folder: Path, device: str) -> nn.Module:
    """The standard network that a method builds on."""
    return load_network(folder.parent / "standard")[0].to(device)


def standard_mean(folder: Path, device: str) -> Networks:
    """The standard network that a method builds on, as its networks at the centre."""
    return trained_mean(folder.parent / "standard", device)


def write_fitted(folder: Path, **numbers: float) -> None:
    """config.json of what was fitted to the standard network: that of the network and numbers."""
    write_json(
        folder / "config.json",
        read_config(folder.parent / "standard") | {"fitted": numbers},
    )
