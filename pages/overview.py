"""Overview: accuracy, what to look at first, calibration, and how the study was made."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.wording import count
from bnn_core.figures import overview as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures.evaluation import ECE_BINS
from bnn_core.measures.first_looks import FIRST_LOOKS, first_looks
from bnn_core.measures.intervals import Interval
from bnn_core.measures.judged_units import accuracy_by_level
from bnn_core.measures.levels import available_levels
from bnn_core.recipes.baselines import EASY, Baselines, study_baselines
from bnn_core.study import describing, posteriors
from bnn_core.study.describing import QUALITY_NAMES
from bnn_core.study.folder import Study
from pages.shared import choices, filters, frame, panels, studies, truth
from pages.shared.judged import (
    compared_methods,
    judged,
    names,
    none_passes,
    qualities,
    reliabilities,
    unscored,
)
from pages.shared.words import interval, percent, plain

#: What the figures of `describing.QUALITY_NAMES` say.
MEANINGS = {
    "auroc_confidence": "The chance that a right image has a higher c than a wrong one: 0.5 is a "
    "coin, 1 is perfect.",
    "auroc_top": "The same by the mean softmax of the predicted class, which does not fold back.",
    "aurc": "Area under the risk-coverage curve: the mean share of wrong images among the k "
    "surest, over all k. Lower is better.",
    "augrc": "Area under the generalised risk-coverage curve: wrong and kept, over all images. "
    "Lower is better.",
    "ece": "How far the stated softmax is from how often it is right, over "
    f"{ECE_BINS} equal bins. Lower is better.",
    "nll": "In nats: minus the mean log probability given to the label. Lower is better; one "
    "confident mistake costs much.",
    "brier": "Squared distance of the probabilities from the label, summed over classes. Lower is "
    "better.",
}


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    for note in study.meta.get("notes") or []:
        st.caption(f":material/info: {plain(note)}")
    truth.start_here(study)
    headline(study)
    baselines(study)
    if len(available_levels(study.images)) > 1:
        levels(study)
    st.header("What to look at first", anchor=False)
    looks(study)
    calibration(study)
    settings(study)


def headline(study: Study) -> None:
    """Accuracy of each network, and what the cut-off in force keeps."""
    cut = frame.cutoff()
    cards = st.columns(2 * len(compared_methods(study)))
    for place, method in enumerate(compared_methods(study)):
        units = judged(study, method, "top_softmax")
        everything = units.at(-1.0)
        short = method_of(method).short
        card = {"border": True, "height": "stretch", "delta_color": "off", "delta_arrow": "off"}
        if not len(units):
            cards[2 * place].metric(
                f"{short}: right",
                "–",
                **card,
                help="None of the filtered images has a label that counts.",
            )
            continue
        by = " The interval resamples whole groups (compounds)." if units.groups is not None else ""
        cards[2 * place].metric(
            f"{short}: right",
            percent(everything.accuracy.value),
            **card,
            delta=f"{interval(everything.accuracy)} n = {everything.total:,}",
            help="Share of labelled images that the network predicts right "
            f"({everything.right:,} of {everything.total:,}), with its 95 % interval.{by}",
        )
        kept = judged(study, method, cut.score).at(cut.threshold)
        cards[2 * place + 1].metric(
            f"… where {cut.text}",
            percent(kept.accuracy.value) if kept.accuracy else "none kept",
            **card,
            delta=f"{percent(kept.coverage.value, 1)} kept, {kept.wrong:,} wrong",
            help=f"The same among the {kept.kept:,} images on the sure side of the cut-off. The "
            "page Confidence shows what other cut-offs would do.",
        )
    left_out = unscored(study)
    if left_out:
        st.caption(
            f"Not counted here: {left_out:,} of the filtered images, without a label, added "
            "for comparison, or of a class that the network never saw."
        )


def levels(study: Study) -> None:
    """Accuracy of both networks per image, well, treatment, compound, with the rule of each."""
    parts = []
    for method in compared_methods(study):
        found = _levels(frame.filter_key(), method, study)
        if len(found):
            said = [
                f"{percent(r.accuracy)}  {interval(Interval(r.accuracy, r.low, r.high))}  "
                f"{r.right:,} of {r.n:,}"
                for r in found.itertuples()
            ]
            parts.append(
                pd.Series(
                    said,
                    index=pd.MultiIndex.from_frame(found[["level", "how"]]),
                    name=method_of(method).name,
                )
            )
    if parts:
        table = pd.concat(parts, axis=1).reset_index()
        # The rule is the longest and comes last, where a narrow window may cut it.
        table["how"] = table.pop("how")
        st.dataframe(
            table.rename(columns={"level": "Level", "how": "How images are put together"}),
            hide_index=True,
            width="stretch",
        )
        st.caption(
            "Share right, 95 % interval, counts. Images of one compound are not "
            "independent: intervals resample whole compounds where a level has several "
            "units of one; where all are right, that of as many units as compounds."
        )


@frame.fragment
def looks(study: Study) -> None:
    """Walls of the most telling images."""
    bayes = study.reading_method
    standard = study.standard_method if study.standard_method != bayes else None
    found = _looks(frame.filter_key(), bayes, standard, frame.cutoff().score, study)
    if none_passes() or not found:
        return
    kinds = list(found)
    choices.fit("look", kinds, kinds[0])  # Mechanisms has a menu of this name too
    kind = st.segmented_control(
        "What to look at",
        kinds,
        key="look",
        default=kinds[0],
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    st.caption(f"{FIRST_LOOKS[kind][0].upper()}{FIRST_LOOKS[kind][1:]}.")
    panels.selection_panel(
        study,
        found[kind],
        f"look_{kind.split()[-1]}",
        kind,
        ranking=False,
        caption="distance" if kind == "Unlike training" else None,
    )


@frame.fragment
def calibration(study: Study) -> None:
    """The reliability diagram beside the figures; a click on a point shows its images."""
    found = reliabilities(study)
    if not any(bins.count.any() for bins in found.values()):
        return
    left, right = st.columns([1.4, 1], gap="large")
    with left:
        st.header(
            "Calibration",
            anchor=False,
            help="A calibrated network is right in 80 of 100 "
            "images of which it says 80 %. Below the dotted line it is too sure of itself, "
            "above it too modest. Click a point for its images.",
        )
        event = st.plotly_chart(
            _reliability(frame.filter_key(), study),
            key="reliability",
            on_select="rerun",
            selection_mode="points",
            config=chart_config(f"{study.name}-reliability"),
            alt="Share right against mean softmax of the predicted class, both networks",
        )
    with right:
        st.header("In numbers", anchor=False)
        quality_table(study)
    for point in event["selection"]["points"][:1]:
        method, place = point["customdata"]
        edges = found[method].edges
        units = judged(study, method, "top_softmax").in_bin(int(place), 0.0, 1.0, ECE_BINS)
        panels.selection_panel(
            study,
            units.index.to_numpy(),
            "reliability_bin",
            f"{method_of(method).short}: top softmax {edges[place]:.2f} to {edges[place + 1]:.2f}",
        )


def baselines(study: Study) -> None:
    """What simple numbers of the images predict, and whether they tell batch or plate."""
    found = _baselines(studies.identity(study), study)
    if found is None:
        return
    figures = (study.meta.get("metrics") or {}).get(study.reading_method) or {}
    st.caption(plain(found.sentence((figures.get("image") or {}).get("accuracy"))))
    if line := found.shortcut_sentence():
        easy = any(s.score >= EASY for s in found.shortcuts.values())
        st.caption(f":material/{'warning' if easy else 'info'}: {plain(line)}")


def quality_table(study: Study) -> None:
    """Figures of both networks side by side, each with its meaning."""
    found = {method: qualities(study, method) for method in compared_methods(study)}
    n = max((q["n"] for q in found.values()), default=0)
    lines = {
        words: [f"{q[name]:.4f}" if q["n"] else "–" for q in found.values()]
        for name, words in QUALITY_NAMES.items()
    }
    meanings = {words: MEANINGS[name] for name, words in QUALITY_NAMES.items()}
    st.html(panels.by_method(list(found), lines, meanings))
    with st.popover("What these mean", type="tertiary", icon=":material/help:"):
        st.markdown("\n".join(f"- **{words}**: {meaning}" for words, meaning in meanings.items()))
    st.caption(f"n = {count(n, 'image')} with a label.")


def settings(study: Study) -> None:
    """How the study was made, and the course of the training."""
    st.header("How it was made", anchor=False)
    left, right = st.columns([1, 1.5], gap="large")
    # Many methods need the width of the page.
    below = left if len(study.methods) <= 3 else st.container()
    with left:
        st.html(panels.key_values(describing.facts(study)))
    with below:
        lines = describing.method_settings(study)
        if lines:
            st.html(panels.by_method(study.methods, lines))
        with st.popover("Every setting", type="tertiary", icon=":material/tune:"):
            st.json({"methods": study.meta["methods"], "settings": study.meta.get("settings")})
        for method in study.methods:
            posterior(study, method)
    with right:
        folds = sorted({int(f) for f in study.images["fold"].dropna().unique()})
        kept = [f for f in folds if any(study.history(f, m) is not None for m in study.methods)]
        if not kept:
            st.caption("The study keeps no history of the training.")
            return
        choices.fit("history_fold", kept, kept[0])
        fold = kept[0] if len(kept) == 1 else st.selectbox("Fold", kept, key="history_fold")
        histories = {
            m: h for m in compared_methods(study) if (h := study.history(fold, m)) is not None
        }
        st.plotly_chart(
            figures.training_history(histories, names(study)),
            key="history",
            config=chart_config(f"{study.name}-training"),
            alt="Accuracy and cross-entropy per epoch of training",
        )


def posterior(study: Study, method: str) -> None:
    """The width of a method's weights before and after training, and its share of model doubt."""
    widths = posteriors.layer_widths(study, method)
    if widths is None:
        return
    with st.popover(f"σ of {method_of(method).short}", type="tertiary", icon=":material/expand:"):
        st.markdown(
            "Median σ of each layer's weights before and after training. A ratio of 1 says that "
            "training learnt nothing about σ."
        )
        st.dataframe(
            widths,
            hide_index=True,
            column_config={
                "layer": "Layer",
                "before": st.column_config.NumberColumn("σ before", format="%.4f"),
                "after": st.column_config.NumberColumn("σ after", format="%.4f"),
                "ratio": st.column_config.NumberColumn("Ratio", format="%.2f"),
            },
        )
        shares = posteriors.epistemic_shares(study, method)
        if shares is not None:
            st.markdown("Share of the variance that is disagreement between the networks:")
            lines = {
                posteriors.ROLES[row.role]: f"{row.share:.1%} ({count(row.n, 'image')})"
                for row in shares.itertuples()
            }
            st.html(panels.key_values(lines))


@st.cache_resource(max_entries=8, show_spinner="Baselines without a network")
def _baselines(identity: str, _study: Study) -> Baselines | None:
    return study_baselines(_study)


@st.cache_resource(max_entries=24, show_spinner=False)
def _reliability(key: str, _study: Study) -> go.Figure:
    return figures.reliability_diagram(reliabilities(_study), names(_study))


@st.cache_resource(max_entries=24, show_spinner=False)
def _levels(key: str, method: str, _study: Study) -> pd.DataFrame:
    return accuracy_by_level(
        studies.table(_study, method).iloc[filters.passing(_study)], _study.classes
    )


@st.cache_resource(max_entries=24, show_spinner=False)
def _looks(key: str, bayes: str, standard: str | None, score: str, _study: Study) -> dict:
    tables = {m: frame.table(_study, m) for m in (bayes, standard) if m is not None}
    return first_looks(tables, filters.passing(_study), bayes, standard, score)


page()
