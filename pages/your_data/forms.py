"""What the forms of Your data share: lists typed into a field, flags under the fields' words."""

import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from bnn_core.base import roots
from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.base.files import write_bytes
from bnn_core.base.wording import WARNING, Noted, count
from bnn_core.datasets.plates import source_name
from bnn_core.review import exporting
from bnn_core.study.catalogue import cache_root
from bnn_core.tables.arrays import ARRAY_ENDINGS
from bnn_core.tables.columns import IMAGE_ENDINGS, map_columns
from bnn_core.tables.reading import TABLE_ENDINGS, read_table
from pages.shared import flagging, jobs_panel, studies
from pages.shared.words import as_sentence, plain, table_height

#: Flags of lists, typed with commas, and flags of paths.
LISTS, PATHS = ("map", "features"), ("images", "layout", "metadata", "exclude", "relabel", "out")
#: Image files that are checked, spread over the table: a network folder is slow.
LOOKED_FOR = 200

#: Endings of files that may be uploaded.
TABLES = [ending[1:] for ending in (*TABLE_ENDINGS, *ARRAY_ENDINGS, ".gz")]
IMAGES = [ending[1:] for ending in (*IMAGE_ENDINGS, *TABLE_ENDINGS, ".xml")]
#: Flag in the engine's messages -> name of its field, in the forms of images and of features.
FIELDS = {
    "label": "Column of the classes",
    "group": "Column of groups to leave out",
    "batch": "Column of the batch",
    "control": "Untreated compound or label",
    "images": "Folder that relative paths start from",
    "map": "Other columns",
}
#: Title of the folded fields.
FOLDED = "Choose columns and files yourself"
#: Title of the notes on what was read.
HOW_READ = "How it was read"
READ_ONLY = (
    "This server only shows studies. Make studies in a terminal on the machine itself, with "
    "`bnn import` or `bnn study`."
)


def three_columns() -> list[DeltaGenerator]:
    """Places for the fields of a form, folded: they are rarely needed."""
    return st.expander(FOLDED).columns(3, gap="medium")


def ask_control(where: DeltaGenerator, key: str, noun: str, unset: str = "none") -> str:
    """The field that names the untreated images or rows. unset: what holds while it is empty."""
    return where.text_input(
        FIELDS["control"],
        key=key,
        placeholder="for example DMSO",
        help=f"These {noun} are predicted, but do not count for accuracy. Default: {unset}.",
    )


