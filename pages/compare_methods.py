"""Compare methods: which method is best on these images, by which criterion, beyond chance?"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.figures import compare as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures.comparison import (
    CRITERIA,
    Comparison,
    Standing,
    agreement_of,
    times,
)
from bnn_core.measures.evaluation import ECE_BINS, certainty, risk_coverage
from bnn_core.measures.intervals import Interval
from bnn_core.study.folder import Study
from pages.shared import charts, choices, filters, frame, panels, scores, studies
from pages.shared.empty import empty
from pages.shared.judged import bayesian_gain, judged, method_comparison, names, none_passes
from pages.shared.words import percent

VALUES = "figures"
#: The command that makes a study of several methods, by the kind of study.
COMMANDS = {
    "mnist": "bnn study mnist --methods {methods} --out cache/mnist-methods",
    "digits": "bnn study digits --methods {methods} --out cache/digits-methods",
    "bbbc021": "bnn study bbbc021 --methods {methods} --out cache/bbbc021-methods",
    "plate": "bnn study plate TABLE.csv --methods {methods} --out cache/methods",
}
RIVALS = "vi,standard,dropout,ensemble,laplace"
ONE_METHOD = """This study has one method, {has}, so there is nothing to compare. {how}"""
OF_FIVE = """This command makes a study of five methods on the same images:

