"""Your own images: from a table to a source, whatever the columns, files and faults."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from loaded_plates import load_plate
from PIL import Image

from bnn_core.base import reading
from bnn_core.base.errors import InputError
from bnn_core.datasets.plates import read_plate
from bnn_core.datasets.sources import inverse_frequency_weights, open_source
from bnn_core.images import plate_pixels


def picture(seed, shape=(40, 48), dtype=np.uint16):
    top = {np.uint8: 200, np.uint16: 3000}[dtype]
    return np.random.default_rng(seed).integers(100, top, shape, dtype=dtype)


@pytest.fixture
def rgb_set(tmp_path):
    """16 RGB pictures: 4 compounds of two labels, two wells each; the last two have no label."""
    rows = []
    for i in range(16):
        compound = ["alpha", "beta, (one)", "mevinolin/lovastatin", "DMSO"][i // 4]
        Image.fromarray(picture(i, (40, 48, 3), np.uint8)).save(tmp_path / f"f{i}.png")
        rows.append(
            {
                "image": f"f{i}.png",
                "Metadata_Plate": "P1",
                "Metadata_Well": f"B{i // 2 + 1}",
                "drug": compound,
                "conc_nM": "300",
                "moa": "" if i >= 14 else "up" if i < 8 else "down",
            }
        )
    table = tmp_path / "fields.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    return table


def rewrite(path, change):
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(table)
    table.to_csv(path, index=False)
    return path


def test_a_table_of_rgb_pictures(rgb_set, tmp_path):
    source = load_plate(rgb_set, tmp_path / "made", size=20)
    assert source.images.shape == (16, 3, 20, 24) and source.images.dtype == np.uint8
    assert source.classes == ["down", "up"] and source.channels == ["red", "green", "blue"]
    assert source.targets().tolist() == [1] * 8 + [0] * 6 + [-1] * 2
    assert source.table["role"].value_counts().to_dict() == {"scored": 14, "unlabelled": 2}
    assert source.table["group"].tolist() == source.table["compound"].tolist()
    assert source.table["concentration"].eq(0.3).all()
    assert source.table["well"].iloc[0] == "B01"
    assert source.table["image_id"].tolist() == [f"f{i}.png" for i in range(16)]
    assert source.table["content_hash"].nunique() == 16
    assert source.normalise == "none"
    first = np.asarray(Image.open(rgb_set.parent / "f0.png"))
    np.testing.assert_allclose(source.images[0].mean((1, 2)), first.mean((0, 1)), atol=1)
    thumbnails = list(source.thumbnails())
    assert len(thumbnails) == 16 and all(data[8:12] == b"WEBP" for data in thumbnails)
    assert any("2 rows have no label" in note for note in source.notes)


def test_a_prepared_source_opens_without_the_originals(rgb_set, tmp_path):
    made = load_plate(rgb_set, tmp_path / "made", size=20)
    for path in rgb_set.parent.glob("*.png"):
        path.unlink()
    again = open_source(tmp_path / "made")
    np.testing.assert_array_equal(again.images, made.images)
    pd.testing.assert_frame_equal(again.table, made.table)
    with pytest.raises(InputError, match="no prepared images"):
        open_source(tmp_path / "nothing")


def test_finished_work_is_kept_and_other_settings_start_again(rgb_set, tmp_path, monkeypatch):
    load_plate(rgb_set, tmp_path / "made", size=20)
    with monkeypatch.context() as patched:
        patched.setattr(plate_pixels, "read_field_files", None)
        load_plate(rgb_set, tmp_path / "made", size=20)
    assert load_plate(rgb_set, tmp_path / "made", size=10).images.shape[2:] == (10, 12)


def test_its_own_working_files_may_be_of_any_size(rgb_set, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_ARRAY_BYTES", 10)
    assert load_plate(rgb_set, tmp_path / "made", size=20).images.nbytes > 10


def test_an_interrupted_run_goes_on_with_the_next_plate(rgb_set, tmp_path, monkeypatch):
    def two_plates(table):
        table["Metadata_Plate"] = ["P1"] * 8 + ["P2"] * 8

    rewrite(rgb_set, two_plates)
    expected = load_plate(rgb_set, tmp_path / "whole", size=20, workers=1)
    real, read = plate_pixels.measure, []

    def interrupt(image, *rest):
        read.append(1)
        if len(read) == 12:
            raise KeyboardInterrupt
        return real(image, *rest)

    monkeypatch.setattr(plate_pixels, "measure", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_plate(rgb_set, tmp_path / "made", size=20, workers=1)
    assert not (tmp_path / "made" / "source.json").exists()
    before = len(read)
    source = load_plate(rgb_set, tmp_path / "made", size=20, workers=1)
    assert len(read) == before + 8  # the first plate was not read again
    np.testing.assert_array_equal(source.images, expected.images)
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == [
        "contrast.parquet",
        "images.npy",
        "quarantine.parquet",
        "source.json",
        "table.parquet",
        "thumbnails.bin",
        "thumbnails.npy",
    ]


def sixteen_bit_set(folder, plates=("P1", "P2"), wells=6):
    """CellProfiler's columns, a 16-bit TIFF per channel; plate P2 was exposed twice as long."""
    rows = []
    (folder / "tif").mkdir()
    for number, plate in enumerate(plates):
        for well in range(wells):
            row = {
                "Metadata_Plate": plate,
                "Metadata_Well": f"C{well + 1:02}",
                "Metadata_Site": "1",
                "Metadata_Compound": f"c{well % 3}",
                "label": "ab"[well % 3 == 0],
            }
            for c, channel in enumerate(("DNA", "Actin")):
                name = f"{plate}_{well}_{channel}.tif"
                pixels = (picture(10 * well + c) * (1 + number)).astype(np.uint16)
                tifffile.imwrite(folder / "tif" / name, pixels)
                row[f"FileName_{channel}"], row[f"PathName_{channel}"] = name, "tif"
            rows.append(row)
    table = folder / "plate.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    return table


