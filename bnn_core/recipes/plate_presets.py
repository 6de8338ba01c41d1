"""Settings for images of cells: quick, default, and the paper's."""

from bnn_core.networks.settings import TrainConfig
from bnn_core.recipes.rivals import with_rivals

_CELLS = {
    "network": "mscnn",
    "intensity": "sqrt",
    "augmentation": "dihedral-gamma",
    "crop": 64,
    "validation": 0.0,
    "batch_size": 20,
    "precision": "auto",
}
_STANDARD = {**_CELLS, "bayesian": False, "optimizer": "adamw", "weight_decay": 1e-2}
# The means start from the fold's standard network; each step draws the weights once.
_BAYESIAN = {
    **_CELLS,
    "estimator": "weights",
    "prior": "gaussian",
    "prior_sigma1": 0.1,
    "kl_weight": 0.01,
    "rho_init": -4.0,
    "start": "standard",
}

# Table 1 of Deodato et al. (2020) for BBBC021, which does not give the numbers of the prior.
_PAPER = {
    "network": "mscnn",
    "epochs": 80,
    "batch_size": 20,
    "learning_rate": 1e-2,
    "schedule": "step",
    "step_epoch": 60,
    "validation": 0.0,
}

_PRESETS = {
    "quick": {
        "standard": TrainConfig(**_STANDARD, epochs=12),
        "vi": TrainConfig(**_BAYESIAN, epochs=6),
    },
    "default": {
        "standard": TrainConfig(**_STANDARD, epochs=25),
        "vi": TrainConfig(**_BAYESIAN, epochs=20),
    },
    "paper": {
        "standard": TrainConfig(**_PAPER, bayesian=False),
        "vi": TrainConfig(**_PAPER),
    },
}
PLATE_PRESETS = {name: with_rivals(preset) for name, preset in _PRESETS.items()}
