"""Which classes share a batch with a compound: batches have their own light, stain and day.

A wrong prediction fits a batch effect when a compound of the predicted class was in the training
data *and* in the batch. That does not prove a batch effect: some classes are there by chance
(`UsualErrors.chance_owned`).
"""

import numpy as np
import pandas as pd


def owned_classes(
    table: pd.DataFrame,
    compounds: np.ndarray,
    num_compounds: int,
    labels: np.ndarray,
    num_classes: int,
) -> np.ndarray:
    """Which classes have a training compound in a compound's batches.

    table: one row per image with `batch` and, where there are folds, `fold`. compounds: (N,) index
    of each row's compound. labels: (num_compounds,) class indices.

    Returns (num_compounds, num_classes) in [0, 1]: the share of a compound's images whose batch
    holds another compound of that class from its training data (from another fold, where the table
    has folds that hold several compounds). 0 where the batch is unknown.
    """
    owned = np.zeros((num_compounds, num_classes))
    if "batch" not in table or not table["batch"].notna().any():
        return owned
    fold = pd.factorize(table["fold"])[0] if "fold" in table else compounds
    if len(np.unique(fold)) == 1:
        fold = compounds
    batch = pd.factorize(table["batch"])[0]
    sizes = np.bincount(compounds, minlength=num_compounds)
    cells = pd.DataFrame({"batch": batch, "compound": compounds, "fold": fold})[batch >= 0]
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
