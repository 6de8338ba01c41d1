"""Compounds of one batch share its light, stain and day; a network may answer with the batch.

A wrong class is batch-compatible when a compound of that class was in the training data *and* in
the batch. That fits a batch effect; it does not prove one, because some classes would be met so by
chance: in the whole table `batch_pull` compares, for one compound `OwnErrors.chance_owned`.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd


def owned_classes(
    table: pd.DataFrame,
    compounds: np.ndarray,
    num_compounds: int,
    labels: np.ndarray,
    num_classes: int,
) -> np.ndarray:
    """Which classes own a training compound of a compound's own batches.

    table: one row per image with `batch` and, where there are folds, `fold`. compounds: (N,) index
    of each row's compound, labels: (num_compounds,) class indices.

    Returns (num_compounds, num_classes) in [0, 1]: the share of a compound's images whose batch
    holds another compound of that class that was in its training data (in another fold, where the
    table has folds that hold several compounds). 0 where the batch is unknown.
    """
    owned = np.zeros((num_compounds, num_classes))
    if "batch" not in table or not table["batch"].notna().any():
        return owned
    fold = pd.factorize(table["fold"])[0] if "fold" in table else compounds
    if len(np.unique(fold)) == 1:
        fold = compounds
    known = table["batch"].notna().to_numpy()
    sizes = np.bincount(compounds, minlength=num_compounds)
    cells = pd.DataFrame(
        {
            "batch": table["batch"][known].to_numpy(),
            "compound": compounds[known],
            "fold": fold[known],
        }
    )
    cells = cells.groupby(["batch", "compound", "fold"], sort=False).size().reset_index(name="n")
    for _, inside in cells.groupby("batch", sort=False):
        members, folds = inside["compound"].to_numpy(), inside["fold"].to_numpy()
        trained = (members[:, None] != members) & (folds[:, None] != folds)
        present = np.zeros((len(members), num_classes))
        present[np.arange(len(members)), labels[members]] = 1
        np.add.at(
            owned,
            members,
            (trained @ present > 0) * (inside["n"].to_numpy() / sizes[members])[:, None],
        )
    return owned


class BatchPull(NamedTuple):
    """How often wrong images go to a class of their own batch, against chance.

    observed, by_chance: share of the wrong images in [0, 1]; by_chance is the mean over
    permutations of the batches among compounds. p: one-sided permutation p of the whole table.
    wrong: number of wrong images, compounds: of compounds with a known batch.
    """

    observed: float
    by_chance: float
    p: float
    wrong: int
    compounds: int


def batch_pull(
    table: pd.DataFrame, classes: list[str], *, permutations: int = 2000, seed: int = 0
) -> BatchPull | None:
    """Permutation test over compounds: images of one compound are one observation.

    table: scored rows with compound, label, predicted, batch. Compounds of unknown batch, or of
    several batches, are left out. None where nothing is left to compare.
    """
    if "batch" not in table or "compound" not in table:
        return None
    rows = table[table["batch"].notna() & table["compound"].notna()]
    one_batch = rows.groupby("compound")["batch"].transform("nunique") == 1
    rows = rows[one_batch]
    compound, names = pd.factorize(rows["compound"])
    first = rows.drop_duplicates("compound")
    label = pd.Index(classes).get_indexer(first["label"])
    batch = pd.factorize(first["batch"])[0]
    predicted = pd.Index(classes).get_indexer(rows["predicted"])
    wrong = np.zeros((len(names), len(classes)))
    np.add.at(wrong, (compound, predicted), 1.0)
    wrong[np.arange(len(names)), label] = 0
    total = wrong.sum()
    if total == 0 or len(set(batch)) < 2:
        return None
    label_of = np.eye(len(classes))[label]

    def share(batches: np.ndarray) -> float:
        in_batch = np.eye(batches.max() + 1)[batches]
        return float((wrong * ((in_batch @ (in_batch.T @ label_of)) > 0)).sum() / total)

    observed = share(batch)
    rng = np.random.default_rng(seed)
    drawn = np.array([share(rng.permutation(batch)) for _ in range(permutations)])
    p = (1 + (drawn >= observed - 1e-12).sum()) / (1 + permutations)
    return BatchPull(observed, float(drawn.mean()), float(p), int(total), len(names))
