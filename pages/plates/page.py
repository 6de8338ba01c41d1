"""Plates: the map of wells by label, prediction, confidence, agreement, image quality; effects."""

import json
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.scores import DEFAULT_SCORE, SCORES, UNLIKENESS
from bnn_core.base.wording import count, percent
from bnn_core.figures import plates as figures
from bnn_core.figures.style import BAYESIAN, CLASS_COLOURS, RIGHT, UNKNOWN, chart_config
from bnn_core.recipes import kept
from bnn_core.study.folder import Study
from bnn_core.tables import plate_map
from bnn_core.tables.wells import PLATE_FORMATS, plate_format, well_position
from pages.plates.effects import NUMBERS, SPOT, colour_title, effects, fields_of, spot
from pages.shared import (
    choices,
    filters,
    frame,
    gestures,
    marks,
    plate_differences,
    plate_sets,
    studies,
)
from pages.shared.empty import empty
from pages.shared.judged import compared_methods, none_passes
from pages.shared.words import plain

ALL_PLATES = "all plates"
#: At most this many plates, and wells, are drawn at once.
MOST_PLATES, MOST_PLACES = 60, 6144
NONE, CONTROL, OTHERS = "no or several labels", "untreated control", "other classes"
LABEL, PREDICTION = "label", "prediction"
MEANINGS = {
    LABEL: "the label of all fields of the well",
    PREDICTION: "the class with the highest mean softmax over the well's fields. A cross marks a "
    "prediction that differs from the label",
    DEFAULT_SCORE: "the mean over the well's fields",
    "agreement": "the share of the well's labelled fields that are predicted as labelled",
    UNLIKENESS: "the mean over the well's fields. At 1 one known field in ten is as unlike the training "
    "images, at 2 one in a hundred",
    "distance": "the mean over the well's fields. A large distance means a damaged image, or one unlike "
    "the training images",
    "n_images": "fields of the well that match the filters",
}
NO_PLATES = """This study does not record {lacks} of its images, so there is no map to draw.
Add columns `plate` and `well` to the table of images (`Metadata_Plate`, `Image_Metadata_Well` and
similar names are also recognised), with wells named like B02: `bnn study plate fields.csv` or
`bnn import predictions.csv --metadata images.csv`."""


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    lacks = [
        words
        for name, words in (("plate", "the plate"), ("well", "the well"))
        if name not in study.images or study.images[name].isna().all()
    ]
    if lacks:
        empty("plate", NO_PLATES.format(lacks=" and ".join(lacks)), ":material/grid_on:")
        return
    if none_passes(study):
        return
    with st.container(horizontal=True, gap="medium"):
        method = pick_method(study)
        source = plate_sets.pick_set(study)
    wells = wells_of(filters.key(study), method, source, study)
    if not len(wells):
        st.info(
            f"No {filters.matching(study)} has a plate and a readable well (like B02).{filters.remedy()}",
            icon=":material/filter_alt_off:",
        )
        return
    if left_out := left_out_of(filters.key(study), source, study):
        st.caption(left_out)
    plate_differences.show(study)
    explore(study, method, wells, plate_format(study.images["well"].unique()), source)


def pick_method(study: Study) -> str:
    """The network whose predictions are shown."""
    return choices.pick_network(compared_methods(study), label_visibility="collapsed")


@st.cache_resource(max_entries=24, show_spinner=False)
def left_out_of(key: str, source: str | None, _study: Study) -> str:
    """Filtered images that are on no map, and the reason; empty where all are."""
    columns = [c for c in ("plate", "well", "role", "source") if c in _study.images]
    table = filters.passing_rows(_study, _study.images[columns])
    original = plate_map.images_of(table, source)
    left_out = plate_map.unplaced(table[original], source)
    lines = []
    if len(left_out):
        unread = [
            well
            for well in left_out["well"].dropna().astype(str).unique()
            if well_position(well) is None
        ]
        names = f" ({', '.join(map(plain, unread[:3]))}{', …' if len(unread) > 3 else ''})"
        lines.append(
            f"Not on the map: {count(len(left_out), filters.matching(_study))} without a plate, or without "
            f"a well from A01 to AF48{names if unread else ''}."
        )
    if not original.all() and source is None:
        lines.append(f"Not on this map: {count(int((~original).sum()), 'image')} added later.")
    return " ".join(lines)


@st.cache_resource(max_entries=24, show_spinner="Averaging over wells")
def wells_of(key: str, method: str, source: str | None, _study: Study) -> pd.DataFrame:
    """The wells of the filtered rows."""

    if source is None and not filters.any_set():
        return kept.wells(_study, method)
    table = filters.passing_rows(_study, studies.table(_study, method))
    return plate_map.well_table(table, _study.classes, source)


