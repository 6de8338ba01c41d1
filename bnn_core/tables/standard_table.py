"""The table of a standard network, in the order and classes of the imported table."""

from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.tables.class_columns import predicted_column
from bnn_core.tables.class_order import lacking_column, name_classes
from bnn_core.tables.label_values import counted_alike, named_codes
from bnn_core.tables.long_form import image_key
from bnn_core.tables.matching import image_positions
from bnn_core.tables.no_classes import why_no_classes
from bnn_core.tables.probabilities import checked_probabilities
from bnn_core.tables.reading import read_table, rows_text
from bnn_core.tables.sources import (
    ImportOptions,
    SourceTable,
    demand_known_scale,
    find_values,
    mapped_table,
    predicted_names,
)
from bnn_core.tables.values import match_names


def standard_softmax(
    images: pd.DataFrame, classes: list[str], options: ImportOptions, notes: list[str]
) -> np.ndarray:
    """Mean softmax (N, C) of the standard network, in the order of `images` and `classes`."""
    if options.method == "standard":
        raise InputError(
            "--standard adds a standard network, so --method standard is one too many; name the "
            "method of the first table (vi, dropout, ensemble, laplace)"
        )
    path = Path(options.standard)
    raw = read_table(path)
    overrides = {k: c for k, c in options.columns.items() if c in raw.columns}
    table = mapped_table(path, raw, overrides)
    column = None if options.ignore_predicted else predicted_column(list(raw.columns))
    class_values, table = find_values(table, classes, options.prefix)
    if class_values is None:
        raise InputError(
            f"{path} {why_no_classes(table, pd.Series(classes, dtype=object), column)}"
        )
    p, _ = checked_probabilities(
        class_values.values,
        table.raw.index,
        class_values.columns.columns,
        where=table.where,
        logits=demand_known_scale(class_values.columns, options, table.where),
        lacking=lacking_column(class_values.columns, classes),
    )
    same_columns = set(class_values.columns.names).isdisjoint(classes)
    given = options.classes if same_columns else ()
    class_values, predicted, _ = counted_alike(
        class_values, pd.Series(classes, dtype=object), predicted_names(table, column)
    )
    if predicted is not None:
        predicted, _ = named_codes(predicted, class_values.columns.names, given)
    named, _ = name_classes(
        class_values.columns, class_values.values, classes, predicted, given, where=table.where
    )
    named = list(match_names(pd.Series(named, dtype=object), classes, table.where))
    if set(named) != set(classes):
        odd = sorted(set(named) ^ set(classes))
        raise InputError(f"{path}: other classes than the first table's: {', '.join(odd[:5])}")
    return p[_partner_rows(images, table, notes)][:, pd.Index(named).get_indexer(classes)]


def _partner_rows(images: pd.DataFrame, table: SourceTable, notes: list[str]) -> np.ndarray:
    """Position in `table` of each image, by what tells images apart in both, else by order."""
    theirs = image_key(table.mapped)
    if theirs is None:
        if len(table.raw) != len(images):
            raise InputError(
                f"{table.path} has {len(table.raw):,} rows, the first table {len(images):,}, and "
                "no column identifies the images; add a column image_id to both"
            )
        notes.append(f"Rows of {table.path.name} were matched by their order.")
        return np.arange(len(images))
    if theirs.duplicated().any():
        double = theirs.index[theirs.duplicated(keep=False)]
        raise InputError(f"{table.where}{rows_text(double)}: the same image occurs more than once")
    # Either what both tables call the image, or the id that the study gave it.
    names = image_key(images[[c for c in images if c in table.mapped]])
    names = images["image_id"] if names is None else names
    rows, how = image_positions(names, theirs)
    if (rows < 0).any():
        lost = images.index[rows < 0]
        raise InputError(
            f"{table.path} lacks images of the first table: {rows_text(lost)} there, "
            f"the first is '{names[lost[0]]}'"
        )
    if how:
        notes.append(f"Images of {table.path.name} were matched by {how}.")
    return rows
