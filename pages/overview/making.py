"""Parts of Overview: quality in figures, and how the study was made."""

import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.wording import WARNING, count, percent
from bnn_core.figures import overview as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures.evaluation import ECE_BINS
from bnn_core.study import describing, posteriors
from bnn_core.study.describing import QUALITY_NAMES
from bnn_core.study.folder import Study
from pages.shared import charts, choices, panels
from pages.shared.baselines import baselines_of
from pages.shared.html import rendered
from pages.shared.judged import compared_methods, names, qualities
from pages.shared.words import plain

#: Meanings of the figures of `describing.QUALITY_NAMES`.
MEANINGS = {
    "auroc_confidence": "Probability that a right image has a higher c than a wrong one: 0.5 is chance, "
    "1 is perfect.",
    "auroc_top": "The same for the mean softmax of the predicted class, which has no fold.",
    "aurc": "Area under the risk-coverage curve: the mean share of wrong images among the k "
    "surest, over all k. Lower is better.",
    "augrc": "Area under the generalised risk-coverage curve: wrong and kept, over all images. "
    "Lower is better.",
    "ece": "Mean difference between softmax and share right, over "
    f"{ECE_BINS} equal bins. Lower is better.",
    "nll": "In nats: minus the mean log probability of the label. Lower is better; a confident "
    "mistake costs much.",
    "brier": "Squared distance of the probabilities from the label, summed over classes. Lower is "
    "better.",
}


def quality_table(study: Study) -> None:
    """Figures of both networks side by side, each with its meaning."""
    values_by_method = {method: qualities(study, method) for method in compared_methods(study)}
    n = max((q["n"] for q in values_by_method.values()), default=0)
    lines = {
        words: [f"{q[name]:.4f}" if q["n"] else "–" for q in values_by_method.values()]
        for name, words in QUALITY_NAMES.items()
    }
    meanings = {words: MEANINGS[name] for name, words in QUALITY_NAMES.items()}
    st.html(panels.by_method(list(values_by_method), lines, meanings))
    with st.popover("Meanings", type="tertiary", icon=":material/help:"):
        st.markdown("\n".join(f"- **{words}**: {meaning}" for words, meaning in meanings.items()))
    st.caption(f"n = {count(n, study.noun)} with a label.")


def notes(study: Study, *, warnings: bool) -> None:
    """The notes of the study: its warnings, which come first on the page, or the others. The first
    note of a synthetic study says what its images are, so it counts as a warning."""
    for number, note in enumerate(study.meta.get("notes") or []):
        first = number == 0 and bool(study.meta.get("synthetic"))
        if (note.startswith(WARNING) or first) == warnings:
            icon = "warning" if note.startswith(WARNING) else "info"
            st.caption(f":material/{icon}: {plain(note.removeprefix(WARNING))}")


def draw_settings(study: Study) -> None:
    """How the study was made, and the training curves."""
    notes(study, warnings=False)
    left, right = st.columns([1, 1.5], gap="large")
    # Many methods need the width of the page.
    below = left if len(study.methods) <= 3 else st.container()
    with left:
        st.html(rendered("shared/templates/key_values.html", facts=describing.study_facts(study)))
    with below:
        lines = describing.method_settings(study)
        if lines:
            st.html(panels.by_method(study.methods, lines))
        with st.popover("Every setting", type="tertiary", icon=":material/tune:"):
            st.json({"methods": study.meta["methods"], "settings": study.meta.get("settings")})
        for method in study.methods:
            draw_posterior(study, method)
    with right:
        folds = sorted({int(f) for f in study.images["fold"].dropna().unique()})
        kept = [f for f in folds if any(study.history(f, m) is not None for m in study.methods)]
        if not kept:
            st.caption("This study has no history of the training.")
            return
        choices.restrict("history_fold", kept, kept[0])
        fold = kept[0] if len(kept) == 1 else st.selectbox("Fold", kept, key="history_fold")
        histories = {
            m: h for m in compared_methods(study) if (h := study.history(fold, m)) is not None
        }
        charts.draw(
            figures.training_history(histories, names(study)),
            key="history",
            config=chart_config(f"{study.name}-training"),
            alt="Accuracy and cross-entropy per epoch of training",
        )


def draw_baselines(study: Study) -> None:
    """What simple numbers of the images predict, and whether they tell batch or plate."""
    figures_of_study = baselines_of(study)
    if figures_of_study is None:
        return
    metrics = (study.meta.get("metrics") or {}).get(study.reading_method) or {}
    accuracy = (metrics.get("image") or {}).get("accuracy")
    st.caption(plain(figures_of_study.sentence(accuracy)))
    if line := figures_of_study.shortcut_sentence():
        icon = "warning" if figures_of_study.easy else "info"
        st.caption(f":material/{icon}: {plain(line)}")


def draw_posterior(study: Study, method: str) -> None:
    """The width of a method's weights before and after training, and its share of model doubt."""
    widths = posteriors.layer_widths(study, method)
    if widths is None:
        return
    with st.popover(f"σ of {method_of(method).short}", type="tertiary", icon=":material/expand:"):
        st.markdown(
            "Median σ of each layer's weights before and after training. A ratio of 1 means that "
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
                role: f"{percent(share, 1)} ({count(n, study.noun)})"
                for role, share, n in zip(
                    shares["role"].map(posteriors.ROLES_IN_WORDS),
                    shares["share"],
                    shares["n"],
                    strict=True,
                )
            }
            st.html(rendered("shared/templates/key_values.html", facts=lines))
