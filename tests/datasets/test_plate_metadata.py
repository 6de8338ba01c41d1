"""Plate maps and lists: joined to tables and folders, compared well by well."""

import itertools

import openpyxl
import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.datasets.plates import read_plate
from bnn_core.tables.grids import read_plate_map

WELLS = [f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)]
WRONG = WELLS[::10][:36]


def table(folder, plates=("P1",), wells=WELLS, **columns):
    """A table of one field per well."""
    rows = [
        {"path": f"{plate}_{well}.tif", "plate": plate, "well": well}
        for plate in plates
        for well in wells
    ]
    path = folder / "fields.csv"
    pd.DataFrame(rows).assign(**columns).to_csv(path, index=False)
    return path


def plate_map(path, wells=WELLS, wrong=(), **more):
    """Compound cN and mechanism mN per well, others where `wrong`."""
    rows = [
        {
            "Well": well,
            "compound_name": f"c{i % 8 + (well in wrong)}",
            "conc_nM": 100,
            "mechanism": f"m{i % 8 // 2}",
            **more,
        }
        for i, well in enumerate(wells)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_36_of_384_wells_that_contradict_are_listed_and_counted(tmp_path):
    source = table(tmp_path)
    layout = plate_map(tmp_path / "map.csv")
    other = plate_map(tmp_path / "robot.csv", wrong=WRONG)
    read = read_plate(source, layout=[layout], metadata=[other])
    (doubt,) = [d for d in read.doubts if "contradicts" in d]
    assert "compound contradicts robot.csv in 36 of 384 wells" in doubt
    assert all(f"P1/{well} " in doubt for well in WRONG)
    assert read.table["compound"].tolist() == [f"c{i % 8}" for i in range(384)]
    assert read.table["concentration"].eq(0.1).all() and read.classes == ["m0", "m1", "m2", "m3"]
    assert not read_plate(source, layout=[layout], metadata=[layout]).doubts
    both = read_plate(source, layout=[layout, other])  # two maps of one plate are compared too
    assert any("36 of 384 wells" in d for d in both.doubts)


def test_a_table_with_compounds_is_compared_with_its_plate_map(tmp_path):
    compounds = [f"c{i % 8}" for i in range(384)]
    source = table(tmp_path, compound=compounds)
    other = plate_map(tmp_path / "robot.csv", wrong=WRONG, plate="P1")
    (doubt,) = read_plate(source, metadata=[other]).doubts[:1]
    assert "36 of 384 wells" in doubt


def test_wells_without_metadata_stay_unlabelled(tmp_path):
    source = table(tmp_path, wells=WELLS[:20])
    read = read_plate(source, layout=[plate_map(tmp_path / "map.csv", WELLS[:16])])
    assert read.table["role"].tolist() == ["scored"] * 16 + ["unlabelled"] * 4
    assert any("4 rows of 20 have no partner" in note for note in read.notes)


def test_lists_of_compounds_and_mechanisms_are_joined_in_turn(tmp_path):
    source = table(tmp_path, wells=WELLS[:8])
    (tmp_path / "map.csv").write_text(
        "well,compound\n" + "".join(f"{w},c{i % 4}\n" for i, w in enumerate(WELLS[:8]))
    )
    (tmp_path / "moa.csv").write_text("Compound,MoA,my label\nc0,X,p\nc1,X,p\nc2,Y,q\nc3,Y,q\n")
    options = {"layout": [tmp_path / "map.csv"], "metadata": [tmp_path / "moa.csv"]}
    read = read_plate(source, **options)
    assert read.table["moa"].tolist() == list("XXYYXXYY")
    own = read_plate(source, **options, label="my label", columns={"batch": "my label"})
    assert own.table["label"].tolist() == list("ppqqppqq") == own.table["batch"].tolist()
    with pytest.raises(InputError, match="did you mean 'my label'"):
        read_plate(source, **options, columns={"batch": "my labl"})


def test_a_map_named_after_a_plate_is_that_plates(tmp_path):
    source = table(tmp_path, plates=("P1", "p2"), wells=WELLS[:8])
    one = plate_map(tmp_path / "p1.csv", WELLS[:8])
    two = plate_map(tmp_path / "P2.csv", WELLS[:8], wrong=WELLS[:8])
    read = read_plate(source, layout=[one, two])
    assert not any("contradicts" in doubt for doubt in read.doubts)
    assert read.table["compound"].tolist() == [f"c{i % 8}" for i in range(8)] + [
        f"c{i % 8 + 1}" for i in range(8)
    ]
    same = read_plate(source, layout=[plate_map(tmp_path / "all.csv", WELLS[:8])])
    assert same.table["compound"].tolist() == [f"c{i % 8}" for i in range(8)] * 2


def drawn(corner, values, columns=12):
    """Lines of a map laid out as a plate grid of 8 rows."""
    head = [corner, *map(str, range(1, columns + 1))]
    cells = iter(values)
    rows = [["ABCDEFGH"[r], *itertools.islice(cells, columns)] for r in range(8)]
    return [head, *rows]


def text(rows, separator=","):
    return "".join(separator.join(row) + "\n" for row in rows)


COMPOUNDS = [f"c{i}" for i in range(96)]
DOSES = [str(i + 1) for i in range(96)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_maps_drawn_as_plates_in_a_text_file(tmp_path, separator):
    path = tmp_path / "map.csv"
    rows = [*drawn("compound", COMPOUNDS), [""], ["Concentration (nM)"], *drawn("", DOSES)]
    path.write_text(text(rows, separator))
    maps = read_plate_map(path)
    assert maps["compound"].tolist() == COMPOUNDS
    assert maps["Concentration (nM)"].tolist() == DOSES
    assert maps["well"].iloc[[0, 12, 95]].tolist() == ["A01", "B01", "H12"]
    wells = maps["well"].tolist()
    read = read_plate(table(tmp_path, wells=wells), layout=[path], to_learn=False)
    assert read.table["concentration"].iloc[41] == pytest.approx(0.042)
    path.write_text(text(drawn("", COMPOUNDS)))
    assert read_plate_map(path)["compound"].tolist() == COMPOUNDS
    path.write_text(text([*drawn("", COMPOUNDS), *drawn("", DOSES)]))
    with pytest.raises(InputError, match="two maps of 'compound'"):
        read_plate_map(path)


def test_maps_drawn_on_the_sheets_of_a_workbook(tmp_path):
    book = openpyxl.Workbook()
    for title, corner, values in (
        ("P1", "compound", COMPOUNDS),
        ("P2", "compound", COMPOUNDS[::-1]),
    ):
        sheet = book.create_sheet(title)
        for row in drawn(corner, values):
            sheet.append([int(cell) if cell.isdecimal() else cell for cell in row])
    book.remove(book.worksheets[0])
    book.save(tmp_path / "map.xlsx")
    maps = read_plate_map(tmp_path / "map.xlsx")
    assert len(maps) == 192 and set(maps["plate"]) == {"P1", "P2"}
    two = maps[maps["plate"] == "P2"].set_index("well")["compound"]
    assert two["A01"] == "c95" and two["H12"] == "c0"


def test_a_long_table_is_no_drawn_map(tmp_path):
    path = plate_map(tmp_path / "map.csv", WELLS[:4])
    assert list(read_plate_map(path)) == ["Well", "compound_name", "conc_nM", "mechanism"]
    path.write_text("well,1,2\nB02,3,4\nB03,5,6\n")
    assert list(read_plate_map(path)) == ["well", "1", "2"]


def test_one_note_on_paths_of_another_machine(tmp_path):
    for name in ("PA/0.tif", "PA/1.tif", "PB/0.tif", "PB/1.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for prefix in ("D:\\screen\\", "s3://bucket/key/", "\\\\server\\share\\", "/mnt/x/y/"):
        names = [
            f"{prefix}P{p}{'/' if '/' in prefix else chr(92)}{i}.tif" for p in "AB" for i in (0, 1)
        ]
        pd.DataFrame({"path": names, "moa": list("XXYY")}).to_csv(tmp_path / "t.csv", index=False)
        read = read_plate(tmp_path / "t.csv", images=tmp_path)
        assert read.table["path"].tolist() == ["PA/0.tif", "PA/1.tif", "PB/0.tif", "PB/1.tif"]
        (note,) = [n for n in read.notes if "by their last folders" in n]
        assert note.startswith("4 paths of 4 ") and names[0] in note
    here = [str(tmp_path / "PA" / "0.tif"), "PA/1.tif", "./PB/0.tif", "PB/1.tif"]
    pd.DataFrame({"path": here, "moa": list("XXYY")}).to_csv(tmp_path / "t.csv", index=False)
    assert not any("by their last folders" in n for n in read_plate(tmp_path / "t.csv").notes)
    pd.DataFrame({"path": [*here[:3], "D:\\PB\\1.tif"], "moa": list("XXYY")}).to_csv(
        tmp_path / "t.csv", index=False
    )
    assert any("1 path of 4 found" in d for d in read_plate(tmp_path / "t.csv").doubts)


@pytest.mark.parametrize("cell", ["x" * 200_000, "1" * 5000])
def test_an_enormous_cell_is_no_part_of_a_drawn_map(tmp_path, cell):
    path = tmp_path / "map.csv"
    path.write_text(f"well,{cell},2\nA01,a,b\n")
    assert read_plate_map(path).shape == (1, 3)


def test_a_drawn_map_among_the_metadata(tmp_path):
    images = pd.DataFrame({"path": ["a.png", "b.png"], "well": ["A01", "B02"], "moa": ["x", "y"]})
    images.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "map.csv").write_text(",1,2\nA,dye,tea\nB,tea,ink\n")
    plate = read_plate(tmp_path / "t.csv", metadata=(tmp_path / "map.csv",), to_learn=False)
    assert plate.table["compound"].tolist() == ["dye", "ink"]
