import os
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from page_studies import pages, text_of, write_animals
from PIL import Image
from serving import Site, serve

from bnn_core.base.errors import InputError
from bnn_core.commands import cli
from bnn_core.recipes import jobs
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study
from bnn_core.study.lock import study_lock
from pages.your_data import download_form, forms, import_form

PAGE = "your_data/page.py"
FOLDER = import_form.FIELDS["image-root"]


@pytest.fixture
def cache(tmp_path):
    root = tmp_path / "cache"
    write_animals(root, n=30)
    return root


@pytest.fixture
def predictions(tmp_path):
    """A table of predictions: 6 images, 2 of them wrong."""
    table = pd.DataFrame(
        {
            "image": [f"i{k}" for k in range(6)],
            "compound": list("aabbcc"),
            "label": ["up", "up", "down", "down", "up", "down"],
            "p_up": [0.9, 0.8, 0.3, 0.6, 0.2, 0.1],
        }
    )
    table["p_down"] = 1 - table["p_up"]
    path = tmp_path / "my table.csv"
    table.to_csv(path, index=False)
    return path


def test_without_a_table_the_page_asks_for_one(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE)
    assert not app.exception and len(app.info) == 1 and not app.code
    app = pages(monkeypatch, cache, PAGE, data_view="Your own images")
    assert not app.exception and len(app.info) == 1 and not app.code
    app = pages(monkeypatch, cache, PAGE, data_view="Public data")
    assert not app.exception and "bnn data bbbc021" in app.code[1].value


def test_the_page_needs_no_study(monkeypatch, tmp_path):
    app = pages(monkeypatch, tmp_path, PAGE)
    assert not app.exception and app.info and not app.code


def test_a_table_is_understood_and_becomes_the_study_in_view(monkeypatch, cache, predictions):
    app = pages(monkeypatch, cache, PAGE)
    app.text_input(key="import_path").input(str(predictions)).run()
    assert not app.exception
    assert "6 images of 2 classes" in app.success[0].value
    assert "66.67 % of 6 labelled images" in app.success[0].value
    assert "fold" not in app.dataframe[0].value and "compound" in app.dataframe[0].value
    assert app.code[0].value.startswith("bnn import '") and "--out" in app.code[0].value
    app.text_input(key="import_name_my table.csv").input("mine").run()
    app.button(key="import_make").click().run()
    assert not app.exception and not app.error
    assert len(open_study(cache / "mine").images) == 6
    assert app.session_state["study"] == "mine"
    assert app.title[0].value == "Overview"


def test_the_preview_counts_the_image_files_that_exist(monkeypatch, cache, tmp_path):
    table = pd.DataFrame(
        {"path": ["1.png", "2.png"], "label": ["a", "b"], "p_a": [0.9, 0.2], "p_b": [0.1, 0.8]}
    )
    (tmp_path / "tables").mkdir()
    table.to_csv(tmp_path / "tables" / "named.csv", index=False)
    table.drop(columns="path").to_csv(tmp_path / "tables" / "plain.csv", index=False)
    app = pages(monkeypatch, cache, PAGE)
    app.text_input(key="import_path").input(str(tmp_path / "tables" / "plain.csv")).run()
    assert FOLDER not in text_of(app) and "pictures" in text_of(app)
    app.text_input(key="import_path").input(str(tmp_path / "tables" / "named.csv")).run()
    assert f"“{FOLDER}”" in text_of(app)
    app.text_input(key="import_image_root").input(str(tmp_path / "pictures")).run()
    assert "pictures is not a folder" in app.error[0].value
    assert f"“{FOLDER}”" in app.error[0].value
    (tmp_path / "pictures").mkdir()
    for name in table["path"]:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "pictures" / name)
    app.run()
    assert not app.error and str(tmp_path / "pictures") in text_of(app).replace("\\", "")
    assert "2 of 2" in text_of(app)
    (tmp_path / "pictures" / "2.png").unlink()
    app.run()
    assert "1 of 2" in text_of(app)


