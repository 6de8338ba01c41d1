"""Confidence: distributions of a score, the gain of a cut-off, the cut-off for a target accuracy."""

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.base.wording import count, percent
from bnn_core.figures import confidence as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures.cutoffs import NeededCutoff, guarantee, needed_cutoff
from bnn_core.measures.evaluation import certainty
from bnn_core.measures.intervals import TOO_FEW, Interval
from bnn_core.measures.judged_units import Judged, rows_of_units, undecided
from bnn_core.measures.levels import LEVEL_RULES, available_levels
from bnn_core.study.folder import Study
from pages.shared import charts, choices, filters, frame, gestures, marks, panels, scores, studies
from pages.shared.empty import empty
from pages.shared.judged import compared_methods, judged, names, none_passes, unscored

BINS = 50
BAR = "bar"
#: Set when a fragment has moved the cut-off: the whole page must be drawn again.
_MOVED = "_cutoff_moved"
#: Target accuracies (%): the page starts with the first above the accuracy without a cut-off.
GOALS = (60.0, 70.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9)


class VerdictBar(NamedTuple):
    """A bar of the distributions that was clicked, as the address keeps it."""

    score: str
    level: str
    method: str
    bin_index: int
    verdict: str

    @staticmethod
    def read(text: str) -> "VerdictBar | None":
        """The bar of an address, or None when it names none."""
        parts = text.split(".")
        if len(parts) != 5 or parts[4] not in ("right", "wrong"):
            return None
        bin_index = int(parts[3]) if parts[3].isdecimal() else BINS
        return VerdictBar(*parts[:3], bin_index, parts[4]) if bin_index < BINS else None

    @property
    def text(self) -> str:
        """For the address."""
        return ".".join(str(part) for part in self)


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    if none_passes(study):
        return
    cut = scores.cutoff(study)
    level = pick_level(study)
    methods = comparable(study, cut.score)
    units_of = {m: judged(study, m, cut.score, level) for m in methods}
    units_of = {m: units for m, units in units_of.items() if len(units)}
    if not units_of:
        explain_nothing(study, cut.score, level)
        return
    draw_histograms(study, level, units_of)
    draw_curves(study, level, units_of)
    draw_needed(study, level, units_of)


def pick_level(study: Study) -> str:
    """The level: images, or wells, treatments, compounds where the study has them."""
    levels = available_levels(study.images)
    if len(levels) == 1:
        return levels[0]
    level = choices.pick("Level", levels, key="level", label_visibility="collapsed")
    st.caption(f"One count is one {level}: {LEVEL_RULES[level]}.")
    return level


def comparable(study: Study, score: str) -> list[str]:
    """Methods that have the score: a single network has no scores of the variance."""
    methods = compared_methods(study)
    if SCORES[score].needs_samples:
        methods = [m for m in methods if not method_of(m).single]
    return methods


def explain_nothing(study: Study, score: str, level: str) -> None:
    """The reason why there is nothing to draw."""
    if unscored(study) == len(filters.passing(study)):
        empty(
            "bars",
            f"No {filters.matching(study)} has a label that counts. Right and wrong need labels.",
            ":material/label_off:",
        )
    else:
        st.info(
            f"{SCORES[score].title} is not available at the level “{level}” of this study. Choose "
            "another score above.",
            icon=":material/query_stats:",
        )


@frame.fragment
def draw_histograms(study: Study, level: str, units_of: dict[str, Judged]) -> None:
    """Figure 2A / 4A with the numbers at the cut-off; a click on a bar shows its images."""
    cut = scores.cutoff(study)
    left, right = st.columns([1.9, 1], gap="large")
    with left:
        log = st.toggle(
            "Logarithmic counts",
            value=True,
            key="log",
            bind="query-params",
            help="Shows even single mistakes among thousands of right images.",
        )
        marks.clickable_chart(
            _distributions(filters.key(study), cut, level, log, tuple(units_of), study),
            "distributions",
            BAR,
            lambda data: VerdictBar(cut.score, level, *data).text,
            config=chart_config(f"{study.name}-{cut.score}-distribution"),
            alt=f"Right and wrong {level}s by {SCORES[cut.score].title}, one panel per network",
        )
    with right:
        draw_numbers(study, level, units_of)
    bar = VerdictBar.read(st.query_params.get(BAR, ""))
    if bar is None or bar.score != cut.score or bar.level != level or bar.method not in units_of:
        st.caption("Click a bar to see its images.")
        return
    low, high = scores.score_range(study, cut.score)[:2]
    units = units_of[bar.method].in_bin(bar.bin_index, low, high, BINS)
    edges = np.linspace(low, high, BINS + 1)
    kinds = {
        "right and wrong": units,
        "right": units[units["correct"].astype(bool)],
        "wrong": units[~units["correct"].astype(bool)],
    }
    with st.container(horizontal=True, vertical_alignment="center"):
        kind = st.segmented_control(
            "Which",
            list(kinds),
            key=f"bar_kind_{bar.text}",
            required=True,
            default="wrong" if bar.verdict == "wrong" else "right and wrong",
            format_func=lambda k: f"{k} ({len(kinds[k]):,})",
            label_visibility="collapsed",
        )
        marks.close_button(BAR)
    table = filters.passing_rows(study, studies.table(study, bar.method))
    rows = rows_of_units(table, kinds[kind], level)
    of_bar = scores.between(
        cut.score, *edges[bar.bin_index : bar.bin_index + 2], bar.bin_index == BINS - 1
    )
    title = f"{method_of(bar.method).short}: {of_bar}, {kind}"
    if level != "image":
        title += f", the images of {len(kinds[kind]):,} {level}{'s' * (len(kinds[kind]) != 1)}"
    panels.selection_panel(study, rows, "bar", title, method=bar.method)


