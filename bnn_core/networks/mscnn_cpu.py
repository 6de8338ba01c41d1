"""All T multi-scale networks on a CPU, the 5 x 5 convolutions by Winograd's minimal filtering.

What all networks share is made once per block of images: the pooled inputs of the pathways. A map
is worked on in strips of sixteen columns from top to bottom: each row of the input is transformed
once and used by the five rows of outputs around it; bias, ReLU and BatchNorm are applied while an
output is in registers.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor

from bnn_core.base.compiling import compiled
from bnn_core.networks.mscnn import MultiScaleCNN, pool
from bnn_core.networks.tiles_cpu import LANES, OUTPUTS, VECTORS, tile
from bnn_core.networks.winograd_cpu import (
    INPUT,
    OUTPUT,
    PRODUCTS,
    TAPS,
    TILE,
    WEIGHT,
    transform,
)

#: Maps of a block of images may take so many bytes; larger images are left to torch.
MOST_BYTES = 1 << 28
#: Columns of a strip, and what is read beside it.
STRIP, BORDER = TILE * VECTORS, TAPS - 1

_transform_input, _finish = transform(INPUT), transform(OUTPUT, finish=True)
_multiply = tile(OUTPUTS, biased=False)
_mix, _head = tile(OUTPUTS, relu=True), tile(OUTPUTS)


class PackedMultiScaleCNN(NamedTuple):
    """T networks as the kernel reads them.

    weights: (T, P) float32: per layer the groups of outputs, of each the products (5 x 5
    convolutions), in each input by input, then biases, BatchNorm's factors and shifts; outputs that
    fill a group are 0. begins: (layers, 2) where a layer's weights and its biases begin. outputs:
    (layers,) with those that fill a group. Layers: three of each pathway, then mix and head.
    """

    weights: np.ndarray
    begins: np.ndarray
    outputs: np.ndarray


def mscnn_sampler(
    body: MultiScaleCNN, weights: dict[str, Tensor], otherwise: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """Logits (T, n, C) of T networks as a function of images (n, channels, rows, columns).

    weights: name -> (T, *shape), of all parameters and of BatchNorm's statistics. `otherwise`
    computes the same of images for which the kernel does not pay: large ones, or only a few for several
    networks. (It rounds otherwise, which shows in the softmax of one network, not in their mean.)
    """
    packed = _pack(body, weights)
    classes = weights["head.bias"].shape[1]
    widths = np.array([len(pathway[0].weight) for pathway in body.pathways])

    def logits(images: Tensor) -> Tensor:
        rows, columns = images.shape[2:]
        size = 2 * 16 * (rows + 4) * (columns + 4) * LANES * 4
        if size > MOST_BYTES or (2 * len(images) < LANES and len(packed.weights) > 1):
            return otherwise(images)
        inputs = [images.float()]
        while len(inputs) < len(widths):
            inputs.append(pool(inputs[-1], 2))
        sizes = np.array([x.shape[2:] for x in inputs])
        grid = np.array(body.grid(images.shape[2:]))
        blocks = [_lanes(x) for x in inputs]
        x_begins = np.cumsum([0, *(block.shape[1] for block in blocks)])
        x = torch.cat(blocks, dim=1).numpy()
        result = np.empty((len(packed.weights), len(x) * LANES, classes), np.float32)

        def run(block: int) -> None:
            _forward(
                x[block], x_begins, images.shape[1], sizes, widths, grid, *packed,
                result[:, block * LANES : (block + 1) * LANES],
            )  # fmt: skip

        with ThreadPoolExecutor(torch.get_num_threads()) as workers:
            list(workers.map(run, range(len(x))))
        return torch.from_numpy(result)[:, : len(images)]

    return logits


def _pack(body: MultiScaleCNN, weights: dict[str, Tensor]) -> PackedMultiScaleCNN:
    layers = [
        (f"pathways.{k}.{i}", f"pathways.{k}.{i + 2}")
        for k in range(len(body.pathways))
        for i in (0, 3, 6)
    ]
    parts, begins, sizes, at = [], [], [], 0
    for name, norm in [*layers, ("mix", "norm"), ("head", None)]:
        w, columns = weights[f"{name}.weight"], [weights[f"{name}.bias"]]
        if w.shape[-1] == TAPS:  # (T, outputs, products, inputs by kernel rows)
            w = torch.einsum("pj,tocij->topci", torch.tensor(WEIGHT, dtype=w.dtype), w).flatten(3)
        else:
            w = w.flatten(2)[:, :, None]
        if norm:
            spread = (weights[f"{norm}.running_var"] + body.norm.eps).sqrt()
            factor = weights[f"{norm}.weight"] / spread
            shift = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * factor
            columns += [factor, shift]
        more = -w.shape[1] % OUTPUTS
        w = F.pad(w, (0, 0, 0, 0, 0, more)).unflatten(1, (-1, OUTPUTS)).movedim(2, 4).flatten(1)
        columns = [F.pad(column, (0, more)) for column in columns]
        parts += [w, *columns]
        begins.append((at, at + w.shape[1]))
        sizes.append(columns[0].shape[1])
        at += w.shape[1] + len(columns) * columns[0].shape[1]
    flat = torch.cat([part.float() for part in parts], dim=1)
    return PackedMultiScaleCNN(flat.contiguous().numpy(), np.array(begins), np.array(sizes))


def _lanes(x: Tensor) -> Tensor:
    """(n, channels, rows, columns) -> (blocks, channel by padded pixel by lane)."""
    right = BORDER // 2 - x.shape[3] % -STRIP
    x = F.pad(x, (BORDER // 2, right, BORDER // 2, BORDER // 2, 0, 0, 0, -len(x) % LANES))
    return x.unflatten(0, (-1, LANES)).permute(0, 2, 3, 4, 1).flatten(1)


@compiled(error_model="numpy")
def _forward(x, x_begins, channels, sizes, widths, grid, weights, begins, outputs, result):
    """All networks on one block. result: (T, LANES, C)."""
    cells, mixed, classes = grid[0] * grid[1], outputs[-2], outputs[-1]
    map_begins = np.zeros(len(widths) + 1, np.int64)
    for k in range(len(widths)):
        size = widths[k] * (sizes[k, 0] + BORDER) * _row(sizes[k, 1])
        map_begins[k + 1] = map_begins[k] + size
    # Maps after the first and the second convolution; their borders stay 0.
    first, second = np.zeros(map_begins[-1], np.float32), np.zeros(map_begins[-1], np.float32)
    pooled = np.empty(widths.sum() * cells * LANES, np.float32)
    most = max(channels, widths.max())
    ring = np.empty(TAPS * PRODUCTS * most * VECTORS * LANES, np.float32)
    products = np.empty(widths.max() * PRODUCTS * VECTORS * LANES, np.float32)
    features, logits = np.empty(mixed * LANES, np.float32), np.empty(classes * LANES, np.float32)
    inputs = np.arange(mixed) * LANES
    for t in range(len(weights)):
        w = weights[t]
        pooled[:] = -np.inf
        begin = 0
        for k in range(len(widths)):
            rows, columns, width, at = sizes[k, 0], sizes[k, 1], widths[k], map_begins[k]
            for layer in range(3):
                source = x if layer == 0 else first if layer == 1 else second
                target = first if layer == 0 else second if layer == 1 else pooled
                _convolve(
                    source, x_begins[k] if layer == 0 else at, channels if layer == 0 else width,
                    rows, columns, w, begins[3 * k + layer], width, ring, products,
                    target, begin if layer == 2 else at,
                    2 ** (len(widths) - k) if layer == 2 else 0, grid[1],
                )  # fmt: skip
            begin += width * cells * LANES
        _average(pooled, cells, w, begins[-2], mixed, widths.sum(), features)
        for o in range(0, classes, OUTPUTS):
            weight, bias = begins[-1, 0] + o * mixed, begins[-1, 1] + o
            _head(features, 0, inputs, (0, 0, 0, 0), w, weight, bias, mixed, logits, o * LANES,
                  LANES, (0, 0, 0, 0))  # fmt: skip
        for lane in range(LANES):
            for c in range(result.shape[2]):
                result[t, lane, c] = logits[c * LANES + lane]


@njit
def _row(columns):
    """Floats of a row of a map with its borders and with whole strips."""
    return ((columns + STRIP - 1) // STRIP * STRIP + BORDER) * LANES


@njit
def _convolve(source, begin, channels, rows, columns, w, layer, width, ring, products, target, to,
              window, grid_columns):  # fmt: skip
    """A 5 x 5 convolution, ReLU and BatchNorm from one padded map to another.

    window above 0: the results are pooled by so many rows and columns into target (outputs, cells).
    """
    row = _row(columns)
    size = (rows + BORDER) * row
    slot, product = PRODUCTS * channels * VECTORS * LANES, channels * VECTORS * LANES
    # Offsets of the inputs of a product, for each row of the ring that may be the first.
    tables = np.empty((TAPS, channels * TAPS), np.int64)
    for r in range(TAPS):
        for c in range(channels):
            for tap in range(TAPS):
                tables[r, c * TAPS + tap] = (r + tap) % TAPS * slot + c * VECTORS * LANES
    count, vectors = channels * TAPS, (0, LANES, 2 * LANES, 3 * LANES)
    four = np.empty(TILE * LANES, np.float32)
    for j in range(0, columns, STRIP):
        for r in range(rows + BORDER):
            for c in range(channels):
                for v in range(VECTORS):
                    _transform_input(
                        source, begin + c * size + r * row + (j + v * TILE) * LANES, LANES,
                        ring, r % TAPS * slot + (c * VECTORS + v) * LANES, product, w, 0, 0,
                    )  # fmt: skip
            i = r - BORDER
            if i < 0:
                continue
            for p in range(PRODUCTS):
                for o in range(0, width, OUTPUTS):
                    _multiply(
                        ring, p * product, tables[i % TAPS], vectors, w,
                        layer[0] + (o * PRODUCTS + p * OUTPUTS) * count, 0, count, products,
                        (o * PRODUCTS + p) * VECTORS * LANES, PRODUCTS * VECTORS * LANES, vectors,
                    )  # fmt: skip
            for o in range(width):
                for v in range(VECTORS):
                    product_begin = (o * PRODUCTS * VECTORS + v) * LANES
                    column = j + v * TILE
                    if window == 0:
                        _finish(
                            products, product_begin, VECTORS * LANES, target,
                            to + o * size + (i + 2) * row + (column + 2) * LANES, LANES,
                            w, layer[1] + o, width,
                        )  # fmt: skip
                    elif column < columns:
                        _finish(
                            products, product_begin, VECTORS * LANES, four, 0, LANES,
                            w, layer[1] + o, width,
                        )  # fmt: skip
                        for n in range(min(TILE, columns - column)):
                            cell = i // window * grid_columns + (column + n) // window
                            cell += o * ((rows + window - 1) // window * grid_columns)
                            for lane in range(LANES):
                                here, value = to + cell * LANES + lane, four[n * LANES + lane]
                                target[here] = value if value > target[here] else target[here]
                if window == 0 and j + STRIP > columns:  # the border right of the map
                    border = to + o * size + (i + 2) * row + (columns + 2) * LANES
                    target[border : border + 2 * LANES] = 0


@njit
def _average(pooled, cells, w, layer, outputs, count, features):
    """1 x 1 convolution of the pooled maps, ReLU, mean over the cells and BatchNorm."""
    inputs = np.arange(count) * cells * LANES
    part, vectors = (
        np.empty(OUTPUTS * VECTORS * LANES, np.float32),
        (0, LANES, 2 * LANES, 3 * LANES),
    )
    features[:] = 0
    for cell in range(0, cells, VECTORS):
        here = min(VECTORS, cells - cell)
        # Beyond the last cell its vector is read again, and not counted.
        offsets = (0, min(1, here - 1) * LANES, min(2, here - 1) * LANES, min(3, here - 1) * LANES)
        for o in range(0, outputs, OUTPUTS):
            _mix(pooled, cell * LANES, inputs, offsets, w, layer[0] + o * count, layer[1] + o, count,
                 part, 0, VECTORS * LANES, vectors)  # fmt: skip
            for p in range(OUTPUTS):
                for v in range(here):
                    for lane in range(LANES):
                        at = (p * VECTORS + v) * LANES + lane
                        features[(o + p) * LANES + lane] += part[at]
    for o in range(outputs):
        factor = w[layer[1] + outputs + o] / np.float32(cells)
        shift = w[layer[1] + 2 * outputs + o]
        for lane in range(LANES):
            features[o * LANES + lane] = features[o * LANES + lane] * factor + shift
