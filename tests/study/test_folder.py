"""The study format: written whole or not at all, and checked against itself."""

import hashlib
import json
import os

import pandas as pd
import pytest
from numpy.testing import assert_allclose
from small_studies import parts
from study_writing import write_study

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json
from bnn_core.study import writing
from bnn_core.study.catalogue import cache_root, list_studies, study_path
from bnn_core.study.checking import check_study
from bnn_core.study.folder import fingerprint, open_study
from bnn_core.study.lock import MAKING
from bnn_core.study.working_folder import making_of, open_making
from bnn_core.study.writing import finish_study


@pytest.fixture
def study(tmp_path):
    return open_study(write_study(tmp_path / "small", **parts()))


def test_round_trip(study):
    made = parts()
    assert check_study(study.path) == []
    assert study.meta["rows"] == len(study.images) == 12
    assert study.meta["levels"] == ["image", "well", "treatment", "compound"]
    pd.testing.assert_frame_equal(study.images, made["images"])
    assert_allclose(study.samples("vi"), made["samples"]["vi"], atol=1e-3)
    assert study.thumbnail(0) is None
    assert study.thumbnail(3) == b"webp3"
    assert study.row_of("im-7") == 7
    right = made["summaries"]["vi"]["correct"].mean()
    assert_allclose(study.meta["metrics"]["vi"]["image"]["accuracy"], right)
    assert list(study.table("vi")["image_id"]) == list(made["images"]["image_id"])


def test_what_it_lacks_is_none(tmp_path):
    lean = parts() | {"samples": None, "embedding": None, "thumbnails": None}
    study = open_study(write_study(tmp_path / "lean", **lean))
    assert (
        study.samples("vi") is study.embedding is study.thumbnail(0) is study.sample_size() is None
    )
    assert study.image_file(0) is None
    assert check_study(study.path) == []


def test_the_list_shows_good_studies_marks_bad_ones_and_hides_unfinished(tmp_path):
    write_study(tmp_path / "good", **parts())
    write_study(tmp_path / "newer", **parts())
    meta = json.loads((tmp_path / "newer/study.json").read_text())
    (tmp_path / "newer/study.json").write_text(json.dumps(meta | {"schema": 99}))
    open_making(tmp_path / "begun", {})
    (tmp_path / "stray").mkdir()
    entries = {entry.name: entry for entry in list_studies(tmp_path)}
    assert set(entries) == {"good", "newer"}
    assert entries["good"].problem is None
    assert "schema 99" in entries["newer"].problem
    assert "update the program" in entries["newer"].problem
    with pytest.raises(InputError, match="is not finished"):
        open_study("begun", tmp_path)
    with pytest.raises(InputError, match=r"no study at .*nothing; studies there: good"):
        open_study("nothing", tmp_path)
    assert list_studies(tmp_path / "no such folder") == []


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema": 1}'])
def test_a_broken_description_is_one_clear_line(study, text):
    (study.path / "study.json").write_text(text)
    with pytest.raises(InputError, match=r"study\.json"):
        open_study(study.path)


def test_damage_is_found(study):
    path = study.path
    (path / "images.parquet").write_bytes((path / "images.parquet").read_bytes()[:200])
    with pytest.raises(InputError, match=r"images\.parquet is damaged"):
        _ = open_study(path).images
    problems = check_study(path)
    assert any("images.parquet has 200 bytes" in p for p in problems)


def test_check_recomputes_the_numbers(tmp_path):
    made = parts()
    made["summaries"]["vi"]["confidence"] += 0.01
    made["samples"]["vi"] = made["samples"]["vi"][:, :, ::-1]
    problems = check_study(write_study(tmp_path / "wrong", **made))
    assert any("confidence does not follow" in p for p in problems)
    assert any("does not average" in p for p in problems)


