"""Do BatchNorm statistics of the images' own plate or batch help? (Adaptive BatchNorm, Li et al. 2016)

    python tests/benchmarks/batch_statistics.py STUDY PREPARED [METHOD]

STUDY: a finished study of plates with its weights (`--batch week --leave-out batch` for new batches).
PREPARED: its folder of prepared images. Each fold's network predicts the images it holds out with the
statistics of training, with those of all images of the same plate or batch (no labels are used), and
with the mean of both. Prints images right, NLL and Brier score, and the paired difference in NLL by
compound.
"""

import argparse
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from bnn_core.datasets.sources import PlateSource, open_source
from bnn_core.measures.intervals import mean_interval
from bnn_core.networks.batchnorm import settle_batchnorm
from bnn_core.networks.building import network_input, saved_config
from bnn_core.networks.procedures import networks_of
from bnn_core.study.folder import Study, open_study

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("method", nargs="?", default="standard")
    args = parser.parse_args()
    torch.set_num_threads(1)
    study, source = open_study(args.study), open_source(args.prepared)
    show(study, predictions(study, source, args.method))


def predictions(study: Study, source: PlateSource, method: str) -> dict[str, np.ndarray]:
    """Kind of statistics -> mean softmax (N, C) of every scored image by the fold that held it out."""
    table = study.images
    scored = (table["role"] == "scored").to_numpy()
    out: dict[str, np.ndarray] = {}
    for fold in sorted(table["fold"][scored].unique()):
        folder = study.path / "folds" / str(fold) / method
        networks = networks_of(folder, 20, 0)
        intensity = saved_config(folder).intensity
        own = scored & (table["fold"] == fold).to_numpy()

        def put(kind: str, rows: np.ndarray, bodies: list[nn.Module], intensity=intensity) -> None:
            p = np.mean([_softmax(body, source, rows, intensity) for body in bodies], axis=0)
            out.setdefault(kind, np.full((len(table), p.shape[1]), np.nan))[rows] = p

        trained = [_with(networks.body, weights) for weights in networks]
        put("training", np.flatnonzero(own), trained)
        for level in ("plate", "batch"):
            for name in table[level][own].unique():
                around = np.flatnonzero(scored & (table[level] == name).to_numpy())
                rows = np.flatnonzero(own & (table[level] == name).to_numpy())
                settled = [_settled(body, source, around, intensity) for body in trained]
                put(level, rows, settled)
                mixed = [_mean_statistics(*pair) for pair in zip(trained, settled, strict=True)]
                put(f"mean of training and {level}", rows, mixed)
    return {kind: p[scored] for kind, p in out.items()}


def _with(body: nn.Module, weights: dict[str, torch.Tensor]) -> nn.Module:
    body = deepcopy(body)
    body.load_state_dict(body.state_dict() | weights)
    return body.eval()


def _batches(source: PlateSource, rows: np.ndarray, intensity: str) -> Iterator[torch.Tensor]:
    for part in np.array_split(rows, max(1, len(rows) // BATCH)):
        yield network_input(source.pixels(part), intensity)


def _settled(body: nn.Module, source: PlateSource, rows: np.ndarray, intensity: str) -> nn.Module:
    body = deepcopy(body)
    settle_batchnorm(body, _batches(source, rows, intensity))
    return body


def _mean_statistics(first: nn.Module, second: nn.Module) -> nn.Module:
    mixed, other = deepcopy(first), second.state_dict()
    state = {
        name: (value + other[name]) / 2 if "running_" in name else value
        for name, value in mixed.state_dict().items()
    }
    mixed.load_state_dict(state)
    return mixed


def _softmax(body: nn.Module, source: PlateSource, rows: np.ndarray, intensity: str) -> np.ndarray:
    with torch.inference_mode():
        parts = [body(x).float().softmax(1) for x in _batches(source, rows, intensity)]
    return torch.cat(parts).double().numpy()


def show(study: Study, of_kinds: dict[str, np.ndarray]) -> None:
    """One line per kind of statistics; images whose label no fold could learn are left out."""
    table = study.images[study.images["role"] == "scored"]
    labels = pd.Index(study.classes).get_indexer(table["label"])
    known = labels >= 0
    if "unpredictable" in table:
        known &= ~table["unpredictable"].fillna(False).to_numpy(bool)
    rows, groups = np.flatnonzero(known), table["compound"].to_numpy()[known]
    nll = {kind: -np.log(np.clip(p[rows, labels[rows]], 1e-12, 1)) for kind, p in of_kinds.items()}
    print(f"{len(rows)} images\n| statistics of | right | NLL | Brier | NLL less training's |")
    print("| --- | --- | --- | --- | --- |")
    for kind, p in of_kinds.items():
        right = (p[rows].argmax(axis=1) == labels[rows]).mean()
        brier = ((p[rows] - np.eye(p.shape[1])[labels[rows]]) ** 2).sum(axis=1).mean()
        gap = mean_interval(nll[kind] - nll["training"], groups)
        print(
            f"| {kind} | {100 * right:.1f} % | {nll[kind].mean():.3f} | {brier:.3f} "
            f"| {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] |"
        )


if __name__ == "__main__":
    main()
