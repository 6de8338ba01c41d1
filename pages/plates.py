"""Plates: the map of wells by label, prediction, confidence, agreement, image quality; effects."""

import json
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.scores import DEFAULT, SCORES
from bnn_core.base.wording import count
from bnn_core.figures import plates as figures
from bnn_core.figures.samples import CLASS_COLOURS
from bnn_core.figures.style import BAYESIAN, RIGHT, UNKNOWN, chart_config
from bnn_core.study.folder import Study
from bnn_core.tables import plate_map
from bnn_core.tables.wells import FORMATS, place_of, plate_format, row_name
from pages.shared import choices, frame, gestures, marks, panels, plate_sets
from pages.shared.judged import compared_methods, none_passes
from pages.shared.words import plain

#: The address keeps what was clicked: [plate, well], or ["row", 2].
SPOT = "spot"
LINES = ("row", "column")
ALL_PLATES = "all plates"
#: At most this many plates, and places for wells, stand side by side at once.
MOST_PLATES, MOST_PLACES = 60, 6144
NONE, CONTROL, OTHERS = "no or several labels", "untreated control", "other classes"
LABEL, PREDICTION = "label", "prediction"
NUMBERS = {
    DEFAULT: "mean signed confidence",
    "agreement": "agreement with the label",
    "distance": "distance from training",
    "n_images": "number of fields",
}
MEANINGS = {
    LABEL: "the label that all fields of a well share",
    PREDICTION: "the class of the largest mean softmax over a well's fields; a cross: not its "
    "label",
    DEFAULT: "the mean over a well's fields",
    "agreement": "the share of a well's labelled fields that are predicted as their label",
    "distance": "the mean over a well's fields; far is spoilt, or like nothing that was learned",
    "n_images": "fields of the well among the filtered images",
}
NO_PLATES = """This study does not say {lacks} an image lies, so there is no map to draw.
Columns `plate` and `well` in the table of images give it (`Metadata_Plate`, `Image_Metadata_Well`
and the like are understood too), with wells named like B02: `bnn study plate fields.csv` or
`bnn import predictions.csv --metadata images.csv`."""


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    lacks = [
        words
        for name, words in (("plate", "on which plate"), ("well", "in which well"))
        if name not in study.images or study.images[name].isna().all()
    ]
    if lacks:
        st.info(NO_PLATES.format(lacks=" and ".join(lacks)), icon=":material/grid_on:")
        return
    if none_passes():
        return
    with st.container(horizontal=True, gap="medium"):
        method = pick_method(study)
        source = plate_sets.pick_set(study)
    wells = wells_of(frame.filter_key(), method, source, study)
    if not len(wells):
        st.info(
            "None of the filtered images has a plate and a well that can be read (like B02).",
            icon=":material/filter_alt_off:",
        )
        return
    say_left_out(frame.table(study, method).iloc[frame.filtered_rows()], source)
    explore(study, method, wells, plate_format(study.images["well"].unique()), source)


def pick_method(study: Study) -> str:
    """The network whose predictions are shown."""
    methods = compared_methods(study)
    if len(methods) == 1:
        return methods[0]
    choices.fit("network", methods, methods[0])
    return st.segmented_control(
        "Network",
        methods,
        default=methods[0],
        key="network",
        required=True,
        bind="query-params",
        format_func=lambda key: method_of(key).short,
        label_visibility="collapsed",
    )


def say_left_out(table: pd.DataFrame, source: str | None) -> None:
    """How many of the filtered images no map shows, and why."""
    own = plate_map.images_of(table, source)
    left_out = plate_map.unplaced(table[own], source)
    said = []
    if len(left_out):
        unread = [
            well
            for well in left_out["well"].dropna().astype(str).unique()
            if place_of(well) is None
        ]
        names = f" ({', '.join(map(plain, unread[:3]))}{', …' if len(unread) > 3 else ''})"
        said.append(
            f"On no map: {len(left_out):,} of the filtered images, of which plate or well "
            "is not known, or the well is none of A01 to AF48"
            f"{names if unread else ''}."
        )
    if not own.all() and source is None:
        said.append(f"Not on this map: {count(int((~own).sum()), 'image')} added later.")
    if said:
        st.caption(" ".join(said))


