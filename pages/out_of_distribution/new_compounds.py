"""The compounds of added plates: those like a known mechanism, and those like no known one."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.wording import count, percent
from bnn_core.measures import new_compounds as engine
from pages.out_of_distribution.views import OodView
from pages.shared import choices, filters, frame, panels, scores
from pages.shared.words import plain

#: Most compounds in a table.
MOST = 12
#: Columns: title, format of its values. A cell is Markdown.
COLUMNS = {
    "unit": ("Compound", plain),
    "predicted": ("Predicted as", plain),
    "probability": ("p", "{:.2f}"),
    "unlike": ("Unlike", "{:.0%}"),
    "agreement": ("Agree", "{:.0%}"),
    "n_images": ("Images", "{:,}"),
}


@frame.fragment
def draw_new_compounds(view: OodView) -> None:
    """The compounds of one added set, ranked in two ways; the images of the chosen one."""
    sets = engine.plate_sets(view.table)
    if not sets:
        st.info(
            f"No {filters.matching(view.study)} is from an added plate.{filters.remedy()}",
            icon=":material/filter_alt_off:",
        )
        return
    names = list(sets)
    name = names[0]
    if len(names) > 1:
        choices.restrict("new_set", names, names[0])
        name = st.selectbox("Set", names, key="new_set", width=270, bind="query-params")
    units = ranked(view.key, view.method, name, view)
    near, far = engine.like_known(units), engine.like_none(units)
    plates = view.table.loc[view.table["source"] == name, "plate"].nunique()
    st.markdown(
        f"**{plain(name)}**: {count(sets[name], 'image')} on {count(plates, 'plate')}, "
        f"{count(len(units), 'compound')}. They do not count for accuracy."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Confidently like a known mechanism**")
        table(near)
        st.caption(
            "The surest first. Compounds more unlike the training images than "
            f"{percent(engine.UNLIKE)} of the study's original images are not listed; of known "
            f"compounds {percent(1 - engine.UNLIKE)} would be missed."
        )
    with right:
        st.markdown("**Like no known mechanism**")
        table(far)
        st.caption(
            "The most unlike the training images first: a mechanism that the study does not have, "
            "an artefact, or cells absent from training."
        )
    st.caption(
        "p: mean softmax of the compound's images for that mechanism. Unlike: share of the study's "
        "original images that are more like the training images; each was predicted by a network that "
        f"had not seen its compound. Agree: share of its images with this prediction. {scores.MORE}"
    )
    options = list(dict.fromkeys([*near["unit"], *far["unit"]]))
    if not options:
        return
    choices.restrict("new_compound", options, options[0])
    unit = st.selectbox(
        f"Images of ({len(options)})", options, key="new_compound", width=270, bind="query-params"
    )
    rows = rows_of(view.table, name, unit, units)
    line = units[units["unit"] == unit].iloc[0]
    panels.selection_panel(
        view.study,
        rows,
        "new_compound_images",
        f"{unit}, predicted as {line['predicted']}",
        method=view.method,
    )


@st.cache_resource(max_entries=8, show_spinner="Ranking the compounds")
def ranked(key: str, method: str, name: str, _view: OodView) -> pd.DataFrame:
    """`new_compounds` of the filtered rows, with a column `unit` for the reader."""
    units = engine.new_compounds(_view.table, name, _view.study.classes)
    by_compound = "compound" in units
    unit = units["compound"] if by_compound else units["plate"] + " / " + units["well"]
    return units.assign(unit=unit.astype(str))


def table(units: pd.DataFrame) -> None:
    """The first compounds of a ranking."""
    titles = {c: title for c, (title, _) in COLUMNS.items() if units[c].notna().any()}
    formats = {titles[c]: COLUMNS[c][1] for c in titles}
    shown = units[list(titles)].head(MOST).rename(columns=titles)
    st.table(shown.style.format(formats, na_rep=""), hide_index=True)


def rows_of(table: pd.DataFrame, name: str, unit: str, units: pd.DataFrame) -> np.ndarray:
    """The images of one compound (or well) of a set."""
    line = units[units["unit"] == unit].iloc[0]
    keys = ["compound"] if "compound" in units else ["plate", "well"]
    in_unit = (table["source"] == name) & (table[keys] == line[keys]).all(axis=1)
    return table.index[in_unit.to_numpy()].to_numpy()
