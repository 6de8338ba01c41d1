"""How the images of a study are divided into folds, and how the folds are run."""

import os
from dataclasses import dataclass

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.datasets.folds import grouped_folds, leave_one_group_out
from bnn_core.recipes.workers import Cluster

LEAVE_OUT = ("group", "batch", "label")
DEFAULT_FOLDS = 6


@dataclass(frozen=True)
class Division:
    """How the images are divided into folds, and how their rows are changed before training.

    folds: number of folds of whole groups, "each" to leave one group out at a time, None for 6 (or
    one per group where there are fewer). seed: of the random assignment of groups to folds.
    leave_out: "group"; "batch", each group with its whole batch; "label", one whole class per fold.
    corrupt: kinds of damage, with commas; a damaged copy of each scored image is predicted too.
    exclude, relabel: reviewed lists (`bnn export`) of images to leave out or to give new labels.
    deploy: train each method once more, on all groups, for new plates.

    Raises InputError for values outside of these.
    """

    folds: int | str | None = None
    seed: int = 0
    leave_out: str = "group"
    corrupt: str | None = None
    exclude: str | os.PathLike | None = None
    relabel: str | os.PathLike | None = None
    deploy: bool = False

    def __post_init__(self):
        if self.leave_out not in LEAVE_OUT:
            raise InputError(
                f"--leave-out {self.leave_out} is unknown; choose one of {', '.join(LEAVE_OUT)}"
            )
        if self.by_number and not _at_least_two(self.folds):
            raise InputError(f"--folds {self.folds}: give a whole number of at least 2, or 'each'")
        if self.leave_out == "label" and self.folds:
            raise InputError("--folds does not go with --leave-out label: each label is one fold")

    @property
    def by_number(self) -> bool:
        """Whether a number of folds was asked for, which may be more than there are groups."""
        return self.folds not in (None, "each")

    def parts(self, table: pd.DataFrame) -> list[tuple[str, ...]]:
        """The groups that each fold holds out; InputError for more folds than groups."""
        if self.folds == "each":
            return leave_one_group_out(table)
        groups = table["group"][table["role"] == "scored"].nunique()
        return grouped_folds(table, int(self.folds or min(DEFAULT_FOLDS, groups)), self.seed)


@dataclass(frozen=True)
class RunOptions:
    """How a study is made: trainings at a time (None: as many as processors and free memory allow), or
    the cluster that runs them; whether only to plan the folds; whether a study or an unfinished one
    at its place is replaced."""

    jobs: int | None = None
    cluster: Cluster | None = None
    prepare_only: bool = False
    force: bool = False
    restart: bool = False


def _at_least_two(folds: int | str) -> bool:
    try:
        return int(folds) >= 2
    except (TypeError, ValueError):
        return False
