"""Workbooks, JSON, Feather, and lists in cells."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook

from bnn_core.base.errors import InputError
from bnn_core.tables.reading import read_table

ROWS = [{"image": "a.png", "p_x": 0.9, "p_y": 0.1}, {"image": "b.png", "p_x": 0.2, "p_y": 0.8}]


def workbook(path, **sheets):
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def cells(table):
    return [list(table.columns), *table.to_numpy(dtype=object).tolist()]


def test_the_filled_sheet_of_a_workbook(tmp_path):
    rows = [
        [],
        ["image", "label", "n", "p", None, "when", "ok"],
        ["a.png", "1", 3, 0.5, None, datetime.date(2026, 5, 1), True],
        [],
        ["b.png", None, 4.0, 1e-7, "x", None, False],
    ]
    table = read_table(workbook(tmp_path / "t.xlsx", Notes=[], Data=rows))
    assert cells(table) == [
        ["image", "label", "n", "p", "column 5", "when", "ok"],
        ["a.png", "1", "3", "0.5", "", "2026-05-01", "True"],
        ["b.png", "", "4", "1e-07", "x", "", "False"],
    ]
    assert list(table.index) == [3, 5]


def test_workbooks_that_leave_a_choice_or_are_none(tmp_path):
    two = workbook(tmp_path / "two.xlsx", A=[["a"], ["1"]], B=[["b"], ["2"]])
    with pytest.raises(InputError, match=r"2 sheets with cells \(A and B\)"):
        read_table(two)
    with pytest.raises(InputError, match="no filled cell"):
        read_table(workbook(tmp_path / "none.xlsx", A=[]))
    with pytest.raises(InputError, match="a header and no rows"):
        read_table(workbook(tmp_path / "head.xlsx", A=[["a", "b"]]))
    with pytest.raises(InputError, match=r"'a' .*more than once"):
        read_table(workbook(tmp_path / "twice.xlsx", A=[["a", "a"], ["1", "2"]]))
    (tmp_path / "bad.xlsx").write_bytes(b"PK\3\4 no workbook")
    with pytest.raises(InputError, match=r"bad\.xlsx is damaged"):
        read_table(tmp_path / "bad.xlsx")


def test_feather(tmp_path):
    pd.DataFrame(ROWS).to_feather(tmp_path / "t.feather")
    table = read_table(tmp_path / "t.feather")
    assert table.to_dict("records") == ROWS and list(table.index) == [1, 2]
    (tmp_path / "t.feather").write_bytes(b"ARROW1")
    with pytest.raises(InputError, match=r"t\.feather is damaged"):
        read_table(tmp_path / "t.feather")


LAYOUTS = {
    "records": ROWS,
    "under a key": {"model": "x", "predictions": ROWS},
    "columns": {k: [row[k] for row in ROWS] for k in ROWS[0]},
    "under the only name": {"predictions": ROWS},
    "pandas": json.loads(pd.DataFrame(ROWS).to_json()),
    "pandas split": json.loads(pd.DataFrame(ROWS).to_json(orient="split")),
    "pandas table": json.loads(pd.DataFrame(ROWS).to_json(orient="table", index=False)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_json_of_every_layout(tmp_path, layout):
    (tmp_path / "t.json").write_text(json.dumps(LAYOUTS[layout]))
    assert read_table(tmp_path / "t.json").to_dict("records") == ROWS


def test_json_by_name_and_by_line(tmp_path):
    by_name = {row["image"]: {"x": row["p_x"], "y": row["p_y"]} for row in ROWS}
    (tmp_path / "t.json").write_text(json.dumps(by_name))
    assert cells(read_table(tmp_path / "t.json")) == [
        ["x", "y", "image_id"],
        [0.9, 0.1, "a.png"],
        [0.2, 0.8, "b.png"],
    ]
    for name in ("t.jsonl", "t.json"):
        (tmp_path / name).write_text("\n".join(map(json.dumps, ROWS)) + "\n")
        assert read_table(tmp_path / name).to_dict("records") == ROWS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "5",
        "[]",
        "[1, 2]",
        '{"a": 1}',
        '[{"\\ud800": 1}]',
        '[{"a": "\\uD800"}, {"a": "b"}]',
    ],
)
def test_json_that_is_no_table(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match=r"t\.json"):
        read_table(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("values", "columns"),
    [
        ([[0.9, 0.1], [0.2, 0.8]], {"p_0": [0.9, 0.2], "p_1": [0.1, 0.8]}),
        ([{"a": 0.9, "b": 0.1}, {"b": 0.8, "a": 0.2}], {"p_a": [0.9, 0.2], "p_b": [0.1, 0.8]}),
        (
            [
                [{"label": "a", "score": 0.9}, {"label": "b", "score": 0.1}],
                [{"label": "b", "score": 0.8}, {"label": "a", "score": 0.2}],
            ],
            {"p_a": [0.9, 0.2], "p_b": [0.1, 0.8]},
        ),
        ([[0.9], [0.2]], {"p": [0.9, 0.2]}),
    ],
)
def test_lists_in_cells_become_columns(tmp_path, values, columns):
    rows = [{"id": i, "p": value} for i, value in enumerate(values)]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    expected = {"id": [0, 1], **columns}
    assert read_table(tmp_path / "t.json").to_dict("list") == expected
    written = pd.DataFrame({"id": [0, 1], "p": [json.dumps(v) for v in values]})
    written.to_csv(tmp_path / "t.csv", index=False)
    assert read_table(tmp_path / "t.csv").drop(columns="id").to_dict("list") == columns


def test_lists_as_numpy_and_python_write_them(tmp_path):
    text = 'id;p\n1;"[0.9 0.1]"\n2;"[2.e-01\n 8.e-01]"\n3;"(0.5, 0.5)"\n'
    (tmp_path / "t.csv").write_text(text)
    assert read_table(tmp_path / "t.csv")["p_0"].tolist() == [0.9, 0.2, 0.5]
    pd.DataFrame({"p": [np.array([0.9, 0.1]), None]}).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["p_1"].tolist()[0] == 0.1


def test_cells_that_only_look_like_lists_stay(tmp_path):
    values = ["[3H]-x", "(R)-y"]
    lengths = ["[0.5, 0.5]", "[0.1, 0.2, 0.7]"]
    pd.DataFrame({"compound": values, "p": lengths}).to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv")
    assert table["compound"].tolist() == values and table["p"].tolist() == lengths


RANKED = [{"a": 0.7, "b": 0.2, "c": 0.1}, {"c": 0.8, "a": 0.15, "b": 0.05}]


@pytest.mark.parametrize(
    "record",
    [
        lambda p: {
            "class_ids": [ord(n) for n in p],
            "label_names": list(p),
            "scores": [*p.values()],
        },
        lambda p: {"predictions": [{"className": n, "probability": x} for n, x in p.items()]},
        lambda p: {"predictions": [{"tagName": n, "tagId": 1, "probability": p[n]} for n in p]},
        lambda p: {"result": {"classification": p, "timing": {"dsp": 3}}},
        lambda p: {"result": [p]},
        lambda p: {"label": str(list(p)), "prob": str([*p.values()])},
        lambda p: {"output_probability": str(p)},
    ],
)  # PaddleClas, Teachable Machine, Azure, Edge Impulse twice, timm, ONNX
def test_probabilities_as_programs_nest_them(tmp_path, record):
    (tmp_path / "t.json").write_text(json.dumps([record(p) for p in RANKED]))
    table = read_table(tmp_path / "t.json")
    for name in "abc":
        (column,) = [c for c in table if c.endswith(f"_{name}")]
        assert table[column].tolist() == [p[name] for p in RANKED]


def test_titles_above_a_sheet_are_passed_over(tmp_path):
    rows = [["My results"], [], ["id", "p", "q"], ["a", 0.5, 0.5]]
    table = read_table(workbook(tmp_path / "t.xlsx", Data=rows))
    assert (list(table.columns), list(table.index)) == (["id", "p", "q"], [4])
    rows = [["id", "p", None], [None, "x", "y"], ["a", 0.5, 0.5]]
    assert list(read_table(workbook(tmp_path / "t.xlsx", Data=rows))) == ["id", "p_x", "p_y"]


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        ({"classes": ["a", "b", "c"]}, ["p_a", "p_b", "p_c"]),
        ({"class_indices": {"c": 2, "a": 0, "b": 1}}, ["p_a", "p_b", "p_c"]),
        ({"classes": {"a": 0, "b": "x", "c": 2}}, ["probs_0", "probs_1", "probs_2"]),
        ({"model": "x"}, ["probs_0", "probs_1", "probs_2"]),
    ],
)
def test_a_matrix_of_json_with_its_classes(tmp_path, classes, names):
    rows = [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]
    (tmp_path / "t.json").write_text(json.dumps({"probs": rows, "files": ["x", "y"], **classes}))
    table = read_table(tmp_path / "t.json")
    assert cells(table) == [["files", *names], ["x", *rows[0]], ["y", *rows[1]]]


@pytest.mark.parametrize("mark", [" ", ",", "; "])
def test_shares_joined_in_a_cell_become_columns(tmp_path, mark):
    joined = {"p": [mark.join(p) for p in (["0.7", ".3"], ["1e-2", "0.99"])]}
    pd.DataFrame({"well": ["1,1", "1,2"], **joined}).to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv")
    assert table[["p_0", "p_1"]].to_numpy().tolist() == [[0.7, 0.3], [0.01, 0.99]]
    assert table["well"].tolist() == ["1,1", "1,2"]
