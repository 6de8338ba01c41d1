"""Your own images: check the table that describes them, and the command that trains on them."""

import shlex
from pathlib import Path

import streamlit as st

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING
from bnn_core.datasets.plates import PlateTable, read_plate
from bnn_core.recipes.plate_presets import PRESETS
from bnn_core.tables.aliases import CANONICAL
from pages.shared.words import plain
from pages.your_data import forms

#: Flag in the engine's messages -> name of its field on this page.
FIELDS = {
    "label": "Column of the classes",
    "group": "Column of groups to leave out",
    "batch": "Column of the batch",
    "control": "Untreated compound or label",
    "images": "Folder that relative paths start from",
    "map": "Other columns",
}
MOST_MISSING = 10


def draw() -> None:
    """The form, what was read from the table, and the command."""
    st.caption(
        "A CSV with one row per image: one column of file names, or one per channel, and columns "
        "such as label, compound, plate and well. Column names of BBBC and CellProfiler are "
        "recognised. Images are PNG, JPEG or TIFF of 8 or 16 bit."
    )
    left, middle, right = st.columns(3, gap="medium")
    typed = left.text_input(
        "Path of the table on this machine", key="plate_path", placeholder="/data/fields.csv"
    ).strip()
    ask = {
        "label": left.text_input(
            FIELDS["label"], key="plate_label", help="Default: label, else moa."
        ),
        "group": middle.text_input(
            FIELDS["group"],
            key="plate_group",
            help="Default: the compound. A network that was trained without a group predicts all "
            "images of the group.",
        ),
        "batch": middle.text_input(
            FIELDS["batch"], key="plate_batch", help="Images made together: day, week, run."
        ),
        "control": right.text_input(
            FIELDS["control"],
            key="plate_control",
            placeholder="DMSO",
            help="These images are predicted, but do not count for accuracy.",
        ),
        "images": right.text_input(
            FIELDS["images"], key="plate_images", help="Default: the folder of the table."
        ),
        "map": right.text_input(
            FIELDS["map"],
            key="plate_columns",
            placeholder="well=Pos, compound=Drug",
            help=f"NAME=COLUMN, separated by commas; NAME is one of {', '.join(CANONICAL)}.",
        ),
        "preset": left.selectbox("Preset", list(PRESETS), key="plate_preset"),
    }
    ask = {flag: value.strip() for flag, value in ask.items() if value and value.strip()}
    if not typed:
        st.info(
            "Enter the path of a table. It is checked here, and you can train on it.",
            icon=":material/table_view:",
        )
        return
    read = {name: ask.get(name) for name in ("label", "group", "batch", "control")}
    try:
        table = roots.typed(typed)
        columns = forms.pairs(ask.get("map", ""))
        plates = _read(
            str(table),
            forms.stamp(table),
            tuple(read.items()),
            tuple(columns.items()),
            ask.get("images"),
        )
    except InputError as error:
        st.error(plain(forms.say(str(error), FIELDS)), icon=":material/error:")
        return
    if preview(plates):
        train(table, ask)


def train(table: Path, ask: dict[str, str]) -> None:
    """The button that trains on this machine, and the command for another one."""
    forms.train_button("plate", table, ask)
    st.markdown(
        "The same by command, in a terminal of this machine or of a larger one. It shows its "
        "progress. You can interrupt it at any time; the same command continues. The finished "
        "study appears in the sidebar."
    )
    st.code(shlex.join(forms.study_command("plate", table, ask)), language="bash")


def preview(plates: PlateTable) -> bool:
    """What was read from the table, and whether the images exist. True if any of them does."""
    table = plates.table
    counted = table[table["role"] == "scored"]
    st.success(
        f"**{len(table):,} images, {len(plates.classes)} classes, "
        f"{counted['group'].nunique():,} groups** to leave out"
        + (f"; channels {plain(', '.join(plates.channels))}." if plates.channels else "."),
        icon=":material/check:",
    )
    for doubt in plates.doubts:
        st.warning(plain(doubt.removeprefix(WARNING)), icon=":material/warning:")
    for note in plates.notes:
        if note not in plates.doubts:
            st.markdown(f"- {plain(note)}")
    missing, looked = plates.missing_files(forms.LOOKED_FOR)
    if missing:
        st.error(
            f"**{len(missing):,} of {looked:,} checked files are missing**, such as "
            + ", ".join(f"{plain(file)} (row {row})" for row, file in missing[:MOST_MISSING])
            + f". Enter the folder under “{FIELDS['images']}”.",
            icon=":material/error:",
        )
    else:
        st.markdown(f"- All {looked:,} checked files exist.")
    forms.class_table(table, "images")
    return len(missing) < looked


@st.cache_resource(max_entries=4, show_spinner="Reading the table")
def _read(
    path: str,
    stamp: tuple[int, int] | None,
    options: tuple[tuple[str, str | None], ...],
    columns: tuple[tuple[str, str], ...],
    images: str | None,
) -> PlateTable:
    return read_plate(
        Path(path),
        images=roots.typed(images) if images else None,
        columns=dict(columns),
        **dict(options),
    )