def draw_numbers(study: Study, level: str, units_of: dict[str, Judged]) -> None:
    """Accuracy and share kept at the cut-off, per network."""
    cut = scores.cutoff(study)
    at = {m: units.at(cut.threshold) for m, units in units_of.items()}
    st.markdown(f"**Keeping {cut.text}**")
    noun = f"{level}s"
    lines = {
        "right among the kept": [
            percent(f.accuracy.value, 2) if f.accuracy else "none kept" for f in at.values()
        ],
        "95 % interval": [_marked(f.accuracy) if f.accuracy else "–" for f in at.values()],
        "share kept": [percent(f.coverage.value, 2) for f in at.values()],
        f"{noun} kept": [f"{f.kept:,}" for f in at.values()],
        "kept and wrong": [f"{f.wrong:,}" for f in at.values()],
        "set aside": [f"{f.total - f.kept:,}" for f in at.values()],
        "right without a cut-off": [
            percent(units.correct.mean(), 2) for units in units_of.values()
        ],
        "all": [f"{f.total:,}" for f in at.values()],
    }
    st.html(panels.by_method(list(units_of), lines))
    if any(units.groups is not None for units in units_of.values()):
        few = any(f.accuracy and f.accuracy.few for f in at.values())
        st.caption(
            "Whole compounds are the units of the intervals, because images of one compound are not "
            f"independent.{f' *{TOO_FEW}: the interval is wide.' if few else ''}"
        )
    if SCORES[cut.score].folds:
        folded = {m: undecided(units.units) for m, units in units_of.items()}
        symbol = SCORES[cut.score].symbol
        counts_text = ", ".join(f"{n:,} ({method_of(m).short})" for m, n in folded.items())
        st.caption(
            f"No class reaches 50 % for these {noun}: {counts_text}. Their {symbol} is too high.",
            help=f"{SCORES[cut.score].help} {scores.MORE}",
        )
    if (left_out := unscored(study)) and level == "image":
        st.caption(
            f"Not shown: {count(left_out, filters.matching(study))} without a label that counts."
        )


def _marked(interval: Interval) -> str:
    """The interval, with a mark in place of its note: the column is narrow."""
    return interval._replace(few=False).text + "*" * interval.few


