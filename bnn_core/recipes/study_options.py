"""The keywords that the recipes share which make a study from Python."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from bnn_core.base.errors import InputError
from bnn_core.base.wording import did_you_mean
from bnn_core.recipes.division import Division, RunOptions
from bnn_core.recipes.method_choice import (
    TRAIN_SETTINGS,
    MethodChoice,
    Presets,
    changes_of,
    choose_methods,
)
from bnn_core.recipes.workers import Cluster

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class StudyOptions:
    """How a study is trained, whatever its images are.

    methods, preset, num_samples, device: see `choose_methods`. folds, leave_out, deploy: see
    `Division`. jobs, force: see `RunOptions`; a script that asks for more than one job needs
    `if __name__ == "__main__":`. ray, ray_gpus: see `Cluster`. settings:
    setting of `TrainConfig` -> its value for all methods, or method -> value.
    """

    methods: Sequence[str] = ("vi", "standard")
    preset: str = "default"
    folds: int | str | None = None
    leave_out: str = "group"
    deploy: bool = False
    num_samples: int | str = 100
    jobs: int | None = 1
    ray: str | None = None
    ray_gpus: float = 0.0
    device: str = "auto"
    title: str | None = None
    force: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)

    def choice(self, presets: Presets) -> MethodChoice:
        """The methods and their settings; InputError as `choose_methods`."""
        return choose_methods(
            presets,
            methods=self.methods,
            preset=self.preset,
            changes=changes_of(self.settings),
            num_samples=self.num_samples,
            device=self.device,
        )

    @property
    def division(self) -> Division:
        """The folds; InputError as `Division`."""
        return Division(folds=self.folds, leave_out=self.leave_out, deploy=self.deploy)

    @property
    def running(self) -> RunOptions:
        """How the folds are run."""
        cluster = None if self.ray is None else Cluster(self.ray, self.ray_gpus)
        return RunOptions(jobs=self.jobs, cluster=cluster, force=self.force)


def with_options(**records: type) -> Callable[[Callable[..., _Made]], Callable[..., _Made]]:
    """Gives a function records (argument -> dataclass) of the keywords that it is called with.

    `help()` shows the fields as keywords. Those that are in no record are settings of `TrainConfig`
    and go to `options.settings`. InputError for any other name.
    """
    home = {f.name: (key, f) for key, record in records.items() for f in fields(record)}
    home.pop("settings")

    def decorate(function: Callable[..., _Made]) -> Callable[..., _Made]:
        parameters = inspect.signature(function).parameters.values()
        direct = [p for p in parameters if p.name not in records]

        @functools.wraps(function)
        def called(*args: Any, **keywords: Any) -> _Made:
            asked: dict[str, dict[str, Any]] = {key: {} for key in ("", "settings", *records)}
            for name, value in keywords.items():
                asked[_home(name, {p.name for p in direct}, home)][name] = value
            made = {key: record(**asked[key]) for key, record in records.items()}
            made["options"] = replace(made["options"], settings=asked["settings"])
            return function(*args, **asked[""], **made)

        shown = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=f.default)
            for name, (_, f) in home.items()
        ]
        settings = inspect.Parameter("settings", inspect.Parameter.VAR_KEYWORD)
        called.__signature__ = inspect.signature(function).replace(  # type: ignore[attr-defined]
            parameters=[*direct, *shown, settings]
        )
        return called

    return decorate


def _home(name: str, direct: set[str], home: Mapping[str, tuple]) -> str:
    """The record that a keyword belongs to, "" for the function, "settings" for `TrainConfig`."""
    if name in direct:
        return ""
    if name in home:
        return home[name][0]
    if name in TRAIN_SETTINGS:
        return "settings"
    known = [*direct, *home, *TRAIN_SETTINGS]
    raise InputError(
        f"no keyword '{name}'{did_you_mean(name, known)}; the settings of training are "
        f"{', '.join(TRAIN_SETTINGS)}"
    )
