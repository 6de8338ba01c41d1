"""The score of the page Out of distribution, its cut-off, and what the cut-off costs."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.scores import SCORES, UNLIKENESS
from bnn_core.base.wording import count, percent
from bnn_core.measures import out_of_distribution as ood
from bnn_core.measures.judged_units import independent_groups
from bnn_core.study.folder import Study
from pages.out_of_distribution.views import OodView
from pages.shared import choices, scores
from pages.shared.words import plain


def pick_score(study: Study) -> str:
    """The menu of scores: unlikeness at first, where the study has it, else the sidebar's score."""
    known = scores.usable(study)
    start = UNLIKENESS if UNLIKENESS in known else scores.cutoff(study).score
    choices.restrict("ood_score", known, start)
    return st.selectbox(
        "Score of the charts",
        known,
        index=known.index(start),
        key="ood_score",
        bind="query-params",
        width=190,
        format_func=lambda key: SCORES[key].short,
        help="What separates known images from others, in the charts and tables of this page. The "
        "score and cut-off at the top are those of the other pages: they are on the tiles, and the "
        f"charts use that cut-off where both menus name one score. {SCORES[start].help} {scores.MORE}",
    )


def chosen(
    study: Study, score: str, method: str, table: pd.DataFrame, alarm: float
) -> scores.Cutoff:
    """The sidebar's cut-off for its score; for another the one with the allowed false alarms."""
    if score == scores.cutoff(study).score or score not in table or table[score].isna().all():
        return scores.cutoff_of(study, method, table)
    threshold = ood.threshold_of(table, score, alarm)
    if np.isnan(threshold):
        return scores.Cutoff(score, scores.score_range(study, score)[3])
    return scores.Cutoff(score, float(SCORES[score].direction * threshold))


def caption_false_alarms(view: OodView) -> None:
    """What the cut-off costs: the known images that it sets aside, with the interval."""
    share, images = ood.false_alarms(view.table, view.cut.score, view.cut.threshold)
    if not images:
        return
    compounds = independent_groups(view.table[ood.groups(view.table) == ood.SAME])
    of = count(images, "known image")
    if compounds is not None:
        of += f" of {count(len(set(compounds)), 'compound')}"
    st.caption(
        f"**False alarms.** Keeping images with {view.cut.text} sets aside {percent(share.value, 1)} "
        f"({percent(share.low, 1)} to {percent(share.high, 1)}) of {of}, each predicted by a network "
        "that was not trained on it."
    )


def caption_known(view: OodView) -> None:
    """How far the fold of c and look-alike letters affect the figures."""
    if SCORES[view.cut.score].folds:
        caption_fold(view)
    if any(ood.look_alike(kind, view.study.classes) for kind in set(ood.kinds(view.table))):
        st.caption(
            "Look-alikes are letters that look like a digit: O o 0, I l i 1, S s 5, Z z 2, g q 9. "
            "Predicting an O as a 0 with confidence is not really a mistake."
        )


def caption_fold(view: OodView) -> None:
    """The share of each group at which c rises again."""
    folded = ood.folded_back(view.table)
    parts = [
        f"{percent(share, 1)} of {plain(view.words.groups[group])}"
        for group, share in folded.items()
    ]
    st.caption(
        "**The fold of c.** Where no class reaches 50 %, c rises again: an image with many likely "
        f"classes looks surer than an image with two. This applies to {'; '.join(parts)}. "
        "Predictive entropy, total variance and top softmax have no fold. The view “which score?” "
        "compares all scores."
    )
