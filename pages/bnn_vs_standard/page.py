"""BNN vs standard (figure 2C): where do the two networks disagree?"""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.figures.style import chart_config
from bnn_core.measures import selection
from bnn_core.measures.agreement import Plane, Scale
from bnn_core.study.folder import Study
from pages.bnn_vs_standard import chart
from pages.shared import charts, filters, flagging, frame, gestures, panels, scores, studies
from pages.shared.empty import empty
from pages.shared.gestures import Choice
from pages.shared.judged import none_passes

#: In the session: how often a selection was cleared outside the chart.
_ROUNDS = "_plane_rounds"
SAME, RAW = "same score", "raw softmax, as in the paper"
PLAIN, STRETCHED = "plain", "logarithmic at the confident end"
ONE_METHOD = """This study has {has}. This page also needs {lacks}, trained on the same images.
`bnn study` trains both. For predictions made elsewhere: `bnn import --help`."""
#: What is selected in the chart, in the address, see `gestures.selection_text`.
SELECTED = "selected"
#: The chosen corner, in the address: "<corner>.<outcome>".
CORNER = "corner"
ALL = "all"
NOT_COUNTED = " Not counted: images without a label, controls, and classes absent from training."
CORNER_HELP = {
    "both sure": "A wrong label typically shows as wrong here. Look at these first.",
    "only Bayesian sure": "The samples agree, the single network hesitates.",
    "only standard sure": "The single network is sure, the samples are not. Wrong images here "
    "show overconfidence of the standard network.",
    "neither sure": "Hard for both: look at these images, or leave them out.",
}


def page() -> None:
    """The page."""
    study = frame.current_study()
    bayes, standard = study.bayes_method, study.standard_method
    if bayes is None or standard is None:
        lacks = "a Bayesian method" if bayes is None else "a standard network"
        has = " and ".join(method_of(method).name for method in study.methods)
        empty("points", ONE_METHOD.format(has=has, lacks=lacks), ":material/compare_arrows:")
        return
    scales = choose_scales(study)
    explore(study, bayes, standard, *scales)


def choose_scales(study: Study) -> tuple[Scale, Scale, str]:
    """The controls above the chart: both axes, and images to mark."""
    up = scores.cutoff(study)
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
            f"Bayesian c against the standard network's raw softmax. {scores.MORE}",
        )
        # A distance has no upper end, so it has no sure end near 0 or 1.
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
            help="Stretched: the step from 0.9 to 0.99 is as long as the step from 0.99 to 0.999. "
            f"This separates the images that both networks are sure of. {scores.MORE}",
        )
        score = "top_softmax" if alone or across == RAW else up.score
        cut = up.value if score == up.score else _standard_cut(study, score)
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
            f"A single network has no {SCORES[up.score].name.lower()}. The horizontal "
            "axis shows its raw softmax instead."
        )
    stretched = look == STRETCHED and not endless
    return (
        Scale(score, cut, scores.score_range(study, score)[:2], stretched),
        Scale(up.score, up.value, scores.score_range(study, up.score)[:2], stretched),
        marked.strip(),
    )


def _standard_cut(study: Study, score: str) -> float:
    """The standard network's own cut-off, where its axis has another score."""
    low, high, step, start = scores.score_range(study, score)
    return st.slider(
        "Cut-off of the standard network",
        low,
        high,
        start,
        step,
        width=240,
        key=f"across_{score}",
        bind="query-params",
    )


@frame.fragment
def explore(study: Study, bayes: str, standard: str, across: Scale, up: Scale, marked: str) -> None:
    """The chart, the image or images chosen in it, and the corners."""
    if none_passes(study):
        return
    identity = studies.identity(study)
    positions = chart.plane_of(identity, across, up, study, bayes, standard)
    rows = positions.with_scores(filters.passing(study))
    if not len(rows):
        st.info(
            f"No {filters.matching(study)} has both scores. Choose another score.{filters.remedy()}",
            icon=":material/query_stats:",
        )
        return
    flagged = tuple(flagging.flagged_rows(study))
    key = (filters.key(study), across, up, marked, flagged)
    drawing = chart.drawing_of(key, positions, study, bayes, standard)
    left, right = st.columns([2, 1], gap="medium")
    with left:
        charts.draw(
            drawing.figure,
            key=chart_key(),
            on_select=lambda: put_selected(study),
            config=chart_config(f"{study.name}-bnn-vs-standard", areas=True),
            alt=f"Scores of the Bayesian against the standard network, {len(rows):,} images: both "
            f"sure of {drawing.counts.loc['both sure'].sum():,}, neither of "
            f"{drawing.counts.loc['neither sure'].sum():,}",
        )
        st.caption(
            f"{gestures.drawn_text(drawing.drawn, len(rows))} Click a point, a bar or a count to see "
            "its images. Box and lasso are in the toolbar; the crossed arrows there "
            "return to clicking. Marginal counts are logarithmic."
        )
    take_corner(drawing.counts)
    chosen = choice(study, positions, rows, drawing.counts)
    with right:
        if chosen is not None and len(chosen.rows) == 1:
            st.button(
                "Back to the counts",
                icon=":material/arrow_back:",
                type="tertiary",
                key="plane_back",
                on_click=clear_selection,
            )
            panels.detail(study, int(chosen.rows[0]), key="plane_detail")
        else:
            draw_corners(drawing.counts)
    if chosen is not None and len(chosen.rows) != 1:
        gestures.announce(chosen)
        panels.selection_panel(study, chosen.rows, key="plane_selection", title=chosen.words)


