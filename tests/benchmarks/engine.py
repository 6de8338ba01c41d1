"""Speed of a training step and of prediction, as ratios within one run.

  OMP_NUM_THREADS=1 python tests/benchmarks/engine.py

Prints the median CPU milliseconds of a LeNet5 training step, plain and Bayesian; of a step of the
multi-scale network on images of cells, in float32 and in bfloat16; and the microseconds per image
and network of a prediction against the plain loop of one module per sample.
"""

import statistics
import time
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from bnn_core.networks.building import new_network
from bnn_core.networks.memory import keep_freed_memory
from bnn_core.networks.prediction import draw_networks, predictive_samples
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.stepping import TrainingStep
from bnn_core.recipes.plate_presets import PLATE_PRESETS

SHAPE, CELLS = (1, 28, 28), (3, 64, 64)


def cpu_ms(function, repeats: int = 30) -> float:
    """Median CPU milliseconds of one call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1e3


def training_step(config: TrainConfig, batch: int, shape: tuple[int, int, int] = SHAPE):
    """One optimiser step on random images, as a function of nothing."""
    step = TrainingStep(new_network(config, 10, shape), config, 60_000, 10_000, None, "cpu")
    step.begin_epoch(np.tile([1e-3, 0.9, 1.0], (10_000, 1)), 0, seed=0)
    x = torch.randint(256, (batch, *shape), dtype=torch.uint8)
    y = torch.randint(10, (batch,))
    return lambda: step(x, y)


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()  # as the product does
    base = TrainConfig()
    kinds = {"plain": replace(base, bayesian=False)} | {
        f"{prior}, {estimator}": replace(base, prior=prior, estimator=estimator)
        for prior in ("gaussian", "mixture")
        for estimator in ("local", "weights")
    }
    for batch in (32, 128, 256):
        floor = None
        for name, config in kinds.items():
            ms = cpu_ms(training_step(config, batch))
            floor = floor or ms
            print(f"step, batch {batch:3d}  {name:20s} {ms:7.1f} ms  {ms / floor:4.2f} x plain")
    cells = PLATE_PRESETS["default"]
    for name, config in (("plain", cells["standard"]), ("vi", cells["vi"])):
        full, half = (
            cpu_ms(training_step(replace(config, precision=p), 20, CELLS), 15)
            for p in ("float32", "bfloat16")
        )
        print(
            f"step, mscnn, batch 20  {name:6s} {full:7.1f} ms float32 {half:7.1f} ms bfloat16  "
            f"{full / half:4.2f} x as fast"
        )
    network, plain = new_network(base, 10, SHAPE), new_network(base, 10, SHAPE, bayesian=False)
    networks = draw_networks(network, plain, 100, seed=0)
    x = torch.rand(100, *SHAPE)

    def one_module_per_sample() -> None:
        with torch.inference_mode():
            for weights in networks:
                w = weights
                h = F.max_pool2d(
                    F.relu(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=2)), 2
                )
                h = F.max_pool2d(F.relu(F.conv2d(h, w["conv2.weight"], w["conv2.bias"])), 2)
                h = F.relu(F.conv2d(h, w["conv3.weight"], w["conv3.bias"])).flatten(1)
                h = F.relu(F.linear(h, w["linear.weight"], w["linear.bias"]))
                F.linear(h, w["head.weight"], w["head.bias"]).softmax(1)

    ours = cpu_ms(lambda: predictive_samples(networks, x), 5)
    naive = cpu_ms(one_module_per_sample, 5)
    for name, ms in (("predictive_samples", ours), ("textbook loop", naive)):
        print(f"{name:20s} {ms / 10:6.1f} µs per image and network  {ms / ours:4.2f} x ours")


if __name__ == "__main__":
    main()
