"""Fetching BBBC021's archives from a server that does not behave, and `bnn data`."""

import io
import struct
import zipfile

import numpy as np
import pytest
from bbbc021_images import (
    cells,
    files_of,
    image_table,
    official,
    plate_archive,
    reduced_table,
)
from serving import Site, serve

from bnn_core.base.errors import InputError
from bnn_core.commands import cli
from bnn_core.datasets import bbbc021_download, mnist
from bnn_core.datasets.bbbc021 import INTENSITIES_FILE, needed, read_field_table
from bnn_core.datasets.bbbc021_download import download_bbbc021

PLATE, OTHER = "Week1_22361", "Week9_39301"
QUICK = {"timeout": 0.5, "pause": 0.01}


def path_of(plate):
    return f"/BBBC021_v1_images_{plate}.zip"


@pytest.fixture(scope="module")
def table(shared_data):
    """The official table with 20 fields of either plate, else a field per treatment."""
    return reduced_table(image_table(shared_data), [PLATE, OTHER])


@pytest.fixture(scope="module")
def rows(table):
    return {plate: table[table["Image_Metadata_Plate_DAPI"] == plate] for plate in (PLATE, OTHER)}


@pytest.fixture(scope="module")
def archives(rows):
    return {path_of(plate): plate_archive(table) for plate, table in rows.items()}


@pytest.fixture
def site(shared_data, archives, table):
    tables = {
        "/BBBC021_v1_image.csv": table.to_csv(index=False).encode(),
        "/BBBC021_v1_moa.csv": official(shared_data, "moa").encode(),
    }
    with serve(Site(tables | archives)) as running:
        yield running


def fetch(root, site, *plates, **options):
    return download_bbbc021(root, plates=plates, base_url=site.url, **QUICK | options)


def asked_for(site, plate):
    return [asked for kind, path, asked in site.requests if (kind, path) == ("GET", path_of(plate))]


def test_an_archive_that_is_another_file_than_before_is_refused(tmp_path, site):
    fetch(tmp_path, site, PLATE)
    unpacked = next(tmp_path.rglob(bbbc021_download.UNPACKED)).parent
    for file in unpacked.iterdir():
        file.unlink()
    packed = io.BytesIO(site.files[path_of(PLATE)])
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("more.txt", "sound, but not the same")
    site.files[path_of(PLATE)] = packed.getvalue()
    with pytest.raises(InputError, match="another file"):
        fetch(tmp_path, site, PLATE)
    (tmp_path / bbbc021_download.HASHES).unlink()
    fetch(tmp_path, site, PLATE)


def test_a_plate_is_fetched_checked_and_unpacked(tmp_path, site, rows):
    line = fetch(tmp_path, site, PLATE)
    assert "1 plates, 20 fields" in line and "Caie et al." in line
    names = [name for _, row in rows[PLATE].iterrows() for name in files_of(row)]
    assert len(names) == 60 and all((tmp_path / name).is_file() for name in names)
    assert not any((tmp_path / "archives").iterdir())
    with np.load(tmp_path / "Week1" / PLATE / INTENSITIES_FILE) as arrays:
        counts = arrays["counts"]
    pixels = np.concatenate([cells(seed, 2, (16, 20), count=3).ravel() for seed in range(20)])
    np.testing.assert_array_equal(counts[2], np.bincount(pixels, minlength=65536))
    fetch(tmp_path, site, PLATE)
    assert len(asked_for(site, PLATE)) == 1


def test_labelled_keeps_what_a_study_needs_and_counts_all(tmp_path, site):
    fetch(tmp_path, site, PLATE, labelled=True)
    fields = read_field_table(tmp_path)
    mine = fields[needed(fields) & (fields["plate"] == PLATE)]
    folder = tmp_path / "Week1" / PLATE
    assert len(list(folder.glob("*.tif"))) == 3 * len(mine) < 60
    assert {"colchicine", "DMSO", "taxol"} <= set(mine["compound"])
    with np.load(folder / INTENSITIES_FILE) as arrays:
        np.testing.assert_array_equal(arrays["counts"].sum(axis=1), [20 * 16 * 20] * 3)
    fetch(tmp_path, site, PLATE)  # now all of it
    assert len(list(folder.glob("*.tif"))) == 60 and len(asked_for(site, PLATE)) == 2


