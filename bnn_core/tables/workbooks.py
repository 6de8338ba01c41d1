"""Cells of workbooks. Another process reads them: a damaged workbook can end the process that decodes
it, and a few bytes can claim a million rows of 16,384 columns.

    python -m bnn_core.tables.workbooks FILE       # {sheet: rows of texts} as JSON
"""

import datetime
import json
import os
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import bnn_core
from bnn_core.base.errors import InputError, decoding, first_line
from bnn_core.base.limits import MOST_TEXT_BYTES

SHEET_ENDINGS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_MOST_BYTES, _MOST_SECONDS = 2 << 30, 120.0
_REMEDY = "save it again, or as CSV"


def sheet_cells(path: Path) -> dict[str, list[list[str]]]:
    """Every cell of a workbook's filled sheets as text. InputError for a damaged file."""
    with decoding(path, _REMEDY):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > MOST_TEXT_BYTES:
                raise InputError(f"{path} unpacks to {size / 1e9:.1f} GB: save it as Parquet")
    command = [sys.executable, "-m", __name__, os.path.abspath(path)]
    home = Path(bnn_core.__file__).parents[1]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_MOST_SECONDS, cwd=home)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{path} takes more than {_MOST_SECONDS:.0f} s to read: {_REMEDY}"
        ) from None
    if done.returncode == 1:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"{path} is damaged or truncated ({(lines or [''])[-1]}): {_REMEDY}")
    if done.returncode:
        raise InputError(f"{path} is damaged, or needs more than 2 GB of memory: {_REMEDY}")
    cells = json.loads(done.stdout)
    return {name: rows for name, rows in cells.items() if any(map(any, rows))}


def _text(cell: object) -> str:
    """A cell of a sheet as text; whole numbers without the point that sheets store."""
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell).strip()


def print_cells() -> None:
    """In the other process: print the cells; status 1 with one line where they cannot be read."""
    import python_calamine as calamine

    with suppress(ImportError):  # Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    try:
        book = calamine.CalamineWorkbook.from_path(sys.argv[1])
        cells = {
            name: [
                [_text(cell) for cell in row]
                for row in book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            ]
            for name in book.sheet_names
        }
        text = json.dumps(cells)
    except MemoryError:
        sys.exit(2)
    except Exception as error:
        sys.exit(first_line(error))
    print(text)


if __name__ == "__main__":
    print_cells()
