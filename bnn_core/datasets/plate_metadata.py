"""What other files know of the wells and compounds of plates: plate maps, lists of compounds and MoAs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.tables.aliases import CANONICAL, column_like, no_such_column
from bnn_core.tables.grids import read_map_or_table, read_plate_map
from bnn_core.tables.joining import join_metadata
from bnn_core.tables.sources import mapped_table, spread_columns
from bnn_core.tables.values import as_text, name_key


def join_files(
    mapped: pd.DataFrame,
    given: pd.DataFrame,
    table_path: Path,
    *,
    layout: Sequence[Path] = (),
    metadata: Sequence[Path] = (),
    columns: Mapping[str, str] | None = None,
    wanted: Sequence[str | None] = (),
) -> tuple[pd.DataFrame, list[str]]:
    """The canonical columns of a table of images with those of plate maps and lists, and notes.

    mapped, given: the table with canonical columns, and as it was read, its columns of `columns`
    done. layout: plate maps, long or
    drawn as plates; several are one map together, and one named after a plate is that plate's.
    metadata: tables joined one after the other. columns: canonical name -> column, of the table or
    of a file. wanted: columns that are brought under their own name.

    Raises InputError where a file does not join (`join_metadata`), or where no table has a column of
    `columns`.
    """
    notes: list[str] = []
    files = [*layout, *metadata]
    raw = [read_plate_map(Path(path)) for path in layout]
    raw += map(read_map_or_table, metadata)
    asked = {
        name: source
        for name, source in (columns or {}).items()
        if source and column_like(source, given.columns) is None
    }
    for name, source in asked.items():
        if all(column_like(source, table.columns) is None for table in raw):
            known = dict.fromkeys(c for table in (given, *raw) for c in table.columns)
            raise InputError(f"--map {name}={source}: {no_such_column(source, known)}")
    tables = []
    for path, table, overrides in zip(files, raw, spread_columns(asked, raw), strict=True):
        mapping = mapped_table(Path(path), table, overrides)
        notes += mapping.map.notes
        extra = {
            column: as_text(table[column])
            for name in wanted
            if name
            and name not in CANONICAL
            and column_like(name, given.columns) is None
            and (column := column_like(name, table.columns)) is not None
        }
        tables.append(mapping.mapped.assign(**extra))
    joined = [
        *_one_layout(tables[: len(layout)], [Path(p) for p in layout], mapped),
        *zip(tables[len(layout) :], map(Path, metadata), strict=True),
    ]
    for table, path in joined:
        mapped, more = join_metadata(mapped, table, path, table_path)
        notes += more
    return mapped, notes


def _one_layout(
    tables: Sequence[pd.DataFrame], paths: Sequence[Path], images: pd.DataFrame
) -> list[tuple[pd.DataFrame, Path]]:
    """The plate maps with the plates that their files are named after; maps of plates put together."""
    tables = [_of_plate(t, path, images) for t, path in zip(tables, paths, strict=True)]
    if len(tables) < 2 or not all({"plate", "well"} <= set(t) for t in tables):
        return list(zip(tables, paths, strict=True))
    together = pd.concat(tables, ignore_index=True)
    each = pd.concat([table[["plate", "well"]].drop_duplicates() for table in tables])
    if each.duplicated().any():  # joined one by one, so that they are compared
        return list(zip(tables, paths, strict=True))
    return [(together, Path(", ".join(path.name for path in paths)))]


def _of_plate(table: pd.DataFrame, path: Path, images: pd.DataFrame) -> pd.DataFrame:
    """The map with a column of plates where its file is named after one of several."""
    if "plate" in table or "layout" in table or "plate" not in images:
        return table
    plates = images["plate"].dropna().unique()
    named = [plate for plate in plates if name_key(plate) == name_key(path.name.split(".")[0])]
    return table.assign(plate=named[0]) if len(named) == 1 and len(plates) > 1 else table