def test_stalls_broken_connections_and_wrong_sizes_during_a_download(tmp_path, site):
    site.faults = {
        path_of(PLATE): ["stall", "cut", "no range", "long length"],
        path_of(OTHER): ["503", "short length", "trickle 900"],
        "/BBBC021_v1_image.csv": ["cut"],
    }
    assert "2 plates, 40 fields" in fetch(tmp_path, site, PLATE, OTHER)
    assert asked_for(site, PLATE)[1].startswith("bytes=")


def test_a_damaged_archive_is_fetched_again_and_then_refused(tmp_path, site, archives):
    sound = archives[path_of(PLATE)]
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        inside = archive.infolist()[10].header_offset + 200
    site.files[path_of(PLATE)] = sound[:inside] + b"\0\1\2\3" + sound[inside + 4 :]
    with pytest.raises(InputError, match=f"0 of 1 plates.*{PLATE}: .*arrived damaged twice"):
        fetch(tmp_path, site, PLATE)
    assert len(asked_for(site, PLATE)) == 2
    assert not list(tmp_path.glob("*/*/*.tif"))
    site.files[path_of(PLATE)] = sound
    assert "20 fields" in fetch(tmp_path, site, PLATE)


def test_what_is_missing_is_named_and_the_rest_is_fetched(tmp_path, site):
    site.faults[path_of(OTHER)] = ["404", "..."]
    with pytest.raises(
        InputError, match=f"1 of 2 plates are in .*; missing: {OTHER}: the server has no archive"
    ):
        fetch(tmp_path, site, PLATE, OTHER)
    assert len(list((tmp_path / "Week1" / PLATE).glob("*.tif"))) == 60


def test_files_that_an_archive_lacks_are_named(tmp_path, site, rows):
    site.files[path_of(PLATE)] = plate_archive(rows[PLATE].iloc[1:])
    lost = files_of(rows[PLATE].iloc[0])[0].rsplit("/")[-1]
    with pytest.raises(InputError, match="the archive lacks 3 of 60 files") as caught:
        fetch(tmp_path, site, PLATE)
    assert lost in str(caught.value)


def test_members_can_lie_nowhere_else(tmp_path, site, archives):
    data = io.BytesIO(archives[path_of(PLATE)])
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("../../outside.tif", b"x")
        archive.writestr("/tmp/other.tif", b"x")
    site.files[path_of(PLATE)] = data.getvalue()
    fetch(tmp_path / "in" / "side", site, PLATE)
    assert not list(tmp_path.rglob("outside*")) and not list(tmp_path.rglob("other*"))


def test_a_file_that_was_cut_after_unpacking_is_fetched_again(tmp_path, site, rows):
    fetch(tmp_path, site, PLATE)
    victim = tmp_path / files_of(rows[PLATE].iloc[5])[1]
    size = victim.stat().st_size
    victim.write_bytes(b"half")
    fetch(tmp_path, site, PLATE)
    assert victim.stat().st_size == size


def test_archives_can_stay_and_are_used_again(tmp_path, site):
    fetch(tmp_path, site, PLATE, keep_archives=True, labelled=True)
    assert (tmp_path / "archives" / path_of(PLATE)[1:]).is_file()
    fetch(tmp_path, site, PLATE, keep_archives=True)
    assert len(asked_for(site, PLATE)) == 1
    (tmp_path / "archives" / path_of(PLATE)[1:]).write_bytes(b"no zip")
    (tmp_path / "Week1" / PLATE / "unpacked.json").unlink()
    next((tmp_path / "Week1" / PLATE).glob("*.tif")).unlink()
    with pytest.raises(InputError, match=r"zip archive.*delete"):
        fetch(tmp_path, site, PLATE)


