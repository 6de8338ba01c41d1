"""The Triton kernel of LeNet5, run by Triton's interpreter on a CPU, against the plain loop."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

CHECK = """
import torch
from bnn_core.networks import lenet5_gpu
from bnn_core.networks.building import new_network
from bnn_core.networks.prediction import draw_networks, one_by_one
from bnn_core.networks.settings import TrainConfig

torch.set_num_threads(1)
lenet5_gpu.IMAGES = 16
lenet5_gpu.HELD = 6 * 14 * 14 * 16  # one network at a time
config, shape = TrainConfig(rho_init=-2.0), (2, 28, 28)
network = new_network(config, 4, shape).eval()
networks = draw_networks(network, new_network(config, 4, shape, bayesian=False), 2, seed=0)
torch.manual_seed(0)
x = torch.randn(5, *shape)
with torch.inference_mode():
    ours, plain = lenet5_gpu.sampler(networks.weights)(x), one_by_one(networks, x)
torch.testing.assert_close(ours, plain, atol=1e-4, rtol=1e-4)
lenet5_gpu.HELD = 1 << 28  # both at once
with torch.inference_mode():
    torch.testing.assert_close(lenet5_gpu.sampler(networks.weights)(x), ours)
"""


def test_the_kernel_is_the_plain_loop():
    environment = os.environ | {
        "TRITON_INTERPRET": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
