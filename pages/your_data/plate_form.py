"""Your own images: check the table or folder, and the command that trains on them."""

import os
from pathlib import Path

import streamlit as st

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.datasets.image_folders import FolderScan, scan_folder
from bnn_core.datasets.instruments import INSTRUMENTS
from bnn_core.datasets.plates import PlateTable, read_plate
from bnn_core.recipes.plate_presets import PLATE_PRESETS
from bnn_core.tables.aliases import CANONICAL
from pages.shared.words import as_sentence, plain
from pages.your_data import forms

#: Flag in the engine's messages -> name of its field on this page.
FIELDS = forms.FIELDS | {
    "layout": "Plate maps",
    "metadata": "More tables",
    "pattern": "How files are named",
    "planes": "Planes in depth",
    "time": "Point in time",
}
#: Fields with several paths.
PATHS = ("layout", "metadata")
MOST_MISSING = 10
ABOUT_FILES = (
    "A table with one row per image (one column of file names, or one per channel, and columns "
    "such as label, compound, plate and well), or the folder of an instrument, whose file names say "
    "well, field and channel: ImageXpress, Opera Phenix, Yokogawa, IN Cell and others. Images are "
    "PNG, JPEG, TIFF or OME-Zarr."
)
ABOUT_COMMAND = (
    "The same by command, in a terminal of this machine or of a larger one. It shows its progress. You "
    "can interrupt it at any time; the same command continues. The finished study appears in the sidebar."
)


def draw() -> None:
    """The form, what was read from the table, and the command."""
    st.caption(ABOUT_FILES)
    given = source_and_fields(to_learn=True)
    if given is None:
        return
    source, ask = given
    if source is None:
        st.info(
            "Choose a table or folder. It is checked here, and you can train on it.",
            icon=":material/table_view:",
        )
        return
    plates = read(source, ask, to_learn=True)
    if plates is None:
        return
    if preview(plates):
        forms.offer_training("plate", source, ask | {"preset": pick_preset()}, ABOUT_COMMAND)
    forms.how_read(plates, FIELDS)
    forms.class_table(plates.table, "images")


def pick_preset() -> str:
    """The menu of presets."""
    epochs = ", ".join(
        f"{name} {preset['standard'].epochs} and {preset['vi'].epochs}"
        for name, preset in PLATE_PRESETS.items()
    )
    return st.selectbox(
        "Preset",
        list(PLATE_PRESETS),
        key="plate_preset",
        width=220,
        help=f"Epochs of the standard and the Bayesian network: {epochs}. Time grows with them.",
    )


def source_and_fields(*, to_learn: bool) -> tuple[Path | None, dict[str, str]] | None:
    """The table or folder, None while nothing is chosen, and the filled fields: flag -> text.

    None in place of both where what was chosen is refused, with the reason on the page.
    """
    left, right = st.columns(2, gap="medium")
    uploads = left.file_uploader(
        "Upload a folder of images",
        key="plate_upload",
        type=forms.IMAGES,
        accept_multiple_files="directory",
        help="With the table of the images in it, or as an instrument named the files, with its "
        "plate map. The pictures are kept in the study. File names are known of "
        f"{'; '.join(i.name for i in INSTRUMENTS)}.",
    )
    typed = right.text_input(
        "… or the path of the table or folder on this machine",
        key="plate_path",
        placeholder="/data/fields.csv or /data/plate1",
        help="For large folders: nothing is copied.",
    ).strip()
    source, refused = None, False
    try:
        source = (
            forms.uploaded_folder(uploads)
            if uploads
            else roots.typed_path(typed)
            if typed
            else None
        )
    except InputError as error:
        st.error(as_sentence(error), icon=":material/error:")
        refused = True
    folder = source is not None and _is_folder(source)
    ask = ask_of_images(to_learn, folder)
    ask |= ask_of_folder() if folder else {}
    ask = {flag: value.strip() for flag, value in ask.items() if value and value.strip()}
    if refused:
        return None
    if source is not None and uploads and folder and "layout" not in ask:
        maps = forms.tables_in(source)
        ask |= {"layout": ";".join(map(str, maps))} if maps else {}
    return source, ask


def read(source: Path, ask: dict[str, str], *, to_learn: bool) -> PlateTable | None:
    """What the table or folder says; None where it is refused, with the reason on the page."""
    try:
        if _is_folder(source):
            lines = _names(str(source), forms.file_stamp(source), ask.get("pattern")).preview()
            st.markdown("**What the file names mean**")
            st.code("\n".join(lines).replace(str(source), forms.shown_path(source)), language=None)
        return _read(str(source), stamps(source, ask), tuple(sorted(ask.items())), to_learn)
    except InputError as error:
        forms.refuse(forms.say(str(error), FIELDS, source))
        return None


