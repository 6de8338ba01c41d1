"""Mechanisms (figures 4A-C, 5A, 5B): the predicted classes of the compounds of one label."""

import pandas as pd
import streamlit as st

from bnn_core.measures import mechanisms
from bnn_core.measures.levels import original_images
from bnn_core.measures.mechanisms import Bins
from bnn_core.study.folder import Study
from pages.mechanisms.histograms import draw_explanation, explain_sets, histograms
from pages.mechanisms.view import BINS, MOST_COLUMNS, MOST_COMPOUNDS, MechanismView
from pages.mechanisms.walls import doses, side_by_side
from pages.shared import choices, filters, frame, scores, studies
from pages.shared.empty import empty
from pages.shared.judged import compared_methods, none_passes

#: In the session: a new label was just chosen, so the choices for the previous one are reset.
NEW_LABEL = "_new_label"
HISTOGRAMS, COLUMNS, DOSES = "histograms", "side by side", "doses and controls"
LOOKS = [HISTOGRAMS, COLUMNS, DOSES]
NO_COMPOUNDS = """This study does not record the compound of an image, so there are no compounds to
compare. Add a column `compound` to the table of images (`Metadata_Compound` and
`Image_Metadata_Compound` are also recognised): `bnn study plate fields.csv --label moa --group
compound`, or `bnn import predictions.csv --metadata images.csv`."""


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    if "compound" not in study.images or study.images["compound"].isna().all():
        empty("bars", NO_COMPOUNDS, ":material/medication:")
        return
    if none_passes(study):
        return
    labels = _labels(filters.key(study), study)
    if not labels:
        st.info(
            f"No {filters.matching(study)} has both a label and a compound.{filters.remedy()}",
            icon=":material/filter_alt_off:",
        )
        return
    view, look = choose(study, labels)
    if look == HISTOGRAMS:
        draw_explanation(view)
        explain_sets(view)
    {HISTOGRAMS: histograms, COLUMNS: side_by_side, DOSES: doses}[look](view)


def filtered(study: Study, method: str) -> pd.DataFrame:
    """The study's original images that pass the filters; Out of distribution shows the others."""
    table = filters.passing_rows(study, studies.table(study, method))
    original = original_images(table)
    return table if original.all() else table[original]


def choose(study: Study, labels: dict[str, int]) -> tuple[MechanismView, str]:
    """The menus: label, network, highlighted class, kind of view."""
    first, second = frame.menu_groups()
    with first:
        choices.restrict("mechanism", list(labels), next(iter(labels)))
        label = st.selectbox(
            "Mechanism (label)",
            list(labels),
            key="mechanism",
            bind="query-params",
            width=270,
            help="Labels of at least one compound.",
            on_change=lambda: st.session_state.update({NEW_LABEL: True}),
        )
        method = choices.pick_network(compared_methods(study))
    table = filtered(study, method)
    labelled, compounds = _labelled(filters.key(study), method, label, study)
    called = mechanisms.calls(labelled)
    wrong = [name for name in called if name != label]
    usual = wrong[0] if wrong else label
    if st.session_state.pop(NEW_LABEL, False):
        names = list(compounds["compound"])
        # Set, not deleted: the address would bring a deleted value back.
        st.session_state.update(
            highlight=usual,
            dosed=names[0],
            shown=names[:MOST_COMPOUNDS],
            columns=names[:MOST_COLUMNS],
        )
    with second:
        choices.restrict("highlight", list(called), usual)
        highlight = st.selectbox(
            "Highlight predictions of",
            list(called),
            key="highlight",
            bind="query-params",
            width=270,
            index=list(called).index(usual) if usual in called else 0,
            help="Predictions of images with this label, the most frequent first. The most frequent "
            "wrong one is chosen at first.",
        )
        look = choices.pick("View", LOOKS, key="compound_view", default=HISTOGRAMS, width="content")
    cut = scores.cutoff_of(study, method, table)
    low, high = scores.score_range(study, cut.score)[:2]
    view = MechanismView(
        study,
        method,
        label,
        highlight,
        table,
        labelled,
        compounds,
        Bins(cut.score, low, high, BINS),
        cut.value,
    )
    return view, look


@st.cache_resource(max_entries=24, show_spinner=False)
def _labels(key: str, _study: Study) -> dict[str, int]:
    return mechanisms.labelled_compounds(filtered(_study, _study.reading_method))


@st.cache_resource(max_entries=24, show_spinner=False)
def _labelled(key: str, method: str, label: str, _study: Study) -> tuple:
    """The filtered rows with a label, and the table of their compounds."""
    table = filtered(_study, method).loc[lambda rows: (rows["label"] == label).fillna(False)]
    return table, mechanisms.compounds_of_label(table, label)


page()
