"""Does a Bayesian method earn its place? Candidates against a standard network of equal cost.

  python tests/benchmarks/posterior_data.py DATA screens 11 12 13 21 22 23   # and fields, mnist
  python tests/benchmarks/posterior.py DATA OUT --minutes 5 --device cuda
  python tests/benchmarks/posterior_table.py OUT

Four stages. `select`: all variants on three drawn screens, one seed. `report`: the best of each
method on three other screens, three seeds. `fields`: the same on the 660 real fields, six folds of
compounds. `mnist`: the same on MNIST. The choice is made on the first stage alone: the lowest NLL
after one temperature fitted by Brier score to the other folds. All networks of a method train in
one run (`posterior_nets`). A variant that does not fit into the time is left out and named.

OUT/STAGE.npz has, per predictor, log mean probabilities (M, R, C), mutual information
and variance between draws (M, R), in two stages also log geometric means and the first draw;
OUT/STAGE.json what belongs to them.
"""

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from posterior_images import Images, load_fields, load_mnist, load_screens
from posterior_methods import Variant
from posterior_nets import Body
from posterior_run import BATCH, Bench, autotune
from posterior_table import crossfitted_nll

SELECT, REPORT = [11, 12, 13], [21, 22, 23]
#: Networks in one run: bounds the memory.
MOST = 250


def variants(epochs: float) -> list[Variant]:
    """All candidates, the important ones of each family first. `epochs`: a standard training."""
    one, more, half = epochs, 1.5 * epochs, 0.5 * epochs
    swa = {"schedule": "swa", "average": 0.4, "cost": 1.5}
    tuned = {"schedule": "flat", "average": 0.5, "rate": 1e-3, "cost": 1.5, "start": "swa1"}
    out = [
        Variant("standard1", "adam", one, cost=1.0),
        Variant("swa1", "adam", one, **swa | {"cost": 1.0}),
        Variant("swa1.5-f.3", "adam", more, swag=True, **swa),
        Variant("standard1.5", "adam", more, cost=1.5),
        Variant("swa1.5-f1", "adam", more, tail=1.0, swag=True, **swa),
        Variant("drop.05", "adam", more, drop=0.05, **swa),
        Variant("vi-product", "vi", half, prior="fixed", kl=0.1, width=0.018, rho_rate=1,
                start="standard1", cost=1.5),
    ]  # fmt: skip

    def add(name: str, **settings) -> None:
        out.append(Variant(name, "vi", half, **tuned | settings))

    for kl in (1.0, 0.1, 0.01):
        for width in (0.5, 1.0):
            add(f"vi-head-kl{kl:g}-w{width:g}", prior="moped", kl=kl, width=width, only_head=True)
    for kl in (0.1, 0.01):
        add(f"vi-head-zero-kl{kl:g}", kl=kl, width=0.3, only_head=True)
    for kl in (0.03, 0.01, 0.003):
        for width in (0.1, 0.03):
            add(f"vi-layer-kl{kl:g}-w{width:g}", kl=kl, width=width)
    for kl in (1.0, 0.1):
        for width in (0.1, 0.2):
            add(f"vi-moped-kl{kl:g}-w{width:g}", prior="moped", prior_scale=width, kl=kl,
                width=width)  # fmt: skip
    for kl in (0.01, 0.003):
        add(f"vi-layer-kl{kl:g}-w0.1-std", kl=kl, width=0.1, start="standard1")
    add("vi-head-kl0.1-w0.5-std", prior="moped", kl=0.1, width=0.5, only_head=True,
        start="standard1")  # fmt: skip
    out.append(
        Variant("vi-plates", "vi", half, prior="fixed", kl=0.01, width=0.018, rho_rate=1,
                start="standard1", cost=1.5)
    )  # fmt: skip
    add("vi-moped-kl.01-w.1-wide", prior="moped", kl=0.01, width=0.1)
    add("vi-moped-kl.1-w.1-wide", prior="moped", kl=0.1, width=0.1)
    for kl in (0.01, 0.003, 0.001):
        out.append(
            Variant(f"vi-scratch-kl{kl:g}", "vi", more, kl=kl, width=0.1, warm_up=0.5, **swa)
        )
    for rate, hess, times, delta in ((0.1, 1, 10, 0.01), (0.3, 1, 10, 0.01), (0.1, 0.1, 100, 1e-3)):
        out.append(
            Variant(f"ivon-{rate:g}-h{hess:g}-e{times}", "ivon", more, rate=rate, hess=hess,
                    samples_of=times, delta=delta, **swa)
        )  # fmt: skip
    for rate, temperature in (
        (0.1, 0.01), (0.1, 0.001), (0.3, 0.001), (0.03, 0.01), (0.1, 0.0001), (0.3, 0.01),
    ):  # fmt: skip
        out.append(
            Variant(f"sghmc-{rate:g}-T{temperature:g}", "sghmc", more, rate=rate,
                    schedule="cycles", temperature=temperature, cost=1.5)
        )  # fmt: skip
    return out


