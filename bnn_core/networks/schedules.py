"""How the learning rate, Adam's momentum and the weight of the KL change over a training."""

import numpy as np

from bnn_core.networks.settings import TrainConfig

#: Where a one-cycle ends whose last weights are averaged, as a share of the maximum. Chosen on
#: drawn screens (tests/benchmarks/RESULTS.md).
AVERAGED_RATE = 0.3


def schedule(config: TrainConfig, first: int, last: int, total: int) -> np.ndarray:
    """(last - first, 3) of steps first .. last - 1 of `total`: learning rate, beta1, share of KL.

    one-cycle: up from 1/25 of the rate over the first 30 %, then down to nearly 0, in half cosines,
    and beta1 from 0.95 to 0.85 and back (Smith & Topin 2018; torch's OneCycleLR over total + 1).
    Where the last steps are averaged it comes down to AVERAGED_RATE times the rate before them and
    stays there. step: a tenth after the epoch `step_epoch`. cyclical: half a cosine from the rate
    to 0 in each cycle (Zhang et al. 2020, eq. 1). The share of the KL's weight rises evenly over
    the first `kl_warmup` of all steps, then it is 1.
    """
    step = np.arange(first, last, dtype=np.float64)
    full = np.full_like(step, config.learning_rate)
    momenta = np.full_like(step, 0.9)
    rise = config.kl_warmup * total
    shares = np.minimum((step + 1) / rise, 1.0) if rise else np.ones_like(step)
    if config.schedule == "one-cycle":
        full, momenta = _one_cycle(config, step, total)
    elif config.schedule == "step":
        full[step >= total // config.epochs * config.step_epoch] /= 10
    elif config.schedule == "cyclical":
        length = total / config.cycles
        full *= (1 + np.cos(np.pi * (step % length) / length)) / 2
    return np.stack([full, momenta, shares], axis=1)


def _one_cycle(config: TrainConfig, step: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Learning rates and beta1 of some steps."""
    rate = config.learning_rate
    lowest = AVERAGED_RATE * rate if config.swa else rate / 25e4
    end = (1 - config.swa) * total if config.swa else float(total)
    peak = min(0.3 * (total + 1) - 1, end)
    up = (1 - np.cos(np.pi * np.clip(step / max(peak, 1), 0, 1))) / 2
    down = (1 - np.cos(np.pi * np.clip((step - peak) / max(end - peak, 1), 0, 1))) / 2
    low = rate / 25
    rates = np.where(step <= peak, low + (rate - low) * up, rate + (lowest - rate) * down)
    # beta1 runs against the rate: 0.95 at its ends, 0.85 at the peak.
    depth = np.where(step <= peak, up, 1 - down * (rate - lowest) / (rate - rate / 25e4))
    return rates, 0.95 - 0.1 * depth
