"""Which score separates images unlike the training images? Single scores and joint ones.

    python tests/benchmarks/unlike_training.py digits MNIST/folds/0/standard --data DATA [--letters]
    python tests/benchmarks/unlike_training.py study STUDY [METHOD]

digits: a trained LeNet5 of `bnn study mnist`, test digits against drawn kinds, on which the default
was chosen; --letters adds the characters of EMNIST's format, which are reported. study: the unseen
classes and damaged images of a finished study (`--leave-out label`, `--corrupt`). Prints AUROC and
FPR95 of every kind and their means, each kind with the same weight.
"""

import argparse
from functools import partial
from itertools import combinations
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
import torch
from drawn_kinds import drawn_kinds

from bnn_core.base.scores import NOVELTY
from bnn_core.datasets.emnist import load_emnist
from bnn_core.datasets.mnist import load_mnist
from bnn_core.measures.evaluation import certainty
from bnn_core.measures.out_of_distribution import NEW, SAME, SHIFTED, groups, kinds, separation
from bnn_core.measures.uncertainty import entropy
from bnn_core.measures.unlikeness import UNLIKENESS_PARTS, unlikeness
from bnn_core.networks.building import network_input, saved_config
from bnn_core.networks.novelty import read_training_images
from bnn_core.networks.prediction import embed
from bnn_core.networks.procedures import networks_of
from bnn_core.study.folder import open_study

SINGLE = ("predictive_entropy", *NOVELTY)
#: Parts of the joint scores that are compared.
MEMBERS = (
    "texture_distance",
    "energy",
    "neighbour_distance",
    "normalised_distance",
    "distance",
    "predictive_entropy",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["digits", "study"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("method", nargs="?", default="standard")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--letters", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.part == "digits":
        show("digits", of_digits(args.folder, args.data, args.letters))
        return
    table = open_study(args.folder).table(args.method)
    of, kind = groups(table), kinds(table)
    for group in (NEW, SHIFTED):
        rows = np.isin(of, (SAME, group))
        part = table.loc[rows, [*SINGLE]].assign(
            kind=np.where(of == SAME, "", kind)[rows], fold=table["fold"][rows]
        )
        if (part["kind"] != "").any():
            show(group, part)


def of_digits(folder: Path, data: Path, letters: bool) -> pd.DataFrame:
    """Scores of test digits (kind "") and of other kinds, by one network."""
    train, test = (load_mnist(data, train=part) for part in (True, False))
    images = {"": test.images} | drawn_kinds(train, 1500, seed=0)
    if letters:
        characters = load_emnist(data, Path(mkdtemp()))
        pixels = characters.fitted(slice(0, None), (1, 28, 28))
        names = np.asarray(characters.labels)
        images |= {
            f"letter {name}": pixels[names == name]
            for name in sorted(set(names))
            if not str(name).isdigit()
        }
    network, known = networks_of(folder, None, 0), read_training_images(folder)
    ready = partial(network_input, intensity=saved_config(folder).intensity)
    parts = []
    for kind, of_kind in images.items():
        for batch in embed(network, of_kind, ready):
            p = torch.softmax(torch.as_tensor(batch.logits, dtype=torch.float64), dim=1).numpy()
            scores = known.measure(batch) | {"predictive_entropy": entropy(p)}
            parts.append(pd.DataFrame(scores).assign(kind=kind, fold=0))
    return pd.concat(parts, ignore_index=True)


def show(name: str, table: pd.DataFrame) -> None:
    """AUROC/FPR95 of every score and kind, the means over drawn kinds and letters apart."""
    known = (table["kind"] == "").to_numpy()
    scores = {key: certainty(key, table[key].to_numpy(np.float64)) for key in SINGLE}
    for size in (2, 3, 4):
        for members in combinations(MEMBERS, size):
            unlike = np.stack([-scores[key] for key in members], axis=1)
            star = " (the product)" if set(members) == set(UNLIKENESS_PARTS[0]) else ""
            scores[" + ".join(members) + star] = -unlikeness(unlike, known)
    lines = {key: _of_kinds(score, table, known) for key, score in scores.items()}
    frame = pd.DataFrame(lines).T
    for letters in (False, True):
        columns = [c for c in frame if c.startswith("letter ") == letters]
        if not columns:
            continue
        part = frame[columns]
        means = pd.DataFrame(
            {
                "AUROC": part.map(lambda s: s.auroc).mean(axis=1),
                "FPR95": part.map(lambda s: s.fpr95).mean(axis=1),
            }
        )
        if not letters:
            means = means.join(part.map(lambda s: f"{s.auroc:.3f}/{s.fpr95:.2f}"))
        print(f"\n{name}{', letters by class' if letters else ''}: {len(columns)} kinds")
        print(means.sort_values("AUROC", ascending=False).round(4).to_string())


def _of_kinds(score: np.ndarray, table: pd.DataFrame, known: np.ndarray) -> dict[str, tuple]:
    """Kind -> separation from the known images of the folds that predicted it."""
    kind, fold = table["kind"].to_numpy(), table["fold"].to_numpy()
    of_kinds = {}
    for name in sorted(set(kind[~known])):
        rows = kind == name
        same = known & np.isin(fold, fold[rows])
        of_kinds[name] = separation(np.sort(score[same]), score[rows])
    return of_kinds


if __name__ == "__main__":
    main()
