"""Metadata columns under BBBC's, CellProfiler's and plain names."""

import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.tables.columns import map_columns


def table(**columns):
    frame = pd.DataFrame(columns)
    frame.index = frame.index + 2  # row numbers of a spreadsheet
    return frame


def test_bbbc_names():
    out, found = map_columns(
        pd.DataFrame(
            {
                "TableNumber": ["4"],
                "Image_FileName_DAPI": ["G10_w1.tif"],
                "Image_PathName_DAPI": ["Week4/Week4_27481"],
                "Image_FileName_Actin": ["G10_w4.tif"],
                "Image_PathName_Actin": ["Week4/Week4_27481"],
                "Image_Metadata_Plate_DAPI": ["Week4_27481"],
                "Image_Metadata_Well_DAPI": ["G10"],
                "Replicate": ["1"],
                "Image_Metadata_Compound": ["mevinolin/lovastatin"],
                "Image_Metadata_Concentration": ["0.003"],
            }
        )
    )
    assert out.iloc[0].to_dict() == {
        "plate": "Week4_27481",
        "well": "G10",
        "replicate": "1",
        "batch": "Week4",
        "compound": "mevinolin/lovastatin",
        "concentration": 0.003,
        "path_DAPI": "Week4/Week4_27481/G10_w1.tif",
        "path_Actin": "Week4/Week4_27481/G10_w4.tif",
    }
    assert found.unused == ("TableNumber",)
    assert list(found.channels) == ["DAPI", "Actin"]
    assert "compound from Image_Metadata_Compound" in found.describe()
    assert "batch from the week in the plate's name" in found.describe()


def test_cellprofiler_names():
    out, _ = map_columns(
        table(
            ImageNumber=["1"],
            Metadata_Plate=["P1"],
            Metadata_Well=["b2"],
            Metadata_Site=["3"],
            FileName_DNA=["a.tif"],
            PathName_DNA=[r"C:\data\P1"],
            URL_DNA=["file:///a.tif"],
            Metadata_Conc_nM=["300"],
            Metadata_Drug=["taxol"],
            Count_Nuclei=["12"],
            FileSize_DNA=["9"],
        )
    )
    assert out.iloc[0].to_dict() == {
        "plate": "P1",
        "well": "B02",
        "site": "3",
        "compound": "taxol",
        "concentration": 0.3,
        "path_DNA": "C:/data/P1/a.tif",
    }


def test_plain_names_in_any_capitals_and_with_units():
    out, _ = map_columns(
        table(
            **{
                "Image": ["a.png"],
                "WELL ID": ["A1"],
                "Drug Name": ["x"],
                "Dose (µM)": ["1e-3"],
                "Mechanism of action": ["Eg5"],
                "Week": ["7"],
            }
        )
    )
    assert out.iloc[0].to_dict() == {
        "path": "a.png",
        "well": "A01",
        "batch": "7",
        "compound": "x",
        "concentration": 0.001,
        "moa": "Eg5",
    }


def test_a_general_name_gives_way_to_a_precise_one():
    out, found = map_columns(
        table(treatment=["taxol 3"], drug=["taxol"], filename=["f.png"], image=["7"])
    )
    assert out.loc[2, "compound"] == "taxol"
    assert out.loc[2, "path"] == "f.png"
    assert found.unused == ("treatment", "image")


def test_two_names_that_differ_need_a_choice():
    double = table(drug=["a"], cpd=["b"])
    with pytest.raises(InputError, match=r"'cpd', 'drug' could each .* --map compound="):
        map_columns(double)
    assert map_columns(double, {"compound": "drug"})[0].loc[2, "compound"] == "a"
    assert "compound" not in map_columns(double, {"compound": ""})[0]


def test_an_override_wins_and_must_exist():
    out, _ = map_columns(table(moa=["a"], Verdict=["b"]), {"label": "Verdict"})
    assert out.loc[2].to_dict() == {"moa": "a", "label": "b"}
    with pytest.raises(InputError, match=r"'Verdct' .* no such column; did you mean 'Verdict'"):
        map_columns(table(Verdict=["b"]), {"label": "Verdct"})
    with pytest.raises(InputError, match="'dose' is not a column"):
        map_columns(table(Verdict=["b"]), {"dose": "Verdict"})


def test_well_from_row_and_column():
    out, found = map_columns(table(plate=["p"] * 3, row=["B", "2", "27"], column=["3", "11", "48"]))
    assert list(out["well"]) == ["B03", "B11", "AA48"]
    assert found.derived["well"] == "row and column"


def test_awkward_text_survives_and_empty_cells_are_none():
    names = ["=SUM(A1)", 'a "b", c', "x/y", "β-estradiol", ""]
    out, _ = map_columns(table(compound=names))
    assert list(out["compound"]) == [*names[:4], None]


def test_a_file_column_that_holds_no_images_is_no_channel():
    _, found = map_columns(table(file_size=["12"], path_DAPI=["a.tif"]))
    assert found.channels == {"DAPI": (None, "path_DAPI")}
    assert found.unused == ("file_size",)