@st.cache_resource(max_entries=24, show_spinner="Putting wells together")
def wells_of(key: str, method: str, source: str | None, _study: Study) -> pd.DataFrame:
    """The wells of the filtered rows."""
    table = frame.table(_study, method).iloc[frame.filtered_rows()]
    return plate_map.well_table(table, _study.classes, source)


@frame.fragment
def explore(
    study: Study, method: str, wells: pd.DataFrame, wells_count: int, source: str | None
) -> None:
    """The map, a clicked well's fields, the effects of place."""
    names = list(dict.fromkeys(wells["plate"]))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        numbers = [n for n in NUMBERS if n in wells and wells[n].notna().any()]
        options = [LABEL, PREDICTION, *numbers, *plate_map.quality_measures(wells)]
        choices.fit("plate_colour", options, options[2])
        by = st.selectbox(
            "Colour by",
            options,
            key="plate_colour",
            index=2,
            width=270,
            format_func=said,
            bind="query-params",
        )
        plates = names if len(names) == 1 else [ALL_PLATES, *names]
        choices.fit("map", plates, plates[0])
        plate = st.selectbox(
            f"Plate ({len(names)})", plates, key="map", width=220, bind="query-params"
        )
        highlight = None
        if by in (LABEL, PREDICTION) and len(study.classes) > len(CLASS_COLOURS):
            choices.fit("plate_highlight", study.classes, study.classes[0])
            highlight = st.selectbox("Highlight", study.classes, key="plate_highlight", width=220)
        # Of another study's plates the format is inferred anew, so the key names what was inferred.
        size = st.selectbox(
            "Format",
            formats := list(FORMATS),
            width=150,
            key=f"plate_format_{wells_count}",
            index=formats.index(wells_count),
            format_func=lambda n: f"{n:,} wells",
            help="Inferred: the smallest plate that holds all wells of the study.",
        )
    if size < wells_count:
        st.warning(
            f"The study has wells that a plate of {size:,} has not; {wells_count:,} are drawn."
        )
        size = wells_count
    shape = FORMATS[size]
    of_plate = wells if plate == ALL_PLATES else wells[wells["plate"] == plate]
    most = min(MOST_PLATES, MOST_PLACES // size)
    some = of_plate["plate"].isin(names[:most]) if plate == ALL_PLATES else slice(None)
    drawn = of_plate[some].reset_index(drop=True)
    places = drawn[["plate", "well"]].to_numpy().tolist()
    marks.clickable_chart(
        _map(frame.filter_key(), method, plate, by, highlight, size, drawn, wells, study),
        f"plate_{plate}_{by}",
        SPOT,
        lambda data: json.dumps(places[int(gestures.scalar(data))]),
        width="content",
        config=chart_config(f"{study.name}-{plate}-{by}"),
        alt=f"Wells of {plate} by {said(by)}",
    )
    more = len(names) - most if plate == ALL_PLATES else 0
    further = f" In the list: {count(more, 'more plate')}." if more > 0 else ""
    meaning = MEANINGS.get(by, "the mean over a well's fields, measured when images are read")
    st.caption(
        f"{count(len(drawn), 'well')}. {said(by).capitalize()}: {meaning}. Click a "
        f"well for its fields.{further}"
    )
    place = spot()
    if place and isinstance(place[1], str):
        fields_of(
            study,
            method,
            pd.DataFrame([place], columns=["plate", "well"]),
            f"Plate {place[0]}, well {place[1]}",
            source,
        )
    if by not in (LABEL, PREDICTION):
        effects(study, method, of_plate, by, shape, source)


def said(by: str) -> str:
    """What a column shows, in words."""
    if by.startswith("quality_"):
        name = by.removeprefix("quality_")
        return (
            f"quality: {name.removesuffix('_z')}, robust z"
            if name.endswith("_z")
            else f"quality: {name}"
        )
    return NUMBERS.get(by, by)


def spot() -> list:
    """[plate, well] or [one of LINES, number] from the address; empty where it says neither."""
    try:
        first, second = json.loads(st.query_params.get(SPOT, ""))
    except (ValueError, TypeError, RecursionError):
        return []
    known = isinstance(first, str) and (
        isinstance(second, str) or (first in LINES and type(second) is int)
    )
    return [first, second] if known else []


def fields_of(
    study: Study, method: str, wells: pd.DataFrame, title: str, source: str | None
) -> None:
    """The filtered fields of some wells."""
    columns = ["plate", "well", "role", *(c for c in ("batch", "source") if c in study.images)]
    table = frame.table(study, method)[columns].iloc[frame.filtered_rows()]
    rows = plate_map.rows_of_wells(table, wells, source)
    if not len(rows):
        return
    marks.close_button(SPOT)
    panels.selection_panel(study, rows, "well", title, method=method)


def effects(
    study: Study,
    method: str,
    wells: pd.DataFrame,
    by: str,
    shape: tuple[int, int],
    source: str | None,
) -> None:
    """Means by row and by column, and edge wells against the others; a clicked mean's fields."""
    st.subheader("Does the place on the plate matter?", anchor=False)
    control = "role" in wells and (wells["role"] == "control").sum() > 3
    untreated = control and st.toggle(
        "Untreated controls only",
        key="plate_controls",
        bind="query-params",
        help="All are treated alike, so what differs between them is their place.",
    )
    if untreated:
        wells = wells[wells["role"] == "control"]
    values = wells[by].to_numpy(dtype=np.float64)
    known, axis = values[~np.isnan(values)], said(by)
    several = wells["plate"].nunique() > 1
    if several:
        values, axis = plate_map.within_plates(wells, values), f"{axis}<br>less the plate's mean"
    ring = plate_map.edge_ring(wells, shape, study.images["well"].unique())
    found = plate_map.edge_effect(values, ring.edge)
    where = (
        "on the plate's edge"
        if ring.outermost
        else "on the outermost rows and columns in use (none lies on the plate's own edge)"
    )
    if len(known) > 1 and np.ptp(known) < 1e-9:
        st.markdown(
            f"All {len(known):,} wells are alike: {plain(said(by))} {known[0]:g}. There is "
            "no difference to look for."
        )
    elif found is None:
        st.markdown(f"Too few wells {where} or inside to compare them.")
    else:
        # As they are shown: beyond that differences are of the arithmetic. 0 turns -0 into 0.
        value, low, high = (round(number, 3) + 0.0 for number in found)
        clear = "" if low <= 0 <= high else " The interval leaves out 0."
        if plate_map.place_is_treatment(wells, ring.edge):
            clear = (
                " **But no treatment lies both on the edge and inside: this cannot be told "
                "from what lies there.**"
            )
        st.markdown(
            f"**Edge − inside: {value:+.3f}** [{low:+.3f}, {high:+.3f}] in "
            f"{plain(said(by))}: {count(int(ring.edge.sum()), 'well')} {where} against "
            f"{int((~ring.edge).sum()):,} others.{clear}"
        )
    left, right = st.columns(2, gap="medium")
    for place, along in zip((left, right), LINES, strict=True):
        means = plate_map.line_effects(wells, values, along)
        with place:
            marks.clickable_chart(
                figures.line_means(means, along, axis),
                f"means_{along}_{by}",
                SPOT,
                lambda data, along=along: json.dumps([along, int(gestures.scalar(data))]),
                config=chart_config(f"{study.name}-{by}-by-{along}"),
                alt=f"{said(by)} by {along}",
            )
    st.caption(
        "Means over wells with 95 % intervals from resampling wells; click one for its fields"
        + (
            "; 0 is the mean of the well's own plate, so that plates no longer differ"
            if several
            else ""
        )
        + ". Compounds are rarely spread at random over a plate: a difference may be that of what "
        "lies there. Untreated controls, where there are some, tell the two apart."
    )
    along, line = spot() or (None, None)
    # Of the wells that the means are of: those with a value.
    if along in LINES and (here := wells[(wells[along] == line) & ~np.isnan(values)]).size:
        name = row_name(line) if along == "row" else line
        where = "all plates" if several else f"plate {here['plate'].iat[0]}"
        fields_of(
            study,
            method,
            here,
            f"{along.capitalize()} {name} of {where}"
            + (", untreated controls" if untreated else ""),
            source,
        )


def paint(
    wells: pd.DataFrame,
    by: str,
    everywhere: pd.DataFrame,
    highlight: str | None,
    classes: list[str],
) -> figures.Colours:
    """Values and colours of wells; the ends of a scale are those of all plates."""
    if by not in (LABEL, PREDICTION):
        values = everywhere[by].dropna()
        ends = (
            (SCORES[DEFAULT].lowest(len(classes)) if by == DEFAULT else 0.0, 1.0)
            if by in (DEFAULT, "agreement")
            else (float(values.quantile(0.01)), float(values.quantile(0.99)))
        )
        if by == "n_images":
            ends = (0.0, float(values.max()))
        return figures.Colours(said(by), wells[by], ends=ends)
    names = wells["predicted" if by == PREDICTION else "label"].astype(object)
    colours = dict(zip(classes, CLASS_COLOURS, strict=False))
    if highlight is not None:
        names = names.where(names.isna() | (names == highlight), OTHERS)
        colours = {highlight: BAYESIAN, OTHERS: RIGHT}
    if by == LABEL and "role" in wells:
        names = names.mask(names.isna() & (wells["role"] == "control"), CONTROL)
    return figures.Colours(
        by,
        names.where(names.notna(), NONE),
        classes={**colours, CONTROL: UNKNOWN, NONE: "rgba(128,138,145,0.25)"}
        if by == LABEL
        else colours,
        hollow=(CONTROL,),
    )


def texts_of(wells: pd.DataFrame) -> list[str]:
    """What a well says under the mouse."""
    found = []
    for well in wells.to_dict("records"):
        fields = count(well["n_images"], "field")
        lines = [f"<b>{escape(str(well['plate']))} {well['well']}</b>, {fields}"]
        if pd.notna(well.get("compound")):
            dose = well.get("concentration")
            lines.append(
                f"{escape(str(well['compound']))}{f' {dose:g} µM' if pd.notna(dose) else ''}"
            )
        label = well["label"] or ("several labels" if well["labels"] > 1 else "no label")
        lines.append(f"{escape(label)} → {escape(well['predicted'])}")
        lines.append(
            f"mean ±c {well[DEFAULT]:.2f}"
            + (
                ""
                if np.isnan(well["agreement"])
                else f", agreement {100 * well['agreement']:.0f} %"
            )
        )
        found.append("<br>".join(lines))
    return found


@st.cache_resource(max_entries=32, show_spinner="Drawing")
def _map(
    key: str,
    method: str,
    plate: str,
    by: str,
    highlight: str | None,
    size: int,
    _drawn: pd.DataFrame,
    _wells: pd.DataFrame,
    _study: Study,
) -> go.Figure:
    wrong = (_drawn["correct"] == False).fillna(False).to_numpy(dtype=bool)  # noqa: E712
    return figures.plate_map(
        _drawn,
        paint(_drawn, by, _wells, highlight, _study.classes),
        FORMATS[size],
        texts_of(_drawn),
        marked=wrong if by == PREDICTION else None,
    )


page()
