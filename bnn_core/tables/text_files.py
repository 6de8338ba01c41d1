"""Text tables as people keep them: any usual separator, comment lines, decimal commas."""

import csv
import gzip
import io
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from bnn_core.base.errors import InputError, decoding
from bnn_core.base.limits import MOST_TEXT_BYTES, demand_size, demand_table, read_unpacked
from bnn_core.base.roots import readable
from bnn_core.base.wording import count
from bnn_core.tables.aliases import ALIASES, plain_name
from bnn_core.tables.two_line_headers import LOOKED_AT, two_line_header
from bnn_core.tables.weka import read_weka

SPLIT = "split it into smaller tables, or write it as Parquet"
SEPARATORS = ",;\t|"
#: Bytes of the first line, which is looked at before the rest: as many columns as are read, long names.
_LONGEST_LINE = 5_000_000
_NUMBER = r"[+-]?(?:\d+{point}?\d*|{point}\d+)(?:[eE][+-]?\d+)?"
_COMMA_NUMBER = re.compile(_NUMBER.format(point=","))
_EXCEL_LINE = re.compile(rb'"?sep=(.)"?[ \t]*\n', re.I)
#: Second and third line of Orange's tables.
_ORANGE_TYPES = {"continuous", "discrete", "string", "time", "c", "d", "s", "t"}
_ORANGE_ROLES = {"", "class", "meta", "ignore", "weight", "multiclass", "c", "m", "i", "w"}
#: Names of columns of places, which may be a row and a column.
_PLACES = {name for place in ("plate", "well", "site") for name in ALIASES[place]}
#: What R writes before each row and not in the header.
ROW_NAMES = "row names"


def read_text(path: Path) -> pd.DataFrame:
    """A text table, every cell as text, empty cells as ""; index = the row's number in the file.

    Comma, semicolon, tab, bar or blanks separate; Excel's first line "sep=;" names the separator.
    Lines that begin with "#" are comments, unless they are the header or a whole row. A column of
    numbers with decimal commas gets decimal points. R's row names, which have
    no header, are the column "row names". A file whose first line is of numbers, with fractions,
    has no header: its columns are "column 1" and so on. UTF-8 or, with its mark, UTF-16; any line ends.

    Raises InputError for other texts, and for rows of unequal length.
    """
    data = _decoded(path)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = data.lstrip(b"\n")
    if not data or data.isspace():
        raise InputError(f"{path} is empty")
    if max(data.find(b"\n"), len(data) * (b"\n" not in data)) > _LONGEST_LINE:
        raise InputError(
            f"{path}: its first line has more than {_LONGEST_LINE / 1e6:g} MB: {SPLIT}"
        )
    named = _EXCEL_LINE.match(data)
    separator = named[1].decode() if named else None
    data = data[named.end() :] if named else data
    data, skipped = _without_comments(data, separator)
    first = _first_line(data)
    if separator is None:
        data, separator = _separated(data)
    demand_table(path, 1, 1 + _first_line(data).count(separator.encode()))
    data = _with_whole_header(data, separator)
    try:
        arrow, comments = _parsed(data, separator)
    except pa.ArrowException as error:
        raise InputError(f"{path} {_line_error(data, separator, skipped)}") from error
    demand_table(path, arrow.num_rows, arrow.num_columns)
    lines = list(zip(*(c[:LOOKED_AT].to_pylist() for c in arrow.columns), strict=True))
    names, header = two_line_header(lines) or ([name.strip() for name in lines[0]], 1)
    if first.startswith(b"labels ") and all(_is_number(name.encode()) for name in names[1:]):
        names[0] = "predicted"  # so LIBSVM calls the predicted class (svm-predict -b 1)
    header *= not _is_data(names)
    names = [(header and name) or f"column {i + 1}" for i, name in enumerate(names)]
    table = arrow.slice(header).to_pandas()
    table.columns = names
    numbers = pd.RangeIndex(skipped + 1, skipped + 1 + len(arrow) + len(comments))
    if comments:
        numbers = numbers.difference(np.array(comments) + skipped)
    table.index = numbers[header:]
    if header and _is_orange(table):
        table = table.iloc[2:].copy()
    for name in _with_decimal_commas(table, separator):
        table[name] = table[name].str.replace(",", ".", regex=False)
    return read_weka(table)


def text_of(path: Path) -> str:
    """All of a text file, with "\n" at the end of lines. InputError where it is no text."""
    return _decoded(path).decode().replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path) -> list[str]:
    """The filled lines of a text file, without quotes around them. InputError where there are none."""
    lines = [line.strip().strip('"') for line in _decoded(readable(path)).decode().splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        raise InputError(f"{path} is empty")
    return lines


def _is_data(names: list[str]) -> bool:
    """Whether a first line is no header: numbers only, and fractions among them."""
    return all(_is_number(n.encode()) for n in names) and any(re.search(r"[.,]", n) for n in names)


def _decoded(path: Path) -> bytes:
    """The file's text as UTF-8 bytes without a mark."""
    with decoding(path, "copy or download it again"):
        demand_size(path, MOST_TEXT_BYTES, SPLIT)
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(data)) as packed:
                data = read_unpacked(packed, path, MOST_TEXT_BYTES, SPLIT)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is damaged UTF-16 text; save it as 'CSV UTF-8'") from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        raise InputError(
            f"{path} is not a text table (it contains zero bytes); save it as 'CSV UTF-8'"
        )
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
        raise InputError(
            f"{path} line {line}: not UTF-8 text; save the file as 'CSV UTF-8'"
        ) from error
    return data


