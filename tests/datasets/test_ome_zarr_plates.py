"""Plates of an OME-Zarr, NGFF 0.4 and 0.5: wells, fields, channels, planes; without the library."""

import json
import os
import re
import sys

import numpy as np
import pytest
from loaded_plates import load_plate

from bnn_core.base.errors import InputError
from bnn_core.commands import cli
from bnn_core.datasets.image_folders import is_plate_folder, scan_folder
from bnn_core.datasets.plates import read_plate
from bnn_core.images.field_files import read_field_files
from bnn_core.images.ome_zarr import read_ome_zarr

WELLS = [("A", "1"), ("A", "2"), ("B", "1"), ("B", "2")]


@pytest.fixture(scope="module")
def zarr():
    return pytest.importorskip("zarr")


def pixels(well, field, planes=1, times=1):
    """(T, C, Z, Y, X) of one field."""
    seed = [ord(c) for c in f"{well}{field}"]
    return np.random.default_rng(seed).integers(90, 900, (times, 2, planes, 24, 30), np.uint16)


def write_plate(
    zarr, path, version="0.4", planes=1, times=1, labels=("DNA", "Actin"), axes="tczyx", name="P1"
):
    """A plate of four wells of two fields, as the specification of NGFF says."""
    wells = [
        {"path": f"{r}/{c}", "rowIndex": i // 2, "columnIndex": i % 2}
        for i, (r, c) in enumerate(WELLS)
    ]
    plate = {
        "name": name,
        "rows": [{"name": "A"}, {"name": "B"}],
        "columns": [{"name": "1"}, {"name": "2"}],
        "wells": wells,
    }
    zarr_format = {"0.4": 2, "0.5": 3}[version]

    def group(where, about):
        about = {"ome": {"version": version} | about} if version == "0.5" else about
        return zarr.create_group(where, zarr_format=zarr_format, attributes=about)

    group(path, {"plate": plate})
    for row, column in WELLS:
        well = path / row / column
        group(well, {"well": {"images": [{"path": "0"}, {"path": "1"}]}})
        for field in ("0", "1"):
            kinds = {"t": "time", "c": "channel"}
            about = {
                "multiscales": [
                    {
                        "axes": [{"name": a, "type": kinds.get(a, "space")} for a in axes],
                        "datasets": [{"path": "0"}, {"path": "1"}],
                    }
                ],
                "omero": {"channels": [{"label": label} for label in labels]},
            }
            image = group(well / field, about)
            data = pixels(row + column, field, planes, times)
            index = tuple(slice(None) if a in axes else 0 for a in "tczyx")
            kept = [a for a in "tczyx" if a in axes]
            data = data[index].transpose([kept.index(a) for a in axes])
            for level, step in (("0", 1), ("1", 2)):
                part = data[..., ::step, ::step]
                made = image.create_array(
                    level, shape=part.shape, dtype=part.dtype, chunks=part.shape
                )
                made[:] = part
    return path


def chunks(image):
    """The files of pixels of an image's full resolution."""
    files = sorted(f for f in (image / "0").rglob("*") if f.is_file())
    return [f for f in files if f.name not in (".zarray", ".zattrs", "zarr.json")]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["tczyx", "czyx", "cyx"])
def test_a_plate_is_read_field_by_field(zarr, tmp_path, version, axes):
    path = write_plate(zarr, tmp_path / "s.zarr", version, axes=axes)
    assert is_plate_folder(path) and is_plate_folder(tmp_path)
    for folder, before in ((path, ""), (tmp_path, "s.zarr/")):
        scan = scan_folder(folder)
        assert "2 channels: Actin and DNA" in scan.preview()
        table, _ = scan.fields(None, None)
        assert table["path"].tolist()[:3] == [f"{before}{p}" for p in ("A/1/0", "A/1/1", "A/2/0")]
        assert table["plate"].eq("P1").all() and table["site"].tolist() == ["0", "1"] * 4
    read = read_plate(path, to_learn=False)
    assert read.channels == ["DNA", "Actin"] and read.missing_files(99) == ([], 8)
    assert read.table["image_id"].iloc[2] == "P1/A02/0"
    image = read_field_files([read.root / read.table["path"].iloc[2]])[0].pixels
    np.testing.assert_array_equal(image, pixels("A2", "0")[0, :, 0])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_planes_and_times_are_chosen(zarr, tmp_path, version):
    path = write_plate(zarr, tmp_path / "s.zarr", version, planes=3, times=2)
    scan = scan_folder(path)
    assert "3 planes: 1, 2 and 3" in scan.preview()
    assert "2 points in time: 1 and 2" in scan.preview()
    with pytest.raises(InputError, match=r"2 points in time .*--time N"):
        scan.fields(None, None)
    with pytest.raises(InputError, match=r"3 planes in depth .*--planes max"):
        scan.fields(None, "2")
    whole = pixels("A1", "0", 3, 2)
    for planes, expected in (("max", whole[1].max(axis=1)), ("3", whole[1, :, 2])):
        table, _ = scan.fields(planes, "2")
        assert len(table) == 8
        image = read_field_files([path / table["path"].iloc[0]])[0].pixels
        np.testing.assert_array_equal(image, expected)
    with pytest.raises(InputError, match="3 planes in depth: choose"):
        read_ome_zarr(path / "A" / "1" / "0", time="1")
    with pytest.raises(InputError, match="no number 4"):
        read_ome_zarr(path / "A" / "1" / "0", "4", "1")


