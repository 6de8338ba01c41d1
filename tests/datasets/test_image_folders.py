"""Folders of instruments: every name gives its plate, well, site, channel, plane and time."""

import os
import sys
import zlib

import numpy as np
import pytest
import tifffile
from loaded_plates import load_plate

from bnn_core.base.errors import InputError
from bnn_core.datasets import instruments
from bnn_core.datasets.image_folders import is_plate_folder, scan_folder
from bnn_core.datasets.instruments import INSTRUMENTS, channel_name
from bnn_core.datasets.plates import read_plate
from bnn_core.datasets.stacks import demand_choice
from bnn_core.images.addresses import address_of, stack_address

GUID = "1A2B3C4D-00AA-11bb-22CC-0123456789AB"
#: A name of each instrument, and what it says: well (or row and column), site, channel, plane, time.
NAMES = [
    (f"scr_1_B02_s1_w1{GUID}.tif", ("B02", "1", "w1", "", ""), "ImageXpress"),
    (f"P7_AF48_s12_w10{GUID}.TIF", ("AF48", "12", "w10", "", ""), "ImageXpress"),
    ("P7_B02_w2.TIF", ("B02", "", "w2", "", ""), "ImageXpress"),
    ("P7_B2_s1_w2.TIF", ("B2", "1", "w2", "", ""), "ImageXpress"),
    (f"Week1_150607_B02_s4_w4{GUID}.tif", ("B02", "4", "w4", "", ""), "ImageXpress"),
    ("cdp2bioactives_a01_s1_w3_z2_t5.tif", ("a01", "1", "w3", "2", "5"), "ImageXpress"),
    (
        "r02c03f01p05-ch1sk2fk1fl1.tiff",
        (("02", "03"), "01", "ch1", "05", "2"),
        "Opera Phenix",
    ),
    (
        "AssayPlate_#655090_P24_T0002F003L01A01Z04C02.tif",
        ("P24", "003", "C02", "04", "0002"),
        "Yokogawa",
    ),
    ("B - 02(fld 1 wv DAPI - DAPI).tif", (("B", "02"), "1", "DAPI", "", ""), "IN Cell"),
    (
        "A - 1(fld 03 wv 390 - Blue z 4 time 2 - 0 ms).tif",
        (("A", "1"), "03", "390 - Blue", "4", "2"),
        "IN Cell",
    ),
    ("P7_B02_w2_s1.tif", ("B02", "1", "w2", "", ""), "ImageXpress"),
    ("P7_B02_s1_w2DAPI.tif", ("B02", "1", "w2", "", ""), "ImageXpress"),
    ("P7_B02_t3_s1_w2_Cy5 long_z4.tif", ("B02", "1", "w2", "4", "3"), "ImageXpress"),
    ("002003-4-005006007.tif", (("002", "003"), "4", "007", "006", "005"), "Operetta (older)"),
    ("x_1-W25F002T0003Z04C2.tif", ("25", "002", "C2", "04", "0003"), "Yokogawa CV1000"),
    ("MFG_150101_p24f012d3.TIF", ("p24", "012", "d3", "", ""), "ArrayScan"),
    ("scan_Slide_R_p00_z02_0_A01f00d1.tif", ("A01", "00", "d1", "02", ""), "ArrayScan"),
    ("B2_1_1_1_DAPI_001.tif", ("B2", "1", "DAPI", "", "001"), "BioTek"),
    ("H12_02_3_4Z5_Bright Field_007.tif", ("H12", "4", "Bright Field", "5", "007"), "BioTek"),
    (
        "C3_-1_2_1_Stitched[GFP 469,525]_001.png",
        ("C3", "1", "Stitched[GFP 469,525]", "", "001"),
        "BioTek",
    ),
    ("Well_B02_Point_B02_0003_Channel_DAPI.tif", ("B02", "0003", "DAPI", "", ""), "Nikon"),
    (
        "e__WellC11_PointC11_0001_ChannelFITC Em_Seq0123_Z4.ome.tif",
        ("C11", "0001", "FITC Em", "4", ""),
        "Nikon",
    ),
    (
        "image--L0000--S00--U00--V07--J13--E00--O00--X01--Y02--T0003--Z06--C01.ome.tif",
        (("8", "1"), "X01--Y02", "C01", "06", "0003"),
        "Leica",
    ),
    ("Exp-Scene-3-P2-B4-01_z2c1_ORG.tif", ("B4", "2", "1", "2", ""), "Zeiss"),
    (
        "B02--W00014--P00002--Z00003--T00004--DAPI.tif",
        ("B02", "00002", "DAPI", "00003", "00004"),
        "Olympus",
    ),
    (
        "WE00013---H012--PO02--LO003--CO4--SL005--PX32500--PW0080.tif",
        ("H012", "02", "CO4", "005", "003"),
        "Acquifer",
    ),
    ("VID77_B2_3_2019y07m05d_10h20m.tif", ("B2", "3", "", "", "2019y07m05d_10h20m"), "Incucyte"),
    ("Exp_Phase_H12_1_00d04h00m.png", ("H12", "1", "Phase", "", "00d04h00m"), "Incucyte"),
]


