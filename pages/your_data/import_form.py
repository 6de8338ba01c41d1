"""Import a table of predictions: what was understood, what is wrong, then the new study."""

import os
import shlex
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import streamlit as st

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.base.methods import METHODS
from bnn_core.base.wording import percent
from bnn_core.recipes.imports import image_folder, images_found, import_predictions
from bnn_core.study.catalogue import cache_root
from bnn_core.study.lock import demand_name
from bnn_core.tables.aliases import CANONICAL
from bnn_core.tables.predictions import Predictions, read_predictions
from bnn_core.tables.sources import ImportOptions
from pages.shared import studies
from pages.shared.words import as_sentence, plain, table_height
from pages.your_data import forms

_MADE = "_import_made"
#: Options with a text field of their own: option -> (name of the field, help).
TEXTS = {
    "label": ("Column of the given class", "Default: label, else moa."),
    "group": (
        "Column of groups",
        "Images of a group are not independent. Used for intervals. Default: the compound.",
    ),
    "batch": ("Column of the batch", "Images made together: day, week, run."),
    "prefix": (
        "Class columns begin with",
        "For example softmax_ or p_. Usually recognised without this.",
    ),
}
#: Flag in the engine's messages -> name of its field on this page.
FIELDS = {name: words for name, (words, _) in TEXTS.items()} | {
    "classes": "Class names in the order of the columns",
    "control": "Untreated compound or label",
    "unlabelled": "Values that mean no label",
    "new": "Labels absent from training",
    "map": "Other columns",
    "metadata": "Paths of tables with more columns",
    "labels": "Path of the labels",
    "ids": "Path of the images' names",
    "standard": "Path of a standard network's table",
    "samples": "Path of per-sample probabilities",
    "image-root": "Folder that image paths start from",
    "logits": "Columns are logits",
    "ignore-predicted": "Do not check the predicted column",
    "method": "What made the predictions",
}


def draw() -> None:
    """The form; a made study is opened by the next run."""
    if roots.read_only():
        st.info(forms.READ_ONLY, icon=":material/lock:")
        return
    if st.session_state.pop(_MADE, None):
        # Without a parameter of its own a switch clears them all, which bound widgets forbid.
        st.switch_page("overview/page.py", query_params={"new": st.session_state["study"]})
    st.caption(
        "A table from any program, with one row per image and one column of probabilities per "
        "class (or one row per image and class), or an array. CSV, Parquet, Feather, JSON, "
        "Excel or NumPy. Columns of labels, compounds, plates and wells are recognised by their "
        "usual names."
    )
    left, right = st.columns(2, gap="medium")
    upload = left.file_uploader("Upload a table", key="import_upload", type=forms.TABLES)
    typed = right.text_input(
        "… or its path on this machine",
        key="import_path",
        placeholder="/data/predictions.csv",
        help="For large tables, and for tables in the folder of the images.",
    )
    if upload is None and not typed.strip():
        st.info(
            "Choose a table. The page shows what it reads in it before it makes a study.",
            icon=":material/upload_file:",
        )
        return
    table = None
    try:
        table = forms.uploaded(upload) if upload is not None else roots.typed_path(typed)
        options, extra = ask_options()
        predictions = understood(str(table), _stamps(table, options), options)
        folder = image_folder(predictions, table, extra["image_root"])
    except InputError as error:
        forms.refuse(say(error, table))
        return
    preview(predictions, folder)
    make(table, options, extra, predictions)
    details(predictions)


def ask_options() -> tuple[ImportOptions, dict]:
    """The user's choices: options of the import, and the image root and pixel size."""
    with st.expander(forms.FOLDED):
        left, middle, right = st.columns(3, gap="medium")
        with left:
            columns = _ask_columns()
        with middle:
            values = _ask_values()
        with right:
            paths = _ask_paths()
            pixel = st.number_input(
                "Micrometres per pixel",
                min_value=0.0,
                value=None,
                key="import_pixel",
                help="For the scale bar.",
            )
    metadata = tuple(
        roots.typed_path(path) for path in paths.pop("metadata").split(";") if path.strip()
    )
    files = {name: roots.typed_path(path) if path else None for name, path in paths.items()}
    extra = {"image_root": files.pop("image_root"), "pixel_size_um": pixel or None}
    return ImportOptions(metadata=metadata, **columns, **values, **files), extra


