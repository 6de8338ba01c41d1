"""Who may read and make what: limits of a served app, asked of the engine and of the pages."""

import atexit
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from page_studies import pages, write_animals
from PIL import Image
from small_studies import forget_files

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.commands import cli, serve
from bnn_core.datasets import mnist
from bnn_core.datasets.downloading import download
from bnn_core.datasets.plates import read_plate
from bnn_core.images.decoding import read_image
from bnn_core.recipes.imports import import_predictions
from bnn_core.study.fields import read_original
from bnn_core.study.folder import open_study
from bnn_core.tables.reading import read_table
from bnn_core.tables.samples import load_samples
from pages.shared import pictures

PAGE = "your_data/page.py"


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Folders `in` (may be read), `in too` (may not, though its name begins alike) and `cache`."""
    for folder in ("in", "in too"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((8, 8), 7, np.uint8)).save(tmp_path / folder / "a.png")
        pd.DataFrame(
            {"path": ["a.png", "b.png"], "label": ["x", "y"], "p_x": [1.0, 0.0], "p_y": [0.0, 1.0]}
        ).to_csv(tmp_path / folder / "t.csv", index=False)
        np.save(tmp_path / folder / "s.npy", np.zeros((2, 3, 2)))
    write_animals(tmp_path / "cache", n=10)
    monkeypatch.setenv("BNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(roots.DATA_ROOTS, str(tmp_path / "in"))
    return tmp_path


def refused(read, path) -> str:
    with pytest.raises(InputError, match="--data-root") as error:
        read(path)
    return str(error.value).replace(str(path).replace("\0", " "), "PATH")


READERS = [
    (read_table, "t.csv"),
    (read_image, "a.png"),
    (load_samples, "s.npy"),
    (lambda path: read_plate(path), "t.csv"),
    (roots.readable, "t.csv"),
]


@pytest.mark.parametrize("read, name", READERS)
def test_no_reader_tells_whether_there_is_a_file_outside(world, read, name):
    outside, link = world / "in too" / name, world / "in" / f"link-{name}"
    link.symlink_to(outside)
    up = world / "in" / ".." / "in too" / name
    said = {
        refused(read, path)
        for path in (
            outside,
            link,
            up,
            outside.with_name(f"no-{name}"),
            world / "nowhere" / name,
            f"/proc/self/{name}",
            f"in too/{name}",
            f"~root/{name}",
            f"a\0{name}",
        )
    }
    assert len(said) == 1 and not roots.is_file(link) and not roots.is_file(up)
    if read is not READERS[3][0]:
        read(world / "in" / name)


def test_links_inside_the_studies_and_uploads_may_be_read(world):
    (world / "in" / "link.csv").symlink_to(world / "in" / "t.csv")
    assert roots.readable(world / "in" / "link.csv") == (world / "in" / "t.csv").resolve()
    assert roots.is_file(world / "cache" / "animals" / "images.parquet")
    sent = roots.uploads() / "t.csv"
    sent.write_text("a\n1\n")
    assert len(read_table(sent)) == 1


def test_without_declared_folders_everything_may_be_read(world, monkeypatch):
    monkeypatch.delenv(roots.DATA_ROOTS)
    assert len(read_table(world / "in too" / "t.csv")) == 2
    assert roots.typed_path(" ~/x ") == roots.Path.home() / "x"
    with pytest.raises(InputError, match="no such user"):
        roots.typed_path("~nobody-of-this-name/x")
    for text in ("x" * 5000, "é" * 200, "a/" * 2000, "a\0b"):
        with pytest.raises(InputError, match="no file can have this name"):
            roots.typed_path(text)


def test_pictures_outside_are_not_imported_shown_or_named(world):
    table = pd.read_csv(world / "in" / "t.csv")
    texts = set()
    (world / "in too" / "a.png").rename(world / "in too" / "c.png")
    for name in ("c.png", "nothing.png"):
        table["path"] = ["a.png", str(world / "in too" / name)]
        table.to_csv(world / "in" / "both.csv", index=False)
        study = import_predictions(world / "in" / "both.csv", world / "cache" / "mine", force=True)
        assert study.has_thumbnail(0) and not study.has_thumbnail(1)
        assert pictures.has_original(study, 0) and not pictures.has_original(study, 1)
        assert read_original(study, 0).shape == (1, 8, 8)
        with pytest.raises(InputError) as error:
            read_original(study, 1)
        texts.add(str(error.value).replace(name, "FILE"))
        texts.add(str(study.meta["notes"]).replace(name, "FILE"))
    assert len(texts) == 2
    with pytest.raises(InputError, match="--data-root"):
        import_predictions(
            world / "in" / "t.csv", world / "cache" / "other", image_root=world / "in too"
        )
    # A study made before the limits were set, or by hand, obeys them too.
    images = study.images.assign(path=str(world / "in too" / "c.png"))
    images.to_parquet(study.path / "images.parquet")
    forget_files(study.path)
    assert not pictures.has_original(open_study(study.path), 0)


def test_the_page_reads_no_table_and_no_folder_outside(monkeypatch, world):
    for key, view in (("import_path", "Import predictions"), ("plate_path", "Your own images")):
        said = set()
        for name in ("t.csv", "nothing.csv"):
            app = pages(monkeypatch, world / "cache", PAGE, data_view=view)
            app.text_input(key=key).input(str(world / "in too" / name)).run()
            assert not app.exception and not app.dataframe
            said.add(app.error[-1].value.replace(name.replace(".", "\\."), "NAME"))
        assert len(said) == 1 and "this server may read" in said.pop()
    app = pages(monkeypatch, world / "cache", PAGE)
    app.text_input(key="import_path").input(str(world / "in" / "t.csv")).run()
    assert "2 images" in app.success[0].value
    for key in ("import_metadata", "import_image_root", "import_standard"):
        app.text_input(key=key).input(str(world / "in too" / "t.csv")).run()
        assert "this server may read" in app.error[-1].value
        app.text_input(key=key).input("").run()
    app.text_input(key="import_path").input("~root/x.csv").run()
    assert not app.exception and "this server may read" in app.error[-1].value


def test_nothing_is_made_on_a_server_that_only_shows(monkeypatch, world, capsys):
    monkeypatch.setenv(roots.READ_ONLY, "1")
    before = sorted(world.rglob("*"))
    for make in (
        lambda: import_predictions(world / "in" / "t.csv", world / "cache" / "new"),
        lambda: download("http://localhost/x", world / "in" / "x"),
        lambda: mnist.download_torchvision_set("mnist", world / "in"),
    ):
        with pytest.raises(InputError, match="read-only"):
            make()
    assert cli.main(["import", str(world / "in" / "t.csv")]) == 2
    assert sorted(world.rglob("*")) == before
    app = pages(monkeypatch, world / "cache", PAGE)
    assert not app.exception and not app.text_input and "only shows studies" in app.info[-1].value
    app = pages(monkeypatch, world / "cache", PAGE, data_view="Public data")
    assert not app.exception and not [b for b in app.button if "Fetch" in b.label]
    monkeypatch.setenv(roots.READ_ONLY, "")
    app = pages(monkeypatch, world / "cache", PAGE, data_view="Public data")
    assert len([b for b in app.button if "Fetch" in b.label]) == 3


@pytest.mark.parametrize("place", [("made",), ("in", "made"), ("cache", "animals", "made")])
def test_studies_are_made_only_beside_the_others(world, monkeypatch, place):
    out, before = world.joinpath(*place), sorted(world.rglob("*"))
    with pytest.raises(InputError, match="outside the folder of studies"):
        import_predictions(world / "in" / "t.csv", out)
    assert sorted(world.rglob("*")) == before
    import_predictions(world / "in" / "t.csv", world / "cache" / "made")
    monkeypatch.delenv(roots.DATA_ROOTS)
    import_predictions(world / "in" / "t.csv", out)
    assert (out / "study.json").is_file()


def test_others_are_let_in_only_with_declared_folders(world, capsys, monkeypatch):
    started = []
    monkeypatch.setattr(serve.os, "execve", lambda *words: started.append(words))
    monkeypatch.setattr(serve.subprocess, "call", lambda *a, **k: 0)
    for address in ("0.0.0.0", "::", "10.0.0.7", "lab.example.org"):
        assert cli.main(["serve", "--address", address]) == 2
        assert "--data-root" in capsys.readouterr().err
    assert cli.main(["serve", "--address", "0.0.0.0", "--data-root", str(world / "gone")]) == 2
    assert "is not a folder" in capsys.readouterr().err and not started
    if os.name != "posix":
        return
    for address in ("localhost", "127.0.0.1", "::1", "127.3.2.1"):
        with pytest.raises(SystemExit):
            cli.main(["serve", "--address", address])
        assert started.pop()[2][roots.DATA_ROOTS] == ""
    with pytest.raises(SystemExit):
        cli.main(
            [
                "serve",
                "--address",
                "10.0.0.7",
                "--data-root",
                str(world / "in"),
                "--read-only",
                "--host",
                "cells.example.org",
                "--port",
                "9000",
            ]
        )
    _, command, environment = started.pop()
    assert environment[roots.DATA_ROOTS] == str(world / "in")
    assert environment[roots.READ_ONLY] == "1"
    assert {
        "--server.address=10.0.0.7",
        "--server.port=9000",
        "--server.allowedHosts=cells.example.org",
        "--server.allowedHosts=10.0.0.7",
    } <= set(command)


def test_browsers_may_ask_for_the_address_that_others_reach_this_machine_by():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        own = probe.getsockname()[0]
    assert {own, socket.gethostname(), "localhost"} <= set(serve.hosts("0.0.0.0", []))
    assert set(serve.hosts("10.0.0.7", ["a.example"])) == {*serve.LOCAL, "10.0.0.7", "a.example"}


def test_what_was_uploaded_for_a_job_goes_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv(roots.CACHE, str(tmp_path))
    assert roots.goes_with_a_job(tmp_path / roots.JOBS_FOLDER / "000001" / "given" / "a.png")
    assert not roots.goes_with_a_job(tmp_path / "a.png")
    monkeypatch.delenv(roots.CACHE)
    assert not roots.goes_with_a_job(tmp_path / roots.JOBS_FOLDER / "a.png")


def test_uploads_that_a_killed_server_left_are_deleted_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "import time; from bnn_core.base import roots; print(roots.uploads(), flush=True); time.sleep(60)"
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
        for env in [os.environ | {"TMPDIR": str(tmp_path)}] * 2
    ]
    try:
        left, living = (Path(process.stdout.readline().strip()) for process in started)
        started[0].kill()
        started[0].wait()
        assert left.is_dir()
        for folder in (left, living):
            os.utime(folder, (0, 0))
        monkeypatch.setattr(atexit, "register", lambda *call, **options: None)
        own = roots.uploads.__wrapped__()
        assert not left.exists() and living.is_dir() and own.is_dir()
    finally:
        for process in started:
            process.kill()
            process.wait()
            process.stdout.close()