@pytest.mark.parametrize(("name", "parts", "instrument"), NAMES)
def test_a_name_is_that_of_one_instrument(name, parts, instrument):
    known = {i.name: groups for i in INSTRUMENTS if (groups := i.parse(f"P1/{name}")) is not None}
    ((found, groups),) = known.items()
    well, site, channel, plane, time = parts
    assert found.startswith(instrument)
    assert (groups.get("well") or (groups["row"], groups["column"])) == well
    assert [groups.get(k, "") for k in ("site", "plane", "time")] == [site, plane, time]
    assert channel_name(groups) == channel


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda i: i.name)
def test_the_example_of_an_instrument_is_its_own(instrument):
    assert [i.name for i in INSTRUMENTS if i.parse(instrument.example)] == [instrument.name]


@pytest.mark.parametrize(
    "name",
    [
        "B02.tif",
        "002003.tif",
        "B2_1_1.tif",
        "cat_B2_1_2_3_4_5.tif",
        "WellB02.tif",
        "image--C00.tif",
        "img_001.png",
        "DC_sCMOS #1_CAM1.tif",
        "P_B02_x1_y2.tif",
        "r1c1-ch1.tiff",
        "w1.tif",
        "img_s12_w1.tif",
    ],
)
def test_other_names_are_no_instruments(name):
    assert all(i.parse(name) is None for i in INSTRUMENTS)


def pixels(name, shape=(24, 30)):
    """The picture of a name."""
    return np.random.default_rng(zlib.crc32(name.encode())).integers(90, 900, shape, np.uint16)


def write(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, pixels(name))
    return folder


def imagexpress(plates=("P1", "P2"), sites=(1, 2), channels=(1, 2), inner="TimePoint_1/"):
    return [
        f"{plate}/{inner}scr_{row}0{column}_s{site}_w{channel}{GUID}.tif"
        for plate in plates
        for row in "BC"
        for column in (2, 3)
        for site in sites
        for channel in channels
    ]


def test_a_folder_of_plates_becomes_a_row_per_field(tmp_path):
    names = imagexpress()
    write(tmp_path, [*names, *(n.replace("_w1", "_w1_thumb") for n in names if "_w1" in n)])
    (tmp_path / "P1" / "notes.txt").write_text("x")
    tifffile.imwrite(tmp_path / "P2" / "illumination.tif", pixels("i"))
    scan = scan_folder(tmp_path)
    assert (len(scan.files), scan.aside, scan.strange) == (32, 16, ["P2/illumination.tif"])
    text = "\n".join(scan.preview())
    for part in (
        "32 files",
        "1 file, such as P2/ill",
        "16 thumb",
        "2 plates: P1 and P2",
        "8 wells",
    ):
        assert part in text
    assert "2 sites: 1 and 2" in text and "2 channels: w1 and w2" in text and "time" not in text
    table, notes = scan.fields(None, None)
    assert list(table) == ["plate", "well", "site", "path_w1", "path_w2"] and len(table) == 16
    assert table["path_w1"].iloc[0] == names[0] and table["path_w2"].iloc[0] == names[1]
    assert any("illumination.tif" in note for note in notes)
    read = read_plate(tmp_path, to_learn=False)
    assert read.table["image_id"].iloc[0] == "P1/B02/1" and read.channels == ["w1", "w2"]
    assert read.missing_files(99) == ([], 32)