def test_names_too_long_for_a_file_do_not_exist(monkeypatch, cache, tmp_path):
    long = "https://host/" + "x" * 300 + ".png"
    path = tmp_path / "signed.csv"
    pd.DataFrame(
        {"path": [long, long + "?"], "label": ["a", "b"], "p_a": [0.9, 0.2], "p_b": [0.1, 0.8]}
    ).to_csv(path, index=False)
    app = pages(monkeypatch, cache, PAGE)
    app.text_input(key="import_path").input(str(path)).run()
    assert not app.exception and not app.error and f"“{FOLDER}”" in text_of(app)
    app.text_input(key="import_image_root").input("/" + "y" * 300).run()
    assert not app.exception and "yyy" in app.error[0].value
    app.text_input(key="import_image_root").input("").run()
    app.text_input(key="import_metadata").input("/" + "y" * 300 + ".csv").run()
    assert not app.exception and len(app.error) == 1


def test_an_uploaded_table_with_a_fault_gives_one_line(monkeypatch, cache, predictions):
    bad = predictions.read_bytes().replace(b"0.9,", b"0.7,")
    app = pages(monkeypatch, cache, PAGE)
    app.get_by_key("import_upload").set_value(("bad.csv", bad, "text/csv")).run()
    assert not app.exception and len(app.error) == 1
    message = app.error[0].value.replace("\\", "")
    assert message.startswith("bad.csv row 2") and "/" not in message.split("row")[0]
    app.text_input(key="import_columns").input("nonsense").run()
    assert "NAME=COLUMN" in app.error[0].value
    app.text_input(key="import_columns").input("").run()
    logits = bad.replace(b"p_up,p_down", b"logit_up,logit_down")
    app.get_by_key("import_upload").set_value(("bad.csv", logits, "text/csv")).run()
    assert "“Columns are logits” converts them" in app.error[0].value
    app.get_by_key("import_upload").set_value(("ok.csv", predictions.read_bytes(), "text/csv"))
    assert app.run().code[0].value.startswith("bnn import ok.csv --out ")


def test_notes_and_errors_name_fields_and_tabs(monkeypatch, cache, predictions, tmp_path):
    app = pages(monkeypatch, cache, PAGE)
    app.text_input(key="import_path").input(str(predictions)).run()
    notes = [note.value for note in app.markdown]
    assert any("“What made the predictions”" in note for note in notes)
    # Only warnings stand between what was read and the button.
    (folded,) = [e for e in app.main.expander if e.label.startswith(forms.HOW_READ)]
    assert [n.value for n in folded.markdown] == [n for n in notes if n.startswith("- ")]
    assert not any("--" in note.replace("\\", "") for note in notes)
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(6, 30)), columns=[f"Cells_{k}" for k in range(30)])
    features.to_csv(tmp_path / "profiles.csv", index=False)
    app.text_input(key="import_path").input(str(tmp_path / "profiles.csv")).run()
    assert "“Measured features”" in app.error[0].value and "bnn" not in app.error[0].value
    # A table to train on leads to its tab too.
    features[["Cells_1"]].astype(str).add(".png").set_axis(["path"], axis=1).assign(
        compound=list("aabbcc"), moa=list("xxxyyy")
    ).to_csv(tmp_path / "fields.csv", index=False)
    app.text_input(key="import_path").input(str(tmp_path / "fields.csv")).run()
    assert "“Your own images”" in app.error[0].value and "bnn" not in app.error[0].value


def test_the_command_has_the_chosen_options(monkeypatch, cache, predictions):
    app = pages(monkeypatch, cache, PAGE)
    app.text_input(key="import_path").input(str(predictions)).run()
    app.text_input(key="import_control").input("c").run()
    assert not app.exception
    assert "--control c" in app.code[0].value
    app.text_input(key="import_control").input("").run()
    app.text_input(key="import_columns").input("batch=compound").run()
    assert [e.value for e in app.error] == []
    assert "--map batch=compound" in app.code[0].value


