"""Settings of the other methods, from the settings of a preset's `standard` and `vi`."""

from collections.abc import Mapping
from dataclasses import replace

from bnn_core.base.methods import METHODS
from bnn_core.networks.settings import TrainConfig


def with_rivals(
    preset: Mapping[str, TrainConfig], members: int | None = None
) -> dict[str, TrainConfig]:
    """A preset with all methods: the settings of `vi` or `standard`, changed as their records say.

    members: networks of the ensemble; None: those of its record. A sampler has at most one cycle per
    epoch. Of two names for `vi` with the same prior only `vi` is left.
    """
    configs = {}
    for key, method in METHODS.items():
        config = preset.get(method.module or key, preset["standard"])
        changes = dict(method.settings)
        if "cycles" in changes:
            changes["cycles"] = min(changes["cycles"], config.epochs)
        if "members" in changes and members:
            changes["members"] = members
        configs[key] = replace(config, **changes)
    del configs[f"vi-{preset['vi'].prior}"]
    return configs
