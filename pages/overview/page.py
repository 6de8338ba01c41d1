"""Overview: the labels that deserve a look first; then accuracy, calibration, settings."""

import shlex

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.wording import count, percent
from bnn_core.figures import overview as figures
from bnn_core.measures.first_looks import FIRST_LOOKS, first_looks
from bnn_core.measures.intervals import Interval
from bnn_core.measures.judged_units import accuracy_by_level
from bnn_core.measures.levels import available_levels
from bnn_core.measures.unlikeness import unlikeness_score
from bnn_core.recipes import kept
from bnn_core.study import describing
from bnn_core.study.folder import Study
from pages.overview import duplicates, making, suspects
from pages.shared import (
    choices,
    filters,
    frame,
    panels,
    plate_differences,
    scores,
    studies,
    tour,
    truth,
)
from pages.shared.calibration import diagram, images_of_point
from pages.shared.judged import (
    bayesian_gain,
    compared_methods,
    comparison_basis,
    judged,
    method_comparison,
    names,
    none_passes,
    reliabilities,
    unscored,
)

#: The parts below the answer.
LOOKS, ACCURACY, CALIBRATION, MADE = "First looks", "Accuracy", "Calibration", "How it was made"


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    making.notes(study, warnings=True)
    tour.draw(study)
    truth.reveal(study, "overview")
    if none_passes(study):
        return
    suspects.answer(study)
    accuracy_line(study)
    making.draw_baselines(study)
    plate_differences.show(study)
    tabs = st.tabs(
        [LOOKS, ACCURACY, CALIBRATION, MADE], key="part", bind="query-params", on_change="rerun"
    )
    draw = {
        LOOKS: looks,
        ACCURACY: draw_accuracy,
        CALIBRATION: draw_calibration,
        MADE: making.draw_settings,
    }
    for tab, part in zip(tabs, draw.values(), strict=True):
        if tab.open:
            with tab:
                part(study)


def accuracy_line(study: Study) -> None:
    """One line: the share right of each network, for images and compounds."""
    parts = []
    for method in compared_methods(study):
        accuracies = _levels(filters.key(study), method, study).drop_duplicates("level")
        accuracies = accuracies[accuracies["level"].isin(["image", "compound"])]
        if len(accuracies):
            shares = " and ".join(
                f"**{percent(r.accuracy, 1)}** of {r.n:,} "
                f"{study.noun if r.level == 'image' else r.level}s"
                for r in accuracies.itertuples()
            )
            parts.append(f"{method_of(method).short} network: {shares} right")
    if parts and describing.left_out(study) == describing.LEFT_OUT["batch"]:
        parts.append(f"Predicted: {describing.LEFT_OUT['batch']}")
    st.markdown(
        f":small[{'. '.join(parts)}.]"
        if parts
        else f":small[No {study.noun} has a label that counts.]"
    )


def draw_accuracy(study: Study) -> None:
    """Accuracy of each network, with and without the cut-off, and per level."""
    headline(study)
    if len(study.methods) > 1:
        comparison = method_comparison(filters.key(study), scores.cutoff(study).score, study)
        if text := bayesian_gain(study, comparison):
            st.caption(f"{text} {comparison_basis(study)}")
    if len(available_levels(study.images)) > 1:
        levels(study)
    if describing.batches_can_be_left_out(study):
        new_batches(study)


def new_batches(study: Study) -> None:
    """The command that makes a second study, of new compounds in new batches."""
    st.caption(
        "These figures are of new compounds in batches that the networks know. This command makes a "
        f"study of {describing.LEFT_OUT['batch']}, with one fold per compound; *Compare studies* "
        "shows both side by side."
    )
    out = shlex.quote(str(study.path.with_name(f"{study.name}-new-batches")))
    st.code(
        f"bnn study {study.meta['kind']} … --leave-out batch --folds each --out {out}",
        language=None,
        wrap_lines=True,
    )


