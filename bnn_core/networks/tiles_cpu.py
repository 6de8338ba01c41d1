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

INDEX, VECTOR = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)


def inputs_of_convolution(channels: int, rows: int, columns: int, kernel: int = 5) -> np.ndarray:
    """Offsets of the inputs of an output: channel by channel, row by row, (channels * kernel²,)."""
    offsets = np.arange(channels * rows * columns).reshape(channels, rows, columns)
    return offsets[:, :kernel, :kernel].reshape(-1) * LANES


class Emitter:
    """Vector operations for the code of one function. `arrays`: which arguments are arrays."""

    def __init__(self, context, builder, signature, args, arrays: tuple[int, ...]):
        self.builder, self.args = builder, list(args)
        for k in arrays:
            array = context.make_array(signature.args[k])(context, builder, args[k])
            self.args[k] = array.data

    def at(self, pointer, *offsets):
        """A pointer so many floats further."""
        for offset in offsets:
            pointer = self.builder.gep(pointer, [offset])
        return pointer

    def load(self, pointer):
        return self.builder.load(self._whole(pointer), align=4)

    def store(self, value, pointer) -> None:
        self.builder.store(value, self._whole(pointer), align=4)

    def broadcast(self, pointer):
        """One float in all lanes."""
        undefined = ir.Constant(VECTOR, ir.Undefined)
        one = self.builder.insert_element(undefined, self.builder.load(pointer), INDEX(0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(one, undefined, lanes)

    def multiply_add(self, a, b, c):
        """a * b + c, in one instruction where the processor has it."""
        product = self.builder.fmul(a, b, flags=("contract",))
        return self.builder.fadd(product, c, flags=("contract",))

    def larger(self, a, b):
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def _whole(self, pointer):
        return self.builder.bitcast(pointer, VECTOR.as_pointer())


def constant(value: float):
    """A vector of one number."""
    return ir.Constant(VECTOR, [float(value)] * LANES)


def tile(outputs: int, *, biased: bool = True, relu: bool = False, pooled: bool = False):
    """A tile as a function for numba: `outputs` outputs of VECTORS vectors, summed over `count`.

    The function's arguments: x, start, inputs, vectors: vector v of input k begins at
    x[start + inputs[k] + vectors[v]]; x is flat float32, vectors a tuple of four. weights, weight,
    bias, count: output o of input k is at weights[weight + k * outputs + o], its bias at
    weights[bias + o]. out, to, apart, places: vector v of output o is written to
    out[to + o * apart + places[v]]; pooled: the largest of the four, to places[0].
    """

    @intrinsic
    def run(
        typing, x, start, inputs, vectors, weights, weight, bias, count, out, to, apart, offsets
    ):
        given = (x, start, inputs, vectors, weights, weight, bias, count, out, to, apart, offsets)

        def generate(context, builder, signature, args):
            emit = Emitter(context, builder, signature, args, arrays=(0, 2, 4, 8))
            x, start, inputs, vectors, weights, weight, bias, count, out, to, apart, offsets = (
                emit.args
            )
            before = builder.block
            loop, after = builder.append_basic_block("sum"), builder.append_basic_block("write")
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(INDEX)
            sums = [[builder.phi(VECTOR) for _ in range(outputs)] for _ in range(VECTORS)]
            row = emit.at(x, start, builder.load(emit.at(inputs, k)))
            values = [
                emit.load(emit.at(row, builder.extract_value(vectors, v))) for v in range(VECTORS)
            ]
            k_weights = emit.at(weights, weight, builder.mul(k, INDEX(outputs)))
            totals = [[None] * outputs for _ in range(VECTORS)]
            for o in range(outputs):
                w = emit.broadcast(emit.at(k_weights, INDEX(o)))
                for v in range(VECTORS):
                    totals[v][o] = emit.multiply_add(values[v], w, sums[v][o])
            following = builder.add(k, INDEX(1))
            k.add_incoming(INDEX(0), before)
            k.add_incoming(following, loop)
            for v in range(VECTORS):
                for o in range(outputs):
                    sums[v][o].add_incoming(constant(0), before)
                    sums[v][o].add_incoming(totals[v][o], loop)
            builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
            builder.position_at_end(after)
            for o in range(outputs):
                column = [totals[v][o] for v in range(VECTORS)]
                if pooled:
                    column = [emit.larger(emit.larger(*column[:2]), emit.larger(*column[2:]))]
                if biased:
                    b = emit.broadcast(emit.at(weights, bias, INDEX(o)))
                    column = [builder.fadd(value, b) for value in column]
                if relu:
                    column = [emit.larger(value, constant(0)) for value in column]
                target = emit.at(out, to, builder.mul(apart, INDEX(o)))
                for v, value in enumerate(column):
                    emit.store(value, emit.at(target, builder.extract_value(offsets, v)))
            return context.get_dummy_value()

        return types.void(*given), generate

    return run