def test_sixteen_bit_channels_are_normalised_by_plate(tmp_path):
    source = load_plate(sixteen_bit_set(tmp_path), tmp_path / "made", size=None)
    assert source.normalise == "plate" and source.channels == ["DNA", "Actin"]
    assert source.table["image_id"].iloc[0] == "P1/C01/1"
    assert source.table["path_DNA"].iloc[0] == "tif/P1_0_DNA.tif" and "path" not in source.table
    one, two = source.images[:6].astype(int), source.images[6:].astype(int)
    assert abs(one - two).max() <= 1  # the exposure is gone
    assert source.images.min() == 0 and source.images.max() == 255
    pixels = np.stack([tifffile.imread(tmp_path / "tif" / f"P1_{w}_DNA.tif") for w in range(6)])
    limits = source.contrast.query("plate == 'P1' and channel == 'DNA'").iloc[0]
    expected = np.percentile(pixels, [0.03, 99.97])
    np.testing.assert_allclose([limits["low"], limits["high"]], expected)


def test_per_image_and_no_normalisation(tmp_path):
    table = sixteen_bit_set(tmp_path)
    own = load_plate(table, tmp_path / "own", size=None, normalise="image").images
    assert (own.min(axis=(2, 3)) == 0).all() and (own.max(axis=(2, 3)) == 255).all()
    plain = load_plate(table, tmp_path / "plain", size=None, normalise="none").images
    assert plain[6:].mean() == pytest.approx(2 * plain[:6].mean(), rel=0.01)
    with pytest.raises(InputError, match="--normalise twice"):
        load_plate(table, tmp_path / "x", normalise="twice")