def test_a_study_is_made_of_a_plate_and_its_map(zarr, tmp_path):
    path = write_plate(zarr, tmp_path / "s.zarr", planes=2)
    layout = tmp_path / "map.csv"
    layout.write_text("well,compound,moa\nA01,a,X\nA02,b,X\nB01,c,Y\nB02,d,Y\n")
    source = load_plate(path, tmp_path / "made", layout=[layout], planes="max", size=None)
    assert source.images.shape == (8, 2, 24, 30) and source.channels == ["DNA", "Actin"]
    assert source.classes == ["X", "Y"] and source.table["content_hash"].nunique() == 8


def test_plates_that_do_not_fit_are_refused(zarr, tmp_path):
    write_plate(zarr, tmp_path / "a.zarr")
    write_plate(zarr, tmp_path / "b.zarr")
    assert set(scan_folder(tmp_path).files["plate"]) == {"a", "b"}
    write_plate(zarr, tmp_path / "b2.zarr", labels=("DNA", "Tubulin"))
    with pytest.raises(InputError, match=r"the channels of a\.zarr are DNA, Actin"):
        scan_folder(tmp_path)
    zarr.create_group(tmp_path / "c" / "c.zarr", zarr_format=2)
    with pytest.raises(InputError, match="no OME-Zarr plate"):
        scan_folder(tmp_path / "c")
    broken = tmp_path / "a.zarr" / ".zattrs"
    broken.write_text(broken.read_text().replace('"A/2"', '"../../A/2"'))
    with pytest.raises(InputError, match="leads out of it"):
        scan_folder(tmp_path / "a.zarr")
    broken.write_text("{")
    with pytest.raises(InputError, match="no OME-Zarr, or damaged"):
        scan_folder(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("where", "about"),
    [
        ("", {"plate": 5}),
        ("", {"plate": {"wells": [{"path": "A/1"}], "acquisitions": 5}}),
        ("", {"ome": ["plate"]}),
        ("A/1", {"well": 5}),
        ("A/1/0", {"omero": {"channels": [5]}}),
        ("A/1/0", {"multiscales": [{"datasets": [{"path": "9"}], "axes": list("tczyx")}]}),
        ("A/1/0", {"multiscales": [{"datasets": [{"path": "0"}], "axes": list("yx")}]}),
    ],
)
def test_metadata_that_are_none_are_refused(zarr, tmp_path, where, about):
    path = write_plate(zarr, tmp_path / "s.zarr")
    file = path / where / ".zattrs"
    file.write_text(json.dumps(json.loads(file.read_text()) | about))
    with pytest.raises(InputError, match=re.escape(str(path / where))):
        scan_folder(path)


def test_channels_of_one_name_stay_apart(zarr, tmp_path):
    path = write_plate(zarr, tmp_path / "s.zarr", labels=("DNA", "DNA"))
    assert scan_folder(path).channels == ["DNA 1", "DNA 2"]


def test_a_field_without_its_chunks_is_no_dark_image(zarr, tmp_path):
    path = write_plate(zarr, tmp_path / "s.zarr")
    for chunk in chunks(path / "A" / "1" / "0"):
        chunk.unlink()
    with pytest.raises(InputError, match="chunks are missing"):
        read_ome_zarr(path / "A" / "1" / "0")
    damaged = chunks(path / "A" / "1" / "1")[0]
    damaged.write_bytes(damaged.read_bytes()[:40])
    with pytest.raises(InputError, match="damaged"):
        read_ome_zarr(path / "A" / "1" / "1")


@pytest.mark.parametrize("background, lost", [(0, False), (95, True)])
def test_a_lost_chunk_is_told_from_a_dark_one(zarr, tmp_path, background, lost):
    """Writers leave out empty chunks: one is lost where no other pixel is nearly as dark."""
    path = write_plate(zarr, tmp_path / "s.zarr", axes="cyx") / "A" / "1" / "0"
    data = pixels("A1", "0")[0, :, 0] * (background > 0)
    data[:, 0, 0] = 1
    data[:, :, 15:] += background
    made = zarr.open_group(path, mode="a").create_array(
        "0", shape=data.shape, dtype=data.dtype, chunks=(2, 24, 15), overwrite=True
    )
    made[:] = data
    if not lost:
        np.testing.assert_array_equal(read_ome_zarr(path), data)
        return
    data[:, 0, 0] = 90
    made[:] = data
    np.testing.assert_array_equal(read_ome_zarr(path), data)
    chunks(path)[-1].unlink()
    with pytest.raises(InputError, match="A/1/0 lacks chunks: 50"):
        read_ome_zarr(path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_links_do_not_lead_out_of_the_readable_folders(zarr, tmp_path, monkeypatch, version):
    inside = write_plate(zarr, tmp_path / "in" / "s.zarr", version)
    outside = write_plate(zarr, tmp_path / "out" / "s.zarr", version)
    part = chunks(inside / "A" / "1" / "0")[0]
    part.unlink()
    part.symlink_to(outside / part.relative_to(inside))
    read_ome_zarr(inside / "A" / "1" / "0")
    monkeypatch.setenv("BNN_DATA_ROOTS", str(tmp_path / "in"))
    read_ome_zarr(inside / "A" / "1" / "1")
    for path in (inside / "A" / "1" / "0", outside / "A" / "1" / "0"):
        with pytest.raises(InputError, match="that this server may read"):
            read_ome_zarr(path)
    with pytest.raises(InputError, match="that this server may read"):
        scan_folder(outside)


def test_without_the_library_one_line_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "zarr", None)
    path = tmp_path / "s.zarr"
    path.mkdir()
    (path / "zarr.json").write_text("{}")
    assert cli.main(["study", "plate", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert 'pip install ".[zarr]"' in said and "Traceback" not in said
    assert not os.path.exists(tmp_path / "out")