def test_an_existing_study_is_replaced_only_on_purpose(monkeypatch, cache, predictions):
    app = pages(monkeypatch, cache, PAGE)
    app.text_input(key="import_path").input(str(predictions)).run()
    app.text_input(key="import_name_my table.csv").input("animals").run()
    assert app.button(key="import_make").disabled
    app.checkbox(key="import_replace").check().run()
    assert not app.button(key="import_make").disabled


def test_a_plate_is_checked_and_its_command_shown(monkeypatch, cache, tmp_path):
    table = pd.DataFrame(
        {
            "path": [f"{k}.png" for k in range(6)],
            "compound": list("aabbcd"),
            "moa": ["x"] * 4 + ["y", None],
        }
    )
    for name in table["path"][:5]:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
    table.to_csv(tmp_path / "fields.csv", index=False)
    app = pages(monkeypatch, cache, PAGE, data_view="Your own images")
    app.text_input(key="plate_path").input(str(tmp_path / "fields.csv")).run()
    assert not app.exception
    assert "6 images, 2 classes, 3 groups" in app.success[0].value
    assert "1 of 6" in app.error[0].value
    assert "5.png (row 7)" in app.error[0].value.replace("\\", "")
    assert "y: one group" in app.warning[0].value
    app.text_input(key="plate_label").input("moa").run()
    assert app.code[0].value.startswith(f"bnn study plate {tmp_path / 'fields.csv'} --label moa")
    app.text_input(key="plate_label").input("mao").run()
    assert "did you mean 'moa'?" in app.error[0].value.replace("\\", "")
    assert "Column of the classes" in app.error[0].value and "--label" not in app.error[0].value
    app.text_input(key="plate_label").input("moa").run()
    app.text_input(key="plate_images").input(str(cache)).run()
    assert "6 of 6" in app.error[0].value and not app.code  # nothing to train on
    app.text_input(key="plate_images").input("").run()
    app.text_input(key="plate_columns").input("well=path, site").run()
    assert "'site' is not NAME=COLUMN" in app.error[0].value
    app.text_input(key="plate_columns").input("well=compound").run()
    assert app.code[0].value.endswith("--map well=compound --preset quick")


def test_features_are_checked_and_trained_on(monkeypatch, cache, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(24, 4)), columns=[f"Cells_{k}" for k in range(4)])
    table["Metadata_compound"] = np.repeat([*"abcdef"], 4)
    table["Metadata_moa"] = np.where(table["Metadata_compound"] < "d", "one", "two")
    table["Cells_flat"] = 1.0
    table["--out=elsewhere"] = table["Cells_0"]
    table.to_csv(tmp_path / "my profiles.csv", index=False)
    app = pages(monkeypatch, cache, PAGE, data_view="Measured features")
    assert not app.exception and "Choose a table of features" in app.info[0].value
    app.text_input(key="features_path").input(str(tmp_path / "my profiles.csv")).run()
    assert "24 rows of 5 features, 2 classes, 6 groups" in app.success[0].value
    assert any("1 constant" in element.value for element in app.markdown)
    upload = ("mine.csv", (tmp_path / "my profiles.csv").read_bytes(), "text/csv")
    other = pages(monkeypatch, cache, PAGE, data_view="Measured features")
    other.get_by_key("features_upload").set_value([upload]).run()
    assert "24 rows of 5 features" in other.success[0].value
    assert other.code[-1].value == "bnn study features mine.csv"
    submitted = []
    monkeypatch.setattr(jobs, "submit", lambda *given: submitted.append(given))
    other.button(key="features_train").click().run()
    ((root, words, study, (given,)),) = submitted
    assert (root, study, given.name) == (cache, "mine", "mine.csv") and words[2] == str(given)
    app.text_input(key="features_columns").input("Cells_1, Cells_2").run()
    app.selectbox(key="features_folds").select("each").run()
    assert not app.exception and "of 2 features" in app.success[0].value
    assert app.code[-1].value.endswith("--features Cells_1 --features Cells_2 --folds each")
    assert any(button.label == "Train here" for button in app.button)
    # The name of a column is never a flag of the command that runs on the server.
    app.text_input(key="features_columns").input("Cells_*, --out=elsewhere").run()
    assert "of 5 features" in app.success[0].value
    words = shlex.split(app.code[-1].value)
    assert "--features=--out=elsewhere" in words and "--out=elsewhere" not in words
    app.text_input(key="features_columns").input("Golgi_*").run()
    assert "“Columns to use” Golgi" in app.error[0].value


