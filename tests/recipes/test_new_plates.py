"""New plates on a finished study: the study's numbers again, plates with limits of their own."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.commands import cli
from bnn_core.datasets.plates import read_plate
from bnn_core.datasets.preparation import plate_jobs
from bnn_core.images import plate_pixels
from bnn_core.recipes import adding_blocks, plate_blocks
from bnn_core.recipes.image_map import MAP_FILE
from bnn_core.recipes.new_plates import plan_plates, predict_plates
from bnn_core.recipes.plate_anchor import anchored_limits, study_levels
from bnn_core.study.checking import check_study
from bnn_core.study.fields import fixed_limits, read_original
from bnn_core.study.folder import open_study

SMALL = "--preset quick --epochs 1 --head-width 8 --pathways 1 --crop 8 --num-samples 4 --folds 2"
SMALL += " --precision float32"  # bfloat16 would hide what the tests compare
CHANNELS = ("DNA", "Actin")
PLATES = {"P1": 1, "P2": 3}


def field(seed, gain):
    """Two channels of 24 x 30 pixels, 16 bit: dim squares on noise."""
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 140, (2, 24, 30)).astype(np.float64)
    for _ in range(6):
        y, x = rng.integers(0, 18), rng.integers(0, 24)
        image[:, y : y + 5, x : x + 5] += rng.uniform(200, 900, (2, 1, 1))
    return (image * gain).astype(np.uint16)


def write_plates(folder, plates, labelled=True):
    """Plates of two wells of each of four compounds and two of DMSO; a plate has its own gain."""
    rows = []
    for plate, gain in plates.items():
        for number in range(10):
            compound, moa = [("a", "X"), ("b", "X"), ("c", "Y"), ("d", "Y"), ("DMSO", "")][
                number % 5
            ]
            row = {
                "plate": plate,
                "well": f"B{number + 1:02d}",
                "site": "1",
                "compound": compound,
                "moa": moa if labelled else "",
            }
            seed = [ord(c) for c in f"{plate}{number}"]
            for channel, pixels_ in zip(CHANNELS, field(seed, gain), strict=True):
                name = f"{plate}_{number}_{channel}.tif"
                tifffile.imwrite(folder / name, pixels_)
                row[f"FileName_{channel}"] = name
            rows.append(row)
    table = pd.DataFrame(rows)
    table.to_csv(folder / "t.csv", index=False)
    return table


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("screen")
    write_plates(folder, PLATES)
    return folder


@pytest.fixture(scope="module")
def made(screen, tmp_path_factory):
    out = tmp_path_factory.mktemp("studies") / "screen"
    argv = ["study", "plate", str(screen / "t.csv"), "--control", "DMSO", "--out", str(out)]
    assert cli.main([*argv, "--size", "16", *SMALL.split()]) == 0
    return out


@pytest.fixture
def study(made, tmp_path):
    return shutil.copytree(made, tmp_path / "screen")


def add(study, folder, name="may", **options):
    table = options.pop("table", folder / "t.csv")
    plates = read_plate(table, control=options.pop("control", None), to_learn=False)
    return open_study(predict_plates(study, plates, name, **options))


SCORES = ["p_X", "p_Y", "confidence", "mutual_information", "aleatoric", "distance"]


@pytest.mark.parametrize("part", [slice(None), slice(0, 7)])
def test_the_studys_images_as_a_new_table_have_the_studys_numbers(study, screen, tmp_path, part):
    table = pd.read_csv(screen / "t.csv").iloc[part]
    table.to_csv(screen / "part.csv", index=False)
    before = open_study(study)
    result = add(study, screen, table=screen / "part.csv", out=tmp_path / "again")
    assert check_study(result.path) == []
    n = len(table)
    place = pd.Index(before.images["content_hash"]).get_indexer(result.images["content_hash"][20:])
    assert len(place) == n and (place >= 0).all()
    for method in ("vi", "standard"):
        summary = result.summary(method)
        scores = [c for c in SCORES if summary[c].notna().any()]
        own = before.summary(method)[scores].iloc[place]
        assert_allclose(summary[scores].iloc[20:], own, atol=1e-6)
        # A step of float16: numbers that differ by 1e-7 may be rounded to either side.
        assert_allclose(result.samples(method)[20:], before.samples(method)[place], 2**-10)
        pd.testing.assert_frame_equal(summary.iloc[:20], before.summary(method), check_dtype=False)
        assert summary["correct"].iloc[20:].isna().all()
    assert_allclose(result.embedding[20:], before.embedding[place], atol=2e-3)
    # The map is made with the set: the first visitor of its page does not wait for it.
    assert np.load(result.path / MAP_FILE).shape == (20 + n, 2)
    assert result.images["fold"].iloc[20:].tolist() == before.images["fold"].iloc[place].tolist()
    assert result.images["plate"].iloc[20:].tolist() == table["plate"].tolist()
    assert result.thumbnail(21) == before.thumbnail(place[1])
    # Focus and z compare the fields of a plate with each other.
    quality = ["quality_saturation", "quality_foreground"]
    assert_allclose(
        result.images[quality].iloc[20:].astype(float), before.images[quality].iloc[place]
    )


def test_a_new_plate_is_scaled_by_the_percentiles_of_that_plate(study, tmp_path):
    """The same pictures at five times the exposure are predicted the same."""
    for name, gain in (("one", 1), ("five", 5)):
        (tmp_path / name).mkdir()
        write_plates(tmp_path / name, {"N1": gain}, labelled=False)
        result = add(study, tmp_path / name, name)
    images = result.images.iloc[20:]
    assert images["role"].value_counts().to_dict() == {"unlabelled": 16, "control": 4}
    assert images["plate"].tolist() == ["N1"] * 10 + ["five: N1"] * 10
    table = result.summary("vi")[["p_X", "distance"]].iloc[20:].to_numpy()
    assert_allclose(table[:10], table[10:], atol=5e-3)
    # The viewer shows them alike too: limits are kept by plate.
    one, five = (read_original(result, row) for row in (20, 30))
    ratio = fixed_limits(result, 30, five) / fixed_limits(result, 20, one)
    assert_allclose(ratio, 5, rtol=0.02)
    assert any("called five: N1" in note for note in result.meta["notes"])
    assert check_study(result.path) == []


def test_the_same_plate_is_predicted_once_and_more_plates_are_added(study, tmp_path, monkeypatch):
    write_plates(tmp_path, {"N1": 1, "N2": 2})
    whole = pd.read_csv(tmp_path / "t.csv")
    whole[whole["plate"] == "N1"].to_csv(tmp_path / "t.csv", index=False)
    assert add(study, tmp_path).meta["rows"] == 30
    read = []
    real = plate_blocks.scan_plate
    monkeypatch.setattr(
        plate_blocks, "scan_plate", lambda job, *rest: read.append(job.plate) or real(job, *rest)
    )
    assert add(study, tmp_path).meta["rows"] == 30 and read == []
    whole.to_csv(tmp_path / "t.csv", index=False)
    result = add(study, tmp_path)
    assert result.meta["rows"] == 40 and read == ["N2"]
    (entry,) = result.meta["added"]
    assert entry["images"] == 20 and sorted(entry["plates"]) == ["N1", "N2"]
    whole.assign(moa="Z").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=r"plate N1 with other files or rows.*OTHER=TABLE"):
        add(study, tmp_path)


@pytest.mark.parametrize("given", ["t.csv", "files"])
def test_a_copy_of_a_plate_elsewhere_is_the_same_plate(study, tmp_path, given):
    folder, copy = tmp_path / "one" / "upload", tmp_path / "two" / "upload"
    folder.mkdir(parents=True)
    write_plates(folder, {"N1": 1})
    if given == "files":  # as an instrument names them
        (folder / "t.csv").unlink()
        for number in range(10):
            for channel in CHANNELS:
                (folder / f"N1_{number}_{channel}.tif").rename(
                    folder / f"B{number + 1:02d}_1_{channel}.tif"
                )
    copy.mkdir(parents=True)
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())  # with another time

    def rows(folder):
        pattern = r"(?P<well>B\d+)_(?P<site>\d)_(?P<channel>\w+)"
        plates = (
            read_plate(folder, pattern=pattern, to_learn=False)
            if given == "files"
            else read_plate(folder / given, to_learn=False)
        )
        return open_study(predict_plates(study, plates, "may")).meta["rows"]

    assert [rows(folder), rows(copy)] == [30, 30]
    changed = next(copy.glob("*_DNA.tif"))
    tifffile.imwrite(changed, tifffile.imread(changed) + 1)  # as large as before
    with pytest.raises(InputError, match="with other files or rows"):
        rows(copy)


def test_a_byte_in_the_middle_of_a_file_makes_it_another(study, tmp_path):
    write_plates(tmp_path, {"N1": 1})
    path = tmp_path / "N1_3_DNA.tif"
    noise = np.random.default_rng(0).integers(0, 999, (24, 30 * 100), np.uint16)
    for file in tmp_path.glob("N1_*.tif"):
        tifffile.imwrite(file, noise)  # 144 KB
    assert add(study, tmp_path).meta["rows"] == 30
    assert add(study, tmp_path).meta["rows"] == 30
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(InputError, match="plate N1 with other files or rows"):
        add(study, tmp_path)


def test_plates_that_an_earlier_version_added_are_known(study, tmp_path):
    write_plates(tmp_path, {"N1": 1})
    plates = read_plate(tmp_path / "t.csv", to_learn=False)
    (job,) = plate_jobs(plates.table, plates.channels, plates.root, None)
    earlier = short_digest(json.dumps([job.key, plates.table.to_csv(index=False)]).encode())
    meta = json.loads((study / "study.json").read_text())
    meta["added"] = [{"name": "may", "title": "may", "images": 10, "plates": {"N1": earlier}}]
    (study / "study.json").write_text(json.dumps(meta))
    assert plan_plates(open_study(study), plates, "may").fresh == []


def test_pictures_that_were_uploaded_are_kept_in_the_study(study, tmp_path, monkeypatch):
    monkeypatch.setenv("BNN_CACHE", str(tmp_path))
    given = tmp_path / ".jobs" / "000001" / "given" / "upload"
    given.mkdir(parents=True)
    write_plates(given, {"N1": 1})
    other = add(study, given, out=tmp_path / "other")
    result = add(study, given)
    first = read_original(result, 20)
    # The next upload of the set has files of the same names.
    again = tmp_path / ".jobs" / "000002" / "given" / "upload"
    again.mkdir(parents=True)
    write_plates(again, {"N2": 2})
    for file in list(again.glob("N2_*")):
        file.rename(again / file.name.replace("N2_", "N1_"))
    table = (again / "t.csv").read_text()
    (again / "t.csv").write_text(table.replace("N2_", "N1_"))
    result = add(study, again)
    shutil.rmtree(tmp_path / ".jobs")
    for one in (other, result):
        file = one.image_file(20, "DNA")
        assert file.name == "N1_0_DNA.tif" and file.is_relative_to(one.path / "pictures" / "may")
        np.testing.assert_array_equal(read_original(one, 20), first)
    assert result.images["plate"].iloc[-1] == "N2" and len(result.images) == 40
    assert (read_original(result, 30) != first).any()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\\b", "a\0", "é" * 101])
def test_a_set_has_the_name_of_a_folder(study, tmp_path, monkeypatch, name):
    monkeypatch.setenv("BNN_CACHE", str(tmp_path))
    given = tmp_path / ".jobs" / "000001" / "given" / "upload"
    given.mkdir(parents=True)
    write_plates(given, {"N1": 1})
    plates = read_plate(given / "t.csv", to_learn=False)
    for call in (plan_plates, lambda study, *rest: predict_plates(study.path, *rest)):
        with pytest.raises(InputError, match="name"):
            call(open_study(study), plates, name)
    assert open_study(study).meta["rows"] == 20


def test_an_interrupted_run_continues_with_the_next_part(study, tmp_path, monkeypatch):
    write_plates(tmp_path, {"N1": 1, "N2": 2})
    expected = add(study, tmp_path, out=tmp_path / "whole")
    real, calls = adding_blocks.predict, []

    def interrupted(*args, **options):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(adding_blocks, "predict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add(study, tmp_path)
    assert open_study(study).meta["rows"] == 20
    result = add(study, tmp_path)
    # Two plates, two folds, two methods; the sixth was cut short and is done again.
    assert len(calls) == 9 and not (result.path / "adding").exists()
    for method in ("vi", "standard"):
        pd.testing.assert_frame_equal(result.summary(method), expected.summary(method))
        assert_array_equal(result.samples(method), expected.samples(method))


def test_the_deployed_networks_predict_new_plates(made, screen, tmp_path):
    study = shutil.copytree(made, tmp_path / "screen")
    (tmp_path / "new").mkdir()
    write_plates(tmp_path / "new", {"N1": 1})
    result = add(study, tmp_path / "new", deploy=True)
    assert result.meta["deployed"] == {"training_images": 16, "groups": 4}
    assert any("trained on all compounds" in note for note in result.meta["notes"])
    new = result.summary("vi")[["p_X", "distance"]].iloc[20:]
    # `study plate --deploy` trains the same networks on the same pixels.
    out = tmp_path / "at-once"
    argv = ["study", "plate", str(screen / "t.csv"), "--control", "DMSO", "--out", str(out)]
    assert cli.main([*argv, "--size", "16", *SMALL.split(), "--deploy"]) == 0
    assert open_study(out).meta["deployed"] == result.meta["deployed"]
    at_once = add(out, tmp_path / "new")
    assert_allclose(at_once.summary("vi")[["p_X", "distance"]].iloc[20:], new, atol=1e-6)
    # The study's own images are still predicted by the fold that left them out.
    again = add(study, screen, "again")
    assert_allclose(
        again.summary("vi")["p_X"].iloc[30:], again.summary("vi")["p_X"].iloc[:20], atol=1e-6
    )
    # What the folds predicted before is new to the deployed networks, under another name.
    folds = add(shutil.copytree(made, tmp_path / "folds"), tmp_path / "new")
    deployed = add(folds.path, tmp_path / "new", "deployed", deploy=True, out=tmp_path / "both")
    assert_allclose(deployed.summary("vi")[["p_X", "distance"]].iloc[30:], new, atol=1e-6)
    assert any("mean over the networks of 2 folds" in note for note in folds.meta["notes"])
    assert abs(folds.summary("vi")["p_X"].iloc[20:] - new["p_X"]).max() > 1e-4


def test_bad_fields_are_put_aside_by_row(study, tmp_path):
    write_plates(tmp_path, {"N1": 1})
    (tmp_path / "N1_3_DNA.tif").write_bytes(b"no image")
    tifffile.imwrite(tmp_path / "N1_4_DNA.tif", np.zeros((9, 9), np.uint16))
    result = add(study, tmp_path)
    assert result.meta["rows"] == 28 and result.meta["quarantined"] == 2
    quarantine = pd.read_csv(study / "quarantine.csv")
    assert quarantine["row"].tolist() == [5, 6] and "N1_3_DNA.tif" in quarantine["file"].iloc[0]
    for path in tmp_path.glob("N1_*"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"no image can be used .10"):
        add(study, tmp_path, "june")
    (tmp_path / "other").mkdir()
    write_plates(tmp_path / "other", {"N2": 1})
    assert add(study, tmp_path / "other", "june").meta["rows"] == 38  # nothing is left of the first


def test_ids_of_absolute_paths_name_no_folder_of_the_machine(study, tmp_path):
    files, tables = tmp_path / "files", tmp_path / "tables"
    for folder in (files, tables):
        folder.mkdir()
    table = write_plates(files, {"N1": 1}).drop(columns="site")
    names = [f"FileName_{channel}" for channel in CHANNELS]

    def ids(rows):
        rows.to_csv(tables / "t.csv", index=False)
        plates = read_plate(tables / "t.csv", to_learn=False)
        return plan_plates(open_study(study), plates, "may").rows["image_id"].tolist()

    absolute = table.assign(**{name: f"{files}/" + table[name] for name in names})
    found = ids(absolute)
    assert len(set(found)) == 10 and not any(str(tmp_path) in i for i in found)
    assert found[0].startswith("may/files-") and found[0].endswith("/N1_0_DNA.tif")
    assert ids(absolute.iloc[:3]) == found[:3]


def test_channels_are_the_studys_in_any_order(study, tmp_path):
    table = write_plates(tmp_path, {"N1": 1})
    expected = add(study, tmp_path, "one").summary("vi")["p_X"].iloc[20:]
    renamed = {"FileName_DNA": "FileName_dna"}
    turned = table[[*table.columns[:5], "FileName_Actin", "FileName_DNA"]].rename(columns=renamed)
    turned.to_csv(tmp_path / "t.csv", index=False)
    assert_allclose(add(study, tmp_path, "two").summary("vi")["p_X"].iloc[30:], expected, atol=1e-6)
    turned.rename(columns={"FileName_dna": "FileName_ER"}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(
        InputError, match=r"are Actin, ER, those of study screen DNA, Actin.* DNA=Actin,Actin=ER"
    ):
        add(study, tmp_path, "three")
    plates = read_plate(tmp_path / "t.csv", channels=["DNA=ER", "Actin"], to_learn=False)
    result = open_study(predict_plates(study, plates, "three"))
    assert_allclose(result.summary("vi")["p_X"].iloc[40:], expected, atol=1e-6)


def test_one_file_of_all_channels_is_read_in_the_studys_order(study, tmp_path):
    table = write_plates(tmp_path, {"N1": 1})
    expected = add(study, tmp_path, "one").summary("vi")["p_X"].iloc[20:]
    for i in range(10):
        both = np.stack([tifffile.imread(tmp_path / f"N1_{i}_{c}.tif") for c in CHANNELS])
        tifffile.imwrite(tmp_path / f"N1_{i}.tif", both, metadata={"axes": "CYX"})
    one = table.drop(columns=["FileName_DNA", "FileName_Actin"])
    one.assign(path=[f"N1_{i}.tif" for i in range(10)]).to_csv(tmp_path / "t.csv", index=False)
    result = add(study, tmp_path, "two")
    assert_allclose(result.summary("vi")["p_X"].iloc[30:], expected, atol=1e-6)
    assert read_original(result, 31).shape == (2, 24, 30)


def test_the_command_on_a_table(study, tmp_path, capsys):
    write_plates(tmp_path, {"N1": 1}, labelled=False)
    argv = ["predict", str(study), f"may={tmp_path / 't.csv'}"]
    assert cli.main(argv) == 0
    said = capsys.readouterr().out
    assert "10 images of 1 new plate (may) added" in said and "30 images" in said
    assert cli.main(argv) == 0 and open_study(study).meta["rows"] == 30
    assert "nothing new" in capsys.readouterr().out
    assert cli.main(["predict", str(study), "--deploy"]) == 0
    assert "deployed" in open_study(study).meta
    assert cli.main(["predict", str(study)]) == 2
    assert "name the images" in capsys.readouterr().err


def test_memory_depends_on_the_plate_and_pixels_are_not_kept(study, tmp_path, monkeypatch):
    write_plates(tmp_path, {f"N{i}": 1 for i in range(3)})
    most = []
    real = plate_blocks.PlateBlock.done

    def done(block, making):
        most.append(len(list(making.glob("adding/pixels-*"))))
        real(block, making)

    monkeypatch.setattr(plate_blocks.PlateBlock, "done", done)
    monkeypatch.setattr(adding_blocks, "_AT_A_TIME", 3)
    monkeypatch.setattr(plate_pixels, "_KEEP_BYTES", 0)
    assert add(study, tmp_path).meta["rows"] == 50
    assert most == [1, 1, 1]


GAIN, OFFSET = np.array([1.7, 1.3])[:, None, None], np.array([300, 40])[:, None, None]


@pytest.fixture
def unscaled(study):
    """The study as if its images had been used with one full scale for all plates."""
    meta = json.loads((study / "study.json").read_text())
    (study / "study.json").write_text(
        json.dumps(meta | {"normalise": "none", "checksums": {}, "files": {}})
    )
    contrast = pd.read_parquet(study / "contrast.parquet")
    contrast.assign(low=0.0, high=4095.0).to_parquet(study / "contrast.parquet")
    return study


def write_brighter(folder):
    """The plate N1, and as N2 the same with another gain and offset per channel."""
    table = write_plates(folder, {"N1": 1}, labelled=False)
    for number in range(10):
        for c, channel in enumerate(CHANNELS):
            pixels = tifffile.imread(folder / f"N1_{number}_{channel}.tif")
            brighter = (pixels * GAIN[c] + OFFSET[c]).round().astype(np.uint16)
            tifffile.imwrite(folder / f"N2_{number}_{channel}.tif", brighter)
    other = table.replace(r"^N1", "N2", regex=True)
    pd.concat([table, other]).to_csv(folder / "t.csv", index=False)


def test_anchored_plates_lose_their_own_gain_and_offset(unscaled, tmp_path):
    write_brighter(tmp_path)
    scores = {}
    for anchor in ("none", "controls"):
        result = add(unscaled, tmp_path, out=tmp_path / anchor, anchor=anchor)
        table = result.table("vi").iloc[20:]
        scores[anchor] = [
            table.loc[table["plate"] == plate, ["p_X", "distance"]].to_numpy()
            for plate in ("N1", "N2")
        ]
    one, other = scores["controls"]
    assert_allclose(other, one, rtol=5e-3)
    assert (np.abs(scores["none"][1] / scores["none"][0] - 1).mean(axis=0) > 0.02).all()
    # What is black and white follows the plate's controls: a black point moves with the offset.
    limits = result.contrast.set_index(["plate", "channel"])[["low", "high"]]
    for c, channel in enumerate(CHANNELS):
        expected = limits.loc[("N1", channel)] * GAIN[c].item() + OFFSET[c].item()
        assert_allclose(limits.loc[("N2", channel)], expected, atol=6)
    assert [entry["anchor"] for entry in result.meta["added"]] == ["controls"]
    with pytest.raises(InputError, match="was added with --anchor controls"):
        add(result.path, tmp_path)


def test_anchored_limits_bring_two_percentiles_to_two_levels():
    limits = anchored_limits(np.array([[200.0, 900.0]]), np.array([[0.1, 0.8]]))
    assert_allclose(limits, [[100, 1100]])


def test_an_anchor_needs_untreated_images_on_both_sides(study, tmp_path, capsys):
    write_plates(tmp_path, {"N1": 1}, labelled=False)
    table = pd.read_csv(tmp_path / "t.csv")
    table[table["compound"] != "DMSO"].to_csv(tmp_path / "treated.csv", index=False)
    argv = ["predict", str(study), "--anchor", "controls"]
    for name, words in (
        (tmp_path / "treated.csv", "no untreated images on plate N1"),
        ("emnist", "--anchor goes with"),
    ):
        assert cli.main([*argv, str(name)]) == 2
        assert words in capsys.readouterr().err
    known = open_study(study)
    known.images["role"] = "unlabelled"
    with pytest.raises(InputError, match="has no untreated images"):
        study_levels(known)
