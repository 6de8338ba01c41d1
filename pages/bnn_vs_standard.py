"""BNN vs standard (figure 2C): where do the two networks disagree?"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.figures import scatter, style
from bnn_core.measures import selection
from bnn_core.measures.agreement import Plane, Scale, plane
from bnn_core.study.folder import Study
from pages.shared import flagging, frame, gestures, panels, scores, studies
from pages.shared.gestures import Choice
from pages.shared.judged import none_passes

CELLS = 90
SAME, RAW = "same score", "raw softmax, as in the paper"
PLAIN, STRETCHED = "plain", "sure end stretched"
ONE_METHOD = """This study holds {has}; this page needs {lacks} as well, trained on the same images.
`bnn study` trains both. For predictions made elsewhere: `bnn import --help`."""
#: The corner chosen, in the address: "<corner>.<outcome>".
CORNER = "corner"
ALL = "all"
NOT_COUNTED = " Not counted: without a label, a control, or of a class absent from training."
CORNER_HELP = {
    "both sure": "Wrong here is what a wrong label looks like: look at these first.",
    "only Bayesian sure": "The samples agree where the single network hesitates.",
    "only standard sure": "The single network is sure, the samples are not: the wrong ones here "
    "are the over-confidence that a Bayesian network is meant to show.",
    "neither sure": "Hard for both: an image to look at, or to leave out.",
}


class Drawing(NamedTuple):
    """The chart and what it counts."""

    figure: go.Figure
    drawn: selection.Drawn
    counts: pd.DataFrame


def main() -> None:
    """The page."""
    study = frame.current_study()
    bayes, standard = study.bayes_method, study.standard_method
    if bayes is None or standard is None:
        lacks = "a Bayesian method" if bayes is None else "a standard network"
        has = " and ".join(method_of(method).name for method in study.methods)
        st.info(ONE_METHOD.format(has=has, lacks=lacks), icon=":material/compare_arrows:")
        return
    scales = choose_scales(study)
    explore(study, bayes, standard, *scales)


def choose_scales(study: Study) -> tuple[Scale, Scale, str]:
    """The controls above the chart: both axes, and images to mark."""
    up = frame.cutoff()
    alone = SCORES[up.score].between_networks
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        across = st.segmented_control(
            "Standard network's axis",
            [SAME, RAW],
            default=SAME,
            key="across",
            required=True,
            bind="query-params",
            disabled=alone,
            width="content",
            help="Both networks on the same score is the fair comparison. The paper draws the "
            "Bayesian c against the standard network's raw softmax.",
        )
        # A distance is in no way near 0 or 1 where a network is sure.
        endless = SCORES[up.score].limit is None
        look = st.segmented_control(
            "Axes",
            [PLAIN, STRETCHED],
            default=PLAIN,
            key="axes",
            required=True,
            bind="query-params",
            width="content",
            disabled=endless,
            help="Stretched: the step from 0.9 to 0.99 is as long as that from 0.99 to 0.999. It "
            "pulls apart the images that both networks are sure of.",
        )
        score = "top_softmax" if alone or across == RAW else up.score
        cut = up.value
        if score != up.score:
            low, high, step, start = scores.score_range(study, score)
            cut = st.slider(
                "Cut-off of the standard network",
                low,
                high,
                start,
                step,
                width=240,
                key=f"across_{score}",
                bind="query-params",
            )
        marked = st.text_input(
            "Mark images",
            key="mark",
            bind="query-params",
            width=210,
            placeholder="part of an image id",
            icon=":material/my_location:",
        )
    if alone:
        st.caption(
            f"One network alone has no {SCORES[up.score].name.lower()}; its raw "
            "softmax stands across instead."
        )
    stretched = look == STRETCHED and not endless
    return (
        Scale(score, cut, scores.score_range(study, score)[:2], stretched),
        Scale(up.score, up.value, scores.score_range(study, up.score)[:2], stretched),
        marked.strip(),
    )


@st.fragment
def explore(study: Study, bayes: str, standard: str, across: Scale, up: Scale, marked: str) -> None:
    """The chart, the image or images chosen in it, and the corners."""
    if none_passes():
        return
    identity = studies.identity(study)
    placed = plane_of(identity, across, up, study, bayes, standard)
    rows = placed.with_scores(frame.filtered_rows())
    if not len(rows):
        st.info(
            "None of the filtered images has both scores. Take a filter off in the sidebar, or "
            "choose another score.",
            icon=":material/query_stats:",
        )
        return
    flagged = tuple(flagging.flagged_rows(study))
    key = (frame.filter_key(), across, up, marked, flagged)
    drawing = drawing_of(key, placed, study, bayes, standard)
    left, right = st.columns([2, 1], gap="medium")
    with left:
        event = st.plotly_chart(
            drawing.figure,
            key="plane",
            on_select="rerun",
            config=chart_config(),
            alt=f"Scores of the Bayesian against the standard network, {len(rows):,} images: both "
            f"sure of {drawing.counts.loc['both sure'].sum():,}, neither of "
            f"{drawing.counts.loc['neither sure'].sum():,}",
        )
        st.caption(
            f"{drawn_text(drawing.drawn, len(rows))} Click a point, a bar or a count for "
            "its images; box and lasso are in the toolbar (back to the cross of arrows to "
            "click points again). Marginal counts are logarithmic."
        )
    take_corner(drawing.counts)
    chosen = choice(event["selection"], placed, rows, drawing.counts)
    with right:
        if chosen is not None and len(chosen.rows) == 1:
            st.button(
                "Back to the counts",
                icon=":material/arrow_back:",
                type="tertiary",
                key="plane_back",
                on_click=let_go,
                args=(gestures.fingerprint(event["selection"]),),
            )
            panels.detail(study, int(chosen.rows[0]), key="plane_detail")
        else:
            draw_corners(drawing.counts)
    if chosen is not None and len(chosen.rows) != 1:
        panels.selection_panel(study, chosen.rows, key="plane_selection", title=chosen.words)


@st.cache_resource(max_entries=8, show_spinner="Placing the images")
def plane_of(
    identity: str, across: Scale, up: Scale, _study: Study, _bayes: str, _standard: str
) -> Plane:
    """Where every image of the study lies, whatever the filters."""
    return plane(frame.table(_study, _standard), frame.table(_study, _bayes), across, up)


@st.cache_resource(max_entries=16, show_spinner="Drawing")
def drawing_of(key: tuple, _placed: Plane, _study: Study, _bayes: str, _standard: str) -> Drawing:
    """The chart of the filtered rows; the same object as long as nothing it shows changes."""
    _, across, up, marked, flagged = key
    rows = _placed.with_scores(frame.filtered_rows())
    total = len(_placed.x)
    is_flagged = np.zeros(total, dtype=bool)
    is_flagged[list(flagged)] = True
    is_marked = np.zeros(total, dtype=bool)
    if marked:
        is_marked = (
            _study.images["image_id"].str.contains(marked, case=False, regex=False).to_numpy(bool)
        )
    wrong = np.isin(_placed.outcome[rows], (1, 2, 3))
    urgency = np.where(wrong, selection.WRONG, selection.ORDINARY)
    urgency[is_flagged[rows]] = selection.FLAGGED
    urgency[is_marked[rows]] = selection.SEARCHED
    drawn = selection.choose_drawn(
        rows, urgency, selection.drawing_order(total), selection.MOST_DRAWN
    )
    points = pd.DataFrame(
        {
            "x": _placed.x[drawn.rows],
            "y": _placed.y[drawn.rows],
            "outcome": _placed.outcome[drawn.rows],
            "row": drawn.rows,
            "text": hover_text(
                frame.table(_study, _bayes).iloc[drawn.rows],
                frame.table(_study, _standard).iloc[drawn.rows],
                up,
                across,
            ),
        }
    )
    rest = (
        selection.density(
            _placed.x[drawn.rest], _placed.y[drawn.rest], _placed.x_ends, _placed.y_ends, CELLS
        )
        if len(drawn.rest)
        else None
    )
    counts = _placed.counts(rows)
    figure = scatter.agreement(
        points,
        axis_of(across, _placed.x_ends, _standard),
        axis_of(up, _placed.y_ends, _bayes),
        _placed.margins(rows),
        counts,
        rest=rest,
        rings={"flagged": is_flagged[drawn.rows], "marked": is_marked[drawn.rows]},
    )
    return Drawing(figure, drawn, counts)


def axis_of(scale: Scale, ends: tuple[float, float], method: str) -> scatter.Axis:
    """What the chart needs to know of an axis."""
    network = method_of(method)
    name = "Bayesian network" if network.bayesian else network.name
    return scatter.Axis(
        f"{name}: {SCORES[scale.score].title}",
        ends,
        float(scale.place(scale.cut)),
        network.colour,
        scale.ticks(ends),
    )


def hover_text(bayes: pd.DataFrame, standard: pd.DataFrame, up: Scale, across: Scale) -> pd.Series:
    """What a point says: the image, its label, both predictions and scores."""

    def names(column: pd.Series) -> pd.Series:
        # Plotly takes what looks like a tag for one.
        return column.astype(object).fillna("none").astype(str).str.replace("<", "&lt;")

    def network(table: pd.DataFrame, scale: Scale) -> pd.Series:
        return (
            names(table["predicted"])
            + f", {SCORES[scale.score].symbol} "
            + table[scale.score].map("{:.4f}".format)
        )

    return (
        names(bayes["image_id"])
        + "<br>label "
        + names(bayes["label"])
        + "<br>Bayesian: "
        + network(bayes, up)
        + "<br>standard: "
        + network(standard, across)
    )


def chart_config() -> dict[str, Any]:
    """As on every chart, with box and lasso in the toolbar and the toolbar always in sight."""
    config = style.chart_config("bnn_vs_standard")
    hidden = [
        name for name in config["modeBarButtonsToRemove"] if name not in ("select2d", "lasso2d")
    ]
    return config | {"modeBarButtonsToRemove": hidden, "displayModeBar": True}


def drawn_text(drawn: selection.Drawn, total: int) -> str:
    """How many points are drawn one by one, in words."""
    if not len(drawn.rest):
        return f"All {total:,} images are drawn."
    text = (
        f"**{len(drawn.rows):,} of {total:,}** images are drawn one by one, the others as grey "
        "density; counts, bars, box and lasso take all of them."
    )
    if drawn.shown < drawn.asked:
        text += (
            f" Of the {drawn.asked:,} wrong, flagged or marked images {drawn.shown:,} are "
            "drawn, chosen at random once and for all."
        )
    return text


def choice(event: dict, placed: Plane, rows: np.ndarray, counts: pd.DataFrame) -> Choice | None:
    """The selection in force: whichever came last, a gesture in the chart or a corner's count."""
    gesture = gestures.fingerprint(event)
    if st.session_state.get("plane_gesture") != gesture:
        st.session_state["plane_gesture"] = gesture
        st.session_state.pop("plane_left", None)
        if gesture:
            clear_corners()
    for quadrant in selection.QUADRANTS:
        picked = st.session_state.get(corner_key(quadrant))
        if picked == ALL or (picked in counts and counts.loc[quadrant, picked]):
            return gestures.in_corner(placed, rows, quadrant, None if picked == ALL else picked)
    if gesture == st.session_state.get("plane_left"):
        return None
    return gestures.in_chart(event, placed, rows)


