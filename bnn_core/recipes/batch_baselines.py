"""What batches do to the baselines: shortcuts, and the accuracy with the whole batch left out."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import be, count, have, listed, percent
from bnn_core.datasets.folds import Fold, grouped_folds, leave_one_group_out, make_folds
from bnn_core.measures.baselines import Shortcut, predict_in_folds, shortcut

#: Property -> columns of images that may not be on both sides.
SHORTCUTS = {"batch": ("plate", "well"), "plate": ("plate", "well")}
#: Score from which on a batch or plate counts as easy to recognise.
EASY = 0.5
#: Images that the shortcuts and `beyond_batch` use, evenly chosen of more.
MOST_COMPARED = 5000
#: Folds at most in which groups are left out; more groups are left out several at a time.
MOST_FOLDS = 40


@dataclass(frozen=True)
class BeyondBatch:
    """A baseline's accuracy in [0, 1] with groups left out, and with their whole batches left out.

    Both are of the same images, the class of each known to both. left_out: classes without such an
    image, because they have one group or one batch.
    """

    group_out: float
    batch_out: float
    images: int
    left_out: list[str]

    def sentence(self) -> str:
        text = (
            f"For a batch that was never seen the best rule gets {percent(self.batch_out)}, for "
            f"known batches {percent(self.group_out)} of the same {count(self.images, 'image')}"
        )
        if number := len(self.left_out):
            text += (
                f"; {listed(self.left_out, most=5)} {have(number)} a single compound or batch, or "
                f"compounds in every batch, and {be(number)} left out"
            )
        return f"{text}."


def shortcuts(images: pd.DataFrame, features: np.ndarray) -> dict[str, Shortcut]:
    """Property -> how well features (N, F) tell it, of controls where at least two batches (or
    plates) have two wells of them; else of all images, treatments included."""
    compared = images["role"].isin(["scored", "unlabelled", "control"]).to_numpy()
    controls = (images["role"] == "control").to_numpy()
    measured = {}
    for name, apart in SHORTCUTS.items():
        if name not in images or not set(apart) <= set(images):
            continue
        known = images[[name, *apart]].notna().all(axis=1).to_numpy()
        groups = images.groupby(list(apart), sort=False).ngroup().to_numpy()
        for rows in (known & controls, known & compared):
            part = evenly(np.flatnonzero(rows), MOST_COMPARED)
            values = images[name].iloc[part].to_numpy(dtype=object)
            one = shortcut(features[part], values, groups[part])
            if one is not None:
                measured[name] = replace(one, controls=bool(controls[part].all()))
                break
    return measured


def beyond_batch(
    images: pd.DataFrame, classes: list[str], features: np.ndarray
) -> BeyondBatch | None:
    """Accuracy of a logistic regression on features (N, F), groups left out within batches and with
    their batches; None where batches are not known, or there is only one.

    A group of all batches leaves nothing to train on; it is trained on, but not predicted.
    """
    if not {"batch", "group"} <= set(images):
        return None
    scored = (images["role"] == "scored") & images["label"].isin(classes) & images["batch"].notna()
    rows = evenly(np.flatnonzero(scored), MOST_COMPARED)
    table, features = images.iloc[rows].reset_index(drop=True), features[rows]
    try:
        alone, together = _parts(table)
        folds = {
            False: make_folds(table, alone, classes),
            True: make_folds(table, together, classes, leave_batch_out=True),
        }
    except InputError:
        return None
    targets = pd.Index(classes).get_indexer(table["label"])
    right, counted = {}, np.ones(len(table), bool)
    for batch_out, several in folds.items():
        pairs = [(fold.train, _predicted(table, fold)) for fold in several]
        p = predict_in_folds(features, targets, pairs, len(classes))
        right[batch_out] = np.nan_to_num(p).argmax(axis=1) == targets
        counted &= ~np.isnan(p).any(axis=1)
        for fold, (_, predicted) in zip(several, pairs, strict=True):
            counted[predicted] &= ~table["label"].iloc[predicted].isin(fold.unpredictable)
    if not counted.any():
        return None
    present = table["label"].unique()
    known = set(table["label"][counted])
    return BeyondBatch(
        float(right[False][counted].mean()),
        float(right[True][counted].mean()),
        int(counted.sum()),
        [name for name in classes if name in present and name not in known],
    )


def _parts(table: pd.DataFrame) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Groups left out together: alone, or at most `MOST_FOLDS` parts; and all those of the same
    batches, which train on the same images once these batches are left out."""
    alone = leave_one_group_out(table)
    if len(alone) > MOST_FOLDS:
        alone = grouped_folds(table, MOST_FOLDS)
    everywhere = table["batch"].nunique()
    batches = table.groupby(table["group"].astype(str))["batch"].agg(frozenset)
    batches = batches[batches.map(len) < everywhere]
    if not len(batches):
        raise InputError("every group is in every batch")
    together = batches.index.to_series().groupby(batches.map(sorted).map(tuple)).agg(tuple)
    return alone, list(together)


def _predicted(table: pd.DataFrame, fold: Fold) -> np.ndarray:
    """The rows of a fold's own groups: it also predicts groups that no fold leaves out."""
    held_out = table["group"].astype(str).isin(fold.held_out).to_numpy()
    return fold.predict[held_out[fold.predict]]


def evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the rows, evenly chosen."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(int)]
