"""The review list, or any selection of images, as CSV or Parquet: the same bytes every time.

The page's button and `bnn export` use the same table. CSV is made for Excel: UTF-8 with a byte-order
mark, RFC 4180 quoting, CRLF. A text cell that a spreadsheet would run as a formula gets a leading
apostrophe (`base.spreadsheets`); numbers are not changed. Parquet has the same columns with unchanged
texts.
"""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bnn_core.base.errors import InputError
from bnn_core.base.files import write_bytes
from bnn_core.base.methods import by_precedence
from bnn_core.base.scores import SCORES, TRAINING_MARGIN
from bnn_core.base.spreadsheets import neutralise
from bnn_core.measures.prediction_sets import LEVEL, in_words, table_sets
from bnn_core.review.filter_syntax import parse, select, to_text
from bnn_core.review.log import ReviewLog
from bnn_core.review.state import cells
from bnn_core.study.folder import Study

TABLE_FORMATS = ("csv", "parquet")
FLAGGED = "flagged images"
NOT_IN_STUDY = "not in the study"
#: Always exported, empty where the study has none, so that lists of several studies can be joined.
METADATA = ("plate", "well", "site", "replicate", "batch", "compound", "concentration")
DECIDED = ("reason", "decision", "new_label", "note", "reviewer", "time")


def export_bytes(
    study: Study,
    log: ReviewLog,
    *,
    rows: Iterable[int] | None = None,
    filter: str = FLAGGED,
    format: str = "csv",
    chance: float = LEVEL,
) -> bytes:
    """A file's content: the flagged list (rows: None) or these rows of the study, flagged or not.

    filter: the filter that made the list, as text. format: one of TABLE_FORMATS. chance: of the sets of
    classes to contain the label. The bytes depend only on
    the study, the current decisions and the arguments: no time of export, rows in the study's
    order. Raises InputError for an unknown format or rows outside the study.
    """
    table = export_table(study, log, rows=rows, filter=filter, chance=chance)
    return table_bytes(table, format)


def export_table(
    study: Study,
    log: ReviewLog,
    *,
    rows: Iterable[int] | None = None,
    filter: str = FLAGGED,
    chance: float = LEVEL,
) -> pd.DataFrame:
    """The exported columns, one row per image, in the study's order; see `export_bytes`.

    `classes_90`: the classes that contain the label with that chance (`measures.prediction_sets`).
    `reviewer` and `time` (UTC, ISO 8601): who decided and when. `flagged_from`: the filter at that
    time. `label_when_decided` and `content_hash` (after a "#", so that Excel does not read it as a
    number): label and image that were decided on. `changed`: what is different now. `disputed`:
    whether the latest decision of another reviewer differs. The flagged list ends with decisions
    made in this study on images that are no longer in it (`changed` = "not in the study").
    """
    state = log.state(study)
    if rows is None:
        at = state.index.to_numpy(dtype=np.int64)
    else:
        at = np.unique(np.fromiter(rows, dtype=np.int64))
        if len(at) and (at[0] < 0 or at[-1] >= len(study.images)):
            raise InputError(
                f"rows to export are outside study {study.name}, which has "
                f"{len(study.images):,} images"
            )
    decided = state.reindex(at).reset_index(drop=True)
    scores = _scores(study, at)
    hashes = pd.Series(cells(study, "content_hash", at), dtype=object)
    decided["content_hash"] = decided["content_hash"].where(decided["action_id"].notna(), hashes)
    sets = table_sets(study.table(study.reading_method), study.classes, chance)
    possible = in_words(sets, study.classes, at)
    table = pd.concat(
        [
            _images(study, at),
            scores[["predicted"]],
            _decisions(decided),
            pd.DataFrame({f"classes_{100 * chance:g}": pd.Series(possible, dtype=object)}),
            scores.drop(columns="predicted"),
        ],
        axis=1,
    )
    if rows is None:
        gone = log.absent(study).assign(changed=NOT_IN_STUDY)
        lines = pd.concat([gone[["image_id"]], _decisions(gone)], axis=1)
        lines["label"] = gone["label_then"]
        table = pd.concat([table, lines], ignore_index=True)[list(table.columns)]
    return table.assign(filter=filter, study=study.name, fingerprint=study.fingerprint)


