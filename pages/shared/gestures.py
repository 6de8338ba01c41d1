"""What a selection in the scatter of two networks means: rows, and words for the exported list."""

from typing import Any, NamedTuple

import numpy as np

from bnn_core.base.scores import SCORES
from bnn_core.figures import scatter
from bnn_core.measures.agreement import MARGIN_BINS, Plane, Scale


class Choice(NamedTuple):
    """What is selected: rows of the study, and how they came about."""

    rows: np.ndarray
    words: str


def in_chart(event: dict, placed: Plane, rows: np.ndarray) -> Choice | None:
    """Those of `rows` that a Plotly selection means, drawn or not; None where it is empty.

    event: the "selection" that `st.plotly_chart` returns.
    """
    boxes, lassos = event.get("box") or [], event.get("lasso") or []
    if boxes or lassos:
        words = [box_words(box, placed) for box in boxes] + ["lasso drawn by hand"] * len(lassos)
        return Choice(placed.in_areas(rows, boxes, lassos), f"In the {' and the '.join(words)}")
    marks = [scalar(point["customdata"]) for point in event["points"] if "customdata" in point]
    bars = [scatter.bar_of(mark) for mark in marks if isinstance(mark, str)]
    if bars:
        found = [placed.in_bar(rows, *bar) for bar in bars]
        return Choice(
            np.unique(np.concatenate(found)), "; ".join(bar_words(bar, placed) for bar in bars)
        )
    if marks:
        return Choice(np.unique(np.array(marks, dtype=np.int64)), "Points clicked")
    return None


def in_corner(placed: Plane, rows: np.ndarray, quadrant: str, outcome: str | None) -> Choice:
    """The images of a corner, with one outcome or any."""

    def rule(scale: Scale) -> str:
        score = SCORES[scale.score]
        return f"{score.short} {score.sign} {scale.cut:g}"

    words = f"{capital(quadrant)}{f', {outcome}' if outcome else ''}"
    return Choice(
        placed.in_corner(rows, quadrant, outcome),
        f"{words} (sure: Bayesian {rule(placed.bayes)}, standard {rule(placed.standard)})",
    )


def fingerprint(event: dict) -> str:
    """A short text that differs between selections; empty when nothing is selected."""
    areas = [event.get("box") or [], event.get("lasso") or []]
    points = event["points"]
    return repr((len(points), points[:3], areas)) if points or any(areas) else ""


def box_words(box: dict, placed: Plane) -> str:
    """'box of standard confidence c 0.2 to 0.9, Bayesian confidence c 0.1 to 0.8'."""
    # A box over a margin ("x2", "y2") bounds one network only.
    sides = [
        f"{name} {span(scale, box[axis])}"
        for name, scale, axis in (
            ("standard", placed.standard, "x"),
            ("Bayesian", placed.bayes, "y"),
        )
        if box[f"{axis}ref"] == axis
    ]
    return f"box of {', '.join(sides)}"


def bar_words(bar: tuple[str, int, str], placed: Plane) -> str:
    """'Standard confidence c 0.2 to 0.225, wrong'."""
    network, place, verdict = bar
    scale, ends = (
        (placed.standard, placed.x_ends) if network == "standard" else (placed.bayes, placed.y_ends)
    )
    width = (ends[1] - ends[0]) / MARGIN_BINS
    low = ends[0] + place * width
    name = "Standard" if network == "standard" else "Bayesian"
    return f"{name} {span(scale, [low, low + width])}, {verdict}"


def span(scale: Scale, places: list[float]) -> str:
    """Two plotted places as a range of the score, in its own units."""
    low, high = np.sort(scale.value(np.array(places)))
    return f"{SCORES[scale.score].short} {low:.4g} to {high:.4g}"


def capital(words: str) -> str:
    """With a capital first letter, the others as they are."""
    return words[0].upper() + words[1:]


def scalar(customdata: Any) -> Any:
    """A point's customdata, which arrives plain or in a list."""
    return customdata[0] if isinstance(customdata, list) else customdata