def test_classes_of_one_group_each_are_refused_as_the_command_refuses_them(
    monkeypatch, cache, tmp_path, capsys
):
    pd.DataFrame(
        {"path": list("abcdef"), "compound": list("aabbcc"), "moa": list("xxyyzz")}
    ).to_csv(tmp_path / "one.csv", index=False)
    app = pages(monkeypatch, cache, PAGE, data_view="Your own images")
    app.text_input(key="plate_path").input(str(tmp_path / "one.csv")).run()
    assert not app.exception and not app.success and not app.code
    assert "each of the 3 classes is of one group" in app.error[0].value
    assert cli.main(["study", "plate", str(tmp_path / "one.csv"), "--prepare-only"]) == 2
    assert "each of the 3 classes is of one group" in capsys.readouterr().err


def test_classes_spelt_in_two_ways_are_a_warning(monkeypatch, cache, tmp_path):
    pd.DataFrame(
        {"path": list("abcdef"), "compound": list("abcdef"), "moa": ["x", "X ", "x", "y", "y", "y"]}
    ).to_csv(tmp_path / "t.csv", index=False)
    app = pages(monkeypatch, cache, PAGE, data_view="Your own images")
    app.text_input(key="plate_path").input(str(tmp_path / "t.csv")).run()
    assert "'X' and 'x' are different" in app.warning[0].value.replace("\\", "")


def test_a_folder_is_recognised_and_its_plate_map_joined(monkeypatch, cache, tmp_path):
    folder = tmp_path / "plate 7"
    folder.mkdir()
    for well in ("B02", "B03", "B04", "B05"):
        for plane in (1, 2):
            for channel in (1, 2):
                name = f"scr_{well}_s1_w{channel}_z{plane}.tif"
                Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / name)
    layout = tmp_path / "map.csv"
    layout.write_text("well,compound,moa\nB02,a,X\nB03,b,X\nB04,c,Y\nB05,d,Y\n")
    app = pages(monkeypatch, cache, PAGE, data_view="Your own images")
    app.text_input(key="plate_path").input(str(folder)).run()
    assert not app.exception
    assert "16 files recognised as ImageXpress" in app.code[0].value
    assert "2 planes: 1 and 2" in app.code[0].value
    assert "“Planes in depth” max" in app.error[0].value
    app.text_input(key="plate_planes").input("max").run()
    assert "“Plate maps”" in app.error[0].value
    app.text_input(key="plate_layout").input(str(layout)).run()
    assert not app.error and "4 images, 2 classes, 4 groups" in app.success[0].value
    words = shlex.split(app.code[1].value)
    assert words[3] == str(folder) and words[words.index("--layout") + 1] == str(layout)
    assert words[words.index("--planes") + 1] == "max"
    app.text_input(key="plate_pattern").input("(?P<wel>B..)").run()
    assert "did you mean" in app.error[0].value
    app.text_input(key="plate_pattern").input(r"(?P<well>B\d\d)_s1_(?P<channel>w2)_z1").run()
    assert "4 files recognised as the given pattern" in app.code[0].value
    assert "12 files" in app.code[0].value and "4 images" in app.success[0].value
    assert "12 image files" in app.warning[0].value


