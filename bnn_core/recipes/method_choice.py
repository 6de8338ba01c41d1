"""Which methods a study trains and with which settings: a preset, and changes to it."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json
from bnn_core.base.methods import METHODS
from bnn_core.base.wording import did_you_mean
from bnn_core.networks.adaptive import AUTO
from bnn_core.networks.device import usable_device
from bnn_core.networks.precision import usable_precision
from bnn_core.networks.procedures import training_order
from bnn_core.networks.saved import Settings
from bnn_core.networks.settings import TrainConfig
from bnn_core.study.working_folder import begun_settings

#: Name of a preset -> method -> its settings.
Presets = Mapping[str, Mapping[str, TrainConfig]]
#: Name -> field of the settings that a method can be trained with.
TRAIN_SETTINGS = {f.name: f for f in fields(TrainConfig) if f.name != "bayesian"}
_TYPES = {"int": int, "float": float, "str": str}


class _Begun(TypedDict):
    """settings.json of an unfinished study."""

    configs: NotRequired[dict[str, Settings]]


class Change(NamedTuple):
    """A setting of `TrainConfig` that differs from the preset's, for one method or for all."""

    setting: str
    value: object
    method: str | None = None

    @property
    def flag(self) -> str:
        """The change as a flag of the command, for messages."""
        method = f"{self.method}=" if self.method else ""
        return f"--{self.setting.replace('_', '-')} {method}{self.value}"


@dataclass(frozen=True)
class MethodChoice:
    """The methods of a study, what they are trained with, and how many networks are drawn.

    configs: method -> settings. preset: the name of the preset that they began from; preset_crops:
    its crops, by method. num_samples: networks drawn per image, or "auto". sample_seed: seed of the draws.
    """

    configs: Mapping[str, TrainConfig]
    preset: str = "default"
    preset_crops: Mapping[str, int] = field(default_factory=dict)
    num_samples: int | str = 100
    sample_seed: int = 0
    device: str = "cpu"


def choose_methods(
    presets: Presets,
    *,
    methods: Sequence[str] = ("vi", "standard"),
    preset: str = "default",
    changes: Iterable[Change] = (),
    num_samples: int | str = 100,
    sample_seed: int = 0,
    device: str = "auto",
) -> MethodChoice:
    """The preset's settings of these methods with the changes applied.

    Raises InputError for an unknown method, preset or setting, a value of the wrong kind, a setting
    that the method does not have, a method that needs another one, and a device that is not there.
    """
    if preset not in presets:
        raise InputError(
            f"--preset {preset} is unknown{did_you_mean(preset, presets)}; choose one of "
            f"{', '.join(presets)}"
        )
    if num_samples == AUTO and preset == "paper":
        raise InputError(
            "--num-samples auto does not go with --preset paper, which draws 100 networks for every "
            "image; leave one of them out"
        )
    if num_samples != AUTO and (not isinstance(num_samples, int) or num_samples < 1):
        raise InputError(
            f"--num-samples {num_samples}: give a whole number of at least 1, or {AUTO}"
        )
    known = presets[preset]
    _demand_known(methods, known)
    names = list(dict.fromkeys(methods))
    changed: dict[str, dict[str, object]] = {method: {} for method in names}
    for change in changes:
        value = _typed(change)
        for method in _changed_methods(change, names):
            changed[method][change.setting] = value
    configs = {method: replace(known[method], **changed[method]) for method in names}
    # What is fitted to the standard network has the standard network's settings.
    configs = {
        method: configs.get("standard", config) if METHODS[method].needs_standard else config
        for method, config in configs.items()
    }
    training_order(configs)  # refuses what cannot be trained, before any image is read
    crops = {method: known[method].crop for method in names}
    device = usable_device(device)
    return MethodChoice(configs, preset, crops, num_samples, sample_seed, device)


def with_precision(choice: MethodChoice, out: Path, restart: bool = False) -> MethodChoice:
    """The choice with each "auto" of --precision decided, so that it is recorded and all folds agree.

    An unfinished study at `out` continues as it began, even on another kind of processor; then one
    line on stderr says so.
    """
    begun = begun_settings(out)
    before = read_json(begun, _Begun).get("configs", {}) if begun.is_file() and not restart else {}
    configs = {}
    for method, config in choice.configs.items():
        precision = usable = usable_precision(config.precision, choice.device)
        if config.precision == "auto":
            precision = before.get(method, {}).get("precision", usable)
        if precision != usable:
            _tell_precision(begun.parent, precision)
        configs[method] = replace(config, precision=precision)
    return replace(choice, configs=configs)


@cache
def _tell_precision(making: Path, precision: str) -> None:
    if precision == "bfloat16":
        how = ", which this machine does not have: what is left is trained in float32"
    else:
        how = " and continues in it; --restart trains from the beginning in bfloat16"
    print(f"{making} was started in {precision}{how}", file=sys.stderr)


def changes_of(settings: Mapping[str, object]) -> list[Change]:
    """Changes from Python arguments: `epochs=10` for all methods, `epochs={"vi": 20}` for one."""
    return [
        Change(setting, one, method)
        for setting, value in settings.items()
        for method, one in (value if isinstance(value, Mapping) else {None: value}).items()
    ]


def _demand_known(methods: Sequence[str], known: Mapping[str, TrainConfig]) -> None:
    if isinstance(methods, str) or not methods:
        raise InputError(
            f"--methods '{methods or ''}' names no list of methods; choose from {', '.join(known)}"
        )
    for name in methods:
        if name not in known:
            raise InputError(
                f"--methods {','.join(methods)}: no method '{name}'{did_you_mean(name, known)}; "
                f"choose from {', '.join(known)}"
            )


def _typed(change: Change) -> int | float | str:
    """The value in the type of its setting, from text too."""
    if change.setting not in TRAIN_SETTINGS:
        raise InputError(
            f"no training setting '{change.setting}'{did_you_mean(change.setting, TRAIN_SETTINGS)}; there "
            f"are {', '.join(TRAIN_SETTINGS)}"
        )
    kind = _TYPES[TRAIN_SETTINGS[change.setting].type.__name__]
    try:
        value = kind(change.value)
        if kind is int and value != float(change.value):
            raise ValueError
    except (TypeError, ValueError):
        words = {int: "a whole number", float: "a number", str: "a text"}[kind]
        raise InputError(
            f"--{change.setting.replace('_', '-')} {change.value!r} is not {words}"
        ) from None
    return value


def _changed_methods(change: Change, methods: list[str]) -> list[str]:
    """The methods whose setting a change is about."""
    only = TRAIN_SETTINGS[change.setting].metadata["only"]
    having = [m for m in methods if not METHODS[m].needs_standard and only in (None, m)]
    if change.method is None:
        if not having:
            raise InputError(f"{change.flag} is a setting of {only} alone; add {only} to --methods")
        return having
    if change.method in having:
        return [change.method]
    if change.method not in methods:
        raise InputError(
            f"{change.flag}: no method '{change.method}'; choose one of {', '.join(methods)}"
        )
    if METHODS[change.method].needs_standard:
        flag = change._replace(method="standard").flag
        raise InputError(
            f"{change.flag}: {change.method} is fitted to the standard network without training; "
            f"give {flag}"
        )
    raise InputError(f"{change.flag} is a setting of {only} alone")