@pytest.mark.parametrize(
    ("names", "plates"),
    [
        (imagexpress(inner=""), {"P1", "P2"}),
        ([f"screen/may/{n}" for n in imagexpress()], {"P1", "P2"}),
        ([n.removeprefix("P1/") for n in imagexpress(plates=["P1"])], {"folder"}),
        ([f"{p}_{n}" for p in ("a", "b") for n in ("B02_s1_w1.tif", "B03_s1_w1.tif")], {"a", "b"}),
        (
            [f"{p}/{q}_B02_s1_w1.tif" for p in ("m", "n") for q in ("a", "b")],
            {"m/a", "m/b", "n/a", "n/b"},
        ),
        (  # one folder per plate and channel
            [f"img_20585w{w}/IXM_A01_s1_w{w}{GUID}.tif" for w in (1, 2)]
            + [f"img_20586w{w}/IXM_A01_s1_w{w}{GUID}.tif" for w in (1, 2)],
            {"img_20585", "img_20586"},
        ),
        (
            [
                f"{p}__2020-01-02T03_04_05-Measurement 1/Images/r01c01f01p01-ch1sk1fk1fl1.tiff"
                for p in ("BR1", "BR2")
            ],
            {"BR1", "BR2"},
        ),
        (
            [
                f"BR1__2020-01-02T03_04_05-Measurement {m}/Images/r01c01f01p01-ch1sk1fk1fl1.tiff"
                for m in (1, 2)
            ],
            {f"BR1__2020-01-02T03_04_05-Measurement {m}" for m in (1, 2)},
        ),
        (["VID1_B2_1_00d00h00m.tif", "VID2_B2_1_00d00h00m.tif"], {"VID1", "VID2"}),
    ],
)
def test_a_plate_is_its_folder_unless_the_names_tell_more(tmp_path, names, plates):
    scan = scan_folder(write(tmp_path / "folder", names))
    assert set(scan.files["plate"]) == plates
    scan.fields(None, None)


def test_planes_are_refused_until_one_or_all_are_chosen(tmp_path):
    name = "P1/r01c{:02d}f01p{:02d}-ch{}sk1fk1fl1.tiff"
    names = [name.format(c, p, ch) for c in (1, 2) for p in (1, 2, 3) for ch in (1, 2)]
    write(tmp_path, names)
    scan = scan_folder(tmp_path)
    assert "3 planes: 01, 02 and 03" in scan.preview()
    with pytest.raises(InputError, match=r"3 planes in depth .*--planes max.*--planes N"):
        scan.fields(None, None)
    for absent in ("0", "4"):
        with pytest.raises(InputError, match=f"--planes {absent}"):
            scan.fields(absent, None)
    with pytest.raises(InputError, match="'max' or the number"):
        scan.fields("all", None)
    one = scan.fields("2", None)[0]
    assert one["path_ch2"].tolist() == [name.format(c, 2, 2) for c in (1, 2)]
    for choice, expected in (
        ("2", pixels(names[2])),
        ("max", np.max([pixels(n) for n in names[0:6:2]], axis=0)),
    ):
        read = read_plate(tmp_path, to_learn=False, planes=choice)
        files = address_of(read.root / read.table["path_ch1"].iloc[0]).files
        image = np.max([tifffile.imread(file) for file in files], axis=0)
        np.testing.assert_array_equal(image, expected)
    lacking = tmp_path / name.format(2, 3, 1)
    lacking.unlink()
    _, notes = scan_folder(tmp_path).fields("3", None)
    assert any("1 field of 2 has no file of the channel ch1" in note for note in notes)


def test_projected_planes_are_trained_on_and_shown(tmp_path):
    names = [
        f"P1/ZStep_{z}/scr_B{c:02d}_s{s}_w1.tif"
        for c in range(1, 5)
        for s in (1, 2)
        for z in (1, 2)
    ]
    write(tmp_path, names)
    (tmp_path / "map.csv").write_text("well,compound,moa\nB01,a,X\nB02,b,X\nB03,c,Y\nB04,d,Y\n")
    source = load_plate(
        tmp_path,
        tmp_path / "made",
        layout=[tmp_path / "map.csv"],
        planes="max",
        size=None,
        normalise="none",
    )
    assert source.images.shape == (8, 1, 24, 30) and source.classes == ["X", "Y"]
    projected = np.maximum(pixels(names[0]), pixels(names[1]))
    np.testing.assert_allclose(source.images[0, 0], projected / 1023 * 255, atol=0.51)
    assert source.table["path_w1"].iloc[0] == stack_address(names[:2])
    assert source.table["content_hash"].nunique() == 8


