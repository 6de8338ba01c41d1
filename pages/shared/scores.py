"""The chosen score (how sure a network is of an image) and the cut-off on it.

The session keeps both under the names of the address (?score=...&cut_confidence=...). Pages and
fragments read them here; only pages/main.py draws them.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.scores import DEFAULT_SCORE, SCORES
from bnn_core.measures import evaluation
from bnn_core.measures.levels import scored_rows
from bnn_core.study.folder import Study
from pages.shared import choices, studies
from pages.shared.filters import SCORE

#: End of every explanation of a score, of a figure of merit, of a cut-off.
MORE = "[More in Help](help?about=scores)"
MORE_FIGURES = "[More in Help](help?about=glossary)"
MORE_CUTOFFS = "[More in Help](help?about=cut-off)"
#: State of a page that uses the score: whether it uses the cut-off too.
SHOWN = "_score_shown"


class Cutoff(NamedTuple):
    """The chosen score and its cut-off; `value` is in the units of the score."""

    score: str
    value: float

    @property
    def threshold(self) -> float:
        """The cut-off as a certainty (see `bnn_core.measures.evaluation`): higher means surer."""
        return float(evaluation.certainty(self.score, np.float64(self.value)))

    @property
    def text(self) -> str:
        """The rule in short: 'c ≥ 0.5', 'entropy ≤ 1.15'."""
        score = SCORES[self.score]
        return f"{score.symbol} {score.sign} {self.value:.4g}"


def draw(study: Study) -> None:
    """The menu of scores and the slider of the cut-off; kept in the address like the filters."""
    known = usable(study)
    choices.restrict(SCORE, known, known[0])
    explained = SCORES[st.session_state.get(SCORE, known[0])].help
    score = st.selectbox(
        "Score",
        known,
        key=SCORE,
        bind="query-params",
        format_func=lambda key: SCORES[key].short,
        help=f"How sure a network is of an image. {explained} {MORE}",
    )
    low, high, step, start = score_range(study, score)
    st.slider(
        f"Cut-off: keep {SCORES[score].sign}",
        low,
        high,
        start,
        step,
        key=f"cut_{score}",
        bind="query-params",
        format="%.2f" if step >= 0.01 else "%.3f",
        help="Images on the other side are set aside: a person looks at them, and the network's "
        f"answer does not count. {MORE_CUTOFFS}",
    )


def cutoff(study: Study) -> Cutoff:
    """The score and the cut-off that the user chose."""
    score = st.session_state.get(SCORE) or usable(study)[0]
    return Cutoff(score, st.session_state.get(f"cut_{score}", score_range(study, score)[3]))


def cutoff_of(study: Study, method: str, table: pd.DataFrame) -> Cutoff:
    """`cutoff` for a method with this table; the default score, and a caption, where it lacks it."""
    cut = cutoff(study)
    if cut.score in table and table[cut.score].notna().any():
        return cut
    st.caption(
        f"{method_of(method).short} has no {SCORES[cut.score].name.lower()}. "
        f"{SCORES[DEFAULT_SCORE].name} is shown instead."
    )
    return Cutoff(DEFAULT_SCORE, score_range(study, DEFAULT_SCORE)[3])


def cutoff_key(study: Study) -> str:
    """Name of the chosen score's cut-off in the session and in the address."""
    return f"cut_{cutoff(study).score}"


def usable(study: Study) -> list[str]:
    """Scores that this study has and that differ: the split of the variance needs samples."""
    return _usable(studies.identity(study), study)


@st.cache_resource(max_entries=32, show_spinner=False)
def _usable(identity: str, _study: Study) -> list[str]:
    table = studies.table(_study, _study.reading_method)
    return [
        name
        for name in SCORES
        if name == DEFAULT_SCORE or (name in table and evaluation.varies(table[name]))
    ]


def start_again(study: Study) -> None:
    """Reset every cut-off except the default score's to its start: others depend on the study."""
    for name in SCORES:
        for key in (f"cut_{name}", f"across_{name}"):
            if key in st.session_state and name != DEFAULT_SCORE:
                st.session_state[key] = score_range(study, name)[3]


def between(score: str, low: float, high: float, last: bool) -> str:
    """A bin in words: 'c 0.94 to 0.96'; the last bin of a distance has no upper end."""
    if SCORES[score].limit is None and last:
        return f"{SCORES[score].symbol} {low:.3g} and more"
    return f"{SCORES[score].symbol} {low:.3g} to {high:.3g}"


def score_range(study: Study, score: str) -> tuple[float, float, float, float]:
    """Slider of a score: lowest, highest, step, start.

    Without a start of its own, a score starts where it keeps as many scored images as the default
    score.
    """
    return _range(studies.identity(study), score, study)


@st.cache_resource(max_entries=100, show_spinner=False)
def _range(identity: str, score: str, _study: Study) -> tuple[float, float, float, float]:
    start, highest = SCORES[score].start, SCORES[score].highest(len(_study.classes))
    if start is not None and highest is not None:
        # The lower end of a slider is a round number below the least value.
        lowest = np.floor(20 * SCORES[score].lowest(len(_study.classes))) / 20
        return float(lowest) + 0.0, highest, 0.01, start
    table = studies.table(_study, _study.reading_method)
    if highest is None:
        # Without an upper end: damaged images can be hundreds away and would squeeze the others.
        quantiles = [
            of_method[score][scored_rows(of_method)].quantile(0.995)
            for method in _study.methods
            if score in (of_method := studies.table(_study, method))
        ]
        highest = float(np.ceil(10 * np.nanmax([1.0, *quantiles])) / 10)
    else:
        highest = float(np.ceil(20 * highest) / 20)
    step = 0.005 if highest <= 0.25 else 0.01
    counted = scored_rows(table)
    table = table[counted] if counted.any() else table
    values = table[score].to_numpy(dtype=np.float64) if score in table else np.empty(0)
    values = values[~np.isnan(values)]
    kept = float((table[DEFAULT_SCORE] >= SCORES[DEFAULT_SCORE].start).mean())
    if not len(values) or kept in (0.0, 1.0):
        return 0.0, highest, step, round(highest / 2, 3)
    start = abs(np.quantile(evaluation.certainty(score, values), 1 - kept))
    return (
        0.0,
        highest,
        step,
        round(float(np.clip(round(start / step), 1, highest / step)) * step, 3),
    )
