"""What a trained network leaves in its folder, read with care: settings and weights."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

from safetensors.torch import load_file
from torch import Tensor

from bnn_core.base.errors import RESTORE, InputError, decoding
from bnn_core.base.files import read_json
from bnn_core.base.limits import MOST_COLUMNS
from bnn_core.base.schema import Rule
from bnn_core.networks.settings import TrainConfig

WEIGHTS = "weights.safetensors"
CONFIG = "config.json"


def _between(low: int, high: int) -> Rule:
    return Rule(f"a number from {low:,} to {high:,}", lambda n: low <= n <= high)


Side = Annotated[int, _between(1, 1 << 16)]
Share = Annotated[float, Rule("a share from 0 to below 1", lambda x: 0 <= x < 1)]


class Fitted(TypedDict):
    """Numbers fitted to a standard network after its training."""

    prior_precision: NotRequired[Annotated[float, Rule("above 0", lambda x: x > 0)]]
    effective_weights: NotRequired[float]
    temperature: NotRequired[Annotated[float, Rule("above 0", lambda x: x > 0)]]
    calibration_temperature: NotRequired[Annotated[float, Rule("above 0", lambda x: x > 0)]]


class Settings(TypedDict):
    """Settings of `TrainConfig` by name; those that an older version did not have are absent."""

    network: NotRequired[str]
    bayesian: NotRequired[bool]
    pathways: NotRequired[Annotated[int, _between(0, 6)]]
    head_width: NotRequired[Side]
    hidden: NotRequired[Side]
    whiten: NotRequired[float]
    row_scale: NotRequired[str]
    intensity: NotRequired[str]
    epochs: NotRequired[int]
    batch_size: NotRequired[int]
    learning_rate: NotRequired[float]
    optimizer: NotRequired[str]
    schedule: NotRequired[str]
    step_epoch: NotRequired[int]
    weight_decay: NotRequired[float]
    prior: NotRequired[str]
    prior_pi: NotRequired[float]
    prior_sigma1: NotRequired[float]
    prior_sigma2: NotRequired[float]
    kl_weight: NotRequired[float]
    start: NotRequired[str]
    rho_init: NotRequired[float]
    estimator: NotRequired[str]
    dropout: NotRequired[Share]
    members: NotRequired[Annotated[int, _between(1, 1000)]]
    augmentation: NotRequired[str]
    crop: NotRequired[Annotated[int, _between(0, 1 << 16)]]
    precision: NotRequired[str]
    validation: NotRequired[Share]
    seed: NotRequired[Annotated[int, Rule("0 or more", lambda n: n >= 0)]]


class SavedConfig(Settings):
    """config.json: the settings of a trained method, and what its network was made for.

    image_shape: (channels, height, width).
    """

    num_classes: Annotated[int, _between(1, MOST_COLUMNS)]
    image_shape: Annotated[list[Side], Rule("three numbers", lambda shape: len(shape) == 3)]
    fitted: NotRequired[Fitted]


def config_of(saved: Settings) -> TrainConfig:
    """The settings as a `TrainConfig`. Raises InputError where they do not go together, or one is of
    another kind (a text in place of a number)."""
    known = {f.name: saved[f.name] for f in fields(TrainConfig) if f.name in saved}
    for f in fields(TrainConfig):
        kinds = (int, float) if isinstance(f.default, float) else (type(f.default),)
        if f.name in known and type(known[f.name]) not in kinds:
            raise InputError(
                f"{CONFIG}: {f.name} is {known[f.name]!r} and must be of type {kinds[-1].__name__}; {RESTORE}"
            )
    return TrainConfig(**known)


def read_config(folder: Path) -> SavedConfig:
    """config.json of a trained method's folder. Raises InputError if the file is not such a description."""
    return read_json(folder / CONFIG, SavedConfig)


def fitted_number(folder: Path, name: str) -> float:
    """A number that was fitted after the training. Raises InputError where config.json has none."""
    try:
        return read_config(folder)["fitted"][name]
    except KeyError as error:
        raise InputError(f"{folder / CONFIG} has no fitted {name}; {RESTORE}") from error


def read_weights(folder: Path, name: str = WEIGHTS) -> dict[str, Tensor]:
    """The tensors of a safetensors file in a trained method's folder, by name.

    Raises InputError where the file is missing or damaged, and for weights that are not finite.
    """
    path = folder / name
    with decoding(path):
        state = load_file(path)
    for key, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{path}: '{key}' holds weights that are not finite; {RESTORE}")
    return state
