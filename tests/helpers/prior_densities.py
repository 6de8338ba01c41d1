"""The densities of the priors over weights, written out with torch's distributions."""

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, Normal

from bnn_core.networks.priors import GaussianPrior, Prior


def log_density(prior: Prior, w: Tensor) -> Tensor:
    """The log density of each weight."""
    return _distribution(prior, w.dtype).log_prob(w)


def _distribution(prior: Prior, dtype: torch.dtype) -> Distribution:
    if isinstance(prior, GaussianPrior):
        return Normal(torch.zeros((), dtype=dtype), prior.sigma)
    shares = torch.tensor([prior.pi, 1 - prior.pi], dtype=dtype)
    sigmas = torch.tensor([prior.sigma1, prior.sigma2], dtype=dtype)
    return MixtureSameFamily(Categorical(shares), Normal(torch.zeros_like(sigmas), sigmas))
