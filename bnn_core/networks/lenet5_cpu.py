"""All T LeNet5 networks on a CPU: convolution, pooling and ReLU in one tile of work."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bnn_core.base.compiling import compiled
from bnn_core.networks.tiles_cpu import LANES, OUTPUTS, VECTORS, inputs_of_convolution, tile

#: Images of a block.
KERNEL_IMAGES = VECTORS * LANES
#: Outputs of a tile of the first layer, which has six.
FIRST = 2 if LANES == 8 else 3
#: Sides of the padded image and of the maps after each pool.
SIDE, SIDE1, SIDE2 = 32, 14, 5

_first = tile(FIRST, relu=True, pooled=True)
_second = tile(OUTPUTS, relu=True, pooled=True)
_dense, _head = tile(OUTPUTS, relu=True), tile(OUTPUTS)


class PackedLeNet5(NamedTuple):
    """T LeNet5 networks as the kernel reads them.

    weights: (T, P) float32: per layer the groups of outputs, in each input by input, then biases;
    outputs that fill a group are 0. begins: (5, 2) where a layer's weights and its biases begin.
    inputs1, inputs2: offsets of a convolution's inputs. classes: C.
    """

    weights: np.ndarray
    begins: np.ndarray
    inputs1: np.ndarray
    inputs2: np.ndarray
    classes: int


def lenet5_sampler(weights: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """Logits (T, n, C) of T networks as a function of images (n, channels, 28, 28) float32."""
    return partial(logits, pack(weights))


def pack(weights: dict[str, Tensor]) -> PackedLeNet5:
    """Arrange the weights of T networks, name -> (T, *shape), for the kernel."""
    parts, begins, at = [], [], 0
    channels = weights["conv1.weight"].shape[2]
    for name in ("conv1", "conv2", "conv3", "linear", "head"):
        outputs = FIRST if name == "conv1" else OUTPUTS
        w, b = weights[f"{name}.weight"].flatten(2).float(), weights[f"{name}.bias"].float()
        more = -w.shape[1] % outputs
        w = torch.nn.functional.pad(w, (0, 0, 0, more)).unflatten(1, (-1, outputs)).mT.flatten(1)
        b = torch.nn.functional.pad(b, (0, more))
        parts += [w, b]
        begins.append((at, at + w.shape[1]))
        at += w.shape[1] + b.shape[1]
    return PackedLeNet5(
        torch.cat(parts, dim=1).contiguous().numpy(),
        np.array(begins),
        inputs_of_convolution(channels, SIDE, SIDE),
        inputs_of_convolution(6, SIDE1, SIDE1),
        weights["head.bias"].shape[1],
    )


def logits(packed: PackedLeNet5, images: Tensor) -> Tensor:
    """Logits (T, N, C) of images (N, channels, 28, 28) float32; on torch's number of threads."""
    blocks = -(-len(images) // KERNEL_IMAGES)
    x = torch.zeros(blocks * KERNEL_IMAGES, images.shape[1], SIDE, SIDE)
    x[: len(images), :, 2:-2, 2:-2] = images
    # (block, vector, pixel, lane)
    x = x.view(blocks, VECTORS, LANES, -1).transpose(2, 3).contiguous().view(blocks, -1).numpy()
    result = np.empty((len(packed.weights), blocks * KERNEL_IMAGES, packed.classes), np.float32)

    def run(block: int) -> None:
        _forward(
            x[block],
            packed.weights,
            packed.begins,
            packed.inputs1,
            packed.inputs2,
            result[:, block * KERNEL_IMAGES : (block + 1) * KERNEL_IMAGES],
        )

    if torch.get_num_threads() == 1 or blocks == 1:
        for block in range(blocks):
            run(block)
    else:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(run, range(blocks)))
    return torch.from_numpy(result)[:, : len(images)]


@compiled(error_model="numpy")
def _forward(x, weights, begins, inputs1, inputs2, result):
    """All networks on one block. x: flat (vector, pixel, lane). result: (T, KERNEL_IMAGES, C)."""
    size0, size1, size2 = len(x) // VECTORS, 6 * SIDE1 * SIDE1 * LANES, 400 * LANES
    map1, map2 = SIDE1 * SIDE1 * LANES, SIDE2 * SIDE2 * LANES
    classes = result.shape[2]
    h1, h2 = np.empty(VECTORS * size1, np.float32), np.empty(VECTORS * size2, np.float32)
    h3, h4 = np.empty(120 * KERNEL_IMAGES, np.float32), np.empty(84 * KERNEL_IMAGES, np.float32)
    h5 = np.empty((classes + OUTPUTS) * KERNEL_IMAGES, np.float32)
    # A pool's four positions, and the four vectors of images of a linear layer.
    pool1 = (0, LANES, SIDE * LANES, (SIDE + 1) * LANES)
    pool2 = (0, LANES, SIDE1 * LANES, (SIDE1 + 1) * LANES)
    blocks2 = (0, size2, 2 * size2, 3 * size2)
    lanes = (0, LANES, 2 * LANES, 3 * LANES)
    inputs3 = np.arange(400) * LANES
    inputs4 = np.arange(120) * KERNEL_IMAGES
    for t in range(len(weights)):
        w = weights[t]
        for v in range(VECTORS):
            for i in range(SIDE1):
                for j in range(SIDE1):
                    start = v * size0 + (2 * i * SIDE + 2 * j) * LANES
                    to = v * size1 + (i * SIDE1 + j) * LANES
                    for o in range(0, 6, FIRST):
                        weight, bias = begins[0, 0] + o * len(inputs1), begins[0, 1] + o
                        _first(
                            x, start, inputs1, pool1, w, weight, bias, len(inputs1),
                            h1, to, map1, lanes,
                        )  # fmt: skip
                        to += FIRST * map1
            for i in range(SIDE2):
                for j in range(SIDE2):
                    start = v * size1 + (2 * i * SIDE1 + 2 * j) * LANES
                    to = v * size2 + (i * SIDE2 + j) * LANES
                    for o in range(0, 16, OUTPUTS):
                        weight, bias = begins[1, 0] + o * 150, begins[1, 1] + o
                        _second(
                            h1, start, inputs2, pool2, w, weight, bias, 150, h2, to, map2, lanes
                        )
                        to += OUTPUTS * map2
        for o in range(0, 120, OUTPUTS):
            weight, bias, to = begins[2, 0] + o * 400, begins[2, 1] + o, o * KERNEL_IMAGES
            _dense(h2, 0, inputs3, blocks2, w, weight, bias, 400, h3, to, KERNEL_IMAGES, lanes)
        for o in range(0, 84, OUTPUTS):
            weight, bias, to = begins[3, 0] + o * 120, begins[3, 1] + o, o * KERNEL_IMAGES
            _dense(h3, 0, inputs4, lanes, w, weight, bias, 120, h4, to, KERNEL_IMAGES, lanes)
        for o in range(0, classes, OUTPUTS):
            weight, bias, to = begins[4, 0] + o * 84, begins[4, 1] + o, o * KERNEL_IMAGES
            _head(h4, 0, inputs4, lanes, w, weight, bias, 84, h5, to, KERNEL_IMAGES, lanes)
        for image in range(KERNEL_IMAGES):
            for c in range(classes):
                result[t, image, c] = h5[c * KERNEL_IMAGES + image]
