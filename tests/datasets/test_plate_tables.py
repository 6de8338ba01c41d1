"""What a table of plates says before an image is opened: wells, groups, labels, channels, files."""

import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.datasets.plate_checks import imported_contradictions
from bnn_core.datasets.plate_files import find_files, path_ends
from bnn_core.datasets.plates import read_plate


@pytest.fixture
def write(tmp_path):
    """Write a table and read it as plates; cells: columns of equal length, or one value for all."""

    def make(cells, **options):
        pd.DataFrame(cells).to_csv(tmp_path / "t.csv", index=False)
        return read_plate(tmp_path / "t.csv", **options)

    return make


def wells(number=4, sites=3, **more):
    """`number` wells of `sites` fields, the first half labelled s, the others l."""
    rows = [(well, site) for well in range(number) for site in range(sites)]
    return {
        "path": [f"{well}_{site}.tif" for well, site in rows],
        "well": [f"A{well + 1:02d}" for well, _ in rows],
        "site": [site for _, site in rows],
        "label": ["s" if well < number / 2 else "l" for well, _ in rows],
        **more,
    }


def compounds(labels, **more):
    """One image and one compound per label."""
    return {
        "path": [f"{i}.tif" for i in range(len(labels))],
        "compound": [f"c{i}" for i in range(len(labels))],
        "moa": labels,
        **more,
    }


def test_wells_without_a_plate_are_left_out_whole(write):
    plate = write(wells())
    assert plate.table["group"].tolist() == [f"A{i + 1:02d}" for i in range(4) for _ in range(3)]
    assert plate.doubts == [] and any("no plate is named" in note for note in plate.notes)


def test_wells_that_must_be_of_several_plates_are_warned_of(write):
    table = wells()
    double = {name: [*values, *values] for name, values in table.items()}
    double["path"] = [f"{i}.tif" for i in range(24)]
    (doubt,) = write(double).doubts
    assert "(24 rows)" in doubt and "--map plate=COLUMN" in doubt


def test_a_plate_that_is_empty_on_some_rows_does_not_split_a_well(write):
    plate = write(wells(plate=["P1"] * 6 + [""] * 6))
    assert plate.table["group"].nunique() == 4


def test_the_spellings_of_a_well_are_one_group_beside_an_odd_name(write):
    table = wells()
    table["well"] = ["A1", "A01", "a 1", "B1", "B01", "b1", "C1", "C01", "C1", "blank", "D1", "D01"]
    plate = write({"plate": "P1", **table})
    assert plate.table["group"].nunique() == 5
    assert len(plate.doubts) == 1 and "blank" in plate.doubts[0]


@pytest.mark.parametrize("value", ["None", "null", "NA", "", "N/A", "nan"])
def test_values_that_are_no_label(write, value):
    plate = write(compounds(["s", "s", "l", "l", value]))
    assert plate.classes == ["l", "s"] and plate.doubts == []
    assert plate.table["role"].tolist()[-1] == "unlabelled"


@pytest.mark.parametrize("value", ["unknown", "Unknown", "?", "-"])
def test_values_that_probably_are_no_label_are_warned_of(write, value):
    labels = ["s", "s", "l", "l", value, value]
    plate = write(compounds(labels))
    assert plate.classes == ["l", "s"]
    (doubt,) = plate.doubts
    assert f"'{value.lower()}' (2 rows)" in doubt and "--unlabelled" in doubt
    assert write(compounds(labels), unlabelled=["L"]).classes == sorted([value, "s"])
    assert write(compounds(labels), unlabelled=[value.upper()]).classes == ["l", "s"]


def test_minus_one_is_no_label_beside_numbers_from_zero(write):
    assert write(compounds(["0", "0", "1", "1", "-1"])).classes == ["0", "1"]
    assert write(compounds(["1", "1", "-1", "-1"])).classes == ["-1", "1"]
    with pytest.raises(InputError, match="--unlabelled 7: no row"):
        write(compounds(["0", "0", "1", "1"]), unlabelled=["7"])


@pytest.mark.parametrize(
    "labels",
    [
        [1, 2, -1],
        ["1.0", "2.0", "-1.0"],
        ["s", "l", "n.d."],
        ["s", "l", "\N{EN DASH}"],
        ["s", "l", "-1"],
    ],
)
def test_more_words_for_no_label(write, labels):
    plate = write(compounds(labels * 3))
    assert len(plate.classes) == 2 and (plate.table["role"] == "unlabelled").sum() == 3
    assert "read as no label" in plate.doubts[0]


@pytest.mark.parametrize("labels", [[1, -1], ["GON+", "GON-"]])
def test_names_that_differ_in_a_sign_are_no_typing_mistake(write, labels):
    plate = write(compounds(labels * 3))
    assert len(plate.classes) == 2 and not plate.doubts


