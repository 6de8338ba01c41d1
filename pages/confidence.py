"""Confidence: distributions of a score, what a cut-off gains, and the cut-off that one needs."""

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.base.wording import count
from bnn_core.figures import confidence as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures.cutoffs import NeededCutoff, needed_cutoff
from bnn_core.measures.evaluation import certainty
from bnn_core.measures.judged_units import Judged, rows_of_units, undecided
from bnn_core.measures.levels import LEVEL_RULES, available_levels
from bnn_core.study.folder import Study
from pages.shared import choices, frame, gestures, marks, panels, scores
from pages.shared.judged import compared_methods, judged, names, none_passes, unscored
from pages.shared.words import interval, percent

BINS = 50
BAR = "bar"
#: Set when a part of the page has moved the cut-off, which the whole page shows.
_MOVED = "_cutoff_moved"
#: Accuracies (%) to ask for: the page starts with the first that is more than one has anyway.
GOALS = (60.0, 70.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9)


class Bar(NamedTuple):
    """A bar of the distributions that was clicked, as the address keeps it."""

    score: str
    level: str
    method: str
    place: int
    verdict: str

    @staticmethod
    def read(text: str) -> "Bar | None":
        """The bar of an address, or None when it names none."""
        parts = text.split(".")
        if len(parts) != 5 or parts[4] not in ("right", "wrong"):
            return None
        place = int(parts[3]) if parts[3].isdecimal() else BINS
        return Bar(*parts[:3], place, parts[4]) if place < BINS else None

    @property
    def text(self) -> str:
        """For the address."""
        return ".".join(str(part) for part in self)


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    if none_passes():
        return
    cut = frame.cutoff()
    level = pick_level(study)
    methods = comparable(study, cut.score)
    found = {m: judged(study, m, cut.score, level) for m in methods}
    found = {m: units for m, units in found.items() if len(units)}
    if not found:
        explain_nothing(study, cut.score, level)
        return
    distributions(study, level, found)
    curves(study, level, found)
    needed(study, level, found)


