"""Metadata columns under other people's names -> the names a study uses.

Understood are the names of BBBC (`Image_Metadata_Plate_DAPI`), of CellProfiler (`Metadata_Well`,
`FileName_DNA`, `PathName_DNA`) and plain ones (`plate`, `drug`, `conc_nM`). The result holds text
in every column but `concentration`, which is a float64 in µM read from the decimal digits.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.tables.values import UNITS, as_text, none_where, normal_wells, parse_concentrations

#: Canonical name -> names it goes by, best first (lower case, punctuation as "_").
ALIASES: dict[str, tuple[str, ...]] = {
    "image_id": ("image_id", "imageid", "id", "image_key", "uid"),
    "path": (
        "path",
        "image_path",
        "file_path",
        "filepath",
        "image_file",
        "filename",
        "file_name",
        "file",
        "image_name",
        "image",
        "img",
    ),
    "plate": (
        "plate",
        "plate_id",
        "plateid",
        "plate_name",
        "plate_barcode",
        "assay_plate_barcode",
        "barcode",
    ),
    "well": ("well", "well_id", "wellid", "well_name", "well_position", "assay_plate_well"),
    "site": (
        "site",
        "site_id",
        "field",
        "field_id",
        "fieldid",
        "field_index",
        "fov",
        "field_of_view",
    ),
    "replicate": ("replicate", "replicate_id", "replicate_number", "rep"),
    "batch": ("batch", "batch_id", "week", "experiment", "experiment_id", "run", "run_id"),
    "compound": (
        "compound",
        "compound_name",
        "compound_id",
        "cpd",
        "drug",
        "drug_name",
        "molecule",
        "perturbation",
        "pert_iname",
        "treatment",
    ),
    "concentration": (
        "concentration",
        "conc",
        "dose",
        "compound_concentration",
        "drug_concentration",
    ),
    "moa": ("moa", "mechanism", "mechanism_of_action", "moa_name"),
    "label": (
        "label",
        "labels",
        "true_label",
        "label_true",
        "y_true",
        "true_class",
        "truth",
        "ground_truth",
        "target",
        "annotation",
        "annotated_moa",
        "true_moa",
    ),
    "role": ("role",),
    "fold": ("fold", "cv_fold"),
}
CANONICAL = tuple(ALIASES)
#: Names so general that they count only where no better one is there.
WEAK = {
    "id",
    "uid",
    "file",
    "image",
    "img",
    "experiment",
    "experiment_id",
    "run",
    "run_id",
    "field",
    "treatment",
    "perturbation",
    "target",
    "annotation",
    "truth",
}
IMAGE_ENDINGS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp", ".bmp")

_UNIT_SUFFIX = re.compile(r"_(?:in_)?({})$".format("|".join(UNITS)))
_CHANNEL_FILE = re.compile(
    r"^(?:image_)?(file_?name|path_?name|file|path|image_path|url)_(?P<channel>[^_].*)$"
)
_BBBC021_PLATE = re.compile(r"^(Week\d+)_\d+$")


@dataclass(frozen=True)
class ColumnMap:
    """Which source column became what.

    columns: canonical name -> source column.
    channels: channel name -> (folder column or None, file column), in table order.
    derived: canonical name -> how it was made from others.
    unused: source columns that nothing was made of.
    """

    columns: dict[str, str] = field(default_factory=dict)
    channels: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    derived: dict[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line for people: 'compound from Image_Metadata_Compound, batch from ...'."""
        parts = [
            name if name == source else f"{name} from {source}"
            for name, source in self.columns.items()
        ]
        parts += [f"{name} from {how}" for name, how in self.derived.items()]
        if self.channels:
            parts.append(f"channels {', '.join(self.channels)}")
        return ", ".join(parts) or "no known column"


