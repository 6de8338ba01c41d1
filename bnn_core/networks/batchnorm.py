"""BatchNorm statistics of a Bayesian network, gathered under drawn weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def settle_batchnorm(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace BatchNorm's running statistics by their plain mean over `batches`, in place.

    Each batch (B, C, H, W) passes once in training mode, so that in a Bayesian network each sees
    weights (or activations) drawn again: the statistics are those of the posterior, which prediction
    with drawn weights needs. The decaying average that training leaves behind rests on its last
    ten or so draws, too few where sigma is as large as the weights. No other parameter changes; a
    network without BatchNorm stays as it is. Use training images only.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    before, momenta = network.training, [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a cumulative mean
    network.train()
    with torch.no_grad():
        for batch in batches:
            network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(before)
