"""The files behind an import: tables read, mapped and joined, samples put in their order."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.tables.class_columns import ClassColumns, find_class_columns
from bnn_core.tables.columns import ColumnMap, map_columns, plain_name
from bnn_core.tables.joining import join_metadata
from bnn_core.tables.long_form import image_key, long_columns, pivot_long
from bnn_core.tables.probabilities import images_first, load_samples, samples_from_table
from bnn_core.tables.reading import naming, read_table, rows_text, to_numbers
from bnn_core.tables.values import as_text

#: Columns that two tables may be joined on, the most precise first.
JOINS = (
    ("image_id",),
    ("path",),
    ("plate", "well", "site"),
    ("plate", "well"),
    ("compound", "concentration"),
    ("compound",),
)
SAMPLE = ("sample", "draw", "network", "mc_sample", "sample_id", "t")


@dataclass(frozen=True)
class ImportOptions:
    """What the user says about a table; all optional.

    method: what made the predictions, a key of `base.methods.METHODS`. columns: canonical name ->
    source column, in the table or in the metadata. label, batch, group: the same for these three;
    group is what is not independent (default: compound). classes: names by column order. prefix:
    how the class columns begin. samples: file of per-sample probabilities; axes "NTC" or "TNC".
    standard: a second table, of a standard network. metadata: a table joined on `on`, or on the
    best shared columns. control: compounds or labels that are controls, never scored. unlabelled:
    labels that mean "no label". new: labels of kinds that the network never learnt.
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
    samples: Path | None = None
    axes: str | None = None
    standard: Path | None = None
    metadata: Path | None = None
    on: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


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


def read_sources(path: Path, options: ImportOptions) -> tuple[SourceTable, SourceTable | None]:
    """The table and the metadata table, mapped; what the user said goes to the table that has it.

    Raises InputError for columns that neither has.
    """
    raw = read_table(path)
    extra = None if options.metadata is None else read_table(options.metadata)
    asked = dict(options.columns)
    for canonical in ("label", "batch"):
        if getattr(options, canonical):
            asked[canonical] = getattr(options, canonical)
    here, there = {}, {}
    for canonical, source in asked.items():
        mine = _column_like(source, raw) if source else source
        its = _column_like(source, extra) if source and extra is not None else None
        if mine is None and its is not None:
            there[canonical] = its
        elif mine is None and canonical == "batch" and plain_name(source) == "week":
            # BBBC021 has no such column: the mapping reads the week off the plates' names.
            continue
        else:
            here[canonical] = source if mine is None else mine
    main = mapped_table(path, raw, here)
    second = None if extra is None else mapped_table(options.metadata, extra, there)
    both = [main] if second is None else [main, second]
    if options.batch and not any("batch" in table.mapped for table in both):
        raise InputError(
            f"--batch {options.batch}: no such column in "
            f"{' or '.join(str(table.path) for table in both)}"
            + ("; --metadata brings one from another table" if len(both) < 2 else "")
        )
    if options.group:
        _add_group(options.group, both)
    return main, second


def mapped_table(path: Path, raw: pd.DataFrame, overrides: Mapping[str, str]) -> SourceTable:
    """A table with its canonical columns."""
    with naming(path):
        return SourceTable(Path(path), raw, *map_columns(raw, overrides))


def with_metadata(
    main: SourceTable, metadata: SourceTable, on: Collection[str]
) -> tuple[SourceTable, list[str]]:
    """`main` with the metadata's columns, and notes. Raises InputError when they do not join."""
    shared = [c for c in main.mapped if c in metadata.mapped]
    on = list(on) or next((list(join) for join in JOINS if set(join) <= set(shared)), [])
    if not on or not set(on) <= set(shared):
        raise InputError(
            f"{metadata.path} and {main.path} share no column to join on "
            f"({', '.join(on) or 'compound, or plate and well'}); the one has "
            f"{metadata.map.describe()}, the other {main.map.describe()}; name columns with --map"
        )
    brought, emptied = join_metadata(main.mapped, metadata.mapped, on, metadata.path, main.path)
    keys = " and ".join(on)
    if brought.empty:
        raise InputError(
            f"{metadata.path} adds nothing: none of its other columns has one value per {keys}"
        )
    notes = [f"{', '.join(brought)} joined from {metadata.path.name} on {keys}."]
    for n in sorted(set(emptied.values())):
        columns = ", ".join(column for column, rows in emptied.items() if rows == n)
        notes.append(
            f"Empty on {count(n, 'row')}: {columns}; {metadata.path.name} has several "
            f"values for one {keys}."
        )
    return replace(main, mapped=pd.concat([main.mapped, brought], axis=1)), notes