def map_columns(
    table: pd.DataFrame, overrides: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, ColumnMap]:
    """Rename and parse the metadata columns of `table`, whose index is the row number to report.

    overrides: canonical name -> source column, which wins over what the names suggest; an empty
    source leaves that name out.

    Returns the canonical columns that were found (same index), then `path_<channel>` per channel,
    and what was mapped. Text is kept as it is; an empty cell becomes None. Wells are written as
    "B02"; a well is put together from row and column columns where there is no well column. A batch
    is read from BBBC021's plate names ("Week4_27481" -> "Week4") where there is no batch column.
    Raises InputError for an override that names no column, two columns that claim one name and
    disagree, and concentrations that are no numbers.
    """
    overrides = dict(overrides or {})
    _check_overrides(table, overrides)
    plain = {column: plain_name(column) for column in table.columns}
    taken = {source for source in overrides.values() if source}
    channels = _channels(table, {c: n for c, n in plain.items() if c not in taken})
    used = taken | {c for pair in channels.values() for c in pair if c}
    columns: dict[str, str] = {}
    for canonical in CANONICAL:
        if canonical in overrides:
            if overrides[canonical]:
                columns[canonical] = overrides[canonical]
            continue
        found = [
            c
            for c in table.columns
            if c not in used and _rank(plain[c], canonical, channels) is not None
        ]
        if found:
            found.sort(key=lambda c: _rank(plain[c], canonical, channels))
            columns[canonical] = _one_of(table, canonical, found)
            used.add(columns[canonical])
    out = pd.DataFrame(index=table.index)
    for canonical, source in columns.items():
        if canonical == "concentration":
            out[canonical] = parse_concentrations(table[source], _unit_of(plain[source]), source)
        else:
            out[canonical] = as_text(table[source])
    derived = _derive(table, plain, out, overrides, used)
    if "well" in out:
        out["well"] = normal_wells(out["well"])
    for channel, (folder, file) in channels.items():
        out[f"path_{channel}"] = _join_paths(table, folder, file)
    unused = tuple(c for c in table.columns if c not in used)
    return out, ColumnMap(columns, channels, derived, unused)


def plain_name(column: str) -> str:
    """A column name in lower case, with one underscore for anything that is no letter or digit."""
    text = unicodedata.normalize("NFKC", str(column)).casefold()
    return re.sub(r"[^\w]+|_+", "_", text).strip("_")


def _check_overrides(table: pd.DataFrame, overrides: Mapping[str, str]) -> None:
    for canonical, source in overrides.items():
        if canonical not in CANONICAL:
            raise InputError(
                f"'{canonical}' is no column of a study; known are {', '.join(CANONICAL)}"
            )
        if source and source not in table.columns:
            close = difflib.get_close_matches(source, list(map(str, table.columns)), 1, 0.5)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise InputError(
                f"no column '{source}' (asked for as {canonical}); {hint}there are "
                f"{', '.join(map(str, table.columns[:20]))}"
            )


def _rank(plain: str, canonical: str, channels: Mapping[str, object]) -> int | None:
    """Place of a column name among the aliases of `canonical`; None when it is none of them."""
    names = ALIASES[canonical]
    for penalty, name in enumerate(_spellings(plain, channels)):
        if canonical == "concentration":
            name = _UNIT_SUFFIX.sub("", name)
        if name in names:
            return names.index(name) + 100 * penalty + (1000 if name in WEAK else 0)
    return None


def _spellings(plain: str, channels: Mapping[str, object]) -> list[str]:
    """The name itself, without BBBC's and CellProfiler's prefixes, and without a channel suffix."""
    names = [plain]
    short = re.sub(r"^(?:image_)?metadata_", "", plain)
    if short != plain:
        names.append(short)
        for channel in channels:
            suffix = "_" + plain_name(channel)
            if short.endswith(suffix):
                names.append(short.removesuffix(suffix))
    return names


