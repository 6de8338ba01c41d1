"""A multilayer perceptron for rows of measured numbers, with their scaling as a part of it.

The scaling is fitted to the rows that the network is trained on and kept among its weights, so every
fold has its own and rows that are predicted later go through the same numbers.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import eigh
from torch import Tensor, nn

#: Scaled features are cut off here, in standard deviations: one cell of 1e6 is no signal.
LARGEST = 10.0
#: Directions with a spread of their own in whitening; the others share one.
WHITENING_COMPONENTS = 256
#: Numbers that are looked at at a time while the scaling is fitted.
_AT_A_TIME = 20_000_000


class Linear(Protocol):
    """Makes a layer of the body's kind."""

    def __call__(self, inputs: int, outputs: int) -> nn.Module: ...


class FeatureScaling(nn.Module):
    """Fills missing features with their median, gives each mean 0 and variance 1, and whitens them.

    Input (B, F) with nan where a feature is missing, output (B, F). Everything is fitted by `fit`.
    whiten: 0 leaves features as they are after scaling. Above 0 they are divided by their spread
    within classes, in every direction: the covariance S within classes becomes that of probabilistic
    PCA (WHITENING_COMPONENTS directions and one variance for the rest), `whiten` times its mean variance is
    added to all directions, and the features are multiplied by the inverse square root. That is
    the metric of a shrunken linear discriminant analysis. unit: afterwards each row gets the length
    of the square root of F, so that only its direction counts, as with the cosine.
    """

    fill: Tensor
    centre: Tensor
    factor: Tensor
    axes: Tensor
    gains: Tensor
    gain: Tensor

    def __init__(self, features: int, whiten: float = 0.0, unit: bool = False):
        super().__init__()
        self.whiten, self.unit = whiten, unit
        directions = min(features, WHITENING_COMPONENTS) if whiten else 0
        self.register_buffer("fill", torch.zeros(features))
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("factor", torch.ones(features))
        self.register_buffer("axes", torch.zeros(features, directions))
        self.register_buffer("gains", torch.zeros(directions))
        self.register_buffer("gain", torch.ones(()))

    def fit(self, values: np.ndarray, rows: np.ndarray, targets: np.ndarray) -> None:
        """To the rows `rows` of values (N, F), which may be memory-mapped, with class numbers
        `targets` (N,).

        A feature without a value in any of these rows becomes 0, and so does one that is constant in
        them.
        """
        columns = max(1, _AT_A_TIME // max(len(rows), 1))
        for first in range(0, values.shape[1], columns):
            part = slice(first, first + columns)
            for buffer, numbers in zip(
                (self.fill, self.centre, self.factor), _middles(values[:, part][rows]), strict=True
            ):
                buffer[part] = torch.from_numpy(numbers).to(buffer)
        if self.whiten:
            self._fit_whitening(values, rows, targets)

    def _fit_whitening(self, values: np.ndarray, rows: np.ndarray, targets: np.ndarray) -> None:
        size = values.shape[1]
        total, sums = np.zeros((size, size)), np.zeros((targets.max() + 1, size))
        step = max(1, _AT_A_TIME // size)
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            x = self._scaled(torch.from_numpy(values[part]).to(self.fill)).cpu().double().numpy()
            total += x.T @ x
            np.add.at(sums, targets[part], x)
        counts = np.bincount(targets[rows], minlength=len(sums))
        within = (total - sums.T @ (sums / np.maximum(counts, 1)[:, None])) / len(rows)
        count = self.axes.shape[1]
        variances, axes = eigh(within, subset_by_index=[size - count, size - 1])
        mean = np.trace(within) / size
        if mean <= 0:
            return
        rest = max(np.trace(within) - variances.sum(), 0) / max(size - count, 1)
        gain = (rest + self.whiten * mean) ** -0.5
        gains = (np.maximum(variances, 0) + self.whiten * mean) ** -0.5 - gain
        # Afterwards the features have the mean square 1 again.
        along = np.einsum("fk,fk->k", axes, total @ axes)
        square = gain**2 * np.trace(total) + ((2 * gain + gains) * gains * along).sum()
        unit = (square / len(rows) / size) ** -0.5
        for buffer, numbers in (
            (self.axes, axes),
            (self.gains, gains * unit),
            (self.gain, np.array(gain * unit)),
        ):
            buffer.copy_(torch.from_numpy(numbers))

    def _scaled(self, x: Tensor) -> Tensor:
        x = torch.where(x.isnan(), self.fill, x)
        return ((x - self.centre) * self.factor).clamp(-LARGEST, LARGEST)

    def forward(self, x: Tensor) -> Tensor:
        x = self._scaled(x)
        if self.whiten:
            x = x * self.gain + (x @ self.axes * self.gains) @ self.axes.T
        return F.normalize(x) * x.shape[1] ** 0.5 if self.unit else x


class MLP(nn.Module):
    """One hidden layer of ReLUs over scaled features.

    Input (B, 1, 1, F), nan where a feature is missing; output logits (B, classes).
    """

    def __init__(
        self,
        linear: Linear,
        features: int,
        num_classes: int,
        hidden: int,
        whiten: float = 0.0,
        row_scale: str = "kept",
    ):
        super().__init__()
        self.scaling = FeatureScaling(features, whiten, row_scale == "unit")
        self.hidden = linear(features, hidden)
        self.head = linear(hidden, num_classes)

    def fit_scaling(self, images: np.ndarray, rows: np.ndarray, targets: np.ndarray) -> None:
        """Fit the scaling to rows of features (N, 1, 1, F) with class numbers (N,)."""
        self.scaling.fit(images.reshape(len(images), -1), rows, targets)

    def features(self, x: Tensor, see: Callable[[Tensor], None] | None = None) -> Tensor:
        """Hidden layer (B, hidden). see: gets nothing, there are no maps."""
        return F.relu(self.hidden(self.scaling(x.flatten(1))))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def _middles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(F,) median, mean and inverse standard deviation of values (N, F), gaps filled by the median."""
    x = values.astype(np.float64)
    missing = np.isnan(x)
    known = ~missing.all(axis=0)
    fill = np.zeros(x.shape[1])
    fill[known] = np.nanmedian(x[:, known], axis=0)
    x = np.where(missing, fill, x)
    spread = x.std(axis=0)
    # Rounding leaves a constant of 1e6 with a spread of 1e-10.
    varies = spread > 1e-7 * np.abs(x).max(axis=0)
    factor = np.divide(1, spread, out=np.zeros_like(spread), where=varies)
    return fill, x.mean(axis=0), factor
