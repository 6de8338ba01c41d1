"""Which images each fold trains on and which it predicts. No group is ever on both sides."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.errors import InputError


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation over the rows of a table.

    train: rows trained on (scored, none of a held-out group). predict: rows this fold predicts.
    held_out: its groups. unpredictable: classes without a single training image in this fold.
    """

    index: int
    train: np.ndarray
    predict: np.ndarray
    held_out: tuple[str, ...]
    unpredictable: tuple[str, ...]


def leave_one_group_out(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Each group of scored images by itself, sorted by name: leave one compound out."""
    return [(name,) for name in _scored_groups(table).index]


def grouped_folds(table: pd.DataFrame, k: int, seed: int = 0) -> list[tuple[str, ...]]:
    """k folds of whole groups, every class spread over as many folds as it has groups.

    The groups of each class are shuffled by the seed and dealt in turn, going on where the class
    before stopped, so that folds get equally many groups and a class loses as few as can be.
    Raises InputError for fewer than 2 folds or more folds than groups.
    """
    groups = _scored_groups(table)
    if not 2 <= k <= len(groups):
        raise InputError(f"--folds {k}: give 2 to {len(groups)}, the number of groups with a label")
    rng = np.random.default_rng(seed)
    dealt: list[list[str]] = [[] for _ in range(k)]
    place = 0
    for _, names in groups.groupby(groups, sort=True):
        for name in rng.permutation(names.index.to_numpy()):
            dealt[place % k].append(str(name))
            place += 1
    return [tuple(sorted(names)) for names in dealt]


def leave_label_out(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """All groups of one class at a time: how does an unseen class look?"""
    groups = _scored_groups(table)
    return [tuple(sorted(names.index)) for _, names in groups.groupby(groups, sort=True)]


def make_folds(
    table: pd.DataFrame,
    parts: list[tuple[str, ...]],
    classes: list[str],
    leave_batch_out: bool = False,
) -> list[Fold]:
    """Folds of a table with columns label, role, group and, where known, batch.

    Fold k predicts every row of its groups (other doses among them). Rows of groups that no fold
    holds out (controls, unlabelled compounds) are predicted by every fold and averaged.
    With `leave_batch_out` a fold also trains on nothing from the batches of its groups.
    """
    group = table["group"].fillna("").astype(str).to_numpy()
    scored = (table["role"] == "scored").to_numpy()
    label = table["label"].to_numpy(dtype=object)
    common = ~np.isin(group, [name for part in parts for name in part])
    folds = []
    for index, part in enumerate(parts):
        held = np.isin(group, part)
        train = scored & ~held
        if leave_batch_out:
            train &= ~_same_batch(table, held & scored)
        present = set(label[train])
        if not present:
            raise InputError(
                f"fold {index} ({', '.join(part)}) leaves no image to train on; every "
                "group shares a batch with it"
            )
        folds.append(
            Fold(
                index,
                np.flatnonzero(train),
                np.flatnonzero(held | common),
                part,
                tuple(name for name in classes if name not in present),
            )
        )
    return folds


def fold_numbers(num_rows: int, folds: list[Fold]) -> np.ndarray:
    """(num_rows,) fold of each row; -1 for rows that several folds predict."""
    times, number = np.zeros(num_rows, int), np.full(num_rows, -1)
    for fold in folds:
        times[fold.predict] += 1
        number[fold.predict] = fold.index
    number[times != 1] = -1
    return number


def unpredictable_rows(table: pd.DataFrame, folds: list[Fold]) -> np.ndarray:
    """(N,) bool: rows whose own class had no training image in the fold that predicts them."""
    marked = np.zeros(len(table), bool)
    label = table["label"].to_numpy(dtype=object)
    scored = (table["role"] == "scored").to_numpy()
    for fold in folds:
        rows = fold.predict[scored[fold.predict]]
        marked[rows] = np.isin(label[rows], fold.unpredictable)
    return marked


def description(folds: list[Fold]) -> str:
    """16 hex digits over which rows each fold trains on and predicts: two studies' folds agree."""
    digest = hashlib.sha256()
    for fold in folds:
        digest.update(fold.train.tobytes() + b"|" + fold.predict.tobytes() + b"\n")
    return digest.hexdigest()[:16]


def _scored_groups(table: pd.DataFrame) -> pd.Series:
    """Commonest label of each group of scored rows, indexed by group name, sorted."""
    scored = table[table["role"] == "scored"]
    if scored["group"].isna().any():
        row = scored.index[scored["group"].isna()][0]
        raise InputError(
            f"row {row + 1} has a label but no group; --group names the column of what "
            "is left out together (the compound)"
        )
    return (
        scored.groupby(scored["group"].astype(str))["label"]
        .agg(lambda labels: labels.mode().iat[0])
        .sort_index()
    )


def _same_batch(table: pd.DataFrame, held: np.ndarray) -> np.ndarray:
    if "batch" not in table or table["batch"][table["role"] == "scored"].isna().any():
        raise InputError(
            "leaving batches out needs a batch for every image; --batch names the column"
        )
    return table["batch"].isin(set(table["batch"][held].dropna())).to_numpy()