def find_values(
    table: SourceTable, known: Collection[str], prefix: str | None = None
) -> tuple[ClassValues | None, SourceTable]:
    """The class values of a wide or a long table, and the table with one row per image.

    known: class names that occur. None when the table has no class values.
    """
    with naming(table.path):
        found = find_class_columns(table.raw, table.map.unused, known, prefix)
    if found is not None:
        values = to_numbers(table.raw, list(found.columns), table.path)
        return ClassValues(found, values), table
    long = long_columns(table.raw)
    if long is None:
        return None, table
    index, classes, values = pivot_long(table.raw, table.mapped, long, table.path)
    found = ClassColumns(tuple(classes), tuple(classes), plain_name(long[1]) == "logit")
    single = replace(table, raw=table.raw.loc[index], mapped=table.mapped.loc[index])
    return ClassValues(found, values), single


def read_samples(
    main: SourceTable, table_values: ClassValues | None, options: ImportOptions
) -> tuple[np.ndarray, ClassColumns]:
    """Samples (N, T, C) in the order of the table's rows, and what names their classes.

    Raises InputError when shapes, ids or classes do not fit the table, or when the samples do not
    average to the probabilities that the table itself gives.
    """
    path = Path(options.samples)
    given = None if table_values is None else table_values.columns
    if path.suffix in (".npy", ".npz"):
        cube, names, ids = load_samples(path)
        samples = images_first(cube, len(main.raw), options.axes, path)
        if ids is not None:
            samples = samples[_places(ids, main, path)]
    else:
        samples, names = _sample_table(main, given, options)
    count = samples.shape[2]
    if names is None:
        names = list(given.names) if given else [str(k) for k in range(count)]
    if len(names) != count or (given and len(given.columns) != count):
        raise InputError(
            f"{path} has {count} classes, but "
            f"{len(names if len(names) != count else given.columns)} are named"
        )
    columns = given or ClassColumns(tuple(names), tuple(names), logits=False)
    if given and not options.logits:
        off = np.abs(np.asarray(samples, np.float64).mean(axis=1) - table_values.values) > 0.02
        if off.any():
            raise InputError(
                f"{path} does not average to the probabilities in {main.path}, "
                f"{rows_text(main.raw.index[off.any(axis=1)])}: are its images in the "
                "order of the rows, and its classes in that of the columns?"
            )
    return samples, columns


def _column_like(name: str, table: pd.DataFrame) -> str | None:
    """A column by its name, else by its name without regard to case and punctuation."""
    if name in table.columns:
        return name
    return next((c for c in table.columns if plain_name(c) == plain_name(name)), None)


def _add_group(name: str, tables: list[SourceTable]) -> None:
    for table in tables:
        column = _column_like(name, table.raw)
        if name in table.mapped or column is not None:
            table.mapped["group"] = as_text(
                table.mapped[name] if name in table.mapped else table.raw[column]
            )
            return
    raise InputError(
        f"--group {name}: no such column in {' or '.join(str(table.path) for table in tables)}"
    )


def _places(ids: list[str], main: SourceTable, path: Path) -> np.ndarray:
    """Position in `ids` of each row of the table."""
    key = image_key(main.mapped)
    if key is None:
        raise InputError(f"{path} names its images (image_id), the table {main.path} does not")
    if len(set(ids)) < len(ids):
        raise InputError(f"{path}: an image stands twice in image_id")
    place = pd.Index(ids).get_indexer(key)
    if (place < 0).any():
        lost = key.index[place < 0]
        raise InputError(
            f"{path} lacks images of {main.path}: {rows_text(lost)} there, the first "
            f"is '{key[lost[0]]}'"
        )
    return place


def _sample_table(
    main: SourceTable, given: ClassColumns | None, options: ImportOptions
) -> tuple[np.ndarray, list[str]]:
    """Samples from a table of one row per image and sample."""
    path = Path(options.samples)
    table = read_table(path)
    mapped, mapping = map_columns(table)
    sample = next((c for c in table.columns if plain_name(c) in SAMPLE), None)
    known = [*options.classes, *(given.names if given else ())]
    columns = find_class_columns(table, mapping.unused, known, options.prefix)
    keys, ids = image_key(mapped), image_key(main.mapped)
    if sample is None or columns is None or keys is None or ids is None:
        raise InputError(
            f"{path}: one row per image and sample expected, with columns image_id "
            "(or path), sample and class probabilities, and the same ids in the table"
        )
    values = to_numbers(table, list(columns.columns), path)
    return (samples_from_table(table, values, keys, table[sample], ids, path), list(columns.names))