def test_a_unit_that_is_not_known_is_warned_of(write):
    plate = write(compounds(["s", "l"] * 3, concentration=10, units="log10 M"))
    assert any("'log10 M'" in doubt and "µM" in doubt for doubt in plate.doubts)
    plate = write(compounds(["s", "l"] * 3, concentration=10, units="nM"))
    assert not plate.doubts and set(plate.table["concentration"]) == {0.01}


def test_a_column_asked_for_under_another_name_is_suggested(write):
    with pytest.raises(InputError, match="did you mean 'moa'"):
        write(compounds(["s", "l"] * 3), label="mechanism")


def test_columns_are_named_in_any_case(write):
    table = compounds(["s", "s", "l", "l"]) | {"Drug Name": ["w", "x", "y", "z"], "Day": ["1"] * 4}
    plate = write(table, label="MOA", group="drug_name", batch="day", columns={"plate": "DAY"})
    assert plate.table["group"].tolist() == ["w", "x", "y", "z"]
    assert plate.table["plate"].eq("1").all() and plate.table["batch"].eq("1").all()


def test_contradictions_are_listed_row_by_row(write):
    table = compounds(
        ["s", "s", "l", "l", "l", "s"],
        plate="P1",
        well=["A1", "A1", "B1", "B1", "C1", "C2"],
        concentration=["1", "1", "1", "3", "1", "1"],
    )
    table["compound"] = ["x", "y", "z", "z", "w", "w"]
    assert [d.removeprefix("WARNING: ") for d in write(table).doubts] == [
        "compound 'w' has 2 labels: 'l' on row 6, 's' on row 7",
        "well P1/A01 has 2 compounds: 'x' on row 2, 'y' on row 3",
        "well P1/B01 has 2 concentrations: '1 µM' on row 4, '3 µM' on row 5",
    ]


def test_contradictions_of_imported_images():
    images = pd.DataFrame(
        {
            "plate": ["P", "P", "Q", "Q", None, None] * 2,
            "well": ["A01", "A02", "A01", "A01", "A01", "A01"] + ["B02"] * 6,
            "compound": list("abcdefghhkll"),
            "label": list("sslslsllllls"),
            "role": "scored",
        },
        index=range(2, 14),
    )
    expected = [
        "compound 'l' has 2 labels: 'l' on row 12, 's' on row 13",
        "well P/B02 has 2 compounds: 'g' on row 8, 'h' on row 9",
        "well Q/A01 has 2 compounds: 'c' on row 4, 'd' on row 5",
        "well Q/B02 has 2 compounds: 'h' on row 10, 'k' on row 11",
    ]
    assert imported_contradictions(images) == expected
    assert imported_contradictions(images.astype("category")) == expected
    images["label"] = ["s", "l"] * 6  # labels of cells: most compounds have several
    images["compound"] = ["a"] * 6 + ["b"] * 6
    assert imported_contradictions(images) == []