def test_channels_can_be_chosen_and_are_checked(tmp_path, rgb_set):
    table = sixteen_bit_set(tmp_path)
    assert load_plate(table, tmp_path / "one", channels=["Actin"]).images.shape[1] == 1
    with pytest.raises(InputError, match=r"no channel 'ER'.*DNA, Actin"):
        load_plate(table, tmp_path / "two", channels=["ER"])
    for names in (["a", "a", "b"], ["a", "", "b"], [""]):
        with pytest.raises(InputError, match=r"--channels .*different names"):
            load_plate(rgb_set, tmp_path / "four", channels=names)
    assert load_plate(rgb_set, tmp_path / "five", channels=["a", " b", "c "]).channels == [
        "a",
        "b",
        "c",
    ]
    with pytest.raises(InputError, match=r"channels are 2 \(a, b\), but the images have 3"):
        load_plate(rgb_set, tmp_path / "three", channels=["a", "b"])


def test_paths_of_another_machine_are_found_by_name(rgb_set, tmp_path):
    def elsewhere(table):
        table["image"] = "C:\\scope\\run 1\\" + table["image"]

    source = load_plate(rewrite(rgb_set, elsewhere), tmp_path / "made", size=20)
    assert source.table["path"].iloc[0] == "f0.png"
    moved = tmp_path / "elsewhere" / "fields.csv"
    moved.parent.mkdir()
    rgb_set.rename(moved)
    assert len(load_plate(moved, tmp_path / "made2", size=20, images=tmp_path).table) == 16


def test_bad_images_are_put_aside_by_file_and_row(rgb_set, tmp_path):
    folder = rgb_set.parent
    (folder / "f0.png").unlink()
    (folder / "f1.png").write_bytes((folder / "f1.png").read_bytes()[:900])
    Image.fromarray(picture(0, (40, 48), np.uint8)).save(folder / "f2.png")
    Image.fromarray(picture(0, (40, 50, 3), np.uint8)).save(folder / "f4.png")

    def no_file(table):
        table.loc[5, "image"] = ""

    source = load_plate(rewrite(rgb_set, no_file), tmp_path / "made", size=20)
    assert len(source.images) == len(source.table) == 11
    assert source.quarantine["row"].tolist() == [2, 3, 4, 6, 7]
    reasons = source.quarantine["reason"].tolist()
    for reason, words in zip(
        reasons,
        [
            "f0.png does not exist",
            "f1.png is damaged",
            "is 1 x 40 x 48 uint8",
            "is 3 x 40 x 50 uint8",
            "names no file",
        ],
        strict=True,
    ):
        assert words in reason
    assert any("5 of 16 images could not be used" in note for note in source.notes)
    source.quarantine.iloc[1, source.quarantine.columns.get_loc("file")] = "=1+1.png"
    source.keep_with_study(tmp_path)
    quarantine = (tmp_path / "quarantine.csv").read_text()
    assert "f0.png" in quarantine and "\n'=1+1.png," in quarantine


def test_more_than_half_bad_is_an_error(rgb_set, tmp_path):
    for i in range(9):
        (rgb_set.parent / f"f{i}.png").unlink()
    with pytest.raises(InputError, match=r"more than half of the 16 images.*9 unreadable.*f0\.png"):
        load_plate(rgb_set, tmp_path / "made")


