"""Convolution by 5 x 5 with 2.5 times fewer products: Winograd's minimal filtering along rows.

Four neighbouring outputs of a row need 8 products per input channel and kernel row instead of 20:
y = A ((G w) * (B x)) with x eight neighbouring inputs and w five weights (Winograd 1980; Lavin &
Gray 2016, with the interpolation points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity). Rounding errors
grow to about four times those of the plain sum, 1.5e-7 of the inputs' size.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from bnn_core.networks.tiles_cpu import INDEX, Emitter, constant

#: Outputs of a strip's tile, weights of a row, and products.
TILE, TAPS, PRODUCTS = 4, 5, 8
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)


def _matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A (4, 8), G (8, 5), B (8, 8) of the docstring, by Cook and Toom's construction."""
    points, n = np.array(_POINTS), PRODUCTS
    away = points[:, None] - points + np.eye(n - 1)
    a = np.zeros((TILE, n))
    a[:, :-1], a[-1, -1] = points ** np.arange(TILE)[:, None], 1
    g = np.zeros((n, TAPS))
    g[:-1], g[-1, -1] = points[:, None] ** np.arange(TAPS) / away.prod(axis=1)[:, None], 1
    b = np.zeros((n, n))
    for i in range(n - 1):
        b[i, : n - 1] = np.poly(np.delete(points, i))[::-1]
    b[-1] = np.poly(points)[::-1]
    # Powers of two between G and B keep the products of one size and cost no rounding.
    size = 2.0 ** np.round(np.log2(np.abs(b).max(axis=1, keepdims=True)))
    return a, g * size, b / size


OUTPUT, WEIGHT, INPUT = _matrices()


def transform(matrix: np.ndarray, *, finish: bool = False):
    """A matrix product with vectors of images, as a function for numba.

    The function's arguments: input j is at x[start + j * stride], output i goes to
    out[to + i * apart]; both flat float32. finish: each output gets the bias weights[bias], ReLU,
    the factor weights[bias + step] and the shift weights[bias + 2 * step].
    """

    @intrinsic
    def run(typing, x, start, stride, out, to, apart, weights, bias, step):
        given = (x, start, stride, out, to, apart, weights, bias, step)

        def generate(context, builder, signature, args):
            emit = Emitter(context, builder, signature, args, arrays=(0, 3, 6))
            x, start, stride, out, to, apart, weights, bias, step = emit.args
            inputs = [
                emit.load(emit.at(x, start, builder.mul(stride, INDEX(j))))
                for j in range(matrix.shape[1])
            ]
            if finish:
                offset, factor, shift = (
                    emit.broadcast(emit.at(weights, bias, builder.mul(step, INDEX(k))))
                    for k in range(3)
                )
            for i, row in enumerate(matrix):
                total = offset if finish else constant(0)
                for value, entry in zip(inputs, row, strict=True):
                    if entry:
                        total = emit.multiply_add(value, constant(entry), total)
                if finish:
                    total = emit.multiply_add(emit.larger(total, constant(0)), factor, shift)
                emit.store(total, emit.at(out, to, builder.mul(apart, INDEX(i))))
            return context.get_dummy_value()

        return types.void(*given), generate

    return run
