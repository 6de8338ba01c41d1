"""Synthetic screens with planted faults, classified with each compound left out.

Wells are points in a feature space: a mechanism's direction times a dose's strength, plus a
compound's own offset (heavy-tailed: now and then a compound is far from its mechanism), a batch's,
a plate's, a well's and an image's. A linear discriminant fitted without the compound, to the labels
*as given*, predicts each image, so that a wrong label also misleads the model about its class, a
batch pulls, and an inactive dose falls near the origin as untreated cells would.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.measures.levels import scored_rows
from bnn_core.measures.uncertainty import Moments, summarise

FEATURES = 16
IMAGES = 4
PLATES = 3


@dataclass(frozen=True)
class World:
    """Sizes, difficulty and faults. Lengths are in units of an image's noise of 0.8."""

    compounds: int = 38
    mechanisms: int = 12
    batches: int = 8
    separation: float = 4.5
    compound_spread: float = 1.0
    batch_spread: float = 0.8
    sharpness: float = 0.8  # of the softmax: above about 0.6 the model is overconfident
    swapped: int = 2  # labelled with another compound's mechanism
    inactive: int = 1  # labelled at doses that do nothing
    unknown: int = 1  # its mechanism is none of the classes: not what the score was made for
    swapped_wells: int = 6
    artefacts: float = 0.02


WORLDS = {
    "ordinary": World(),
    "strong batches": World(compound_spread=0.8, batch_spread=1.3),
    "easy": World(sharpness=1.0, compound_spread=0.6, batch_spread=0.5),
    "overconfident": World(sharpness=2.5),
    "no faults": World(swapped=0, inactive=0, unknown=0),
    "large": World(compounds=120, batches=20, swapped=6, inactive=3, unknown=3),
}


@dataclass(frozen=True)
class Screen:
    """table: as `Study.table`, with planted `kind` ("" where none) per compound, `swapped` (well)
    and `artefact` (image). classes: names."""

    table: pd.DataFrame
    classes: list[str]

    @property
    def scored(self) -> pd.DataFrame:
        """The rows that count."""
        return self.table[scored_rows(self.table)].reset_index(drop=True)

    @property
    def kinds(self) -> pd.Series:
        """Planted fault of each compound, "" for none."""
        return self.scored.groupby("compound")["kind"].first()


def make_screen(world: World, seed: int) -> Screen:
    """One screen; the same world and seed give the same screen."""
    rng = np.random.default_rng(seed)
    classes = [f"class {k:02d}" for k in range(world.mechanisms)]
    shown, given, kind, strength = _compounds(world, rng)
    directions = _directions(world, rng)
    batch_of = rng.integers(0, world.batches, world.compounds)
    own = rng.standard_t(4, (world.compounds, FEATURES)) * _per_axis(world.compound_spread)
    of_batch = rng.normal(size=(world.batches, FEATURES)) * _per_axis(world.batch_spread)
    of_plate = rng.normal(size=(world.batches, PLATES, FEATURES)) * 0.15
    rows, values, used = [], [], np.zeros(world.batches, int)
    for c in range(world.compounds):
        b = batch_of[c]
        for dose in range(rng.integers(1, 5)):
            effect = strength[c] * (rng.uniform(0.55, 1.1) if strength[c] == 1 else 1)
            centre = effect * (directions[shown[c]] + own[c]) + of_batch[b]
            for plate in range(PLATES):
                well = centre + of_plate[b, plate] + rng.normal(size=FEATURES) * 0.25
                values.append(well + rng.normal(size=(IMAGES, FEATURES)) * 0.8)
                rows += [
                    (
                        f"compound {c:03d}",
                        float(dose + 1),
                        classes[given[c]],
                        f"batch {b}",
                        f"plate {b}.{plate}",
                        f"{'ABCDEFGH'[used[b] % 8]}{used[b] // 8 + 1:02d}",
                        kind[c],
                    )
                ] * IMAGES
            used[b] += 1
    table = pd.DataFrame(
        rows, columns=["compound", "concentration", "label", "batch", "plate", "well", "kind"]
    )
    features = np.concatenate(values)
    table["swapped"] = _swap_wells(table, features, world.swapped_wells, rng)
    table["artefact"] = rng.random(len(table)) < world.artefacts
    features[table["artefact"]] = rng.normal(size=(table["artefact"].sum(), FEATURES)) * 2
    p = _predict_left_out(table, features, classes, world.sharpness)
    table = table.assign(role="scored", image_id=[str(i) for i in range(len(table))])
    summary = summarise(Moments(p), classes, table["label"].to_numpy(dtype=object))
    return Screen(pd.concat([table, summary], axis=1), classes)