def test_a_class_without_a_readable_image_is_an_error(rgb_set, tmp_path):
    for i in (0, *range(8, 14)):
        (rgb_set.parent / f"f{i}.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"label down; row 10: .*f8\.png is empty"):
        load_plate(rgb_set, tmp_path / "made")


def test_names_of_untreated_wells_are_a_hint(rgb_set):
    notes = read_plate(rgb_set).notes
    assert any("--control 'DMSO'" in note and "4 rows" in note for note in notes)
    assert not any("--control" in n for n in read_plate(rgb_set, control="DMSO").notes)
    notes = read_plate(
        rewrite(rgb_set, lambda t: t.update({"moa": ["DMSO"] * 8 + ["up"] * 8}))
    ).doubts
    assert any("of the class 'DMSO'" in note for note in notes)


def test_controls_are_named_or_nothing(rgb_set, tmp_path):
    source = load_plate(rgb_set, tmp_path / "made", control="dmso")
    assert source.table["role"].tolist() == ["scored"] * 12 + ["control"] * 4
    assert source.table["label"].isna().tolist() == [False] * 12 + [True] * 4
    with pytest.raises(InputError, match="--control water: no row"):
        load_plate(rgb_set, tmp_path / "made2", control="water")


def test_labels_and_groups_from_any_column(rgb_set, tmp_path):
    source = load_plate(
        rgb_set, tmp_path / "made", label="drug", group="Metadata_Well", batch="Metadata_Plate"
    )
    assert source.classes == ["DMSO", "alpha", "beta, (one)", "mevinolin/lovastatin"]
    assert source.table["group"].iloc[3] == "B2" and (source.table["batch"] == "P1").all()
    with pytest.raises(InputError, match="--label moe: no such column; did you mean 'moa'") as e:
        load_plate(rgb_set, tmp_path / "made2", label="moe")
    listed = str(e.value).split("there are ")[1].split(", ")
    assert len(listed) == len(set(listed))


def test_without_compounds_wells_or_images_are_the_groups(rgb_set, tmp_path):
    rewrite(rgb_set, lambda table: table.pop("drug"))
    source = load_plate(rgb_set, tmp_path / "made")
    assert source.table["group"].nunique() == 8
    assert any("wells are left out together" in note for note in source.notes)
    rewrite(rgb_set, lambda table: table.pop("Metadata_Well"))
    source = load_plate(rgb_set, tmp_path / "made2")
    assert source.table["group"].nunique() == 16


def test_rows_without_a_compound_have_a_group_too(rgb_set, tmp_path):
    def unknown(table):
        table.loc[[0, 1], "drug"] = ""

    source = load_plate(rewrite(rgb_set, unknown), tmp_path / "made")
    assert source.table["group"].iloc[0] == "P1/B01"
    assert any("2 rows have no compound" in note for note in source.notes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("image"), "no column of image files"),
        (lambda t: t.pop("moa"), "no column of labels.*--label"),
        (lambda t: t.__setitem__("moa", ""), "no row has a label in column 'moa'"),
        (lambda t: t.__setitem__("moa", "NA"), "no row has a label"),
        (lambda t: t.__setitem__("moa", "up"), "all labelled rows are 'up'"),
        (lambda t: t.replace({"moa": {"up": "u" * 201}}, inplace=True), "'u+…' has 201 letters"),
        (
            lambda t: t.replace({"moa": {"up": "label"}}, inplace=True),
            r"fields\.csv rows 2, 3, .* \(8 rows\): a class cannot be called 'label'",
        ),
        (lambda t: t.__setitem__("drug", "one"), r"fields\.csv: .* the group 'one'.*--group"),
        (lambda t: t.__setitem__("conc_nM", "1,500"), r"fields\.csv: rows 2, .*holds '1,500'"),
        (
            lambda t: t.replace({"image": {"f9.png": "f4.png", "f3.png": "f1.png"}}, inplace=True),
            r"fields\.csv rows 3, 5: the same image \(f1\.png\) .* 2 rows of other doubles",
        ),
        (
            lambda t: t.replace({"image": {"f9.png": "run2/f4.png"}}, inplace=True),
            r"rows 6, 11: the same image \(f4\.png or run2/f4\.png\).*--images",
        ),
        (
            lambda t: (t.insert(0, "path_DNA", ""), t.insert(1, "path_Actin", "f1.png")),
            r"rows 2, 3, .* \(16 rows\): the same image \(f1\.png\) is listed more than once",
        ),
    ],
)
def test_tables_that_cannot_be_learned_from(rgb_set, tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        load_plate(rewrite(rgb_set, change), tmp_path / "made")


def test_classes_with_similar_names_give_a_note(rgb_set, tmp_path):
    def slip(table):
        table.loc[0, "moa"] = "Up "

    source = load_plate(rewrite(rgb_set, slip), tmp_path / "made")
    assert source.classes == ["Up", "down", "up"]
    assert any("'Up' and 'up' are different classes" in note for note in source.notes)


def test_the_note_on_one_row_without_a_label_is_singular(rgb_set):
    def one(table):
        table.loc[14, "moa"] = "down"
        table.loc[3, "drug"] = ""

    notes = read_plate(rewrite(rgb_set, one), control=None).notes
    assert "1 row has no label: predicted and shown, never counted" in notes
    assert "1 row has no compound and is left out by well, or one by one" in notes


def test_typing_mistakes_give_warnings(rgb_set):
    def slips(table):
        table.loc[0, ["moa", "drug"]] = ["Up ", "Alpha "]
        table.loc[1, "Metadata_Well"] = "Z99"

    found = read_plate(rewrite(rgb_set, slips))
    assert [doubt.split(": ")[1].split(" (")[0] for doubt in found.doubts] == [
        "'Up' and 'up' are different classes",
        "1 image is in wells that do not exist on a plate",
        "'Alpha' and 'alpha' are different groups",
    ]
    assert set(found.doubts) < set(found.notes)


def test_names_are_data_not_syntax(rgb_set, tmp_path):
    names = ["=cmd|' /C calc'!A0", 'say "hi", you', "Ärger/µM", "../up", "None", "a\tb"]

    def strange(table):
        table["drug"] = [names[i % len(names)] for i in range(16)]

    source = load_plate(rewrite(rgb_set, strange), tmp_path / "made")
    assert source.table["compound"].tolist() == [names[i % len(names)] for i in range(16)]


def test_the_same_image_in_two_groups_gives_a_warning(rgb_set, tmp_path):
    data = (rgb_set.parent / "f0.png").read_bytes()
    (rgb_set.parent / "f13.png").write_bytes(data)
    source = load_plate(rgb_set, tmp_path / "made")
    assert any("2 images have an exact copy in another group" in note for note in source.notes)


def test_old_mac_line_ends(rgb_set, tmp_path):
    rgb_set.write_bytes(rgb_set.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r"))
    assert len(load_plate(rgb_set, tmp_path / "made").table) == 16


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=60).filter(lambda t: max(t) >= 0))
@settings(max_examples=100, deadline=None)
def test_loss_weights_have_mean_one_and_balance_the_classes(targets):
    targets = np.array(targets)
    weights = inverse_frequency_weights(targets, 5)
    counted = targets[targets >= 0]
    assert weights[counted].mean() == pytest.approx(1)
    shares = [weights[c] * (counted == c).sum() for c in np.unique(counted)]
    np.testing.assert_allclose(shares, shares[0], rtol=1e-5)
    assert weights[np.setdiff1d(np.arange(5), counted)].sum() == 0