@frame.fragment
def draw_curves(study: Study, level: str, units_of: dict[str, Judged]) -> None:
    """Figure 2B / 4B: accuracy and share kept against the cut-off, or against each other."""
    follow_cutoff()
    cut = scores.cutoff(study)
    st.header(
        "What other cut-offs would do",
        anchor=False,
        help="Bands are 95 % intervals of each point. Compare two networks at the same share kept, "
        f"not at the same cut-off: their scores mean different things. {scores.MORE_CUTOFFS}",
    )
    against = st.segmented_control(
        "Against",
        ["cut-off", "share kept"],
        key="against",
        default="cut-off",
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    charts.draw(
        _curves(filters.key(study), cut, level, against, tuple(units_of), study),
        key="curves",
        on_select=use_clicked,
        selection_mode="points",
        config=chart_config(f"{study.name}-{cut.score}-curves"),
        alt=f"Accuracy and share kept against {against}, with 95 % intervals",
    )
    grouped = any(units.groups is not None for units in units_of.values())
    pale = " Where a band is pale there are too few compounds." if grouped else ""
    st.caption(f"Click a curve to set the cut-off there.{pale}")


@frame.fragment
def draw_needed(study: Study, level: str, units_of: dict[str, Judged]) -> None:
    """The smallest cut-off with an accuracy that holds for new images or compounds."""
    follow_cutoff()
    cut = scores.cutoff(study)
    st.header(
        "The accuracy I need",
        anchor=False,
        help="Many cut-offs are tried, so the best one looks better than it is. The cut-offs are "
        "therefore tested from strict to loose in a fixed order (Learn then Test), on all images. "
        "Whole compounds are the units of the tests. As a check, the same choice is made on one "
        "half of the data and its accuracy is measured on the other half; compounds are never split. "
        f"{scores.MORE_CUTOFFS}",
    )
    left, right = st.columns([1, 3], gap="large")
    everything = next(iter(units_of.values())).correct.mean()
    start = next(goal for goal in GOALS if goal / 100 > everything or goal == GOALS[-1])
    target = left.number_input(
        "At least this share right (%)",
        50.0,
        100.0,
        start,
        0.5,
        key="need",
        bind="query-params",
        format="%.1f",
    )
    with right:
        answers = {
            method: _needed(filters.key(study), cut.score, level, method, target / 100, study)
            for method in units_of
        }
        for method, answer in answers.items():
            show_needed(study, method, answer, level)
        if any(answer.cutoff is not None for answer in answers.values()):
            grouped = any(answer.groups for answer in answers.values())
            st.caption(guarantee(f"{target:g} %", level, grouped))


def show_needed(study: Study, method: str, answer: NeededCutoff, level: str) -> None:
    """One network's answer in words, and a button that sets the cut-off."""
    score = scores.cutoff(study).score
    check = _check(answer, level)
    if answer.cutoff is None:
        st.markdown(
            f"**{method_of(method).short}: no cut-off** is shown to reach "
            f"{100 * answer.target:g} %: {answer.reason}. {check}"
        )
        return
    value = answer.cutoff * SCORES[score].direction + 0.0  # no minus before 0
    groups = f" in {count(answer.groups, 'compound')}" if answer.groups else ""
    with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
        st.markdown(
            f"**{method_of(method).short}: {scores.Cutoff(score, value).text}** keeps "
            f"{percent(answer.coverage, 1)} ({answer.kept:,} of {answer.images:,} {level}s{groups}), "
            f"{percent(answer.right / answer.kept, 2)} of them right here. {check}",
            width="stretch",
        )
        st.button(
            "Use",
            key=f"use_{method}",
            on_click=use_cutoff,
            icon=":material/check:",
            args=(scores.cutoff_key(study), value),
            help="Set the cut-off to this value",
        )


def _check(answer: NeededCutoff, level: str) -> str:
    """The check on two halves in words."""
    check = answer.check
    if check.accuracy is None:
        return "Not checked: half of the data is too few to choose a cut-off."
    right = f"{percent(check.accuracy.value, 2)} right {check.accuracy.text}"
    if check.accuracy.value < answer.target:
        right = f":orange[**below {100 * answer.target:g} %:**] {right}"
    return f"Check, chosen on one half: {right} of {check.kept:,} kept {level}s in the other half."


def use_cutoff(key: str, value: float) -> None:
    """Move the slider."""
    st.session_state[key] = value
    st.session_state[_MOVED] = True


def use_clicked() -> None:
    """Move the slider to the point of a curve that was clicked."""
    points = st.session_state["curves"]["selection"]["points"]
    if points and "customdata" in points[-1]:
        key = scores.cutoff_key(frame.current_study())
        use_cutoff(key, float(gestures.scalar(points[-1]["customdata"])))


def follow_cutoff() -> None:
    """Draw the whole page again after a fragment has moved the cut-off."""
    if st.session_state.pop(_MOVED, False):
        st.rerun(scope="app")


def _scale(study: Study, cut: scores.Cutoff) -> figures.ScoreAxis:
    low, high = scores.score_range(study, cut.score)[:2]
    return figures.ScoreAxis(cut.score, low, high, cut.value)


def _slider_values(study: Study, score: str) -> np.ndarray:
    """All values of the cut-off's slider, the least sure first."""
    low, high, step, _ = scores.score_range(study, score)
    return np.arange(low, high + step / 2, step).round(6)[:: SCORES[score].direction]


@st.cache_resource(max_entries=48, show_spinner=False)
def _distributions(
    key: str, cut: scores.Cutoff, level: str, log: bool, methods: tuple[str, ...], _study: Study
) -> go.Figure:
    scale = _scale(_study, cut)
    histograms = {
        m: judged(_study, m, cut.score, level).histogram(scale.low, scale.high, BINS)
        for m in methods
    }
    return figures.right_wrong_histograms(
        histograms, names(_study), scale, log=log, noun=f"{level}s"
    )


@st.cache_resource(max_entries=48, show_spinner=False)
def _curves(
    key: str, cut: scores.Cutoff, level: str, against: str, methods: tuple[str, ...], _study: Study
) -> go.Figure:
    scale = _scale(_study, cut)
    values = _slider_values(_study, cut.score)
    thresholds = certainty(cut.score, values)
    bands = {m: _bands(key, cut.score, level, m, _study, thresholds) for m in methods}
    return figures.curves(bands, names(_study), scale, values, against=against)


@st.cache_resource(max_entries=24, show_spinner=False)
def _bands(key: str, score: str, level: str, method: str, _study: Study, _thresholds: np.ndarray):
    return judged(_study, method, score, level).curves(_thresholds)


@st.cache_resource(max_entries=48, show_spinner="Looking for the cut-off")
def _needed(
    key: str, score: str, level: str, method: str, target: float, _study: Study
) -> NeededCutoff:
    units = judged(_study, method, score, level)
    return needed_cutoff(
        units.certainty,
        units.correct,
        target,
        units.groups,
        units.units["label"].to_numpy(dtype=object) if units.groups is None else None,
        certainty(score, _slider_values(_study, score)),
    )


page()
