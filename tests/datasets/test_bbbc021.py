"""BBBC021: official metadata, roles, and full-size images under real file names."""

import numpy as np
import pandas as pd
import pytest
from bbbc021_images import (
    cells,
    files_of,
    image_table,
    reduced_table,
    write_images,
    write_metadata,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from bnn_core.base.errors import InputError
from bnn_core.commands import cli
from bnn_core.datasets.bbbc021 import (
    FILE_NAME,
    INTENSITIES_FILE,
    assign_roles,
    load_bbbc021,
    needed,
    read_bbbc021,
    read_field_table,
)
from bnn_core.datasets.preparation import ImageOptions

PLATE = "Week1_22361"


@pytest.fixture(scope="module")
def images(shared_data) -> pd.DataFrame:
    """The official table cut down: 20 fields of one plate, else a field per treatment."""
    return reduced_table(image_table(shared_data), [PLATE])


@pytest.fixture(scope="module")
def fields(shared_data) -> pd.DataFrame:
    return read_field_table(shared_data / "bbbc021")


@pytest.fixture(scope="module")
def small_table(images):
    """Rows of 12 fields of one plate (colchicine's doses, DMSO, taxol), and the table with them."""
    mine = images["Image_Metadata_Plate_DAPI"] == PLATE
    kept = images[mine & images["Image_Metadata_Compound"].isin(["colchicine", "DMSO", "taxol"])]
    return kept, pd.concat([images[~mine], kept])


def test_every_field_is_read_by_its_name(fields):
    assert len(fields) == 13_200 and fields["image_id"].is_unique
    assert fields["site"].value_counts().to_dict() == dict.fromkeys("1234", 3300)
    assert fields["plate"].nunique() == 55 and fields["batch"].nunique() == 10
    assert fields["image_id"].iloc[0] == "Week4_27481/G10/1"
    assert (fields["compound"] == "mevinolin/lovastatin").sum() == 96


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("G10_s1_w1BEDC2073-A983-4B98-95E9-84466707A25D.tif", ("", "G10", "1", "1")),
        (
            "Week7_7__B02_s4_w4BEDC2073-A983-4B98-95E9-84466707A25D.tif",
            ("Week7_7_", "B02", "4", "4"),
        ),
        (
            "Week1_150607_B02_s4_w2BEDC2073-A983-4B98-95E9-84466707A25D.tif",
            ("Week1_150607", "B02", "4", "2"),
        ),
    ],
)
def test_file_names(name, parts):
    assert FILE_NAME.match(name).groups()[:4] == parts
    assert FILE_NAME.match(name.replace("_w", "_w3")) is None


def test_roles_give_the_published_counts(fields):
    table = assign_roles(fields[needed(fields)])
    scored = table[table["role"] == "scored"]
    assert (len(scored), scored["compound"].nunique()) == (1196, 38)
    assert scored.groupby(["compound", "concentration"]).ngroups == 101
    assert scored["label"].nunique() == 12 and (scored["label"] == scored["moa"]).all()
    sizes = scored["label"].value_counts()
    assert sizes["Microtubule stabilizers"] == 96 and sizes["Kinase inhibitors"] == 40
    taxol = table[table["compound"] == "taxol"]
    assert taxol["role"].value_counts().to_dict() == {"unlabelled": 1392, "scored": 24}
    assert taxol[taxol["role"] == "scored"]["concentration"].eq(0.3).all()
    assert (table["role"] == "control").sum() == 1320
    assert table[table["compound"] == "DMSO"]["role"].eq("control").all()
    assert table[table["role"] != "scored"]["label"].isna().all()
    colchicine = table[table["compound"] == "colchicine"].drop_duplicates("concentration")
    assert colchicine.sort_values("concentration")["role"].tolist() == (
        ["unlabelled"] * 3 + ["scored"] + ["unlabelled"] * 4
    )


