"""Mechanisms (figures 4A-C, 5A, 5B): the predicted classes of the compounds of one label."""

import json
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.scores import SCORES
from bnn_core.base.wording import count, listed, short
from bnn_core.figures import mechanisms as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures import mechanisms
from bnn_core.measures.levels import original_images, scored_rows
from bnn_core.measures.mechanisms import Bins
from bnn_core.study.folder import Study
from bnn_core.suspects.side_by_side import controls_beside
from pages.shared import choices, filters, flagging, frame, marks, panels, possible, scores, studies
from pages.shared.empty import empty
from pages.shared.judged import compared_methods, none_passes
from pages.shared.wall import leading_wall
from pages.shared.words import percent, plain

BINS = 20
BAR = "bar"
#: In the session: a new label was just chosen, so the choices for the previous one are reset.
NEW_LABEL = "_new_label"
#: At most this many compounds are drawn at once; the user chooses which.
MOST_COMPOUNDS, MOST_COLUMNS = 8, 4
HISTOGRAMS, COLUMNS, DOSES = "histograms", "side by side", "doses and controls"
LOOKS = [HISTOGRAMS, COLUMNS, DOSES]
CONTROLS = "untreated, same plates"
NO_COMPOUNDS = """This study does not record the compound of an image, so there are no compounds to
compare. Add a column `compound` to the table of images (`Metadata_Compound` and
`Image_Metadata_Compound` are also recognised): `bnn study plate fields.csv --label moa --group
compound`, or `bnn import predictions.csv --metadata images.csv`."""


class Bar(NamedTuple):
    """The clicked part of a bar, as kept in the address."""

    score: str
    label: str
    compound: str
    bin_index: int
    predicted: str

    @staticmethod
    def read(text: str) -> "Bar | None":
        """The bar of an address, or None for any other text."""
        try:
            bar = Bar(*json.loads(text))
        except (ValueError, TypeError, RecursionError):
            return None
        return bar if isinstance(bar.bin_index, int) and 0 <= bar.bin_index < BINS else None


class View(NamedTuple):
    """The current view: a label, one network's filtered table and the highlighted class.

    labelled: the rows of the table with the label.
    """

    study: Study
    method: str
    label: str
    highlight: str | None
    table: pd.DataFrame
    labelled: pd.DataFrame
    compounds: pd.DataFrame
    bins: Bins
    cut: float

    def rows(self, compound: str) -> pd.DataFrame:
        """The images of a compound that carry the label."""
        return mechanisms.compound_rows(self.labelled, [compound])


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    if "compound" not in study.images or study.images["compound"].isna().all():
        empty("bars", NO_COMPOUNDS, ":material/medication:")
        return
    if none_passes(study):
        return
    labels = _labels(filters.key(study), study)
    if not labels:
        st.info(
            "No filtered image has both a label and a compound. Remove a filter in the sidebar.",
            icon=":material/filter_alt_off:",
        )
        return
    view, look = choose(study, labels)
    if look == HISTOGRAMS:
        explain(view)
        explain_sets(view)
    {HISTOGRAMS: histograms, COLUMNS: side_by_side, DOSES: doses}[look](view)


def filtered(study: Study, method: str) -> pd.DataFrame:
    """The study's original images that pass the filters; Out of distribution shows the others."""
    table = filters.passing_rows(study, studies.table(study, method))
    original = original_images(table)
    return table if original.all() else table[original]


