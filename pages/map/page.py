"""Map: the images in two dimensions; images that the network represents alike lie together."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.scores import SCORES
from bnn_core.figures import image_map as figures
from bnn_core.figures.style import (
    CLASS_COLOURS,
    QUIET,
    RIGHT,
    UNKNOWN,
    WRONG,
    chart_config,
    hover_names,
)
from bnn_core.measures import selection
from bnn_core.recipes.image_map import MAP_SOURCES, source_of, study_map
from bnn_core.study.folder import Study
from pages.shared import (
    charts,
    choices,
    filters,
    flagging,
    frame,
    gestures,
    panels,
    scores,
    studies,
)
from pages.shared.judged import none_passes

LABEL, PREDICTED, VERDICT, SCORE, DECISION = "label", "prediction", "verdict", "score", "decision"
#: Colourings -> words; those of a column need it in the study.
COLOURINGS = {
    LABEL: "label",
    PREDICTED: "prediction",
    VERDICT: "right or wrong",
    "batch": "batch",
    "plate": "plate",
    SCORE: "score",
    DECISION: "decision",
}
NO_LABEL, OTHERS, UNDECIDED = "no label", "others", "not decided"
VERDICTS = {"not counted": QUIET, "right": RIGHT, "wrong": WRONG}
#: Brighter than the other points on a dark page, darker on a light one.
HIGHLIGHT = CLASS_COLOURS[0]
#: Parameter of the address: what is selected, see `gestures.selection_text`.
SELECTED = "selected"
#: In the session: how often a selection was cleared outside the chart.
_ROUNDS = "_map_rounds"
#: Cells of the density along each axis.
CELLS = 120


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    if not none_passes(study):
        explore(study)


@frame.fragment
def explore(study: Study) -> None:
    """The map and the selected images."""
    positions = _positions(studies.identity(study), study)
    rows = filters.passing(study)
    rows = rows[np.isfinite(positions[rows]).all(axis=1)]
    if not len(rows):
        st.info(
            f"No {filters.matching(study)} has a position.{filters.remedy()}",
            icon=":material/filter_alt_off:",
        )
        return
    colouring, highlight = pick_colouring(study)
    score = scores.cutoff(study).score
    decided = tuple(flagging.decisions(study)["decision"].items()) if colouring == DECISION else ()
    figure, drawn = _drawing(filters.key(study), colouring, highlight, score, decided, study)
    charts.draw(
        figure,
        key=f"map_{study.name}_{st.session_state.get(_ROUNDS, 0)}",
        on_select=lambda: put_selected(study),
        config=chart_config(f"{study.name}-map", areas=True),
        alt=f"Map of {len(rows):,} images by {COLOURINGS[colouring]}",
    )
    source = MAP_SOURCES[source_of(study.images, study.embedding is not None)]
    st.caption(
        f"{gestures.drawn_text(drawn, len(rows))} Positions by t-SNE from {source}: neighbours are "
        "alike, and distances between far groups mean little. Lasso and box are in the toolbar; "
        "click a point to see its image."
    )
    event = gestures.from_text(st.query_params.get(SELECTED, ""), study)
    chosen = selected(event, positions, rows)
    if len(chosen):
        show(study, gestures.Choice(chosen, f"Selected on the map by {COLOURINGS[colouring]}"))


def show(study: Study, chosen: gestures.Choice) -> None:
    """The selected images below the map."""
    gestures.announce(chosen)
    st.button(
        "Clear the selection",
        key="map_clear",
        icon=":material/close:",
        type="tertiary",
        on_click=clear,
    )
    panels.selection_panel(study, chosen.rows, key="map_selection", title=chosen.words)


def selected(event: dict, positions: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The part of `rows` in the selection: in its areas, drawn or not, else its points."""
    if event["box"] or event["lasso"]:
        x, y = positions[rows].T
        return rows[selection.in_areas(x, y, event["box"], event["lasso"])]
    points = [point["customdata"] for point in event["points"]]
    return np.intersect1d(rows, np.array([p for p in points if isinstance(p, int)], dtype=np.int64))


def put_selected(study: Study) -> None:
    """Put the selection of the chart into the address; a callback."""
    state = st.session_state[f"map_{study.name}_{st.session_state.get(_ROUNDS, 0)}"]
    if text := gestures.selection_text(state["selection"], study):
        st.query_params[SELECTED] = text
    else:
        st.query_params.pop(SELECTED, None)


def clear() -> None:
    """Remove the selection; a callback."""
    st.query_params.pop(SELECTED, None)
    st.session_state[_ROUNDS] = st.session_state.get(_ROUNDS, 0) + 1


