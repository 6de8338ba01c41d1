"""A compiled tile of work on a CPU: a few outputs of four vectors of images, summed in registers.

Images lie in the SIMD lanes: a vector register holds one value of as many images as it has lanes,
and weights are broadcast. Every layer is then the same tile: the four vectors are four positions
of a map (convolutions) or four vectors of images (linear layers). numba compiles it once and keeps
it on disk.
"""

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_features = llvmlite.binding.get_host_cpu_features()
#: Floats of a vector register.
LANES = 16 if _features.get("avx512f") else 8 if _features.get("avx2") else 4
#: Outputs of a tile that has an even number of them, whose sums fit the registers.
OUTPUTS = 2 if LANES == 8 else 4
#: Vectors of a tile.
VECTORS = 4


def inputs_of_convolution(channels: int, rows: int, columns: int, kernel: int = 5) -> np.ndarray:
    """Offsets of the inputs of an output: channel by channel, row by row, (channels * kernel²,)."""
    offsets = np.arange(channels * rows * columns).reshape(channels, rows, columns)
    return offsets[:, :kernel, :kernel].reshape(-1) * LANES


def tile(outputs: int, *, relu: bool, affine: bool = False, pooled: str = ""):
    """A tile as a function for numba: `outputs` outputs of VECTORS vectors, summed over `count`.

    The function's arguments:
    x, start, inputs, vectors: vector v of input k begins at x[start + inputs[k] + vectors[v]];
    x is flat float32, vectors a tuple of four.
    weights, weight, bias, count: output o of input k is at weights[weight + k * outputs + o], its
    bias at weights[bias + o].
    step: affine: the factor of output o is at weights[bias + step + o] and what is added then at
    weights[bias + 2 * step + o].
    out, to, apart, places: vector v of output o is written to out[to + o * apart + places[v]].

    What is written is the sum plus bias, its ReLU (relu), scaled and shifted (affine). pooled:
    "first" writes the largest of the four sums, at places[0]; "last" the largest of the four
    results and of what is there already.
    """

    @intrinsic
    def run(
        typing,
        x,
        start,
        inputs,
        vectors,
        weights,
        weight,
        bias,
        step,
        count,
        out,
        to,
        apart,
        places,
    ):
        given = (
            x, start, inputs, vectors, weights, weight, bias, step, count, out, to, apart, places
        )  # fmt: skip

        def generate(context, builder, signature, args):
            index, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)
            start, vectors, weight, bias, step, count, to, apart, places = (
                args[k] for k in (1, 3, 5, 6, 7, 8, 10, 11, 12)
            )
            x, inputs, weights, out = (
                context.make_array(signature.args[k])(context, builder, args[k]).data
                for k in (0, 2, 4, 9)
            )

            def at(pointer, *offsets):
                for offset in offsets:
                    pointer = builder.gep(pointer, [offset])
                return pointer

            def whole(pointer):
                return builder.bitcast(pointer, vector.as_pointer())

            def broadcast(pointer):
                undefined = ir.Constant(vector, ir.Undefined)
                one = builder.insert_element(undefined, builder.load(pointer), index(0))
                lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
                return builder.shuffle_vector(one, undefined, lanes)

            def larger(a, b):
                return builder.select(builder.fcmp_ordered(">", a, b), a, b)

            def largest(values):
                return larger(larger(*values[:2]), larger(*values[2:]))

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
                w = broadcast(at(k_weights, index(o)))
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
                b = broadcast(at(weights, bias, index(o)))
                column = [totals[v][o] for v in range(VECTORS)]
                if pooled == "first":
                    column = [largest(column)]
                column = [builder.fadd(value, b) for value in column]
                if relu:
                    column = [larger(value, zero) for value in column]
                if affine:
                    factor = broadcast(at(weights, bias, step, index(o)))
                    shift = broadcast(at(weights, bias, step, step, index(o)))
                    column = [builder.fadd(builder.fmul(value, factor), shift) for value in column]
                target = at(out, to, builder.mul(apart, index(o)))
                targets = [
                    whole(at(target, builder.extract_value(places, v))) for v in range(VECTORS)
                ]
                if pooled == "last":
                    there = builder.load(targets[0], align=4)
                    column = [larger(largest(column), there)]
                for value, where in zip(column, targets, strict=False):
                    builder.store(value, where, align=4)
            return context.get_dummy_value()

        return types.void(*given), generate

    return run
