"""Compare studies: before and after cleaning, two seeds, two settings, last month and now."""

import shlex

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.methods import method_of
from bnn_core.base.scores import DEFAULT_SCORE, SCORES
from bnn_core.base.wording import count
from bnn_core.figures import style, two_studies
from bnn_core.review.two_studies import CHANGES, SIDES, TwoStudies, compare_two
from bnn_core.study import describing
from bnn_core.study.folder import Study
from pages.compare_studies import cleaning
from pages.shared import charts, choices, filters, frame, panels, studies
from pages.shared.empty import empty
from pages.shared.gestures import capital, scalar
from pages.shared.scores import MORE_FIGURES
from pages.shared.words import as_sentence, plain, table_height

CHANGED, CLEANED = "what changed", "did cleaning help?"
DIFFER = "different predictions"
NO_OTHER = """There is no second study of the same images. A second study can be one that was trained
again after a review, with another seed, with other settings, or later.

```
bnn study … --out {out}      # the command of this study, with another name
```

After a review, export the flagged list and add `--exclude` and `--relabel` with it."""


def page() -> None:
    """The page."""
    first = frame.current_study()
    others = studies.overlapping(first)
    if not others:
        out = shlex.quote(
            str(first.path.with_name(f"{first.name}-again"))
        )  # where the app lists it
        empty("points", NO_OTHER.format(out=out), ":material/difference:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        view = st.segmented_control(
            "View",
            (CHANGED, CLEANED),
            default=CHANGED,
            key="studies_view",
            required=True,
            bind="query-params",
        )
        choices.restrict("with", others, others[0])
        name = st.selectbox("Compare with", others, key="with", bind="query-params", width=260)
        second = studies.opened(name)
    if view == CLEANED:
        cleaning.draw(first, second)
    else:
        draw_changes(first, second)


def draw_changes(first: Study, second: Study) -> None:
    """What changed from the first study to the second, by a method of each."""
    with st.container(horizontal=True, gap="medium"):
        methods = tuple(
            choose_method(study, side) for study, side in zip((first, second), SIDES, strict=True)
        )
    try:
        result = _comparison(
            studies.identity(first), studies.identity(second), methods, first, second
        )
    except InputError as error:
        st.info(as_sentence(error), icon=":material/difference:")
        return
    names = (first.name, second.name)
    summary(result, names)
    predicted = [describing.left_out(study) for study in (first, second)]
    if predicted[0] != predicted[1]:
        sides = [
            f"{plain(name)} predicts {what or 'images held out in a way that is not recorded'}"
            for name, what in zip(names, predicted, strict=True)
        ]
        st.info(f"{'; '.join(sides)}.", icon=":material/call_split:")
    table = result.table[result.table["row_first"].isin(filters.passing(first))]
    if table.empty:
        st.info("No images match. Remove a filter.", icon=":material/filter_alt_off:")
        return
    explore(first, table, names)
    for column, title in (("label", "Classes"), ("compound", "Compounds")):
        if result.table[column].notna().any():
            changes(result.by(column), column, title, names)


def choose_method(study: Study, side: str) -> str:
    """The menu of methods of one of the studies."""
    key = f"method_{side}"
    choices.restrict(key, study.methods, study.reading_method)
    return st.selectbox(
        f"Method of {plain(study.name)}",
        study.methods,
        index=study.methods.index(study.reading_method),
        key=key,
        bind="query-params",
        format_func=lambda method: method_of(method).name,
        width=220,
    )


