"""A deep ensemble (Lakshminarayanan et al. 2017): standard networks that differ in their seed."""

from functools import partial
from pathlib import Path

import pandas as pd

from bnn_core.base.files import write_bytes, write_json
from bnn_core.networks.building import load_network, plain_twin, saved_config
from bnn_core.networks.method_parts import show_epoch, trained_mean
from bnn_core.networks.prediction import Networks, stack_networks
from bnn_core.networks.procedures import Procedure, ProgressBar
from bnn_core.networks.saved import read_config
from bnn_core.networks.settings import TrainConfig, settings_of
from bnn_core.networks.training import TrainingSet, train


def _train_members(
    folder: Path, config: TrainConfig, data: TrainingSet, device: str, bar: ProgressBar
) -> None:
    """Members one after another: in one batched run (vmap) they took 1.5 times as long on a CPU."""
    histories = []
    with bar(total=config.epochs * config.members, unit="epoch") as shown:
        for member, (path, settings) in enumerate(_members(folder, config)):
            before = member * config.epochs
            train(path, settings, data, device=device, progress=partial(show_epoch, shown, before))
            show_epoch(shown, before, config.epochs, {})
            histories.append(pd.read_csv(path / "history.csv"))
    mean = pd.concat(histories).groupby("epoch", as_index=False).mean()
    write_bytes(folder / "history.csv", mean.to_csv(index=False).encode())
    write_json(
        folder / "config.json",
        read_config(folder / "0") | settings_of(config),
    )


def _members(folder: Path, config: TrainConfig) -> list[tuple[Path, TrainConfig]]:
    """Folder and settings of each member; they differ in their seed, the first has the study's."""
    saved = settings_of(config) | {"members": 1}
    return [
        (folder / str(k), TrainConfig(**saved | {"seed": config.seed + 1000 * k}))
        for k in range(config.members)
    ]


def _all_members(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    count = saved_config(folder).members
    members = [load_network(folder / str(k))[0].to(device) for k in range(count)]
    return stack_networks(members, plain_twin(folder / "0"))


PROCEDURE = Procedure(
    _train_members, _all_members, lambda folder, device: trained_mean(folder / "0", device)
)