def test_one_point_in_time_is_chosen(tmp_path):
    names = [f"V_B2_1_00d{h:02d}h00m.tif" for h in (0, 4, 12)]
    scan = scan_folder(write(tmp_path, names))
    with pytest.raises(InputError, match=r"3 points in time \(1 \(00d00h00m\).*--time N"):
        scan.fields(None, None)
    assert scan.fields(None, "2")[0]["path"].tolist() == [names[1]]
    with pytest.raises(InputError, match="--time 4"):
        scan.fields(None, "4")
    folders = [f"P1/TimePoint_{t}/s_B02_s1_w1.tif" for t in (1, 10)]
    table, _ = scan_folder(write(tmp_path / "ix", folders)).fields(None, "10")
    assert table["path_w1"].tolist() == [folders[1]]


def test_channels_are_called_as_in_index_xml(tmp_path):
    name = "M/Images/r01c{:02d}f01p01-ch{}sk1fk1fl1.tiff"
    write(tmp_path, [name.format(c, ch) for c in (1, 2) for ch in (1, 2)])
    images = "".join(
        f"<Image><id>{c}{ch}</id><URL>r01c{c:02d}f01p01-ch{ch}sk1fk1fl1.tiff</URL><ChannelID>{ch}"
        f"</ChannelID><ChannelName>{stain}</ChannelName></Image>"
        for c in (1, 2, 3)
        for ch, stain in ((1, "HOECHST 33342"), (2, "Alexa 488"))
    )
    index = tmp_path / "M" / "Images" / "Index.xml"
    index.write_text(
        f'<EvaluationInputData xmlns="http://www.perkinelmer.com/PEHH/HarmonyV5"><Images>{images}'
        "</Images></EvaluationInputData>"
    )
    table, notes = scan_folder(tmp_path).fields(None, None)
    assert table["path_HOECHST 33342"].tolist() == [name.format(c, 1) for c in (1, 2)]
    assert any("lists 2 files that are missing" in note for note in notes)
    for damaged in (index.read_text()[:-50], '<?xml version="1.0" encoding="klingon"?><a/>'):
        index.write_text(damaged)
        with pytest.raises(InputError, match=r"Index\.xml is damaged"):
            scan_folder(tmp_path)


def test_a_pattern_of_the_user(tmp_path):
    names = [f"day{d}/{m}-{i}_{c}.tif" for d in (1, 2) for m in "ab" for i in (1, 2) for c in "xy"]
    write(tmp_path, [*names, "other.tif"])
    with pytest.raises(InputError, match=r"17 image files, such as .*--pattern"):
        scan_folder(tmp_path)
    scan = scan_folder(tmp_path, r"day(?P<plate>\d)/(?P<moa>[a-z])-(?P<field>\d)_(?P<ch>[xy])\.tif")
    assert scan.strange == ["other.tif"] and set(scan.files["plate"]) == {"1", "2"}
    table, _ = scan.fields(None, None)
    assert table["moa"].tolist() == list("aabbaabb") and "path_y" in table
    nested = scan_folder(tmp_path, r"(?P<moa>[a-z])-(?P<site>\d)_(?P<channel>[xy])")
    assert set(nested.files["plate"]) == {"day1", "day2"}
    for wrong, message in (
        ("(?P<well>", "no regular expression"),
        (r"(?P<wel>.)", "did you mean 'well'"),
        ("[a-z]+", "no named groups"),
        (r"(?P<well>Z\d\d\d)", "not match any of 17"),
        ("(?P<well>a{99999999999})", "no regular expression"),
        ("(" * 3000, "no regular expression"),
        (r"(?P<z>\d)(?P<plane>\d)", "two groups are the plane"),
    ):
        with pytest.raises(InputError, match=message):
            scan_folder(tmp_path, wrong)
    with pytest.raises(InputError, match="the same field and channel by their names"):
        scan_folder(tmp_path, r"(?P<moa>[a-z])-\d_(?P<channel>[xy])").fields(None, None)


