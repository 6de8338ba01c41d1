"""The Triton kernel of LeNet5, run by Triton's interpreter on a CPU, against torch's layers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

# In a process of its own: Triton reads the variable when it is imported.
CHECK = """
import torch
import torch.nn.functional as F
from bnn_core.networks import lenet5_gpu

torch.manual_seed(0)
lenet5_gpu.IMAGES = 16
for groups, networks, outputs, channels in ((1, 2, 6, 2), (2, 2, 16, 1)):
    x = torch.randn(groups, channels, 8, 8, 32)
    weight, bias = torch.randn(networks, outputs, channels, 5, 5), torch.randn(networks, outputs)
    ours = lenet5_gpu._layer(x, lenet5_gpu._padded(weight), bias, 8)
    for t in range(networks):
        images = x[t if groups > 1 else 0].permute(3, 0, 1, 2)
        plain = F.relu(F.max_pool2d(F.conv2d(images, weight[t], bias[t]), 2))
        torch.testing.assert_close(ours[t].permute(3, 0, 1, 2), plain, atol=1e-4, rtol=1e-4)
"""


def test_the_kernel_is_convolution_pooling_and_relu():
    environment = os.environ | {
        "TRITON_INTERPRET": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


WHOLE = """
import torch
from bnn_core.networks import lenet5_gpu
from bnn_core.networks.building import new_network
from bnn_core.networks.prediction import draw_networks, one_by_one
from bnn_core.networks.settings import TrainConfig

def plain_layer(x, weight, bias, side):
    images = x.expand(len(weight), *x.shape[1:]).permute(0, 4, 1, 2, 3)
    inputs = images.shape[2] * 25
    return torch.stack([
        torch.relu(torch.max_pool2d(torch.conv2d(i, w[:, :inputs].unflatten(1, (-1, 5, 5)), b), 2))
        for i, w, b in zip(images, weight, bias)
    ]).permute(0, 2, 3, 4, 1).contiguous()

lenet5_gpu._layer = plain_layer
config, shape = TrainConfig(rho_init=-2.0), (2, 28, 28)
network = new_network(config, 4, shape).eval()
networks = draw_networks(network, new_network(config, 4, shape, bayesian=False), 3, seed=0)
x = torch.randn(5, *shape)
with torch.inference_mode():
    plain = one_by_one(networks, x)
    for held in (1, 1 << 28):  # one network at a time, all at once
        lenet5_gpu.HELD = held
        ours = lenet5_gpu.lenet5_gpu_sampler(networks.weights)(x)
        torch.testing.assert_close(ours, plain, atol=1e-4, rtol=1e-4)
"""


def test_what_is_around_the_kernel():
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", WHOLE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