def ask_of_images(to_learn: bool, folder: bool) -> dict[str, str]:
    """Fields that a table and a folder need, and that of a table alone: flag -> text."""
    left, middle, right = forms.three_columns()
    ask = {
        "label": left.text_input(
            FIELDS["label"], key="plate_label", help="Default: label, else moa."
        )
    }
    if to_learn:
        ask["group"] = middle.text_input(
            FIELDS["group"],
            key="plate_group",
            help="Default: the compound. A network that was trained without a group predicts all "
            "images of the group.",
        )
    if not folder:
        ask["images"] = left.text_input(
            FIELDS["images"], key="plate_images", help="Default: the folder of the table."
        )
    return ask | {
        "batch": middle.text_input(
            FIELDS["batch"], key="plate_batch", help="Images made together: day, week, run."
        ),
        "control": forms.ask_control(
            right, "plate_control", "images", "none" if to_learn else "those of the study"
        ),
        "map": right.text_input(
            FIELDS["map"],
            key="plate_columns",
            placeholder="well=Pos, compound=Drug",
            help=f"NAME=COLUMN, separated by commas; NAME is one of {', '.join(CANONICAL)}.",
        ),
        "layout": middle.text_input(
            FIELDS["layout"],
            key="plate_layout",
            placeholder="/data/platemap.xlsx",
            help="Paths, separated by semicolons: compound, dose and mechanism per well, as a table "
            "or laid out as a plate grid. A map named after a plate is that plate's.",
        ),
        "metadata": (right if to_learn else left).text_input(
            FIELDS["metadata"],
            key="plate_metadata",
            placeholder="/data/compounds.csv",
            help="Paths, separated by semicolons. Joined by plate and well, or by compound; "
            "contradictions are listed.",
        ),
    }


def ask_of_folder() -> dict[str, str]:
    """Fields that only a folder needs."""
    left, middle, right = st.columns(3, gap="medium")
    return {
        "pattern": left.text_input(
            FIELDS["pattern"],
            key="plate_pattern",
            placeholder=r"(?P<well>[A-P]\d+)_(?P<site>\d+)_(?P<channel>\w+)",
            help="Only for files that no instrument named: a regular expression with the groups plate, "
            "well (or row and column), site, channel, plane, time. If it contains /, it is matched "
            "against the path.",
        ),
        "planes": middle.text_input(
            FIELDS["planes"],
            key="plate_planes",
            placeholder="max",
            help="max: the brightest value of each pixel over all planes. A number: that plane.",
        ),
        "time": right.text_input(
            FIELDS["time"], key="plate_time", placeholder="1", help="The number of one."
        ),
    }


def preview(plates: PlateTable) -> bool:
    """What was read for training, and whether the images exist. True if any of them does."""
    table = plates.table
    counted = table[table["role"] == "scored"]
    st.success(
        f"**{len(table):,} images, {len(plates.classes)} classes, "
        f"{counted['group'].nunique():,} groups** to leave out"
        + (f"; channels {plain(', '.join(plates.channels))}." if plates.channels else "."),
        icon=":material/check:",
    )
    forms.warnings(plates, FIELDS)
    forms.warn_of_lone_groups(table, "images")
    return files_exist(plates)


def files_exist(plates: PlateTable) -> bool:
    """Whether the images exist, on the page. True if any of them does."""
    missing, looked = plates.missing_files(forms.LOOKED_FOR)
    if missing:
        st.error(
            f"**{len(missing):,} of {looked:,} checked files are missing**, such as "
            + ", ".join(f"{plain(file)} (row {row})" for row, file in missing[:MOST_MISSING])
            + f". Enter the folder under “{FIELDS['images']}” in “{forms.FOLDED}”.",
            icon=":material/error:",
        )
    else:
        st.markdown(f"All {looked:,} checked files exist.")
    return len(missing) < looked


def _is_folder(path: Path) -> bool:
    try:
        return os.path.isdir(roots.readable(path))
    except InputError:
        return False


def stamps(source: Path, ask: dict[str, str]) -> tuple:
    """What changes with the files that are read."""
    files = [path for flag in PATHS for path in forms.paths_of(ask.get(flag, ""))]
    return (forms.file_stamp(source), *(forms.file_stamp(roots.typed_path(path)) for path in files))


@st.cache_resource(max_entries=4, ttl=60, show_spinner="Reading the names of the files")
def _names(folder: str, stamp: tuple[int, int] | None, pattern: str | None) -> FolderScan:
    return scan_folder(Path(folder), pattern)


@st.cache_resource(max_entries=4, ttl=60, show_spinner="Reading the table")
def _read(
    path: str, stamps: tuple, asked: tuple[tuple[str, str], ...], to_learn: bool
) -> PlateTable:
    ask = dict(asked)
    source = Path(path)
    return read_plate(
        _names(path, forms.file_stamp(source), ask.get("pattern"))
        if _is_folder(source)
        else source,
        to_learn=to_learn,
        images=roots.typed_path(ask["images"]) if "images" in ask else None,
        columns=forms.pairs(ask.get("map", "")),
        **{
            flag: [roots.typed_path(p) for p in forms.paths_of(ask.get(flag, ""))] for flag in PATHS
        },
        **{
            name: ask.get(name)
            for name in ("label", "group", "batch", "control", "pattern", "planes", "time")
        },
    )
