"""How good one method of a study is, with intervals: one level of units at a time."""

from typing import NamedTuple

import numpy as np

from bnn_core.base.errors import InputError
from bnn_core.base.scores import DEFAULT_SCORE
from bnn_core.measures.comparison import compare
from bnn_core.measures.intervals import share_interval
from bnn_core.measures.judged_units import independent_groups
from bnn_core.measures.levels import aggregate, scored_rows
from bnn_core.study.folder import Study

#: Figures of merit: all of `measures.comparison.CRITERIA` that need only images with a label.
MERITS = ("accuracy", "nll", "brier", "ece", "aurc", "augrc", "auroc")


class Estimate(NamedTuple):
    """A figure of merit with its 95 % interval; low and high are nan where none can be given.

    n: the units that it is computed from.
    """

    value: float
    low: float
    high: float
    n: int


def evaluate(
    study: Study,
    method: str | None = None,
    level: str = "image",
    *,
    repeats: int | None = None,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Figures of merit of one method over the units of a level that an accuracy counts.

    method: by default `Study.reading_method`. level: "image", "well", "treatment" or "compound";
    above the image, units have the mean softmax of their images. repeats: resamples (default:
    1,000, fewer for more than 40,000 images).

    Returns accuracy, nll (nats), brier, ece, aurc, augrc and auroc (of errors; these three by the
    default score, the signed confidence, as in the app). Intervals are Student's t with the spread
    over resamples of whole groups (compounds) where units are not independent, else of units; that of
    the accuracy is `share_interval`, as in the app. auroc is nan where all units are right, or all wrong.

    Raises InputError for a method or a level that the study does not have, and where no unit of the
    level has a label that counts.
    """
    method = method or study.reading_method
    table = study.table(method)
    study.demand_level(level)
    units = table[scored_rows(table)]
    if level != "image":
        units = aggregate(units, level, study.classes)
    if not len(units):
        raise InputError(
            f"study {study.name} has no {level} with a label that counts: there is nothing to "
            "compare the predictions with"
        )
    merits = compare({method: units}, study.classes, DEFAULT_SCORE, repeats=repeats, seed=seed)
    estimates = {name: Estimate(*merits.interval(name, method)[:3], len(units)) for name in MERITS}
    correct = units["correct"].to_numpy(dtype=bool)
    share = share_interval(correct, np.ones(len(units), dtype=bool), independent_groups(units))
    return estimates | {"accuracy": Estimate(*share[:3], len(units))}


def study_metrics(study: Study) -> dict[str, dict[str, dict[str, Estimate]]]:
    """method -> level -> `evaluate`, for all levels that have a unit with a label that counts."""
    return {
        method: {
            level: evaluate(study, method, level) for level in study.meta["metrics"].get(method, {})
        }
        for method in study.methods
    }
