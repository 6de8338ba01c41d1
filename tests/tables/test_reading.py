"""Strict reading of text tables and joins."""

import gzip

import numpy as np
import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.tables.reading import looks_numeric, naming, read_table, rows_text, to_numbers

CONTENT = [["image", "compound", "p"], ["a", 'x "y", z', "0.5"], ["b", "=1/β", "1"]]


def as_csv(end="\n", separator=","):
    quoted = [
        [c if c in CONTENT[0] else '"' + c.replace('"', '""') + '"' for c in row] for row in CONTENT
    ]
    return end.join(separator.join(row) for row in quoted) + end


def write(tmp_path, content, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_line_ends_marks_and_separators(tmp_path, end, mark, separator):
    table = read_table(write(tmp_path, mark + as_csv(end, separator).encode()))
    assert [list(table.columns), *table.to_numpy().tolist()] == CONTENT
    assert list(table.index) == [2, 3]


PLAIN = [["id", "label", "p"], ["1", "A", "0.9"], ["2", "B", "0.2"]]


def cells(table):
    return [list(table.columns), *table.to_numpy().tolist()]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nid;label;p\n1;A;0,9\n2;B;0,2\n",
        '"sep=,"\r\nid,label,p\r\n1,A,0.9\r\n2,B,0.2\r\n',
        "SEP=\t\nid\tlabel\tp\n1\tA\t0,9\n2\tB\t0,2\n",
        "id|label|p\n1|A|0,9\n2|B|0,2\n",
        "id  label p \n 1 A 0.9\n\n2  B   0,2\n",
        'id label p\n"1" "A" 0.9\n2 B 0.2\n',
        "#id,label,p\n1,A,0.9\n2,B,0.2\n",
        "id,label,p\n1,A,0.9,\n2,B,0.2,\n",
        "'id','label','p'\n'1','A',0.9\n'2','B',0.2\n",
        "id;label;p\n1;'A';0,9\n2;'B';0,2\n",
    ],
)
def test_whatever_separates_and_comes_first(tmp_path, text):
    table = read_table(write(tmp_path, text, "t.txt"))
    table = table.loc[:, (table != "").any()].apply(lambda c: c.str.replace(",", "."))
    assert cells(table) == PLAIN


def test_comment_lines_are_skipped_and_counted(tmp_path):
    text = "# made by x\n#, version 2\nid,label,p\n1,A,0.9\n# half\n2,B,0.2\n#3,c,1\n"
    table = read_table(write(tmp_path, text))
    assert cells(table) == [*PLAIN, ["#3", "c", "1"]]
    assert list(table.index) == [4, 6, 7]


@pytest.mark.parametrize("mark", [",", "\t", " "])
def test_row_names_of_r_get_a_column_name(tmp_path, mark):
    rows = [['"label"', '"p"'], ['"a.png"', '"A"', "0.9"], ['"b.png"', '"B"', "0.2"]]
    table = read_table(write(tmp_path, "\n".join(mark.join(row) for row in rows) + "\n"))
    assert cells(table)[0] == ["row names", "label", "p"]
    assert table["row names"].tolist() == ["a.png", "b.png"]
    bare = "\n".join(mark.join(row) for row in rows).replace('"', "")
    if mark == ",":  # they may be decimal
        with pytest.raises(InputError, match="commas are decimal"):
            read_table(write(tmp_path, bare))
    else:
        assert cells(read_table(write(tmp_path, bare))) == cells(table)


def test_single_quotes_that_belong_to_names_stay(tmp_path):
    five = [["p_5'", "p_3'", "name"], ["0.9", "0.1", "5'"], ["0.2", "0.8", "3'"]]
    assert cells(read_table(write(tmp_path, "\n".join(map(",".join, five))))) == five
    table = read_table(write(tmp_path, "id,label\n'a,b.png','it is'\nc.png,5'\n"))
    assert table.to_numpy().tolist() == [["a,b.png", "it is"], ["c.png", "5'"]]
    noted = [["id", "note", "decision"], ["1", "'odd'", "keep"]]
    assert cells(read_table(write(tmp_path, "\n".join(map(",".join, noted))))) == noted
    table = read_table(write(tmp_path, "id,x\n'a',1\n'5,2\nb',3\n"))  # no cell of two lines
    assert table["id"].tolist() == ["'a'", "'5", "b'"]


@pytest.mark.parametrize(
    ("head", "names"),
    [
        (",p,p,meta\n,x,y,label\n", ["column 1", "p_x", "p_y", "label"]),
        ("id,probability,,label\n,x,y,\n", ["id", "probability_x", "probability_y", "label"]),
        ("model,cnn,cnn,\nclass,x,y,label\nid,,,\n", ["id", "x", "y", "label"]),
        ("a,a,b,b\nx,y,x,y\n", ["a_x", "a_y", "b_x", "b_y"]),
    ],
)
def test_headers_in_two_lines(tmp_path, head, names):
    table = read_table(write(tmp_path, head + "1,0.9,0.1,2\n3,0.2,0.8,4\n"))
    assert cells(table) == [names, ["1", "0.9", "0.1", "2"], ["3", "0.2", "0.8", "4"]]
    assert list(table.index) == [head.count("\n") + 1, head.count("\n") + 2]


@pytest.mark.parametrize("text", ["p,p\n0.9,0.1\n0.2,0.8\n", "id,x,x\na,b,c\nd,e,f\n"])
def test_two_columns_of_one_name_are_no_header_in_two_lines(tmp_path, text):
    with pytest.raises(InputError, match="more than once"):
        read_table(write(tmp_path, text))


