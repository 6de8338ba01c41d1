"""Any method from training to T networks: its procedure, found by the name of its folder.

Each method has a folder in a fold, named after it. It begins from settings and training
images and ends as T plain networks of one body, so prediction, summary and pages are the same for
all. How one method does that is in its module of `networks/methods`, which its record names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

from bnn_core.base.errors import InputError
from bnn_core.base.files import write_json
from bnn_core.base.methods import METHODS
from bnn_core.base.timing import summed_seconds
from bnn_core.networks.building import saved_config
from bnn_core.networks.prediction import Networks
from bnn_core.networks.saved import read_config
from bnn_core.networks.settings import TrainConfig, settings_of
from bnn_core.networks.training import TrainingSet

#: The name of a temperature that was fitted to other folds (`recipes.calibrating`).
CALIBRATION = "calibration_temperature"
#: Makes a progress bar from its total and unit.
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
    if folder.name not in METHODS:
        raise InputError(f"{folder}: no method '{folder.name}'; there are {', '.join(METHODS)}")
    method = METHODS[folder.name]
    return import_module(f"bnn_core.networks.methods.{method.module or method.key}").PROCEDURE


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
        if METHODS[method].needs_held_back and not config.validation:
            raise InputError(
                f"{method} needs images held back from training; give --validation standard=0.1"
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
