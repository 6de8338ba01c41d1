"""Settings for measured features: quick and default."""

from bnn_core.networks.settings import TrainConfig
from bnn_core.recipes.rivals import with_rivals

_FEATURES = {
    "network": "mlp",
    "intensity": "as-is",
    "whiten": 1.0,
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
PRESETS = {name: with_rivals(preset) for name, preset in _PRESETS.items()}
