"""Tables that are no text: Excel and OpenDocument sheets, JSON, Feather; lists in cells."""

import ast
import itertools
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.feather as feather

from bnn_core.base.errors import InputError, decoding
from bnn_core.base.limits import MOST_TEXT_BYTES, demand_size, demand_table
from bnn_core.base.reading import pandas_of
from bnn_core.base.wording import count, listed
from bnn_core.tables.two_line_headers import LOOKED_AT, two_line_header
from bnn_core.tables.workbooks import sheet_cells

#: A list or a record written into one cell of text.
_WRITTEN = re.compile(r"\s*(?:\[.*\]|\(.*\)|\{.*\})\s*", re.S)
#: Fractions from 0 to 1 in one cell of text.
_SHARE = r"(?:0?\.\d+|[01](?:\.\d*)?|\d(?:\.\d+)?e-\d+)"
_JOINED = re.compile(rf"\s*{_SHARE}(?:\s*[\s,;|]\s*{_SHARE})+\s*", re.I)
#: What PyTorch and NumPy print around a value: tensor([0.1, 0.9], device='cuda:0').
_PRINTED = re.compile(
    r"\s*(?:tf\.)?(?:tensor|array)\((.*?)(?:,\s*(?:device|dtype|grad_fn|shape)=.*)?\)\s*",
    re.S | re.I,
)
#: What NumPy 2 prints for a number within a list: np.float64(0.1).
_SCALAR = re.compile(r"\bnp\.\w+\(([^()]*)\)")
#: Keys of a record with all names in one list and all scores in another.
_ALL_NAMES = (
    *("labels", "classes", "names", "displaynames", "categories", "labelnames", "classnames"),
    *("label", "class", "name", "tags"),
)
_ALL_SCORES = (
    *("scores", "probabilities", "probs", "confidences"),
    *("score", "probability", "prob", "confidence"),
)
#: Keys of the two halves of one class in a list of classes, as pipelines for text write them.
_NAMES = ("label", "class", "name", "classname", "tagname", "displayname", "category", "value")
_SCORES = ("score", "probability", "prob", "confidence", "p")
#: Longer texts are no list or record that Python printed.
_LONGEST_LITERAL = 10_000
#: Keys of the classes of a matrix.
_CLASS_LISTS = ("classes", "classnames", "classindices", "labelnames", "categories", "classtoidx")
#: Records within records that are read.
_MOST_DEEP = 4


def read_feather(path: Path) -> pd.DataFrame:
    """A Feather (Arrow IPC) file. Raises InputError where it is none."""
    with decoding(path, "write it again"):
        arrow = feather.read_table(path, memory_map=False)
        demand_table(path, arrow.num_rows, arrow.num_columns)
        return pandas_of(arrow)


def read_sheet(path: Path) -> pd.DataFrame:
    """The only filled sheet of a workbook, every cell as text; index = the row's number there.

    A sheet called "legend" beside another explains it, and is passed over; so are titles, first rows
    of one filled cell above wider ones.
    Raises InputError for a damaged file and for several filled sheets.
    """
    filled = sheet_cells(path)
    if len(filled) == 2:
        filled = {name: rows for name, rows in filled.items() if name.lower() != "legend"}
    if len(filled) != 1:
        what = (
            f"{count(len(filled), 'sheet')} with cells ({listed(list(filled))})"
            if filled
            else "no filled cell"
        )
        raise InputError(f"{path} has {what}: save the table as a separate workbook, or as CSV")
    (cells,) = filled.values()
    width = max(i + 1 for row in cells for i, cell in enumerate(row) if cell)
    wide = [i for i, row in enumerate(cells) if sum(map(bool, row)) > (width > 2)]
    first = wide[0] if wide else 0
    lines = [row[:width] for row in cells[first:]]
    names, header = two_line_header(lines[:LOOKED_AT]) or (lines[0], 1)
    table = pd.DataFrame(lines[header:], dtype=object)
    if table.empty:
        raise InputError(f"{path} has a header and no rows")
    table.columns = [name or f"column {i + 1}" for i, name in enumerate(names)]
    table.index = pd.RangeIndex(first + header + 1, first + header + 1 + len(table))
    return table