def choice(study: Study, positions: Plane, rows: np.ndarray, counts: pd.DataFrame) -> Choice | None:
    """The selection of the address: a corner's count or a gesture in the chart."""
    for quadrant in selection.QUADRANTS:
        outcome = st.session_state.get(corner_key(quadrant))
        if outcome == ALL or (outcome in counts and counts.loc[quadrant, outcome]):
            return gestures.in_corner(
                positions, rows, quadrant, None if outcome == ALL else outcome
            )
    event = gestures.from_text(st.query_params.get(SELECTED, ""), study)
    return gestures.in_chart(event, positions, rows)


def chart_key() -> str:
    """The key of the chart: a new one for each selection that is cleared here, not in the chart."""
    return f"plane_{st.session_state.get(_ROUNDS, 0)}"


def put_selected(study: Study) -> None:
    """Put a gesture in the chart into the address, in place of a corner; a callback."""
    clear_corners()
    text = gestures.selection_text(st.session_state[chart_key()]["selection"], study)
    if text:
        st.query_params[SELECTED] = text
    else:
        st.query_params.pop(SELECTED, None)


def clear_selection() -> None:
    """Show the counts again; a callback."""
    clear_corners()
    if st.query_params.pop(SELECTED, None):
        st.session_state[_ROUNDS] = st.session_state.get(_ROUNDS, 0) + 1


def take_corner(counts: pd.DataFrame) -> None:
    """Choose the corner of a fresh link, as in ?corner=both+sure.both+wrong."""
    quadrant, _, outcome = st.query_params.get(CORNER, "").partition(".")
    fresh = not any(corner_key(q) in st.session_state for q in selection.QUADRANTS)
    if (
        fresh
        and quadrant in counts.index
        and (outcome == ALL or (outcome in counts and counts.loc[quadrant, outcome]))
    ):
        st.session_state[corner_key(quadrant)] = outcome


def corner_key(quadrant: str) -> str:
    """The key of a corner's menu, which differs between studies."""
    return f"corner_{quadrant}_{frame.current_study().name}"


def clear_corners() -> None:
    """Clear the choice in every corner."""
    st.query_params.pop(CORNER, None)
    for quadrant in selection.QUADRANTS:
        st.session_state[corner_key(quadrant)] = None


def draw_corners(counts: pd.DataFrame) -> None:
    """The counts of each corner by outcome; a count opens its images."""
    everything = int(counts.to_numpy().sum())
    for quadrant in selection.QUADRANTS:
        total = int(counts.loc[quadrant].sum())
        counts_by_outcome = {ALL: total} | counts.loc[quadrant][counts.loc[quadrant] > 0].to_dict()
        with st.container(border=True, gap="xsmall"):
            st.markdown(
                f"**{gestures.capital(quadrant)}**: {total:,} of {everything:,}",
                help=f"{CORNER_HELP[quadrant]}{NOT_COUNTED} {scores.MORE_CUTOFFS}",
            )
            st.pills(
                f"Images in the corner {quadrant}",
                list(counts_by_outcome) if total else [],
                key=corner_key(quadrant),
                label_visibility="collapsed",
                wrap=True,
                format_func=lambda name, counts=counts_by_outcome: f"{counts[name]:,} {name}",
                on_change=keep_only,
                args=(quadrant,),
            )


def keep_only(quadrant: str) -> None:
    """Keep one count: clear those of the other corners."""
    picked = st.session_state[corner_key(quadrant)]
    clear_selection()
    st.session_state[corner_key(quadrant)] = picked
    if picked:
        st.query_params[CORNER] = f"{quadrant}.{picked}"


page()