@frame.fragment
def explore(
    study: Study, method: str, wells: pd.DataFrame, wells_count: int, source: str | None
) -> None:
    """The map, the fields of a clicked well, and effects of the position."""
    names = list(dict.fromkeys(wells["plate"]))
    by, plate, highlight, size = choose_map(study, wells, names, wells_count)
    of_plate = wells if plate == ALL_PLATES else wells[wells["plate"] == plate]
    most = min(MOST_PLATES, MOST_PLACES // size)
    first_plates = of_plate["plate"].isin(names[:most]) if plate == ALL_PLATES else slice(None)
    drawn = of_plate[first_plates].reset_index(drop=True)
    well_names = drawn[["plate", "well"]].to_numpy().tolist()
    marks.clickable_chart(
        _map(filters.key(study), method, plate, by, highlight, size, drawn, wells, study),
        f"plate_{plate}_{by}",
        SPOT,
        lambda data: json.dumps(well_names[int(gestures.scalar(data))]),
        width="content",
        config=chart_config(f"{study.name}-{plate}-{by}"),
        alt=f"Wells of {plate} by {colour_title(by)}",
    )
    more = len(names) - most if plate == ALL_PLATES else 0
    further = f" {count(more, 'more plate')} can be chosen in the list." if more > 0 else ""
    meaning = MEANINGS.get(by, "the mean over the well's fields, measured when images are read")
    st.caption(
        f"{count(len(drawn), 'well')}. {colour_title(by).capitalize()}: {meaning}. Click a "
        f"well to see its fields.{further}"
    )
    clicked = spot()
    if clicked and isinstance(clicked[1], str):
        fields_of(
            study,
            method,
            pd.DataFrame([clicked], columns=["plate", "well"]),
            f"Plate {clicked[0]}, well {clicked[1]}",
            source,
        )
    if by not in (LABEL, PREDICTION):
        effects(study, method, of_plate, by, PLATE_FORMATS[size], source)


def choose_map(
    study: Study, wells: pd.DataFrame, names: list[str], wells_count: int
) -> tuple[str, str, str | None, int]:
    """The menus above the map: what is coloured, the plate, the class to highlight, the format."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        numbers = [n for n in NUMBERS if n in wells and wells[n].notna().any()]
        options = [LABEL, PREDICTION, *numbers, *plate_map.quality_measures(wells)]
        choices.restrict("plate_colour", options, options[2])
        by = st.selectbox(
            "Colour by",
            options,
            key="plate_colour",
            index=2,
            width=270,
            format_func=colour_title,
            bind="query-params",
        )
        plates = names if len(names) == 1 else [ALL_PLATES, *names]
        choices.restrict("map", plates, plates[0])
        plate = st.selectbox(
            f"Plate ({len(names)})", plates, key="map", width=220, bind="query-params"
        )
        highlight = None
        if by in (LABEL, PREDICTION) and len(study.classes) > len(CLASS_COLOURS):
            choices.restrict("plate_highlight", study.classes, study.classes[0])
            highlight = st.selectbox("Highlight", study.classes, key="plate_highlight", width=220)
        # The key contains the inferred format: another study may have another one.
        size = st.selectbox(
            "Format",
            formats := list(PLATE_FORMATS),
            width=150,
            key=f"plate_format_{wells_count}",
            index=formats.index(wells_count),
            format_func=lambda n: f"{n:,} wells",
            help="Inferred: the smallest plate format that has all wells of the study.",
        )
    if size < wells_count:
        st.warning(
            f"A plate of {size:,} wells lacks some wells of this study. {wells_count:,} wells are drawn."
        )
    return by, plate, highlight, max(size, wells_count)


def paint(
    wells: pd.DataFrame,
    by: str,
    everywhere: pd.DataFrame,
    highlight: str | None,
    classes: list[str],
) -> figures.Colours:
    """Values and colours of wells; all plates share one colour scale."""
    if by not in (LABEL, PREDICTION):
        values = everywhere[by].dropna()
        ends = (
            (SCORES[DEFAULT_SCORE].lowest(len(classes)) if by == DEFAULT_SCORE else 0.0, 1.0)
            if by in (DEFAULT_SCORE, "agreement")
            else (float(values.quantile(0.01)), float(values.quantile(0.99)))
        )
        if by == "n_images":
            ends = (0.0, float(values.max()))
        return figures.Colours(colour_title(by), wells[by], ends=ends)
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
    """The hover text of each well."""
    texts = []
    for well in wells.to_dict("records"):
        fields = count(well["n_images"], "field")
        lines = [f"<b>{escape(str(well['plate']))} {well['well']}</b>, {fields}"]
        if pd.notna(well.get("compound")):
            dose = well.get("concentration")
            lines.append(
                f"{escape(str(well['compound']))}{f' {dose:g} µM' if pd.notna(dose) else ''}"
            )
        none = "several labels" if well["labels"] > 1 else "no label"
        label = well["label"] if pd.notna(well["label"]) else none
        lines.append(f"{escape(label)} → {escape(well['predicted'])}")
        lines.append(
            f"mean signed c {well[DEFAULT_SCORE]:.2f}"
            + ("" if np.isnan(well["agreement"]) else f", agreement {percent(well['agreement'])}")
        )
        texts.append("<br>".join(lines))
    return texts


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
        PLATE_FORMATS[size],
        texts_of(_drawn),
        marked=wrong if by == PREDICTION else None,
    )


page()