def test_a_study_is_not_overwritten_unless_asked(tmp_path):
    write_study(tmp_path / "s", **parts(0))
    with pytest.raises(InputError, match="--force"):
        write_study(tmp_path / "s", **parts(1))
    assert open_study(tmp_path / "s").meta["settings"] == {"seed": 0}
    write_study(tmp_path / "s", force=True, **parts(1))
    assert open_study(tmp_path / "s").meta["settings"] == {"seed": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_a_failure_midway_leaves_the_old_study_and_nothing_else(tmp_path, monkeypatch):
    write_study(tmp_path / "s", **parts(0))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_array", full)
    with pytest.raises(InputError, match=r"No space left on device .*B are free"):
        write_study(tmp_path / "s", force=True, **parts(1))
    assert open_study(tmp_path / "s").meta["settings"] == {"seed": 0}
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_resuming_needs_the_same_settings(tmp_path):
    making = open_making(tmp_path / "s", {"epochs": 3})
    (making / "folds").mkdir()
    (making / "folds" / "checkpoint").write_text("epoch 1")
    assert open_making(tmp_path / "s", {"epochs": 3}) == making
    # What it did not record when it was begun is no other wish, in a group of settings neither.
    assert open_making(tmp_path / "s", {"epochs": 3, "later": 1}) == making
    with pytest.raises(InputError, match=r"other settings \(epochs\)"):
        open_making(tmp_path / "s", {"epochs": 4})
    fresh = open_making(tmp_path / "s", {"epochs": 4}, restart=True)
    assert not (fresh / "folds").exists()
    finish_study(fresh, **parts())
    assert open_study(tmp_path / "s").name == "s"


def test_out_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        open_making(tmp_path / "file", {})
    with pytest.raises(InputError, match="cannot write"):
        open_making(tmp_path / "file" / "below", {})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("")
    with pytest.raises(InputError, match="other files"):
        open_making(tmp_path / "full", {})


def test_double_identities_are_refused(tmp_path):
    made = parts()
    made["images"].loc[3, "image_id"] = "im-0"
    with pytest.raises(InputError, match=r"'im-0' .*\(row 4\)"):
        write_study(tmp_path / "s", **made)
    assert not (tmp_path / f"s{MAKING}").exists()


def test_where_studies_live(monkeypatch, tmp_path):
    monkeypatch.setenv("BNN_CACHE", str(tmp_path / "env"))
    assert cache_root(tmp_path / "flag") == tmp_path / "flag"
    assert cache_root() == tmp_path / "env"
    monkeypatch.delenv("BNN_CACHE")
    assert cache_root().name == "cache"
    assert (cache_root().parent / "pyproject.toml").is_file()
    assert study_path("name", tmp_path) == tmp_path / "name"
    (tmp_path / "study.json").touch()
    monkeypatch.chdir(tmp_path)
    assert study_path(".") == tmp_path
    assert study_path(os.path.join("some", "name"), tmp_path).parts == ("some", "name")


def test_nobodys_folder_is_deleted_on_the_way(tmp_path):
    write_study(tmp_path / "s", **parts(0))
    (tmp_path / "s.old").mkdir()
    (tmp_path / "s.old" / "backup").write_text("mine")
    write_study(tmp_path / "s", force=True, **parts(1))
    assert (tmp_path / "s.old" / "backup").read_text() == "mine"
    training = tmp_path / f"other{MAKING}" / "folds"
    training.mkdir(parents=True)
    with pytest.raises(InputError, match=r"an unfinished training in other\.making"):
        write_study(tmp_path / "other", **parts(0))
    assert training.is_dir()


def test_what_lies_in_a_working_folder_without_settings_is_not_trusted(tmp_path):
    stale = tmp_path / f"s{MAKING}" / "folds"
    stale.mkdir(parents=True)
    making = open_making(tmp_path / "s", {"epochs": 3})
    assert [p.name for p in making.iterdir()] == ["settings.json"]


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="wrong size"), making_of(tmp_path / "s", {"epochs": 1}):
        raise InputError("wrong size")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="diverged"), making_of(tmp_path / "s", {"epochs": 1}) as m:
        (m / "folds").mkdir()
        (m / "folds" / "checkpoint").write_text("epoch 1")
        raise InputError("diverged")
    assert (tmp_path / "s.making" / "folds" / "checkpoint").is_file()


def test_other_settings_go_ahead_where_nothing_is_lost(tmp_path):
    open_making(tmp_path / "s", {"rate": 1})
    making = open_making(tmp_path / "s", {"rate": 2})
    assert read_json(making / "settings.json") == {"rate": 2}


@pytest.mark.parametrize("kind", [object, "str"])
def test_the_fingerprint_is_of_texts_and_separators(kind):
    ids, labels = ["é1", "2", ""], ["A", None, "B"]
    images = pd.DataFrame(
        {"image_id": ids, "content_hash": None, "label": labels, "role": "scored"}
    )
    text = "é1\x1f2\x1f\x1e\x1f\x1f\x1eA\x1f\x1fB\x1escored\x1fscored\x1fscored\x1e"
    assert fingerprint(images.astype(kind)) == hashlib.sha256(text.encode()).hexdigest()[:16]
