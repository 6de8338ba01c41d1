"""Does the memory of a prediction grow with the number of images?

OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/prediction_memory.py [--images 1000 100000]

LeNet5 predicts N images of 28 x 28 from a mapped file batch by batch, as a fold does: moments and
samples go to files. Each N is a process of its own. Prints the most anonymous memory (RssAnon: without
files) that the process held
during the prediction above what it held before, beside the size of the samples and of the moments.
"""

import argparse
import multiprocessing
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

from bnn_core.networks.building import network_input, new_network
from bnn_core.networks.prediction import draw_networks, predict_batches
from bnn_core.networks.settings import TrainConfig

CLASSES, SHAPE = 10, (1, 28, 28)


def anonymous_bytes() -> int:
    """Memory of this process that is not a file's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


def measure(count: int, num_samples: int) -> tuple[int, float]:
    """Most bytes during the prediction of `count` images, and its CPU seconds."""
    torch.set_num_threads(1)
    base = TrainConfig()
    network = new_network(base, CLASSES, SHAPE)
    plain = new_network(base, CLASSES, SHAPE, bayesian=False)
    networks = draw_networks(network, plain, num_samples, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        images = np.memmap(Path(folder) / "images", np.uint8, "w+", shape=(count, *SHAPE))
        shape = (count, num_samples, CLASSES)
        samples = np.memmap(Path(folder) / "samples", np.float16, "w+", shape=shape)

        def run(some: np.ndarray) -> None:
            with open(Path(folder) / "moments", "wb") as file:
                for batch in predict_batches(networks, some, network_input, keep=torch.float16):
                    samples[batch.rows] = batch.samples
                    for array in vars(batch.moments).values():
                        file.write(array.tobytes())

        run(images[:500])  # what it always needs
        before, most, done = anonymous_bytes(), [0], threading.Event()

        def watch() -> None:
            while not done.wait(0.01):
                most[0] = max(most[0], anonymous_bytes() - before)

        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.process_time()
        run(images)
        seconds = time.process_time() - start
        done.set()
        watcher.join()
    return most[0], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--samples", type=int, default=8)
    args = parser.parse_args()
    print("| images | memory MB | moments on disk MB | samples on disk MB | CPU s |")
    print("| --- | --- | --- | --- | --- |")
    for count in args.images:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            most, seconds = pool.apply(measure, (count, args.samples))
        moments = count * (2 * CLASSES + 1) * 8
        kept = count * args.samples * CLASSES * 2
        numbers = " | ".join(f"{n / 1e6:.1f}" for n in (most, moments, kept))
        print(f"| {count:,} | {numbers} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
