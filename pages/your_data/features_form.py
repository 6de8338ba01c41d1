"""Measured features: check the table, and the button that trains small networks on it."""

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.datasets.anchoring import ANCHORS
from bnn_core.datasets.features import FeatureTable, read_features
from bnn_core.tables.aliases import CANONICAL
from pages.shared.words import as_sentence
from pages.your_data import forms

#: Flag in the engine's messages -> name of its field on this page.
FIELDS = forms.FIELDS | {
    "metadata": "Table of an array's rows",
    "features": "Columns to use",
    "anchor": "Measure each plate from its controls",
    "folds": "Folds",
}
#: Of the options that are read from the table; the others are of the training.
_READ = ("label", "group", "batch", "control", "anchor")


def draw() -> None:
    """The form, what the table says, and the training."""
    st.caption(
        "One row per well, field or cell and one column per feature, such as profiles of "
        "CellProfiler or pycytominer, or embeddings of any model: CSV, Parquet or Excel; or an "
        "array (.npy) and a table of its rows. Networks are small, and a study takes minutes."
    )
    given = table_and_fields(to_learn=True)
    if given is None:
        return
    table, ask = given
    if table is None:
        st.info(
            "Choose a table of features. It is checked here, and you can train on it.",
            icon=":material/table_view:",
        )
        return
    try:
        features = _read(
            str(table),
            forms.file_stamp(table),
            tuple((name, ask[name]) for name in _READ if name in ask),
            tuple(forms.pairs(ask.get("map", "")).items()),
            forms.words(ask.get("features", "")),
            ask.get("metadata"),
            ask.get("images"),
        )
    except InputError as error:
        forms.refuse(forms.say(str(error), FIELDS, table))
        return
    preview(features)
    forms.offer_training("features", table, ask, "The same by command:")
    forms.how_read(features, FIELDS)
    forms.class_table(features.table, "rows")


def table_and_fields(*, to_learn: bool) -> tuple[Path | None, dict[str, str]] | None:
    """The table or array, None while nothing is chosen, and the filled fields: flag -> text.

    None in place of both where what was chosen is refused, with the reason on the page.
    """
    left, right = st.columns(2, gap="medium")
    uploads = left.file_uploader(
        "Upload a table, or an array and the table of its rows",
        key="features_upload",
        type=forms.TABLES,
        accept_multiple_files=True,
    )
    typed = right.text_input(
        "… or its path on this machine", key="features_path", placeholder="/data/profiles.csv"
    ).strip()
    ask = fields(to_learn)
    try:
        if not uploads:
            return (roots.typed_path(typed) if typed else None), ask
        table, rows = forms.uploaded_rows(uploads)
        return table, ({"metadata": str(rows)} if rows else {}) | ask
    except InputError as error:
        st.error(as_sentence(error), icon=":material/error:")
        return None


def fields(to_learn: bool) -> dict[str, str]:
    """The filled fields: flag -> text."""
    left, middle, right = forms.three_columns()
    ask = {
        "label": left.text_input(
            FIELDS["label"], key="features_label", help="Default: label, else moa."
        ),
        "batch": middle.text_input(
            FIELDS["batch"], key="features_batch", help="Rows measured together: day, week, run."
        ),
        "control": forms.ask_control(middle, "features_control", "rows"),
        "map": right.text_input(
            FIELDS["map"],
            key="features_map",
            placeholder="well=Pos, compound=Drug",
            help=f"NAME=COLUMN, separated by commas; NAME is one of {', '.join(CANONICAL)}.",
        ),
        "metadata": left.text_input(
            FIELDS["metadata"],
            key="features_metadata",
            help="For an array (.npy): the table with label and compound of its rows, in its order.",
        ),
    }
    if to_learn:
        ask |= _fields_to_learn(left, middle, right)
    unset = {"anchor": ANCHORS[0], "folds": "6"}
    filled = {flag: value.strip() for flag, value in ask.items() if value and value.strip()}
    return {flag: value for flag, value in filled.items() if value != unset.get(flag)}


def _fields_to_learn(
    left: DeltaGenerator,
    middle: DeltaGenerator,
    right: DeltaGenerator,
) -> dict[str, str]:
    """What only a training asks, in three columns."""
    return {
        "features": left.text_input(
            FIELDS["features"],
            key="features_columns",
            placeholder="Cells_*, Nuclei_*",
            help="Patterns, separated by commas. Default: all columns of numbers except metadata.",
        ),
        "group": middle.text_input(
            FIELDS["group"],
            key="features_group",
            help="Default: the compound. A network that was trained without a group predicts "
            "all rows of the group.",
        ),
        "anchor": middle.selectbox(
            FIELDS["anchor"],
            ANCHORS,
            key="features_anchor",
            help="controls: the median of its untreated rows becomes zero on each plate.",
        ),
        "folds": right.selectbox(
            FIELDS["folds"],
            ("6", "each"),
            key="features_folds",
            help="each: every compound is left out by itself. There is one training per compound.",
        ),
        "images": right.text_input(
            FIELDS["images"],
            key="features_images",
            help="For pictures of the rows, where the table names files. Default: the folder "
            "of the table.",
        ),
    }


def preview(features: FeatureTable) -> None:
    """What the table says."""
    table = features.table
    counted = table[table["role"] == "scored"]
    st.success(
        f"**{len(table):,} rows of {len(features.names):,} features, {len(features.classes)} "
        f"classes, {counted['group'].nunique():,} groups** to leave out.",
        icon=":material/check:",
    )
    forms.warnings(features, FIELDS)
    forms.warn_of_lone_groups(table, "rows")


@st.cache_resource(max_entries=2, show_spinner="Reading the table")
def _read(
    path: str,
    stamp: tuple[int, int] | None,
    options: tuple[tuple[str, str], ...],
    columns: tuple[tuple[str, str], ...],
    patterns: tuple[str, ...],
    metadata: str | None,
    images: str | None,
) -> FeatureTable:
    return read_features(
        Path(path),
        metadata=roots.typed_path(metadata) if metadata else None,
        images=roots.typed_path(images) if images else None,
        features=patterns or None,
        columns=dict(columns),
        **dict(options),
    )