def test_a_batch_is_read_only_from_names_that_all_are_of_that_kind():
    out, _ = map_columns(table(plate=["Week4_27481", "other"]))
    assert "batch" not in out


def test_an_override_takes_a_column_in_any_case():
    assert map_columns(table(Verdict=["b"]), {"label": "verdict"})[0].loc[2, "label"] == "b"


@pytest.mark.parametrize(
    "name",
    [
        "concentration_unit",
        "conc_units",
        "Units",
        "Dose unit",
        "doseUnit",
        "Final conc unit",
        "finalConcUnits",
    ],
)
def test_a_column_of_units_is_applied(name):
    out, found = map_columns(table(**{"concentration": ["10", "10"], name: ["nM", "mM"]}))
    assert out["concentration"].tolist() == [0.01, 10_000]
    assert "concentration_unit" not in out and name not in found.unused
    assert map_columns(
        table(**{"concentration": ["10"], name: ["nM"]}), {"concentration_unit": ""}
    )[0]["concentration"].tolist() == [10]


def test_units_of_something_else_are_left_alone():
    out, found = map_columns(table(concentration=["10"], units=["pixels"]))
    assert out["concentration"].tolist() == [10] and found.unused == ("units",)


@pytest.mark.parametrize(
    ("name", "unit"),
    [("unit", "ug/mL"), ("Units", "%"), ("dose_unit", "mg/kg"), ("conc_unit", "x")],
)
def test_units_that_are_no_molar_ones_are_refused(name, unit):
    with pytest.raises(InputError, match=rf"'10 {unit}'.*--map concentration="):
        map_columns(table(**{"concentration": ["10"], name: [unit]}))


def test_a_unit_in_the_name_that_contradicts_the_column_of_units_is_warned_of():
    out, found = map_columns(table(conc_nM=["10"], unit=["uM"]))
    assert out["concentration"].tolist() == [10] and found.notes[0].startswith("WARNING")


def test_names_of_the_broad():
    out, _ = map_columns(
        table(
            Metadata_broad_sample=["BRD-K1"],
            Metadata_pert_iname=["taxol"],
            Metadata_mmoles_per_liter=["0.003"],
            Metadata_well_position=["b3"],
            Assay_Plate_Barcode=["24277"],
        )
    )
    assert out.loc[2].to_dict() == {
        "plate": "24277",
        "well": "B03",
        "compound": "taxol",
        "concentration": 3.0,
    }
    alone, _ = map_columns(table(broad_sample=["BRD-K1"], compound_id=["BRD-K1"]))
    assert alone.loc[2, "compound"] == "BRD-K1"


def test_a_channel_keeps_its_name_with_all_its_signs():
    out, found = map_columns(table(**{"FileName_Alexa (488) / ER": ["a.tif"]}))
    assert list(found.channels) == ["Alexa (488) / ER"]
    assert list(out) == ["path_Alexa (488) / ER"]


def test_notes_of_wells_and_doses_come_along():
    _, found = map_columns(
        table(plate=["p"] * 3, row=["0", "1", "2"], column=["0", "1", "2"], conc=["1", "x", "3"])
    )
    assert len(found.notes) == 2 and found.notes[0].startswith("WARNING: row 3: column 'conc'")


def test_molar_concentrations_have_a_capital():
    for name in ("conc_M", "Concentration (M)", "dose [M]"):
        assert map_columns(table(**{name: ["3e-6"]}))[0]["concentration"].tolist() == [3]
    assert "concentration" not in map_columns(table(conc_m=["3"]))[0]


def test_a_dose_without_its_unit_beside_others_is_warned_of():
    out, found = map_columns(table(conc=["10", "10", "0"], unit=["nM", "", ""]))
    assert out["concentration"].tolist() == [0.01, 10, 0]
    assert any(note.startswith("WARNING: row 3") and "µM" in note for note in found.notes)
    assert not map_columns(table(conc=["10", "10"], unit=["uM", ""]))[1].notes


def test_rows_and_columns_that_contradict_the_well_are_warned_of():
    wells = {"well": ["A01", "A02", "B01"], "row": ["A", "A", "C"], "column": ["1", "2", "1"]}
    assert any("row 4" in note and "C01" in note for note in map_columns(table(**wells))[1].notes)
    tiles = {"well": ["A01", "A02", "B01"], "row": ["1", "1", "1"], "column": ["3", "3", "3"]}
    assert not map_columns(table(**tiles))[1].notes


def test_columns_of_image_files_are_channels_whatever_they_are_called():
    files = {"DNA": ["a.tif", "b.tif"], "w2": ["c.tif", "d.tif"], "n": ["1", "2"]}
    out, found = map_columns(table(**files))
    assert (list(found.channels), out["path_w2"].tolist()) == (["DNA", "w2"], ["c.tif", "d.tif"])
    assert not map_columns(table(path=["x.tif"] * 2, **files))[1].channels
    named = {"image_id": ["x.png", "y.png"], "mask": ["m.png", "n.png"], "w1": ["a.png", "b.png"]}
    out, found = map_columns(table(**named))
    assert not found.channels and out["image_id"].tolist() == ["x.png", "y.png"]
