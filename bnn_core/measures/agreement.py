"""Two networks on one plane: every image's place by both scores, its corner, and its verdicts.

The standard network goes across, the Bayesian one up; the sure end is always right and up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.base.scores import SCORES
from bnn_core.measures import selection
from bnn_core.measures.evaluation import certainty
from bnn_core.measures.levels import scored_rows

#: Doubt below this is drawn at this value on a stretched axis. Softmax comes as float32, whose last
#: step below 1 is 6e-8; for c = 1 - 2 sqrt(p (1 - p)) that step is already 4.9e-4.
STRETCH_FLOOR = 1e-6
CONFIDENCE_FLOOR = 4e-4
MARGIN_BINS = 40


@dataclass(frozen=True)
class Scale:
    """One network's axis: a score, its cut-off, its span (low, high) in units of the score.

    A stretched scale pulls the sure end apart: it shows -log10 of the doubt left, doubt being
    1 - value where a high score is sure (0.9 → 1, 0.99 → 2, ...) and the value itself where a low
    one is.
    """

    score: str
    cut: float
    span: tuple[float, float]
    stretched: bool = False

    def place(self, values: np.ndarray | float) -> np.ndarray:
        """Plotted place of each value; NaN stays NaN."""
        values = np.asarray(values, dtype=np.float64)
        if SCORES[self.score].limit is None:
            # It has no end: what lies beyond the axis stands at its rim.
            values = np.minimum(values, self.span[1])
        if not self.stretched:
            return values
        doubt = 1 - values if SCORES[self.score].direction > 0 else values
        floor = CONFIDENCE_FLOOR if self.score == "confidence" else STRETCH_FLOOR
        return -np.log10(np.maximum(doubt, floor))

    def value(self, places: np.ndarray | float) -> np.ndarray:
        """The score at a plotted place: the way back from `place`."""
        places = np.asarray(places, dtype=np.float64)
        if not self.stretched:
            return places
        doubt = 10.0**-places
        return 1 - doubt if SCORES[self.score].direction > 0 else doubt

    def sure(self, values: np.ndarray) -> np.ndarray:
        """Whether each value counts as sure: at the cut-off or beyond it. NaN is never sure."""
        return certainty(self.score, values) >= certainty(self.score, np.float64(self.cut))

    def ends(self, places: np.ndarray) -> tuple[float, float]:
        """The axis in plotted units, unsure end first; a stretched one ends with its data."""
        unsure, sure = self.span if SCORES[self.score].direction > 0 else self.span[::-1]
        if not self.stretched:
            return unsure, sure
        known = places[np.isfinite(places)]
        return float(self.place(unsure)), max(2.0, float(np.ceil(known.max(initial=2.0))))

    def ticks(self, ends: tuple[float, float]) -> dict[float, str] | None:
        """Plotted place → text of a stretched axis; None where the default will do."""
        if not self.stretched:
            return None
        rising = SCORES[self.score].direction > 0
        found = {
            float(n): f"{1 - 10.0**-n:.{n}f}" if rising else f"{10.0**-n:.{n}f}"
            for n in range(int(np.ceil(ends[0])), int(ends[1]) + 1)
        }
        return found | {float(self.place(0.5)): "0.5"}


@dataclass(frozen=True)
class Plane:
    """All N images of a study; `x` and `y` are places, `rows` those that have both."""

    standard: Scale
    bayes: Scale
    x: np.ndarray
    y: np.ndarray
    x_ends: tuple[float, float]
    y_ends: tuple[float, float]
    standard_verdict: np.ndarray
    bayes_verdict: np.ndarray
    outcome: np.ndarray
    quadrant: np.ndarray

    def with_scores(self, rows: np.ndarray) -> np.ndarray:
        """Those of `rows` that have both scores."""
        return rows[np.isfinite(self.x[rows]) & np.isfinite(self.y[rows])]

    def counts(self, rows: np.ndarray) -> pd.DataFrame:
        """Images of `rows` per corner and outcome (`selection.quadrant_table`)."""
        return selection.quadrant_table(self.quadrant[rows], self.outcome[rows])

    def margins(self, rows: np.ndarray) -> dict[str, pd.DataFrame]:
        """`selection.margin` of both networks: "standard" and "bayes"."""
        return {
            "standard": selection.margin(
                self.x[rows], self.standard_verdict[rows], *self.x_ends, MARGIN_BINS
            ),
            "bayes": selection.margin(
                self.y[rows], self.bayes_verdict[rows], *self.y_ends, MARGIN_BINS
            ),
        }

    def in_corner(self, rows: np.ndarray, quadrant: str, outcome: str | None) -> np.ndarray:
        """Those of `rows` in a corner, with one outcome or any."""
        keep = self.quadrant[rows] == selection.QUADRANTS.index(quadrant)
        if outcome is not None:
            keep &= self.outcome[rows] == selection.OUTCOMES.index(outcome)
        return rows[keep]

    def in_bar(self, rows: np.ndarray, network: str, place: int, verdict: str) -> np.ndarray:
        """Those of `rows` that a marginal bar counts."""
        values, ends, found = (
            (self.x, self.x_ends, self.standard_verdict)
            if network == "standard"
            else (self.y, self.y_ends, self.bayes_verdict)
        )
        keep = (selection.bin_index(values[rows], *ends, MARGIN_BINS) == place) & (
            found[rows] == selection.VERDICTS.index(verdict)
        )
        return rows[keep]

    def in_areas(
        self, rows: np.ndarray, boxes: Iterable[Mapping], lassos: Iterable[Mapping]
    ) -> np.ndarray:
        """Those of `rows` within any of the areas drawn on the chart.

        An area has "x" and "y" (a box two values each, a lasso its corners) in plotted units and
        "xref", "yref": a box over a margin ("x2" or "y2") bounds the other network not at all; a
        lasso there selects nothing.
        """
        x, y = self.x[rows], self.y[rows]
        inside = np.zeros(len(rows), dtype=bool)
        everything: Sequence[float] = (-np.inf, np.inf)
        for box in boxes:
            inside |= selection.in_box(
                x,
                y,
                box["x"] if box["xref"] == "x" else everything,
                box["y"] if box["yref"] == "y" else everything,
            )
        for lasso in lassos:
            if (lasso["xref"], lasso["yref"]) == ("x", "y") and len(lasso["x"]) > 2:
                inside |= selection.in_polygon(x, y, lasso["x"], lasso["y"])
        return rows[inside]


def plane(
    standard: pd.DataFrame, bayes: pd.DataFrame, standard_scale: Scale, bayes_scale: Scale
) -> Plane:
    """Place every image of a study; the tables are `Study.table` of the two methods, N rows each.

    Only images that an accuracy counts (`levels.scored_rows`) are right or wrong.
    """
    scored = scored_rows(bayes)
    across = standard[standard_scale.score].to_numpy(np.float64)
    up = bayes[bayes_scale.score].to_numpy(np.float64)
    x, y = standard_scale.place(across), bayes_scale.place(up)
    standard_verdict, bayes_verdict = (
        selection.verdicts(table["correct"].where(scored)) for table in (standard, bayes)
    )
    return Plane(
        standard_scale,
        bayes_scale,
        x,
        y,
        standard_scale.ends(x),
        bayes_scale.ends(y),
        standard_verdict,
        bayes_verdict,
        selection.outcomes(bayes_verdict, standard_verdict),
        selection.quadrants(bayes_scale.sure(up), standard_scale.sure(across)),
    )
