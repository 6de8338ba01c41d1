"""The report's answer to "I need 95 % right": the smallest cut-off for three accuracies."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bnn_core.base.methods import method_of
from bnn_core.base.scores import DEFAULT_SCORE, SCORES
from bnn_core.base.wording import percent
from bnn_core.figures.report_sections import Table
from bnn_core.measures.cutoffs import guarantee, needed_cutoff
from bnn_core.measures.judged_units import Judged

#: Accuracies that are asked for.
TARGETS = (0.8, 0.9, 0.95)
#: Cut-offs to choose from, as on the page's slider: every hundredth.
SLIDER = np.arange(-100, 101) / 100


@dataclass(frozen=True)
class NeededAccuracies:
    """A row for every network and accuracy, and what the cut-offs promise."""

    table: Table
    guarantee: str


def needed_accuracies(units_of: Mapping[str, Judged]) -> NeededAccuracies:
    """The smallest cut-off on the default score with each of TARGETS, by `measures.cutoffs`.

    units_of: images of every method, judged by the default score.
    """
    symbol, rows, grouped = SCORES[DEFAULT_SCORE].symbol, [], False
    for method, units in units_of.items():
        strata = units.units["label"].to_numpy(dtype=object) if units.groups is None else None
        grouped |= units.groups is not None
        for target in TARGETS:
            answer = needed_cutoff(
                units.certainty, units.correct, target, units.groups, strata, SLIDER
            )
            row = [method_of(method).name, percent(target)]
            if answer.cutoff is None:
                rows.append([*row, "none", answer.reason, ""])
                continue
            kept = f"{percent(answer.coverage, 1)} ({answer.kept:,} of {answer.images:,})"
            right = percent(answer.right / answer.kept, 2)
            rows.append([*row, f"{symbol} ≥ {answer.cutoff:.2f}", kept, right])
    heads = ["Network", "Accuracy needed", "Cut-off", "Kept", "Right here"]
    return NeededAccuracies(Table(heads, rows), guarantee("that share", "image", grouped))
