"""Stochastic-gradient MCMC with a cyclical step (Zhang et al. 2020): networks that a sampler left."""

from pathlib import Path

from bnn_core.networks.building import plain_twin
from bnn_core.networks.method_parts import train_one, trained_mean
from bnn_core.networks.prediction import Networks
from bnn_core.networks.procedures import Procedure
from bnn_core.networks.saved import read_weights
from bnn_core.networks.training import SNAPSHOTS


def _draw_snapshots(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    """The last `num_samples` networks that a sampler left, all where it left fewer."""
    kept = read_weights(folder, SNAPSHOTS)
    return Networks(
        plain_twin(folder).to(device).eval(),
        {name: part[-num_samples:].to(device) for name, part in kept.items()},
    )


PROCEDURE = Procedure(train_one, _draw_snapshots, trained_mean)