def choose(study: Study, labels: dict[str, int]) -> tuple[View, str]:
    """The menus: label, network, highlighted class, kind of view."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        choices.fit("mechanism", list(labels), next(iter(labels)))
        label = st.selectbox(
            "Mechanism (label)",
            list(labels),
            key="mechanism",
            bind="query-params",
            width=270,
            help="Labels that at least one compound has.",
            on_change=lambda: st.session_state.update({NEW_LABEL: True}),
        )
        methods = compared_methods(study)
        method = choices.pick_network(methods)
        table = filtered(study, method)
        labelled, compounds = _labelled(filters.key(study), method, label, study)
        called = mechanisms.calls(labelled)
        wrong = [name for name in called if name != label]
        usual = wrong[0] if wrong else label
        if st.session_state.pop(NEW_LABEL, False):
            names = list(compounds["compound"])
            # Set, not deleted: the address would bring a deleted value back.
            st.session_state.update(
                highlight=usual,
                dosed=names[0],
                shown=names[:MOST_COMPOUNDS],
                columns=names[:MOST_COLUMNS],
            )
        choices.fit("highlight", list(called), usual)
        highlight = st.selectbox(
            "Highlight predictions of",
            list(called),
            key="highlight",
            bind="query-params",
            width=270,
            index=list(called).index(usual) if usual in called else 0,
            help="Predictions of images with this label, the most frequent first. The most frequent "
            "wrong one is chosen at first.",
        )
        choices.fit("compound_view", LOOKS, HISTOGRAMS)
        look = st.segmented_control(
            "View",
            LOOKS,
            default=HISTOGRAMS,
            key="compound_view",
            required=True,
            bind="query-params",
            width="content",
        )
    cut = scores.cutoff_of(study, method, table)
    low, high = scores.score_range(study, cut.score)[:2]
    view = View(
        study,
        method,
        label,
        highlight,
        table,
        labelled,
        compounds,
        Bins(cut.score, low, high, BINS),
        cut.value,
    )
    return view, look


def explain(view: View) -> None:
    """The meaning of the colours; a line where the study has no pictures."""
    called = mechanisms.calls(view.labelled)
    named = {"Plain grey" if view.highlight != view.label else "Blue": view.label}
    if view.highlight != view.label:
        named["Orange"] = view.highlight
    text = "".join(
        f"{colour}: predicted as {'the label, ' if name == view.label else ''}"
        f"{plain(short(name))} ({count(called.get(name, 0), 'image')}). "
        for colour, name in named.items()
    )
    if rest := sum(called.values()) - sum(called.get(name, 0) for name in named.values()):
        text += f"Hatched: any other prediction ({rest:,})."
    if not any(view.study.has_thumbnail(int(i)) for i in view.table.index[:50]):
        text += " This study has no pictures, so each tile shows text."
    st.caption(text)


def explain_sets(view: View) -> None:
    """How large the sets of classes are, and how often they hold the label."""
    counted = scored_rows(view.table) & (view.table["label"] == view.label).to_numpy(dtype=bool)
    sets = possible.of_study(view.study, view.method)
    rows = view.table.index.to_numpy()[counted]
    if not sets.enough or not len(rows):
        return
    size = sets.size[rows]
    holds = sets.member[rows, view.study.classes.index(view.label)].mean()
    called = np.array(view.study.classes, dtype=object)[sets.member[rows].sum(axis=0) > 0]
    text = (
        f"**Sets of classes** that hold the label with {percent(sets.level, 0)}: {size.mean():.1f} "
        f"classes on average, {percent((size == 1).mean(), 0)} of the images have one class only. "
        f"{percent(holds, 0)} of the sets hold {plain(view.label)}."
    )
    others = [plain(name) for name in called if name != view.label]
    if others:
        text += f" Other classes in them: {listed(others)}."
    if not sets.by_class[view.study.classes.index(view.label)]:
        text += (
            " It has too few compounds of its own, so the chance is one on average over classes."
        )
    st.caption(text)


def heading(view: View, compound: str) -> str:
    """A compound with its counts, in Markdown."""
    line = view.compounds.set_index("compound").loc[compound]
    if not line["n"]:
        return f"**{plain(compound)}**: {count(line['images'], 'image')}, not counted"
    text = (
        f"**{plain(compound)}**: n = {line['n']:,}, {percent(line['accuracy'], 1)} right "
        f"({line['right']:,})"
    )
    if line["called"]:
        each = " each" * (len(line["called"]) > 1)
        text += f"; {line['called_n']:,}{each} predicted as {plain(listed(list(map(short, line['called']))))}"
    return text


def pick_compounds(view: View, most: int, key: str, further: list[str] = ()) -> list[str]:
    """Compounds to show: all of the label up to `most`, the most wrong ones at first."""
    names = [*view.compounds["compound"], *further]
    if len(names) <= most and not further:
        return names
    worst = list(view.compounds["compound"][:most])
    choices.fit(key, names, worst)
    return st.multiselect(
        f"Compounds (at most {most})",
        names,
        max_selections=most,
        key=key,
        default=worst,
        bind="query-params",
    )


@frame.fragment
def histograms(view: View) -> None:
    """One histogram per compound, its images beside it."""
    shown = pick_compounds(view, MOST_COMPOUNDS, "shown")
    bar = Bar.read(st.query_params.get(BAR, ""))
    flagged = flagging.flagged_rows(view.study)
    counts = {name: mechanisms.score_counts(view.rows(name), view.bins) for name in shown}
    highest = max(
        (int(c.groupby("bin")["n"].sum().max()) for c in counts.values() if len(c)), default=1
    )
    for compound in shown:
        with st.container(border=True, gap="small"):
            st.markdown(heading(view, compound))
            left, right = st.columns([1.1, 1], gap="medium")
            key = f"mechanism_{compound}"
            with left:
                marks.clickable_chart(
                    _histogram(
                        filters.key(view.study),
                        view.method,
                        view.label,
                        view.highlight,
                        view.bins,
                        view.cut,
                        compound,
                        highest,
                        view,
                    ),
                    key,
                    BAR,
                    lambda data: json.dumps([view.bins.score, view.label, *data]),
                    config=chart_config(f"{view.study.name}-{compound}"),
                    alt=f"Images of {compound} by {SCORES[view.bins.score].title} and predicted "
                    "class",
                )
            with right:
                rows = mechanisms.surest_first(view.rows(compound), view.bins.score)
                wall(view, rows, f"{key}_wall", 250, flagged)
            if bar is not None and bar[:3] == (view.bins.score, view.label, compound):
                of_bar(view, bar)
    st.caption(
        "Surest first. ✕ marks a wrong prediction. Click a part of a bar to see its images, or "
        "an image to open it."
    )


def of_bar(view: View, bar: Bar) -> None:
    """The images of a clicked bar."""
    rows = mechanisms.in_bar(view.rows(bar.compound), view.bins, bar.bin_index, bar.predicted)
    of_bins = scores.between(bar.score, *view.bins.edges(bar.bin_index), bar.bin_index == BINS - 1)
    marks.close_button(BAR)
    panels.selection_panel(
        view.study,
        rows,
        "mechanism_bar",
        f"{bar.compound}, labelled {view.label}, predicted {bar.predicted}, {of_bins}",
        method=view.method,
    )


def wall(view: View, rows: np.ndarray, key: str, height: int, flagged: list[int]) -> None:
    """A wall whose images open on One image, previous and next walking through the wall."""
    leading_wall(
        rows, key=key, method=view.method, height=height, caption=view.bins.score, flagged=flagged
    )


@frame.fragment
def side_by_side(view: View) -> None:
    """Figure 5B: a column of images per compound, and compounds of other labels to compare."""
    others = sorted(
        {str(c) for c in view.table["compound"].dropna()}
        - set(view.compounds["compound"].astype(str))
    )
    if (view.table["role"] == "control").any():
        others.insert(0, CONTROLS)
    shown = pick_compounds(view, MOST_COLUMNS, "columns", others)
    if not shown:
        return
    flagged = flagging.flagged_rows(view.study)
    label_compounds = set(view.compounds["compound"])
    treated = mechanisms.compound_rows(
        view.table, [c for c in shown if c in label_compounds], view.label
    )
    for column, name in zip(st.columns(len(shown), gap="small"), shown, strict=True):
        with column:
            if name in label_compounds:
                part, text = view.rows(name), heading(view, name)
            elif name == CONTROLS:
                part = view.table[controls_beside(view.table, treated)]
                text = f"**{CONTROLS}**: n = {len(part):,}"
            else:
                part = mechanisms.compound_rows(view.table, [name])
                labels = ", ".join(map(str, part["label"].dropna().unique())) or "no label"
                text = f"**{plain(name)}** ({plain(labels)}): n = {len(part):,}"
            st.markdown(text)
            rows = mechanisms.surest_first(part, view.bins.score)
            wall(view, rows, f"column_{name}", 620, flagged)
    st.caption(
        f"Surest first by {SCORES[view.bins.score].name.lower()}, down each column. Click "
        "an image to open it."
    )


@frame.fragment
def doses(view: View) -> None:
    """One row of images per dose of a compound, below the untreated images of its plates."""
    names = list(view.compounds["compound"])
    choices.fit("dosed", names, names[0])
    compound = st.selectbox("Compound", names, key="dosed", width=270, bind="query-params")
    flagged = flagging.flagged_rows(view.study)
    treated = mechanisms.compound_rows(view.table, [compound])
    control = view.table[controls_beside(view.table, treated)]
    if len(control):
        known = "plate" in treated and treated["plate"].notna().any()
        st.markdown(
            f"**Untreated{', same plates' if known else ''}**: "
            f"{count(len(control), 'image')}, {_called(mechanisms.calls(control))}"
        )
        wall(view, mechanisms.surest_first(control, view.bins.score), "dose_control", 245, flagged)
    else:
        st.caption("No filtered image is an untreated control (role “control”).")
    dose_groups = mechanisms.doses_of_compound(view.table, compound)
    for index, dose in enumerate(dose_groups):
        name = "dose unknown" if np.isnan(dose.concentration) else f"{dose.concentration:g} µM"
        right = (
            f"n = {dose.scored:,}, {percent(dose.right / dose.scored, 1)} right"
            if dose.scored
            else f"{count(len(dose.rows), 'image')} without a label that counts"
        )
        st.markdown(f"**{plain(compound)}, {name}**: {right}; {_called(dose.calls)}")
        wall(
            view,
            mechanisms.surest_first(view.table.loc[dose.rows], view.bins.score),
            f"dose_{compound}_{index}",
            245,
            flagged,
        )
    if len(dose_groups) == 1:
        st.caption("The filtered images have no other dose of this compound.")


def _called(calls: dict[str, int]) -> str:
    parts = [f"{n:,} {plain(name)}" for name, n in list(calls.items())[:3]]
    rest = sum(list(calls.values())[3:])
    return f"predicted {', '.join(parts)}" + (f", {rest:,} others" if rest else "")


@st.cache_resource(max_entries=24, show_spinner=False)
def _labels(key: str, _study: Study) -> dict[str, int]:
    return mechanisms.labelled_compounds(filtered(_study, _study.reading_method))


@st.cache_resource(max_entries=24, show_spinner=False)
def _labelled(key: str, method: str, label: str, _study: Study) -> tuple:
    """The filtered rows with a label, and the table of their compounds."""
    table = filtered(_study, method).loc[lambda rows: (rows["label"] == label).fillna(False)]
    return table, mechanisms.compounds_of_label(table, label)


@st.cache_resource(max_entries=64, show_spinner=False)
def _histogram(
    key: str,
    method: str,
    label: str,
    highlight: str | None,
    bins: Bins,
    cut: float,
    compound: str,
    highest: int,
    _view: View,
) -> go.Figure:
    counts = mechanisms.score_counts(_view.rows(compound), bins)
    return figures.score_histogram(counts, bins, compound, label, highlight, cut, highest)


page()
