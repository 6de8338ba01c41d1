"""The kinds of images: all along the score, by predicted class, and one of them."""

import numpy as np
import streamlit as st

from bnn_core.base.scores import SCORES
from bnn_core.base.wording import percent
from bnn_core.measures import mechanisms
from bnn_core.measures import out_of_distribution as ood
from bnn_core.measures.out_of_distribution import SAME
from pages.out_of_distribution import views
from pages.out_of_distribution.views import OodView, of_mark, part_of, pick_group
from pages.shared import choices, flagging, frame
from pages.shared.wall import leading_wall
from pages.shared.words import plain


@frame.fragment
def all_kinds(view: OodView) -> None:
    """Every kind as a row of squares along the score."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        group = pick_group(view)
        order = st.selectbox(
            "Order", list(ood.ORDERS), key="kinds_order", bind="query-params", width=240
        )
    lines = views.filtered_kinds(view.key, view.method, view)
    column, ascending = ood.ORDERS[order]
    lines = lines[lines["group"] == group].sort_values(column, ascending=ascending, kind="stable")
    views.chart(
        view,
        views.kind_strips(view.key, view.method, group, order, lines, view),
        f"ood_kinds_{group}",
        view.method,
        "kinds",
        f"{SCORES[view.cut.score].title} of every {view.words.kind}",
    )
    st.caption(
        f"A row is one {view.words.kind}. The area of a square shows how many images have that "
        "score, the tick is the median. ••: bimodal (Hartigan's dip is larger than for 95 % of "
        "flat distributions). Click a square to see its images."
    )
    with st.expander("As a table"):
        st.dataframe(
            lines.assign(above=100 * lines["above"], called_share=100 * lines["called_share"])[
                ["kind", "n", "median", "above", "dip", "bimodal", "called", "called_share"]
            ],
            hide_index=True,
            width="stretch",
            column_config={
                "kind": view.words.kind,
                "bimodal": "bimodal",
                "called": "mostly predicted as",
                "above": st.column_config.NumberColumn(f"% with {view.cut.text}", format="%.1f"),
                "median": st.column_config.NumberColumn(format="%.3f"),
                "dip": st.column_config.NumberColumn(format="%.3f"),
                "called_share": st.column_config.NumberColumn("% of its images", format="%.1f"),
            },
        )
    of_mark(view)


@frame.fragment
def predicted_as(view: OodView) -> None:
    """Kinds against predicted classes."""
    group = pick_group(view)
    views.chart(
        view,
        views.predicted_as_map(view.key, view.method, group, view),
        f"ood_map_{group}",
        view.method,
        "taken-for",
        f"Predicted classes of each {view.words.kind}",
    )
    st.caption(
        "The area of a square shows how many images of the column are predicted as the class of "
        "the row. Yellow is surer. Click a square to see its images."
    )
    of_mark(view)


@frame.fragment
def draw_one_kind(view: OodView) -> None:
    """One kind: its histogram by predicted class, and its images at both ends."""
    lines = views.filtered_kinds(view.key, view.method, view)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        group = pick_group(view)
        options = list(lines["kind"][lines["group"] == group])
        choices.restrict("kind", options, options[0])
        kind = st.selectbox(
            view.words.kind.capitalize(), options, key="kind", width=270, bind="query-params"
        )
    line = lines[(lines["group"] == group) & (lines["kind"] == kind)].iloc[0]
    of_kinds = views.rows_by_kind(view.key, view.method, group, view).set_index("kind")
    text = (
        f"**{plain(kind)}**: {line['n']:,} images, {percent(line['called_share'])} predicted "
        f"as **{plain(line['called'])}**; {percent(line['above'])} with {view.cut.text}; "
        f"{'bimodal' if line['bimodal'] else 'unimodal'} (dip {line['dip']:.3f})"
    )
    if group != SAME and kind in of_kinds.index and of_kinds["n_known"].max():
        text += (
            f"; AUROC {of_kinds.loc[kind, 'auroc']:.3f} against "
            f"{int(of_kinds.loc[kind, 'n_known']):,} known images, FPR95 "
            f"{of_kinds.loc[kind, 'fpr95']:.2f}"
        )
    st.markdown(text)
    views.chart(
        view,
        views.histogram(view.key, view.method, group, kind, view),
        f"ood_one_{group}_{kind}",
        view.method,
        kind,
        f"{SCORES[view.cut.score].title} of {kind}, coloured by prediction",
    )
    rows = mechanisms.surest_first(part_of(view.table, group, kind), view.cut.score)
    flagged = flagging.flagged_rows(view.study)
    left, right = st.columns(2, gap="medium")
    for column, words, ordered in ((left, "Surest", rows), (right, "Least sure", rows[::-1])):
        with column:
            st.markdown(f"**{words}**")
            wall(view, ordered, f"ood_one_{group}_{kind}_{words}", flagged)
    of_mark(view)


def wall(view: OodView, rows: np.ndarray, key: str, flagged: list[int]) -> None:
    """A wall whose images open on One image, previous and next walking through it."""
    leading_wall(
        rows, key=key, method=view.method, height=330, caption=view.cut.score, flagged=flagged
    )