def export_flagged(
    study: Study,
    out: str | os.PathLike | None = None,
    *,
    filter: str | None = None,
    format: str | None = None,
    chance: float = LEVEL,
    reviews: str | os.PathLike | None = None,
) -> pd.DataFrame:
    """The flagged images with their decisions and scores (`export_table`), written to `out`.

    out: .csv (for Excel) or .parquet; None: only return the table. filter: conditions on its
    columns, such as "compound = colchicine; vi_confidence < 0.2", which select among all images,
    flagged or not. format: "csv" or "parquet" where the name of `out` does not say. chance: of the
    sets of classes to contain the label, in (0, 1). reviews: folder of the review log (default: the
    one that the study is in).
    Raises InputError for a filter that cannot be read, and a file that cannot be written.
    """
    kind = None if out is None else format_of(Path(out), format)
    log = ReviewLog(Path(reviews) if reviews else study.path.parent)
    if filter is None:
        table = export_table(study, log, chance=chance)
    else:
        conditions = parse(filter)
        rows = range(len(study.images))
        table = export_table(study, log, rows=rows, filter=to_text(conditions), chance=chance)
        table = table[select(table, conditions)].reset_index(drop=True)
    if out is not None:
        write_exported(table, Path(out), kind)
    return table


def write_exported(table: pd.DataFrame, out: Path, format: str) -> None:
    """Write a table in one of TABLE_FORMATS, whole or not at all."""
    write_bytes(out, table_bytes(table, format))


def table_bytes(table: pd.DataFrame, format: str) -> bytes:
    """Any table in one of TABLE_FORMATS; InputError for another."""
    if format not in TABLE_FORMATS:
        raise InputError(f"format '{format}' is not one of {', '.join(TABLE_FORMATS)}")
    return csv_bytes(table) if format == "csv" else parquet_bytes(table)


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV for Excel: byte-order mark, CRLF, neutralised texts, numbers.

    Scores have 6 significant digits, other numbers up to 15; an empty cell is unknown.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(neutralise(name) for name in table.columns)
    columns = [
        _csv_cells(table[name], ".6g" if name.endswith(_columns_of_methods()) else ".15g")
        for name in table.columns
    ]
    writer.writerows(zip(*columns, strict=True))
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """A table as Parquet, with nothing that changes from one export to the next."""
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
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def format_of(path: Path, format: str | None) -> str:
    """The format of a file to write: the given one, else by the file name. InputError if unclear."""
    if format is not None:
        return format
    if path.suffix.lower() in (".csv", ".parquet"):
        return path.suffix.lower()[1:]
    raise InputError(
        f"--out {path} must end in .csv or .parquet (.xlsx with --short), or give --format"
    )


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
    """Each method's scores; `predicted` is that of `Study.reading_method`."""
    columns = {"predicted": _cells(study.summary(study.reading_method), "predicted", at)}
    for method in by_precedence(study.methods):
        summary = study.summary(method)
        for name in summary:
            if name in _columns_of_methods():
                columns[f"{method}_{name}"] = _cells(summary, name, at)
    table = pd.DataFrame(columns, index=range(len(at)))
    for name in table.columns[table.columns.str.endswith("_correct")]:
        table[name] = [None if pd.isna(right) else _yes(right) for right in table[name]]
    return table


def _decisions(state: pd.DataFrame) -> pd.DataFrame:
    """The columns of a decision from rows of the log's state."""
    table = state[[*DECIDED, "changed", "disputed", "label_then", "filter", "content_hash"]].rename(
        columns={"label_then": "label_when_decided", "filter": "flagged_from"}
    )
    table["disputed"] = [None if pd.isna(value) else _yes(value) for value in table["disputed"]]
    table["content_hash"] = [
        f"#{value}" if isinstance(value, str) and value else None for value in table["content_hash"]
    ]
    return table


def _columns_of_methods() -> tuple[str, ...]:
    """What is exported of a method, in the order of its summary."""
    return ("predicted", "correct", "p_label", *SCORES, TRAINING_MARGIN.key)


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
