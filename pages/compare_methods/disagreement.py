"""Images for which two methods predict different classes."""

import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.wording import count
from bnn_core.measures.comparison import agreement_of
from bnn_core.study.folder import Study
from pages.shared import choices, filters, frame, panels, studies

#: How two methods differ on an image: the values of `comparison.agreement_of`, and "all".
KINDS = ("all", "first right", "second right", "both wrong", "no label")


@frame.fragment
def disagreement(study: Study) -> None:
    """Images for which two methods predict different classes: counts and wall."""
    st.header("Where two methods disagree", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choices.restrict("first_method", study.methods, study.methods[0])
        first = st.selectbox(
            "First",
            study.methods,
            key="first_method",
            format_func=lambda key: method_of(key).short,
            bind="query-params",
            width=240,
        )
        others = [m for m in study.methods if m != first]
        choices.restrict("second_method", others, others[0])
        second = st.selectbox(
            "Second",
            others,
            key="second_method",
            format_func=lambda key: method_of(key).short,
            bind="query-params",
            width=240,
        )
    rows = filters.passing(study)
    kinds = agreement_of(
        studies.table(study, first).iloc[rows], studies.table(study, second).iloc[rows]
    )
    differ = kinds[kinds != ""]
    if not len(differ):
        st.caption(
            f"{method_of(first).short} and {method_of(second).short} predict the same class for all "
            f"{count(len(rows), filters.matching(study))}."
        )
        return
    words = {
        "all": "all",
        "first right": f"{method_of(first).short} right",
        "second right": f"{method_of(second).short} right",
        "both wrong": "both wrong",
        "no label": "not counted",
    }
    counts = {k: len(differ) if k == "all" else int((differ == k).sum()) for k in KINDS}
    shown = [k for k in KINDS if counts[k]]
    kind = st.segmented_control(
        "Which",
        shown,
        default="all",
        key=f"differ_{first}_{second}",
        required=True,
        bind="query-params",
        format_func=lambda k: f"{words[k]} ({counts[k]:,})",
        label_visibility="collapsed",
    )
    chosen = differ.index if kind == "all" else differ.index[differ == kind]
    panels.selection_panel(
        study,
        chosen.to_numpy(),
        "differ",
        method=first,
        methods=(first, second),
        title=f"{method_of(first).short} and {method_of(second).short} disagree, {words[kind]}",
    )
