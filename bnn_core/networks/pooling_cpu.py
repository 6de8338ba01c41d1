"""Kernels of `pooling`, in a module of their own because importing numba takes a second."""

import numpy as np

from bnn_core.base.compiling import compiled

#: Winner of a window whose values are all 0 or less.
NOTHING = np.uint8(4)


@compiled()
def forward(x, y, winners):
    """x: (maps, H, W) float32. Fills y (maps, H / 2, W / 2) and which of four values it was."""
    for m in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                largest, winner = x[m, 2 * i, 2 * j], np.uint8(0)
                if x[m, 2 * i, 2 * j + 1] > largest:
                    largest, winner = x[m, 2 * i, 2 * j + 1], np.uint8(1)
                if x[m, 2 * i + 1, 2 * j] > largest:
                    largest, winner = x[m, 2 * i + 1, 2 * j], np.uint8(2)
                if x[m, 2 * i + 1, 2 * j + 1] > largest:
                    largest, winner = x[m, 2 * i + 1, 2 * j + 1], np.uint8(3)
                if largest <= 0:
                    largest, winner = np.float32(0), NOTHING
                y[m, i, j], winners[m, i, j] = largest, winner


@compiled()
def backward(grad, winners, by_x):
    """grad, winners: (maps, h, w). Fills by_x (maps, 2 h, 2 w)."""
    zero = np.float32(0)
    for m in range(grad.shape[0]):
        for i in range(grad.shape[1]):
            for j in range(grad.shape[2]):
                winner, g = winners[m, i, j], grad[m, i, j]
                by_x[m, 2 * i, 2 * j] = g if winner == 0 else zero
                by_x[m, 2 * i, 2 * j + 1] = g if winner == 1 else zero
                by_x[m, 2 * i + 1, 2 * j] = g if winner == 2 else zero
                by_x[m, 2 * i + 1, 2 * j + 1] = g if winner == 3 else zero
