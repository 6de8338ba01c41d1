"""Metadata columns under other people's names -> the names a study uses.

Understood are the names of BBBC (`Image_Metadata_Plate_DAPI`), of CellProfiler (`Metadata_Well`,
`FileName_DNA`, `PathName_DNA`) and plain ones (`plate`, `drug`, `conc_nM`). The result holds text
in every column but `concentration`, which is a float64 in µM read from the decimal digits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.tables.aliases import (
    ALIASES,
    CANONICAL,
    WEAK_ALIASES,
    column_like,
    no_such_column,
    plain_name,
)
from bnn_core.tables.doses import read_doses, split_unit, unit_factor
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import as_text, none_where
from bnn_core.tables.wells import normal_wells, wells_from

IMAGE_ENDINGS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp", ".bmp")

_CHANNEL_FILE = re.compile(
    r"^(?:image[\W_]*)?(file[\W_]*name|path[\W_]*name|file|path|image[\W_]*path|url)[\W_]+"
    r"(?P<channel>[^\W_].*)$",
    re.I,
)
#: What is drawn of an image, and is no channel of it.
_NO_CHANNEL = re.compile(
    r"(?:^|_)(?:mask|overlay|outline|segmentation|label|thumbnail|thumb|preview)s?(?:_|$)"
)
_METADATA = re.compile(r"^(?:image_)?metadata_")
#: Units of concentrations that are no µM without more knowledge.
_NO_MOLES = re.compile(
    r"\s*(?:%.*|[munpfµμ]?g\s*(?:/|per)\s*[munµμ]?l|mg/kg|ppm|ppb|i?u/ml|units?/ml|[vw]/[vw])\s*",
    re.I,
)
_BBBC021_PLATE = re.compile(r"^(Week\d+)_\d+$")


@dataclass(frozen=True)
class ColumnMap:
    """Which source column became what.

    columns: canonical name -> source column.
    channels: channel name -> (folder column or None, file column), in table order.
    derived: canonical name -> how it was made from others.
    unused: source columns that nothing was made of.
    notes: sentences on what was read in a way that a reader should check; a warning begins with
    "WARNING: ".
    """

    columns: dict[str, str] = field(default_factory=dict)
    channels: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    derived: dict[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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
    table: pd.DataFrame, overrides: Mapping[str, str] | None = None, kinds: bool = False
) -> tuple[pd.DataFrame, ColumnMap]:
    """Rename and parse the metadata columns of `table`, whose index is the row number to report.

    overrides: canonical name -> source column (in any case), which wins over what the names
    suggest; an empty source leaves that name out. kinds: texts that repeat become categories
    (`values.as_text`).

    Returns the canonical columns that are there (same index), then `path_<channel>` per channel,
    and what was mapped. Text is kept as it is; an empty cell becomes None. Wells are written as
    "B02"; a well is put together from row and column columns where there is no well column. A
    column of units applies to the concentrations. A batch is read from BBBC021's plate names
    ("Week4_27481" -> "Week4") where there is no batch column.
    Raises InputError for an override that names no column, two columns that claim one name and
    disagree, and concentrations that are mostly not numbers.
    """
    overrides = _resolved(table, overrides or {})
    plain = {column: _plain(column) for column in table.columns}
    overridden = {source for source in overrides.values() if source}
    channels = _channels(table, {c: n for c, n in plain.items() if c not in overridden})
    used = overridden | {c for pair in channels.values() for c in pair if c}
    columns: dict[str, str] = {}
    for canonical in CANONICAL:
        if canonical in overrides:
            if overrides[canonical]:
                columns[canonical] = overrides[canonical]
            continue
        claims = [
            c
            for c in table.columns
            if c not in used and _rank(plain[c], canonical, channels) is not None
        ]
        if canonical == "concentration_unit":
            claims = [c for c in claims if "concentration" in columns and _is_of_units(table, c)]
        if claims:
            claims.sort(key=lambda c: _rank(plain[c], canonical, channels) or 0)
            columns[canonical] = _one_of(table, canonical, claims)
            used.add(columns[canonical])
    out = pd.DataFrame(index=table.index)
    notes: list[str] = []
    for canonical, source in columns.items():
        if canonical == "concentration":
            out[canonical], more = _concentrations(table, source, columns)
            notes += more
        elif canonical != "concentration_unit":
            out[canonical] = as_text(table[source], kinds)
    derived = _derive(table, plain, out, overrides, used, notes)
    if "well" in out:
        wells, more = normal_wells(out["well"].rename(columns.get("well", "well")))
        out["well"] = wells
        notes += more
        if "well" in columns:
            notes += _other_wells(table, plain, used, wells)
    for channel, (folder, file) in channels.items():
        out[f"path_{channel}"] = _join_paths(table, folder, file)
    unused = tuple(c for c in table.columns if c not in used)
    return out, ColumnMap(columns, channels, derived, unused, tuple(notes))


def _resolved(table: pd.DataFrame, overrides: Mapping[str, str]) -> dict[str, str]:
    """The overrides with the columns as the table spells them."""
    resolved = {}
    for canonical, source in overrides.items():
        if canonical not in CANONICAL:
            raise InputError(
                f"'{canonical}' is not a column of a study; the columns are {', '.join(CANONICAL)}"
            )
        column = column_like(source, table.columns) if source else source
        if column is None:
            raise InputError(
                f"column '{source}' (given as {canonical}): {no_such_column(source, table.columns)}"
            )
        resolved[canonical] = column
    return resolved


def _plain(column: str) -> str:
    """`plain_name`, but for two names whose case or sign counts: conc_M (molar), and .row, which
    tidymodels calls the row (its "id" is that of the resample)."""
    molar = re.fullmatch(r"(.*[^\W_])[\W_]+M[)\]]?", str(column))
    if molar and plain_name(molar[1]) in ALIASES["concentration"]:
        return f"{plain_name(molar[1])}_molar"
    return "image_id" if column == ".row" else plain_name(column)


def _rank(plain: str, canonical: str, channels: Mapping[str, object]) -> int | None:
    """Position of a column name among the aliases of `canonical`; None if it is not an alias."""
    names = ALIASES[canonical]
    for penalty, name in enumerate(_spellings(plain, channels)):
        if canonical == "concentration":
            name, unit = split_unit(name)
            if not name and unit is not None and "mol" in unit:
                name = canonical  # mmoles_per_liter
        if canonical == "concentration_unit" and name not in names and _is_unit_name(name):
            name = canonical
        if name in names:
            return names.index(name) + 100 * penalty + (1000 if name in WEAK_ALIASES else 0)
    return None


def _spellings(plain: str, channels: Mapping[str, object]) -> list[str]:
    """The name itself, without BBBC's and CellProfiler's prefixes, and without a channel suffix."""
    names = [plain]
    short = _METADATA.sub("", plain)
    if short != plain:
        names.append(short)
        for channel in channels:
            suffix = "_" + plain_name(channel)
            if short.endswith(suffix):
                names.append(short.removesuffix(suffix))
    return names


def _one_of(table: pd.DataFrame, canonical: str, claims: list[str]) -> str:
    """The column to take of several that claim one name, given best first."""
    rivals = [c for c in claims if _METADATA.sub("", plain_name(c)) not in WEAK_ALIASES] or claims[
        :1
    ]
    named = plain_name(claims[0]) == canonical
    if len(rivals) == 1 or named or canonical in ("path", "image_id") or _all_equal(table, rivals):
        return rivals[0]
    raise InputError(
        f"columns {', '.join(repr(c) for c in rivals)} could each be the {canonical}, and they "
        f"differ; choose one with --map {canonical}=COLUMN"
    )


def _all_equal(table: pd.DataFrame, columns: list[str]) -> bool:
    first = table[columns[0]]
    return all(first.equals(table[c].rename(columns[0])) for c in columns[1:])


def _is_unit_name(plain: str) -> bool:
    """Whether a column is called the unit of the concentrations: final_conc_unit, finalConcUnits, units."""
    joined = plain.replace("_", "")
    of = re.sub("units?$", "", joined)
    return plain in ALIASES["concentration_unit"] or (
        of != joined and of in {name.replace("_", "") for name in ALIASES["concentration"]}
    )


def _is_of_units(table: pd.DataFrame, column: str) -> bool:
    """Whether a column is of units of concentration, by its name or a cell: "units" alone may be of
    something else. Units without a factor to µM (µg/ml, %) count: they are refused, not forgotten.
    """
    if "conc" in plain_name(column) or "dose" in plain_name(column):
        return True
    units = as_text(table[column]).dropna().unique()
    return any(unit_factor(unit) is not None or _NO_MOLES.fullmatch(unit) for unit in units)


def _concentrations(
    table: pd.DataFrame, source: str, columns: Mapping[str, str]
) -> tuple[pd.Series, list[str]]:
    """The concentrations of a column in µM, by the units in cells, unit column and name."""
    in_name = split_unit(_plain(source))[1]
    unit_column = columns.get("concentration_unit")
    if unit_column is None:
        doses, notes = read_doses(table[source], in_name or "um", column=source)
        return doses, [*notes, *_other_units(table, source)]
    doses, notes = read_doses(table[source], in_name or "um", table[unit_column], source)
    units = as_text(table[unit_column]).dropna().unique()
    if in_name and any(unit_factor(u) not in (None, unit_factor(in_name)) for u in units):
        notes = [
            *notes,
            f"WARNING: '{source}' names another unit than '{unit_column}', which says "
            f"{', '.join(map(str, units[:3]))}: the units of '{unit_column}' are used; --map "
            "concentration_unit= ignores them",
        ]
    bare = (doses > 0) & as_text(table[unit_column]).isna()
    usual = unit_factor(in_name or "um")
    if bare.any() and any(unit_factor(u) not in (None, usual) for u in units):
        notes = [
            *notes,
            f"WARNING: {rows_text(table.index[bare])}: '{unit_column}' is empty, so '{source}' is read in "
            f"{in_name or 'µM'} there",
        ]
    return doses, notes


def _other_units(table: pd.DataFrame, source: str) -> list[str]:
    """A warning on a column of units beside the concentrations that holds no unit of these."""
    for column in table.columns:
        if not _is_unit_name(_METADATA.sub("", plain_name(column))):
            continue
        units = as_text(table[column]).dropna().unique()
        if len(units):
            held = ", ".join(repr(unit) for unit in units[:3])
            return [
                f"WARNING: '{column}' holds {held}, which is no known unit of concentration, and is "
                f"not used: '{source}' is read in µM; if the unit is of '{source}', convert it"
            ]
    return []


def _channels(table: pd.DataFrame, plain: Mapping[str, str]) -> dict[str, tuple[str | None, str]]:
    """Channel -> (folder column, file column) from FileName_X/PathName_X or path_X columns; where no
    column is called so, or like a path, several columns of image files are channels, except those
    with another meaning (image_id) and drawings of the image (mask)."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for column, name in plain.items():
        match = _CHANNEL_FILE.match(str(column))
        if match is None or any(name in names for names in ALIASES.values()):
            continue
        channel = match["channel"].strip()
        kind = plain_name(match[1]).replace("_", "")
        if kind == "pathname":
            folders[channel] = column
        elif kind != "url" and _holds_images(table[column]):
            files.setdefault(channel, column)
    if not files and all(_rank(name, "path", {}) is None for name in plain.values()):
        named = [
            column
            for column, name in plain.items()
            if _holds_images(table[column])
            and not _NO_CHANNEL.search(name)
            and all(_rank(name, canonical, {}) is None for canonical in ALIASES)
        ]
        files = {str(column).strip(): column for column in named if len(named) > 1}
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
    notes: list[str],
) -> dict[str, str]:
    """Add to `out` what follows from other columns; say how."""
    derived = {}
    if "well" not in out and "well" not in overrides:
        pair = _row_and_column(plain, used)
        if pair:
            used |= set(pair)
            out["well"], more = wells_from(table[pair[0]], table[pair[1]])
            notes += more
        elif pair := _list_of_two(plain, used):
            used |= set(pair)
            first, second = (as_text(table[name]) for name in pair)
            out["well"] = "(" + first + ", " + second + ")"
        if pair:
            derived["well"] = f"{pair[0]} and {pair[1]}"
    if "batch" not in out and "batch" not in overrides and "plate" in out:
        weeks = out["plate"].dropna().drop_duplicates().astype(str).str.extract(_BBBC021_PLATE)[0]
        if len(weeks) and weeks.notna().all():
            out["batch"] = as_text(out["plate"].str.extract(_BBBC021_PLATE)[0])
            derived["batch"] = "the week in the plate's name"
    return derived


