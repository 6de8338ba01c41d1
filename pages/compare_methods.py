"""Compare methods: which posterior is best on these images, by what, and is it more than chance?"""

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
    compare,
    times,
)
from bnn_core.measures.evaluation import ECE_BINS, certainty, reliability, risk_coverage
from bnn_core.measures.intervals import Interval
from bnn_core.study.folder import Study
from pages.shared import choices, filters, frame, panels, studies
from pages.shared.judged import judged, names, none_passes
from pages.shared.words import percent

VALUES = "figures"
#: What makes a study of several methods, by the kind of the study.
COMMANDS = {
    "mnist": "bnn study mnist --methods {methods} --out cache/mnist-methods",
    "digits": "bnn study digits --methods {methods} --out cache/digits-methods",
    "bbbc021": "bnn study bbbc021 --methods {methods} --out cache/bbbc021-methods",
    "plate": "bnn study plate TABLE.csv --methods {methods} --out cache/methods",
}
RIVALS = "vi,standard,dropout,ensemble,laplace"
ONE_METHOD = """This study holds one method, {has}; there is nothing to compare. {how}"""
OF_FIVE = """This makes a study of five on the same images:

```
{command}
```"""
ELSEWHERE = """`bnn study KIND --methods …` makes studies of several."""
#: What two methods make of an image, as `comparison.agreement_of` says it, in words of the page.
KINDS = ("all", "first right", "second right", "both wrong", "no label")


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    if len(study.methods) < 2:
        command = COMMANDS.get(study.meta["kind"])
        how = OF_FIVE.format(command=command.format(methods=RIVALS)) if command else ELSEWHERE
        has = method_of(study.methods[0]).name
        st.info(ONE_METHOD.format(has=has, how=how), icon=":material/compare:")
        return
    if none_passes():
        return
    score = frame.cutoff().score
    found = _comparison(frame.filter_key(), score, study)
    if not found.n:
        st.info(
            "None of the filtered images has a label that counts: right and wrong need labels.",
            icon=":material/label_off:",
        )
    else:
        winners(study, found, score)
        in_figures(study, found, score)
        calibration(study)
        retained(study, score)
    cost(study)
    disagreement(study)


def winners(study: Study, found: Comparison, score: str) -> None:
    """Who is best by each criterion, and whether that is more than a tie."""
    st.header("Who wins", anchor=False)
    standings = {c: s for c in found.values if (s := found.standing(c)) and s.runner_up}
    st.markdown(f"{_among_best(standings)} {_clear_winners(standings)}")
    st.markdown("\n".join(f"- {sentence(c, found)}" for c in standings))
    by = f"{found.groups:,} groups (compounds)" if found.groups else "images"
    st.caption(
        f"{found.n:,} scored images{_others(found)}; images ranked by "
        f"{SCORES[score].title}. Intervals are 95 %, from {found.draws['accuracy'].shape[1]:,} "
        f"resamples of {by}, the same for all methods. The leader is picked on the images it is "
        "judged on, which flatters it a little, and one training run with one seed stands for each "
        "method."
    )


def sentence(criterion: str, found: Comparison) -> str:
    """Who is best by one criterion, in words."""
    standing = found.standing(criterion)
    title, leader = CRITERIA[criterion].title, standing.leader
    best = (
        f"{method_of(leader).short} ({_form(criterion, found.interval(criterion, leader).value)})"
    )
    worse = [
        m
        for m in found.methods
        if m not in (leader, *standing.tied) and not np.isnan(found.interval(criterion, m).value)
    ]
    if standing.clear:
        return (
            f"**{title}: {best} wins**, better than {method_of(standing.runner_up).short}, the "
            f"second, by {_span(criterion, standing.gap)}."
        )
    said = (
        f"**{title}: a tie.** {best} has the best figure; {_listed(standing.tied)} "
        f"{'ties' if len(standing.tied) == 1 else 'tie'} with it"
    )
    return (
        f"{said}; {_listed(worse)} {'is' if len(worse) == 1 else 'are'} worse."
        if worse
        else f"{said}."
    )


@frame.fragment
def in_figures(study: Study, found: Comparison, score: str) -> None:
    """All figures of merit with intervals, as a chart and as a table."""
    st.header(
        "In figures",
        anchor=False,
        help="\n".join(
            f"- **{c.title}**: {c.meaning}" for name, c in CRITERIA.items() if name in found.values
        ),
    )
    first = found.methods[0]
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
    st.plotly_chart(
        _criteria(frame.filter_key(), score, against, study),
        key="criteria",
        config=chart_config(f"{study.name}-methods"),
        alt="Figures of merit of every method with 95 % intervals",
    )
    st.caption(
        "Filled: the best, and what ties with it."
        if against is None
        else f"Paired differences to {method_of(first).short}; an interval off the dotted line is "
        "more than a tie."
    )
    with st.expander("As a table"):
        st.dataframe(merits(found, against), width="stretch")


def merits(found: Comparison, against: str | None) -> pd.DataFrame:
    """Figures with intervals as text: one row per method, one column per criterion."""
    table = {}
    for criterion in found.values:
        cells = []
        for method in found.methods:
            value = (
                found.interval(criterion, method)
                if against is None
                else found.difference(criterion, method, against)
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
        table, index=pd.Index([method_of(m).short for m in found.methods], name="Method")
    )


