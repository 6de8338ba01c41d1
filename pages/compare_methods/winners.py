"""The best method by each criterion, and whether it is more than a tie."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.measures.comparison import CRITERIA, Comparison, Standing
from bnn_core.measures.intervals import Interval
from bnn_core.study.folder import Study
from pages.compare_methods.criteria import figure_text
from pages.shared.judged import bayesian_gain, comparison_basis


def winners(study: Study, comparison: Comparison, score: str) -> None:
    """The best method by each criterion, and whether it is more than a tie."""
    st.header("Who wins", anchor=False)
    standings = {c: s for c in comparison.values if (s := comparison.standing(c)) and s.runner_up}
    st.markdown(f"{_among_best(standings)} {_clear_winners(standings)}")
    st.markdown("\n".join(f"- {winner_sentence(c, comparison)}" for c in standings))
    if text := bayesian_gain(study, comparison):
        st.caption(text)
    by = f"{comparison.groups:,} groups (compounds)" if comparison.groups else "images"
    st.caption(
        f"{comparison.n:,} scored images{_others(comparison)}; images ranked by "
        f"{SCORES[score].title}. {comparison_basis(study)} Intervals are 95 %, Student's t from "
        f"{comparison.draws['accuracy'].shape[1]:,} resamples of {by}, the same for all methods. "
        "The leader is chosen and judged on the same "
        "images, so its figure is slightly too good."
        + ("" if text else " Each method was trained once, with one seed.")
    )


def winner_sentence(criterion: str, comparison: Comparison) -> str:
    """The best method by one criterion, in words."""
    standing = comparison.standing(criterion)
    title, leader = CRITERIA[criterion].title, standing.leader
    figure = figure_text(criterion, comparison.interval(criterion, leader).value)
    best = f"{method_of(leader).short} ({figure})"
    worse = [
        m
        for m in comparison.methods
        if m not in (leader, *standing.tied)
        and not np.isnan(comparison.interval(criterion, m).value)
    ]
    if standing.clear:
        return (
            f"**{title}: {best} wins**, better than {method_of(standing.runner_up).short}, the "
            f"second best, by {_span(criterion, standing.gap)}."
        )
    text = (
        f"**{title}: a tie.** {best} has the best figure; {_listed(standing.tied)} "
        f"{'ties' if len(standing.tied) == 1 else 'tie'} with it"
    )
    return (
        f"{text}; {_listed(worse)} {'is' if len(worse) == 1 else 'are'} worse."
        if worse
        else f"{text}."
    )


def _among_best(standings: dict[str, Standing]) -> str:
    """Methods that lead, or tie with the leader, most often."""
    best = pd.Series([m for s in standings.values() for m in (s.leader, *s.tied)], dtype=object)
    counts = best.value_counts()
    most = sorted(counts.index[counts == counts.max()])
    return (
        f"**{_listed(most)} {'is' if len(most) == 1 else 'are'} among the best** (leading, or "
        f"tied with the leader) by {counts.max()} of {len(standings)} criteria."
    )


def _clear_winners(standings: dict[str, Standing]) -> str:
    """Methods that lead beyond a tie."""
    wins = pd.Series([s.leader for s in standings.values() if s.clear], dtype=object)
    if not len(wins):
        return "No method wins alone by any criterion."
    wins_text = [f"{method_of(m).short} by {n}" for m, n in wins.value_counts().items()]
    return f"Beyond a tie: {', '.join(wins_text)}."


def _others(comparison: Comparison) -> str:
    return "".join(f", {n:,} {role}" for role, n in comparison.others.items())


def _listed(methods: list[str]) -> str:
    """'A, B and C'."""
    *most, last = [method_of(m).short for m in methods]
    return f"{', '.join(most)} and {last}" if most else last


def _span(criterion: str, gap: Interval) -> str:
    """A difference with its interval."""
    if criterion == "accuracy":
        return (
            f"{100 * gap.value:.2f} [{100 * gap.low:.2f}, {100 * gap.high:.2f}] percentage points"
        )
    value, low, high = (figure_text(criterion, x) for x in (gap.value, gap.low, gap.high))
    return f"{value} [{low}, {high}]"
