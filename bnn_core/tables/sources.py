"""The files behind an import: tables read, mapped and joined, samples put in their order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.tables.aliases import column_like, plain_name
from bnn_core.tables.arrays import is_array_file, is_list_file, read_array_table, read_list
from bnn_core.tables.class_columns import ClassColumns, find_class_columns
from bnn_core.tables.columns import ColumnMap, map_columns
from bnn_core.tables.grids import read_map_or_table
from bnn_core.tables.joining import join_metadata
from bnn_core.tables.long_form import long_columns, pivot_long
from bnn_core.tables.ranks import demand_unsorted, ranked_values
from bnn_core.tables.reading import looks_numeric, name_of, naming, read_table, to_numbers
from bnn_core.tables.values import as_text


@dataclass(frozen=True)
class ImportOptions:
    """What the user says about a table; all optional.

    method: what made the predictions, a key of `base.methods.METHODS`. columns: canonical name ->
    source column, in the table or in the metadata. label, batch, group: the same for these three;
    group: images that are not independent (default: the compound). classes: names by column order. prefix:
    how the class columns begin. samples: per-sample probabilities, a file or an array; axes
    "NTC" or "TNC".
    standard: a second table, of a standard network. metadata: tables joined one after the other on
    `on`, or on the best shared columns. control: compounds or labels that are controls, never
    scored. unlabelled: labels that mean "no label". new: labels of kinds that the network never
    learnt. labels, ids: files of one value per image, in the order of the table or array.
    """

    method: str = "vi"
    label: str | None = None
    group: str | None = None
    batch: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    prefix: str | None = None
    ignore_predicted: bool = False
    logits: bool = False
    samples: Path | np.ndarray | None = None
    axes: str | None = None
    standard: Path | None = None
    metadata: tuple[Path, ...] = ()
    on: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    labels: Path | None = None
    ids: Path | None = None


@dataclass(frozen=True)
class SourceTable:
    """A table as read (`raw`), its canonical columns (`mapped`, same index) and how they came."""

    path: Path
    raw: pd.DataFrame
    mapped: pd.DataFrame
    map: ColumnMap

    @property
    def where(self) -> str:
        """How messages about rows begin."""
        return f"{self.path} "


@dataclass(frozen=True)
class ClassValues:
    """Class columns and their values (N, C), nan where empty."""

    columns: ClassColumns
    values: np.ndarray


class Sources(NamedTuple):
    """The table and the metadata tables, and the options with what an array file holds."""

    main: SourceTable
    metadata: list[SourceTable]
    options: ImportOptions


def read_sources(path: Path | pd.DataFrame, options: ImportOptions) -> Sources:
    """The table (or array) and the metadata tables, mapped; an option goes to the table that has
    its column.

    Raises InputError for columns that none has.
    """
    first, options = _read_main(path, options)
    tables = [first, *map(read_map_or_table, options.metadata)]
    paths = [name_of(source) for source in (path, *options.metadata)]
    asked = dict(options.columns)
    for canonical in ("label", "batch"):
        if getattr(options, canonical):
            asked[canonical] = getattr(options, canonical)
    if plain_name(asked.get("batch") or "") == "week" and not any(
        column_like("week", table.columns) for table in tables
    ):
        del asked["batch"]  # BBBC021 has none: the mapping reads the week off the plates' names
    overrides = spread_columns(asked, tables)
    alone = len(tables) == 1  # joining needs objects
    sources = [
        mapped_table(p, t, o, alone) for p, t, o in zip(paths, tables, overrides, strict=True)
    ]
    if options.batch and not any("batch" in table.mapped for table in sources):
        raise InputError(
            f"--batch {options.batch}: no such column in "
            f"{' or '.join(map(str, paths))}"
            + ("; --metadata adds one from another table" if len(paths) < 2 else "")
        )
    if options.group:
        _add_group(options.group, sources)
    return Sources(sources[0], sources[1:], options)


def _read_main(
    path: Path | pd.DataFrame, options: ImportOptions
) -> tuple[pd.DataFrame, ImportOptions]:
    """The table of predictions with the lists that the user gave, and the options."""
    if is_array_file(path):
        labels, metadata = _list_or_table(options.labels)
        array = read_array_table(Path(path), labels, options.ids, options.axes)
        samples = array.samples if array.samples is not None else options.samples
        return array.table, replace(
            options,
            samples=samples,
            classes=options.classes or array.classes,
            metadata=(*options.metadata, *metadata),
        )
    table = read_table(path)
    labels, metadata = _list_or_table(options.labels)
    for name, file in (("label", labels), ("image_id", options.ids)):
        if file is not None:
            values = read_list(file)
            if len(values) != len(table):
                raise InputError(
                    f"{file} has {len(values):,} values, {name_of(path)} {len(table):,} rows"
                )
            table = table.assign(**{name: values})
    return table, replace(options, metadata=(*options.metadata, *metadata))


def _list_or_table(labels: Path | None) -> tuple[Path | None, tuple[Path, ...]]:
    """A file of labels: a list in the order of the images, or a table to be joined."""
    if labels is None or is_list_file(labels):
        return labels, ()
    return None, (labels,)


def spread_columns(
    asked: Mapping[str, str], tables: Sequence[pd.DataFrame]
) -> list[dict[str, str]]:
    """Overrides for `map_columns` of each table: an asked column goes to the first that has it, else
    to the first, which refuses it with the names that it has."""
    overrides: list[dict[str, str]] = [{} for _ in tables]
    for canonical, source in asked.items():
        columns = [column_like(source, table.columns) if source else source for table in tables]
        first = next((i for i, column in enumerate(columns) if column is not None), None)
        if overrides:
            overrides[first or 0][canonical] = source if first is None else columns[first]
    return overrides


def mapped_table(
    path: Path, raw: pd.DataFrame, overrides: Mapping[str, str], kinds: bool = False
) -> SourceTable:
    """A table with its canonical columns. kinds: see `map_columns`."""
    with naming(path):
        return SourceTable(Path(path), raw, *map_columns(raw, overrides, kinds))


def with_metadata(
    main: SourceTable, metadata: Sequence[SourceTable], on: Collection[str]
) -> tuple[SourceTable, list[str]]:
    """`main` with the columns of the metadata tables, joined one after the other, and notes.

    Raises InputError when they do not join (`join_metadata`).
    """
    mapped, notes = main.mapped, []
    for table in metadata:
        known = table.mapped
        marks = (
            None if {"label", "moa"} & set(known) else marked_labels(table.raw, table.map.unused)
        )
        if marks is not None:
            columns, labels = marks
            known = known.assign(label=labels)
            notes.append(
                f"The labels of {table.path.name} are read from {columns[0]} ... {columns[-1]}, 1 "
                "for the class."
            )
        mapped, more = join_metadata(mapped, known, table.path, main.path, on)
        notes += more
    return replace(main, mapped=mapped), notes


def find_values(
    table: SourceTable, known: Collection[str], prefix: str | None = None
) -> tuple[ClassValues | None, SourceTable]:
    """The class values of a wide or a long table, and the table with one row per image.

    known: class names that occur. None when the table has no class values.
    """
    with naming(table.path):
        ranked = ranked_values(table.raw, table.map.unused)
        if ranked is not None:
            return ClassValues(
                ClassColumns(ranked.columns, ranked.names, False), ranked.values
            ), table
        columns = find_class_columns(table.raw, table.map.unused, known, prefix, suppose=True)
        if columns is not None and columns.names == tuple(map(str, range(len(columns.names)))):
            demand_unsorted(table.raw, columns.columns)
    if columns is not None:
        values = to_numbers(table.raw, list(columns.columns), table.path)
        return ClassValues(columns, values), table
    long = long_columns(table.raw)
    if long is None:
        return None, table
    index, classes, values = pivot_long(table.raw, table.mapped, long, table.path)
    columns = ClassColumns(tuple(classes), tuple(classes), plain_name(long[1]) == "logit")
    single = replace(table, raw=table.raw.loc[index], mapped=table.mapped.loc[index])
    return ClassValues(columns, values), single


def marked_labels(
    table: pd.DataFrame, candidates: Sequence[str]
) -> tuple[list[str], pd.Series] | None:
    """The label of each row from columns of 0 and 1, called as the classes, exactly one 1 per row;
    None where there are no such columns."""
    marks = [c for c in candidates if looks_numeric(table[c])]
    numbers = table[marks].apply(pd.to_numeric, errors="coerce")
    marks = [c for c in marks if numbers[c].isin((0, 1)).all()]
    if len(marks) < 2 or not (numbers[marks].sum(axis=1) == 1).all():
        return None
    names = np.array(marks, dtype=object)[numbers[marks].to_numpy().argmax(axis=1)]
    return marks, pd.Series(names, index=table.index)


def demand_known_scale(columns: ClassColumns, options: ImportOptions, where: str) -> bool:
    """Whether the values are logits. Raises InputError for logits without the option."""
    if columns.logits and not options.logits:
        raise InputError(
            f"{where}columns {columns.columns[0]} ... are logits, not probabilities; --logits "
            "converts them"
        )
    return options.logits


def predicted_names(main: SourceTable, column: str | None) -> pd.Series | None:
    """The predicted class of each row, None where the cell is empty; None without such a column."""
    return None if column is None else as_text(main.raw[column])


def _add_group(name: str, tables: list[SourceTable]) -> None:
    for table in tables:
        column = column_like(name, table.raw.columns)
        if name in table.mapped or column is not None:
            table.mapped["group"] = as_text(
                table.mapped[name] if name in table.mapped else table.raw[column]
            )
            return
    raise InputError(
        f"--group {name}: no such column in {' or '.join(str(table.path) for table in tables)}"
    )
