"""All T multi-scale networks on a CPU: convolution, ReLU, BatchNorm and pooling in one tile of work.

What all networks share is made once per block of images: the pooled inputs of the pathways, which
the first convolutions of all networks read.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor

from bnn_core.networks.mscnn import MultiScaleCNN, pool
from bnn_core.networks.tiles_cpu import LANES, OUTPUTS, VECTORS, inputs_of_convolution, tile

#: Maps of a block of images may take so many bytes; larger images are left to torch.
MOST_BYTES = 1 << 28

_inner = tile(OUTPUTS, relu=True, affine=True)
_last = tile(OUTPUTS, relu=True, affine=True, pooled="last")
_mix, _head = tile(OUTPUTS, relu=True, affine=True), tile(OUTPUTS, relu=False)


class Packed(NamedTuple):
    """T networks as the kernel reads them.

    weights: (T, P) float32: per layer the groups of outputs, in each input by input, then biases,
    BatchNorm's factors and shifts; outputs that fill a group are 0. begins: (layers, 2) where a
    layer's weights and its biases begin. outputs: (layers,) with those that fill a group. Layers:
    three of each pathway, then mix and head.
    """

    weights: np.ndarray
    begins: np.ndarray
    outputs: np.ndarray


def sampler(
    body: MultiScaleCNN, weights: dict[str, Tensor], otherwise: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """Logits (T, n, C) of T networks as a function of images (n, channels, rows, columns).

    weights: name -> (T, *shape), of all parameters and of BatchNorm's statistics. `otherwise`
    computes the same of images for which the kernel does not pay: large ones, or only a few.
    """
    packed = _pack(body, weights)
    classes = weights["head.bias"].shape[1]
    count = len(body.pathways)
    widths = np.array([len(pathway[0].weight) for pathway in body.pathways])

    def logits(images: Tensor) -> Tensor:
        rows, columns = images.shape[2:]
        size = 2 * 16 * (rows + 4) * (columns + 4) * LANES * 4
        if size > MOST_BYTES or 2 * len(images) < LANES:
            return otherwise(images)
        channels, grid = images.shape[1], np.array(body.grid(images.shape[2:]))
        inputs = [images.float()]
        while len(inputs) < count:
            inputs.append(pool(inputs[-1], 2))
        sizes = np.array([x.shape[2:] for x in inputs])
        tables = [
            inputs_of_convolution(c, *(sizes[k] + 4))
            for k in range(count)
            for c in (channels, widths[k])
        ]
        table_begins = np.cumsum([0, *map(len, tables)])
        blocks = [_lanes(x) for x in inputs]
        x_begins = np.cumsum([0, *(block.shape[1] for block in blocks)])
        x = torch.cat(blocks, dim=1).numpy()
        result = np.empty((len(packed.weights), len(x) * LANES, classes), np.float32)

        def run(block: int) -> None:
            _forward(
                x[block], x_begins, sizes, widths, grid, np.concatenate(tables), table_begins,
                *packed, result[:, block * LANES : (block + 1) * LANES],
            )  # fmt: skip

        with ThreadPoolExecutor(torch.get_num_threads()) as workers:
            list(workers.map(run, range(len(x))))
        return torch.from_numpy(result)[:, : len(images)]

    return logits


def _pack(body: MultiScaleCNN, weights: dict[str, Tensor]) -> Packed:
    layers = [
        (f"pathways.{k}.{i}", f"pathways.{k}.{i + 2}")
        for k in range(len(body.pathways))
        for i in (0, 3, 6)
    ]
    parts, begins, sizes, at = [], [], [], 0
    for name, norm in [*layers, ("mix", "norm"), ("head", None)]:
        w, columns = weights[f"{name}.weight"].flatten(2), [weights[f"{name}.bias"]]
        if norm:
            spread = (weights[f"{norm}.running_var"] + body.norm.eps).sqrt()
            factor = weights[f"{norm}.weight"] / spread
            shift = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * factor
            columns += [factor, shift]
        more = -w.shape[1] % OUTPUTS
        w = F.pad(w, (0, 0, 0, more)).unflatten(1, (-1, OUTPUTS)).mT.flatten(1)
        columns = [F.pad(column, (0, more)) for column in columns]
        parts += [w, *columns]
        begins.append((at, at + w.shape[1]))
        sizes.append(columns[0].shape[1])
        at += w.shape[1] + len(columns) * columns[0].shape[1]
    flat = torch.cat([part.float() for part in parts], dim=1)
    return Packed(flat.contiguous().numpy(), np.array(begins), np.array(sizes))


def _lanes(x: Tensor) -> Tensor:
    """(n, channels, rows, columns) -> (blocks, channel by padded pixel by lane)."""
    more = -len(x) % LANES
    x = F.pad(x, (2, 2, 2, 2, 0, 0, 0, more)).unflatten(0, (-1, LANES))
    return x.permute(0, 2, 3, 4, 1).flatten(1)


@njit(cache=True, nogil=True, error_model="numpy")
def _forward(
    x, x_begins, sizes, widths, grid, tables, table_begins, weights, begins, outputs, result
):
    """All networks on one block. result: (T, LANES, C)."""
    pathways, cells = len(widths), grid[0] * grid[1]
    mixed, classes = outputs[-2], outputs[-1]
    buffer_begins = np.zeros(pathways + 1, np.int64)
    for k in range(pathways):
        size = widths[k] * (sizes[k, 0] + 4) * (sizes[k, 1] + 4) * LANES
        buffer_begins[k + 1] = buffer_begins[k] + size
    # Maps after the first and the second convolution; their borders stay 0.
    first, second = np.zeros(buffer_begins[-1], np.float32), np.zeros(buffer_begins[-1], np.float32)
    maps = np.empty(widths.sum() * cells * LANES, np.float32)
    parts, features = (
        np.empty(OUTPUTS * VECTORS * LANES, np.float32),
        np.empty(mixed * LANES, np.float32),
    )
    logits = np.empty(classes * LANES, np.float32)
    map_inputs = np.arange(widths.sum()) * cells * LANES
    feature_inputs = np.arange(mixed) * LANES
    one, four = (0, 0, 0, 0), (0, LANES, 2 * LANES, 3 * LANES)
    for t in range(len(weights)):
        w = weights[t]
        maps[:] = -np.inf
        map_begin = 0
        for k in range(pathways):
            rows, columns, width, window = sizes[k, 0], sizes[k, 1], widths[k], 2 ** (pathways - k)
            row = (columns + 4) * LANES
            size = (rows + 4) * row
            for layer in range(3):
                source = x if layer == 0 else first if layer == 1 else second
                target = first if layer == 0 else second
                begin = x_begins[k] if layer == 0 else buffer_begins[k]
                number = 2 * k + min(layer, 1)
                table = tables[table_begins[number] : table_begins[number + 1]]
                weight_begin, bias_begin = begins[3 * k + layer, 0], begins[3 * k + layer, 1]
                for i in range(0, rows, 2):
                    down = row if i + 1 < rows else 0
                    for j in range(0, columns, 2):
                        right = LANES if j + 1 < columns else 0
                        vectors = (0, right, down, down + right)
                        start = begin + i * row + j * LANES
                        for o in range(0, width, OUTPUTS):
                            weight, bias = weight_begin + o * len(table), bias_begin + o
                            if layer < 2:
                                to = buffer_begins[k] + o * size + (i + 2) * row + (j + 2) * LANES
                                _inner(
                                    source, start, table, vectors, w, weight, bias, width,
                                    len(table), target, to, size, vectors,
                                )  # fmt: skip
                            else:
                                cell = i // window * grid[1] + j // window
                                to = ((map_begin + o) * cells + cell) * LANES
                                _last(
                                    source, start, table, vectors, w, weight, bias, width,
                                    len(table), maps, to, cells * LANES, one,
                                )  # fmt: skip
            map_begin += width
        features[:] = 0
        for cell in range(0, cells, VECTORS):
            here = min(VECTORS, cells - cell)
            vectors = (
                0, min(1, here - 1) * LANES, min(2, here - 1) * LANES, min(3, here - 1) * LANES
            )  # fmt: skip
            for o in range(0, mixed, OUTPUTS):
                weight, bias = begins[-2, 0] + o * len(map_inputs), begins[-2, 1] + o
                _mix(
                    maps, cell * LANES, map_inputs, vectors, w, weight, bias, mixed,
                    len(map_inputs), parts, 0, VECTORS * LANES, four,
                )  # fmt: skip
                for p in range(OUTPUTS):
                    for v in range(here):
                        for lane in range(LANES):
                            features[(o + p) * LANES + lane] += parts[
                                (p * VECTORS + v) * LANES + lane
                            ]
        for f in range(len(features)):
            features[f] /= np.float32(cells)
        for o in range(0, classes, OUTPUTS):
            weight, bias = begins[-1, 0] + o * mixed, begins[-1, 1] + o
            _head(
                features,
                0,
                feature_inputs,
                one,
                w,
                weight,
                bias,
                0,
                mixed,
                logits,
                o * LANES,
                LANES,
                one,
            )
        for lane in range(LANES):
            for c in range(result.shape[2]):
                result[t, lane, c] = logits[c * LANES + lane]
