"""The review list for people who work in Excel: 12 columns, units in the heads, and a legend.

`bnn review` reads it back: what it needs (image_id and the columns of a decision) has the names of
the whole list.
"""

import io
from typing import NamedTuple

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from bnn_core.base.scores import DEFAULT_SCORE, SCORES
from bnn_core.base.spreadsheets import neutralise
from bnn_core.review.log import DECISIONS, REASONS
from bnn_core.study.folder import Study


class Column(NamedTuple):
    """source: column of `exporting.export_table`; head: in the short list; legend: what it is."""

    source: str
    head: str
    legend: str
    width: int = 14


def short_columns(study: Study) -> list[Column]:
    """The 12 columns of the short list of a study."""
    method, score = study.reading_method, SCORES[DEFAULT_SCORE]
    return [
        Column("image_id", "image_id", "Plate, well and site, or the file. Do not change it.", 24),
        Column("compound", "compound", "Compound"),
        Column("concentration", "concentration (µM)", "Concentration in µmol/l", 10),
        Column("label", "label", "Label in the study", 22),
        Column("predicted", "predicted", "Class with the highest mean probability", 22),
        Column(f"{method}_{DEFAULT_SCORE}", f"{score.name.lower()} (-1 to 1)", score.help, 12),
        Column("decision", "decision", f"Decision: {', '.join(DECISIONS)}", 12),
        Column("new_label", "new_label", f"For relabel, one of: {', '.join(study.classes)}", 22),
        Column("reason", "reason", f"Reason: {', '.join(REASONS)}", 16),
        Column("note", "note", "Your note", 30),
        Column("reviewer", "reviewer", "Who decided. Leave it as it is, or empty."),
        Column("time", "time", "When, in UTC. Leave it as it is, or empty.", 24),
    ]


def short_list(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The short columns of a list from `exporting.export_table`; scores have 3 decimals."""
    columns = short_columns(study)
    short = table.reindex(columns=[c.source for c in columns])
    score = f"{study.reading_method}_{DEFAULT_SCORE}"
    short[score] = pd.to_numeric(short[score]).round(3)
    return short.set_axis([c.head for c in columns], axis=1)


def workbook_bytes(study: Study, short: pd.DataFrame) -> bytes:
    """A short list as .xlsx, with a second sheet that explains its columns.

    Texts that a spreadsheet would run as a formula start with an apostrophe, as in the CSV; control
    characters, which a workbook cannot hold, become spaces.
    """
    book = Workbook()
    sheet = book.active
    sheet.title = "images"
    rows = [[None if pd.isna(cell) else cell for cell in row] for row in short.to_numpy(object)]
    _fill(sheet, list(short.columns), rows, [c.width for c in short_columns(study)])
    sheet.auto_filter.ref = sheet.dimensions
    legend = book.create_sheet("legend")
    lines = [[c.head, c.legend] for c in short_columns(study)]
    lines.append(["study", f"{study.name}, {study.meta['title']}"])
    lines.append(["back into the app", f"bnn review {study.name} FILE, or Review list, Import"])
    _fill(legend, ["column", "meaning"], lines, [22, 100])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _fill(sheet: Worksheet, heads: list[str], rows: list[list], widths: list[int]) -> None:
    for number, row in enumerate([heads, *rows], start=1):
        for column, value in enumerate(row, start=1):
            text = isinstance(value, str)
            if text:
                value = ILLEGAL_CHARACTERS_RE.sub(" ", neutralise(value))
            cell = sheet.cell(number, column, value)
            if text:
                cell.data_type = "s"
            if number == 1:
                cell.font = Font(bold=True)
                cell.alignment = Alignment(wrap_text=True, vertical="top")
    for column, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.freeze_panes = "B2"
