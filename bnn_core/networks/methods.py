"""The ways to a posterior over networks: how each is trained and how its networks are drawn.

Each method has a folder in a fold, named after it. It begins from settings and training
images and ends as T plain networks of one body, so prediction, summary and pages are the same for
all. `vi-gaussian` and `vi-mixture` are `vi` with another prior, for a study of both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save
from torch import Tensor, nn
from tqdm import tqdm

from bnn_core.base.errors import InputError, decoding
from bnn_core.base.files import atomic_path, write_json
from bnn_core.base.methods import METHODS
from bnn_core.base.timing import summed_seconds
from bnn_core.networks.building import (
    demand_same_config,
    load_network,
    network_input,
    plain_twin,
    saved_config,
)
from bnn_core.networks.dropout import draw_masked
from bnn_core.networks.laplace import (
    LastLayer,
    draw_last_layers,
    fit_last_layer,
    last_layer,
    with_bias,
)
from bnn_core.networks.prediction import (
    Networks,
    draw_networks,
    posterior_mean,
    stack_networks,
)
from bnn_core.networks.saved import WEIGHTS, fitted_number, read_config, read_weights
from bnn_core.networks.settings import TrainConfig, settings_of
from bnn_core.networks.temperature import fit_temperature, scaled
from bnn_core.networks.training import SNAPSHOTS, TrainingSet, split_validation, train

#: The name of a temperature that was fitted to other folds (`recipes.calibrating`).
CALIBRATION = "calibration_temperature"
#: Further arguments of `train` besides folder, settings and images.
ProgressBar = Callable[..., tqdm]


@dataclass(frozen=True)
class Procedure:
    """How one method is trained and drawn.

    train(folder, config, data, device, bar): leaves the method in its folder; idempotent. `bar`
    makes a progress bar. draw(folder, num_samples, seed, device): T networks. middle(folder,
    device): the one network at the posterior's centre. A method that needs the standard network
    (`base.methods.Method`) reads it from the folder beside its own.
    """

    train: Callable[[Path, TrainConfig, TrainingSet, str, ProgressBar], None]
    draw: Callable[[Path, int, int, str], Networks]
    middle: Callable[[Path, str], Networks]


def procedure_of(folder: Path) -> Procedure:
    """How the method that a folder is named after is trained and drawn."""
    if folder.name not in PROCEDURES:
        raise InputError(f"{folder}: no method '{folder.name}'; there are {', '.join(PROCEDURES)}")
    return PROCEDURES[folder.name]


def networks_of(folder: Path, num_samples: int | None, seed: int, device: str = "cpu") -> Networks:
    """T networks of a trained method's folder; None gives the one at the posterior's centre.

    A standard network is one whatever T is, an ensemble its members.
    """
    procedure = procedure_of(folder)
    if num_samples is None:
        return procedure.middle(folder, device)
    networks = procedure.draw(folder, num_samples, seed, device)
    fitted = read_config(folder).get("fitted", {})
    return replace(
        networks,
        symmetries=8 if saved_config(folder).tta == "dihedral" else 1,
        temperature=fitted.get(CALIBRATION, 1.0),
    )


def keep_calibration(folder: Path, temperature: float) -> None:
    """Write into a trained method's folder the temperature of its predictions from now on."""
    saved = read_config(folder)
    write_json(
        folder / "config.json",
        saved | {"fitted": saved.get("fitted", {}) | {CALIBRATION: temperature}},
    )


def builds_on(method: str, config: TrainConfig) -> str | None:
    """The method whose trained network this one needs, or None."""
    return "standard" if METHODS[method].needs_standard or config.start == "standard" else None


def training_order(configs: Mapping[str, TrainConfig]) -> list[str]:
    """Methods in the order of training: what others build on comes first.

    Raises InputError when a method needs a standard network that is not trained, or images held
    back that are not.
    """
    for method, config in configs.items():
        if builds_on(method, config) and "standard" not in configs:
            remedy = "" if METHODS[method].needs_standard else f", or give --start {method}=random"
            raise InputError(
                f"{method} builds on the standard network, which is not in --methods; add "
                f"standard{remedy}"
            )
        if method == "temperature" and not config.validation:
            raise InputError(
                "the temperature needs images held back from training; give --validation "
                "standard=0.1"
            )
    return sorted(configs, key=lambda method: builds_on(method, configs[method]) is not None)


def method_record(
    method: str, config: TrainConfig, folders: list[Path], num_samples: int
) -> dict[str, object]:
    """What study.json says of a method: T, settings, what it builds on, seconds, fitted numbers.

    `folders`: the method's folder of every fold; seconds are summed, fitted numbers listed.
    """
    fitted: dict[str, list[float]] = {}
    for folder in folders:
        for name, value in read_config(folder).get("fitted", {}).items():
            fitted.setdefault(name, []).append(value)
    return {
        "num_samples": num_samples,
        **settings_of(config),
        "builds_on": builds_on(method, config),
        "seconds": summed_seconds(folders),
        **({"fitted": fitted} if fitted else {}),
    }


