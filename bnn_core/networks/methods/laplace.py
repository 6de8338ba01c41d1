"""Laplace approximation of the last layer (MacKay 1992; Daxberger et al. 2021).

A Gaussian around the trained network's last layer: its precision is the curvature of the training
loss there plus that of a Gaussian prior, whose precision is the one of greatest marginal likelihood
on the training images. All other weights stay numbers, so an image passes the body once.

Shapes: C classes, D = features + 1 (the last feature is 1, its weight the bias), P = C * D.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from scipy.optimize import brentq
from torch import Tensor, nn

from bnn_core.base.errors import decoding
from bnn_core.base.files import write_bytes
from bnn_core.networks.building import demand_same_config, network_input
from bnn_core.networks.method_parts import standard_mean, standard_network, write_fitted
from bnn_core.networks.prediction import Networks
from bnn_core.networks.procedures import Procedure, ProgressBar
from bnn_core.networks.saved import WEIGHTS, fitted_number, read_weights
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet, split_validation

#: Up to this many weights the curvature is kept whole, beyond as a Kronecker product.
WHOLE = 2000


@dataclass(frozen=True)
class LastLayer:
    """A Gaussian over a last layer, in the eigenbasis of the loss's curvature.

    mean: (C, D). values: (C, D) eigenvalues. left, right: the basis; of the whole curvature, right
    is (P, P) with eigenvectors as columns and left is empty; of a Kronecker product they are (C, C)
    and (D, D). prior_precision: of the prior N(0, 1 / prior_precision) on every weight.
    """

    mean: Tensor
    values: Tensor
    left: Tensor
    right: Tensor
    prior_precision: float

    @property
    def effective_weights(self) -> float:
        """How many of the P weights the data determine, MacKay's gamma."""
        return float((self.values / (self.values + self.prior_precision)).sum())

    def draw(self, num_samples: int, seed: int) -> Tensor:
        """T last layers (T, C, D); the first T of a longer draw are the same."""
        generator = torch.Generator().manual_seed(seed)
        z = torch.stack(
            [torch.randn(self.mean.shape, generator=generator) for _ in range(num_samples)]
        )
        z = z / (self.values + self.prior_precision).sqrt()
        if self.left.numel():
            return self.mean + self.left @ z @ self.right.T
        return self.mean + (z.flatten(1) @ self.right.T).reshape(z.shape)


def fit_last_layer(
    mean: Tensor, batches: Iterable[tuple[Tensor, Tensor]], whole: int = WHOLE
) -> LastLayer:
    """The Gaussian around `mean` (C, D) from batches of features (B, D) and weights (B,) of images.

    The curvature is sum_n w_n (diag(p_n) - p_n p_n') x (f_n f_n'), which for cross-entropy is the
    Hessian itself. With more than `whole` weights it is replaced by the Kronecker product of
    sum_n w_n (diag(p_n) - p_n p_n') and the mean of f_n f_n', exact where all p_n are equal.
    """
    mean = mean.double().cpu()
    classes, width = mean.shape
    keep_whole = mean.numel() <= whole
    total = torch.zeros(classes, width, classes, width) if keep_whole else torch.empty(0)
    total, of_classes = total.double(), torch.zeros(classes, classes, dtype=torch.float64)
    of_features, mass = torch.zeros(width, width, dtype=torch.float64), 0.0
    for features, weights in batches:
        f, w = features.double().cpu(), weights.double().cpu()
        p = (f @ mean.T).softmax(dim=1)
        spread = w[:, None, None] * (torch.diag_embed(p) - p[:, :, None] * p[:, None, :])
        if keep_whole:
            for c in range(classes):
                for d in range(c + 1):
                    block = (f * spread[:, c, d, None]).T @ f
                    total[c, :, d] += block
                    if c != d:
                        total[d, :, c] += block
        else:
            of_classes += spread.sum(dim=0)
            of_features += (f * w[:, None]).T @ f
            mass += float(w.sum())
    if keep_whole:
        values, right = torch.linalg.eigh(total.reshape(mean.numel(), mean.numel()))
        values, left = values.reshape(mean.shape), torch.empty(0)
    else:
        of_left, left = torch.linalg.eigh(of_classes)
        of_right, right = torch.linalg.eigh(of_features / mass)
        values = of_left[:, None] * of_right
    values = values.clamp_min(0)  # rounding, and the shift of all logits that changes nothing
    precision = best_prior_precision(values.numpy(), mean.numpy())
    return LastLayer(mean.float(), values.float(), left.float(), right.float(), precision)


