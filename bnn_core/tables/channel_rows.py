"""Tables with one row per channel of a field (Harmony's index), turned into one row per field."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.tables.aliases import plain_name
from bnn_core.tables.columns import map_columns
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import as_text

_CHANNEL = (
    *("channel_name", "channelname", "channel", "channel_id", "channelid", "ch"),
    *("wavelength_name", "wavelength", "wavelength_id", "stain", "dye", "fluorophore", "marker"),
)
_STACK = re.compile(
    r"plane(?:_?id|_index)?|z(?:_?index|_position)?|slice|time_?point(?:_?id)?|time|t|frame"
)


def one_row_per_field(
    table: pd.DataFrame, overrides: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """The table with `path_<channel>` columns where it has one row per channel, and notes.

    A table that has one row per field is returned as it is. overrides: as `map_columns`. The index
    of a field is its first row. Raises InputError where nothing tells which rows are one field,
    where a field has several planes or points in time, and where its rows disagree.
    """
    column = _channel_column(table)
    if column is None:
        return table, []
    mapped, column_map = map_columns(table, overrides)
    if "path" not in mapped or column_map.channels:
        return table, []
    names = as_text(table[column])
    keys = [c for c in ("plate", "well", "site") if c in mapped]
    if "well" not in keys and "site" not in keys:
        keys = ["image_id"] if "image_id" in mapped else []
    if not keys:
        raise InputError(
            f"column '{column}' has {names.nunique()} channels, one per row, but no column shows "
            "which rows are one field: add plate, well and site, or a column image_id with one "
            "value per field"
        )
    field = pd.MultiIndex.from_frame(mapped[keys].fillna("")).factorize()[0]
    rows = np.bincount(field)
    if names.isna().any() or (rows == 1).all():
        return table, []
    _demand_single(table, mapped, names, field, keys)
    shared = mapped.drop(columns=["path", "image_id"], errors="ignore")
    first = np.unique(field, return_index=True)[1]
    for name in shared:
        codes = pd.factorize(shared[name])[0]
        differs = codes != codes[first][field]
        if differs.any():
            raise InputError(
                f"{rows_text(table.index[differs])}: '{name}' differs between the channels of one "
                "field"
            )
    result = table.iloc[first].drop(columns=[column, column_map.columns["path"]])
    order = list(dict.fromkeys(names))
    for name in order:
        mine = (names == name).to_numpy()
        paths = pd.Series("", index=range(len(first)), dtype=object)
        paths.iloc[field[mine]] = mapped["path"][mine].fillna("").to_numpy()
        result[f"path_{name}"] = paths.to_numpy()
    return result, [
        f"one row per channel (column {column}): {len(table):,} rows are "
        f"{count(len(first), 'field')} of the channels {', '.join(order)}"
    ]


def _channel_column(table: pd.DataFrame) -> str | None:
    """The column that names a channel per row, if there is one with several."""
    plain = {
        re.sub(r"^(?:image_)?metadata_", "", plain_name(c)): c for c in reversed(table.columns)
    }
    named = [plain[name] for name in _CHANNEL if name in plain]
    return next((c for c in named if as_text(table[c]).nunique() > 1), None)


def _demand_single(
    table: pd.DataFrame, mapped: pd.DataFrame, names: pd.Series, field: np.ndarray, keys: list[str]
) -> None:
    """Refuse fields with several rows of one channel."""
    double = pd.DataFrame({"field": field, "channel": names.to_numpy()}).duplicated(keep=False)
    if not double.any():
        return
    rows = table.index[double.to_numpy()]
    row = rows[0]
    name = "/".join(str(mapped.at[row, key]) for key in keys)
    same = table[(field == field[table.index.get_loc(row)]) & (names == names[row]).to_numpy()]
    stack = [c for c in table if _STACK.fullmatch(plain_name(c)) and same[c].nunique() > 1]
    raise InputError(
        f"{rows_text(rows)}: field {name} has {len(same)} rows of the channel {names[row]}"
        + (
            f", which differ in '{stack[0]}': keep one plane or point in time per field, or "
            "project the stack first"
            if stack
            else "; keep one row per field and channel"
        )
    )
