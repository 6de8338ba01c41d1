"""ReLU and BatchNorm in one pass against torch's two in double precision."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from bnn_core.networks import relu_norm as module
from bnn_core.networks.relu_norm import relu_norm

SHAPES = [(3, 16, 9, 7), (2, 32, 1, 1), (20, 16, 32, 32)]


def both(shape, dtype):
    """Outputs, gradients and running statistics of ours and torch's, of the same inputs, as float32."""
    torch.manual_seed(0)
    x = (torch.randn(shape) + 0.3).to(dtype).contiguous(memory_format=torch.channels_last)
    x = x.requires_grad_()
    norm = nn.BatchNorm2d(shape[1])
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    plain, slope = copy.deepcopy(norm).double(), torch.randn(shape).to(dtype)
    exact = x.detach().double().requires_grad_()
    results = []
    for layer, given, y in (
        (norm, x, relu_norm(x + 0, norm)),
        (plain, exact, plain(F.relu(exact))),
    ):
        gradients = torch.autograd.grad(y, (given, layer.weight, layer.bias), slope.to(y.dtype))
        results.append((y.detach(), *gradients, layer.running_mean, layer.running_var))
    ours, theirs = results
    assert [value.dtype for value in ours] == [dtype] * 2 + [torch.float32] * 4
    return [[value.float() for value in values] for values in (ours, theirs)]


@pytest.mark.parametrize("shape", SHAPES)
def test_values_gradients_and_statistics_are_torchs(shape):
    ours, theirs = both(shape, torch.float32)
    for value, expected in zip(ours, theirs, strict=True):
        assert_close(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_bfloat16_differs_by_its_rounding(shape):
    ours, theirs = both(shape, torch.bfloat16)
    for value, expected in zip(ours, theirs, strict=True):
        error = (value - expected).norm() / expected.norm().clamp(min=1)
        assert error < 2**-8


def test_without_numba_it_is_the_same(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    ours, theirs = both(SHAPES[0], torch.float32)
    for value, expected in zip(ours, theirs, strict=True):
        assert_close(value, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_not_a_number_stays_so(dtype):
    x = torch.zeros(2, 16, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    x[0, 5, 1, 1] = float("nan")
    y = relu_norm(x.requires_grad_(), nn.BatchNorm2d(16))
    assert y[:, 5].isnan().all() and not y[:, 4].isnan().any()