def test_a_server_reads_no_folder_or_plate_map_outside_its_roots(monkeypatch, cache, tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        for well in ("B02", "B03"):
            Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / f"p_{well}_s1_w1.tif")
        (folder / "map.csv").write_text("well,compound,moa\nB02,a,X\nB03,b,Y\n")
    app = pages(monkeypatch, cache, PAGE, data_view="Your own images")
    monkeypatch.setenv("BNN_DATA_ROOTS", str(inside))
    app.text_input(key="plate_path").input(str(outside)).run()
    assert not app.exception and "this server may read" in app.error[0].value and not app.code
    app.text_input(key="plate_path").input(str(inside)).run()
    app.text_input(key="plate_layout").input(str(outside / "map.csv")).run()
    assert not app.exception and "this server may read" in app.error[0].value


def test_plates_are_counted_as_they_are_fetched(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, data_view="Public data")
    for typed, size in ((",", "43 GB"), ("A,", "840 MB"), (" A, -B", "1680 MB")):
        app.text_input(key="fetch_plates").input(typed).run()
        assert app.button(key="fetch_bbbc021").label == f"Fetch BBBC021 ({size})"
    started = []
    monkeypatch.setattr(download_form, "start", lambda words: started.append(words) or True)
    app.button(key="fetch_bbbc021").click().run()
    assert not started and "1680 MB" in text_of(app) and "3.8 GB" in text_of(app)
    app.button(key="fetch_go").click().run()
    assert started == [("bbbc021", "--plates=A,-B", "--labelled")]


class Process:
    """A process that ends when it is asked to, or has ended before."""

    def __init__(self, *args, returncode=None, **options):
        time.sleep(0.05)
        self.returncode = returncode

    def poll(self):
        return self.returncode

    def terminate(self):
        self.returncode = -15

    def wait(self):
        return self.returncode


def test_of_downloads_begun_at_once_one_runs(monkeypatch, tmp_path):
    found = []
    monkeypatch.setattr(download_form, "_downloads", lambda: found)
    monkeypatch.setattr(download_form, "_folder", lambda: tmp_path)
    monkeypatch.setattr(download_form.subprocess, "Popen", Process)
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(download_form.start, [("mnist",)] * 4)) == [False] * 3 + [True]
    found[0].stop()
    assert found[0].stopped and download_form.start(("mnist",))
    assert found[1].log != found[0].log
    ended = download_form.Download(("mnist",), Process(returncode=0), tmp_path / "log")
    ended.stop()
    assert not ended.stopped


@pytest.mark.parametrize(
    ("name", "status", "said", "words"),
    [
        (
            "bbbc021",
            2,
            "no room; choose another folder with --data, fewer plates with --plates",
            "another folder with “$BNN_DATA, set before starting the app”, fewer plates with "
            "“Plates”",
        ),
        ("bbbc021", -15, "x", "the same download continues from there"),
        ("mnist", -15, "x", "The same download starts from the beginning"),
    ],
)
def test_how_a_download_ended(monkeypatch, cache, tmp_path, name, status, said, words):
    (tmp_path / "log").write_text(f"bnn: {said}\n")
    ended = download_form.Download(
        (name,), Process(returncode=status), tmp_path / "log", stopped=status < 0
    )
    monkeypatch.setattr(download_form, "_downloads", lambda: [ended])
    app = pages(monkeypatch, cache, PAGE, data_view="Public data")
    shown = app.info if ended.stopped else app.error
    assert words in shown[0].value.replace("\\", "") and not app.exception


