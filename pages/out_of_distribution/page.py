"""Out of distribution (figures 3A, 3B): scores of images of kinds absent from training."""

import numpy as np
import streamlit as st

from bnn_core.base.scores import SCORES
from bnn_core.measures import mechanisms
from bnn_core.measures import out_of_distribution as ood
from bnn_core.measures.mechanisms import Bins
from bnn_core.measures.new_compounds import plate_sets
from bnn_core.measures.out_of_distribution import NEW, OTHERS, SAME
from bnn_core.study.folder import Study
from pages.out_of_distribution import cutoff, views
from pages.out_of_distribution.new_compounds import new_compounds
from pages.out_of_distribution.views import (
    BINS,
    CELL_WORDS,
    DAMAGED_WORDS,
    DIGIT_WORDS,
    View,
    Words,
    of_mark,
    part_of,
)
from pages.shared import choices, filters, flagging, frame, scores, studies
from pages.shared.empty import empty
from pages.shared.judged import compared_methods, names, none_passes
from pages.shared.wall import leading_wall
from pages.shared.words import percent, plain

OVERVIEW, KINDS, MAP, ONE, WHICH, COMPOUNDS = (
    "groups",
    "all kinds",
    "predictions",
    "one kind",
    "which score?",
    "new compounds",
)
DIGITS = """This study has no images of other kinds to compare with. Add letters, or any other
images. The existing networks predict them; nothing is trained again:

```
bnn data emnist                    # once: downloads EMNIST, 560 MB
bnn predict {name} emnist
bnn predict {name} my-images/      # a folder, an .npz or idx files
```

Then reload this page."""
CELLS = """This study has no images of mechanisms absent from training. Make a study that leaves out
each label in turn, with damaged copies of every image if you like:

```
bnn study plate TABLE.csv --label moa --group compound --leave-out label \\
    --corrupt blur,saturate,debris,wrong-channel
```

`TABLE.csv` is the table of this study. `bnn predict {name} FOLDER` adds other images, such as
another cell line."""
IMPORTED = """This study was imported from a table of predictions, so it has no networks to predict
other kinds. A column `role` with the values `scored`, `shifted` and `new` in the imported table adds
such images. Leave the label of new ones empty."""


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    cells = "compound" in study.images and study.images["compound"].notna().any()
    groups = ood.groups(studies.table(study, study.reading_method))
    if not np.isin(groups, OTHERS).any():
        text = IMPORTED if study.meta["kind"] == "import" else CELLS if cells else DIGITS
        empty("bars", text.format(name=study.name), ":material/travel_explore:")
        return
    if none_passes(study):
        return
    for added in study.meta.get("added", []):
        st.caption(f"Added: {added['images']:,} images of {plain(added['title'])}.")
    unseen = CELL_WORDS if (groups == NEW).any() else DAMAGED_WORDS
    view, look = choose(study, unseen if cells else DIGIT_WORDS)
    groups_shown = set(ood.groups(view.table)) - {""}
    if not groups_shown - {SAME}:
        st.info(
            "No filtered image is of another kind. Remove a filter in the sidebar.",
            icon=":material/filter_alt_off:",
        )
        return
    if SAME not in groups_shown:
        st.warning(
            "No filtered image is of a known kind, so there is no AUROC. In a study made with an older "
            "`--leave-out label` every mechanism is unseen: make the study again.",
            icon=":material/balance:",
        )
    draw = {
        OVERVIEW: overview,
        KINDS: all_kinds,
        MAP: predicted_as,
        ONE: one_kind,
        WHICH: which,
        COMPOUNDS: new_compounds,
    }
    draw[look](view)


