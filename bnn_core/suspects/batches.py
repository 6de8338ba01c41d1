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
    batch, members = cells["batch"].to_numpy(), cells["compound"].to_numpy()
    of_class = labels[members]
    in_batch = np.zeros((batch.max(initial=-1) + 1, num_classes))
    np.add.at(in_batch, (batch, of_class), 1)
    folds = cells.groupby(["batch", "fold"], sort=False).ngroup().to_numpy()
    in_fold = np.zeros((folds.max(initial=-1) + 1, num_classes))
    np.add.at(in_fold, (folds, of_class), 1)
    # Compounds of the batch in another fold; a compound that is in several folds is not its own.
    trained = in_batch[batch] - in_fold[folds]
    itself = cells.groupby(["batch", "compound"])["n"].transform("size").to_numpy()
    trained[np.arange(len(cells)), of_class] -= itself - 1
    share = cells["n"].to_numpy() / sizes[members]
    np.add.at(owned, members, (trained > 0) * share[:, None])
    return owned