@settings(max_examples=8)
@given(st.integers(0, 1000))
def test_the_draw_is_spread_over_the_plates_and_depends_on_the_seed(seed):
    plates = [f"P{i}" for i in range(10)]
    taxol = pd.DataFrame(
        {
            "plate": np.repeat(plates, 6),
            "compound": "taxol",
            "concentration": 0.3,
            "moa": "Microtubule stabilizers",
        }
    )
    rest = pd.DataFrame(
        {
            "plate": "P0",
            "compound": [f"c{i}" for i in range(3) for _ in range(25)],
            "concentration": 1.0,
            "moa": np.repeat(["a", "b", "c"], 25),
        }
    )
    fields = pd.concat([taxol, rest], ignore_index=True)
    fields["image_id"] = [str(i) for i in range(len(fields))]
    table = assign_roles(fields, seed)
    drawn = table[(table["role"] == "scored") & (table["compound"] == "taxol")]
    per_plate = drawn["plate"].value_counts()
    assert len(drawn) == 25 and len(per_plate) == 10 and per_plate.max() - per_plate.min() == 1
    shuffled = assign_roles(fields.sample(frac=1, random_state=seed), seed).sort_index()
    pd.testing.assert_frame_equal(shuffled, table)
    others = [assign_roles(fields, seed + k) for k in (1, 2)]
    assert any(not other["role"].equals(table["role"]) for other in others)


def test_old_mac_line_ends_and_spelling_of_numbers(tmp_path, shared_data, images):
    write_metadata(tmp_path, shared_data, images)
    fields = read_field_table(tmp_path)
    for path in tmp_path.glob("*.csv"):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r"))
    moa = tmp_path / "BBBC021_v1_moa.csv"
    moa.write_text(moa.read_text().replace("0.030000", "3.0e-2").replace("3.000000", "3"))
    pd.testing.assert_frame_equal(read_field_table(tmp_path), fields)


def broken(tmp_path, shared_data, images, change):
    table = images.copy()
    change(table)
    write_metadata(tmp_path, shared_data, table)


@pytest.mark.parametrize(
    ("column", "row", "value", "words"),
    [
        ("Image_FileName_Actin", 4, "B02_s1_w4.tif", r"row 6: file names of another set"),
        ("Image_Metadata_Well_DAPI", 4, "C11", r"row 6: the well, site or channel"),
        ("Image_Metadata_Concentration", 4, "much", r"row 6: column .* holds 'much'"),
    ],
)
def test_a_table_that_does_not_fit_its_files_is_refused(
    tmp_path, shared_data, images, column, row, value, words
):
    def change(table):
        table.loc[row, column] = value

    broken(tmp_path, shared_data, images, change)
    with pytest.raises(InputError, match=words):
        read_field_table(tmp_path)


def test_channels_of_two_fields_in_one_row_are_refused(tmp_path, shared_data, images):
    def swap(table):
        table.loc[[0, 1], "Image_FileName_Actin"] = table["Image_FileName_Actin"][[1, 0]].to_numpy()

    broken(tmp_path, shared_data, images, swap)
    with pytest.raises(InputError, match=r"rows 2, 3: the well, site or channel"):
        read_field_table(tmp_path)


def test_a_field_in_two_rows_is_an_error(tmp_path, shared_data, images):
    write_metadata(tmp_path, shared_data, pd.concat([images, images.iloc[[7]]]))
    with pytest.raises(InputError, match=rf"rows 9, {len(images) + 2}: the same plate, well, site"):
        read_field_table(tmp_path)


def test_a_failed_join_is_an_error(tmp_path, shared_data, images):
    def rounded(table):  # as through float16
        at = table["Image_Metadata_Compound"] == "colchicine"
        table.loc[at, "Image_Metadata_Concentration"] = "0.030003"

    broken(tmp_path, shared_data, images, rounded)
    with pytest.raises(InputError, match=r"moa\.csv row \d+: no image .* colchicine at 0\.03 µM"):
        read_field_table(tmp_path)


def test_two_mechanisms_for_one_treatment_are_refused(tmp_path, shared_data, images):
    write_metadata(tmp_path, shared_data, images)
    with open(tmp_path / "BBBC021_v1_moa.csv", "a") as file:
        file.write('"colchicine",0.03,"Aurora kinase inhibitors"\n')
    with pytest.raises(InputError, match="two mechanisms"):
        read_field_table(tmp_path)


def test_what_is_not_there_comes_with_the_command_that_fetches_it(tmp_path, shared_data, images):
    with pytest.raises(InputError, match="bnn data bbbc021 --plates"):
        read_bbbc021(tmp_path)
    write_metadata(tmp_path, shared_data, images)
    with pytest.raises(InputError, match=rf"no images of {PLATE}.*--plates {PLATE}"):
        read_bbbc021(tmp_path, plates=[PLATE])
    with pytest.raises(InputError, match="did you mean Week1_22361"):
        read_bbbc021(tmp_path, plates=["Week1_2236"])