def _first_line(data: bytes, start: int = 0) -> bytes:
    """The line that begins at `start`, without its end; the rest is not copied."""
    end = data.find(b"\n", start)
    return data[start:] if end < 0 else data[start:end]


def _without_comments(data: bytes, separator: str | None) -> tuple[bytes, int]:
    """The text from its header on, and how many lines come before it.

    A last comment line with the fields of the rows below it is the header, without its "#".
    """
    skipped = 0
    line = _first_line(data)
    while line.startswith(b"#"):
        rest = data[len(line) + 1 :].lstrip(b"\n")
        below = _first_line(rest)
        if not below.startswith(b"#") and _is_header(line, below, separator):
            return data[1:].lstrip(b" "), skipped
        if not rest:
            break
        data, line, skipped = rest, below, skipped + 1
    return data, skipped


def _is_header(line: bytes, below: bytes, separator: str | None) -> bool:
    """Whether a line is the header of the row below: as many fields, and names above numbers."""
    mark = (separator or _separated(below)[1]).encode()
    names, cells = line.split(mark), below.split(mark)
    return len(names) == len(cells) > 1 and any(
        _is_number(cell) and not _is_number(name) for name, cell in zip(names, cells, strict=True)
    )


def _is_number(text: bytes) -> bool:
    number = text.strip(b' "').replace(b",", b".")
    return re.fullmatch(_NUMBER.format(point=r"\.").encode(), number) is not None


def _separated(data: bytes) -> tuple[bytes, str]:
    """The text and its separator, judged by the header; blanks are turned into tabs."""
    header = re.sub(r'"[^"]*"', "", _first_line(data).decode())
    separator = max(SEPARATORS, key=header.count)
    if header.count(separator):
        return data, separator
    lines = data.rstrip(b"\n").split(b"\n")
    rows = [_fields(line.decode(), " ") for line in lines[:2]]
    if len(rows[0]) < 2 or len(rows[-1]) - len(rows[0]) not in (0, 1):
        return data, ","
    out = io.StringIO()
    quotes = csv.QUOTE_ALL if lines[0].lstrip().startswith(b'"') else csv.QUOTE_MINIMAL
    writer = csv.writer(out, delimiter="\t", lineterminator="\n", quoting=quotes)
    writer.writerows(_fields(line.decode(), " ") for line in lines if line.strip())
    return out.getvalue().encode(), "\t"


def _fields(line: str, separator: str) -> list[str]:
    line = line.strip()
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a cell of more than 131,072 characters
        return [line]


def _with_whole_header(data: bytes, separator: str) -> bytes:
    """A name for the one field that the rows have more than the header: an empty end, or the row
    names that R and pandas write, which differ. Commas may be decimal: there the names are in quotes,
    as all texts of R."""
    header = _first_line(data)
    below = _first_line(data, len(header) + 1)
    mark = separator.encode()
    if header.count(b'"') % 2 or below.count(b'"') % 2:
        return data  # a line end within quotes
    try:
        names, cells = (
            next(csv.reader([line.decode()], delimiter=separator), []) for line in (header, below)
        )
    except csv.Error:  # a cell of more than 131,072 characters
        return data
    if len(cells) != len(names) + 1:
        return data
    if not cells[-1].strip():
        return header + mark + data[len(header) :]
    lines = [line for line in data.split(b"\n") if line.strip()]
    if mark == b"," or b'"' in header:
        named = header.count(b'"') >= 2 * len(names) and all(line[:1] == b'"' for line in lines)
    else:
        distinct = len({line.split(mark)[0] for line in lines[1:]}) == len(lines) - 1
        named = len(names) > 1 and distinct and any(_is_number(cell.encode()) for cell in cells[1:])
    return ROW_NAMES.encode() + mark + data if named else data


def _parsed(data: bytes, separator: str) -> tuple[pa.Table, list[int]]:
    """`_parse` with the quotes that the file seems to have."""
    if _has_single_quotes(data, separator):
        with suppress(pa.ArrowException):
            table, comments = _parse(data, separator, quote="'")
            lines = sum(map(bool, data.split(b"\n")))
            if len(table) + len(comments) == lines:  # an apostrophe may join two
                return table, comments
    return _parse(data, separator)


