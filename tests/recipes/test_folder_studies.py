"""From a folder of an instrument to a study, and the next folder onto it, without a table."""

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from bnn_core.commands import cli
from bnn_core.study.checking import check_study
from bnn_core.study.fields import read_original, render_image
from bnn_core.study.folder import open_study

SMALL = "--preset quick --epochs 1 --head-width 8 --pathways 1 --crop 8 --num-samples 4 --folds 2"
COMPOUNDS = ("a", "b", "c", "d", "DMSO")


def write_folder(folder, plate, seed):
    """Ten wells of an Opera Phenix: two channels of two planes each."""
    rng = np.random.default_rng(seed)
    inside = folder / f"{plate}__2024-05-06T07_08_09-Measurement 1" / "Images"
    inside.mkdir(parents=True)
    for column in range(1, 11):
        for channel in (1, 2):
            for plane in (1, 2):
                name = f"r02c{column:02d}f01p{plane:02d}-ch{channel}sk1fk1fl1.tiff"
                tifffile.imwrite(inside / name, rng.integers(90, 900, (24, 30), dtype=np.uint16))
    return folder


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("data") / "may", "P1", 1)
    write_folder(folder, "P2", 2)
    write_folder(folder.parent / "june", "P3", 3)
    wells = [f"B{i + 1:02d},{COMPOUNDS[i % 5]}\n" for i in range(10)]
    (folder.parent / "map.csv").write_text("well,compound\n" + "".join(wells))
    (folder.parent / "moa.csv").write_text("compound,moa\na,X\nb,X\nc,Y\nd,Y\n")
    return folder


@pytest.fixture(scope="module")
def made(screen):
    out = screen.parent / "study"
    words = ["study", "plate", screen, *known(screen), "--out", out, "--size", "16"]
    assert cli.main([*map(str, words), *SMALL.split()]) == 0
    return out


def known(screen):
    data = screen.parent
    names = ["--layout", data / "map.csv", "--metadata", data / "moa.csv"]
    return [*names, "--control", "DMSO", "--planes", "max"]


def predict(*words):
    return cli.main(["predict", *map(str, words)])


def test_a_study_of_a_folder(made, screen):
    study = open_study(made)
    assert check_study(made) == [] and study.name == "study"
    assert study.meta["channels"] == ["ch1", "ch2"] and study.classes == ["X", "Y"]
    images = study.images
    assert images["role"].value_counts().to_dict() == {"scored": 16, "control": 4}
    assert images["image_id"].iloc[0] == "P1/B01/01" and images["compound"].iloc[0] == "a"
    inside = screen / "P1__2024-05-06T07_08_09-Measurement 1" / "Images"
    planes = [tifffile.imread(inside / f"r02c01f01p{p:02d}-ch2sk1fk1fl1.tiff") for p in (1, 2)]
    assert_array_equal(read_original(study, 0)[1], np.maximum(*planes))
    assert render_image(study, 0)[8:12] == b"WEBP"


def test_the_same_folder_again_has_the_same_numbers_and_the_next_is_added(made, screen, tmp_path):
    out = tmp_path / "again"
    assert predict(made, f"again={screen}", *known(screen), "--out", out) == 0
    study = open_study(out)
    assert check_study(out) == []
    for method in study.methods:
        summary = study.summary(method)
        scores = ["p_X", "p_Y", "confidence"]
        assert_allclose(summary[scores].iloc[20:], summary[scores].iloc[:20], atol=1e-6)
    assert predict(out, screen.parent / "june", *known(screen)) == 0
    study = open_study(out)
    assert len(study.images) == 50 and study.images["source"].iloc[-1] == "june"
    assert study.images["plate"].iloc[-1] == "P3" and study.images["compound"].iloc[-1] == "DMSO"
    assert study.images["role"].iloc[40:].value_counts().to_dict() == {"shifted": 8, "control": 2}


def test_a_dry_run_shows_what_would_be_read(screen, made, tmp_path, capsys):
    words = ["study", "plate", str(screen), "--dry-run", "--out", str(tmp_path / "no")]
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert "80 files recognised as Opera Phenix" in said.err and "--planes max" in said.err
    assert cli.main([*words, *map(str, known(screen))]) == 0
    said = capsys.readouterr()
    assert "20 images (16 scored, 4 control), 2 labels" in said.out
    assert not (tmp_path / "no").exists()
    before = (made / "study.json").read_bytes()
    assert predict(made, screen.parent / "june", "--dry-run", *known(screen)) == 0
    assert "10 images" in capsys.readouterr().out
    assert (made / "study.json").read_bytes() == before