def test_a_download_from_the_page_says_what_fails_and_can_be_stopped(monkeypatch, cache, tmp_path):
    def fetch(site):
        monkeypatch.setenv("BNN_BBBC021_URL", site.url)
        app = pages(monkeypatch, cache, PAGE, data_view="Public data")
        app.button(key="fetch_bbbc021").click().run()
        return app.button(key="fetch_go").click().run()

    def until(condition, app):
        for _ in range(300):
            if condition(app):
                return
            time.sleep(0.1)
            app.run()
        raise AssertionError("waited in vain")

    monkeypatch.setenv("BNN_DATA", str(tmp_path / "data"))
    with serve(Site()) as site:
        app = fetch(site)
        until(lambda app: app.error, app)
        assert "BBBC021_v1_image.csv" in (said := app.error[0].value.replace("\\", ""))
        assert not said.startswith("bnn:") and not app.button(key="fetch_mnist").disabled
    name = "/BBBC021_v1_image.csv"
    with serve(Site({name: b"a" * 1000}, {name: ["stall", "..."]}, stall_seconds=2)) as site:
        app = fetch(site)
        until(lambda app: any(name == path for _, path, _ in site.requests), app)
        assert app.button(key="fetch_mnist").disabled
        app.button(key="fetch_stop").click().run()
        assert not app.exception and "Stopped: bnn data bbbc021 --labelled" in app.info[
            0
        ].value.replace("\\", "")


def test_a_study_that_another_run_makes_is_left_to_it(monkeypatch, cache, predictions):
    app = pages(monkeypatch, cache, PAGE)
    app.text_input(key="import_path").input(str(predictions)).run()
    app.text_input(key="import_name_my table.csv").input("mine").run()
    with study_lock(cache / "mine"):
        app.button(key="import_make").click().run()
        assert not app.exception
        assert f"process {os.getpid()}" in app.error[-1].value.replace("\\", "")
    assert not (cache / "mine").exists() and not (cache / "mine.making").exists()
    app.button(key="import_make").click().run()
    assert open_study(cache / "mine").meta["rows"] == 6


def test_training_from_the_page_waits_in_the_queue_until_it_is_done(monkeypatch, cache, tmp_path):
    pd.DataFrame(
        {"path": list("abcd"), "compound": list("abcd"), "moa": ["x", "x", "y", "y"]}
    ).to_csv(tmp_path / "fields.csv", index=False)
    for image in "abcd":
        (tmp_path / image).touch()
    monkeypatch.setattr(jobs, "resume", lambda root: None)
    monkeypatch.chdir(tmp_path)
    app = pages(monkeypatch, cache, PAGE, data_view="Your own images")
    app.text_input(key="plate_path").input("fields.csv").run()
    app.button(key="plate_train").click().run()
    assert not app.exception
    (job,) = jobs.list_jobs(cache)
    assert (job.study, job.state) == ("fields", jobs.WAITING)
    # The runner works in another folder, so the path is absolute.
    assert job.words == ("study", "plate", str(tmp_path / "fields.csv"), "--preset", "quick")
    # The page says where the progress is, and nobody adds it twice.
    assert "fields" in app.info[0].value and "in the queue" in app.info[0].value
    assert not any(b.key == "plate_train" for b in app.button)
    app.button(key="job_000001_Cancel").click().run()
    assert jobs.list_jobs(cache)[0].state == jobs.CANCELLED
    app.button(key="job_000001_Remove from list").click().run()
    assert jobs.list_jobs(cache) == [] and not app.exception
    (cache / jobs.JOBS_FOLDER / "000007").mkdir()
    jobs.write_json(
        cache / jobs.JOBS_FOLDER / "000007" / jobs.JOB,
        {"words": [], "study": "animals", "added": ""},
    )
    jobs.write_json(cache / jobs.JOBS_FOLDER / "000007" / jobs.ENDED, {"state": jobs.DONE})
    # A job whose runner was killed leaves its command.
    (cache / jobs.JOBS_FOLDER / "000008").mkdir()
    jobs.write_json(
        cache / jobs.JOBS_FOLDER / "000008" / jobs.JOB,
        {"words": ["study", "digits"], "study": "digits", "added": ""},
    )
    (cache / jobs.JOBS_FOLDER / "000008" / jobs.LOG).write_text("training\n")
    app.run()
    assert f"bnn study digits --cache {cache}" in [code.value for code in app.code]
    app.button(key="job_000008_Cancel").click().run()
    app.button(key="job_000008_Continue").click().run()
    assert jobs.list_jobs(cache)[-1].state == jobs.WAITING
    app.button(key="job_000008_Cancel").click().run()
    app.button(key="job_000007_Open study").click().run()
    assert app.session_state["study"] == "animals" and not app.exception
    assert app.title[0].value == "Overview"
    app.switch_page("your_data/page.py").run()
    # A link keeps its name, which is the study's; an existing study is replaced only if asked to be.
    (tmp_path / "animals.csv").symlink_to(tmp_path / "fields.csv")
    monkeypatch.setenv("HOME", str(tmp_path))
    app.segmented_control(key="data_view").set_value("Your own images").run()
    app.text_input(key="plate_path").input("~/animals.csv")
    app.text_input(key="plate_images").input("~").run()
    assert not app.exception and app.button(key="plate_train").disabled
    app.checkbox(key="plate_train_replace").check().run()
    app.button(key="plate_train").click().run()
    words = jobs.list_jobs(cache)[-1].words
    assert words[2] == str(tmp_path / "animals.csv") and words[-1] == "--force"
    assert words[words.index("--images") + 1] == str(tmp_path)
    # With decisions on that study there is a second training, into another study.
    assert not any(b.key == "plate_again" for b in app.button)
    ReviewLog(cache).flag(
        open_study(cache / "animals"), [0], reviewer="Ada", reason="other", decision="exclude"
    )
    app.run()
    app.button(key="plate_again").click().run()
    job = jobs.list_jobs(cache)[-1]
    words = dict(zip(job.words[3::2], job.words[4::2], strict=True))
    assert job.study == "animals-cleaned" and words["--out"] == str(cache / "animals-cleaned")
    assert "exclude" in Path(words["--exclude"]).read_text() and "--force" not in job.words
    assert Path(words["--exclude"]).is_relative_to(job.folder)
    monkeypatch.setenv("BNN_DATA_ROOTS", str(tmp_path))
    app = pages(monkeypatch, cache, PAGE, data_view="Your own images")
    app.text_input(key="plate_path").input(str(tmp_path / "fields.csv")).run()
    assert not any("Cancel" in (b.key or "") for b in app.button)
    assert not app.exception and not any(b.key == "plate_train" for b in app.button)


