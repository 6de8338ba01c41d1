"""The review list, or any selection of images, as CSV or Parquet: the same bytes every time.

One table for the page's button and for `bnn export`. CSV is made for Excel: UTF-8 with a byte-order
mark, RFC 4180 quoting, CRLF. A text cell that a spreadsheet would run as a formula gets a leading
apostrophe, which `restore` takes off again exactly; numbers are left alone. Parquet holds the same
columns with the texts as they are.
"""

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bnn_core.base.errors import InputError
from bnn_core.base.methods import by_precedence
from bnn_core.base.scores import SCORES
from bnn_core.review.log import ReviewLog
from bnn_core.review.state import cells
from bnn_core.study.folder import Study

FORMATS = ("csv", "parquet")
FLAGGED = "flagged images"
ABSENT = "not in the study"
#: Always there, empty where the study does not know them, so that lists of studies can be stacked.
METADATA = ("plate", "well", "site", "replicate", "batch", "compound", "concentration")
#: What is exported of a method, in the order of its summary.
_OF_METHODS = ("predicted", "correct", "p_label", *SCORES)
DECIDED = ("reason", "decision", "new_label", "note", "reviewer", "time")

# Spreadsheets start a formula with these, or skip the blank ones before it. A text that begins with
# apostrophes and then one of them gets one more, so that taking one off is always right.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_APOSTROPHE = re.compile(r"'+[=+\-@\t\r\n]")


def neutralise(text: str) -> str:
    """A text that no spreadsheet takes for a formula; `restore` is its exact inverse."""
    return "'" + text if _FORMULA.match(text) else text


def restore(cell: str) -> str:
    """The text that `neutralise` made into this cell."""
    return cell[1:] if _APOSTROPHE.match(cell) else cell


def export_bytes(
    study: Study,
    log: ReviewLog,
    *,
    rows: Iterable[int] | None = None,
    filter: str = FLAGGED,
    format: str = "csv",
) -> bytes:
    """A file's content: the flagged list (`rows` None) or these rows of the study, flagged or not.

    `filter` is the filter that made the list, in words. The bytes depend only on the study, the
    standing decisions and the arguments: no time of export, rows in the study's order. Raises
    InputError for an unknown format or rows outside of the study.
    """
    return table_bytes(export_table(study, log, rows=rows, filter=filter), format)


def export_table(
    study: Study, log: ReviewLog, *, rows: Iterable[int] | None = None, filter: str = FLAGGED
) -> pd.DataFrame:
    """The exported columns, one line per image, in the study's order; see `export_bytes`.

    `reviewer` and `time` (UTC, ISO 8601) are who decided and when, `flagged_from` the filter in
    force then, `label_when_decided` and `content_hash` (after a "#", which keeps Excel from reading
    it as a number) what was decided on; `changed` says what is different now, `disputed` whether
    another reviewer's last word differs. The flagged list ends with decisions made in this study on
    images that it no longer holds (`changed` = "not in the study").
    """
    state = log.state(study)
    if rows is None:
        at = state.index.to_numpy(dtype=np.int64)
    else:
        at = np.unique(np.fromiter(rows, dtype=np.int64))
        if len(at) and (at[0] < 0 or at[-1] >= len(study.images)):
            raise InputError(
                f"rows to export lie outside of study {study.name} with "
                f"{len(study.images):,} images"
            )
    decided = state.reindex(at).reset_index(drop=True)
    scores = _scores(study, at)
    own_hash = pd.Series(cells(study, "content_hash", at), dtype=object)
    decided["content_hash"] = decided["content_hash"].where(decided["action_id"].notna(), own_hash)
    table = pd.concat(
        [
            _images(study, at),
            scores[["predicted"]],
            _decisions(decided),
            scores.drop(columns="predicted"),
        ],
        axis=1,
    )
    if rows is None:
        gone = log.absent(study).assign(changed=ABSENT)
        lines = pd.concat([gone[["image_id"]], _decisions(gone)], axis=1)
        lines["label"] = gone["label_then"]
        table = pd.concat([table, lines], ignore_index=True)[list(table.columns)]
    return table.assign(filter=filter, study=study.name, fingerprint=study.fingerprint)


