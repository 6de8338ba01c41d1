"""Settings of a cell study compared without its outer folds: the inner folds of all of them.

  bnn study plate fields.csv --folds 6 --prepare-only --out a
  bnn study plate fields.csv --folds 6 --prepare-only --out b --augmentation dihedral
  OMP_NUM_THREADS=1 python tests/benchmarks/inner_folds.py a.making b.making --methods standard

Every pair of folds is held out at once and both are predicted by networks that saw neither. What
they say of fold j without i and j is an inner score of outer fold i. Images of a class that such a
pair leaves without a training image are not counted. Prints every plan's figures over all pairs,
and per outer fold the NLL and the plan of the lowest one: what a nested cross-validation takes.
Done pairs are kept in a.inner, b.inner; two runs with other --pairs share the work.
"""

import argparse
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from bnn_core.datasets.sources import inverse_frequency_weights
from bnn_core.measures.evaluation import evaluate_probabilities
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet
from bnn_core.recipes.fold import read_result, run_method
from bnn_core.recipes.plate_folds import read_plan


def run_pair(
    making: Path, pair: tuple[int, int], number: int, method: str, num_samples: int
) -> dict[int, pd.DataFrame]:
    """Outer fold -> what networks that saw neither fold of the pair say of the other one."""
    plan, source, folds = read_plan(making)
    targets, group = source.targets(), source.table["group"].to_numpy()
    held = np.isin(group, [name for k in pair for name in folds[k].held_out])
    train = np.flatnonzero(~held & (source.table["role"] == "scored").to_numpy())
    rows = np.flatnonzero(held)
    training = TrainingSet(
        source.pixels(train),
        targets[train],
        len(source.classes),
        groups=group[train],
        class_weights=inverse_frequency_weights(targets[train], len(source.classes)),
    )
    config = TrainConfig(**plan["configs"][method])
    folder = making.with_suffix(".inner") / "-".join(map(str, pair)) / method
    run_method(
        folder,
        replace(config, seed=config.seed + number),
        training,
        source.pixels(rows),
        rows,
        num_samples=num_samples,
        sample_seed=number,
        keep_samples=False,
        quiet=True,
    )
    table = pd.DataFrame(read_result(folder).moments.mean_p).assign(
        target=targets[rows],
        group=group[rows],
        well=source.table[["plate", "well"]].iloc[rows].astype(str).agg("/".join, axis=1).to_list(),
    )
    table = table[table["target"].isin(targets[train])]
    return {
        outer: table[table["group"].isin(folds[inner].held_out)]
        for outer, inner in (pair, pair[::-1])
    }


def figures(tables: list[pd.DataFrame]) -> dict[str, float]:
    """Images and wells right, and NLL, over the tables of several pairs."""

    def right(table: pd.DataFrame) -> pd.Series:
        columns = [c for c in table if isinstance(c, int)]
        return table[columns].to_numpy().argmax(axis=1) == table["target"]

    wells = pd.concat([t.drop(columns="group").groupby("well").mean() for t in tables])
    images = pd.concat(tables)
    p = images[[c for c in images if isinstance(c, int)]].to_numpy(dtype=np.float64)
    return {
        "images": right(images).mean(),
        "wells": right(wells).mean(),
        "nll": evaluate_probabilities(p, images["target"].to_numpy())["nll"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plans", nargs="+", type=Path, help="NAME.making of --prepare-only")
    parser.add_argument("--methods", default="standard,vi")
    parser.add_argument("--num-samples", type=int, default=20)
    parser.add_argument("--pairs", help="numbers of the pairs to run, such as 0,1,2 (default: all)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    methods = args.methods.split(",")
    pairs = list(combinations(range(len(read_plan(args.plans[0])[2])), 2))
    chosen = range(len(pairs)) if args.pairs is None else map(int, args.pairs.split(","))
    found: dict[tuple[Path, str], dict[int, list]] = {}
    for number in chosen:
        for making in args.plans:
            for method in methods:
                parts = run_pair(making, pairs[number], number, method, args.num_samples)
                for outer, table in parts.items():
                    found.setdefault((making, method), {}).setdefault(outer, []).append(table)
                print(making.stem, method, pairs[number], flush=True)
    for method in methods:
        for making in args.plans:
            every = figures([t for tables in found[making, method].values() for t in tables])
            print(
                f"{making.stem:24s} {method:10s} images {100 * every['images']:.1f} %  "
                f"wells {100 * every['wells']:.1f} %  NLL {every['nll']:.3f}"
            )
        for outer in sorted(found[args.plans[0], method]):
            nll = {m: figures(found[m, method][outer])["nll"] for m in args.plans}
            best = min(nll, key=nll.get)
            print(
                f"outer fold {outer}: "
                + ", ".join(f"{m.stem} {value:.3f}" for m, value in nll.items())
                + f" -> {best.stem}"
            )


if __name__ == "__main__":
    main()