class Upload(BytesIO):
    """What Streamlit gives for a file of an uploaded folder."""

    def __init__(self, name, content):
        super().__init__(content)
        self.name = self.file_id = name


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A session's folder of uploads, outside of a page."""
    monkeypatch.setattr(forms, "_session_folder", lambda: tmp_path)


def test_an_uploaded_array_needs_the_table_of_its_rows(session):
    array, table = Upload("x.npy", b"\x93NUMPY"), Upload("m.csv", b"moa\na")
    assert [forms.shown_path(path) for path in forms.uploaded_rows([table, array])] == [
        "rows/x.npy",
        "rows/m.csv",
    ]
    assert forms.uploaded_rows([table])[1] is None
    with pytest.raises(InputError, match="one table, or one array"):
        forms.uploaded_rows([table, table])


def test_an_uploaded_folder_is_its_table_or_a_folder_of_images(session):
    table = Upload("screen/fields.csv", b"path,label\na.png,x")
    images = [Upload(f"screen/plate1/{name}.png", b"x") for name in "ab"]
    found = forms.uploaded_folder([table, *images])
    assert (
        found.read_bytes() == b"path,label\na.png,x"
        and (found.parent / "plate1" / "b.png").is_file()
    )
    assert forms.shown_path(found) == "screen/fields.csv"
    assert forms.uploaded_folder(images).name == "screen"
    folder = forms.uploaded_folder([Upload("screen/map.csv", b"well,moa\nA1,x"), *images])
    assert [path.name for path in forms.tables_in(folder)] == ["map.csv"]  # of wells, not of images
    with pytest.raises(InputError, match="is not in the uploaded folder"):
        forms.uploaded_folder([Upload("../../a.png", b"x")])
