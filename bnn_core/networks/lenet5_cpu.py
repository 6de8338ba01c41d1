"""All T LeNet5 networks on a CPU: images in the SIMD lanes, convolution, ReLU and pooling in one.

A vector register holds one value of as many images as it has lanes; weights are broadcast. Every
layer is then the same tile of work: four vectors times a few outputs, held in registers while the
inputs are summed over. The four vectors are the four positions that a pool compares (convolutions)
or four vectors of images (linear layers). numba compiles it, once, and keeps it on disk.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import llvmlite.binding
import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from torch import Tensor

_features = llvmlite.binding.get_host_cpu_features()
#: Floats of a vector register.
LANES = 16 if _features.get("avx512f") else 8 if _features.get("avx2") else 4
#: Outputs of a tile, of the first layer and of the others: their sums fit the registers.
FIRST, OUTPUTS = (2, 2) if LANES == 8 else (3, 4)
#: Vectors of a tile, and images of a block.
VECTORS = 4
BLOCK = VECTORS * LANES
#: Sides of the padded image, of the maps after each pool, and of the kernels.
SIDE, SIDE1, SIDE2, KERNEL = 32, 14, 5, 5


def _tile(outputs: int, pooled: bool, relu: bool):
    """A tile as a function for numba: `outputs` outputs of VECTORS vectors, summed over `count`.

    x: flat float32, vector v of input k begins at x[start + inputs[k] + vectors[v]]. weights: flat,
    output o of input k at weights[weight + k * outputs + o], its bias at weights[bias + o]. Output
    o is written from out[to + o * step] on: the largest of the vectors (pooled), or each of them,
    `apart` apart.
    """

    @intrinsic
    def tile(typing, x, start, inputs, vectors, weights, weight, bias, count, out, to, step, apart):
        given = (x, start, inputs, vectors, weights, weight, bias, count, out, to, step, apart)

        def generate(context, builder, signature, args):
            index, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)
            start, vectors, weight, bias, count, to, step, apart = (
                args[k] for k in (1, 3, 5, 6, 7, 9, 10, 11)
            )
            x, inputs, weights, out = (
                context.make_array(signature.args[k])(context, builder, args[k]).data
                for k in (0, 2, 4, 8)
            )

            def at(pointer, *offsets):
                for offset in offsets:
                    pointer = builder.gep(pointer, [offset])
                return pointer

            def whole(pointer):
                return builder.bitcast(pointer, vector.as_pointer())

            def broadcast(value):
                undefined = ir.Constant(vector, ir.Undefined)
                one = builder.insert_element(undefined, value, index(0))
                lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
                return builder.shuffle_vector(one, undefined, lanes)

            def larger(a, b):
                return builder.select(builder.fcmp_ordered(">", a, b), a, b)

            zero = ir.Constant(vector, [0.0] * LANES)
            before = builder.block
            loop, after = builder.append_basic_block("sum"), builder.append_basic_block("write")
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(index)
            sums = [[builder.phi(vector) for _ in range(outputs)] for _ in range(VECTORS)]
            row = at(x, start, builder.load(at(inputs, k)))
            values = [
                builder.load(whole(at(row, builder.extract_value(vectors, v))), align=4)
                for v in range(VECTORS)
            ]
            k_weights = at(weights, weight, builder.mul(k, index(outputs)))
            totals = [[] for _ in range(VECTORS)]
            for o in range(outputs):
                w = broadcast(builder.load(at(k_weights, index(o))))
                for v in range(VECTORS):
                    product = builder.fmul(values[v], w, flags=("contract",))
                    totals[v].append(builder.fadd(sums[v][o], product, flags=("contract",)))
            following = builder.add(k, index(1))
            for phi, total, first in [
                (k, following, index(0)),
                *((sums[v][o], totals[v][o], zero) for v in range(VECTORS) for o in range(outputs)),
            ]:
                phi.add_incoming(first, before)
                phi.add_incoming(total, loop)
            builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
            builder.position_at_end(after)
            for o in range(outputs):
                b = broadcast(builder.load(at(weights, bias, index(o))))
                column = [totals[v][o] for v in range(VECTORS)]
                if pooled:
                    column = [larger(larger(*column[:2]), larger(*column[2:]))]
                for v, value in enumerate(column):
                    value = builder.fadd(value, b)
                    value = larger(value, zero) if relu else value
                    target = at(out, to, builder.mul(step, index(o)), builder.mul(apart, index(v)))
                    builder.store(value, whole(target), align=4)
            return context.get_dummy_value()

        return types.void(*given), generate

    return tile


_first, _second = _tile(FIRST, True, True), _tile(OUTPUTS, True, True)
_dense, _head = _tile(OUTPUTS, False, True), _tile(OUTPUTS, False, False)


class Packed(NamedTuple):
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


def sampler(weights: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """Logits (T, n, C) of T networks as a function of images (n, channels, 28, 28) float32."""
    return partial(logits, pack(weights))


def pack(weights: dict[str, Tensor]) -> Packed:
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
    return Packed(
        torch.cat(parts, dim=1).contiguous().numpy(),
        np.array(begins),
        _inputs(channels, SIDE),
        _inputs(6, SIDE1),
        weights["head.bias"].shape[1],
    )


def _inputs(channels: int, side: int) -> np.ndarray:
    """Offsets of the inputs of a convolution's output, channel by channel, row by row."""
    offsets = np.arange(channels * side * side).reshape(channels, side, side)
    return offsets[:, :KERNEL, :KERNEL].reshape(-1) * LANES