#: Always run in the later stages; on the fields those that no earlier run had.
CONTROLS = {
    "report": ("standard1", "swa1", "standard1.5", "swa1.5-f.3", "vi-product"),
    "fields": ("swa1", "standard1.5", "swa1.5-f.3"),
}


class Clock:
    """What is left of --minutes, and how long a network's step takes."""

    def __init__(self, minutes: float):
        self.end = time.perf_counter() + 60 * minutes
        self.per_step, self.per_variant = 0.0, 0.0

    def left(self) -> float:
        return self.end - time.perf_counter()


def run_stage(
    name: str,
    bench: Bench,
    chosen: list[Variant],
    draws: int,
    out: Path,
    clock: Clock,
    until: float,
) -> dict[str, float]:
    """Train and predict `chosen` group by group, as long as `until` seconds of the clock are left.

    Returns predictor -> NLL after its cross-fitted temperature.
    """
    arrays, notes, nll = {}, {"predictors": {}, "left_out": []}, {}
    starts: dict[str, torch.Tensor] = {}
    queue = _queue(bench, chosen)
    while queue:
        part = queue.pop(0)
        work = bench.steps(part[0].epochs) * bench.m * len(part)
        guess = 1.1 * clock.per_step * work + clock.per_variant * len(part)
        if clock.left() - guess < until or any(v.start and v.start not in starts for v in part):
            notes["left_out"] += [v.name for v in part]
            print(f"{name}: left out for want of time: {[v.name for v in part]}", flush=True)
            continue
        began = time.perf_counter()
        first = [starts[v.start] if v.start else bench.start() for v in part]
        try:
            finished = bench.train(part, first)
        except torch.OutOfMemoryError:
            if len(part) == 1:
                raise
            torch.cuda.empty_cache()
            middle = len(part) // 2
            queue[:0] = [part[:middle], part[middle:]]
            continue
        for trained in finished:
            v = trained.variant
            if v.name in ("swa1", "standard1"):
                starts[v.name] = trained.averaged
            before = time.perf_counter()
            for label, samples in bench.predictors(trained, draws).items():
                nll[label] = _keep(bench, label, samples, arrays, name)
                notes["predictors"][label] = {
                    **asdict(v),
                    "train_seconds": trained.seconds,
                    "predict_seconds": time.perf_counter() - before,
                    "draws": len(samples),
                    "sigma": _sigma(bench.body, trained),
                }
                print(f"{name} {label:28s} NLL {nll[label]:.4f}", flush=True)
                del samples
        training = sum(trained.seconds for trained in finished)
        clock.per_step = training / work
        clock.per_variant = (time.perf_counter() - began - training) / len(part)
        print(
            f"{name} {part[0].family} x{len(part)} {bench.m} networks each, "
            f"{bench.steps(part[0].epochs)} steps: {time.perf_counter() - began:.1f} s, "
            f"{clock.left():.0f} s left",
            flush=True,
        )
        _write(out, name, bench, arrays, notes)
    return nll