def choose(study: Study, words: Words) -> tuple[View, str]:
    """The menus: kind of view, network, false alarms allowed."""
    methods = compared_methods(study)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        looks = [OVERVIEW, KINDS, MAP, ONE, WHICH]
        if plate_sets(study.images):
            looks.append(COMPOUNDS)
        choices.fit("compare", looks, OVERVIEW)
        look = st.segmented_control(
            "View",
            looks,
            default=OVERVIEW,
            key="compare",
            required=True,
            bind="query-params",
            width="content",
        )
        method = choices.pick_network(methods)
        score = cutoff.pick_score(study)
        alarm = st.slider(
            "False alarms allowed (%)",
            1,
            20,
            5,
            key="alarm",
            bind="query-params",
            width=190,
            help="The share of known images that may be set aside to detect others. Detection is "
            "counted at this rate. The cut-off is set by it, except for the score of the sidebar, "
            "which has its own.",
        )
    rows = filters.passing(study)
    tables = {m: studies.table(study, m).iloc[rows] for m in study.methods}
    cut = cutoff.chosen(study, score, method, tables[method], alarm / 100)
    low, high = scores.score_range(study, cut.score)[:2]
    return View(
        study, methods, method, tables, Bins(cut.score, low, high, BINS), cut, alarm / 100, words
    ), look


@frame.fragment
def overview(view: View) -> None:
    """The groups side by side for each network, with a table below."""
    for column, method in zip(
        st.columns(len(view.methods), gap="medium"), view.methods, strict=True
    ):
        with column:
            st.markdown(f"**{names(view.study)[method]}**")
            views.chart(
                view,
                views.group_histograms(view.key, method, view),
                f"ood_groups_{method}",
                method,
                f"ood-{method}",
                f"{SCORES[view.cut.score].title} of known, shifted "
                f"and new images, {names(view.study)[method]}",
            )
    st.caption(
        f"Within a group every {view.words.kind} has the same weight. Click a bar to see its images."
    )
    figures = {
        "AUROC": "Probability that the network is surer of a known image than of one of these. 0.5 is "
        "chance.",
        "FPR95": "Share of these above the cut-off that keeps 95 % of the known images. Lower is "
        "better.",
        "detection": f"Share of these set aside while {percent(view.false_alarm, 0)} of the known "
        "images are.",
    }
    table = views.separations(view.key, view.method, view)
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={
            name: st.column_config.NumberColumn(format="%.3f", help=figures[name.split(",")[0]])
            for name in table
            if name.split(",")[0] in figures
        },
    )
    cutoff.caption_false_alarms(view)
    cutoff.caption_known(view)
    of_mark(view)


