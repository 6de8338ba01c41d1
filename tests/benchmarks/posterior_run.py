"""Trains many variants on many folds at once and predicts what each fold left out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from posterior_images import Images
from posterior_methods import OPTIMISERS, Setting, Variant, swag_draw
from posterior_nets import BatchStatistics, Body, GivenStatistics, Gradients, gradients
from torch import Tensor

BATCH = {"mscnn": 20, "lenet5": 128}
SEEDS_APART = 1000


@dataclass
class Trained:
    """M networks of one variant: one row per seed and fold.

    kept: (M, k P) what stands for each: weights, and sigmas of a distribution. averaged: the same,
    averaged over the end of training. snapshots: (K, M, P) weights on the way. sigma: (M, P) at
    the start, and at the end inside `averaged`.
    """

    variant: Variant
    kept: Tensor
    averaged: Tensor
    snapshots: Tensor
    first_sigma: Tensor | None
    seconds: float


class Bench:
    """Images, body and settings of one run; trains groups of variants."""

    def __init__(self, images: Images, body: Body, seeds: list[int], device: str):
        self.images, self.body, self.seeds, self.device = images, body, seeds, device
        self.networks = [(seed, job) for seed in seeds for job in images.jobs]
        self.m = len(self.networks)
        self.batch = BATCH[body.kind]
        sizes = [len(job.train) for _, job in self.networks]
        self.sizes = torch.tensor(sizes, dtype=torch.float32)
        self.weights = self._class_weights()
        self.most = max(len(job.predict) for _, job in self.networks)
        self.rows = np.stack(
            [np.resize(job.predict, self.most) for _, job in self.networks]
        )  # padded by repeating: what is too much is cut off where it is counted

    def steps(self, epochs: float) -> int:
        return max(round(epochs * float(self.sizes.mean()) / self.batch), 8)

    def _class_weights(self) -> Tensor:
        """(M, C), inverse to class sizes, mean 1 over each network's training images."""
        out = []
        for _, job in self.networks:
            counts = np.bincount(self.images.targets[job.train], minlength=self.images.classes)
            present = counts > 0
            weight = np.zeros(self.images.classes, np.float32)
            weight[present] = counts.sum() / (present.sum() * counts[present])
            out.append(weight if self.body.kind == "mscnn" else np.ones_like(weight))
        return torch.from_numpy(np.stack(out)).to(self.device)

    def schedule(self, steps: int, batch: int | None = None) -> Tensor:
        """(steps, M, batch) training rows: permutations of each network's images, end to end."""
        batch = batch or self.batch
        out = np.empty((self.m, steps * batch), np.int64)
        for row, (seed, job) in zip(out, self.networks, strict=True):
            rng = np.random.default_rng([seed, job.dataset, job.fold])
            times = -(-len(row) // len(job.train))
            row[:] = np.concatenate([rng.permutation(job.train) for _ in range(times)])[: len(row)]
        out = out.reshape(self.m, steps, batch).transpose(1, 0, 2)
        return torch.from_numpy(np.ascontiguousarray(out)).to(self.device)

    def start(self) -> Tensor:
        return self.body.start(
            [SEEDS_APART * seed + 10 * job.dataset + job.fold for seed, job in self.networks],
            self.device,
        )

    def train(self, variants: list[Variant], starts: list[Tensor], seed: int = 0) -> list[Trained]:
        """Train variants of one family and length side by side."""
        began, v = time.perf_counter(), len(variants)
        torch.manual_seed(seed)
        every = [variant for variant in variants for _ in range(self.m)]
        steps = self.steps(variants[0].epochs)
        setting = Setting(every, steps, self.sizes.repeat(v), self.device)
        optimiser = OPTIMISERS[variants[0].family](self.body, setting, torch.cat(starts))
        schedule, targets = self.schedule(steps), torch.from_numpy(self.images.targets)
        targets, weights = targets.to(self.device), self.weights.repeat(v, 1)
        drop = setting("drop")[:, 0]
        drop = drop if bool((drop > 0).any()) else None
        first = optimiser.kept()[:, self.body.size :].clone()
        gradient_of = Gradients(self.body, weights, drop)
        begin = (1 - setting("average").clamp(min=1e-9)) * steps
        averaged, count = torch.zeros_like(optimiser.kept()), torch.zeros_like(begin)
        snapshots, taken = [], set(_snapshot_steps(variants, steps).tolist())
        for t in range(steps):
            rows = schedule[t].repeat(v, 1)
            x = self.images.batch(rows)
            gradient = gradient_of(optimiser.point(), x, targets[rows])
            optimiser.step(gradient, t)
            active = (t >= begin) | (t == steps - 1)
            count += active
            averaged += active * (optimiser.kept() - averaged) / count.clamp(min=1)
            if t in taken:
                snapshots.append(optimiser.centre().clone())
        if self.device != "cpu":
            torch.cuda.synchronize()
        seconds = (time.perf_counter() - began) / v
        kept, stack = optimiser.kept(), torch.stack(snapshots)
        parts = [slice(i * self.m, (i + 1) * self.m) for i in range(v)]
        return [
            Trained(variant, kept[s].clone(), averaged[s].clone(), stack[:, s].clone(),
                    first[s] if first.shape[1] else None, seconds)
            for variant, s in zip(variants, parts, strict=True)
        ]  # fmt: skip

    def settle(self, point: Callable[[int], Tensor], drop: Tensor | None, batches: int) -> dict:
        """BatchNorm's mean and variance over large batches, batch i with `point(i)` as weights."""
        if self.body.kind != "mscnn":
            return {}
        schedule = self.schedule(batches, 5 * self.batch)
        sums: dict[str, list[Tensor]] = {}
        with torch.no_grad():
            for i in range(batches):
                norm = BatchStatistics(gather=True)
                x = self.images.batch(schedule[i])
                self.body.logits(self.body.leaves(point(i)), x, norm, drop)
                for name, (mean, variance) in norm.gathered.items():
                    old = sums.setdefault(name, [torch.zeros_like(mean), torch.zeros_like(mean)])
                    old[0] += mean / batches
                    old[1] += variance / batches
        return {name: tuple(pair) for name, pair in sums.items()}

    def sample(self, w: Tensor, statistics: dict, symmetry: int) -> Tensor:
        """(M, R, C) log-softmax of what each network predicts, with weights w."""
        norm, leaves = GivenStatistics(statistics), self.body.leaves(w)
        pixels = self.images.pixels.shape[-1] * self.images.pixels.shape[-2]
        chunk = max(1800 * 4096 // pixels // self.m, 4)
        rows = torch.from_numpy(self.rows).to(self.device)
        parts = []
        with torch.no_grad():
            for part in rows.split(chunk, dim=1):
                x = self.images.whole(part, symmetry)
                parts.append(F.log_softmax(self.body.logits(leaves, x, norm).float(), dim=-1))
        return torch.cat(parts, dim=1)

    def predictors(self, trained: Trained, draws: int) -> dict[str, Tensor]:
        """Name -> samples (T, M, R, C) of log-softmax, one symmetry of the square after another.

        A point predicts under each symmetry once. A distribution is drawn `draws` times, draw t
        under symmetry t: the symmetries cost nothing more.
        """
        v, turns = trained.variant, len(self.images.pixels)
        size, out = self.body.size, {}
        generator = torch.Generator(self.device).manual_seed(1)

        def of_point(w: Tensor, drop=None) -> Tensor:
            statistics = self.settle(lambda i: w, drop, 6)
            return torch.stack([self.sample(w, statistics, s) for s in range(turns)])

        if v.family == "adam" and not v.drop:
            out[v.name] = of_point(trained.averaged)
            if v.swag:
                samples = []
                for t in range(min(draws, 16)):
                    w = swag_draw(trained.snapshots, generator)
                    samples.append(self.sample(w, self.settle(lambda i, w=w: w, None, 3), t))
                out[f"{v.name}+swag"] = torch.stack(samples)
        elif v.family == "adam":
            rates = torch.full((self.m,), v.drop, device=self.device)
            statistics = self.settle(lambda i: trained.averaged, rates, 12)
            out[v.name] = torch.stack(
                [
                    self.sample(self._thinned(trained.averaged, v.drop, generator), statistics, t)
                    for t in range(draws)
                ]
            )
            out[f"{v.name}+mean"] = of_point(trained.averaged, None)
        elif v.family in ("vi", "ivon"):
            mu, sigma = trained.averaged.split(size, dim=1)

            def draw(i: int) -> Tensor:
                return mu + sigma * torch.randn(mu.shape, generator=generator, device=self.device)

            statistics = self.settle(draw, None, 16)
            out[v.name] = torch.stack([self.sample(draw(t), statistics, t) for t in range(draws)])
            out[f"{v.name}+mean"] = of_point(mu)
        else:
            samples = []
            for t in range(max(len(trained.snapshots), turns)):
                w = trained.snapshots[t % len(trained.snapshots)]
                if t < len(trained.snapshots):
                    statistics = [] if t == 0 else statistics
                    statistics.append(self.settle(lambda i, w=w: w, None, 3))
                samples.append(self.sample(w, statistics[t % len(trained.snapshots)], t))
            out[v.name] = torch.stack(samples)
        return out

    def _thinned(self, w: Tensor, rate: float, generator: torch.Generator) -> Tensor:
        """Each network without some of its maps: one mask per layer's output."""
        out = w.clone()
        for name, shape, fan_in, a, b in self.body.parts:
            if fan_in and not name.startswith("head") and name.endswith("weight"):
                keep = torch.rand(len(w), shape[0], generator=generator, device=w.device) >= rate
                scale = keep / (1 - rate)
                out[:, a:b] *= scale.repeat_interleave((b - a) // shape[0], dim=1)
                out[:, b : b + shape[0]] *= scale
        return out


def _snapshot_steps(variants: list[Variant], steps: int) -> Tensor:
    """Steps after which weights are kept: 3 at the end of each cycle, or 12 over the last part."""
    v = variants[0]
    if v.family == "sghmc":
        length = steps / v.cycles
        return torch.tensor(
            [int((c + part) * length) - 1 for c in range(v.cycles) for part in (0.8, 0.9, 1.0)]
        )
    longest = max(v.average for v in variants)
    return torch.linspace((1 - longest) * steps, steps - 1, 12).long()


def autotune(images: Images, body: Body, seeds: list[int], device: str, networks: int) -> Body:
    """The body with the convolution that trains fastest here; prints all times."""
    best, least, reference = body, float("inf"), None
    options = [("grouped", torch.float32, False), ("unfold", torch.float32, False)]
    if device != "cpu":
        options += [
            ("grouped", torch.bfloat16, False),
            ("grouped", torch.bfloat16, True),
            ("unfold", torch.bfloat16, False),
        ]
    bench = Bench(images, body, seeds, device)
    times = -(-networks // bench.m)
    w = bench.start().repeat(times, 1)
    rows = bench.schedule(8).repeat(1, times, 1)
    targets = torch.from_numpy(images.targets).to(device)
    weights = bench.weights.repeat(times, 1)
    for conv, dtype, last in options:
        tried = replace(body, conv=conv, dtype=dtype, channels_last=last, parts=[])
        try:
            for t in range(8):
                if t == 3:
                    if device != "cpu":
                        torch.cuda.synchronize()
                    began = time.perf_counter()
                torch.manual_seed(t)
                x = images.batch(rows[t])
                loss, gradient = gradients(tried, w, x, targets[rows[t]], weights)
            mean = float(loss.mean())
            seconds = (time.perf_counter() - began) / 5 / len(w)
        except RuntimeError as error:
            print(f"  {conv} {dtype} failed: {str(error).splitlines()[0]}", flush=True)
            continue
        print(f"  {conv} {dtype} last={last}: {1e3 * seconds:.3f} ms a step and network, "
              f"loss {mean:.4f}", flush=True)  # fmt: skip
        reference = gradient if reference is None else reference
        error = float((gradient - reference).norm() / reference.norm())
        print(f"  gradient differs by {error:.2g} of its norm", flush=True)
        if seconds < least and error < 0.3:
            best, least = tried, seconds
    return best