def _queue(bench: Bench, chosen: list[Variant]) -> list[list[Variant]]:
    """Variants that train side by side: controls, what starts from them, the rest."""
    groups: dict[tuple, list[Variant]] = {}
    for v in chosen:
        order = 0 if v.family == "adam" and not v.drop else 1 if v.start else 2
        groups.setdefault((order, v.family, v.epochs), []).append(v)
    size = max(MOST // bench.m, 1)
    ordered = [group for _, group in sorted(groups.items(), key=lambda item: item[0][0])]
    return [group[i : i + size] for group in ordered for i in range(0, len(group), size)]


def _keep(bench: Bench, label: str, samples: torch.Tensor, arrays: dict, stage: str) -> float:
    """Summaries of samples (T, M, R, C) into `arrays`; NLL after temperature."""
    log_t = torch.log(torch.tensor(float(len(samples)), device=samples.device))
    mean = samples.logsumexp(dim=0) - log_t
    p, each = mean.exp(), samples.exp()
    entropy = -(p * mean).sum(-1)
    mutual = entropy + (each * samples).sum(-1).mean(0)
    top = p.argmax(-1, keepdim=True)
    variance = each.gather(-1, top.expand(len(samples), *top.shape)).var(0, unbiased=False)[..., 0]
    for key, value in (
        ("mean", mean),
        ("geometric", samples.mean(0).log_softmax(-1)),
        ("first", samples[0]),
        ("mutual", mutual),
        ("variance", variance),
    ):
        if key in ("geometric", "first") and stage not in ("report", "fields"):
            continue
        arrays[f"{label}/{key}"] = value.float().cpu().numpy().astype(np.float16)
    return crossfitted_nll(arrays[f"{label}/mean"], _where(bench))


def _where(bench: Bench) -> dict:
    """What the rows of predictions are: (M, R) targets, groups, kind, and (M,) seed, set, fold."""
    rows, images = bench.rows, bench.images
    counted = np.stack([np.arange(bench.most) < len(job.predict) for _, job in bench.networks])
    return {
        "targets": images.targets[rows],
        "groups": images.groups[rows],
        "kind": np.where(counted, images.kind[rows], ""),
        "rows": rows,
        "seed": np.array([seed for seed, _ in bench.networks]),
        "dataset": np.array([job.dataset for _, job in bench.networks]),
        "fold": np.array([job.fold for _, job in bench.networks]),
    }


def _sigma(body: Body, trained) -> list | None:
    """Per layer: name, median sigma before and after, over all networks."""
    if trained.first_sigma is None:
        return None
    after = trained.averaged[:, body.size :]
    return [
        (name, float(trained.first_sigma[:, a:b].median()), float(after[:, a:b].median()))
        for name, _, fan_in, a, b in body.parts
        if fan_in and name.endswith("weight")
    ]


def _write(out: Path, name: str, bench: Bench, arrays: dict, notes: dict) -> None:
    where = {f"where/{key}": value for key, value in _where(bench).items()}
    np.savez(out / f"{name}.part.npz", **arrays, **where)
    (out / f"{name}.part.npz").rename(out / f"{name}.npz")
    (out / f"{name}.json").write_text(json.dumps(notes, indent=1))


def best_of_each(nll: dict[str, float], candidates: list[Variant]) -> list[str]:
    """The variant of lowest NLL of each kind of Bayesian method."""
    kinds: dict[str, tuple[float, str]] = {}
    for v in candidates:
        scores = [s for label, s in nll.items() if label == v.name and np.isfinite(s)]
        kind = "-".join(v.name.split("-")[:2]) if v.family == "vi" else v.family
        if not scores or kind == "vi-product" or (v.family == "adam" and not v.drop):
            continue
        if kind not in kinds or scores[0] < kinds[kind][0]:
            kinds[kind] = (scores[0], v.name)
    return [name for _, name in kinds.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument(
        "--grouped",
        action="store_true",
        help="grouped convolutions, other kinds untried (bfloat16 on a GPU)",
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--stages", default="select,report,fields,mnist")
    parser.add_argument("--variants", help="names (default: all in select, then what it chose)")
    parser.add_argument("--seeds", type=int, help="training seeds (default: 1 in select, then 3)")
    parser.add_argument("--tiny", action="store_true", help="few images and steps: does it run?")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    clock, device, tiny = Clock(args.minutes), args.device, args.tiny
    most = 60 if tiny else None
    if tiny:
        BATCH.update(mscnn=3, lenet5=16)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    stages = args.stages.split(",")
    total, spared = clock.left(), {"select": 0.6, "report": 0.4, "fields": 0.03, "mnist": 0.02}
    scale = 0.05 if tiny else 1.0
    pick = args.out / "chosen.json"
    chosen: list[str] = json.loads(pick.read_text()) if pick.is_file() else []
    body, networks = None, 3 if tiny else 90
    for stage in stages:
        print(f"== {stage}, {clock.left():.0f} s left", flush=True)
        images, epochs, seeds = _load(stage, args.data, device, most)
        seeds = list(range(args.seeds)) if args.seeds else seeds
        shape = {"kind": images.body, "channels": images.pixels.shape[2], "classes": images.classes}
        if stage == "fields":
            shape["head_width"] = 1024
        if tiny:
            shape["head_width"] = 16
        fresh = Body(**shape, pathways=2 if tiny else 4 if stage == "fields" else 3)
        if args.grouped:
            kind = torch.float32 if device == "cpu" else torch.bfloat16
            body = replace(fresh, dtype=kind, parts=[])
        elif body is None or body.kind != fresh.kind:
            body = autotune(images, fresh, seeds[:1], device, networks)
        body = replace(fresh, conv=body.conv, dtype=body.dtype, channels_last=body.channels_last,
                       parts=[])  # fmt: skip
        bench = Bench(images, body, seeds, device)
        candidates = variants(epochs * scale)
        wanted = args.variants and set(args.variants.split(","))
        if wanted:
            candidates = [v for v in candidates if v.name in wanted]
        if stage == "select":
            nll = run_stage(stage, bench, candidates, 16, args.out, clock, spared[stage] * total)
            chosen = best_of_each(nll, candidates)
            pick.write_text(json.dumps(chosen))
            print("chosen:", chosen, flush=True)
        else:
            names = wanted or {*CONTROLS.get(stage, CONTROLS["report"]), *chosen}
            part = [v for v in candidates if v.name in names]
            run_stage(stage, bench, part, 24, args.out, clock, spared[stage] * total)
        del bench, images
    print(f"done, {clock.left():.0f} s left", flush=True)


def _load(stage: str, data: Path, device: str, most: int | None) -> tuple[Images, float, list[int]]:
    """Images, epochs of a standard training, seeds."""
    if stage == "select":
        return load_screens(data, SELECT, device, most), 16, [0]
    if stage == "report":
        return load_screens(data, REPORT, device, most), 16, [0, 1, 2]
    if stage == "fields":
        return load_fields(data, device, most), 25, [0, 1, 2]
    return load_mnist(data, device, most and 10 * most), 12, [0, 1, 2]


if __name__ == "__main__":
    main()