def summary(result: TwoStudies, names: tuple[str, str]) -> None:
    """Both accuracies on the compared images, their difference, and what is not compared."""
    table, difference = result.table, result.difference()
    columns = st.columns(4, gap="medium")
    for column, side, name in zip(columns, SIDES, names, strict=False):
        share = 100 * float(table[f"right_{side}"].mean())
        column.metric(f"Correct: {plain(name)}", f"{share:.1f} %", border=True)
    known = not np.isnan(difference.low)
    columns[2].metric(
        "Difference",
        f"{100 * difference.value:+.1f} points",
        f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}" if known else None,
        delta_color="off",
        delta_arrow="off",
        border=True,
        help="The second minus the first, with a 95 % interval over whole compounds. It does not "
        f"include the effect of another seed. {MORE_FIGURES}",
    )
    columns[3].metric(
        "Different predictions",
        f"{int(table['differ'].sum()):,} of {len(table):,}",
        border=True,
    )
    apart = [
        text
        for number, text in (
            (result.relabelled, f"{count(result.relabelled, 'image')} with another label"),
            (result.other_picture, f"{count(result.other_picture, 'image')} with another picture"),
            (result.only_first, f"{count(result.only_first, 'image')} only in {names[0]}"),
            (result.only_second, f"{count(result.only_second, 'image')} only in {names[1]}"),
        )
        if number
    ]
    st.caption(
        (f"Not compared: {plain(', '.join(apart))}. " if apart else "")
        + "Filters apply to the chart and the images below, not to these numbers and the tables."
    )


def labels_of(names: tuple[str, str]) -> dict[str, str]:
    """The changes in words with the studies' names."""
    return {
        CHANGES[0]: f"only {names[1]} right",
        CHANGES[1]: f"only {names[0]} right",
        CHANGES[2]: "both wrong",
        CHANGES[3]: "both right",
    }


@st.fragment
def explore(study: Study, table: pd.DataFrame, names: tuple[str, str]) -> None:
    """The scatter of both scores, and the images of a selection or of a kind of change."""
    labels = labels_of(names)
    score = SCORES[DEFAULT_SCORE]
    event = charts.draw(
        two_studies.scatter(
            table, tuple(f"{score.short}: {plain(name)}" for name in names), labels
        ),
        key="studies_scatter",
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config=style.chart_config("two-studies") | {"modeBarButtonsToRemove": []},
        alt=f"{score.name} of {len(table):,} images in the studies {names[0]} and {names[1]}",
        of=f"{len(table):,} images that both studies score",
        scored=False,
    )
    counts = {DIFFER: int(table["differ"].sum())}
    counts |= {change: int((table["change"] == change).sum()) for change in CHANGES}
    options = [option for option, number in counts.items() if number]
    change = choices.pick(
        "Images",
        options,
        key="change",
        format_func=lambda option: f"{labels.get(option, option)} ({counts[option]:,})",
    )
    rows = [int(scalar(point["customdata"])) for point in event["selection"]["points"]]
    if rows:
        title = "Selected in the chart"
    else:
        title = capital(labels.get(change, change))
        chosen = table["differ"] if change == DIFFER else table["change"] == change
        part = table[chosen]
        # The largest changes of the score first.
        order = np.argsort(-(part["score_second"] - part["score_first"]).abs(), kind="stable")
        rows = part["row_first"].to_numpy()[order]
    panels.selection_panel(
        study, np.asarray(rows), key="studies_selection", title=title, ranking=False
    )


def changes(table: pd.DataFrame, column: str, title: str, names: tuple[str, str]) -> None:
    """A table of what changed per class or compound."""
    with st.expander(f"{title}: what changed", expanded=column == "label"):
        st.dataframe(
            table.assign(**{name: 100 * table[name] for name in ("first", "second", "difference")})[
                [column, "images", "first", "second", "difference", "gained", "lost"]
            ],
            hide_index=True,
            height=table_height(len(table), 564),
            key=f"studies_{column}",
            column_config={
                column: title,
                "images": st.column_config.NumberColumn("Images", format="%d"),
                "first": st.column_config.NumberColumn(f"{names[0]} (%)", format="%.1f"),
                "second": st.column_config.NumberColumn(f"{names[1]} (%)", format="%.1f"),
                "difference": st.column_config.NumberColumn("Difference (points)", format="%+.1f"),
                "gained": st.column_config.NumberColumn("Now right", format="%d"),
                "lost": st.column_config.NumberColumn("Now wrong", format="%d"),
            },
        )


@st.cache_resource(max_entries=8, show_spinner="Comparing")
def _comparison(
    one: str, two: str, methods: tuple[str, str], _first: Study, _second: Study
) -> TwoStudies:
    return compare_two(_first, _second, methods)


page()
