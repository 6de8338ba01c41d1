"""Which score separates unseen mechanisms and damage on drawn screens? The joint one was chosen here.

    python tests/benchmarks/unlike_cells.py OUT --seeds 301,302,303 --method standard

Every screen has 49 compounds of seven mechanisms. Each mechanism is left out once, with one compound
of every other: these compounds are the known images, their copies of `drawn_damage` the damaged ones.
Networks of the default preset; entropy is of the mean of NUM_SAMPLES networks. Finished networks are kept
in OUT. Prints AUROC and FPR95 of single scores and of their joint ones, each network with the same weight.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from demo_screens import _normalised
from drawn_damage import OTHER, SMALL
from unlike_training import show

from bnn_core.datasets.demo.design import DemoDesign
from bnn_core.datasets.demo.synthetic_screen import generate_screen
from bnn_core.datasets.sources import inverse_frequency_weights
from bnn_core.measures.uncertainty import entropy
from bnn_core.networks.building import network_input, saved_config
from bnn_core.networks.novelty import read_training_images
from bnn_core.networks.prediction import concatenated, embed, predict
from bnn_core.networks.procedures import networks_of
from bnn_core.networks.training import TrainingSet
from bnn_core.recipes.fold import train_method
from bnn_core.recipes.plate_presets import PLATE_PRESETS

MECHANISMS = 7
FAULTLESS = DemoDesign(
    mechanisms=MECHANISMS, compounds=49, sites=2, unseen=0, size=96, training_size=96,
    mislabelled=0, inactive=0, well_swaps=0, mixed=0, blurred=0, empty=0, debris=0,
)  # fmt: skip


#: Networks that are drawn from a Bayesian one.
NUM_SAMPLES = 20


def of_screen(seed: int, out: Path, method: str) -> pd.DataFrame:
    """Scores of the known images (kind ""), unseen mechanisms ("new") and damaged images of a screen."""
    demo = generate_screen(seed, FAULTLESS)
    table, images = demo.table, _normalised(demo)
    scored = (table["role"] == "scored").to_numpy()
    y = pd.Index(demo.classes).get_indexer(table["label"].where(scored, None))
    rng = np.random.default_rng(seed)
    compounds = [
        rng.permutation(np.unique(table["compound"][scored & (y == k)])) for k in range(MECHANISMS)
    ]
    parts = []
    for left_out in range(MECHANISMS):
        held = [c[left_out % len(c)] for k, c in enumerate(compounds) if k != left_out]
        new = scored & (y == left_out)
        known = scored & table["compound"].isin(held).to_numpy() & ~new
        train = np.flatnonzero(scored & ~new & ~known)
        targets = y[train] - (y[train] > left_out)
        folder = out / str(seed) / str(left_out) / method
        config = PLATE_PRESETS["default"][method]
        weights = inverse_frequency_weights(targets, MECHANISMS - 1)
        training = TrainingSet(images[train], targets, MECHANISMS - 1, class_weights=weights)
        train_method(
            folder, replace(config, seed=10 * seed + left_out), training, "cpu", quiet=True
        )
        shown = {"": images[known], "new": images[new]}
        for kind, damage in (SMALL | OTHER).items():
            draws = np.random.default_rng([seed, left_out]).spawn(known.sum())
            shown[kind] = np.stack(
                [damage(*pair) for pair in zip(images[known], draws, strict=True)]
            )
        parts += [_scores(folder, some).assign(kind=kind, fold=f"{seed}/{left_out}")
                  for kind, some in shown.items()]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _scores(folder: Path, images: np.ndarray) -> pd.DataFrame:
    ready = partial(network_input, intensity=saved_config(folder).intensity)
    layers = concatenated(embed(networks_of(folder, None, 0), images, ready))
    p = predict(networks_of(folder, NUM_SAMPLES, 0), images, ready).mean_p
    known = read_training_images(folder)
    return pd.DataFrame(known.measure(layers) | {"predictive_entropy": entropy(p)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="301,302,303")
    parser.add_argument("--method", default="standard", choices=PLATE_PRESETS["default"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = pd.concat(
        [of_screen(int(seed), args.out, args.method) for seed in args.seeds.split(",")]
    )
    show(f"drawn screens, {args.method}", table.reset_index(drop=True))


if __name__ == "__main__":
    main()