def pick_level(study: Study) -> str:
    """Images, or what they make together, where the study knows wells or compounds."""
    levels = available_levels(study.images)
    if len(levels) == 1:
        return levels[0]
    choices.fit("level", levels, levels[0])
    level = st.segmented_control(
        "Level",
        levels,
        key="level",
        default=levels[0],
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    st.caption(f"One count is one {level}: {LEVEL_RULES[level]}.")
    return level


def comparable(study: Study, score: str) -> list[str]:
    """Methods that have the score; a single network has no split of its variance."""
    methods = compared_methods(study)
    if SCORES[score].needs_samples:
        methods = [m for m in methods if not method_of(m).single]
    return methods


def explain_nothing(study: Study, score: str, level: str) -> None:
    """Why there is nothing to draw."""
    if unscored(study) == len(frame.filtered_rows()):
        st.info(
            "None of the filtered images has a label that counts: right and wrong need labels.",
            icon=":material/label_off:",
        )
    else:
        st.info(
            f"{SCORES[score].title} is not known at the level “{level}” of this study. Choose "
            "another score above.",
            icon=":material/query_stats:",
        )


@frame.fragment
def distributions(study: Study, level: str, found: dict[str, Judged]) -> None:
    """Figure 2A / 4A with the numbers at the cut-off; a click on a bar shows its images."""
    cut = frame.cutoff()
    left, right = st.columns([1.9, 1], gap="large")
    with left:
        log = st.toggle(
            "Logarithmic counts",
            value=True,
            key="log",
            bind="query-params",
            help="Shows single mistakes beside thousands of right images. Bars start "
            "below 1, so their heights do not add up.",
        )
        marks.clickable_chart(
            _distributions(frame.filter_key(), cut, level, log, tuple(found), study),
            "distributions",
            BAR,
            lambda data: Bar(cut.score, level, *data).text,
            config=chart_config(f"{study.name}-{cut.score}-distribution"),
            alt=f"Right and wrong {level}s by {SCORES[cut.score].title}, one panel per network",
        )
    with right:
        numbers(study, level, found)
    bar = Bar.read(st.query_params.get(BAR, ""))
    if bar is None or bar.score != cut.score or bar.level != level or bar.method not in found:
        st.caption("Click a bar to see its images.")
        return
    low, high = scores.score_range(study, cut.score)[:2]
    units = found[bar.method].in_bin(bar.place, low, high, BINS)
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
    table = frame.table(study, bar.method).iloc[frame.filtered_rows()]
    rows = rows_of_units(table, kinds[kind], level)
    of_bar = scores.between(cut.score, *edges[bar.place : bar.place + 2], bar.place == BINS - 1)
    title = f"{method_of(bar.method).short}: {of_bar}, {kind}"
    if level != "image":
        title += f", the images of {len(kinds[kind]):,} {level}{'s' * (len(kinds[kind]) != 1)}"
    panels.selection_panel(study, rows, "bar", title, method=bar.method)


def numbers(study: Study, level: str, found: dict[str, Judged]) -> None:
    """What the cut-off keeps, of each network."""
    cut = frame.cutoff()
    at = {m: units.at(cut.threshold) for m, units in found.items()}
    st.markdown(f"**Keeping {cut.text}**")
    noun = f"{level}s"
    lines = {
        "right among the kept": [
            percent(f.accuracy.value) if f.accuracy else "none kept" for f in at.values()
        ],
        "95 % interval": [interval(f.accuracy) if f.accuracy else "–" for f in at.values()],
        "share kept": [percent(f.coverage.value) for f in at.values()],
        f"{noun} kept": [f"{f.kept:,}" for f in at.values()],
        "of them wrong": [f"{f.wrong:,}" for f in at.values()],
        "set aside": [f"{f.total - f.kept:,}" for f in at.values()],
        "right without a cut-off": [percent(units.correct.mean()) for units in found.values()],
        "all": [f"{f.total:,}" for f in at.values()],
    }
    st.html(panels.by_method(list(found), lines))
    if any(units.groups is not None for units in found.values()):
        st.caption("Intervals resample whole groups (compounds): their images are not independent.")
    if cut.score == "confidence":
        folded = {m: undecided(units.units) for m, units in found.items()}
        said = ", ".join(f"{n:,} ({method_of(m).short})" for m, n in folded.items())
        st.caption(
            f"c folds back below a top softmax of one half: {said} of these {noun} are so "
            "undecided that c calls them surer than they are.",
            help=SCORES["confidence"].help,
        )
    if (left_out := unscored(study)) and level == "image":
        st.caption(f"Not shown: {count(left_out, 'filtered image')} without a label that counts.")


@frame.fragment
def curves(study: Study, level: str, found: dict[str, Judged]) -> None:
    """Figure 2B / 4B: accuracy and share kept over the cut-off, or against one another."""
    follow_cutoff()
    cut = frame.cutoff()
    st.header(
        "What other cut-offs would do",
        anchor=False,
        help="Bands are 95 % intervals of each point. Two networks are compared fairly at "
        "the same share kept, not at the same cut-off: their scores mean different "
        "things.",
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
    st.plotly_chart(
        _curves(frame.filter_key(), cut, level, against, tuple(found), study),
        key="curves",
        on_select=use_clicked,
        selection_mode="points",
        config=chart_config(f"{study.name}-{cut.score}-curves"),
        alt=f"Accuracy and share kept against {against}, with 95 % intervals",
    )
    st.caption("Click a curve to set the cut-off there.")


@frame.fragment
def needed(study: Study, level: str, found: dict[str, Judged]) -> None:
    """The smallest cut-off that earns an accuracy, found on one half and told of the other."""
    follow_cutoff()
    cut = frame.cutoff()
    st.header(
        "The accuracy I need",
        anchor=False,
        help="A cut-off that is chosen and judged on the same images looks better than it "
        "is. So it is chosen on one half (the lower 95 % bound must meet the target) "
        "and the figures shown are those of the other half; compounds are never split.",
    )
    left, right = st.columns([1, 3], gap="large")
    everything = next(iter(found.values())).correct.mean()
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
        for method in found:
            answer = _needed(frame.filter_key(), cut.score, level, method, target / 100, study)
            tell_needed(study, method, answer, level)


def tell_needed(study: Study, method: str, answer: NeededCutoff, level: str) -> None:
    """One network's answer in words, and a button that sets the cut-off."""
    score = frame.cutoff().score
    groups = f" in {count(answer.estimated.groups, 'group')}" if answer.estimated.groups else ""
    halves = (
        f"chosen on {answer.estimated.images:,} {level}s{groups}, told of "
        f"{answer.reported.images:,} others"
    )
    if answer.cutoff is None:
        st.markdown(
            f"**{method_of(method).short}: none.** No cut-off earns "
            f"{100 * answer.target:.1f} %: {answer.reason} ({halves})."
        )
        return
    value = _rounded_to_sure(study, score, answer.cutoff)
    kept = answer.reported
    right = (
        f"{percent(answer.accuracy.value)} right {interval(answer.accuracy)}"
        if answer.accuracy
        else "nothing is kept"
    )
    if answer.accuracy and answer.accuracy.value < answer.target:
        right = f":orange[**short of {100 * answer.target:g} %:**] {right}"
    with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
        st.markdown(
            f"**{method_of(method).short}: {scores.Cutoff(score, value).text}**. On the other "
            f"half: {right}, {percent(answer.coverage, 1)} kept ({kept.kept:,} of {kept.images:,}; "
            f"{halves}).",
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
    """Draw the whole page again when a part of it, which runs alone, has moved the cut-off."""
    if st.session_state.pop(_MOVED, False):
        st.rerun(scope="app")


def _rounded_to_sure(study: Study, score: str, threshold: float) -> float:
    """A certainty as a value of the slider, rounded to its sure side."""
    low, high, step, _ = scores.score_range(study, score)
    steps = (threshold * SCORES[score].direction - low) / step
    whole = np.ceil(steps - 1e-9) if SCORES[score].direction > 0 else np.floor(steps + 1e-9)
    return float(min(max(round(low + whole * step, 6), low), high))


def _scale(study: Study, cut: scores.Cutoff) -> figures.Scale:
    low, high = scores.score_range(study, cut.score)[:2]
    return figures.Scale(cut.score, low, high, cut.value)


@st.cache_resource(max_entries=48, show_spinner=False)
def _distributions(
    key: str, cut: scores.Cutoff, level: str, log: bool, methods: tuple[str, ...], _study: Study
) -> go.Figure:
    scale = _scale(_study, cut)
    histograms = {
        m: judged(_study, m, cut.score, level).histogram(scale.low, scale.high, BINS)
        for m in methods
    }
    return figures.distributions(histograms, names(_study), scale, log=log, noun=f"{level}s")


@st.cache_resource(max_entries=48, show_spinner=False)
def _curves(
    key: str, cut: scores.Cutoff, level: str, against: str, methods: tuple[str, ...], _study: Study
) -> go.Figure:
    scale = _scale(_study, cut)
    # What the slider can be set to.
    low, high, step, _ = scores.score_range(_study, cut.score)
    values = np.arange(low, high + step / 2, step).round(6)[:: SCORES[cut.score].direction]
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
        units.units["label"].to_numpy(dtype=object),
    )


page()
