"""Bringing metadata from a second table to a table of images."""

from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import none_where


def join_metadata(
    table: pd.DataFrame, metadata: pd.DataFrame, on: list[str], path: Path, table_path: Path
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Columns of `metadata` for each row of `table`, matched on equal values of the columns `on`.

    Both have canonical columns (`bnn_core.tables.columns`). A column comes along when `table` lacks it and
    it has one value per key for at least one key; where a key has several values (taxol lives in
    every week) the cell stays empty. The paths name the metadata and the table in messages.

    Returns the new columns (index of `table`) and, per column, how many rows were left empty for
    that reason. Raises InputError naming the rows that have no partner in `metadata`.
    """

    def keys_of(frame: pd.DataFrame) -> pd.Series:
        parts = [frame[c].map(lambda v: f"{v!r}\x1f") for c in on]
        return parts[0].str.cat(parts[1:]) if len(parts) > 1 else parts[0]

    wanted = keys_of(table)
    known = keys_of(metadata)
    lost = ~wanted.isin(set(known))
    if lost.any():
        first = table.loc[lost, on].iloc[0]
        shown = ", ".join(f"{c} '{first[c]}'" for c in on)
        raise InputError(
            f"{table_path} {rows_text(table.index[lost])}: {shown} is not in {path}; "
            "correct the name, or join on other columns with --on"
        )
    brought, emptied = {}, {}
    for column in metadata.columns:
        if column in table:
            continue
        pairs = pd.DataFrame({"key": known.to_numpy(), "value": metadata[column].to_numpy()})
        pairs = pairs[pairs["value"].notna()].drop_duplicates()
        single = ~pairs["key"].duplicated(keep=False)
        if not single.any():
            continue
        values = wanted.map(pairs[single].set_index("key")["value"])
        brought[column] = (
            values.astype(np.float64)
            if column == "concentration"
            else none_where(values, values.isna())
        )
        several = int(wanted.isin(set(pairs["key"][~single])).sum())
        if several:
            emptied[column] = several
    return pd.DataFrame(brought, index=table.index), emptied