def table_bytes(table: pd.DataFrame, format: str) -> bytes:
    """Any table in one of FORMATS; InputError for another."""
    if format not in FORMATS:
        raise InputError(f"format '{format}' is none of {', '.join(FORMATS)}")
    return csv_bytes(table) if format == "csv" else parquet_bytes(table)


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV for Excel: byte-order mark, CRLF, texts neutralised, numbers as they are.

    Scores have 6 significant digits, other numbers up to 15; empty = not known.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(neutralise(name) for name in table.columns)
    columns = [
        _csv_cells(table[name], ".6g" if name.endswith(_OF_METHODS) else ".15g")
        for name in table.columns
    ]
    writer.writerows(zip(*columns, strict=True))
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """A table as Parquet without anything that changes from one export to the next."""
    columns = {}
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column):
            columns[name] = pa.array(
                column.to_numpy(dtype=np.float64, na_value=np.nan), from_pandas=True
            )
        else:
            columns[name] = pa.array(_texts(column), pa.string())
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="zstd")
    return out.getvalue()


def format_of(path: Path, format: str | None) -> str:
    """The format of a file to write: as said, else by the name's ending. InputError if neither."""
    if format is not None:
        return format
    if path.suffix.lower() in (".csv", ".parquet"):
        return path.suffix.lower()[1:]
    raise InputError(f"--out {path}: a name ending in .csv or .parquet expected, or say --format")


def _images(study: Study, at: np.ndarray) -> pd.DataFrame:
    images = study.images
    paths = [name for name in images if name == "path" or name.startswith("path_")]
    wanted = ["image_id", *(paths or ["path"]), *METADATA, "role", "label"]
    table = pd.DataFrame(index=range(len(at)))
    for name in wanted:
        empty = pd.Series(
            None, index=table.index, dtype="float64" if name == "concentration" else object
        )
        table[name] = _cells(images, name, at) if name in images else empty
    root = study.meta.get("image_root")
    if root:
        for name in paths:
            table[name] = [
                str(Path(root) / path) if isinstance(path, str) and path else None
                for path in table[name]
            ]
    return table


def _scores(study: Study, at: np.ndarray) -> pd.DataFrame:
    """Each method's scores; `predicted` alone is that of `Study.reading_method`."""
    columns = {"predicted": _cells(study.summary(study.reading_method), "predicted", at)}
    for method in by_precedence(study.methods):
        summary = study.summary(method)
        for name in summary:
            if name in _OF_METHODS:
                columns[f"{method}_{name}"] = _cells(summary, name, at)
    table = pd.DataFrame(columns, index=range(len(at)))
    for name in table.columns[table.columns.str.endswith("_correct")]:
        table[name] = [None if pd.isna(right) else _yes(right) for right in table[name]]
    return table


def _decisions(state: pd.DataFrame) -> pd.DataFrame:
    """The columns of a decision from lines of the log's state."""
    table = state[[*DECIDED, "changed", "disputed", "label_then", "filter", "content_hash"]].rename(
        columns={"label_then": "label_when_decided", "filter": "flagged_from"}
    )
    table["disputed"] = [None if pd.isna(value) else _yes(value) for value in table["disputed"]]
    table["content_hash"] = [
        f"#{value}" if isinstance(value, str) and value else None for value in table["content_hash"]
    ]
    return table


def _cells(table: pd.DataFrame, name: str, at: np.ndarray) -> pd.Series:
    return table[name].iloc[at].reset_index(drop=True)


def _csv_cells(column: pd.Series, digits: str) -> list[str]:
    if pd.api.types.is_integer_dtype(column):
        return ["" if pd.isna(value) else str(value) for value in column]
    if pd.api.types.is_numeric_dtype(column):
        # + 0.0 makes a negative zero positive.
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
        return ["" if value != value else format(value, digits) for value in numbers.tolist()]
    return ["" if value is None else neutralise(value) for value in _texts(column)]


def _texts(column: pd.Series) -> list[str | None]:
    return [
        None if missing else str(value)
        for value, missing in zip(column.to_numpy(dtype=object), column.isna(), strict=True)
    ]


def _yes(value: object) -> str:
    return "yes" if value else "no"