def pick_colouring(study: Study) -> tuple[str, str | None]:
    """The menus: colouring, and the name to highlight where there are too many for colours."""
    options = [
        name
        for name in COLOURINGS
        if name not in ("batch", "plate") or len(filters.column_codes(study, name).values) > 1
    ]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        choices.restrict("map_colour", options, options[0])
        colouring = st.selectbox(
            "Colour by",
            options,
            key="map_colour",
            format_func=COLOURINGS.__getitem__,
            bind="query-params",
            width=220,
        )
        names = names_of(study, colouring)
        if len(names) <= len(CLASS_COLOURS):
            return colouring, None
        choices.restrict("map_highlight", names, names[0])
        highlight = st.selectbox(
            "Highlight",
            names,
            key="map_highlight",
            bind="query-params",
            width=270,
            help=f"There are {len(names):,} of them, too many for a colour each.",
        )
    return colouring, highlight


def names_of(study: Study, colouring: str) -> list[str]:
    """The names that a colouring has; none for numbers and for right or wrong."""
    if colouring in (LABEL, PREDICTED):
        return list(study.classes)
    if colouring in ("batch", "plate"):
        return filters.column_codes(study, colouring).values
    return []


def paint_of(
    study: Study, rows: np.ndarray, colouring: str, highlight: str | None, score: str
) -> figures.Paint:
    """What the points of `rows` show."""
    table = studies.table(study, study.reading_method).iloc[rows]
    if colouring == SCORE:
        low, high = scores.score_range(study, score)[:2]
        return figures.Paint(SCORES[score].title, table[score], ends=(low, high))
    if colouring == VERDICT:
        verdict = selection.verdicts(table["correct"])
        names = pd.Series(np.array(["right", "wrong", "not counted"], dtype=object)[verdict])
        return figures.Paint(colouring, names, colours=VERDICTS)
    if colouring == DECISION:
        state = flagging.decisions(study)["decision"].reindex(rows)
        names = state.astype(object).where(state.notna(), UNDECIDED).reset_index(drop=True)
        colours = dict(zip(sorted(set(names) - {UNDECIDED}), CLASS_COLOURS, strict=False))
        return figures.Paint(colouring, names, colours={UNDECIDED: RIGHT} | colours)
    column = {PREDICTED: "predicted"}.get(colouring, colouring)
    if colouring in ("batch", "plate"):
        codes = filters.column_codes(study, column)
        names = pd.Series(np.array(codes.values, dtype=object)[codes.codes[rows]])
    else:
        names = table[column].astype(object).where(table[column].notna(), NO_LABEL)
        names = names.reset_index(drop=True)
    if highlight is not None:
        names = names.where((names == highlight) | (names == NO_LABEL), OTHERS)
        colours = {OTHERS: RIGHT, highlight: HIGHLIGHT}
    else:
        colours = dict(zip(names_of(study, colouring), CLASS_COLOURS, strict=False))
        # A class of a removed filter, or one that was never trained on.
        colours |= {name: UNKNOWN for name in set(names) - set(colours) - {NO_LABEL}}
    return figures.Paint(colouring, names, colours={NO_LABEL: QUIET} | colours)


@st.cache_resource(max_entries=16, show_spinner="Computing the map")
def _positions(identity: str, _study: Study) -> np.ndarray:
    return study_map(_study)


@st.cache_resource(max_entries=16, show_spinner="Drawing")
def _drawing(
    key: str,
    colouring: str,
    highlight: str | None,
    score: str,
    decided: tuple[tuple[int, str], ...],
    _study: Study,
) -> tuple[go.Figure, selection.DrawnPoints]:
    positions = _positions(studies.identity(_study), _study)
    rows = filters.passing(_study)
    rows = rows[np.isfinite(positions[rows]).all(axis=1)]
    table = studies.table(_study, _study.reading_method)
    wrong = selection.verdicts(table["correct"].iloc[rows]) == 1
    urgency = np.where(wrong, selection.WRONG_POINT, selection.ORDINARY_POINT)
    urgency[np.isin(rows, [row for row, _ in decided])] = selection.FLAGGED_POINT
    drawn = selection.choose_drawn(
        rows, urgency, selection.drawing_order(len(positions)), selection.MOST_DRAWN
    )
    part = table.iloc[drawn.rows]
    points = pd.DataFrame(
        {
            "x": positions[drawn.rows, 0],
            "y": positions[drawn.rows, 1],
            "row": drawn.rows,
            "text": _text(part),
        }
    ).reset_index(drop=True)
    rest = None
    if len(drawn.rest):
        ends = (-figures.END, figures.END)
        x, y = positions[drawn.rest].T
        rest = selection.density_counts(x, y, ends, ends, CELLS)
    paint = paint_of(_study, drawn.rows, colouring, highlight, score)
    paint = paint._replace(values=paint.values.reset_index(drop=True))
    return figures.image_map(points, paint, rest), drawn


def _text(part: pd.DataFrame) -> list[str]:
    """The hover text of each point: image, label, prediction, plate."""
    text = hover_names(part["image_id"]) + "<br>label " + hover_names(part["label"])
    text += "<br>predicted " + hover_names(part["predicted"])
    if "compound" in part:
        text += "<br>" + hover_names(part["compound"])
    return text.tolist()


page()