def logits(packed: Packed, images: Tensor) -> Tensor:
    """Logits (T, N, C) of images (N, channels, 28, 28) float32; on torch's number of threads."""
    blocks = -(-len(images) // BLOCK)
    x = torch.zeros(blocks * BLOCK, images.shape[1], SIDE, SIDE)
    x[: len(images), :, 2:-2, 2:-2] = images
    # (block, vector, pixel, lane)
    x = x.view(blocks, VECTORS, LANES, -1).transpose(2, 3).contiguous().view(blocks, -1).numpy()
    result = np.empty((len(packed.weights), blocks * BLOCK, packed.classes), np.float32)

    def run(block: int) -> None:
        _forward(
            x[block],
            packed.weights,
            packed.begins,
            packed.inputs1,
            packed.inputs2,
            result[:, block * BLOCK : (block + 1) * BLOCK],
        )

    if torch.get_num_threads() == 1 or blocks == 1:
        for block in range(blocks):
            run(block)
    else:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(run, range(blocks)))
    return torch.from_numpy(result)[:, : len(images)]


@njit(cache=True, nogil=True, error_model="numpy")
def _forward(x, weights, begins, inputs1, inputs2, result):
    """All networks on one block. x: flat (vector, pixel, lane). result: (T, BLOCK, C)."""
    size0, size1, size2 = len(x) // VECTORS, 6 * SIDE1 * SIDE1 * LANES, 400 * LANES
    map1, map2 = SIDE1 * SIDE1 * LANES, SIDE2 * SIDE2 * LANES
    classes = result.shape[2]
    h1, h2 = np.empty(VECTORS * size1, np.float32), np.empty(VECTORS * size2, np.float32)
    h3, h4 = np.empty(120 * BLOCK, np.float32), np.empty(84 * BLOCK, np.float32)
    h5 = np.empty((classes + OUTPUTS) * BLOCK, np.float32)
    # A pool's four positions, and the four vectors of images of a linear layer.
    pool1 = (0, LANES, SIDE * LANES, (SIDE + 1) * LANES)
    pool2 = (0, LANES, SIDE1 * LANES, (SIDE1 + 1) * LANES)
    blocks2 = (0, size2, 2 * size2, 3 * size2)
    blocks = (0, LANES, 2 * LANES, 3 * LANES)
    inputs3 = np.arange(400) * LANES
    inputs4 = np.arange(120) * BLOCK
    for t in range(len(weights)):
        w = weights[t]
        for v in range(VECTORS):
            for i in range(SIDE1):
                for j in range(SIDE1):
                    start = v * size0 + (2 * i * SIDE + 2 * j) * LANES
                    to = v * size1 + (i * SIDE1 + j) * LANES
                    for o in range(0, 6, FIRST):
                        _first(
                            x,
                            start,
                            inputs1,
                            pool1,
                            w,
                            begins[0, 0] + o * len(inputs1),
                            begins[0, 1] + o,
                            len(inputs1),
                            h1,
                            to + o * map1,
                            map1,
                            0,
                        )
            for i in range(SIDE2):
                for j in range(SIDE2):
                    start = v * size1 + (2 * i * SIDE1 + 2 * j) * LANES
                    to = v * size2 + (i * SIDE2 + j) * LANES
                    for o in range(0, 16, OUTPUTS):
                        _second(
                            h1,
                            start,
                            inputs2,
                            pool2,
                            w,
                            begins[1, 0] + o * 150,
                            begins[1, 1] + o,
                            150,
                            h2,
                            to + o * map2,
                            map2,
                            0,
                        )
        for o in range(0, 120, OUTPUTS):
            _dense(
                h2,
                0,
                inputs3,
                blocks2,
                w,
                begins[2, 0] + o * 400,
                begins[2, 1] + o,
                400,
                h3,
                o * BLOCK,
                BLOCK,
                LANES,
            )
        for o in range(0, 84, OUTPUTS):
            _dense(
                h3,
                0,
                inputs4,
                blocks,
                w,
                begins[3, 0] + o * 120,
                begins[3, 1] + o,
                120,
                h4,
                o * BLOCK,
                BLOCK,
                LANES,
            )
        for o in range(0, classes, OUTPUTS):
            _head(
                h4,
                0,
                inputs4,
                blocks,
                w,
                begins[4, 0] + o * 84,
                begins[4, 1] + o,
                84,
                h5,
                o * BLOCK,
                BLOCK,
                LANES,
            )
        for image in range(BLOCK):
            for c in range(classes):
                result[t, image, c] = h5[c * BLOCK + image]