@frame.fragment
def all_kinds(view: View) -> None:
    """Every kind as a row of squares along the score."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        group = pick_group(view)
        order = st.selectbox(
            "Order", list(ood.ORDERS), key="kinds_order", bind="query-params", width=240
        )
    lines = views.kind_table(view.key, view.method, view)
    column, ascending = ood.ORDERS[order]
    lines = lines[lines["group"] == group].sort_values(column, ascending=ascending, kind="stable")
    views.chart(
        view,
        views.strips(view.key, view.method, group, order, lines, view),
        f"ood_kinds_{group}",
        view.method,
        "kinds",
        f"{SCORES[view.cut.score].title} of every {view.words.kind}",
    )
    st.caption(
        f"A row is one {view.words.kind}. The area of a square shows how many images have that "
        "score, the tick is the median. ••: bimodal (Hartigan's dip is larger than for 95 % of "
        "flat distributions). Click a square to see its images."
    )
    with st.expander("As a table"):
        st.dataframe(
            lines[["kind", "n", "median", "above", "dip", "bimodal", "called", "called_share"]],
            hide_index=True,
            width="stretch",
            column_config={
                "kind": view.words.kind,
                "bimodal": "bimodal",
                "called": "mostly predicted as",
                "above": st.column_config.NumberColumn(
                    f"share with {view.cut.text}", format="percent"
                ),
                "median": st.column_config.NumberColumn(format="%.3f"),
                "dip": st.column_config.NumberColumn(format="%.3f"),
                "called_share": st.column_config.NumberColumn("of its images", format="percent"),
            },
        )
    of_mark(view)


@frame.fragment
def predicted_as(view: View) -> None:
    """Kinds against predicted classes."""
    group = pick_group(view)
    views.chart(
        view,
        views.predicted_as_map(view.key, view.method, group, view),
        f"ood_map_{group}",
        view.method,
        "taken-for",
        f"Predicted classes of each {view.words.kind}",
    )
    st.caption(
        "The area of a square shows how many images of the column are predicted as the class of "
        "the row. Yellow is surer. Click a square to see its images."
    )
    of_mark(view)


@frame.fragment
def one_kind(view: View) -> None:
    """One kind: its histogram by predicted class, and its images at both ends."""
    lines = views.kind_table(view.key, view.method, view)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        group = pick_group(view)
        options = list(lines["kind"][lines["group"] == group])
        choices.fit("kind", options, options[0])
        kind = st.selectbox(
            view.words.kind.capitalize(), options, key="kind", width=270, bind="query-params"
        )
    line = lines[(lines["group"] == group) & (lines["kind"] == kind)].iloc[0]
    of_kinds = views.by_kind(view.key, view.method, group, view).set_index("kind")
    text = (
        f"**{plain(kind)}**: {line['n']:,} images, {percent(line['called_share'], 0)} predicted "
        f"as **{plain(line['called'])}**; {percent(line['above'], 0)} with {view.cut.text}; "
        f"{'bimodal' if line['bimodal'] else 'unimodal'} (dip {line['dip']:.3f})"
    )
    if group != SAME and kind in of_kinds.index and of_kinds["n_known"].max():
        text += (
            f"; AUROC {of_kinds.loc[kind, 'auroc']:.3f} against "
            f"{int(of_kinds.loc[kind, 'n_known']):,} known images, FPR95 "
            f"{of_kinds.loc[kind, 'fpr95']:.2f}"
        )
    st.markdown(text)
    views.chart(
        view,
        views.histogram(view.key, view.method, group, kind, view),
        f"ood_one_{group}_{kind}",
        view.method,
        kind,
        f"{SCORES[view.cut.score].title} of {kind}, coloured by prediction",
    )
    rows = mechanisms.surest_first(part_of(view.table, group, kind), view.cut.score)
    flagged = flagging.flagged_rows(view.study)
    left, right = st.columns(2, gap="medium")
    for column, words, ordered in ((left, "Surest", rows), (right, "Least sure", rows[::-1])):
        with column:
            st.markdown(f"**{words}**")
            wall(view, ordered, f"ood_one_{group}_{kind}_{words}", flagged)
    of_mark(view)


def wall(view: View, rows: np.ndarray, key: str, flagged: list[int]) -> None:
    """A wall whose images open on One image, previous and next walking through it."""
    leading_wall(
        rows, key=key, method=view.method, height=330, caption=view.cut.score, flagged=flagged
    )


@frame.fragment
def which(view: View) -> None:
    """All scores of all methods, the best first."""
    group = pick_group(view, OTHERS)
    comparison = views.which_score(view.key, group, view)
    if comparison.empty:
        st.info("There is nothing to compare: the filtered images lack known images or this group.")
        return
    best = comparison.iloc[0]
    st.markdown(
        f"Best here: **{SCORES[best['score']].title}** of "
        f"**{names(view.study)[best['method']]}**, AUROC {best['auroc']:.3f}."
    )
    renamed = comparison.assign(
        method=comparison["method"].map(names(view.study)),
        score=[SCORES[key].title for key in comparison["score"]],
    )
    st.dataframe(
        renamed,
        hide_index=True,
        width="stretch",
        column_config={
            "method": "Network",
            "score": "Score",
            **{
                name: st.column_config.NumberColumn(words, format="%.3f")
                for name, words in (
                    ("auroc", "AUROC, all"),
                    ("fpr95", "FPR95, all"),
                    ("detection", "detection, all"),
                    *((n, f"AUROC, {n}") for n in ood.SUBSETS if n != "all"),
                )
            },
        },
    )
    st.caption(
        f"Means over the {view.words.kinds}, each with the same weight. The best of many "
        "scores on the same images looks slightly too good: a difference in the third decimal "
        "means nothing. The standard network has no samples, so it has no scores of the variance."
    )


def pick_group(view: View, among: tuple[str, ...] = (*OTHERS, SAME)) -> str:
    """The menu of groups in this study."""
    here = set(ood.groups(view.table))
    options = [group for group in among if group in here]
    choices.fit("group", options, options[0])
    return st.segmented_control(
        "Group",
        options,
        default=options[0],
        key="group",
        required=True,
        bind="query-params",
        width="content",
        format_func=view.words.groups.get,
    )


page()
