"""A selection in the scatter of two networks as rows, and as words for the exported list."""

import json
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.scores import SCORES
from bnn_core.base.wording import count
from bnn_core.figures import scatter
from bnn_core.measures import selection
from bnn_core.measures.agreement import MARGIN_BINS, Plane, Scale
from bnn_core.study.folder import Study

#: In the session: digest of the selection that was announced last.
_ANNOUNCED = "_selection_announced"


class Choice(NamedTuple):
    """A selection: rows of the study, and how they were selected, in words."""

    rows: np.ndarray
    words: str


def in_chart(event: dict, positions: Plane, rows: np.ndarray) -> Choice | None:
    """The rows of a Plotly selection among `rows`, drawn or not; None where it is empty.

    event: the "selection" that `st.plotly_chart` returns.
    """
    boxes, lassos = event.get("box") or [], event.get("lasso") or []
    if boxes or lassos:
        words = [box_words(box, positions) for box in boxes] + ["lasso drawn by hand"] * len(lassos)
        return Choice(positions.in_areas(rows, boxes, lassos), f"In the {' and the '.join(words)}")
    marks = [scalar(point["customdata"]) for point in event["points"] if "customdata" in point]
    bars = [scatter.bar_of(mark) for mark in marks if isinstance(mark, str)]
    if bars:
        rows_by_bar = [positions.in_bar(rows, *bar) for bar in bars]
        return Choice(
            np.unique(np.concatenate(rows_by_bar)),
            "; ".join(bar_words(bar, positions) for bar in bars),
        )
    if marks:
        return Choice(np.unique(np.array(marks, dtype=np.int64)), "Points clicked")
    return None


def in_corner(positions: Plane, rows: np.ndarray, quadrant: str, outcome: str | None) -> Choice:
    """The images of a corner, with one outcome or any."""

    def rule(scale: Scale) -> str:
        score = SCORES[scale.score]
        return f"{score.short} {score.sign} {scale.cut:g}"

    words = f"{capital(quadrant)}{f', {outcome}' if outcome else ''}"
    return Choice(
        positions.in_corner(rows, quadrant, outcome),
        f"{words} (sure: Bayesian {rule(positions.bayes)}, standard {rule(positions.standard)})",
    )


def selection_text(event: dict, study: Study) -> str:
    """A Plotly selection as text for an address; empty where nothing is selected.

    Points are kept as image ids, bars by their names, boxes and lassos by their geometry.
    """
    marks = [scalar(point["customdata"]) for point in event["points"] if "customdata" in point]
    areas = {kind: [_rounded(area) for area in event.get(kind) or []] for kind in ("box", "lasso")}
    if any(areas.values()):
        marks = []  # the areas define the images, whichever of them are drawn
    parts = {
        "images": [str(study.images["image_id"].iat[m]) for m in marks if not isinstance(m, str)],
        "bars": [mark for mark in marks if isinstance(mark, str)],
        **areas,
    }
    parts = {name: part for name, part in parts.items() if part}
    return json.dumps(parts, separators=(",", ":")) if parts else ""


def from_text(text: str, study: Study) -> dict:
    """A selection as `in_chart` takes it, from `selection_text`; an empty one for any other text."""
    nothing = {"points": [], "box": [], "lasso": []}
    try:
        parts = json.loads(text)
        marks = [study.row_of(str(image_id)) for image_id in parts.get("images", [])]
        for bar in parts.get("bars", []):
            network, index, verdict = scatter.bar_of(bar)
            if (
                network not in ("standard", "bayes")
                or not 0 <= index < MARGIN_BINS
                or verdict not in selection.VERDICTS
            ):
                return nothing
            marks.append(bar)
        areas = {kind: [_read(area) for area in parts.get(kind, [])] for kind in ("box", "lasso")}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, InputError):
        return nothing
    return {"points": [{"customdata": mark} for mark in marks], **areas}


def _rounded(area: dict) -> dict:
    """An area with its coordinates to six digits."""
    return {
        "xref": area["xref"],
        "yref": area["yref"],
        "x": [float(f"{x:.6g}") for x in area["x"]],
        "y": [float(f"{y:.6g}") for y in area["y"]],
    }


def _read(area: dict) -> dict:
    """An area of an address; ValueError, TypeError or KeyError for a bad one."""
    if area["xref"] not in ("x", "x2") or area["yref"] not in ("y", "y2"):
        raise ValueError("unknown axis")
    if len(area["x"]) != len(area["y"]) or len(area["x"]) < 2:
        raise ValueError("coordinates do not match")
    return _rounded(area)


def announce(chosen: Choice) -> None:
    """A message, once per selection, that its images are below the chart."""
    digest = hash((chosen.words, chosen.rows.tobytes()))
    if st.session_state.get(_ANNOUNCED) != digest:
        st.session_state[_ANNOUNCED] = digest
        st.toast(
            f"{count(len(chosen.rows), 'image')} selected, shown below the chart.",
            icon=":material/arrow_downward:",
        )


def drawn_text(drawn: selection.DrawnPoints, total: int) -> str:
    """How many images are drawn as points, in words."""
    if not len(drawn.rest):
        return f"All {total:,} images are drawn."
    text = (
        f"**{len(drawn.rows):,} of {total:,}** images are drawn as points, the others as grey "
        "density. Counts, bars, box and lasso include all images."
    )
    if drawn.shown < drawn.asked:
        text += (
            f" {drawn.shown:,} of the {drawn.asked:,} wrong, flagged or marked images are drawn, "
            "in a fixed random choice."
        )
    return text


def box_words(box: dict, positions: Plane) -> str:
    """'box of standard confidence c 0.2 to 0.9, Bayesian confidence c 0.1 to 0.8'."""
    # A box over a margin ("x2", "y2") bounds one network only.
    sides = [
        f"{name} {span(scale, box[axis])}"
        for name, scale, axis in (
            ("standard", positions.standard, "x"),
            ("Bayesian", positions.bayes, "y"),
        )
        if box[f"{axis}ref"] == axis
    ]
    return f"box of {', '.join(sides)}"


def bar_words(bar: tuple[str, int, str], positions: Plane) -> str:
    """'Standard confidence c 0.2 to 0.225, wrong'."""
    network, bin_index, verdict = bar
    scale, ends = (
        (positions.standard, positions.x_ends)
        if network == "standard"
        else (positions.bayes, positions.y_ends)
    )
    width = (ends[1] - ends[0]) / MARGIN_BINS
    low = ends[0] + bin_index * width
    name = "Standard" if network == "standard" else "Bayesian"
    return f"{name} {span(scale, [low, low + width])}, {verdict}"


def span(scale: Scale, positions: list[float]) -> str:
    """Two plotted places as a range of the score, in its own units."""
    low, high = np.sort(scale.value(np.array(positions)))
    return f"{SCORES[scale.score].short} {low:.4g} to {high:.4g}"


def capital(words: str) -> str:
    """The words with a capital first letter."""
    return words[0].upper() + words[1:]


def scalar(customdata: Any) -> Any:
    """A point's customdata, which arrives plain or in a list."""
    return customdata[0] if isinstance(customdata, list) else customdata