def read_json_table(path: Path) -> pd.DataFrame:
    """Records from .json or one per line (.jsonl, .ndjson), in any of the usual layouts.

    Understood are a list of records, columns as lists, pandas' layouts, records by name of the
    image, and, per image, a list of classes with scores. Raises InputError for anything else.
    """
    with decoding(path, "save it again"):
        demand_size(path, MOST_TEXT_BYTES, "write it as Parquet")
        text = path.read_text(encoding="utf-8-sig")
        try:
            data = _loads(text)
        except ValueError:
            data = _lines(text)
            if data is None:
                raise
        table = _records(data)
    if table is None or table.empty:
        raise InputError(
            f"{path} holds no table; it needs a list of records, one per image, or columns as lists of "
            "one length"
        )
    return table


def expanded(table: pd.DataFrame) -> pd.DataFrame:
    """Lists and records in cells as columns of their own: "probs" as probs_0, probs_1, ...

    A record gives one column per key, a list of classes with scores one per class. Cells of text
    that hold such a list are read too. Columns whose cells differ in length stay as they are.
    """
    table = _unprinted(table)
    for _ in range(_MOST_DEEP):
        flat = _expanded_once(table)
        if flat is table:
            break
        table = flat
    return table


def _expanded_once(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the lists and records of its cells as columns; itself where it has none."""
    nested = {name: values for name in table.columns if (values := _nested(table[name]))}
    names, records = _names_beside_scores(nested)
    new = {}
    for name, values in (nested | records).items():
        columns = None if name == names else _columns(str(name), values)
        if columns is not None:
            new[name] = pd.DataFrame(columns, index=table.index)
    if not new:
        return table
    parts = [new.get(name, table[[name]]) for name in table.columns if name != names]
    return pd.concat(parts, axis=1)


def _unprinted(table: pd.DataFrame) -> pd.DataFrame:
    """The table with "tensor(2)" as "2", in columns where every filled cell is so."""
    texts = [c for c in table if table[c].dtype == object or pd.api.types.is_string_dtype(table[c])]
    for name in texts:
        filled = (v for v in table[name] if not _is_empty(v))
        first = next(filled, None)
        if first is not None and all(
            isinstance(v, str) and _PRINTED.fullmatch(v) for v in itertools.chain([first], filled)
        ):
            bare = [v if _is_empty(v) else _PRINTED.fullmatch(v)[1] for v in table[name]]
            table = table.assign(**{name: pd.Series(bare, table.index, dtype=object)})
    return table


def _names_beside_scores(
    nested: dict[str, list[Any]],
) -> tuple[str | None, dict[str, list[Any]]]:
    """Two columns of lists, names and scores (displayNames, confidences): the column of names, and
    that of scores with records of both. (None, {}) where there are none."""
    keys = {str(name).rsplit(".", 1)[-1].lower().replace("_", ""): name for name in nested}
    names = next((keys[n] for n in _ALL_NAMES if n in keys), None)
    scores = next((keys[s] for s in _ALL_SCORES if s in keys), None)
    if names is None or scores is None:
        return None, {}
    both = list(zip(nested[names], nested[scores], strict=True))
    items = [item for cell, _ in both if cell is not None for item in cell]
    marks = not all(isinstance(item, str) for item in items)  # 0, 1, 0 for the true class
    if marks or any(isinstance(cell, dict) for cells in both for cell in cells):
        return None, {}
    records = [
        None if n is None or s is None else {"labels": list(n), "scores": list(s)} for n, s in both
    ]
    if not all(r is None or _paired(r) for r in records):
        return None, {}
    return names, {scores: records}


def _loads(text: str) -> Any:
    """The value of JSON. ValueError where it is none, or holds half a character: "\\ud800"."""
    value = json.loads(text)
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _lines(text: str) -> list[Any] | None:
    """One JSON value per line; None where a line is none."""
    try:
        return [_loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return None


def _records(data: Any) -> pd.DataFrame | None:
    if isinstance(data, list):
        if all(isinstance(row, dict) for row in data) and data:
            return pd.DataFrame(data)
        if all(isinstance(row, list) and row and isinstance(row[0], dict) for row in data) and data:
            return pd.DataFrame({"p": data})  # per image a list of classes
        return None
    if not isinstance(data, dict) or not data:
        return None
    if isinstance(data.get("columns"), list) and isinstance(data.get("data"), list):
        table = pd.DataFrame(data["data"], columns=list(map(str, data["columns"])))
        index = data.get("index")
        if isinstance(index, list) and any(isinstance(i, str) for i in index):
            table.insert(0, "image_id", index)
        return table
    values = list(data.values())
    lists = [v for v in values if isinstance(v, list)]
    if (table := _matrix_of(data)) is not None:
        return table
    if len(lists) == 1 and lists[0] and all(isinstance(row, dict) for row in lists[0]):
        return pd.DataFrame(lists[0])  # {"predictions": [...], "model": ...}
    if all(isinstance(v, list) for v in values) and len(set(map(len, values))) == 1:
        return pd.DataFrame(data)
    if all(isinstance(v, dict) for v in values):
        inner = [list(v) for v in values]
        if all(keys == inner[0] for keys in inner) and all(str(k).isdecimal() for k in inner[0]):
            return pd.DataFrame({name: list(v.values()) for name, v in data.items()})
        return pd.DataFrame(values).assign(image_id=list(data))
    tables = [v for v in lists if v and isinstance(v[0], dict)]
    return pd.DataFrame(tables[0]) if len(tables) == 1 else None


def _matrix_of(data: dict[str, Any]) -> pd.DataFrame | None:
    """One list of rows of numbers, one per image, and what else has one value per image; the classes as
    a list or as {"name": place}. None for other values."""
    matrices = {k: v for k, v in data.items() if isinstance(v, list) and v and _is_matrix(v)}
    if len(matrices) != 1 or len(data) == 1:
        return None
    ((key, rows),) = matrices.items()
    names = next((v for k, v in data.items() if k.lower().replace("_", "") in _CLASS_LISTS), None)
    if isinstance(names, dict) and {*map(str, names.values())} == {*map(str, range(len(names)))}:
        names = sorted(names, key=lambda name: int(names[name]))
    named = isinstance(names, list) and len(names) == len(rows[0])
    heads = (
        [f"p_{name}" for name in names] if named else [f"{key}_{k}" for k in range(len(rows[0]))]
    )
    others = {
        k: v
        for k, v in data.items()
        if k != key and isinstance(v, list) and len(v) == len(rows) and not (named and v == names)
    }
    return pd.concat([pd.DataFrame(others), pd.DataFrame(rows, columns=heads)], axis=1)


def _is_matrix(rows: list[Any]) -> bool:
    """Whether all values are lists of numbers, of one length."""
    return all(
        isinstance(row, list)
        and len(row) == len(rows[0]) > 1
        and all(isinstance(x, int | float) for x in row)
        for row in rows
    )


def _nested(column: pd.Series) -> list[Any] | None:
    """The lists or records of a column, None where a cell is empty; None for other columns."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return None
    first = next((v for v in column if not _is_empty(v)), None)
    nested = isinstance(first, list | tuple | np.ndarray | dict)
    if isinstance(first, str) and _JOINED.fullmatch(first):
        return _shares(column)
    if not nested and not (isinstance(first, str) and _WRITTEN.fullmatch(first)):
        return None
    values = [None if _is_empty(v) else v for v in column.tolist()]
    filled = [v for v in values if v is not None]
    if all(isinstance(v, list | tuple | np.ndarray | dict) for v in filled):
        return values
    if all(isinstance(v, str) for v in filled) and all(map(_WRITTEN.fullmatch, filled)):
        read = [None if v is None else _parsed(v) for v in values]
        return (
            read
            if all((r is None) == (v is None) for r, v in zip(read, values, strict=True))
            else None
        )
    return None


def _shares(column: pd.Series) -> list[Any] | None:
    """Numbers joined in each cell ("0.9 0.1") as lists, where all are as many and sum to 1; else None."""
    filled = [v for v in column if not _is_empty(v)]
    if not all(isinstance(v, str) and _JOINED.fullmatch(v) for v in filled):
        return None
    lists = [[float(n) for n in re.split(r"[\s,;|]+", v.strip())] for v in filled]
    if len(set(map(len, lists))) > 1 or any(abs(sum(p) - 1) > 0.02 for p in lists):
        return None
    rows = iter(lists)
    return [None if _is_empty(v) else next(rows) for v in column]


def _is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: None, NA, nan or no text."""
    if isinstance(value, list | tuple | np.ndarray | dict):
        return False
    return value == "" if isinstance(value, str) else bool(pd.isna(value))


def _parsed(text: str) -> Any:
    """A list or record written as JSON, or as Python or NumPy print it; None where it is none."""
    text = _SCALAR.sub(r"\1", text)
    try:
        return _loads(text)
    except ValueError:
        numbers = text.strip()[1:-1].replace(",", " ").split()
    with suppress(ValueError):
        return [float(number) for number in numbers] or None
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        value = ast.literal_eval(text.strip()) if len(text) <= _LONGEST_LITERAL else None
        return value if isinstance(value, list | dict) else None
    return None


def _columns(name: str, values: list[Any]) -> dict[str, list[Any]] | None:
    """The columns of a column of lists or records; None where the cells are of different kinds."""
    filled = [v for v in values if v is not None]
    if all(isinstance(v, dict) for v in filled):
        if all(_paired(v) for v in filled):
            return _columns("p", [v and _paired(v) for v in values])
        if all(_scored(v) for v in filled):
            return _columns("p", [v and _scored(v) for v in values])
        keys = list(dict.fromkeys(key for v in filled for key in v))
        return {f"{name}_{k}": [None if v is None else v.get(k) for v in values] for k in keys}
    if any(isinstance(v, dict) for v in filled):
        return None
    lists = [None if v is None else list(v) for v in values]
    filled = [v for v in lists if v is not None]
    if len(set(map(len, filled))) != 1 or not filled[0]:
        return None
    if all(isinstance(item, dict) for v in filled for item in v):
        alone = all(len(v) == 1 for v in filled)
        records = [v and (_by_class(v) or (v[0] if alone else None)) for v in lists]
        if any(r is None and v is not None for r, v in zip(records, lists, strict=True)):
            return None
        return _columns(name if name in ("p", "prob", "probs", "softmax") else "p", records)
    if len(filled[0]) < 2:
        return {name: [None if v is None else v[0] for v in lists]}
    return {
        f"{name}_{k}": [None if v is None else v[k] for v in lists] for k in range(len(filled[0]))
    }


def _paired(record: dict[str, Any]) -> dict[str, Any] | None:
    """{"labels": ["a", "b"], "scores": [0.9, 0.1]} as {"a": 0.9, "b": 0.1}; None for others."""
    keys = {str(k).lower().replace("_", ""): k for k in record}
    names = next((record[keys[n]] for n in _ALL_NAMES if n in keys), None)
    scores = next((record[keys[s]] for s in _ALL_SCORES if s in keys), None)
    if not isinstance(names, list) or not isinstance(scores, list) or len(names) != len(scores):
        return None
    return dict(zip(map(str, names), scores, strict=True))


def _scored(record: dict[str, Any]) -> dict[str, Any] | None:
    """{"a": {"confidence": 0.9, ...}, ...} as {"a": 0.9, ...}; None for others."""
    scores = {}
    for name, inner in record.items():
        if not isinstance(inner, dict):
            return None
        keys = {str(k).lower(): k for k in inner}
        score = next((keys[s] for s in _SCORES if s in keys), None)
        if score is None:
            return None
        scores[str(name)] = inner[score]
    return scores or None


def _by_class(items: list[dict[str, Any]]) -> dict[str, Any] | None:
    """[{"label": "a", "score": 0.9}, ...] as {"a": 0.9, ...}; None for other records."""
    keys = {str(k).lower().replace("_", ""): k for k in items[0]}
    name = next((keys[n] for n in _NAMES if n in keys), None)
    score = next((keys[s] for s in _SCORES if s in keys), None)
    if name is None or score is None or any(name not in i or score not in i for i in items):
        return None
    return {str(item[name]): item[score] for item in items}