@pytest.mark.parametrize(
    ("separator", "cells_", "read"),
    [
        ("\t", ["1,000", "10,000"], ["1,000", "10,000"]),  # thousands or decimal: asked about
        ("\t", ["0,5", "10,000"], ["0.5", "10.000"]),
        (";", ["1,000", "10,000"], ["1.000", "10.000"]),
        (";", ["1,000\t0.5", "2,000\t0.7"], ["1,000", "2,000"]),  # points are decimal there
    ],
)
def test_commas_that_may_part_thousands(tmp_path, separator, cells_, read):
    rows = [f"{k}{separator}{c}".replace("\t", separator) for k, c in enumerate(cells_)]
    names = ["id", "dose", "x"][: rows[0].count(separator) + 1]
    table = read_table(write(tmp_path, "\n".join([separator.join(names), *rows])))
    assert table["dose"].tolist() == read


def test_utf_16_with_its_mark(tmp_path):
    text = "\n".join("\t".join(row) for row in PLAIN)
    assert cells(read_table(write(tmp_path, text.encode("utf-16"), "t.txt"))) == PLAIN


def test_a_packed_table_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("bnn_core.tables.text_files.MOST_TEXT_BYTES", 1000)
    packed = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    with pytest.raises(InputError, match="unpacks to more than"):
        read_table(write(tmp_path, packed, "t.csv.gz"))


def test_gzip_and_parquet_hold_the_same(tmp_path):
    plain = read_table(write(tmp_path, as_csv()))
    packed = read_table(write(tmp_path, gzip.compress(as_csv().encode()), "t.csv.gz"))
    pd.testing.assert_frame_equal(plain, packed)
    plain.to_parquet(tmp_path / "t.parquet", index=False)
    parquet = read_table(tmp_path / "t.parquet")
    assert parquet.to_numpy().tolist() == plain.to_numpy().tolist()
    assert list(parquet.index) == [1, 2]


def test_decimal_commas_of_a_semicolon_file(tmp_path):
    table = read_table(write(tmp_path, "name;p;mixed\nx,1;0,25;1,5\ny,2;1;a\n"))
    assert table["p"].tolist() == ["0.25", "1"]
    assert table["name"].tolist() == ["x,1", "y,2"]
    assert table["mixed"].tolist() == ["1,5", "a"]


def test_rows_of_separators_only_are_skipped_and_still_counted(tmp_path):
    assert list(read_table(write(tmp_path, "a,b\n1,2\n,\n3,4\n,\n")).index) == [2, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", "row 3: 1 field where the header has 2"),
        ("a,b\n1,2,3\n", "row 2: 3 fields where the header has 2"),
        ("My results\na,b\n1,2\n", r"row 2: 2 fields.*'My results'. seems to be a title"),
        ("id,p\na,0,9\nb,0,2\n", "row 2: 3 fields .* semicolons where commas are decimal"),
        ("#c\na,b\n1,2\n#c,d\n1,2,3\n", "row 5: 3 fields where the header has 2"),
        ("a,a\n1,2\n", "column name 'a' .*more than once"),
        ("a,b\n1,2\na,b\n3,4\n", "row 3: the header"),
        ("a,b\n", "a header and no rows"),
        ("", "is empty"),
        ("dose\n5 µM\n".encode("cp1252"), "line 2: not UTF-8 text; save the file as 'CSV UTF-8'"),
        (b"\x89PNG\0\0", "zero bytes"),
        (b"\x1f\x8b\x08\x00broken", "damaged or truncated"),
    ],
)
def test_broken_text_tables(tmp_path, content, message):
    with pytest.raises(InputError, match=r"t\.csv.*" + message):
        read_table(write(tmp_path, content))


def test_a_folder_is_named_once_and_a_table_expected(tmp_path):
    with pytest.raises(InputError) as error, naming(tmp_path):
        read_table(tmp_path)
    assert str(error.value).count(str(tmp_path)) == 1
    assert str(error.value).startswith(f"{tmp_path} is a folder") and ".csv" in str(error.value)


def test_other_files(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"give a table as .*\.parquet, \.feather, \.json"):
        read_table(write(tmp_path, b"PK", "t.docx"))
    with pytest.raises(InputError, match="damaged or truncated"):
        read_table(write(tmp_path, b"PAR1", "t.parquet"))


def test_rows_text():
    assert rows_text([7]) == "row 7"
    assert rows_text([2, 3]) == "rows 2, 3"
    assert rows_text(range(2, 1202)) == "rows 2, 3, 4, 5, 6 ... (1,200 rows)"


def test_numbers(tmp_path):
    table = pd.DataFrame({"p": ["0.1", "", "1e-3"], "q": ["1", "x", "2"]}, index=[2, 3, 4])
    np.testing.assert_array_equal(to_numbers(table, ["p"], tmp_path)[:, 0], [0.1, np.nan, 0.001])
    with pytest.raises(InputError, match="row 3: column 'q' holds 'x'"):
        to_numbers(table, ["p", "q"], tmp_path)
    assert looks_numeric(table["p"])
    assert looks_numeric(table["q"])  # one bad cell of three is to be reported, not passed over
    assert not looks_numeric(pd.Series(["x", "1"]))
    assert not looks_numeric(pd.Series(["", ""]))
    assert to_numbers(pd.DataFrame({"p": ["nan", " +1.5 "]}), ["p"], tmp_path)[1, 0] == 1.5


@pytest.mark.parametrize(
    "text", ["a {}\n1 2\n", "{}", '"{}\na,b\n1,2\n', "a,{}\n1,2\n", "a,b\n1,{}\n"]
)
def test_an_enormous_cell_is_read_or_refused(tmp_path, text):
    try:
        table = read_table(write(tmp_path, text.format("z" * 200_000)))
    except InputError:
        assert "," not in text or '"' in text
    else:
        assert len(table) == 1