def _other_wells(
    table: pd.DataFrame, plain: Mapping[str, str], used: set[str], wells: pd.Series
) -> list[str]:
    """A warning on rows whose columns of row and column say another well than that of wells. Where
    most do, they are of something else, such as tiles."""
    pair = _row_and_column(plain, used)
    if pair is None:
        return []
    try:
        others = normal_wells(wells_from(table[pair[0]], table[pair[1]])[0])[0]
    except InputError:
        return []
    differ = wells.notna() & others.notna() & (wells != others)
    if not 0 < differ.sum() < len(wells) / 2:
        return []
    first = differ.idxmax()
    return [
        f"WARNING: {rows_text(table.index[differ])}: '{pair[0]}' and '{pair[1]}' say another well than "
        f"the column of wells ({wells[first]} there, {others[first]} by row and column)"
    ]


def _list_of_two(plain: Mapping[str, str], used: set[str]) -> tuple[str, str] | None:
    """The columns of wells that were lists of two, such as [2, 3] (`other_files`)."""
    columns = [c for c, n in plain.items() if c not in used and re.fullmatch(r"well_\d+", n)]
    return (columns[0], columns[1]) if [plain[c] for c in columns] == ["well_0", "well_1"] else None


def _row_and_column(plain: Mapping[str, str], used: set[str]) -> tuple[str, str] | None:
    def first(*names: str) -> str | None:
        return next(
            (c for c, n in plain.items() if c not in used and _METADATA.sub("", n) in names), None
        )

    row = first("well_row", "wellrow", "row", "row_id", "row_index", "row_number", "rowid")
    column = first(
        *("well_column", "wellcolumn", "well_col", "wellcol", "column", "col"),
        *("column_id", "column_index", "column_number", "col_index", "columnid"),
    )
    return (row, column) if row and column else None