def best_prior_precision(values: np.ndarray, mean: np.ndarray) -> float:
    """The prior precision d of greatest marginal likelihood, given the curvature's eigenvalues.

    log evidence(d) = const - d |mean|^2 / 2 - sum log(1 + values / d) / 2; where its slope is 0,
    d |mean|^2 = sum values / (values + d). The left side grows with d and the right side falls, so
    there is one root. MacKay (1992), eq. 27.
    """
    squared = float(np.sum(np.square(mean)))
    if not squared or not np.any(values > 0):
        return 1.0  # the data do not determine the weights: the unit prior

    def slope(log_d: float) -> float:
        d = np.exp(log_d)
        return d * squared - float(np.sum(values / (values + d)))

    upper = np.log(np.size(values) / squared) + 1e-9
    lower = upper - 200.0
    return float(np.exp(brentq(slope, lower, upper) if slope(lower) < 0 else lower))


def with_bias(features: Tensor) -> Tensor:
    """Features (B, D - 1) with a last column of ones."""
    return torch.cat([features, features.new_ones(len(features), 1)], dim=1)


def last_layer(network: nn.Module) -> Tensor:
    """Weights and bias of a network's `head` side by side, (C, D)."""
    return torch.cat([network.head.weight, network.head.bias[:, None]], dim=1).detach()


def draw_last_layers(
    network: nn.Module, gaussian: LastLayer, num_samples: int, seed: int
) -> Networks:
    """T networks that differ in their last layer only."""
    drawn = gaussian.draw(num_samples, seed).to(next(network.parameters()).device)
    return Networks(network.eval(), {"head.weight": drawn[..., :-1], "head.bias": drawn[..., -1]})


def _train(
    folder: Path, config: TrainConfig, data: TrainingSet, device: str, bar: ProgressBar
) -> None:
    if (folder / WEIGHTS).is_file():
        demand_same_config(folder, config)
        return
    network = standard_network(folder, device)
    rows, _ = split_validation(data, config.validation, config.seed)
    weights = np.ones(data.num_classes) if data.class_weights is None else data.class_weights

    def batches():
        with bar(total=len(rows), unit="image") as shown:
            for part in np.split(rows, range(config.batch_size, len(rows), config.batch_size)):
                x = network_input(data.images[part], config.intensity).to(device)
                with torch.no_grad():
                    features = with_bias(network.features(x))
                yield features, torch.as_tensor(weights[data.targets[part]])
                shown.update(len(part))

    posterior = fit_last_layer(last_layer(network), batches())
    write_fitted(
        folder,
        prior_precision=posterior.prior_precision,
        effective_weights=posterior.effective_weights,
    )
    tensors = {name: getattr(posterior, name) for name in ("mean", "values", "left", "right")}
    write_bytes(folder / WEIGHTS, save({k: v.contiguous() for k, v in tensors.items()}))


def _draw(folder: Path, num_samples: int, seed: int, device: str) -> Networks:
    precision = fitted_number(folder, "prior_precision")
    state = read_weights(folder)
    standard = standard_network(folder, device)
    with decoding(folder / WEIGHTS):  # tensors that do not go together
        gaussian = LastLayer(**state, prior_precision=precision)
        return draw_last_layers(standard, gaussian, num_samples, seed)


PROCEDURE = Procedure(_train, _draw, standard_mean)
