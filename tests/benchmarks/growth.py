"""How does the time of prediction and training grow? CPU time of one thread, untrained networks.

OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/growth.py

Prediction against the number of images N, networks T and the image's side; a training step of the
multi-scale network against the side. The memory of a prediction: prediction_memory.py.
"""

from dataclasses import replace

import torch
from engine import SHAPE, cpu_ms, training_step

from bnn_core.networks.building import new_network
from bnn_core.networks.memory import keep_freed_memory
from bnn_core.networks.prediction import draw_networks, predictive_samples
from bnn_core.networks.settings import TrainConfig
from bnn_core.recipes.plate_presets import PLATE_PRESETS

CELLS = PLATE_PRESETS["default"]["vi"]


def prediction_ms(config: TrainConfig, shape: tuple[int, ...], count: int, networks: int) -> float:
    """CPU milliseconds of T networks on `count` images, in batches as a study's."""
    network, plain = (new_network(config, 10, shape, bayesian=b) for b in (True, False))
    drawn = draw_networks(network, plain, networks, seed=0)
    parts = torch.rand(count, *shape).split(512 if shape == SHAPE else 16)
    return cpu_ms(lambda: [predictive_samples(drawn, part) for part in parts], 3)


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    digits = TrainConfig()
    print("| LeNet5 | CPU s | µs per image and network |\n| --- | --- | --- |")
    for count, networks in ((100, 100), (1000, 10), (1000, 100), (1000, 400), (10_000, 100)):
        ms = prediction_ms(digits, SHAPE, count, networks)
        print(
            f"| N = {count:,}, T = {networks} | {ms / 1e3:.3f} | {1e3 * ms / count / networks:.1f} |"
        )
    print("\n| multi-scale network, side | prediction, ms per image and network | ms per step of 20: "
          "float32 | bfloat16 |\n| --- | --- | --- | --- |")  # fmt: skip
    for side in (32, 64, 128, 256):
        shape = (3, side, side)
        each = prediction_ms(CELLS, shape, 16, 4) / 64
        steps = [
            cpu_ms(training_step(replace(CELLS, crop=0, precision=p), 20, shape), 3)
            for p in ("float32", "bfloat16")
        ]
        print(f"| {side} | {each:.2f} | {steps[0]:.0f} | {steps[1]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