def _has_single_quotes(data: bytes, separator: str) -> bool:
    """Whether cells stand between single quotes: one of the header, or all words of the line below it
    (one alone may be a note), and none of the header has such a sign elsewhere: the classes 5' and 3'
    are names."""
    header = _first_line(data)
    below = _first_line(data, len(header) + 1)
    if b'"' in header + below:
        return False
    mark = re.escape(separator)
    quoted = re.compile(rf"(?<![^{mark}])\s*'[^']*'\s*(?![^{mark}])")
    names, cells = header.decode(), below.decode()
    if "'" in quoted.sub("", names):
        return False
    bare = quoted.sub("", cells)
    return bool(quoted.search(names)) or (bare != cells and not re.search(r"[^\W\d]", bare))


def _parse(
    data: bytes, separator: str, threads: bool = True, quote: str = '"'
) -> tuple[pa.Table, list[int]]:
    """All rows, the header as the first, and the numbers of comment lines between them."""
    comments: list[int] = []

    def on_odd_row(row: pa_csv.InvalidRow) -> str:
        if not row.text.startswith("#"):
            return "error"
        comments.append(row.number)
        return "skip"

    threads = threads and b"\n#" not in data  # only one thread counts rows
    options = {
        "read_options": pa_csv.ReadOptions(autogenerate_column_names=True, use_threads=threads),
        "parse_options": pa_csv.ParseOptions(
            delimiter=separator,
            quote_char=quote,
            newlines_in_values=True,
            invalid_row_handler=on_odd_row,
        ),
    }
    header = _first_line(data) + b"\n"
    try:
        names = pa_csv.read_csv(pa.BufferReader(header), **options).column_names
    except pa.ArrowException:  # a line end inside a quoted header
        names = pa_csv.open_csv(pa.BufferReader(data), **options).schema.names
    comments.clear()
    types = pa_csv.ConvertOptions(
        column_types={name: pa.large_string() for name in names}, strings_can_be_null=False
    )
    return pa_csv.read_csv(pa.BufferReader(data), convert_options=types, **options), comments


def _line_error(data: bytes, separator: str, skipped: int) -> str:
    """What is wrong with a text table that does not parse, with the row."""
    try:
        _parse(data, separator, threads=False)  # only one thread counts rows
    except pa.ArrowException as error:
        message = (str(error).splitlines() or [type(error).__name__])[0]
    match = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
    if not match:
        return f"is not a readable table ({message})"
    where = f"row {int(match[1]) + skipped}" if match[1] else "(some row)"
    if int(match[2]) == 1:
        first = _first_line(data).decode(errors="replace").strip()
        hint = f"the first line ('{first[:60]}') seems to be a title, not a header: remove it"
    elif separator == "," and int(match[3]) > int(match[2]):
        hint = "put quotes around text that holds a comma, or separate by semicolons where commas "
        hint += "are decimal"
    else:
        hint = (
            "put quotes around text that holds the separator, and check that the file is complete"
        )
    if int(match[2]) > 1 and (usual := _usual_fields(data, separator)) != int(match[2]):
        first = _first_line(data).decode(errors="replace").strip()
        hint = (
            f"most lines have {usual:,}: if the first line ('{first[:60]}') is a title, remove it; "
            f"if it is the header, give every column a name there; else {hint}"
        )
    return f"{where}: {count(int(match[3]), 'field')} where the header has {match[2]}; {hint}"


def _usual_fields(data: bytes, separator: str) -> int:
    """The number of fields that most of the first lines below the header have."""
    lines = data[:100_000].decode(errors="replace").split("\n")[1:50]
    counts = Counter(len(_fields(line, separator)) for line in lines if line.strip())
    return counts.most_common(1)[0][0] if counts else 0


def _is_orange(table: pd.DataFrame) -> bool:
    """Whether the first two rows are those that Orange writes below its header: types, and roles.

    One type or role is a whole word: single letters may be classes.
    """
    if len(table) < 3:
        return False
    types, roles = (set(table.iloc[i].str.strip()) for i in (0, 1))
    words = (types & _ORANGE_TYPES) | (roles & _ORANGE_ROLES)
    return (
        any(len(word) > 1 for word in words)
        and all(t in _ORANGE_TYPES or " " in t for t in types)
        and all(r in _ORANGE_ROLES or "=" in r for r in roles)
    )


def _with_decimal_commas(table: pd.DataFrame, separator: str) -> list[str]:
    """The columns of numbers with decimal commas.

    Commas before three digits may part thousands. They are decimal where a number of the column, or
    of another, has a comma that can part none (0,5), and in tables with semicolons without decimal
    points. All others stay text, and are asked about where numbers are needed.
    """
    names = [name for name, number in Counter(table.columns).items() if number == 1]
    names = [name for name in names if plain_name(name) not in _PLACES]  # "1,2" is no number
    sure, unsure, points = [], [], False
    for name in names:
        values = table[name]
        if not values.str.contains(",", regex=False).any():
            points |= separator == ";" and bool(values.iloc[:1000].str.fullmatch(r"\d+\.\d+").any())
            continue
        filled = values[values != ""].str.strip()
        if filled.str.fullmatch(_COMMA_NUMBER).all():
            decimal = filled.str.contains(r"^[+-]?0?,|,(?!\d{3}$)", regex=True).any()
            (sure if decimal else unsure).append(name)
    return sure + unsure if sure or (separator == ";" and not points) else sure
