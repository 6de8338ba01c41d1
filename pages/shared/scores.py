"""The score in force, how sure a network is of an image, and the cut-off on it.

Both live in the session under the names of the address (?score=...&cut_confidence=...), so pages
and fragments read them here and never draw them again; pages/main.py does.
"""

from typing import NamedTuple

import numpy as np
import streamlit as st

from bnn_core.base.scores import DEFAULT, SCORES
from bnn_core.measures import evaluation
from bnn_core.measures.levels import scored_rows
from bnn_core.study.folder import Study
from pages.shared import choices, studies
from pages.shared.filters import SCORE


class Cutoff(NamedTuple):
    """The score in force and where it is cut; `value` is in the units of the score."""

    score: str
    value: float

    @property
    def threshold(self) -> float:
        """The cut-off as `bnn_core.measures.evaluation` wants it: higher means surer."""
        return float(evaluation.certainty(self.score, np.float64(self.value)))

    @property
    def text(self) -> str:
        """The rule in short: 'c ≥ 0.5', 'entropy ≤ 1.15'."""
        score = SCORES[self.score]
        return f"{score.symbol} {score.sign} {self.value:g}"


def draw(study: Study) -> None:
    """Which score, and where it is cut; kept in the address like the filters."""
    known = usable(study)
    choices.fit(SCORE, known, known[0])
    explained = SCORES[st.session_state.get(SCORE, known[0])].help
    score = st.selectbox(
        "Score",
        known,
        key=SCORE,
        bind="query-params",
        format_func=lambda key: SCORES[key].short,
        help=f"How sure a network is of an image. {explained}",
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
        help="An image on the other side is set aside: the network does "
        "not answer for it, a person looks.",
    )


def cutoff(study: Study) -> Cutoff:
    """The score and the cut-off that the user chose."""
    score = st.session_state.get(SCORE) or usable(study)[0]
    return Cutoff(score, st.session_state.get(f"cut_{score}", score_range(study, score)[3]))


def cutoff_key(study: Study) -> str:
    """Name under which the session and the address keep the cut-off of the score in force."""
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
        if name == DEFAULT or (name in table and evaluation.varies(table[name]))
    ]


def start_again(study: Study) -> None:
    """Put every cut-off but the default score's where it starts in this study: the value of another
    study would say nothing."""
    for name in SCORES:
        for key in (f"cut_{name}", f"across_{name}"):
            if key in st.session_state and name != DEFAULT:
                st.session_state[key] = score_range(study, name)[3]


def between(score: str, low: float, high: float, last: bool) -> str:
    """A bin in words: 'c 0.94 to 0.96'; the last one of a distance holds all that lies farther."""
    if SCORES[score].limit is None and last:
        return f"{SCORES[score].symbol} {low:.3g} and more"
    return f"{SCORES[score].symbol} {low:.3g} to {high:.3g}"


def score_range(study: Study, score: str) -> tuple[float, float, float, float]:
    """Slider of a score: lowest, highest, step, start.

    It starts at 0.5 for both confidences, and for every other score where it keeps as many of the
    images that an accuracy counts.
    """
    return _range(studies.identity(study), score, study)


@st.cache_resource(max_entries=100, show_spinner=False)
def _range(identity: str, score: str, _study: Study) -> tuple[float, float, float, float]:
    if score in (DEFAULT, "confidence"):
        # The lower end of a slider is a round number below the least value.
        lowest = np.floor(20 * SCORES[score].lowest(len(_study.classes))) / 20
        return float(lowest) + 0.0, 1.0, 0.01, 0.5
    highest = SCORES[score].highest(len(_study.classes))
    table = studies.table(_study, _study.reading_method)
    if highest is None:
        # It has no upper end: spoilt images may lie hundreds away, and leave the others no room.
        far = [
            own[score][scored_rows(own)].quantile(0.995)
            for method in _study.methods
            if score in (own := studies.table(_study, method))
        ]
        highest = float(np.ceil(10 * np.nanmax([1.0, *far])) / 10)
    else:
        highest = float(np.ceil(20 * highest) / 20)
    step = 0.005 if highest <= 0.25 else 0.01
    counted = scored_rows(table)
    table = table[counted] if counted.any() else table
    values = table[score].to_numpy(dtype=np.float64) if score in table else np.empty(0)
    values = values[~np.isnan(values)]
    kept = float((table[DEFAULT] >= 0.5).mean())
    if not len(values) or kept in (0.0, 1.0):
        return 0.0, highest, step, round(highest / 2, 3)
    start = abs(np.quantile(evaluation.certainty(score, values), 1 - kept))
    return (
        0.0,
        highest,
        step,
        round(float(np.clip(round(start / step), 1, highest / step)) * step, 3),
    )
