"""Correctness and speed on a GPU: checks the numbers against the CPU, then measures.

  python tests/benchmarks/gpu.py --out gpu_result --minutes 8
  python tests/benchmarks/gpu.py --out gpu_result --minutes 3 --only check,lenet5
  python tests/benchmarks/gpu.py --out gpu_result --device cpu --tiny     # the paths, not the speed

Needs torch, numpy, pandas, scipy, safetensors and tqdm; no network, no data (images are random).
Each section has a share of the time; what it measured is printed as it goes and written to
--out as gpu.json and gpu.md after every section.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

NEEDED = ("torch", "numpy", "pandas", "scipy", "safetensors", "tqdm")
missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
if missing:
    sys.exit(f"gpu.py needs {', '.join(missing)}, which this Python does not have")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from bnn_core.networks import mscnn, noise  # noqa: E402
from bnn_core.networks.building import network_input, new_network  # noqa: E402
from bnn_core.networks.flat import FlatWeights  # noqa: E402
from bnn_core.networks.prediction import Networks, draw_networks, one_by_one, predict  # noqa: E402
from bnn_core.networks.settings import TrainConfig  # noqa: E402
from bnn_core.networks.stepping import TrainingStep  # noqa: E402
from bnn_core.networks.training import Training, TrainingSet  # noqa: E402

LENET5 = TrainConfig(batch_size=32, learning_rate=1e-3, schedule="constant", validation=0.0)
CELLS = replace(LENET5, network="mscnn", batch_size=20, intensity="sqrt")
DIGITS = (1, 28, 28)


@dataclass(frozen=True)
class Sizes:
    """How much of everything: full for a GPU, tiny for the tests."""

    images: int = 10_000
    emnist: int = 814_255
    networks: int = 100
    steps: int = 2000
    field: tuple[int, int] = (1024, 1280)
    crop: int = 128
    folds: int = 38
    matrix: int = 8192
    repeats: int = 3
    batch: int = 20


TINY = Sizes(8, 12, 3, 6, (40, 48), 16, 2, 64, 1, 2)


class Report:
    """Rows of (section, measurement, value, unit, note), printed and kept."""

    def __init__(self, out: Path, device: torch.device):
        self.out, self.device, self.rows, self.section, self.deadline = out, device, [], "", 0.0
        out.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, value: float | str, unit: str = "", note: str = "") -> None:
        self.rows.append(
            {"section": self.section, "name": name, "value": value, "unit": unit, "note": note}
        )
        shown = f"{value:.4g}" if isinstance(value, float) else value
        print(f"[{self.section}] {name}: {shown} {unit} {note}", flush=True)

    @property
    def left(self) -> float:
        """Seconds that this section has left."""
        return self.deadline - time.perf_counter()

    def write(self) -> None:
        (self.out / "gpu.json").write_text(json.dumps(self.rows, indent=1) + "\n")
        lines = ["| section | measured | value | unit | note |", "| --- | --- | --- | --- | --- |"]
        for row in self.rows:
            value = row["value"]
            value = f"{value:.4g}" if isinstance(value, float) else value
            lines.append(
                f"| {row['section']} | {row['name']} | {value} | {row['unit']} | {row['note']} |"
            )
        (self.out / "gpu.md").write_text("\n".join(lines) + "\n")


def seconds(device: torch.device, function: Callable[[], object], repeats: int) -> float:
    """Median wall seconds of a call, waiting for the device."""
    times = []
    for _ in range(repeats):
        synchronize(device)
        start = time.perf_counter()
        function()
        synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def exact(on: bool) -> None:
    """float32 products in full precision (on), or in TF32 as torch's default for convolutions."""
    torch.backends.cudnn.allow_tf32 = not on
    torch.backends.cuda.matmul.allow_tf32 = not on


