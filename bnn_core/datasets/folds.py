"""Which images each fold trains on and which it predicts. No group is ever on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.datasets.extra_rows import UNSEEN, unseen_copies


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation over the rows of a table.

    train: rows trained on (scored, not in a held-out group). predict: rows this fold predicts.
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
    Groups of new kinds (role "new") are dealt after them: like a known group, each is predicted by
    one fold. Raises InputError for fewer than 2 folds or more folds than groups.
    """
    groups = _scored_groups(table)
    if not 2 <= k <= len(groups):
        raise InputError(f"--folds {k}: give 2 to {len(groups)}, the number of groups with a label")
    rng = np.random.default_rng(seed)
    dealt: list[list[str]] = [[] for _ in range(k)]
    turn = 0
    for _, names in groups.groupby(groups, sort=True):
        for name in rng.permutation(names.index.to_numpy()):
            dealt[turn % k].append(str(name))
            turn += 1
    new = table["group"][table["role"] == "new"].dropna().astype(str).unique()
    for name in sorted(set(new) - set(groups.index)):
        dealt[turn % k].append(name)
        turn += 1
    return [tuple(sorted(names)) for names in dealt]


def demand_learnable(table: pd.DataFrame) -> None:
    """InputError where every class is of one group: held out, none is left to learn it from."""
    scored = table[table["role"] == "scored"]
    if (scored.groupby("label")["group"].nunique() == 1).all():
        raise InputError(
            "every fold is tested on a label absent from its training: each of the "
            f"{scored['label'].nunique()} classes is of one group; name another --label or --group"
        )


class LabelsOut(NamedTuple):
    """Folds that each never see one class.

    table: the rows, and those of classes left out once more with the role "new". parts: the groups
    that each fold predicts. without: groups that it does not train on either.
    """

    table: pd.DataFrame
    parts: list[tuple[str, ...]]
    without: list[tuple[str, ...]]


def leave_label_out(table: pd.DataFrame, seed: int = 0) -> LabelsOut:
    """One fold per class that trains on nothing of it: how does an unseen class look?

    An unseen image needs known ones beside it, scored by the same network. So each fold also holds
    out some groups of the classes that it does know, dealt by the seed such that every group is
    held out once as a known one. Each image then has two rows: "scored", predicted by a network
    that knows its class though not its compound, and "new", predicted by the one that knows
    neither. A class of one group has no known one to hold out; its only row stays unpredictable.
    Raises InputError for fewer than 3 classes, and for a group of several: its images of the class
    left out would be trained on, or the others be lost.
    """
    groups = _scored_groups(table)
    _demand_one_label(table)
    labels = sorted(set(groups))
    if len(labels) < 3:
        raise InputError(
            f"--leave-out label needs at least 3 labels; there are {len(labels)} "
            f"({', '.join(labels)})"
        )
    rng = np.random.default_rng(seed)
    parts: list[list[str]] = [[] for _ in labels]
    turn = 0
    for held_out, label in enumerate(labels):
        names = groups.index[groups == label].to_numpy()
        if len(names) == 1:
            parts[held_out].append(str(names[0]))
            continue
        parts[held_out] += [f"{name}{UNSEEN}" for name in names]
        others = [fold for fold in range(len(labels)) if fold != held_out]
        for name in rng.permutation(names):
            parts[others[turn % len(others)]].append(str(name))
            turn += 1
    several = [label for label in labels if (groups == label).sum() > 1]
    return LabelsOut(
        unseen_copies(table, several),
        [tuple(sorted(part)) for part in parts],
        [tuple(groups.index[groups == label]) for label in labels],
    )


def make_folds(
    table: pd.DataFrame,
    parts: list[tuple[str, ...]],
    classes: list[str],
    leave_batch_out: bool = False,
    without: Sequence[tuple[str, ...]] | None = None,
) -> list[Fold]:
    """Folds of a table with columns label, role, group and, where known, batch.

    Fold k predicts every row of its groups (other doses among them). Rows of groups that no fold
    holds out (controls, unlabelled compounds) are predicted by every fold and averaged.
    With `leave_batch_out` a fold also trains on nothing from the batches of its groups; `without`
    names, for each fold, further groups that it does not train on.
    """
    group = table["group"].fillna("").astype(str).to_numpy()
    scored = (table["role"] == "scored").to_numpy()
    label = table["label"].to_numpy(dtype=object)
    common = ~np.isin(group, [name for part in parts for name in part])
    folds = []
    for index, part in enumerate(parts):
        held = np.isin(group, part)
        train = scored & ~held
        if without is not None:
            train &= ~np.isin(group, without[index])
        if leave_batch_out:
            train &= ~_same_batch(table, held & scored)
        present = set(label[train])
        if not present:
            raise InputError(
                f"fold {index} ({', '.join(part)}) leaves no image to train on: every group "
                "shares a batch with it"
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
    return short_digest(
        *(fold.train.tobytes() + b"|" + fold.predict.tobytes() + b"\n" for fold in folds)
    )


def _scored_groups(table: pd.DataFrame) -> pd.Series:
    """Commonest label of each group of scored rows, indexed by group name, sorted."""
    scored = table[table["role"] == "scored"]
    if scored["group"].isna().any():
        row = scored.index[scored["group"].isna()][0]
        raise InputError(
            f"row {row + 1} has a label but no group; --group names the column of what "
            "is left out together (the compound)"
        )
    groups = (
        scored.groupby(scored["group"].astype(str))["label"]
        .agg(lambda labels: labels.mode().iat[0])
        .sort_index()
    )
    if len(groups) < 2:
        raise InputError(
            f"all labelled images belong to the group '{', '.join(groups.index)}', so no image is "
            "left to train on; name a column of at least two groups with --group"
        )
    return groups


def _demand_one_label(table: pd.DataFrame) -> None:
    scored = table[table["role"] == "scored"]
    labels = scored.groupby(scored["group"].astype(str))["label"].unique()
    mixed = labels[labels.map(len) > 1]
    if len(mixed):
        raise InputError(
            f"--leave-out label: the group '{mixed.index[0]}' has several labels "
            f"({', '.join(sorted(map(str, mixed.iat[0])))}), {len(mixed):,} such groups; name a "
            "column with --group in which each group has one label"
        )


def _same_batch(table: pd.DataFrame, held: np.ndarray) -> np.ndarray:
    if "batch" not in table or table["batch"][table["role"] == "scored"].isna().any():
        raise InputError(
            "--leave-out batch needs a batch for every image; --batch names the column"
        )
    return table["batch"].isin(set(table["batch"][held].dropna())).to_numpy()