```
{command}
```"""
ELSEWHERE = """`bnn study KIND --methods …` makes a study of several methods."""
#: How two methods differ on an image: the values of `comparison.agreement_of`, and "all".
KINDS = ("all", "first right", "second right", "both wrong", "no label")


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    if len(study.methods) < 2:
        command = COMMANDS.get(study.meta["kind"])
        how = OF_FIVE.format(command=command.format(methods=RIVALS)) if command else ELSEWHERE
        has = method_of(study.methods[0]).name
        empty("points", ONE_METHOD.format(has=has, how=how), ":material/compare:")
        return
    if none_passes(study):
        return
    score = scores.cutoff(study).score
    comparison = method_comparison(filters.key(study), score, study)
    if not comparison.n:
        st.info(
            "No filtered image has a label that counts. Right and wrong need labels.",
            icon=":material/label_off:",
        )
    else:
        winners(study, comparison, score)
        in_figures(study, comparison, score)
        calibration(study)
        retained(study, score)
    cost(study)
    disagreement(study)


def winners(study: Study, comparison: Comparison, score: str) -> None:
    """The best method by each criterion, and whether it is more than a tie."""
    st.header("Who wins", anchor=False)
    standings = {c: s for c in comparison.values if (s := comparison.standing(c)) and s.runner_up}
    st.markdown(f"{_among_best(standings)} {_clear_winners(standings)}")
    st.markdown("\n".join(f"- {sentence(c, comparison)}" for c in standings))
    bayesian_gain(study, comparison)
    by = f"{comparison.groups:,} groups (compounds)" if comparison.groups else "images"
    st.caption(
        f"{comparison.n:,} scored images{_others(comparison)}; images ranked by "
        f"{SCORES[score].title}. Intervals are 95 %, Student's t from "
        f"{comparison.draws['accuracy'].shape[1]:,} resamples of {by}, the same for all methods. "
        "The leader is chosen and judged on the same "
        "images, so its figure is slightly too good. Each method was trained once, with one seed."
    )


def sentence(criterion: str, comparison: Comparison) -> str:
    """The best method by one criterion, in words."""
    standing = comparison.standing(criterion)
    title, leader = CRITERIA[criterion].title, standing.leader
    best = f"{method_of(leader).short} ({_form(criterion, comparison.interval(criterion, leader).value)})"
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


@frame.fragment
def in_figures(study: Study, comparison: Comparison, score: str) -> None:
    """All figures of merit with intervals, as a chart and as a table."""
    st.header(
        "In figures",
        anchor=False,
        help="\n".join(
            f"- **{c.title}**: {c.meaning}"
            for name, c in CRITERIA.items()
            if name in comparison.values
        ),
    )
    first = comparison.methods[0]
    views = [VALUES, f"differences to {method_of(first).short}"]
    choices.fit("merit", views, VALUES)
    view = st.segmented_control(
        "Show",
        views,
        default=VALUES,
        key="merit",
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    against = None if view == VALUES else first
    charts.draw(
        _criteria(filters.key(study), score, against, study),
        key="criteria",
        config=chart_config(f"{study.name}-methods"),
        alt="Figures of merit of every method with 95 % intervals",
    )
    st.caption(
        "Filled: the best method, and those that tie with it."
        if against is None
        else f"Paired differences to {method_of(first).short}. An interval that does not cross the "
        "dotted line is more than a tie."
    )
    with st.expander("As a table"):
        st.dataframe(merits(comparison, against), width="stretch")


def merits(comparison: Comparison, against: str | None) -> pd.DataFrame:
    """Figures with intervals as text: one row per method, one column per criterion."""
    table = {}
    for criterion in comparison.values:
        cells = []
        for method in comparison.methods:
            value = (
                comparison.interval(criterion, method)
                if against is None
                else comparison.difference(criterion, method, against)
            )
            cells.append(
                "–"
                if np.isnan(value.value)
                else " ".join(
                    [
                        _form(criterion, value.value),
                        f"[{_form(criterion, value.low)},",
                        f"{_form(criterion, value.high)}]",
                    ]
                )
            )
        table[CRITERIA[criterion].title] = cells
    return pd.DataFrame(
        table, index=pd.Index([method_of(m).short for m in comparison.methods], name="Method")
    )


@frame.fragment
def calibration(study: Study) -> None:
    """Reliability diagrams of all methods; a click on a point shows its images."""
    st.header(
        "Calibration",
        anchor=False,
        help="Of the images that a calibrated method gives 80 %, it gets 80 in 100 right. Below "
        "the dotted line it is overconfident, above it underconfident. Click a point to see its "
        "images.",
    )
    event = charts.draw(
        _reliability(filters.key(study), study),
        key="reliabilities",
        on_select="rerun",
        selection_mode="points",
        config=chart_config(f"{study.name}-reliability"),
        alt="Share right against mean softmax of the predicted class, one panel per method",
    )
    for point in event["selection"]["points"][:1]:
        method, bin_index = point["customdata"]
        edges = np.linspace(0, 1, ECE_BINS + 1)
        units = judged(study, method, "top_softmax").in_bin(int(bin_index), 0.0, 1.0, ECE_BINS)
        panels.selection_panel(
            study,
            units.index.to_numpy(),
            "reliability_bin",
            method=method,
            methods=(method,),
            title=f"{method_of(method).short}: top softmax {edges[int(bin_index)]:.2f} to "
            f"{edges[int(bin_index) + 1]:.2f}",
        )


def retained(study: Study, score: str) -> None:
    """Accuracy against share kept, all methods on one axis."""
    st.header(
        "Accuracy against share kept",
        anchor=False,
        help="The least sure images are set aside first. Compare methods at the same share kept, "
        "not at the same cut-off: their scores mean different things.",
    )
    charts.draw(
        _retention(filters.key(study), score, study),
        key="retention",
        config=chart_config(f"{study.name}-retention"),
        alt=f"Share right among the kept against share kept, ranked by "
        f"{SCORES[score].title}, one line per method",
    )


def cost(study: Study) -> None:
    """Time and number of networks of each method."""
    st.header("What it costs", anchor=False)
    table = times(study.meta["methods"])
    networks = {m: study.meta["methods"][m].get("num_samples") for m in study.methods}
    if table["training"].isna().all():
        st.caption("This study does not record how long its methods took.")
        return
    # Images added to the study later were not part of the prediction that was timed.
    made = study.images
    if "source" in made:
        made = made[made["source"].isna()]
    # Fold -1: every fold predicted them.
    folds = made["fold"]
    predicted = (folds >= 0).sum() + (folds < 0).sum() * max(folds[folds >= 0].nunique(), 1)
    lines = {
        "networks per prediction": ["–" if n is None else f"{n:,}" for n in networks.values()],
        "training, total": [_seconds(v) for v in table["training_total"]],
        "training, without the standard network": [_seconds(v) for v in table["training"]],
        "prediction": [_seconds(v) for v in table["prediction"]],
        "prediction per image": [_seconds(v / predicted) for v in table["prediction"]],
        "training, CPU time": [_seconds(v) for v in table["training_cpu"]],
        "prediction, CPU time": [_seconds(v) for v in table["prediction_cpu"]],
    }
    st.html(panels.by_method(study.methods, lines))
    based = [method_of(m).short for m, base in table["builds_on"].items() if base]
    if based:
        st.caption(
            f"The total includes the standard network where a method builds on it: "
            f"{', '.join(based)}. Wall-clock time on the machine that made the study."
        )


@frame.fragment
def disagreement(study: Study) -> None:
    """Images for which two methods predict different classes: counts and wall."""
    st.header("Where two methods disagree", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choices.fit("first_method", study.methods, study.methods[0])
        first = st.selectbox(
            "First",
            study.methods,
            key="first_method",
            format_func=lambda key: method_of(key).short,
            bind="query-params",
            width=240,
        )
        others = [m for m in study.methods if m != first]
        choices.fit("second_method", others, others[0])
        second = st.selectbox(
            "Second",
            others,
            key="second_method",
            format_func=lambda key: method_of(key).short,
            bind="query-params",
            width=240,
        )
    rows = filters.passing(study)
    kinds = agreement_of(
        studies.table(study, first).iloc[rows], studies.table(study, second).iloc[rows]
    )
    differ = kinds[kinds != ""]
    if not len(differ):
        st.caption(
            f"{method_of(first).short} and {method_of(second).short} predict the same class for all "
            f"{len(rows):,} filtered images."
        )
        return
    words = {
        "all": "all",
        "first right": f"{method_of(first).short} right",
        "second right": f"{method_of(second).short} right",
        "both wrong": "both wrong",
        "no label": "not counted",
    }
    counts = {k: len(differ) if k == "all" else int((differ == k).sum()) for k in KINDS}
    shown = [k for k in KINDS if counts[k]]
    kind = st.segmented_control(
        "Which",
        shown,
        default="all",
        key=f"differ_{first}_{second}",
        required=True,
        bind="query-params",
        format_func=lambda k: f"{words[k]} ({counts[k]:,})",
        label_visibility="collapsed",
    )
    chosen = differ.index if kind == "all" else differ.index[differ == kind]
    panels.selection_panel(
        study,
        chosen.to_numpy(),
        "differ",
        method=first,
        methods=(first, second),
        title=f"{method_of(first).short} and {method_of(second).short} disagree, {words[kind]}",
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


def _form(criterion: str, value: float) -> str:
    """A figure with three significant digits, an accuracy in percent."""
    if criterion == "accuracy":
        return percent(value)
    size = abs(value)
    digits = 3 if size >= 0.1 or not size else min(2 - int(np.floor(np.log10(size))), 7)
    return f"{value:.{digits}f}"


def _span(criterion: str, gap: Interval) -> str:
    """A difference with its interval."""
    if criterion == "accuracy":
        return (
            f"{100 * gap.value:.2f} [{100 * gap.low:.2f}, {100 * gap.high:.2f}] percentage points"
        )
    return (
        f"{_form(criterion, gap.value)} [{_form(criterion, gap.low)}, {_form(criterion, gap.high)}]"
    )


def _seconds(value: float) -> str:
    if np.isnan(value):
        return "–"
    if value < 0.1:
        return f"{1000 * value:.2g} ms"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


@st.cache_resource(max_entries=24, show_spinner=False)
def _criteria(key: str, score: str, against: str | None, _study: Study) -> go.Figure:
    comparison = method_comparison(key, score, _study)
    shown = [c for c, values in comparison.values.items() if not np.isnan(values).all()]
    return figures.criteria(
        comparison, shown, {m: method_of(m).short for m in comparison.methods}, against
    )


@st.cache_resource(max_entries=24, show_spinner=False)
def _reliability(key: str, _study: Study) -> go.Figure:
    bins_by_method = {}
    for method in _study.methods:
        units = judged(_study, method, "top_softmax")
        bins_by_method[method] = units.reliability()
    return figures.reliability_diagrams(bins_by_method, names(_study))


@st.cache_resource(max_entries=24, show_spinner=False)
def _retention(key: str, score: str, _study: Study) -> go.Figure:
    comparison = method_comparison(key, score, _study)
    curves = {}
    for method, area in zip(comparison.methods, comparison.values["aurc"], strict=True):
        if np.isnan(area):  # one network has no split of its variance
            continue
        units = judged(_study, method, score)
        curves[method] = risk_coverage(certainty(score, units.values), units.correct)
    return figures.retention(curves, names(_study))


page()
