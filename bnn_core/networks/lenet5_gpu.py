"""All T LeNet5 networks on an NVIDIA GPU: convolution, pooling and ReLU in one Triton kernel.

As in `lenet5_cpu`, images lie side by side in memory and the four positions that a pool compares
are summed together. The first layer's input is the same for all networks, so its weights are one
matrix; the others are one matrix per network. Linear layers are torch's batched products.
"""

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor

#: Outputs and images of a tile; inputs are padded to a multiple of STEP.
ROWS, IMAGES, STEP = 16, 128, 16
#: Floats of a layer's maps that are held at once: networks are taken in groups that fit.
HELD = 1 << 28


@triton.jit
def _conv_relu_pool(
    x,
    weights,
    bias,
    out,
    images,
    rows,
    rows_per_group,
    x_group,
    SIDE: tl.constexpr,
    POOLED: tl.constexpr,
    INPUTS: tl.constexpr,
    PADDED: tl.constexpr,
    ROWS: tl.constexpr,
    IMAGES: tl.constexpr,
    STEP: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """A 5 x 5 convolution, the maximum of 2 x 2 of its outputs, bias and ReLU.

    x: (groups, channels, SIDE, SIDE, images). weights: (rows, PADDED), zero from INPUTS on; rows of
    one group use that group's x. out: (rows, POOLED, POOLED, images). images: a multiple of IMAGES.
    One program: IMAGES images, one position, ROWS rows.
    """
    image = tl.program_id(0) * IMAGES + tl.arange(0, IMAGES)
    i, j = tl.program_id(1) // POOLED, tl.program_id(1) % POOLED
    row = tl.program_id(2).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    x += (tl.program_id(2).to(tl.int64) * ROWS // rows_per_group) * x_group
    x += (2 * i * SIDE + 2 * j) * images.to(tl.int64)
    a = tl.zeros((ROWS, IMAGES), tl.float32)
    b = tl.zeros((ROWS, IMAGES), tl.float32)
    c = tl.zeros((ROWS, IMAGES), tl.float32)
    d = tl.zeros((ROWS, IMAGES), tl.float32)
    for first in range(0, PADDED, STEP):
        k = first + tl.arange(0, STEP)
        pixel = k // 25 * (SIDE * SIDE) + k % 25 // 5 * SIDE + k % 5
        pixel = tl.where(k < INPUTS, pixel, 0).to(tl.int64)
        w = tl.load(
            weights + row[:, None] * PADDED + k[None, :], mask=row[:, None] < rows, other=0.0
        )
        at = x + pixel[:, None] * images + image[None, :]
        a = tl.dot(w, tl.load(at), a, input_precision=PRECISION)
        b = tl.dot(w, tl.load(at + images), b, input_precision=PRECISION)
        at += SIDE * images
        c = tl.dot(w, tl.load(at), c, input_precision=PRECISION)
        d = tl.dot(w, tl.load(at + images), d, input_precision=PRECISION)
    most = tl.maximum(tl.maximum(a, b), tl.maximum(c, d))
    most += tl.load(bias + row, mask=row < rows, other=0.0)[:, None]
    to = out + (row[:, None] * (POOLED * POOLED) + tl.program_id(1)) * images + image[None, :]
    tl.store(to, tl.maximum(most, 0.0), mask=row[:, None] < rows)


def lenet5_gpu_sampler(weights: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """Logits (T, n, C) of T networks as a function of images (n, channels, 28, 28) float32.

    weights: name -> (T, *shape) on the GPU. Products are TF32 where torch's convolutions are.
    """
    w = {name: value.float() for name, value in weights.items()}
    count = len(w["head.bias"])
    convolutions = {name: _padded(w[f"{name}.weight"]) for name in ("conv1", "conv2")}

    def group(x: Tensor, networks: slice) -> Tensor:
        h = _layer(x[None], convolutions["conv1"][networks], w["conv1.bias"][networks], 32)
        h = _layer(h, convolutions["conv2"][networks], w["conv2.bias"][networks], 14).flatten(1, 3)
        for name in ("conv3", "linear"):
            matrix, bias = w[f"{name}.weight"][networks].flatten(2), w[f"{name}.bias"][networks]
            h = torch.baddbmm(bias[:, :, None], matrix, h).relu_()
        return torch.baddbmm(w["head.bias"][networks, :, None], w["head.weight"][networks], h).mT

    def logits(images: Tensor) -> Tensor:
        # Whole tiles of images: the kernel then reads 16 bytes at a time.
        more = -len(images) % IMAGES
        x = torch.nn.functional.pad(images.float(), (2, 2, 2, 2, 0, 0, 0, more))
        x = x.permute(1, 2, 3, 0).contiguous()
        step = max(1, HELD // (6 * 14 * 14 * x.shape[3]))
        parts = [group(x, slice(t, t + step)) for t in range(0, count, step)]
        return torch.cat(parts)[:, : len(images)]

    return logits


def compile_kernels() -> None:
    """Compile and run the kernel on one image; raises whatever is wrong with Triton here."""
    shapes = {
        "conv1": (6, 1, 5, 5), "conv2": (16, 6, 5, 5), "conv3": (120, 16, 5, 5),
        "linear": (84, 120), "head": (10, 84),
    }  # fmt: skip
    zeros = {f"{name}.weight": torch.zeros(1, *shape) for name, shape in shapes.items()}
    zeros |= {f"{name}.bias": torch.zeros(1, shape[0]) for name, shape in shapes.items()}
    lenet5_gpu_sampler({name: w.cuda() for name, w in zeros.items()})(
        torch.zeros(1, 1, 28, 28).cuda()
    )
    torch.cuda.synchronize()


def _padded(weight: Tensor) -> Tensor:
    """(T, outputs, channels, 5, 5) -> (T, outputs, inputs), inputs filled up with zeros."""
    flat = weight.flatten(2)
    return torch.nn.functional.pad(flat, (0, -flat.shape[2] % STEP))


def _layer(x: Tensor, weight: Tensor, bias: Tensor, side: int) -> Tensor:
    """x: (groups, channels, side, side, n), of one group or one per network. weight: (T, outputs,
    inputs padded). Returns (T, outputs, side', side', n)."""
    networks, outputs, padded = weight.shape
    images, pooled, rows = x.shape[4], (side - 4) // 2, networks * outputs
    out = x.new_empty(networks, outputs, pooled, pooled, images)
    grid = (triton.cdiv(images, IMAGES), pooled * pooled, triton.cdiv(rows, ROWS))
    _conv_relu_pool[grid](
        x, weight.contiguous(), bias.contiguous(), out, images, rows,
        outputs if len(x) > 1 else rows, x[0].numel(),
        SIDE=side, POOLED=pooled, INPUTS=x.shape[1] * 25, PADDED=padded,
        ROWS=ROWS, IMAGES=IMAGES, STEP=STEP,
        PRECISION="tf32" if torch.backends.cudnn.allow_tf32 else "tf32x3",
    )  # fmt: skip
    return out