def test_an_interrupt_keeps_what_arrived(tmp_path, site, monkeypatch):
    real = bbbc021_download.as_completed

    def interrupted(running):
        for done in real(running):
            yield done
            raise KeyboardInterrupt

    site.faults[path_of(OTHER)], site.stall_seconds = ["stall"], 2
    monkeypatch.setattr(bbbc021_download, "as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, site, PLATE, OTHER, timeout=5)
    monkeypatch.undo()
    assert (tmp_path / "archives" / (path_of(OTHER)[1:] + ".part")).is_file()
    fetch(tmp_path, site, PLATE, OTHER)
    assert len(asked_for(site, PLATE)) == 1 and asked_for(site, OTHER)[-1].startswith("bytes=")


def test_a_full_disk_is_foreseen(tmp_path, site, monkeypatch):
    class Usage:
        free = 1_000_000_000

    monkeypatch.setattr(bbbc021_download, "disk_usage", lambda path: Usage)
    with pytest.raises(InputError, match=r"1\.0 GB free, about 1\.1 GB are needed for 1 plates"):
        fetch(tmp_path, site, PLATE)


def test_the_command(tmp_path, site, capsys, monkeypatch):
    root = str(tmp_path / "data")
    command = ["data", "bbbc021", "--data", root, "--base-url", site.url]
    assert cli.main(command) == 2
    assert "--labelled or --all" in capsys.readouterr().err
    assert cli.main([*command, "--plates", "Week1_22362"]) == 2
    assert "did you mean Week1_22361" in capsys.readouterr().err
    assert cli.main([*command, "--plates", ",", "--labelled"]) == 2
    assert "--plates ',' names no plate" in capsys.readouterr().err
    assert cli.main([*command, "--plates", PLATE, "--labelled"]) == 0
    assert "1 plates, 12 fields" in capsys.readouterr().out
    assert (tmp_path / "data" / "bbbc021" / "Week1" / PLATE).is_dir()


@pytest.mark.parametrize("name", ["MNIST", "EMNIST"])
def test_digits_come_through_torchvision(tmp_path, monkeypatch, capsys, name):
    from torchvision import datasets

    command = ["data", name.lower(), "--data", str(tmp_path)]
    good = np.arange(6, dtype=np.uint8)
    faults, fetched = [RuntimeError("File not found or corrupted."), KeyboardInterrupt], []

    def torchvisions(root, download=False, **options):
        raw = root / name / "raw"
        if not download and not raw.is_dir():
            raise RuntimeError("Dataset not found.")
        if download:
            fetched.append(root)
            raw.mkdir(parents=True)  # what an earlier try left would be in the way
            for stem in ("train", "t10k"):
                for kind, array in (
                    ("images-idx3", np.zeros((6, 2, 2), np.uint8)),
                    ("labels-idx1", good),
                ):
                    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
                    (raw / f"{stem}-{kind}-ubyte").write_bytes(head + array.tobytes())
                    if faults:
                        raise faults.pop(0)
        return [0] * 6

    monkeypatch.setattr(datasets, name, torchvisions)
    monkeypatch.setattr(mnist, "demand_network", lambda url: None)
    assert cli.main(command) == 2
    error = capsys.readouterr().err
    assert "could not be downloaded completely (File not found or corrupted.)" in error
    assert cli.main(command) == 130
    assert not list(tmp_path.iterdir())  # no half of it can be taken for the whole
    (tmp_path / f".{name.lower()}.part" / name / "raw").mkdir(parents=True)  # as a kill leaves it
    for _ in range(2):
        assert cli.main(command) == 0
        assert f"{tmp_path}/{name}: " in capsys.readouterr().out
    assert len(fetched) == 3  # what is there is not fetched again