def _one_of(table: pd.DataFrame, canonical: str, found: list[str]) -> str:
    """The column to take of several that claim one name, given best first."""
    rivals = [c for c in found if plain_name(c) not in WEAK] or found
    named = plain_name(found[0]) == canonical
    if len(rivals) == 1 or named or canonical in ("path", "image_id") or _all_equal(table, rivals):
        return rivals[0]
    raise InputError(
        f"columns {', '.join(repr(c) for c in rivals)} could each be the {canonical} "
        f"and differ; say which with --map {canonical}=COLUMN"
    )


def _all_equal(table: pd.DataFrame, found: list[str]) -> bool:
    first = table[found[0]]
    return all(first.equals(table[c].rename(found[0])) for c in found[1:])


def _channels(table: pd.DataFrame, plain: Mapping[str, str]) -> dict[str, tuple[str | None, str]]:
    """Channel -> (folder column, file column) from FileName_X/PathName_X or path_X columns."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for column, name in plain.items():
        match = _CHANNEL_FILE.match(name)
        if match is None or any(name in names for names in ALIASES.values()):
            continue
        # The channel keeps its own capitals: it is the end of the column's name.
        channel = str(column)[-len(match["channel"]) :]
        kind = match[1].replace("_", "")
        if kind == "pathname":
            folders[channel] = column
        elif kind != "url" and _holds_images(table[column]):
            files.setdefault(channel, column)
    return {channel: (folders.get(channel), file) for channel, file in files.items()}


def _holds_images(values: pd.Series) -> bool:
    first = next((v for v in values if isinstance(v, str) and v.strip()), "")
    return first.strip().lower().endswith(IMAGE_ENDINGS)


def _join_paths(table: pd.DataFrame, folder: str | None, file: str) -> pd.Series:
    files = as_text(table[file])
    if folder is None:
        return files
    folders = as_text(table[folder]).fillna("").str.replace("\\", "/", regex=False).str.rstrip("/")
    joined = (folders + "/" + files).where(folders != "", files)
    return none_where(joined, files.isna())


def _derive(
    table: pd.DataFrame,
    plain: Mapping[str, str],
    out: pd.DataFrame,
    overrides: Mapping[str, str],
    used: set[str],
) -> dict[str, str]:
    """Add to `out` what follows from other columns; say how."""
    derived = {}
    if "well" not in out and "well" not in overrides:
        pair = _row_and_column(plain, used)
        if pair:
            used |= set(pair)
            out["well"] = _wells_from(table[pair[0]], table[pair[1]])
            derived["well"] = f"{pair[0]} and {pair[1]}"
    if "batch" not in out and "batch" not in overrides and "plate" in out:
        weeks = out["plate"].dropna().drop_duplicates().astype(str).str.extract(_BBBC021_PLATE)[0]
        if len(weeks) and weeks.notna().all():
            out["batch"] = as_text(out["plate"].str.extract(_BBBC021_PLATE)[0])
            derived["batch"] = "the week in the plate's name"
    return derived


def _row_and_column(plain: Mapping[str, str], used: set[str]) -> tuple[str, str] | None:
    def first(*names: str) -> str | None:
        return next(
            (
                c
                for c, n in plain.items()
                if c not in used and re.sub(r"^(?:image_)?metadata_", "", n) in names
            ),
            None,
        )

    row, column = first("well_row", "row"), first("well_column", "well_col", "column", "col")
    return (row, column) if row and column else None


def _wells_from(rows: pd.Series, columns: pd.Series) -> pd.Series:
    """Wells from a row (letters, or a number from 1) and a column number."""

    def letters(row: str) -> str:
        if not row.isdigit():
            return row
        number = int(row) - 1
        return ("" if number < 26 else chr(64 + number // 26)) + chr(65 + number % 26)

    rows, columns = as_text(rows), as_text(columns)
    names = rows.map(letters, na_action="ignore").astype(object) + columns.astype(object)
    return none_where(names, rows.isna() | columns.isna())


def _unit_of(plain: str) -> str:
    match = _UNIT_SUFFIX.search(plain)
    return match[1] if match else "um"