def test_loss_weights_by_hand():
    np.testing.assert_allclose(inverse_frequency_weights(np.array([0, 0, 0, 1, -1]), 2), [2 / 3, 2])
    with pytest.raises(InputError):
        inverse_frequency_weights(np.array([-1]), 2)


def test_the_shared_fields_load_with_one_call(tmp_path, shared_data):
    folder = shared_data / "bbbc021"
    table = pd.read_csv(folder / "fields.csv").groupby("compound").head(2).groupby("moa").head(4)
    some = tmp_path / "fields.csv"
    table.to_csv(some, index=False)
    source = load_plate(
        some,
        tmp_path / "made",
        label="moa",
        group="compound",
        images=folder,
        channels=["Actin", "Tubulin", "DNA"],
    )
    assert source.images.shape == (24, 3, 128, 128) and len(source.classes) == 6
    assert source.quarantine.empty
    assert source.table["quality_nuclei"].median() > 30
    assert json.dumps(source.study_keys())


def test_channels_that_hold_nothing_are_warned_of(rgb_set, tmp_path):
    for i in range(16):
        pixels = picture(i, (40, 48, 3), np.uint8)
        pixels[..., 2] = 0
        if i < 3:
            pixels[..., 1] = 7
        Image.fromarray(pixels).save(tmp_path / f"f{i}.png")
    warnings = [n for n in load_plate(rgb_set, tmp_path / "made", size=20).notes if "WARNING" in n]
    assert len(warnings) == 2
    assert "channel green holds" in warnings[0] and "3 of the 16 images" in warnings[0]
    assert "channel blue holds" in warnings[1] and "all 16 images" in warnings[1]


