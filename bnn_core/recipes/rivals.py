"""Settings of the rivals of mean-field VI, from those of a study's `standard` and `vi`."""

from collections.abc import Mapping
from dataclasses import replace

from bnn_core.networks.settings import TrainConfig

#: The usual choices of the literature (five members: Lakshminarayanan et al. 2017), not tuned here.
DROPOUT = 0.1
MEMBERS = 5


def with_rivals(
    preset: Mapping[str, TrainConfig], members: int = MEMBERS
) -> dict[str, TrainConfig]:
    """A preset with all methods.

    The rivals train as the standard network does, VI under the other prior as VI does. What is
    fitted to the standard network (Laplace, temperature) has its settings.
    """
    standard, vi = preset["standard"], preset["vi"]
    other = (
        {"vi-gaussian": replace(vi, prior="gaussian", prior_sigma1=1.0)}
        if vi.prior == "mixture"
        else {"vi-mixture": replace(vi, prior="mixture", prior_sigma1=1.0)}
    )
    return {
        "vi": vi,
        "standard": standard,
        "dropout": replace(standard, dropout=DROPOUT),
        "ensemble": replace(standard, members=members),
        "laplace": standard,
        "temperature": standard,
        **other,
    }