def test_full_size_fields_of_one_plate(tmp_path, shared_data, small_table):
    kept, table = small_table
    write_metadata(tmp_path / "bbbc021", shared_data, table)
    write_images(tmp_path / "bbbc021", kept)
    source = load_bbbc021(
        read_bbbc021(tmp_path), tmp_path / "made", ImageOptions(size=128, pixel_size_um=0.5)
    )
    assert source.pixel_size_um == 0.5
    assert source.images.shape == (12, 3, 128, 160) and source.images.dtype == np.uint8
    assert source.channels == ["DAPI", "Tubulin", "Actin"]
    assert source.classes == ["Microtubule destabilizers", "Microtubule stabilizers"]
    rows = source.table.set_index("image_id")
    colchicine = rows[rows["compound"] == "colchicine"].sort_values("concentration")
    assert colchicine["concentration"].tolist() == [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]
    assert colchicine["role"].tolist() == ["unlabelled"] * 3 + ["scored"] + ["unlabelled"] * 4
    assert rows[rows["compound"] == "DMSO"]["role"].tolist() == ["control"] * 2
    assert (rows["plate"] == PLATE).all() and (rows["batch"] == "Week1").all()
    assert rows["quality_nuclei"].between(15, 30).all()
    # The percentiles are exactly those of all pixels, and the image the mean over 8 x 8 blocks.
    dna = np.stack([cells(seed, 0) for seed in range(12)])
    low, high = np.percentile(dna, [0.03, 99.97])
    limits = source.contrast.query("channel == 'DAPI'").iloc[0]
    np.testing.assert_allclose([limits["low"], limits["high"]], [low, high])
    first = kept.iloc[0]
    number = list(rows["path_DAPI"]).index(files_of(first)[0])
    expected = np.clip((dna[0] - low) / (high - low), 0, 1).reshape(128, 8, 160, 8).mean((1, 3))
    np.testing.assert_allclose(source.images[number, 0], expected * 255, atol=0.51)
    assert any("1 fields at 0.3 µM scored" in note for note in source.notes)
    assert any("over the fields of this study, not all 240" in note for note in source.notes)


def test_too_many_folds_are_refused_before_an_image_is_read(
    tmp_path, shared_data, small_table, capsys
):
    kept, table = small_table
    write_metadata(tmp_path, shared_data, table)
    write_images(tmp_path, kept, (64, 80))
    argv = ["study", "bbbc021", "--data", str(tmp_path), "--out", str(tmp_path / "s")]
    assert cli.main([*argv, "--folds", "9"]) == 2
    assert "--folds 9: give 2 to 2" in capsys.readouterr().err
    assert cli.main([*argv, "--methods", "standard,temperature"]) == 2
    assert "--validation standard=0.1" in capsys.readouterr().err
    assert not list(tmp_path.glob("s*"))


def test_a_plate_unpacked_by_hand_bad_files_and_counted_intensities(
    tmp_path, shared_data, small_table
):
    kept, table = small_table
    write_metadata(tmp_path, shared_data, table)
    write_images(tmp_path, kept, (64, 80))
    (tmp_path / "Week1" / PLATE).rename(tmp_path / PLATE)
    folder = tmp_path / PLATE
    dmso = kept[kept["Image_Metadata_Compound"] == "DMSO"]
    (folder / files_of(dmso.iloc[0])[1].rsplit("/")[-1]).unlink()
    cut = folder / files_of(dmso.iloc[1])[2].rsplit("/")[-1]
    cut.write_bytes(cut.read_bytes()[:2000])
    counts = np.zeros((3, 65536), dtype=np.int64)
    counts[:, [100, 60_000]] = 500
    np.savez(folder / INTENSITIES_FILE, counts=counts)
    source = load_bbbc021(read_bbbc021(tmp_path), tmp_path / "made", ImageOptions(size=32))
    assert source.images.shape == (10, 3, 32, 40)
    assert source.table["path_DAPI"].str.startswith(f"{PLATE}/").all()
    assert [reason.split()[1:3] for reason in source.quarantine["reason"]] == [
        ["does", "not"],
        ["is", "damaged"],
    ]
    assert all(name in source.quarantine["reason"].str.cat() for name in (PLATE, cut.name))
    assert source.contrast["high"].eq(60_000).all() and source.contrast["low"].eq(100).all()
    (folder / INTENSITIES_FILE).write_bytes(b"broken")
    with pytest.raises(InputError, match="fetch the plate again"):
        load_bbbc021(read_bbbc021(tmp_path), tmp_path / "made2", ImageOptions(size=32))