def means_from(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A standard network's state as the means (`*_mu`) of its Bayesian twin, where they differ."""
    both = dict(state)
    both |= {
        f"{name}_mu": value for name, value in state.items() if name.endswith(("weight", "bias"))
    }
    return both


def _train_one(
    folder: Path, config: TrainConfig, data: TrainingSet, device: str, bar: ProgressBar
) -> None:
    start = None
    if config.start == "standard":
        start = means_from(_standard(folder, "cpu").state_dict())
    with bar(total=config.epochs, unit="epoch") as shown:
        train(
            folder, config, data, device=device, start_from=start, progress=partial(_show, shown, 0)
        )


def _train_members(
    folder: Path, config: TrainConfig, data: TrainingSet, device: str, bar: ProgressBar
) -> None:
    """Members one after another: in one batched run (vmap) they took 1.5 times as long on a CPU."""
    histories = []
    with bar(total=config.epochs * config.members, unit="epoch") as shown:
        for member, (path, settings) in enumerate(_members(folder, config)):
            before = member * config.epochs
            train(path, settings, data, device=device, progress=partial(_show, shown, before))
            _show(shown, before, config.epochs, {})
            histories.append(pd.read_csv(path / "history.csv"))
    mean = pd.concat(histories).groupby("epoch", as_index=False).mean()
    with atomic_path(folder / "history.csv") as temporary:
        mean.to_csv(temporary, index=False)
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


def _fit_laplace(
    folder: Path, config: TrainConfig, data: TrainingSet, device: str, bar: ProgressBar
) -> None:
    if (folder / WEIGHTS).is_file():
        demand_same_config(folder, config)
        return
    network = _standard(folder, device)
    rows, _ = split_validation(data, config.validation, config.seed)
    weights = np.ones(data.num_classes) if data.class_weights is None else data.class_weights

    def batches():
        with bar(total=len(rows), unit="image") as shown:
            for part in np.split(rows, range(config.batch_size, len(rows), config.batch_size)):
                x = network_input(data.images[part], config.intensity).to(device)
                with torch.no_grad():
                    features = with_bias(network.features(x))
                yield features, torch.as_tensor(weights[data.targets[part]])
                shown.update(len(part))

    posterior = fit_last_layer(last_layer(network), batches())
    _write_fitted(
        folder,
        prior_precision=posterior.prior_precision,
        effective_weights=posterior.effective_weights,
    )
    with atomic_path(folder / WEIGHTS) as temporary:
        tensors = {name: getattr(posterior, name) for name in ("mean", "values", "left", "right")}
        temporary.write_bytes(save({k: v.contiguous() for k, v in tensors.items()}))


def _draw_laplace(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    precision = fitted_number(folder, "prior_precision")
    state = read_weights(folder)
    standard = _standard(folder, device)
    with decoding(folder / WEIGHTS):  # tensors that do not go together
        gaussian = LastLayer(**state, prior_precision=precision)
        return draw_last_layers(standard, gaussian, num_samples, seed)


def _fit_temperature(
    folder: Path, config: TrainConfig, data: TrainingSet, device: str, bar: ProgressBar
) -> None:
    if (folder / "config.json").is_file():
        demand_same_config(folder, config)
        return
    network = _standard(folder, device)
    _, held = split_validation(data, config.validation, config.seed)
    if not len(held):
        raise InputError(
            f"--validation {config.validation:g} holds back no image to fit the temperature to; "
            "give a larger share"
        )
    logits = []
    with bar(total=len(held), unit="image") as shown, torch.no_grad():
        for part in np.split(held, range(config.batch_size, len(held), config.batch_size)):
            x = network_input(data.images[part], config.intensity).to(device)
            logits.append(network(x).cpu().numpy())
            shown.update(len(part))
    temperature = fit_temperature(np.concatenate(logits), data.targets[held])
    _write_fitted(folder, temperature=temperature)


def _draw_scaled(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    temperature = fitted_number(folder, "temperature")
    return scaled(_standard(folder, device), temperature)


def _draw_vi(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    network, _ = load_network(folder)
    return draw_networks(network.to(device), plain_twin(folder), num_samples, seed)


def _draw_dropout(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    network, config = load_network(folder)
    return draw_masked(network.to(device), config.dropout, num_samples, seed)


def _all_members(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    count = saved_config(folder).members
    members = [load_network(folder / str(k))[0].to(device) for k in range(count)]
    return stack_networks(members, plain_twin(folder / "0"))


def _draw_snapshots(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    """The last `num_samples` networks that a sampler left, all where it left fewer."""
    kept = read_weights(folder, SNAPSHOTS)
    return Networks(
        plain_twin(folder).to(device).eval(),
        {name: part[-num_samples:].to(device) for name, part in kept.items()},
    )


def _middle(folder: Path, device: str) -> Networks:
    network, _ = load_network(folder)
    return posterior_mean(network.to(device), plain_twin(folder))


def _write_fitted(folder: Path, **numbers: float) -> None:
    """config.json of what was fitted to the standard network: that of the network and numbers."""
    write_json(
        folder / "config.json",
        read_config(folder.parent / "standard") | {"fitted": numbers},
    )


def _standard(folder: Path, device: str) -> nn.Module:
    """The standard network that a method builds on."""
    return load_network(folder.parent / "standard")[0].to(device)


def _show(bar: tqdm, before: int, epoch: int, row: Mapping[str, float]) -> None:
    bar.update(before + epoch - bar.n)
    bar.set_postfix({k: f"{v:.4g}" for k, v in row.items() if k != "epoch"})


def _one(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    return _middle(folder, device)


def _standard_middle(folder: Path, device: str) -> Networks:
    return _middle(folder.parent / "standard", device)


_VI = Procedure(_train_one, _draw_vi, _middle)
PROCEDURES = {
    "vi": _VI,
    "standard": Procedure(_train_one, _one, _middle),
    "dropout": Procedure(_train_one, _draw_dropout, _middle),
    "ensemble": Procedure(
        _train_members, _all_members, lambda folder, device: _middle(folder / "0", device)
    ),
    "sgmcmc": Procedure(_train_one, _draw_snapshots, _middle),
    "laplace": Procedure(_fit_laplace, _draw_laplace, _standard_middle),
    "temperature": Procedure(_fit_temperature, _draw_scaled, _standard_middle),
    "vi-gaussian": _VI,
    "vi-mixture": _VI,
}
