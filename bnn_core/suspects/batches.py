"""Which classes share a batch with a compound: batches have their own light, stain and day.

A wrong prediction fits a batch effect when a compound of the predicted class was in the training
data *and* in the batch. That does not prove a batch effect: some classes are there by chance
(`UsualErrors.chance_owned`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bnn_core.measures.levels import scored_rows


def compound_means(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """One row per compound and label, from the scored images of known compounds, in their order.

    table: images joined with a summary, with batch. Returns compound, label, p_<class> (the mean
    over the images) and owned_<class> (`owned_classes`).
    """
    used = {"batch", "compound", "label", "fold", *(f"p_{name}" for name in classes)}
    counted = scored_rows(table) & table["compound"].notna().to_numpy()
    rows = table[[c for c in table if c in used]][counted]
    codes = rows.groupby(["compound", "label"], sort=False, observed=True).ngroup().to_numpy()
    out = rows[["compound", "label"]].iloc[np.unique(codes, return_index=True)[1]]
    labels = pd.Index(classes).get_indexer(out["label"])
    owned = owned_classes(rows, codes, len(labels), labels, len(classes))
    n = np.bincount(codes)
    columns = {f"p_{c}": np.bincount(codes, rows[f"p_{c}"]) / n for c in classes}
    columns |= {f"owned_{c}": owned[:, k] for k, c in enumerate(classes)}
    return out.reset_index(drop=True).assign(**columns)


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