def test_many_contradictions_are_counted(write):
    n = 60
    table = compounds(["s", "l"] * (n // 2), plate="P1", well=["A1"] * n)
    table["compound"] = [f"c{i // 2}" for i in range(n)]
    doubts = write(table).doubts
    assert len(doubts) == 22 and "10 more such as" in doubts[20]


def test_one_unreadable_dose_does_not_end_the_study(write):
    plate = write(compounds(["s", "s", "l", "l"], conc=["1", "x", "2", "3"]))
    assert plate.table["concentration"].isna().tolist() == [False, True, False, False]
    assert "row 3: column 'conc' holds 'x'" in plate.doubts[0]


def by_channel(names, files=None):
    """Four images with a file per channel; a channel's files are its own or those given."""
    files = files or {}
    return {
        f"FileName_{name}": files.get(name, [f"{name}{i}.tif" for i in range(4)]) for name in names
    } | {"compound": ["a", "b", "c", "d"], "moa": ["s", "s", "l", "l"]}


@pytest.mark.parametrize(
    "name", ["MaskNuclei", "IllumDNA", "CellOutlines", "NucleiObjects", "Segmentation"]
)
def test_files_that_show_no_cells_are_left_out_by_name(write, name):
    plate = write(by_channel(["DNA", name, "Actin"]))
    assert plate.channels == ["DNA", "Actin"] and f"path_{name}" not in plate.table
    assert len(plate.doubts) == 1 and f"'{name}'" in plate.doubts[0]
    assert write(by_channel(["DNA", name]), channels=["dna", name.lower()]).channels == [
        "DNA",
        name,
    ]


@pytest.mark.parametrize("shared", [["f.tif"] * 4, ["p1.tif", "p1.tif", "p2.tif", "p2.tif"]])
def test_files_that_rows_share_are_left_out(write, shared):
    plate = write(by_channel(["DNA", "Flat"], {"Flat": shared}))
    assert plate.channels == ["DNA"] and "'Flat'" in plate.doubts[0]


def test_masks_alone_are_used_with_a_warning(write):
    plate = write(by_channel(["NucleiMask"]))
    assert plate.channels == ["NucleiMask"] and len(plate.doubts) == 1


def harmony(**more):
    """Two channels of four fields in four wells, one row each."""
    rows = [(well, channel) for well in range(4) for channel in ("HOECHST 33342", "Alexa (488)")]
    return {
        "URL": [f"r02c0{well + 2}f01-ch{channel[0]}.tiff" for well, channel in rows],
        "Row": ["2"] * 8,
        "Column": [str(well + 2) for well, _ in rows],
        "Field": ["1"] * 8,
        "ChannelName": [channel for _, channel in rows],
        "compound": [f"c{well}" for well, _ in rows],
        "label": ["sl"[well > 1] for well, _ in rows],
        **more,
    }


def test_one_row_per_channel_becomes_one_row_per_field(write):
    plate = write(harmony())
    assert plate.channels == ["HOECHST 33342", "Alexa (488)"]
    assert plate.table["well"].tolist() == ["B02", "B03", "B04", "B05"]
    assert plate.table.index.tolist() == [2, 4, 6, 8]
    assert plate.table["path_Alexa (488)"].iloc[1] == "r02c03f01-chA.tiff"
    assert any("8 rows are 4 fields" in note for note in plate.notes)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"compound": list("aabbccde")}, r"rows? 9: 'compound' differs between the channels"),
        ({"Field": ["1", "1"] * 4, "Column": ["2"] * 8, "PlaneID": list("11223344")},
         r"rows 2, .* field B02/1 has 4 rows of the channel HOECHST 33342, which differ in 'PlaneID'"),
    ],
)  # fmt: skip
def test_rows_per_channel_that_do_not_fit_are_refused(write, more, words):
    with pytest.raises(InputError, match=words):
        write(harmony(**more))


def test_rows_per_channel_without_fields_are_refused(write):
    table = harmony()
    for name in ("Row", "Column", "Field"):
        del table[name]
    with pytest.raises(InputError, match=r"'ChannelName' has 2 channels, one per row.*plate, well"):
        write(table)


@pytest.mark.parametrize(
    "path",
    [
        "D:\\screen\\P1\\a.tif",
        "D:/screen/P1/a.tif",
        "/mnt/old/screen/P1/a.tif",
        "s3://bucket/screen/P1/a.tif",
        "https://h.org/screen/P1/a.tif?sig=b/c",
        "file:///mnt/P1/a.tif",
        "\\\\server\\share\\P1\\a.tif",
    ],
)
def test_the_longest_end_of_a_path_that_exists_is_used(tmp_path, path):
    for folder in ("P1", "P2", "."):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.tif").touch()
    assert find_files(pd.Series([path]), tmp_path).tolist() == ["P1/a.tif"]
    (tmp_path / "P1" / "a.tif").unlink()
    assert find_files(pd.Series([path]), tmp_path).tolist() == ["a.tif"]
    (tmp_path / "a.tif").unlink()
    assert find_files(pd.Series([path, None]), tmp_path).tolist() == [path, None]


def test_no_end_of_a_path_leads_out_of_the_folder(tmp_path):
    (tmp_path / "secret.tif").touch()
    (tmp_path / "in").mkdir()
    assert path_ends("x/../secret.tif") == ["secret.tif"]
    assert find_files(pd.Series(["x/../../secret.tif"]), tmp_path / "in").tolist() == [
        "x/../../secret.tif"
    ]
    assert path_ends("file:///a%20b/c.tif") == ["a b/c.tif", "c.tif"]


def test_planes_of_one_field_are_no_fields(write):
    found = write(wells(site=[1, 1, 1] * 4, plane=[1, 2, 3] * 4, plate="P1"))
    assert any(
        note.startswith("WARNING: rows 2, 3, 4, 5, 6 ... (12 rows): several images of one field")
        for note in found.notes
    )
    assert not any("one field" in note for note in write(wells(plate="P1")).notes)


def test_categories_of_a_parquet_file_are_texts(tmp_path):
    table = pd.DataFrame(wells(plate=["P1"] * 6 + ["P2"] * 5 + [None]))
    kinds = {name: "category" for name in ("plate", "well", "label")}
    for name, written in (("texts", table), ("kinds", table.astype(kinds))):
        written.to_parquet(tmp_path / f"{name}.parquet")
    texts, kinds = (read_plate(tmp_path / f"{name}.parquet") for name in ("texts", "kinds"))
    pd.testing.assert_frame_equal(kinds.table, texts.table)