def words(text: str) -> tuple[str, ...]:
    """The parts of a text between commas, without blanks around them."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def pairs(text: str) -> dict[str, str]:
    """NAME=COLUMN, separated by commas; InputError for a part without '='."""
    columns = {}
    for pair in words(text):
        name, equals, column = pair.partition("=")
        if not equals:
            raise InputError(f"other columns: '{pair}' is not NAME=COLUMN, such as compound=Drug")
        columns[name.strip()] = column.strip()
    return columns


def paths_of(text: str) -> list[str]:
    """The paths of a field, which are separated by semicolons."""
    return [path.strip() for path in text.split(";") if path.strip()]


def with_flags(command: Sequence[str], ask: Mapping[str, str]) -> list[str]:
    """The words of a command and its flags. ask: flag -> text of its field."""
    command = list(command)
    for flag, text in ask.items():
        values = words(text) if flag in LISTS else paths_of(text) if flag in PATHS else (text,)
        for value in values:
            # With "=" a value such as "--out=x" is not read as another flag.
            command += [f"--{flag}={value}"] if value.startswith("-") else [f"--{flag}", value]
    return command


@st.cache_resource(
    scope="session", on_release=partial(shutil.rmtree, ignore_errors=True), show_spinner=False
)
def _session_folder() -> Path:
    """The folder of what this session uploaded, which goes with it."""
    return Path(tempfile.mkdtemp(dir=roots.uploads()))


def uploaded(upload) -> Path:
    """An uploaded table as a file under its own name, until the session ends. InputError for a name
    that no file can have."""
    content = upload.getvalue()
    path = _session_folder() / short_digest(content) / Path(upload.name).name
    if not roots.demand_possible(path).is_file():
        write_bytes(path, content)
    return path


def uploaded_rows(uploads: Sequence) -> tuple[Path, Path | None]:
    """An uploaded table; or an array, and the table of its rows. InputError for other files."""
    if len(uploads) == 1:
        return uploaded(uploads[0]), None
    arrays = [u.name for u in uploads if u.name.lower().endswith(ARRAY_ENDINGS)]
    tables = [u.name for u in uploads if u.name not in arrays]
    if (len(arrays), len(tables)) != (1, 1):
        raise InputError("upload one table, or one array (.npy) and the table of its rows")
    folder = _written(uploads, "rows")
    return folder / arrays[0], folder / tables[0]


def uploaded_folder(uploads: Sequence) -> Path:
    """Uploaded files of one folder as a folder, until the session ends; the table among them where
    exactly one names images. InputError for names that lead out of the folder."""
    folder = _written(uploads, "images")
    tables = [table for table in tables_in(folder) if _names_images(table)]
    return tables[0] if len(tables) == 1 else folder


def _written(uploads: Sequence, name: str) -> Path:
    """The folder in which uploaded files are; name: of the folder where the files have none."""
    ids = "\n".join(sorted(upload.file_id for upload in uploads))
    folder = _session_folder() / short_digest(ids.encode()) / name
    names = [upload.name.replace("\\", "/").lstrip("/") for upload in uploads]
    top = {name.split("/")[0] for name in names if "/" in name}
    if len(top) == 1 and all("/" in name for name in names):
        folder = folder.with_name(top.pop())
        names = [name.split("/", 1)[1] for name in names]
    for upload, name in zip(uploads, names, strict=True):
        path = folder / name
        if ".." in path.parts:
            raise InputError(f"the uploaded file {name} is not in the uploaded folder")
        if not roots.demand_possible(path).is_file():
            write_bytes(path, upload.getvalue())
    return folder


def tables_in(folder: Path) -> list[Path]:
    """The tables of an uploaded folder."""
    return [p for p in sorted(folder.rglob("*")) if p.name.lower().endswith(TABLE_ENDINGS)]


def _names_images(table: Path) -> bool:
    try:
        columns, _ = map_columns(read_table(table))
    except InputError:
        return True  # so that its fault is shown
    return any(column == "path" or column.startswith("path_") for column in columns)


def _given(path: Path) -> Path | None:
    """The uploaded file or folder that a path is, or is in; None for other files."""
    folder = _session_folder()
    if not path.is_relative_to(folder):
        return None
    return folder.joinpath(*path.relative_to(folder).parts[:2])


def shown_path(path: Path) -> str:
    """A path as the user knows it: that of an uploaded file begins with its own name."""
    given = _given(path)
    return str(path) if given is None else str(path.relative_to(given.parent))


def offer_training(kind: str, table: Path, ask: Mapping[str, str], about_command: str) -> None:
    """The button that trains on this machine, and the command for another one."""
    offer(
        "Train here",
        lambda path: ["study", kind, path],
        table,
        ask,
        study=source_name(table),
        key=f"{kind}_train",
        about_command=about_command,
    )
    offer_training_again(kind, table, ask)


def offer_training_again(kind: str, table: Path, ask: Mapping[str, str]) -> None:
    """The button that trains with the decisions on the study of the same name, into another study."""
    name = source_name(table)
    try:
        study = studies.opened(name)
    except InputError:
        return
    decided = flagging.decisions(study)["decision"].value_counts()
    excluded, relabelled = (int(decided.get(word, 0)) for word in ("exclude", "relabel"))
    if not excluded + relabelled:
        return
    content = exporting.export_bytes(study, flagging.review_log())
    reviewed = _session_folder() / short_digest(content) / f"{name}-flagged.csv"
    if not reviewed.is_file():
        write_bytes(reviewed, content)
    again = f"{name}-cleaned"
    st.header("With your decisions", anchor=False)
    st.markdown(
        f"The study “{plain(name)}” has {count(excluded, 'excluded image')} and "
        f"{count(relabelled, 'relabelled image')}. The new study is “{plain(again)}”; *Compare "
        "studies* shows what changed."
    )
    offer(
        "Train again with the decisions",
        lambda path: ["study", kind, path],
        table,
        {
            **ask,
            "exclude": str(reviewed),
            "relabel": str(reviewed),
            "out": str(cache_root() / again),
        },
        study=again,
        key=f"{kind}_again",
        about_command="The same by command, with the exported list:",
        reviewed=reviewed,
    )


def offer(
    label: str,
    command: Callable[[str], list[str]],
    table: Path,
    ask: Mapping[str, str],
    *,
    study: str,
    key: str,
    about_command: str,
    adds: bool = False,
    reviewed: Path | None = None,
) -> None:
    """The button that runs a command on this machine, and its text for another one.

    command: the words without "bnn" and flags, from the path of the table. The job works in another
    folder, so its paths are absolute; the name of a link stays. study, key, adds: of
    `jobs_panel.button`. reviewed: the list of decisions that the flags name.
    """
    paths = {
        flag: ";".join(str(roots.typed_path(path).absolute()) for path in paths_of(ask[flag]))
        for flag in PATHS
        if flag in ask
    }
    words = with_flags(command(str(table.absolute())), {**ask, **paths})
    uploads = [path for path in (_given(table), reviewed) if path is not None]
    jobs_panel.button(label, words, study, key, uploads, adds=adds)
    st.markdown(about_command)
    shown = {
        flag: ";".join(shown_path(roots.typed_path(path)) for path in paths_of(text))
        if flag in PATHS
        else text
        for flag, text in ask.items()
    }
    st.code(
        shlex.join(["bnn", *with_flags(command(shown_path(table)), shown)]),
        language="bash",
        wrap_lines=True,
    )


def warnings(read: Noted, fields: Mapping[str, str]) -> None:
    """What a reader should check. fields: as in `say`."""
    for doubt in read.doubts:
        st.warning(as_sentence(say(doubt.removeprefix(WARNING), fields)), icon=":material/warning:")


def how_read(read: Noted, fields: Mapping[str, str], *first: str) -> None:
    """The other notes on what was read, folded: they ask for nothing. first: lines before them."""
    lines = [*first, *(note for note in read.notes if note not in read.doubts)]
    if lines:
        with st.expander(f"{HOW_READ} ({count(len(lines), 'note')})"):
            st.markdown("\n".join(f"- {as_sentence(say(line, fields))}" for line in lines))


def file_stamp(path: Path) -> tuple[int, int] | None:
    """Time and size of a file or folder: what is cached of it is as old as these."""
    try:
        status = roots.readable(path).stat()
    except (OSError, InputError):
        return None
    return (status.st_mtime_ns, status.st_size)


def warn_of_lone_groups(table: pd.DataFrame, rows: str) -> None:
    """The classes of one group, whose `rows` are predicted by networks without the class."""
    per_class = _per_class(table)
    alone = per_class.index[per_class["groups"] == 1]
    if len(alone):
        st.warning(
            f"{plain(', '.join(alone))}: one group only. When the group is left out, the network "
            f"is trained without the class and cannot predict it. These {rows} are counted "
            "separately.",
            icon=":material/warning:",
        )


def class_table(table: pd.DataFrame, rows: str) -> None:
    """The first rows of a table, and how many `rows` and groups each class has."""
    per_class = _per_class(table)
    left, right = st.columns([2, 1], gap="medium")
    first_rows(left, table)
    right.dataframe(
        per_class.reset_index(),
        hide_index=True,
        height=table_height(len(per_class), 320),
        column_config={"label": "Class", "rows": rows.capitalize(), "groups": "Groups"},
    )


def _per_class(table: pd.DataFrame) -> pd.DataFrame:
    counted = table[table["role"] == "scored"]
    return counted.groupby("label").agg(rows=("image_id", "size"), groups=("group", "nunique"))


def first_rows(where: st.delta_generator.DeltaGenerator, table: pd.DataFrame) -> None:
    """The first rows of a table, without its empty columns."""
    head = table.head(8).dropna(axis=1, how="all")
    where.dataframe(head, height=table_height(len(head), 320))


def refuse(text: str) -> None:
    """A message of `say` as an error. Where it names a field, also where that is."""
    where = f" The fields are in “{FOLDED}”." if "“" in text else ""
    st.error(as_sentence(text) + where, icon=":material/error:")


def say(text: str, fields: Mapping[str, str], path: Path | None = None) -> str:
    """An engine's message that names the page's fields instead of flags, and an uploaded file by its
    own name. fields: flag -> field. path: what was read."""
    if path is not None and (given := _given(path)) is not None:
        text = text.replace(f"{given.parent}/", "")
    return re.sub(
        f"--({'|'.join(map(re.escape, fields))})\\b", lambda flag: f"“{fields[flag[1]]}”", text
    )