def headline(study: Study) -> None:
    """Accuracy of each network, and of the images that the cut-off keeps."""
    cut = scores.cutoff(study)
    cards = st.columns(2 * len(compared_methods(study)))
    for index, method in enumerate(compared_methods(study)):
        units = judged(study, method, "top_softmax")
        everything = units.at(-1.0)
        short = method_of(method).short
        card = {"border": True, "height": "stretch", "delta_color": "off", "delta_arrow": "off"}
        if not len(units):
            cards[2 * index].metric(
                f"{short}: right",
                "–",
                **card,
                help=f"No {filters.matching(study)} has a label that counts.",
            )
            continue
        by = " Whole compounds are the units of the interval." if units.groups is not None else ""
        cards[2 * index].metric(
            f"{short}: right",
            percent(everything.accuracy.value, 2),
            **card,
            delta=f"{everything.accuracy.text} n = {everything.total:,}",
            help=f"Share of labelled {study.noun}s that the network predicts right "
            f"({everything.right:,} of {everything.total:,}), with its 95 % interval.{by} "
            f"{scores.MORE_FIGURES}",
        )
        kept = judged(study, method, cut.score).at(cut.threshold)
        cards[2 * index + 1].metric(
            f"… where {cut.text}",
            percent(kept.accuracy.value, 2) if kept.accuracy else "none kept",
            **card,
            delta=f"{percent(kept.coverage.value, 1)} kept, {kept.wrong:,} wrong",
            help=f"The same among the {kept.kept:,} {study.noun}s on the sure side of the cut-off. The "
            f"page Confidence shows other cut-offs. {scores.MORE_CUTOFFS}",
        )
    left_out = unscored(study)
    if left_out:
        st.caption(
            f"Not counted here: {count(left_out, filters.matching(study))} without a label, "
            "added for comparison, or of a class absent from training."
        )


def levels(study: Study) -> None:
    """Accuracy of both networks per image, well, treatment, compound, with the rule of each."""
    parts = []
    for method in compared_methods(study):
        accuracies = _levels(filters.key(study), method, study)
        if len(accuracies):
            cells = [
                f"{percent(r.accuracy, 2)}  {Interval(r.accuracy, r.low, r.high, r.few).text}  "
                f"{r.right:,} of {r.n:,}"
                for r in accuracies.itertuples()
            ]
            parts.append(
                pd.Series(
                    cells,
                    index=pd.MultiIndex.from_frame(accuracies[["level", "how"]]),
                    name=method_of(method).name,
                )
            )
    if parts:
        table = pd.concat(parts, axis=1).reset_index()
        # The rule is the longest and comes last, where a narrow window may cut it.
        table["how"] = table.pop("how")
        st.dataframe(
            table.rename(columns={"level": "Level", "how": "How images are combined"}),
            hide_index=True,
            width="stretch",
        )
        st.caption(
            "Share right, 95 % interval, counts. Images of one compound are not independent, so whole "
            "compounds are the units of the intervals. *Too few compounds*: fewer than 10, or too few "
            "with errors to measure how much compounds differ. The interval is then wide."
        )


@frame.fragment
def looks(study: Study) -> None:
    """Walls of the most telling images."""
    bayes = study.reading_method
    standard = study.standard_method if study.standard_method != bayes else None
    rows_by_kind = _looks(filters.key(study), bayes, standard, scores.cutoff(study).score, study)
    if not rows_by_kind:
        return
    kinds = [*rows_by_kind, *([duplicates.TITLE] if duplicates.possible(study) else [])]
    kind = choices.pick("What to look at", kinds, key="look", label_visibility="collapsed")
    if kind == duplicates.TITLE:
        duplicates.draw(study)
        return
    st.caption(f"{FIRST_LOOKS[kind][0].upper()}{FIRST_LOOKS[kind][1:]}.")
    panels.selection_panel(
        study,
        rows_by_kind[kind],
        f"look_{kind.split()[-1]}",
        kind,
        ranking=False,
        caption=unlikeness_score(studies.table(study, study.reading_method))
        if kind == "Unlike training"
        else None,
    )


@frame.fragment
def draw_calibration(study: Study) -> None:
    """The reliability diagram beside the figures; a click on a point shows its images."""
    if not any(bins.count.any() for bins in reliabilities(study).values()):
        return
    left, right = st.columns([1.4, 1], gap="large")
    with left:
        event = diagram(study, _reliability(filters.key(study), study), "reliability")
    with right:
        st.header("In numbers", anchor=False)
        making.quality_table(study)
    images_of_point(study, event)


@st.cache_resource(max_entries=24, show_spinner=False)
def _reliability(key: str, _study: Study) -> go.Figure:
    return figures.reliability_diagram(reliabilities(_study), names(_study))


@st.cache_resource(max_entries=24, show_spinner=False)
def _levels(key: str, method: str, _study: Study) -> pd.DataFrame:
    if not filters.any_set():
        return kept.accuracies(_study, method)
    table = studies.table(_study, method)
    return accuracy_by_level(filters.passing_rows(_study, table), _study.classes)


@st.cache_resource(max_entries=24, show_spinner=False)
def _looks(key: str, bayes: str, standard: str | None, score: str, _study: Study) -> dict:
    tables = {m: studies.table(_study, m) for m in (bayes, standard) if m is not None}
    return first_looks(tables, filters.passing(_study), bayes, standard, score)


page()
