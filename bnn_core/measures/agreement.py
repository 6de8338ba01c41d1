"""Two networks on one plane: every image's position by both scores, its corner, its verdicts.

The standard network is on the x axis, the Bayesian one on the y axis. The sure ends are right and
up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bnn_core.base.scores import SCORES
from bnn_core.measures import selection
from bnn_core.measures.evaluation import certainty
from bnn_core.measures.levels import scored_rows

MARGIN_BINS = 40


@dataclass(frozen=True)
class Scale:
    """One network's axis: a score, its cut-off, its span (low, high) in units of the score.

    A stretched scale spreads the sure end. It shows -log10 of the doubt. The doubt is 1 - value if
    a high score is sure (0.9 → 1, 0.99 → 2, ...) and the value itself if a low score is sure. A
    doubt below the score's `least_doubt` is drawn there.
    """

    score: str
    cut: float
    span: tuple[float, float]
    stretched: bool = False

    def position(self, values: ArrayLike) -> np.ndarray:
        """Plotted position of each value; NaN stays NaN."""
        positions = np.asarray(values, dtype=np.float64)
        if SCORES[self.score].limit is None:
            # There is no upper bound: larger values are drawn at the end of the axis.
            positions = np.minimum(positions, self.span[1])
        if not self.stretched:
            return positions
        doubt = 1 - positions if SCORES[self.score].direction > 0 else positions
        return -np.log10(np.maximum(doubt, SCORES[self.score].least_doubt))

    def value(self, positions: np.ndarray | float) -> np.ndarray:
        """The score at a plotted position: the inverse of `position`."""
        positions = np.asarray(positions, dtype=np.float64)
        if not self.stretched:
            return positions
        doubt = 10.0**-positions
        return 1 - doubt if SCORES[self.score].direction > 0 else doubt

    def sure(self, values: np.ndarray) -> np.ndarray:
        """Whether each value is sure: at the cut-off or better. NaN is never sure."""
        return certainty(self.score, values) >= certainty(self.score, np.float64(self.cut))

    def ends(self, positions: np.ndarray) -> tuple[float, float]:
        """Unsure and sure end of the axis in plotted units; a stretched axis ends with its data."""
        unsure, sure = self.span if SCORES[self.score].direction > 0 else self.span[::-1]
        if not self.stretched:
            return unsure, sure
        known = positions[np.isfinite(positions)]
        return float(self.position(unsure)), max(2.0, float(np.ceil(known.max(initial=2.0))))

    def ticks(self, ends: tuple[float, float]) -> dict[float, str] | None:
        """Plotted position → tick text of a stretched axis; None for the default ticks."""
        if not self.stretched:
            return None
        rising = SCORES[self.score].direction > 0
        texts = {
            float(n): f"{1 - 10.0**-n:.{n}f}" if rising else f"{10.0**-n:.{n}f}"
            for n in range(int(np.ceil(ends[0])), int(ends[1]) + 1)
        }
        return texts | {float(self.position(0.5)): "0.5"}


@dataclass(frozen=True)
class Plane:
    """All N images of a study at positions `x` and `y` (nan: no score), with their verdicts."""

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
        """The part of `rows` with both scores."""
        return rows[np.isfinite(self.x[rows]) & np.isfinite(self.y[rows])]

    def counts(self, rows: np.ndarray) -> pd.DataFrame:
        """Images of `rows` per corner and outcome (`selection.quadrant_table`)."""
        return selection.quadrant_table(self.quadrant[rows], self.outcome[rows])

    def margins(self, rows: np.ndarray) -> dict[str, pd.DataFrame]:
        """`selection.marginal_counts` of both networks: "standard" and "bayes"."""
        return {
            "standard": selection.marginal_counts(
                self.x[rows], self.standard_verdict[rows], *self.x_ends, MARGIN_BINS
            ),
            "bayes": selection.marginal_counts(
                self.y[rows], self.bayes_verdict[rows], *self.y_ends, MARGIN_BINS
            ),
        }

    def in_corner(self, rows: np.ndarray, quadrant: str, outcome: str | None) -> np.ndarray:
        """The part of `rows` in a corner, with one outcome or any."""
        keep = self.quadrant[rows] == selection.QUADRANTS.index(quadrant)
        if outcome is not None:
            keep &= self.outcome[rows] == selection.OUTCOMES.index(outcome)
        return rows[keep]

    def in_bar(self, rows: np.ndarray, network: str, index: int, verdict: str) -> np.ndarray:
        """The part of `rows` that a marginal bar counts."""
        values, ends, verdicts = (
            (self.x, self.x_ends, self.standard_verdict)
            if network == "standard"
            else (self.y, self.y_ends, self.bayes_verdict)
        )
        keep = (selection.bin_index(values[rows], *ends, MARGIN_BINS) == index) & (
            verdicts[rows] == selection.VERDICTS.index(verdict)
        )
        return rows[keep]

    def in_areas(
        self, rows: np.ndarray, boxes: Iterable[Mapping], lassos: Iterable[Mapping]
    ) -> np.ndarray:
        """The part of `rows` inside any of the areas drawn on the chart.

        An area has "x" and "y" in plotted units (two values each for a box, the corners for a
        lasso) and "xref", "yref". A box over a margin ("x2" or "y2") does not limit the other
        network. A lasso over a margin selects nothing.
        """
        return rows[selection.in_areas(self.x[rows], self.y[rows], boxes, lassos)]


def plane(
    standard: pd.DataFrame, bayes: pd.DataFrame, standard_scale: Scale, bayes_scale: Scale
) -> Plane:
    """The plane of a study, from `Study.table` of the two methods (N rows each, in the same order).

    Only images that an accuracy counts (`levels.scored_rows`) are right or wrong.
    """
    scored = scored_rows(bayes)
    across = standard[standard_scale.score].to_numpy(np.float64)
    up = bayes[bayes_scale.score].to_numpy(np.float64)
    x, y = standard_scale.position(across), bayes_scale.position(up)
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
