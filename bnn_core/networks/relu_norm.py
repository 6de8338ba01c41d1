"""ReLU and BatchNorm of a training step in one: on a CPU torch spends a third of the step in them."""

from functools import cache
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def relu_norm(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """`norm(relu(x))`, x (B, C, H, W), which may be overwritten; in training on a CPU by compiled
    kernels, where numba is there. x is float32 or bfloat16; all sums are float32 or float64."""
    if x.requires_grad and norm.training and _can_be_compiled(x, norm):
        return _ReluNorm.apply(x, norm.weight, norm.bias, norm)
    return norm(F.relu(x, inplace=True))


def _can_be_compiled(x: Tensor, norm: nn.BatchNorm2d) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and norm.momentum is not None
        and x.is_contiguous(memory_format=torch.channels_last)
        and find_spec("numba") is not None
        and _kernels().ROW % x.shape[1] == 0
    )


class _ReluNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d) -> Tensor:
        out = torch.empty_like(x)
        parameters = [part.detach().numpy() for part in (weight, bias)]
        running = norm.running_mean.numpy(), norm.running_var.numpy()
        ctx.moments = _kernels().relu_norm_forward(
            _flat(x), *parameters, *running, norm.momentum, norm.eps, _flat(out)
        )
        norm.num_batches_tracked.add_(1)
        ctx.save_for_backward(x, weight)
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        by_x = torch.empty_like(x)
        sums = _kernels().relu_norm_backward(
            _flat(gradient), _flat(x), *ctx.moments, weight.detach().numpy(), _flat(by_x)
        )
        return by_x, *map(torch.from_numpy, sums), None


def _flat(x: Tensor):
    """All numbers of a channels-last tensor as they lie in memory; bfloat16 as its bits."""
    bits = x.view(torch.uint16) if x.dtype == torch.bfloat16 else x
    return bits.detach().permute(0, 2, 3, 1).reshape(-1).numpy()


@cache
def _kernels():
    from bnn_core.networks import relu_norm_cpu

    return relu_norm_cpu
