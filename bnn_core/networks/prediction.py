"""Prediction: T networks drawn once, each applied to all images (eq. 6), streamed to moments.

Whatever the posterior (mean-field, dropout, an ensemble), a prediction is a set of T plain networks
of one body, so one engine serves every method.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from bnn_core.measures.uncertainty import Moments, moments
from bnn_core.networks.layers import BayesLayer


@dataclass(frozen=True)
class Networks:
    """T networks of one plain body.

    weights: name -> tensor (T, *shape) on the body's device; T is `num_samples`.
    """

    body: nn.Module
    weights: dict[str, Tensor]

    @property
    def num_samples(self) -> int:
        return len(next(iter(self.weights.values())))

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return ({name: w[t] for name, w in self.weights.items()} for t in range(self.num_samples))

    def take(self, indices: np.ndarray) -> "Networks":
        """The networks of given numbers."""
        return Networks(
            self.body, {name: w[torch.as_tensor(indices)] for name, w in self.weights.items()}
        )


def draw_networks(network: nn.Module, plain: nn.Module, num_samples: int, seed: int) -> Networks:
    """Draw T networks from a Bayesian network's posterior.

    `plain` is the standard twin of `network` (same body, plain layers). The noise comes from a CPU
    generator, network by network, so that a seed means the same networks on every device and the
    first T of a longer draw are the same networks.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = {
        name: layer for name, layer in network.named_modules() if isinstance(layer, BayesLayer)
    }
    device = next(network.parameters()).device
    posteriors = {}
    for name, layer in layers.items():
        for part in ("weight", "bias"):
            mu = getattr(layer, f"{part}_mu")
            if mu is not None:
                sigma = F.softplus(getattr(layer, f"{part}_rho"))
                posteriors[f"{name}.{part}"] = (mu.detach(), sigma.detach())
    sizes = [mu.numel() for mu, _ in posteriors.values()]
    noise = torch.empty(num_samples, sum(sizes))
    for row in noise:
        torch.randn(len(row), generator=generator, out=row)
    weights = {
        name: mu + sigma * part.reshape(num_samples, *mu.shape).to(device)
        for (name, (mu, sigma)), part in zip(
            posteriors.items(), noise.split(sizes, dim=1), strict=True
        )
    }
    return Networks(_with_rest(network, plain), weights)


def posterior_mean(network: nn.Module, plain: nn.Module) -> Networks:
    """The one network at the posterior mean; of a standard network, itself."""
    return stack_networks([network], plain)


def stack_networks(members: list[nn.Module], plain: nn.Module) -> Networks:
    """Networks from trained members of one body (a deep ensemble; of one member, that network)."""
    states = [plain_state(member) for member in members]
    return Networks(
        plain.to(next(members[0].parameters()).device).eval(),
        {name: torch.stack([state[name] for state in states]) for name in states[0]},
    )


def plain_state(network: nn.Module) -> dict[str, Tensor]:
    """State of the plain twin at the posterior mean: *_mu without its suffix, *_rho left out."""
    return {
        name.removesuffix("_mu"): value.detach()
        for name, value in network.state_dict().items()
        if not name.endswith("_rho")
    }


def _with_rest(network: nn.Module, plain: nn.Module) -> nn.Module:
    """`plain` with everything of `network` that is not drawn (BatchNorm and its statistics)."""
    plain = plain.to(next(network.parameters()).device)
    plain.load_state_dict(plain_state(network))
    return plain.eval()


def predictive_samples(networks: Networks, images: Tensor) -> Tensor:
    """Softmax samples (T, N, C) of images (N, channels, H, W) already on the networks' device.

    Networks that differ in their last layer only share one pass through the body.
    """
    with torch.inference_mode():
        if set(networks.weights) == {"head.weight", "head.bias"}:
            features = networks.body.features(images)
            weight, bias = networks.weights["head.weight"], networks.weights["head.bias"]
            return (features @ weight.mT + bias[:, None]).softmax(dim=-1)
        return torch.stack(
            [
                functional_call(networks.body, weights, (images,)).softmax(dim=-1)
                for weights in networks
            ]
        )


def embed(
    networks: Networks,
    images: np.ndarray,
    prepare: Callable[[np.ndarray], Tensor],
    batch_size: int = 100,
    rows: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Last hidden layer of the first of the networks, batch by batch, (n, D) float32.

    rows: which images, in that order; None: all. Other arguments as `predict`.
    """
    body = networks.body
    device = next(body.parameters()).device
    body.load_state_dict(body.state_dict() | next(iter(networks)))
    rows = np.arange(len(images)) if rows is None else rows
    for start in range(0, len(rows), batch_size):
        with torch.inference_mode():
            batch = prepare(images[rows[start : start + batch_size]]).to(device)
            features = body.features(batch).float().cpu().numpy()
        yield features


def predict(
    networks: Networks,
    images: np.ndarray,
    prepare: Callable[[np.ndarray], Tensor],
    *,
    samples: np.ndarray | None = None,
    batch_size: int = 100,
    progress: Callable[[int], object] = lambda n: None,
) -> Moments:
    """Moments of T samples for N images, in memory bounded by the batch.

    `images` may be memory-mapped; `prepare` turns a batch of them into the network's input.
    `samples`, an array (N, T, C) of any float type, is filled where given. `progress` is called
    with the number of images done since the last call.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is at least 1, not {batch_size}")
    device = next(networks.body.parameters()).device
    classes = None
    parts = []
    for start in range(0, len(images), batch_size):
        batch = slice(start, min(start + batch_size, len(images)))
        p = predictive_samples(networks, prepare(images[batch]).to(device)).cpu().numpy()
        classes = p.shape[2]
        parts.append(moments(p))
        if samples is not None:
            samples[batch] = p.transpose(1, 0, 2)
        progress(batch.stop - batch.start)
    if not parts:
        return Moments(np.empty((0, classes or 0)), np.empty((0, classes or 0)), np.empty(0))
    return Moments.concatenate(parts)
