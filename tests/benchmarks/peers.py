"""Bayesian LeNet5 against other libraries: prediction by 100 networks, training steps, time to accuracy.

  pip install --no-deps torchbnn bayesian-torch blitz-bayesian-pytorch
  OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/peers.py predict [--images 1000] [--threads 1]
  OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/peers.py step
  OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/peers.py accuracy --mnist FOLDER

All engines take turns, round by round, so that other work on the machine meets each of them.
`predict` first checks that the product's 100 networks give the probabilities that a plain forward pass
with the same weights gives. Times are CPU seconds; with two threads wall seconds. `accuracy` trains
each peer (Adam, batches of 128, T = 10) until the 10,000 images that are held back from training are
right to 98.9 %, counting the training alone, then runs `bnn study mnist --preset quick`, counting all.
"""

import argparse
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnn_core import evaluate, open_study
from bnn_core.datasets.mnist import load_mnist
from bnn_core.networks.building import new_network
from bnn_core.networks.memory import keep_freed_memory
from bnn_core.networks.prediction import draw_networks, predictive_samples
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.stepping import TrainingStep

SHAPE, CLASSES, DRAWS, TRAINED_ON = (1, 28, 28), 10, 100, 60_000
#: Multiply-adds of one forward pass of LeNet5, times two.
FLOP = 0.833e6


class LeNet5(nn.Module):
    """The body that every library gets, from its own layers."""

    def __init__(self, conv: Callable[..., nn.Module], linear: Callable[..., nn.Module]):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (
            conv(1, 6, padding=2),
            conv(6, 16),
            conv(16, 120),
        )
        self.linear, self.head = linear(120, 84), linear(84, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.head(F.relu(self.linear(F.relu(self.conv3(x)).flatten(1))))


def plain() -> tuple[nn.Module, Callable[[nn.Module], Tensor | float]]:
    return LeNet5(lambda i, o, **k: nn.Conv2d(i, o, 5, **k), nn.Linear), lambda network: 0.0


def torchbnn() -> tuple[nn.Module, Callable[[nn.Module], Tensor | float]]:
    import torchbnn

    prior = {"prior_mu": 0, "prior_sigma": 0.1}
    network = LeNet5(
        lambda i, o, **k: torchbnn.BayesConv2d(
            in_channels=i, out_channels=o, kernel_size=5, **prior, **k
        ),
        lambda i, o: torchbnn.BayesLinear(in_features=i, out_features=o, **prior),
    )
    return network, torchbnn.BKLLoss(reduction="sum", last_layer_only=False)


def bayesian_torch() -> tuple[nn.Module, Callable[[nn.Module], Tensor | float]]:
    from bayesian_torch.layers import Conv2dReparameterization, LinearReparameterization
    from bayesian_torch.models.dnn_to_bnn import get_kl_loss

    prior = {
        "prior_mean": 0.0,
        "prior_variance": 1.0,
        "posterior_mu_init": 0.0,
        "posterior_rho_init": -3.0,
    }

    class First(nn.Module):
        """A layer that returns its output without the KL, as `dnn_to_bnn` makes it."""

        def __init__(self, layer: nn.Module):
            super().__init__()
            layer.dnn_to_bnn_flag = True
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)

    network = LeNet5(
        lambda i, o, **k: First(Conv2dReparameterization(i, o, 5, **prior, **k)),
        lambda i, o: First(LinearReparameterization(i, o, **prior)),
    )
    return network, get_kl_loss


def blitz() -> tuple[nn.Module, Callable[[nn.Module], Tensor | float]]:
    from blitz.losses import kl_divergence_from_nn
    from blitz.modules import BayesianConv2d, BayesianLinear

    network = LeNet5(
        lambda i, o, **k: BayesianConv2d(i, o, (5, 5), **k), lambda i, o: BayesianLinear(i, o)
    )
    return network, kl_divergence_from_nn


PEERS = {"torchbnn": torchbnn, "bayesian-torch": bayesian_torch, "blitz": blitz}


#: Weight of the KL and draws per step in each library's README. For torchbnn 0.01 of the mean over all
#: weights, here as a sum; for bayesian-torch one divided by the batch; for blitz the images' share.
AS_DOCUMENTED = {
    "torchbnn": (0.01 / 61_706, 1),
    "bayesian-torch": (1 / 128, 1),
    "blitz": (1 / 50_000, 3),
}