def drawn(config: TrainConfig, shape: tuple, classes: int, count: int, device) -> Networks:
    """T networks of an untrained posterior, drawn on the CPU's generator, on `device`."""
    network = new_network(config, classes, shape).eval().to(device)
    plain = new_network(config, classes, shape, bayesian=False).eval()
    return draw_networks(network, plain, count, seed=0)


def random_images(count: int, shape: tuple, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def machine(report: Report, sizes: Sizes) -> None:
    """The card and its ceilings."""
    device = report.device
    report.add("python, torch", f"{platform.python_version()}, {torch.__version__}")
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        report.add("card", f"{card.name}, {card.total_memory / 2**30:.0f} GiB")
    block = torch.randn(sizes.matrix * sizes.matrix, device=device)
    other = torch.empty_like(block)
    for _ in range(2):
        took = seconds(device, lambda: [other.copy_(block) for _ in range(10)], 3) / 10
    report.add("copy", block.nbytes * 2 / took / 1e9, "GB/s", "read and written")
    a = block.view(sizes.matrix, sizes.matrix)
    for name, kind, full in (
        ("float32", torch.float32, True),
        ("TF32", torch.float32, False),
        ("bfloat16", torch.bfloat16, True),
    ):
        exact(full)
        x = a.to(kind)
        x @ x
        took = seconds(device, lambda x=x: x @ x, 3)
        report.add(f"matrix product {name}", 2 * sizes.matrix**3 / took / 1e12, "TFLOP/s")
    exact(False)


def check(report: Report, sizes: Sizes) -> None:
    """The GPU's numbers against the CPU's: prediction, a training step, a replayed step."""
    cells = replace(CELLS, batch_size=sizes.batch)
    for body, shape, classes in ((LENET5, DIGITS, 10), (cells, (3, 64, 48), 6)):
        images = random_images(min(64, sizes.images), shape)
        count = min(8, sizes.networks)
        ready = lambda x, body=body: network_input(x, body.intensity)  # noqa: E731
        kept = [np.empty((len(images), count, classes), np.float32) for _ in range(4)]
        with torch.inference_mode():  # the plain loop over networks
            logits = one_by_one(drawn(body, shape, classes, count, "cpu"), ready(images))
        kept[0][:] = logits.softmax(-1).transpose(0, 1).numpy()
        networks = drawn(body, shape, classes, count, report.device)
        for k, (full, precision) in enumerate(
            ((True, "float32"), (False, "float32"), (True, "bfloat16")), start=1
        ):
            exact(full)
            predict(networks, images, ready, samples=kept[k], precision=precision, batch_size=40)
            name = ("float32", "TF32", "bfloat16")[k - 1]
            error = float(np.abs(kept[k] - kept[0]).max())
            limit = (1e-5, 5e-3, 1e-1)[k - 1]
            report.add(
                f"{body.network}, softmax {name} against CPU",
                error,
                "largest difference",
                "ok" if error <= limit else f"FAILED, above {limit:g}",
            )
        exact(True)
        for estimator in ("local", "weights"):
            config = replace(body, estimator=estimator)
            given = noise.normal_like
            noise.normal_like = lambda x, std=1.0: torch.full_like(x, 0.5 * std)
            try:
                cpu, gpu = (
                    after_steps(config, shape, d, 1).gradient.cpu() for d in ("cpu", report.device)
                )
            finally:
                noise.normal_like = given
            error = float((cpu - gpu).norm() / cpu.norm())
            report.add(
                f"{body.network}, {estimator}: gradient against CPU",
                error,
                "relative",
                "ok" if error <= 1e-3 else "FAILED, above 1e-3",
            )
            start = new_step(config, shape, report.device, 6).flat.values
            ends = [
                after_steps(config, shape, report.device, 6, graph).values - start
                for graph in (True, True, False)
            ]
            again, plain = (float((ends[0] - e).norm() / ends[0].norm()) for e in ends[1:])
            report.add(
                f"{body.network}, {estimator}: 6 steps with noise, graph against plain",
                plain,
                "relative change of weights",
                f"two graphs {again:.1e}; " + ("ok" if plain <= 2 * again + 0.05 else "FAILED"),
            )
        exact(False)
    networks = [
        drawn(LENET5, DIGITS, 10, 2, d).weights["head.weight"] for d in ("cpu", report.device)
    ]
    error = float((networks[0] - networks[1].cpu()).abs().max())
    report.add(
        "drawn weights of a seed, GPU against CPU",
        error,
        "largest difference",
        "ok" if error <= 1e-6 else "FAILED",
    )


def after_steps(
    config: TrainConfig, shape: tuple, device, count: int, graph: bool = True
) -> FlatWeights:
    """All weights, and the last gradient, after a few steps from a seed."""
    step = new_step(config, shape, device, count, graph)
    images = torch.tensor(random_images(config.batch_size, shape), device=device)
    targets = torch.arange(len(images), device=device) % 6
    with step.on_stream():
        for _ in range(count):
            step(images, targets)
    synchronize(torch.device(device))
    return step.flat


def new_step(
    config: TrainConfig, shape: tuple, device, count: int, graph: bool = True, classes: int = 10
) -> TrainingStep:
    network = new_network(config, classes, shape).to(device)
    step = TrainingStep(network, config, 60_000, count, None, device)
    if not graph:
        step.replayed = False
    with step.on_stream():
        step.begin_epoch(np.tile([config.learning_rate, 0.9, 1.0], (count, 1)), 0, seed=1)
    synchronize(torch.device(device))
    return step


def lenet5(report: Report, sizes: Sizes) -> None:
    """10,000 images of 28 x 28, 100 networks: images on the host to moments on the host."""
    images = random_images(sizes.images, DIGITS)
    networks = drawn(LENET5, DIGITS, 10, sizes.networks, report.device)
    work = sizes.images * sizes.networks
    for name, full, precision in (
        ("float32", True, "float32"),
        ("TF32", False, "float32"),
        ("bfloat16", True, "bfloat16"),
    ):
        exact(full)
        call = lambda precision=precision: predict(  # noqa: E731
            networks, images, network_input, precision=precision
        )
        first = seconds(report.device, call, 1)
        took = seconds(report.device, call, sizes.repeats)
        report.add(
            f"{sizes.images:,} x {sizes.networks}, {name}",
            took,
            "s",
            f"first call {first:.2f} s; {work * 0.833e-6 / took:.2f} TFLOP/s",
        )
    samples = np.empty((sizes.images, sizes.networks, 10), np.float16)
    took = seconds(
        report.device,
        lambda: predict(networks, images, network_input, samples=samples),
        sizes.repeats,
    )
    report.add("the same in TF32, all samples kept", took, "s")
    exact(False)


def emnist(report: Report, sizes: Sizes) -> None:
    """All of EMNIST's byclass images, 62 classes, 100 networks."""
    images = random_images(sizes.emnist, DIGITS)
    networks = drawn(LENET5, DIGITS, 62, sizes.networks, report.device)
    for name, full, precision in (
        ("float32", True, "float32"),
        ("TF32", False, "float32"),
        ("bfloat16", True, "bfloat16"),
    ):
        exact(full)
        part = images[: max(len(images) // 20, 1)]
        predict(networks, part, network_input, precision=precision)
        expected = 20 * seconds(
            report.device,
            lambda p=precision, part=part: predict(networks, part, network_input, precision=p),
            1,
        )
        if expected > report.left:
            report.add(
                f"{sizes.emnist:,} x {sizes.networks}, {name}",
                expected,
                "s",
                "extrapolated from a twentieth",
            )
            continue
        took = seconds(
            report.device,
            lambda p=precision: predict(networks, images, network_input, precision=p),
            1,
        )
        report.add(f"{sizes.emnist:,} x {sizes.networks}, {name}", took, "s")
    exact(False)


def paper(report: Report, sizes: Sizes) -> None:
    """--preset paper of LeNet5: 562,500 Bayesian steps of 32 and 47,000 plain ones of 256."""
    hours = {}
    runs = (
        ("Bayesian, local", LENET5, 562_500),
        ("Bayesian, weights", replace(LENET5, estimator="weights"), 562_500),
        ("standard", replace(LENET5, bayesian=False, batch_size=256), 47_000),
    )
    for name, config, total in runs:
        for graph in (True, False):
            count = sizes.steps if graph else max(sizes.steps // 10, 4)
            ms = step_ms(config, DIGITS, report.device, count, graph)
            kind = "CUDA graph" if graph else "plain calls, read back every step"
            report.add(f"step, {name}, {kind}", ms, "ms", f"{count} steps")
            if graph:
                hours[name] = ms * total / 60_000
                report.add(f"{name}, all {total:,} steps", hours[name], "min", "extrapolated")
    report.add(
        "the preset (local and standard)",
        hours["Bayesian, local"] + hours["standard"],
        "min",
        "extrapolated",
    )


def step_ms(config: TrainConfig, shape: tuple, device, count: int, graph: bool = True) -> float:
    """Milliseconds of a training step, images gathered from a training set on the device."""
    warm = 5
    step = new_step(config, shape, device, count + warm, graph)
    images = torch.randint(256, (2048, *shape), dtype=torch.uint8, device=device)
    targets = torch.randint(10, (2048,), device=device)
    rows = torch.randint(2048, (count + warm, config.batch_size), device=device)
    synchronize(device)
    with step.on_stream():
        for k in range(count + warm):
            if k == warm:
                synchronize(device)
                start = time.perf_counter()
            step(images[rows[k]], targets[rows[k]])
            if not graph:
                step.log[0].tolist()  # as the training of November 2026 did, three times a step
        synchronize(device)
    return (time.perf_counter() - start) / count * 1e3


def fields(report: Report, sizes: Sizes) -> None:
    """Training of the multi-scale network on whole fields, 1024 x 1280 x 3."""
    shape = (3, *sizes.field)
    whole = 38 * 80 * 1196 * 37 / 38
    runs = [
        (f"{name}, {precision}", replace(config, precision=precision, batch_size=sizes.batch))
        for precision in ("bfloat16", "float32")
        for name, config in (
            ("Bayesian, local", CELLS),
            ("Bayesian, weights", replace(CELLS, estimator="weights")),
            ("standard", replace(CELLS, bayesian=False)),
        )
    ]
    runs.insert(0, ("Bayesian, weights, bfloat16, pools of 2 x 2", runs[1][1]))
    at_once = mscnn.pool
    for name, config in runs:
        mscnn.pool = pool_by_twos if "pools" in name else at_once
        if report.left < 10:
            report.add(name, "not run", note="no time left")
            continue
        batch = config.batch_size
        while batch:
            try:
                rate, memory = field_rate(
                    replace(config, batch_size=batch),
                    shape,
                    report.device,
                    min(6.0, report.left / 3),
                )
                break
            except torch.OutOfMemoryError:
                batch //= 2
        report.add(
            name,
            rate,
            "images/s",
            f"batch {batch}, {memory:.1f} GB; 38 folds x 80 epochs {whole / rate / 3600:.1f} h",
        )
        if report.device.type == "cuda":
            torch.cuda.empty_cache()


def pool_by_twos(x: torch.Tensor, size: int) -> torch.Tensor:
    """`mscnn.pool` as one pool of 2 x 2 after another."""
    while size > 1:
        x, size = torch.nn.functional.max_pool2d(x, 2, ceil_mode=True), size // 2
    return x


def field_rate(config: TrainConfig, shape: tuple, device, limit: float) -> tuple[float, float]:
    """(images per second, peak GB) of training steps on random fields."""
    step = new_step(config, shape, device, 1000, classes=12)
    images = torch.randint(256, (2 * config.batch_size, *shape), dtype=torch.uint8, device=device)
    targets = torch.arange(len(images), device=device) % 12
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    synchronize(device)
    with step.on_stream():
        for k in range(4):
            half = slice(k % 2 * config.batch_size, (k % 2 + 1) * config.batch_size)
            step(images[half], targets[half])
        synchronize(device)
        start, done = time.perf_counter(), 0
        while done < 4 or (time.perf_counter() - start < limit and done < 900):
            step(images[: config.batch_size], targets[: config.batch_size])
            done += 1
            if done % 4 == 0:
                synchronize(device)
        synchronize(device)
    took = time.perf_counter() - start
    memory = torch.cuda.max_memory_reserved(device) / 1e9 if device.type == "cuda" else 0.0
    return done * config.batch_size / took, memory


def folds(report: Report, sizes: Sizes) -> None:
    """38 folds of 128 pixels side by side against one after another, once they run."""
    shape, count = (3, sizes.crop, sizes.crop), 30 * sizes.batch
    config = replace(CELLS, estimator="weights", epochs=9, batch_size=sizes.batch)
    data = TrainingSet(random_images(count, shape), np.arange(count) % 6, 6)

    def epoch(trainings: list[Training]) -> None:
        for _ in zip(*(training.steps() for training in trainings), strict=True):
            pass
        for training in trainings:
            training.end_epoch()

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        trainings = [
            Training(
                Path(folder) / str(k), replace(config, seed=k), data, device=str(report.device)
            )
            for k in range(sizes.folds)
        ]
        epoch(trainings)  # captures the graphs
        report.add(f"{sizes.folds} folds: start and first epoch", time.perf_counter() - start, "s")
        few = trainings[: min(4, sizes.folds)]
        alone = seconds(report.device, lambda: [epoch([t]) for t in few], 1) / len(few)
        together = seconds(report.device, lambda: epoch(trainings), 2) / sizes.folds
        trainings[0].step.replayed = False
        plain = seconds(report.device, lambda: epoch(trainings[:1]), 1)
        for name, took in (
            ("without CUDA graphs, one after another", plain),
            ("one after another", alone),
            ("together", together),
        ):
            report.add(
                f"{sizes.folds} folds, {name}",
                took * 1e3 / 30,
                "ms per step and fold",
                f"together is {took / together:.2f} x as fast",
            )
        if report.device.type == "cuda":
            report.add("memory", torch.cuda.max_memory_reserved() / 1e9, "GB")


def cells(report: Report, sizes: Sizes) -> None:
    """Prediction of the multi-scale network, 100 networks, small crops and whole fields."""
    for shape, count in (((3, sizes.crop, sizes.crop), 512), ((3, *sizes.field), 8)):
        images = random_images(min(count, sizes.images), shape)
        networks = drawn(CELLS, shape, 12, sizes.networks, report.device)
        for name, full, precision in (
            ("float32", True, "float32"),
            ("TF32", False, "float32"),
            ("bfloat16", True, "bfloat16"),
        ):
            exact(full)
            part = images[: max(len(images) // 8, 1)]
            predict(networks, part, network_input, precision=precision)
            took = seconds(
                report.device,
                lambda p=precision, n=networks, i=images: predict(n, i, network_input, precision=p),
                1,
            )
            each = took / len(images) / sizes.networks
            report.add(f"{shape[1]} x {shape[2]}, {name}", each * 1e6, "µs per image and network")
            if report.left < 5:
                break
    exact(False)


def alternatives(report: Report, sizes: Sizes) -> None:
    """Other ways to predict LeNet5: all networks in one call (vmap), and a compiled body."""
    device = report.device
    networks = drawn(LENET5, DIGITS, 10, sizes.networks, device)
    x = network_input(torch.tensor(random_images(sizes.images, DIGITS), device=device))
    body = networks.body

    def one(weights, x):
        return torch.func.functional_call(body, weights, (x,)).softmax(1)

    def vmapped(images, count):
        for start in range(0, len(x), images):
            for t in range(0, sizes.networks, count):
                some = {name: w[t : t + count] for name, w in networks.weights.items()}
                torch.func.vmap(one, in_dims=(0, None))(some, x[start : start + images])

    with torch.inference_mode():
        for images, count in ((500, 100), (2000, 25), (10_000, 5)):
            call = lambda i=images, c=count: vmapped(i, c)  # noqa: E731
            call()
            report.add(
                f"vmap, {count} networks x {images} images",
                seconds(device, call, sizes.repeats),
                "s",
                "TF32",
            )
        looped = lambda: [one(w, x) for w in networks]  # noqa: E731
        looped()
        report.add(
            "loop, images on the device", seconds(device, looped, sizes.repeats), "s", "TF32"
        )
        if device.type == "cuda" and report.left > 40:
            compiled = torch.compile(one)
            looped = lambda: [compiled(w, x) for w in networks]  # noqa: E731
            first = seconds(device, looped, 1)
            report.add(
                "loop, compiled",
                seconds(device, looped, sizes.repeats),
                "s",
                f"TF32; first call {first:.0f} s",
            )


#: Section -> its share of the time.
SECTIONS: dict[str, tuple[Callable[[Report, Sizes], None], float]] = {
    "machine": (machine, 0.02),
    "check": (check, 0.1),
    "lenet5": (lenet5, 0.1),
    "emnist": (emnist, 0.15),
    "paper": (paper, 0.1),
    "folds": (folds, 0.3),
    "fields": (fields, 0.25),
    "cells": (cells, 0.1),
    "alternatives": (alternatives, 0.1),
}


def run(report: Report, sizes: Sizes, names: list[str], minutes: float) -> None:
    """Run sections. A fault of the GPU ends a process: a new one then runs what is left."""
    end = time.perf_counter() + 60 * minutes
    for k, name in enumerate(names):
        report.section = name
        function, share = SECTIONS[name]
        rest = sum(SECTIONS[n][1] for n in names[k:])
        now = time.perf_counter()
        report.deadline = now + max(end - now, 1.0) * share / rest
        if now > end:
            report.add(name, "not run", note="no time left")
            continue
        try:
            function(report, sizes)
        except Exception as error:
            traceback.print_exc()
            first_line = str(error).splitlines()[0][:200]
            report.add(name, "FAILED", note=f"{type(error).__name__}: {first_line}")
        report.add("section took", time.perf_counter() - now, "s")
        report.write()
        if "FAILED" in (row["value"] for row in report.rows[-2:]) and names[k + 1 :]:
            left = f"{max(end - time.perf_counter(), 1) / 60:.3f}"
            changed = ["--only", ",".join(names[k + 1 :]), "--minutes", left, "--append"]
            os.execv(sys.executable, [sys.executable, *sys.argv, *changed])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json and gpu.md")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--only", help=f"sections, of {','.join(SECTIONS)}")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--append", action="store_true", help="keep the rows that --out has")
    parser.add_argument("--tiny", action="store_true", help="run the paths, not the speed")
    args = parser.parse_args(arguments)
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("torch sees no GPU here; --device cpu --tiny runs the paths without one")
    names = args.only.split(",") if args.only else list(SECTIONS)
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        sys.exit(f"--only: no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    report = Report(args.out, torch.device(args.device))
    if args.append and (args.out / "gpu.json").is_file():
        report.rows = json.loads((args.out / "gpu.json").read_text())
    run(report, TINY if args.tiny else Sizes(), names, args.minutes)
    wrong = [row["name"] for row in report.rows if "FAILED" in f"{row['value']} {row['note']}"]
    print(
        f"written to {args.out}; " + (f"FAILED: {', '.join(wrong)}" if wrong else "all checks ok")
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