def let_go(gesture: str) -> None:
    """Show the counts again, although the chart still has this selection."""
    clear_corners()
    st.session_state["plane_left"] = gesture


def take_corner(counts: pd.DataFrame) -> None:
    """Choose the corner that a fresh link names, as in ?corner=both+sure.both+wrong."""
    quadrant, _, outcome = st.query_params.get(CORNER, "").partition(".")
    fresh = not any(corner_key(q) in st.session_state for q in selection.QUADRANTS)
    if (
        fresh
        and quadrant in counts.index
        and (outcome == ALL or (outcome in counts and counts.loc[quadrant, outcome]))
    ):
        st.session_state[corner_key(quadrant)] = outcome


def corner_key(quadrant: str) -> str:
    """The key of a corner's menu: another one for another study, whose counts are others."""
    return f"corner_{quadrant}_{frame.current_study().name}"


def clear_corners() -> None:
    """Let go of every corner's count."""
    st.query_params.pop(CORNER, None)
    for quadrant in selection.QUADRANTS:
        st.session_state[corner_key(quadrant)] = None


def draw_corners(counts: pd.DataFrame) -> None:
    """Counts of each corner by outcome; every count opens its images."""
    everything = int(counts.to_numpy().sum())
    for quadrant in selection.QUADRANTS:
        total = int(counts.loc[quadrant].sum())
        found = {ALL: total} | counts.loc[quadrant][counts.loc[quadrant] > 0].to_dict()
        with st.container(border=True, gap="xsmall"):
            st.markdown(
                f"**{gestures.capital(quadrant)}**: {total:,} of {everything:,}",
                help=CORNER_HELP[quadrant] + NOT_COUNTED,
            )
            st.pills(
                f"Images in the corner {quadrant}",
                list(found) if total else [],
                key=corner_key(quadrant),
                label_visibility="collapsed",
                wrap=True,
                format_func=lambda name, found=found: f"{found[name]:,} {name}",
                on_change=keep_only,
                args=(quadrant,),
            )


def keep_only(quadrant: str) -> None:
    """One count at a time: let go of those in the other corners."""
    picked = st.session_state[corner_key(quadrant)]
    clear_corners()
    st.session_state[corner_key(quadrant)] = picked
    if picked:
        st.query_params[CORNER] = f"{quadrant}.{picked}"


main()
