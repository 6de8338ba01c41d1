"""Settings of the other methods, from the settings of a preset's `standard` and `vi`."""

from collections.abc import Mapping
from dataclasses import replace

from bnn_core.base.methods import METHODS
from bnn_core.networks.settings import TrainConfig

#: Usual choices in the literature (five members: Lakshminarayanan et al. 2017), not tuned here.
DROPOUT = 0.1
MEMBERS = 5
#: Of the sampler: as many cycles as Zhang et al. (2020) have per 50 epochs, at least 3.
CYCLES = 3
SAMPLING_RATE, SAMPLING_TEMPERATURE = 0.1, 0.01


def with_rivals(
    preset: Mapping[str, TrainConfig], members: int = MEMBERS
) -> dict[str, TrainConfig]:
    """A preset with all methods.

    Other methods train like the standard network, VI with the other prior like VI. Methods that are
    fitted to the standard network (Laplace, temperature) have its settings.
    """
    standard, vi = preset["standard"], preset["vi"]
    special = {
        "vi": vi,
        "dropout": replace(standard, dropout=DROPOUT),
        "ensemble": replace(standard, members=members),
        "sgmcmc": replace(
            standard,
            optimizer="sghmc",
            schedule="cyclical",
            cycles=min(CYCLES, standard.epochs),
            learning_rate=SAMPLING_RATE,
            sampling_temperature=SAMPLING_TEMPERATURE,
            weight_decay=0.0,
            swa=0.0,
        ),
        "vi-gaussian": replace(vi, prior="gaussian", prior_sigma1=1.0),
        "vi-mixture": replace(vi, prior="mixture", prior_sigma1=1.0),
    }
    same = f"vi-{vi.prior}"  # `vi` itself has this prior
    return {key: special.get(key, standard) for key in METHODS if key != same}