def _ask_columns() -> dict[str, str | None]:
    """Names of columns with a field of their own, by the option's name."""
    return {
        name: st.text_input(words, key=f"import_{name}", help=explained).strip() or None
        for name, (words, explained) in TEXTS.items()
    }


def _ask_values() -> dict:
    """How values are to be read, by the option's name."""

    def text(name: str, **options: str) -> str:
        return st.text_input(FIELDS[name], key=f"import_{name}", **options)

    method = st.selectbox(
        FIELDS["method"],
        list(METHODS),
        key="import_method",
        format_func=lambda key: METHODS[key].name,
    )
    classes = text("classes", help="Separated by commas.")
    control = text(
        "control",
        placeholder="for example DMSO",
        help="These images are shown, but do not count for accuracy.",
    )
    unlabelled = text("unlabelled", placeholder="-1, unknown", help="Separated by commas.")
    new = text("new", help="Shown as new kinds, not scored. Separated by commas.")
    columns = st.text_input(
        FIELDS["map"],
        key="import_columns",
        placeholder="well=Pos, compound=Drug",
        help=f"NAME=COLUMN, separated by commas; NAME is one of {', '.join(CANONICAL)}.",
    )
    with st.container(horizontal=True):
        logits = st.toggle(FIELDS["logits"], key="import_logits")
        ignore = st.toggle(FIELDS["ignore-predicted"], key="import_ignore")
    return {
        "method": method,
        "classes": forms.words(classes),
        "control": forms.words(control),
        "unlabelled": forms.words(unlabelled),
        "new": forms.words(new),
        "columns": forms.pairs(columns),
        "logits": logits,
        "ignore_predicted": ignore,
    }


def _ask_paths() -> dict[str, str]:
    """Typed paths of further files and of the image folder, empty where none is given."""
    return {
        name: st.text_input(
            FIELDS[name.replace("_", "-")], key=f"import_{name}", help=explained
        ).strip()
        for name, explained in (
            (
                "metadata",
                "Joined by image, plate and well, or compound and concentration. Separate "
                "several paths by semicolons.",
            ),
            (
                "labels",
                "One label per image, in the order of the images, or a table that names the images.",
            ),
            ("ids", "Names of the images of an array, one per line."),
            ("standard", "Predictions for the same images."),
            ("samples", "npy, npz or a table: (images, samples, classes)."),
            ("image_root", "Default: the folder of the table, if the images are there."),
        )
    }


def preview(predictions: Predictions, folder: Path | None) -> None:
    """What was read from the table. folder: where its images are."""
    images, counted = predictions.images, predictions.images["role"] == "scored"
    right = None
    method = next(iter(predictions.moments))
    if counted.any():
        top = predictions.moments[method].mean_p[counted.to_numpy()].argmax(axis=1)
        given = pd.Index(predictions.classes).get_indexer(images["label"][counted])
        right = float((top == given).mean())
    st.success(
        f"**{len(images):,} images of {len(predictions.classes)} classes**"
        + (
            f", {percent(right, 2)} of {int(counted.sum()):,} labelled images predicted right."
            if right is not None
            else ", all without a label."
        ),
        icon=":material/check:",
    )
    if folder:
        existing, looked = images_found(predictions, folder, forms.LOOKED_FOR)
        st.markdown(
            f"Folder of the images: {plain(str(folder))}. {existing:,} of {looked:,} checked files exist."
        )
    elif predictions.channels or images["path"].notna().any():
        st.markdown(
            "The image files of the table do not exist here, so the study will have no "
            f"pictures. Enter their folder under “{FIELDS['image-root']}” in “{forms.FOLDED}”."
        )
    else:
        st.markdown("The table names no image files, so the study will have no pictures.")
    forms.warnings(predictions, FIELDS)