def test_folders_that_a_pattern_describes_are_no_plates(tmp_path):
    pattern = r"(?P<well>[A-P]\d\d)/f(?P<site>\d)/(?P<channel>[xy])\.tif"
    names = [f"B0{well}/f{site}/{c}.tif" for well in (2, 3) for site in (1, 2) for c in "xy"]
    one = write(tmp_path / "P7", names)
    assert set(scan_folder(one, pattern).files["plate"]) == {"P7"}
    two = write(tmp_path / "two", [f"{plate}/{name}" for plate in ("P1", "P2") for name in names])
    for text in (pattern, f"/{pattern}"):
        files = scan_folder(two, text).files
        assert files["plate"].value_counts().to_dict() == {"P1": 8, "P2": 8}
    labels = write(tmp_path / "labels", ["cat/1.tif", "dog/1.tif"])
    assert set(scan_folder(labels, "(?P<label>[^/]+)/").files["plate"]) == {"labels"}


def test_a_pattern_that_would_search_for_years_is_stopped(tmp_path, monkeypatch):
    write(tmp_path, ["a" * 60 + ".tif"])
    monkeypatch.setattr(instruments, "_MOST_SECONDS", 0.5)
    with pytest.raises(InputError, match="repeats within repeats"):
        scan_folder(tmp_path, "(?P<well>(a+)+)-")


@pytest.mark.skipif(sys.platform != "linux", reason="names are texts there")
def test_a_name_that_is_no_text_is_named(tmp_path):
    write(tmp_path, imagexpress(plates=["P1"]))
    (tmp_path / "P1" / os.fsdecode(b"P\xff_A02_s1_w1.tif")).write_bytes(b"")
    with pytest.raises(InputError, match=r"udcff_A02.*is not in UTF-8"):
        scan_folder(tmp_path)


@pytest.mark.parametrize("choice", ["-1", "9" * 5000, "1.0", "MAX"])
def test_numbers_of_planes_and_times_are_checked(choice):
    for given in ((choice, None), (None, choice)):
        with pytest.raises(InputError, match=r"--(planes|time) "):
            demand_choice(*given)


def test_folders_that_are_no_plates(tmp_path):
    write(tmp_path, ["cat/1.png.tif", "dog/2.tif"])
    assert not is_plate_folder(tmp_path)
    assert is_plate_folder(write(tmp_path / "ix", imagexpress()))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image files"):
        scan_folder(tmp_path / "empty")
    with pytest.raises(InputError, match="--planes works only with a folder"):
        (tmp_path / "t.csv").write_text("path,moa\na.tif,X\n")
        read_plate(tmp_path / "t.csv", planes="max")
    with pytest.raises(InputError, match="--images works only with a table"):
        read_plate(tmp_path / "ix", images=tmp_path, to_learn=False)


def test_a_folder_with_a_table_or_of_labels_says_what_may_be_meant(tmp_path):
    for name in ("cat/1.png", "dog/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"cat and dog.*--pattern '\(\?P<label>\[\^/\]\+\)/'"):
        scan_folder(tmp_path)
    labels = scan_folder(tmp_path, "(?P<label>[^/]+)/").files["label"]
    assert sorted(labels) == ["cat", "dog"]
    (tmp_path / "fields.csv").touch()
    with pytest.raises(InputError, match=r"give .*fields\.csv"):
        scan_folder(tmp_path)


def test_links_do_not_lead_out_of_the_readable_folders(tmp_path, monkeypatch):
    inside, outside = tmp_path / "in", tmp_path / "out"
    write(inside, imagexpress(plates=["P1"]))
    write(outside, imagexpress(plates=["P9"]))
    (inside / "P9").symlink_to(outside / "P9")
    assert set(scan_folder(inside).files["plate"]) == {"P1", "P9"}
    (inside / "P1" / "up").symlink_to(inside)  # a circle
    assert len(scan_folder(inside).files) == 32
    monkeypatch.setenv("BNN_DATA_ROOTS", str(inside))
    assert set(scan_folder(inside).files["plate"]) == {"P1"}
    with pytest.raises(InputError, match="that this server may read"):
        scan_folder(outside)
