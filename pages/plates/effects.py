"""Effects of the position on a plate: means by row and column, edge against inside, their fields."""

import json

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.scores import DEFAULT_SCORE, UNLIKENESS
from bnn_core.base.wording import count
from bnn_core.figures import plates as figures
from bnn_core.figures.style import chart_config
from bnn_core.study.folder import Study
from bnn_core.tables import plate_map
from bnn_core.tables.wells import row_name
from pages.shared import filters, gestures, marks, panels, studies
from pages.shared.words import plain

#: Parameter of the address for the click: [plate, well], or ["row", 2].
SPOT = "spot"
LINES = ("row", "column")

NUMBERS = {
    DEFAULT_SCORE: "mean signed confidence",
    "agreement": "agreement with the label",
    UNLIKENESS: "unlikeness to training",
    "distance": "distance from training",
    "n_images": "number of fields",
}


def colour_title(by: str) -> str:
    """The title of a column in words."""
    if by.startswith("quality_"):
        name = by.removeprefix("quality_")
        return (
            f"quality: {name.removesuffix('_z')}, robust z"
            if name.endswith("_z")
            else f"quality: {name}"
        )
    return NUMBERS.get(by, by)


def spot() -> list:
    """[plate, well] or [one of LINES, number] from the address; empty for any other text."""
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
    """The filtered fields of the wells."""
    columns = ["plate", "well", "role", *(c for c in ("batch", "source") if c in study.images)]
    table = filters.passing_rows(study, studies.table(study, method)[columns])
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
    st.header("Does the position on the plate matter?", anchor=False)
    controls = wells[wells["role"] == "control"] if "role" in wells else wells[:0]
    several_controls = len(controls) > 3
    st.markdown(edge_sentence(study, wells, by, shape))
    if several_controls:
        sentence = edge_sentence(study, controls, by, shape)
        st.markdown(f"Untreated controls only, which have the same treatment. {sentence}")
    untreated = several_controls and st.toggle(
        "Untreated controls only",
        key="plate_controls",
        bind="query-params",
        help="All controls have the same treatment, so they differ by position only.",
    )
    if untreated:
        wells = controls
    values, axis = wells[by].to_numpy(dtype=np.float64), colour_title(by)
    several = wells["plate"].nunique() > 1
    if several:
        values, axis = plate_map.within_plates(wells, values), f"{axis}<br>minus the plate's mean"
    left, right = st.columns(2, gap="medium")
    for column, along in zip((left, right), LINES, strict=True):
        means = plate_map.line_effects(wells, values, along)
        with column:
            marks.clickable_chart(
                figures.line_means(means, along, axis),
                f"means_{along}_{by}",
                SPOT,
                lambda data, along=along: json.dumps([along, int(gestures.scalar(data))]),
                config=chart_config(f"{study.name}-{by}-by-{along}"),
                alt=f"{colour_title(by)} by {along}",
            )
    st.caption(
        "Means over wells with 95 % intervals over wells. Click a mean to see its fields"
        + (
            ". 0 is the mean of the well's plate, which removes differences between plates"
            if several
            else ""
        )
        + ". Compounds are rarely placed at random, so a difference may come from the compounds. "
        "Untreated controls separate the two."
    )
    along, line = spot() or (None, None)
    # The wells behind the means: those with a value.
    if along in LINES and (line_wells := wells[(wells[along] == line) & ~np.isnan(values)]).size:
        name = row_name(line) if along == "row" else line
        where = "all plates" if several else f"plate {line_wells['plate'].iat[0]}"
        fields_of(
            study,
            method,
            line_wells,
            f"{along.capitalize()} {name} of {where}"
            + (", untreated controls" if untreated else ""),
            source,
        )


def edge_sentence(study: Study, wells: pd.DataFrame, by: str, shape: tuple[int, int]) -> str:
    """The difference between edge and inner wells in words, with its 95 % interval."""
    values = wells[by].to_numpy(dtype=np.float64)
    known = values[~np.isnan(values)]
    if len(known) > 1 and np.ptp(known) < 1e-9:
        return (
            f"All {len(known):,} wells have the same value: {plain(colour_title(by))} {known[0]:g}."
        )
    if wells["plate"].nunique() > 1:
        values = plate_map.within_plates(wells, values)
    ring = plate_map.edge_ring(wells, shape, study.images["well"].unique())
    difference = plate_map.edge_effect(values, ring.edge)
    where = (
        "on the plate's edge"
        if ring.outermost
        else "on the outermost rows and columns in use (no well is on the plate's edge)"
    )
    if difference is None:
        return f"Too few wells {where} or inside to compare them."
    # Rounded as displayed: smaller differences are rounding errors. + 0.0 turns -0 into 0.
    value, low, high = (round(number, 3) + 0.0 for number in difference[:3])
    remark = "" if low <= 0 <= high else " The interval excludes 0."
    if plate_map.position_is_treatment(wells, ring.edge):
        remark = (
            " **No treatment is both on the edge and inside, so position and treatment cannot be "
            "separated.**"
        )
    return (
        f"**Edge − inside: {value:+.3f}** [{low:+.3f}, {high:+.3f}] in {plain(colour_title(by))}: "
        f"{count(int(ring.edge.sum()), 'well')} {where} against {int((~ring.edge).sum()):,} others."
        f"{remark}"
    )