def details(predictions: Predictions) -> None:
    """How the table was read, its first rows, and the images of each class."""
    images = predictions.images
    forms.how_read(predictions, FIELDS, f"columns: {predictions.understood}")
    left, side = st.columns([2, 1], gap="medium")
    shown = images if images["fold"].nunique() > 1 else images.drop(columns="fold")
    forms.first_rows(left, shown)
    labels = images["label"].value_counts().reindex(predictions.classes, fill_value=0)
    side.dataframe(
        labels.rename("images").rename_axis("class").reset_index(),
        hide_index=True,
        height=table_height(len(labels), 320),
    )


def make(table: Path, options: ImportOptions, extra: dict, predictions: Predictions) -> None:
    """Name the study and make it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Name of the study",
            value=table.name.split(".")[0],
            width=320,
            key=f"import_name_{table.name}",
        ).strip()
        exists = name in {entry.name for entry in studies.entries()}
        replace = exists and st.checkbox("Replace the existing study", key="import_replace")
        go = st.button(
            "Make the study",
            key="import_make",
            type="primary",
            icon=":material/add_chart:",
            disabled=not name or (exists and not replace),
        )
    if name != Path(name).name or name.startswith("."):
        st.error(
            "The name becomes the name of a folder: no slash, and no dot at the beginning.",
            icon=":material/error:",
        )
        return
    try:
        demand_name(name)
    except InputError as error:
        st.error(plain(error), icon=":material/error:")
        return
    with st.expander("The same by command"):
        st.code(command(table, options, extra, name), language="bash", wrap_lines=True)
    if not go:
        return
    with st.status(
        f"Making {plain(name)} from {len(predictions.images):,} images", expanded=True
    ) as status:
        try:
            study = import_predictions(
                table, cache_root() / name, title=name, force=replace, **vars(options), **extra
            )
        except InputError as error:
            status.update(label="Not made", state="error", expanded=True)
            st.error(as_sentence(say(error, table)), icon=":material/error:")
            return
    st.session_state[studies.OPEN_NEXT] = study.name
    st.session_state[_MADE] = study.name
    st.rerun()


def command(table: Path, options: ImportOptions, extra: dict, name: str) -> str:
    """The `bnn import` command that does the same; an uploaded table has its own name there."""
    file = forms.shown_path(table)
    words = ["bnn", "import", file, "--out", str(cache_root() / name)]
    default = asdict(ImportOptions())
    given = {
        key: value for key, value in (asdict(options) | extra).items() if value != default.get(key)
    }
    for key, value in given.items():
        flag = f"--{key.replace('_', '-')}"
        if key == "columns":
            words += [part for pair in value.items() for part in ("--map", "=".join(pair))]
        elif key == "control":
            words += [part for one in value for part in (flag, one)]
        elif key in ("classes", "unlabelled", "new", "metadata"):
            words += [flag, *map(str, value)]
        else:
            words += [flag] if value is True else [flag, str(value)]
    return shlex.join(words)


def say(error: InputError, table: Path | None) -> str:
    """The error's line in the page's words."""
    message = str(error).replace("'bnn study features'", "“Measured features” above")
    message = message.replace("'bnn study plate'", "“Your own images” above")
    return forms.say(message, FIELDS, table)


@st.cache_resource(max_entries=4, show_spinner="Reading the table")
def understood(table: str, stamps: tuple, _options: ImportOptions) -> Predictions:
    """`read_predictions`, read again only when a file or an option changes."""
    return read_predictions(Path(table), _options)


def _stamps(table: Path, options: ImportOptions) -> tuple:
    files = [
        table,
        *options.metadata,
        options.standard,
        options.samples,
        options.labels,
        options.ids,
    ]
    return (
        repr(options),
        *(
            (str(f), f.stat().st_mtime_ns, f.stat().st_size)
            for f in files
            if f is not None and os.path.isfile(f)
        ),
    )