def _per_axis(spread: float) -> float:
    return 2 * spread / np.sqrt(FEATURES)


def _directions(world: World, rng: np.random.Generator) -> np.ndarray:
    """(mechanisms + 2, FEATURES): the last two are mechanisms that are no class. One is weak."""
    count = world.mechanisms + 2
    axes = np.linalg.qr(rng.normal(size=(FEATURES, FEATURES)))[0][:count]
    kin = np.eye(count) + rng.normal(size=(count, count)) / (2 * np.sqrt(world.mechanisms))
    directions = kin @ axes
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = rng.uniform(0.7, 1.7, count)
    lengths[0] = 0.5
    return directions * lengths[:, None] * world.separation


def _compounds(world: World, rng: np.random.Generator):
    """Per compound: the mechanism shown, the one on the label, the planted fault, the strength."""
    n, k = world.compounds, world.mechanisms
    true = np.concatenate([np.arange(k), np.arange(k), rng.integers(0, k, n - 2 * k)])
    true = rng.permutation(true)
    shown, given = true.copy(), true.copy()
    kind, strength = np.full(n, "", dtype=object), np.ones(n)
    free = [int(c) for c in rng.permutation(n) if true[c] != 0]  # class 0 is weak anyway
    for name, count in (
        ("wrong label", world.swapped),
        ("inactive", world.inactive),
        ("unknown mechanism", world.unknown),
    ):
        for _ in range(count):
            c = free.pop()
            kind[c] = name
            if name == "wrong label":
                given[c] = rng.choice([j for j in range(k) if j != true[c]])
            elif name == "inactive":
                strength[c] = 0.08
            else:
                shown[c] = k + rng.integers(2)
    return shown, given, kind, strength


def _swap_wells(
    table: pd.DataFrame, features: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Exchange the features of pairs of wells of one plate with different labels, in place."""
    swapped = np.zeros(len(table), bool)
    wells = table.groupby(["plate", "well"], sort=True).indices
    names = list(wells)
    while swapped.sum() < count * IMAGES:
        one, other = (names[i] for i in rng.choice(len(names), 2, replace=False))
        a, b = wells[one], wells[other]
        if one[0] != other[0] or table["label"].iloc[a[0]] == table["label"].iloc[b[0]]:
            continue
        if not (swapped[a].any() or swapped[b].any()):
            features[a], features[b] = features[b].copy(), features[a].copy()
            swapped[a] = swapped[b] = True
    return swapped


def _predict_left_out(
    table: pd.DataFrame, features: np.ndarray, classes: list[str], sharpness: float
) -> np.ndarray:
    """(N, C) softmax of a linear discriminant fitted without the image's compound."""
    target = pd.Index(classes).get_indexer(table["label"])
    p = np.zeros((len(table), len(classes)))
    for rows in table.groupby("compound").indices.values():
        train = np.ones(len(table), bool)
        train[rows] = False
        x, y = features[train], target[train]
        sizes = np.bincount(y, minlength=len(classes))
        means = np.zeros((len(classes), FEATURES))
        np.add.at(means, y, x)
        means /= np.maximum(sizes, 1)[:, None]
        rest = x - means[y]
        weights = np.linalg.solve(rest.T @ rest / len(rest) + 0.1 * np.eye(FEATURES), means.T)
        logits = features[rows] @ weights - 0.5 * (means * weights.T).sum(axis=1)
        logits = np.where(sizes > 0, sharpness * logits, -np.inf)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        p[rows] = odds / odds.sum(axis=1, keepdims=True)
    return p
