"""Settings for measured features: quick and default.

How they were chosen, and what else was tried: tests/benchmarks/RESULTS.md.
"""

from dataclasses import replace

import numpy as np

from bnn_core.networks.settings import TrainConfig
from bnn_core.recipes.method_choice import MethodChoice
from bnn_core.recipes.rivals import with_rivals

_FEATURES = {
    "network": "mlp",
    "intensity": "as-is",
    "whiten": 0.1,
    "row_scale": "unit",
    "batch_size": 32,
    "learning_rate": 5e-3,
    "validation": 0.0,
}
_STANDARD = {**_FEATURES, "bayesian": False, "optimizer": "adamw", "weight_decay": 1.0}
_BAYESIAN = {
    **_FEATURES,
    "prior": "gaussian",
    "prior_sigma1": 0.1,
    "kl_weight": 0.1,
    "rho_init": -4.0,
    "start": "standard",
}
_PRESETS = {
    "quick": {
        "standard": TrainConfig(**_STANDARD, epochs=10),
        "vi": TrainConfig(**_BAYESIAN, epochs=10),
    },
    "default": {
        "standard": TrainConfig(**_STANDARD, epochs=20),
        "vi": TrainConfig(**_BAYESIAN, epochs=20),
    },
}
FEATURE_PRESETS = {name: with_rivals(preset) for name, preset in _PRESETS.items()}


def suited(choice: MethodChoice, rows: int) -> MethodChoice:
    """The choice with batches for so many labelled rows: about ten steps an epoch, 8 to 512 rows.

    A batch size that is not the preset's stays as it is.
    """
    size = int(np.clip(2 ** int(np.log2(max(rows, 8) / 8)), 8, 512))
    preset = FEATURE_PRESETS[choice.preset]
    return replace(
        choice,
        configs={
            method: replace(config, batch_size=size)
            if config.batch_size == preset[method].batch_size
            else config
            for method, config in choice.configs.items()
        },
    )
