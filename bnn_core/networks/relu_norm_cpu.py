"""Kernels of `relu_norm`, in a module of their own because importing numba takes a second.

Arrays are flat, float32 or the bits of bfloat16, and the channel changes fastest. Rows of ROW
numbers, a multiple of the channels, are worked on at once: sums of a channel are gathered in several
columns and added up at the end.
"""

import numpy as np
from numba import njit, types
from numba.extending import overload

from bnn_core.base.compiling import compiled

ROW = 512


def _read(number):
    """A number of an array as float32."""


def _as_type_of(value, like):
    """float32 as `like`, a number of an array, is stored."""


@overload(_read)
def _read_number(number):
    if number == types.float32:
        return lambda number: number
    return lambda number: np.uint32(np.uint32(number) << np.uint32(16)).view(np.float32)


@overload(_as_type_of)
def _as_stored(value, like):
    if like == types.float32:
        return lambda value, like: value

    def to_nearest_even(value, like):
        bits = np.float32(value).view(np.uint32)
        odd = np.uint32(bits >> np.uint32(16)) & np.uint32(1)
        return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + odd) >> np.uint32(16))

    return to_nearest_even


@njit
def _relu(number):
    value = _read(number)
    return np.float32(0) if value <= np.float32(0) else value  # what is no number stays so


@njit
def _folded(columns, channels):
    """(C,) float64 sums of the columns of each channel."""
    sums = np.zeros(channels)
    for i in range(ROW):
        sums[i % channels] += columns[i]
    return sums


@njit
def _spread(values):
    """(ROW,) float32: the values of the channels, again and again."""
    row = np.empty(ROW, np.float32)
    for i in range(ROW):
        row[i] = values[i % len(values)]
    return row


@njit
def _moments(x, channels):
    """Mean and variance (C,) float64 of the ReLU of x."""
    count = len(x) // channels
    columns = np.zeros(ROW, np.float32)
    for start in range(0, len(x), ROW):
        part = x[start : start + ROW]
        for i in range(len(part)):
            columns[i] += _relu(part[i])
    mean = _folded(columns, channels) / count
    means = _spread(mean)
    columns[:] = 0
    for start in range(0, len(x), ROW):
        part = x[start : start + ROW]
        for i in range(len(part)):
            away = _relu(part[i]) - means[i]
            columns[i] += away * away
    return mean, _folded(columns, channels) / count


@compiled()
def relu_norm_forward(x, weight, bias, running_mean, running_var, momentum, eps, out):
    """Fills out with the normalised ReLU of x and moves the running statistics; all others (C,).

    Returns mean and 1 / standard deviation (C,) float64 for `relu_norm_backward`.
    """
    channels, count = len(weight), len(x) // len(weight)
    mean, variance = _moments(x, channels)
    inverse = 1 / np.sqrt(variance + eps)
    scale = weight * inverse
    scales, shifts = _spread(scale), _spread(bias - scale * mean)
    for start in range(0, len(x), ROW):
        part, to = x[start : start + ROW], out[start : start + ROW]
        for i in range(len(part)):
            to[i] = _as_type_of(scales[i] * _relu(part[i]) + shifts[i], to[i])
    for c in range(channels):
        unbiased = variance[c] * count / max(count - 1, 1)
        running_mean[c] += momentum * (mean[c] - running_mean[c])
        running_var[c] += momentum * (unbiased - running_var[c])
    return mean, inverse


@compiled()
def relu_norm_backward(gradient, x, mean, inverse, weight, by_x):
    """Fills by_x; returns the gradients by weight and bias, (C,) float32.

    mean, inverse: (C,) of the forward pass, inverse of the standard deviation.
    """
    channels, count = len(mean), len(x) // len(mean)
    means = _spread(mean)
    sums, products = np.zeros(ROW, np.float32), np.zeros(ROW, np.float32)
    for start in range(0, len(x), ROW):
        part, given = x[start : start + ROW], gradient[start : start + ROW]
        for i in range(len(part)):
            slope = _read(given[i])
            sums[i] += slope
            products[i] += slope * (_relu(part[i]) - means[i])
    by_bias, by_weight = _folded(sums, channels), _folded(products, channels) * inverse
    # by_x = weight / deviation * (gradient - mean gradient - normalised * mean product), where x > 0
    factor = weight * inverse
    factors, less = _spread(factor), _spread(-factor * by_bias / count)
    bends = _spread(-factor * by_weight / count * inverse)
    for start in range(0, len(x), ROW):
        part, given = x[start : start + ROW], gradient[start : start + ROW]
        to = by_x[start : start + ROW]
        for i in range(len(part)):
            value = _read(part[i])
            slope = factors[i] * _read(given[i]) + less[i] + bends[i] * (value - means[i])
            to[i] = _as_type_of(np.float32(0) if value <= np.float32(0) else slope, to[i])
    return by_weight.astype(np.float32), by_bias.astype(np.float32)