def in_turn(jobs: dict[str, Callable[[], object]], repeats: int, clock=time.process_time):
    """Median seconds of each job; every round runs all of them once, after one round unmeasured."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(repeats + 1):
        for name, job in jobs.items():
            start = clock()
            job()
            if turn:
                times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def product(bayesian: bool = True) -> tuple[nn.Module, nn.Module]:
    config = TrainConfig()
    network = new_network(config, CLASSES, SHAPE, bayesian=bayesian)
    return network, new_network(config, CLASSES, SHAPE, bayesian=False)


def predict(images: int, threads: int, repeats: int) -> None:
    torch.set_num_threads(threads)
    x = torch.rand(images, *SHAPE)
    networks = draw_networks(*product(), DRAWS, seed=0)
    ours = np.asarray(predictive_samples(networks, x[:200])).reshape(DRAWS, 200, CLASSES)
    with torch.inference_mode():
        twin = plain()[0]
        for k, weights in enumerate(networks):
            twin.load_state_dict(weights)
            difference = np.abs(ours[k] - twin(x[:200]).softmax(1).numpy()).max()
            assert difference < 1e-4, f"network {k} differs by {difference:g}"

    def passes(network: nn.Module) -> Callable[[], None]:
        def run() -> None:
            with torch.inference_mode():
                mean = torch.zeros(images, CLASSES)
                for _ in range(DRAWS):
                    for part in torch.arange(images).split(1000):
                        mean[part] += network(x[part]).softmax(1)

        return run

    jobs = {"product": lambda: predictive_samples(networks, x), "plain x T": passes(plain()[0])}
    jobs |= {name: passes(make()[0]) for name, make in PEERS.items()}
    a = torch.rand(2048, 2048)
    jobs["matrix product"] = lambda: a @ a
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds = in_turn(jobs, repeats, clock)
    peak = 2 * 2048**3 / seconds.pop("matrix product")
    print(f"matrix product {peak / 1e9:.0f} GFLOP/s, {threads} threads")
    print("| T = 100 | seconds | x the product | of the matrix product's rate |")
    print("| --- | --- | --- | --- |")
    for name, value in seconds.items():
        share = FLOP * images * DRAWS / value / peak
        print(f"| {name} | {value:.3f} | {value / seconds['product']:.2f} | {share:.0%} |")


def step(repeats: int) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()  # as the product does
    base = TrainConfig()
    ours = {
        "product, plain": replace(base, bayesian=False),
        "product, mixture, weights": replace(base, estimator="weights"),
        "product, mixture, local": replace(base, estimator="local"),
        "product, Gaussian, weights": replace(base, prior="gaussian", estimator="weights"),
    }
    print("| CPU ms of a training step | batch 32 | 128 | 256 |\n| --- | --- | --- | --- |")
    rows: dict[str, list[float]] = {}
    for batch in (32, 128, 256):
        x, y = torch.randint(256, (batch, *SHAPE), dtype=torch.uint8), torch.randint(10, (batch,))
        jobs: dict[str, Callable[[], object]] = {}
        for name, config in ours.items():
            one = TrainingStep(
                new_network(config, CLASSES, SHAPE), config, TRAINED_ON, 1000, None, "cpu"
            )
            one.begin_epoch(np.tile([1e-3, 0.9, 1.0], (1000, 1)), 0, seed=0)
            jobs[name] = partial(one, x, y)
        real = x.float() / 255
        for name, make in {"plain torch": plain, **PEERS}.items():
            network, kl = make()
            adam = torch.optim.Adam(network.parameters())
            jobs[name] = partial(peer_step, network, kl, adam, real, y)
        for name, value in in_turn(jobs, repeats).items():
            rows.setdefault(name, []).append(1e3 * value)
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{v:.1f}" for v in values) + " |")


def peer_step(
    network, kl, optimiser, x: Tensor, y: Tensor, weight: float = 1 / TRAINED_ON, draws: int = 1
) -> None:
    optimiser.zero_grad()
    for _ in range(draws):
        loss = F.cross_entropy(network(x), y) + weight * kl(network)
        (loss / draws).backward()
    optimiser.step()


def accuracy(folder: Path, goal: float) -> None:
    """CPU seconds until images held back are right to `goal`; looked at after every epoch."""
    torch.set_num_threads(1)
    data = load_mnist(folder, train=True)
    order = np.random.default_rng(0).permutation(len(data.images))
    x = torch.as_tensor(data.images[order]).reshape(-1, *SHAPE)
    y = torch.as_tensor(data.targets[order])
    held = slice(0, 10_000)
    for name, make in PEERS.items():
        torch.manual_seed(0)
        network, kl = make()
        weight, draws = AS_DOCUMENTED[name]
        optimiser, seconds = torch.optim.Adam(network.parameters()), 0.0
        for epoch in range(1, 31):
            start = time.process_time()
            for part in (10_000 + torch.randperm(50_000)).split(128):
                peer_step(network, kl, optimiser, x[part].float() / 255, y[part], weight, draws)
            seconds += time.process_time() - start
            with torch.inference_mode():
                mean = sum(network(x[held].float() / 255).softmax(1) for _ in range(10))
            right = float((mean.argmax(1) == y[held]).float().mean())
            print(f"{name}, epoch {epoch}: training {seconds:.0f} s, {right:.4f}", flush=True)
            if right >= goal:
                break
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "bnn_core.commands.cli", "study", "mnist", "--preset"]
        subprocess.run(
            [*command, "quick", "--data", str(folder), "--out", f"{cache}/mnist"], check=True
        )
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        right = evaluate(open_study(f"{cache}/mnist"), method="vi")["accuracy"].value
    print(f"the whole command: {used.ru_utime + used.ru_stime:.0f} s, {right:.4f} of test images")


def machine() -> str:
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    wide = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if name in flags]
    return f"{platform.machine()}, {', '.join(wide)}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=("predict", "step", "accuracy"))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--goal", type=float, default=0.989)
    args = parser.parse_args()
    print(machine())
    if args.what == "predict":
        predict(args.images, args.threads, args.repeats)
    elif args.what == "step":
        step(max(args.repeats, 20))
    else:
        accuracy(args.mnist, args.goal)


if __name__ == "__main__":
    main()