def test_remarks_on_the_files_are_counted(rgb_set, tmp_path):
    for i in range(16):
        grey = picture(i, (40, 48), np.uint8)
        Image.fromarray(np.stack([grey] * 3, -1)).save(tmp_path / f"f{i}.png")
    Image.fromarray(picture(0, (40, 48, 4), np.uint8)).save(tmp_path / "f3.png")
    opaque = picture(0, (40, 48, 4), np.uint8)
    opaque[..., 3] = 255
    Image.fromarray(opaque).save(tmp_path / "f4.png")
    source = load_plate(rgb_set, tmp_path / "made", size=20)
    assert source.quarantine["row"].tolist() == [5]
    warning, constant = [n for n in source.notes if "channels that" in n or "alpha" in n]
    assert warning.startswith("WARNING: 14 images (such as f0.png)")
    assert constant.startswith("1 image (such as f4.png)")


def test_numbers_of_another_type_are_read_by_a_given_range(tmp_path):
    table = sixteen_bit_set(tmp_path)
    for path in (tmp_path / "tif").glob("*.tif"):
        tifffile.imwrite(path, tifffile.imread(path).astype(np.float32) / 7)
    source = load_plate(table, tmp_path / "made", size=None, intensities=(0, 1000))
    assert source.normalise == "plate" and source.images.max() == 255
    (note,) = [n for n in source.notes if "0 to 1000 became" in n]
    assert note.startswith("every image: stores float32")
    narrow = load_plate(table, tmp_path / "made", size=None, intensities=(50, 100))
    assert any("outside 50 to 100" in note for note in narrow.notes)


NUMBERS = {
    "int16": (lambda image: image.astype(np.int16) - 200, True),
    "uint32": (lambda image: image.astype(np.uint32) * 100, True),
    "float32": (lambda image: image.astype(np.float32) / 7, True),
    "fractions": (lambda image: image.astype(np.float32) / 3000, False),
    "small int16": (lambda image: image.astype(np.int16), False),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_other_number_types_are_scaled_by_the_range_of_the_whole_set(tmp_path, kind):
    change, scaled = NUMBERS[kind]
    images = [change(picture(i, (24, 30)) // (1 + i % 3)) for i in range(8)]
    for i, image in enumerate(images):
        tifffile.imwrite(tmp_path / f"{i}.tif", image)
    rows = {
        "path": [f"{i}.tif" for i in range(8)],
        "moa": list("XXXXYYYY"),
        "compound": list("aabbccdd"),
    }
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    source = load_plate(tmp_path / "t.csv", tmp_path / "made", size=None, normalise="none")
    low, high = min(i.min() for i in images), max(i.max() for i in images)
    assert len(source.table) == 8
    if scaled:
        assert source.intensities == [pytest.approx(low), pytest.approx(high)]
        assert any("became 65,535" in note for note in source.notes)
        for image, made in zip(images, source.images, strict=True):
            unit = (image.astype(float) - low) / (float(high) - low)
            np.testing.assert_allclose(made[0], unit * 255, atol=0.51)
    else:
        assert source.intensities is None