@frame.fragment
def calibration(study: Study) -> None:
    """Reliability diagrams of all methods; a click on a point shows its images."""
    st.header(
        "Calibration",
        anchor=False,
        help="A calibrated method is right in 80 of 100 images "
        "of which it says 80 %. Below the dotted line it is too sure of itself, above it too "
        "modest. Click a point for its images.",
    )
    event = st.plotly_chart(
        _reliability(frame.filter_key(), study),
        key="reliabilities",
        on_select="rerun",
        selection_mode="points",
        config=chart_config(f"{study.name}-reliability"),
        alt="Share right against mean softmax of the predicted class, one panel per method",
    )
    for point in event["selection"]["points"][:1]:
        method, place = point["customdata"]
        edges = np.linspace(0, 1, ECE_BINS + 1)
        units = judged(study, method, "top_softmax").in_bin(int(place), 0.0, 1.0, ECE_BINS)
        panels.selection_panel(
            study,
            units.index.to_numpy(),
            "reliability_bin",
            method=method,
            methods=(method,),
            title=f"{method_of(method).short}: top softmax {edges[int(place)]:.2f} to "
            f"{edges[int(place) + 1]:.2f}",
        )


def retained(study: Study, score: str) -> None:
    """Accuracy against share kept, all methods on one axis."""
    st.header(
        "Accuracy against share kept",
        anchor=False,
        help="Images are set aside from the least sure on. Methods are compared fairly at "
        "the same share kept, not at the same cut-off: their scores mean different "
        "things.",
    )
    st.plotly_chart(
        _retention(frame.filter_key(), score, study),
        key="retention",
        config=chart_config(f"{study.name}-retention"),
        alt=f"Share right among the kept against share kept, ranked by "
        f"{SCORES[score].title}, one line per method",
    )


def cost(study: Study) -> None:
    """What each method costs."""
    st.header("What it costs", anchor=False)
    table = times(study.meta["methods"])
    networks = {m: study.meta["methods"][m].get("num_samples") for m in study.methods}
    if table["training"].isna().all():
        st.caption("This study does not know how long its methods took.")
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
        "training, in all": [_seconds(v) for v in table["training_total"]],
        "of it on its own": [_seconds(v) for v in table["training"]],
        "prediction": [_seconds(v) for v in table["prediction"]],
        "prediction per image": [_seconds(v / predicted) for v in table["prediction"]],
        "training, CPU time": [_seconds(v) for v in table["training_cpu"]],
        "prediction, CPU time": [_seconds(v) for v in table["prediction_cpu"]],
    }
    st.html(panels.by_method(study.methods, lines))
    based = [method_of(m).short for m, base in table["builds_on"].items() if base]
    if based:
        st.caption(
            f"Training in all counts that of the standard network where a method builds on "
            f"it: {', '.join(based)}. Wall-clock on the machine that made the study."
        )


@frame.fragment
def disagreement(study: Study) -> None:
    """Where two methods predict different classes: counts and images."""
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
    rows = frame.filtered_rows()
    kinds = agreement_of(
        frame.table(study, first).iloc[rows], frame.table(study, second).iloc[rows]
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
    """Who leads, or ties with the leader, most often."""
    best = pd.Series([m for s in standings.values() for m in (s.leader, *s.tied)], dtype=object)
    counts = best.value_counts()
    most = sorted(counts.index[counts == counts.max()])
    return (
        f"**{_listed(most)} {'is' if len(most) == 1 else 'are'} among the best** (leading, or "
        f"tied with the leader) by {counts.max()} of {len(standings)} criteria."
    )


def _clear_winners(standings: dict[str, Standing]) -> str:
    """Who leads beyond a tie."""
    wins = pd.Series([s.leader for s in standings.values() if s.clear], dtype=object)
    if not len(wins):
        return "No method wins alone by any of them."
    said = [f"{method_of(m).short} by {n}" for m, n in wins.value_counts().items()]
    return f"Winning alone, beyond a tie: {', '.join(said)}."


def _others(found: Comparison) -> str:
    return "".join(f", {n:,} {role}" for role, n in found.others.items())


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


@st.cache_resource(max_entries=12, show_spinner="Resampling the images")
def _comparison(key: str, score: str, _study: Study) -> Comparison:
    rows = filters.passing(_study)
    return compare(
        {m: studies.table(_study, m).iloc[rows] for m in _study.methods}, _study.classes, score
    )


@st.cache_resource(max_entries=24, show_spinner=False)
def _criteria(key: str, score: str, against: str | None, _study: Study) -> go.Figure:
    found = _comparison(key, score, _study)
    shown = [c for c, values in found.values.items() if not np.isnan(values).all()]
    return figures.criteria(found, shown, {m: method_of(m).short for m in found.methods}, against)


@st.cache_resource(max_entries=24, show_spinner=False)
def _reliability(key: str, _study: Study) -> go.Figure:
    found = {}
    for method in _study.methods:
        units = judged(_study, method, "top_softmax")
        found[method] = reliability(units.values, units.correct)
    return figures.reliability(found, names(_study))


@st.cache_resource(max_entries=24, show_spinner=False)
def _retention(key: str, score: str, _study: Study) -> go.Figure:
    ranks = _comparison(key, score, _study)
    found = {}
    for method, area in zip(ranks.methods, ranks.values["aurc"], strict=True):
        if np.isnan(area):  # one network has no split of its variance
            continue
        units = judged(_study, method, score)
        found[method] = risk_coverage(certainty(score, units.values), units.correct)
    return figures.retention(found, names(_study))


page()
